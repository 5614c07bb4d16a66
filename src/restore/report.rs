//! The report of a restore.

use jiff::Timestamp;
use serde::Serialize;

use crate::escape;
use crate::humanize::first_names;
use crate::model::attestation::NotTried;
use crate::model::catalog::{Catalog, Name, NotCoveredNames};
use crate::model::finding::Finding;
use crate::model::id::Id;
use crate::model::manifest::Manifest;
use crate::model::selection::Selection;
use crate::pg::target::readiness::Readiness;

#[derive(Debug, Serialize)]
pub struct Report {
    /// The restore point.
    pub id: Id,
    pub source: String,
    pub database: String,
    /// The target, without a password.
    pub target: String,
    /// The moment that the data shows.
    pub snapshot_at: Timestamp,
    /// Nothing was changed: `problems` and `findings` say what a restore would meet.
    pub dry_run: bool,
    /// Went on with an interrupted restore.
    pub resumed: bool,
    /// What a restore would refuse; only after `--dry-run`.
    pub problems: Vec<String>,
    /// Tables whose rows are back; after `--dry-run`: those that would be.
    pub tables: u64,
    /// By the server's own count; after `--dry-run`: as exported.
    pub rows: u64,
    pub large_objects: u64,
    /// Size of the COPY text.
    pub copy_bytes: u64,
    pub seconds: f64,
    pub phases: Vec<PhaseTime>,
    /// Whether the restored rows were read again and their digests compared.
    pub verified: bool,
    /// Missing tables, rows, sequences, keys or constraints: any makes the exit code 1.
    pub failures: Vec<Finding>,
    /// Anything else that is not as it was: any makes the exit code 3.
    pub findings: Vec<Finding>,
    /// Definitions about which nothing is known: of another version, or of none.
    pub not_compared: Vec<String>,
    /// Whether the target's user is a superuser.
    #[serde(skip)]
    pub as_superuser: bool,
    /// Tables, keys and constraints that a drill's login may not make.
    #[serde(skip)]
    pub unproven: Vec<Finding>,
    /// What else it may not make.
    #[serde(skip)]
    pub not_tried: Vec<NotTried>,
    /// Roles that this restore made, in earlier runs too.
    #[serde(skip)]
    pub created_roles: Vec<String>,
    /// Left out because only some schemas or tables were asked for, or because rows that a foreign key refers to are
    /// not in the backup on request.
    pub left_out: Vec<String>,
    /// What the backup leaves out on request, by kind.
    pub excluded: Vec<NotCoveredNames>,
    /// Tables and indexes that have the statistics which they had in the source; others were analyzed.
    pub statistics_imported: u64,
    /// How ready the restored tables are; `None` after `--dry-run`, or where the server did not say.
    pub ready: Option<Readiness>,
    /// What is left to do by hand.
    pub to_do: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseTime {
    pub name: String,
    pub seconds: f64,
}

impl Report {
    pub(super) fn new(manifest: &Manifest, target: String, dry_run: bool) -> Self {
        Self {
            id: manifest.id.clone(),
            source: manifest.source.clone(),
            database: manifest.database.clone(),
            target,
            snapshot_at: manifest.snapshot_at,
            dry_run,
            resumed: false,
            problems: Vec::new(),
            tables: 0,
            rows: 0,
            large_objects: 0,
            copy_bytes: 0,
            seconds: 0.0,
            phases: Vec::new(),
            verified: false,
            failures: Vec::new(),
            findings: Vec::new(),
            not_compared: Vec::new(),
            as_superuser: false,
            unproven: Vec::new(),
            not_tried: Vec::new(),
            created_roles: Vec::new(),
            left_out: Vec::new(),
            excluded: Vec::new(),
            statistics_imported: 0,
            ready: None,
            to_do: Vec::new(),
        }
    }

    /// Whether a table could not be made for want of rights.
    pub(super) fn is_unproven(&self, table: &Name) -> bool {
        // pg_restore writes line breaks in names as spaces.
        let entry = format!("TABLE {} {} ", table.schema, table.name).replace(['\n', '\r'], " ");
        let mut unproven = self.unproven.iter();
        unproven.any(|one| one.what.starts_with(&entry))
    }

    /// What a restore would bring back.
    pub(super) fn list_plan(&mut self, catalog: &Catalog, selection: &Selection) {
        for table in catalog.tables.iter().filter(|table| selection.has(table)) {
            self.tables += 1;
            self.rows += table.digest.rows;
        }
        if selection.whole {
            self.large_objects = catalog.large_objects.properties.rows;
        }
    }

    /// What no restore can bring back by itself.
    pub(super) fn list_to_do(&mut self, catalog: &Catalog) {
        for one in &catalog.not_covered {
            let mut names = one.names.clone();
            if one.kind == "role passwords" && !self.dry_run {
                // Roles that were there already keep the passwords that they have.
                names.retain(|name| self.created_roles.contains(name));
            }
            if !names.is_empty() {
                let names = shown(&names);
                self.to_do
                    .push(format!("not in the backup: {}: {names}", one.kind));
            }
        }
    }
}

/// Names in one line, the first few and how many more.
pub(super) fn shown(names: &[String]) -> String {
    let names = names.iter().map(|name| escape::name(name));
    first_names(&names.collect::<Vec<_>>(), 10)
}
