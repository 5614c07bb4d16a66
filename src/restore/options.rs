//! What a restore is asked to do.

use std::collections::BTreeSet;

use crate::model::selection::TableName;
use crate::pg::connect::server::Server;
use crate::pg::local::tools::Dirs;
use crate::quote::quote_ident;

pub struct Options {
    /// Server and database to restore into.
    pub target: Server,
    /// Sessions that load in parallel; `None`: chosen from this machine's cores.
    pub jobs: Option<usize>,
    /// Make the database first.
    pub create: bool,
    /// Go on with an interrupted restore of the same point.
    pub resume: bool,
    /// Look and compare, change nothing.
    pub dry_run: bool,
    /// Everything belongs to the user that restores.
    pub no_owner: bool,
    /// Leave out GRANT and REVOKE.
    pub no_privileges: bool,
    /// Read the restored rows again and compare digests.
    pub verify: bool,
    /// Only these schemas and tables; both empty: everything.
    pub schemas: Vec<String>,
    pub tables: Vec<TableName>,
    pub tool_dirs: Dirs,
    /// A drill: that the target's server lacks an extension says nothing of the backup.
    pub drill: bool,
    /// The login that reads what a drill restored. Set where the drill prepared roles, database and
    /// extensions, and the target's user may do nothing but own objects.
    pub drill_reader: Option<Server>,
    /// A drill on somebody's server: what its roles may do stays as it is.
    pub keep_rights: bool,
    /// A drill that a trusted key signed found this very point sound.
    pub drilled_sound: bool,
}

impl Options {
    /// Whether the target's user has no rights beyond owning what it makes, as in a drill. What it
    /// cannot make for that reason is reported apart from failures.
    pub(super) fn is_powerless(&self) -> bool {
        self.drill_reader.is_some()
    }

    /// What of a point is restored and how, as flags in a fixed order; empty: everything.
    pub(super) fn choice(&self) -> String {
        let schemas: BTreeSet<&String> = self.schemas.iter().collect();
        let tables: BTreeSet<String> = self.tables.iter().map(TableName::quoted).collect();
        let schemas = schemas.into_iter().map(|schema| quote_ident(schema));
        let mut flags: Vec<String> = schemas
            .map(|schema| format!("--schema {schema}"))
            .chain(tables.iter().map(|table| format!("--table {table}")))
            .collect();
        if self.no_owner {
            flags.push("--no-owner".to_owned());
        }
        if self.no_privileges {
            flags.push("--no-privileges".to_owned());
        }
        flags.join(" ")
    }
}
