//! One kind of definition, and what the queries of all share.

/// True for a role that the service made and no restore can make: only where RDS's own is there, as
/// anybody may call a role `rdsreader`. The role's name is `$r`.
const OF_RDS: &str = "(EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rdsadmin')
   AND ($r ~ '^rds_' OR $r IN ('rdsadmin', 'rdsrepladmin', 'rdsproxyadmin', 'rdstopmgr',
                               'rdswriteforwarduser')))";

/// [`OF_RDS`] for an expression.
pub(in crate::pg) fn of_rds(role: &str) -> String {
    OF_RDS.replace("$r", role)
}

/// Schemas whose objects are restored, by `n`.
pub(super) const OWN_SCHEMA: &str =
    "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')";

/// The name of what pg_identify_object said, as `i`. Type json has lost its schema there since 16.
pub(in crate::pg) const IDENTITY: &str =
    r"pg_catalog.regexp_replace(i.identity, '\mpg_catalog\.json\M', 'json', 'g')";

/// No session carries its temporary objects into a backup; `i` as before.
pub(super) const NOT_TEMPORARY: &str = "i.identity !~ '(^| )pg_(toast_)?temp(_[0-9]+)?[.]'";

/// What an extension brings comes with it.
pub(super) fn not_of_extension(catalog: &str, oid: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_catalog.pg_depend ext
                      WHERE ext.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass
                        AND ext.objid = {oid} AND ext.deptype = 'e')"
    )
}

/// One kind, and the query of its names and texts.
pub(super) struct Kind {
    pub name: &'static str,
    /// The first server version with this query.
    pub since: u32,
    pub sql: fn() -> String,
}

impl Kind {
    pub(super) const fn new(name: &'static str, sql: fn() -> String) -> Self {
        Self::since(0, name, sql)
    }

    pub(super) const fn since(since: u32, name: &'static str, sql: fn() -> String) -> Self {
        Self { name, since, sql }
    }
}
