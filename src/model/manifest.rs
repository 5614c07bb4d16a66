//! What one export stored, as signed. In clear: nothing here comes from inside the database but
//! oids, counts and sizes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::id::{Id, Key};
use super::lock::Lock;

/// The format that this code writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;

/// One stored object, exactly: a reader fetches this version and accepts nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    pub key: Key,
    /// The store's version id.
    pub version: String,
    /// Stored size in bytes.
    pub bytes: u64,
    /// Of the stored bytes.
    pub sha256: Sha256,
}

/// One line of a table's `parts.jsonl.zst`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    #[serde(flatten)]
    pub object: ObjectRef,
    pub rows: u64,
    /// Size of the COPY text inside.
    pub copy_bytes: u64,
}

impl Part {
    /// Its number within the table: the name's first word.
    pub fn number(&self) -> Option<u64> {
        self.object.key.name().split('.').next()?.parse().ok()
    }
}

/// A table's parts: totals, and the list of them as an object of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableParts {
    /// The table's oid in the source; 2613 (pg_largeobject) and 2995 (pg_largeobject_metadata)
    /// stand for the large objects' pages and properties.
    pub oid: u32,
    pub rows: u64,
    pub parts: u64,
    pub stored_bytes: u64,
    pub copy_bytes: u64,
    /// `None` exactly where `parts` is 0.
    pub list: Option<ObjectRef>,
}

/// What is not in an export, by kind; names are in the sealed catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCovered {
    /// One of a small set of words, for example `foreign table rows`.
    pub kind: String,
    pub count: u64,
}

/// The restore point of the same source and database before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    pub id: Id,
    /// Of the previous manifest's body.
    pub sha256: Sha256,
    /// When the lock of its manifest ends, as it was made; `None`: not locked, or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The body of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// What a reader must know beyond the format, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// The repository's id, from `lifeboat.json`.
    pub repository: String,
    pub id: Id,
    /// Joins the restore points of one run over several databases.
    pub run: Id,
    pub source: String,
    pub database: String,
    /// `lifeboat 0.1.0`
    pub tool: String,
    /// PostgreSQL's `server_version`, for example `15.18 (Debian …)`.
    pub server_version: String,
    /// PostgreSQL's `server_version_num`, for example 150018.
    pub server_version_num: u32,
    /// Major version of the pg_dump that wrote `schema.dump`.
    pub pg_dump_major: u32,
    /// `pg_control_system()`'s identifier where readable; differs between instances.
    pub system_identifier: Option<String>,
    pub started_at: Timestamp,
    /// The moment that the data shows.
    pub snapshot_at: Timestamp,
    pub finished_at: Timestamp,
    pub previous: Option<Previous>,
    /// The lock of parts and other objects; the manifest's own ends two days earlier. `None`: not
    /// locked.
    pub lock: Option<Lock>,
    /// age recipients that can open the sealed objects.
    pub recipients: Vec<String>,
    /// Everything but parts and part lists, by [`ObjectRef::key`]'s last segment.
    pub objects: Vec<ObjectRef>,
    pub tables: Vec<TableParts>,
    pub not_covered: Vec<NotCovered>,
    /// What an export was asked to leave out, by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<NotCovered>,
    /// Points of this database in whose folders parts or part lists lie that this one names; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts_from: Vec<Id>,
    /// Stored bytes but the manifest's that this export stored itself; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_anew: Option<u64>,
    /// Which parts a later export may name again. Only an exporter needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ObjectRef>,
}

impl TableParts {
    /// The totals of these parts.
    pub fn of(oid: u32, parts: &[Part], list: Option<ObjectRef>) -> Self {
        let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum();
        Self {
            oid,
            rows: sum(|part| part.rows),
            parts: parts.len() as u64,
            stored_bytes: sum(|part| part.object.bytes),
            copy_bytes: sum(|part| part.copy_bytes),
            list,
        }
    }
}

impl Manifest {
    /// The object whose key ends in `/name`.
    pub fn object(&self, name: &str) -> Option<&ObjectRef> {
        self.objects.iter().find(|object| object.key.name() == name)
    }

    pub fn rows(&self) -> u64 {
        self.user_tables().map(|table| table.rows).sum()
    }

    /// Tables, without the two that stand for large objects.
    pub fn user_tables(&self) -> impl Iterator<Item = &TableParts> {
        let tables = self.tables.iter();
        tables.filter(|table| !is_large_objects(table.oid))
    }

    pub fn copy_bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.copy_bytes).sum()
    }

    /// All stored objects but parts, their lists, and the manifest itself.
    pub fn other_objects(&self) -> impl Iterator<Item = &ObjectRef> {
        self.objects.iter().chain(&self.state)
    }

    /// All stored bytes but the manifest's own.
    pub fn stored_bytes(&self) -> u64 {
        let tables = self
            .tables
            .iter()
            .map(|table| table.stored_bytes + table.list.as_ref().map_or(0, |list| list.bytes));
        self.other_bytes() + tables.sum::<u64>()
    }

    /// Stored bytes of parts and their lists.
    pub(crate) fn parts_bytes(&self) -> u64 {
        self.stored_bytes() - self.other_bytes()
    }

    /// Those of them that this export stored itself.
    pub(crate) fn parts_stored_anew(&self) -> u64 {
        let anew = self.stored_anew.unwrap_or_else(|| self.stored_bytes());
        anew.saturating_sub(self.other_bytes())
    }

    fn other_bytes(&self) -> u64 {
        self.other_objects().map(|object| object.bytes).sum()
    }

    pub fn parts(&self) -> u64 {
        self.tables.iter().map(|table| table.parts).sum()
    }
}

/// PostgreSQL itself neither prints nor takes a longer row of COPY text.
pub(crate) const MAX_ROW_BYTES: usize = 1024 * 1024 * 1024;

/// `pg_largeobject`: rows of (oid, page number, 1 MiB page).
pub const LARGE_OBJECT_PAGES: u32 = 2613;
/// `pg_largeobject_metadata`: rows of (oid, owner, ACL, comment).
pub const LARGE_OBJECT_PROPERTIES: u32 = 2995;

pub(crate) fn is_large_objects(oid: u32) -> bool {
    matches!(oid, LARGE_OBJECT_PAGES | LARGE_OBJECT_PROPERTIES)
}

/// Names of the objects of a restore point besides parts and part lists.
pub mod names {
    /// `pg_dump --schema-only -Fc`, sealed.
    pub const SCHEMA: &str = "schema.dump.age";
    /// `pg_dump --statistics-only -Fc`, compressed and sealed; not in every point.
    pub const STATISTICS: &str = "statistics.dump.zst.age";
    /// [`crate::model::catalog::Catalog`] as JSON, sealed.
    pub const CATALOG: &str = "catalog.json.zst.age";
    /// What `restore.sh` needs from the catalog, as tab-separated lines, sealed.
    pub const PLAN: &str = "plan.tsv.zst.age";
    /// SQL made by lifeboat: roles and memberships, for `restore.sh`, sealed.
    pub const ROLES_SQL: &str = "roles.sql.zst.age";
    /// SQL made by lifeboat: sequences and large objects' properties, for `restore.sh`, sealed.
    pub const DATA_SQL: &str = "after-data.sql.zst.age";
    /// SQL made by lifeboat: materialized views, database properties, for `restore.sh`, sealed.
    pub const LAST_SQL: &str = "last.sql.zst.age";
    /// Wrapped identities, in clear.
    pub const KEYS: &str = "keys.json";
    pub const RUNBOOK: &str = "RESTORE.md";
    pub const SCRIPT: &str = "restore.sh";
    /// The configuration without secrets, in clear.
    pub const CONFIG: &str = "config.toml";
    pub const PART_LIST: &str = "parts.jsonl.zst";
}
