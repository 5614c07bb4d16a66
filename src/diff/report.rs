//! What `diff` reports.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::id::Id;
use crate::model::table_change::{Change, TableChange};
use crate::outcome::Outcome;

#[derive(Debug, Serialize)]
pub struct Report {
    pub source: String,
    pub database: String,
    pub a: SideFacts,
    pub b: SideFacts,
    /// Whether nothing differs, as far as it was compared; `None`: no difference was found, but something was not
    /// compared that not both points leave out alike on request.
    pub same: Option<bool>,
    /// Everything but the rows themselves; `None`: only the rows of one table were compared.
    pub content: Option<Content>,
    /// Rows of one table; `None`: not asked for.
    pub rows: Option<RowsReport>,
    pub seconds: f64,
}

impl Report {
    /// A difference is a finding, and so is one that may be there.
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(0, usize::from(self.same != Some(true)))
    }
}

/// A restore point, or a live database.
#[derive(Debug, Clone, Serialize)]
pub struct SideFacts {
    /// `None`: a live database.
    pub id: Option<Id>,
    /// The live database's URL, without a password; `None`: a restore point.
    pub server: Option<String>,
    /// The moment that the data shows.
    pub snapshot_at: Timestamp,
    pub server_version: String,
    /// With rows of their own: partitions, not their parents.
    pub tables: u64,
    /// `None`: of a live database only one table was read.
    pub rows: Option<u64>,
}

impl SideFacts {
    pub(crate) fn describe(&self) -> String {
        match (&self.id, &self.server) {
            (Some(id), _) => id.to_string(),
            (None, server) => server.clone().unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Serialize)]
pub struct Content {
    /// Whether names, digests and definitions were compared; else OIDs, rows and bytes alone, as the rest is
    /// sealed.
    pub by_names: bool,
    /// Those that came, went or changed, sorted by name, or by OID.
    pub tables: Vec<TableChange>,
    pub same_tables: u64,
    /// Whether the rows of every table were, by their digests.
    pub rows_compared: bool,
    /// Where nothing tells which table is which: whether there are other numbers of tables or rows.
    #[serde(skip)]
    pub(super) totals_differ: bool,
    /// Whether all was compared but what both points leave out alike on request.
    #[serde(skip)]
    pub(super) complete: bool,
    /// Those that both have, with another value.
    pub sequences: Vec<SequenceChange>,
    /// `None`: they are the same, or sealed.
    pub large_objects: Option<LargeObjectsChange>,
    /// Those that both have, with other rows, or filled only once.
    pub materialized_views: Vec<ViewChange>,
    /// Columns, keys, functions, roles, privileges and all else, sorted by kind and name.
    pub definitions: Vec<DefinitionChange>,
    pub same_definitions: u64,
    /// What says nothing, and why.
    pub not_compared: Vec<String>,
}

impl Content {
    /// As [`Report::same`].
    pub(super) fn same(&self) -> Option<bool> {
        let is_same = self.tables.is_empty()
            && !self.totals_differ
            && self.sequences.is_empty()
            && self.large_objects.is_none()
            && self.materialized_views.is_empty()
            && self.definitions.is_empty();
        (!is_same || self.complete).then_some(is_same)
    }
}

#[derive(Debug, Serialize)]
pub struct SequenceChange {
    pub schema: String,
    pub name: String,
    pub last_value_before: i64,
    pub last_value_after: i64,
    pub is_called_before: bool,
    pub is_called_after: bool,
}

#[derive(Debug, Serialize)]
pub struct LargeObjectsChange {
    pub before: u64,
    pub after: u64,
    pub same_content: bool,
    /// Owners, privileges and comments.
    pub same_properties: bool,
}

#[derive(Debug, Serialize)]
pub struct ViewChange {
    pub schema: String,
    pub name: String,
    pub populated_before: bool,
    pub populated_after: bool,
    /// `None`: not known.
    pub rows_before: Option<u64>,
    pub rows_after: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DefinitionChange {
    pub change: Change,
    pub kind: String,
    /// As PostgreSQL stores them: schema, table and the like.
    pub name: Vec<String>,
    /// The same in words.
    pub what: String,
    /// As PostgreSQL prints it; `None`: it was not there.
    pub before: Option<String>,
    pub after: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct RowsReport {
    pub schema: String,
    /// Of a partitioned table: all its partitions together.
    pub name: String,
    /// What was compared of each row.
    pub columns: Vec<String>,
    /// Columns that only some of the tables have.
    pub columns_left_out: Vec<String>,
    pub rows_of_a: u64,
    pub rows_of_b: u64,
    /// Rows that both have, each as often as both have it.
    pub same: u64,
    pub only_in_a: OneSide,
    pub only_in_b: OneSide,
}

impl RowsReport {
    pub(super) fn is_same(&self) -> bool {
        self.only_in_a.rows == 0 && self.only_in_b.rows == 0 && self.columns_left_out.is_empty()
    }
}

#[derive(Debug, Serialize)]
pub struct OneSide {
    pub rows: u64,
    /// As many as were asked for.
    pub examples: Vec<RowExample>,
}

#[derive(Debug, Serialize)]
pub struct RowExample {
    /// COPY text of the columns that are compared; of a long row the first 4096 bytes.
    pub row: String,
    /// Of the whole row.
    pub bytes: u64,
    /// How much more often it is there than on the other side.
    pub times: u64,
}
