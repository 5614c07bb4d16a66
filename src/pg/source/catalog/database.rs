//! The instance, its databases, and the properties of one of them.

use super::roles::settings;
use crate::error::Result;
use crate::model::catalog::{Cast, Database, Extension, Grant, Setting};
use crate::pg::definitions::of_rds;
use crate::pg::session::{Session, from_row};

/// What the instance says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    /// As `server_version` prints it.
    pub version: String,
    /// Distinguishes instances; `None` where we may not ask.
    pub system_identifier: Option<String>,
    /// A standby: unlogged tables have no rows there.
    pub in_recovery: bool,
    pub max_locks_per_transaction: u64,
    /// The lock table has room for that many times `max_locks_per_transaction`.
    pub lock_owners: u64,
    /// Locks that are held now, by everyone.
    pub locks_held: u64,
}

pub(crate) async fn read_instance(session: &Session) -> Result<Instance> {
    let mut instance: Instance = session
        .row(
            "SELECT pg_catalog.current_setting('server_version'),
                    pg_catalog.pg_is_in_recovery(),
                    pg_catalog.current_setting('max_locks_per_transaction')::bigint,
                    pg_catalog.current_setting('max_connections')::bigint
                      + pg_catalog.current_setting('max_prepared_transactions')::bigint,
                    (SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT fastpath)",
            "cannot read the instance's settings",
        )
        .await?;
    // Some services deny it; it only helps to distinguish instances.
    let sql = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
    instance.system_identifier = session.row(sql, "cannot read the identifier").await.ok();
    Ok(instance)
}

from_row!(
    Instance:
    version, in_recovery, max_locks_per_transaction, lock_owners, locks_held;
    system_identifier: None
);

/// A database of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceDatabase {
    pub name: String,
    /// One that refuses connections cannot be exported.
    pub connectable: bool,
    /// An interrupted DROP DATABASE left it: it is good for nothing but to be dropped.
    pub invalid: bool,
}

from_row!(InstanceDatabase: name, connectable, invalid);

/// Databases that may hold data: all but PostgreSQL's two templates and RDS's own.
pub(crate) async fn databases(session: &Session) -> Result<Vec<InstanceDatabase>> {
    session
        .rows(
            "SELECT datname::text, datallowconn AND datconnlimit <> -2, datconnlimit = -2
               FROM pg_catalog.pg_database
              WHERE datname NOT IN ('template0', 'template1', 'rdsadmin') ORDER BY datname",
            "cannot list the databases",
        )
        .await
}

/// Whether nobody has made anything in this database: no table to read, and nothing else either but what
/// extensions and RDS make.
pub(crate) async fn is_bare(session: &Session) -> Result<bool> {
    let sql = "
      SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication)
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_foreign_server)
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extconfig IS NOT NULL)
         AND NOT EXISTS (SELECT FROM (
           SELECT oid, relowner FROM pg_catalog.pg_class
            WHERE relnamespace <> 'pg_toast'::pg_catalog.regnamespace AND relpersistence <> 't'
           UNION ALL SELECT oid, proowner FROM pg_catalog.pg_proc
           UNION ALL SELECT oid, typowner FROM pg_catalog.pg_type
           UNION ALL SELECT oid, oprowner FROM pg_catalog.pg_operator
           UNION ALL SELECT oid, evtowner FROM pg_catalog.pg_event_trigger
           UNION ALL SELECT oid, nspowner FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'
         ) o(oid, owner)
          WHERE o.oid >= 16384 AND pg_catalog.pg_get_userbyid(o.owner) <> 'rdsadmin'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                             WHERE d.objid = o.oid AND d.deptype IN ('e', 'i')))";
    session
        .row(sql, "cannot look for what the database holds")
        .await
}

/// Of `pg_database`: the locale provider, and the locale of a provider other than libc. These columns
/// came and were renamed with versions 15 and 17.
pub(crate) fn locale_columns(version_num: u32) -> (&'static str, &'static str) {
    match version_num {
        170_000.. => ("datlocprovider::text", "datlocale::text"),
        150_000.. => ("datlocprovider::text", "daticulocale::text"),
        _ => ("'c'", "NULL::text"),
    }
}

pub(crate) async fn read_database(session: &Session) -> Result<Database> {
    let version = session.server_version_num;
    let (provider, locale) = locale_columns(version);
    let collation_version = match version {
        150_000.. => "d.datcollversion",
        _ => "NULL",
    };
    let rules = match version {
        160_000.. => "d.daticurules",
        _ => "NULL",
    };
    let sql = format!(
        "SELECT d.datname::text, pg_catalog.pg_get_userbyid(d.datdba)::text,
                pg_catalog.pg_encoding_to_char(d.encoding)::text, {provider},
                d.datcollate::text, d.datctype::text, {locale}, {rules}::text,
                {collation_version}::text, d.datconnlimit, d.datistemplate, d.datallowconn,
                pg_catalog.shobj_description(d.oid, 'pg_database'), d.datacl IS NOT NULL
           FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
    );
    let what = "cannot read the database's properties";
    let (mut database, has_acl): (Database, bool) = session.row(&sql, what).await?;
    if has_acl {
        database.acl = Some(read_acl(session).await?);
    }
    database.settings = read_settings(session).await?;
    database.computed_under = read_computed_under(session).await?;
    database.names_are_bytes = session.names_are_bytes;
    Ok(database)
}

// ACL and settings are rows of their own.
from_row!(
    Database:
    name, owner, encoding, locale_provider, collate, ctype, locale, icu_rules,
    collation_version, connection_limit, is_template, allow_connections, comment;
    acl: None, settings: Vec::new(), computed_under: Vec::new(), names_are_bytes: false
);

async fn read_acl(session: &Session) -> Result<Vec<Grant>> {
    session
        .rows(
            "SELECT pg_catalog.pg_get_userbyid(a.grantor)::text,
                    CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee)::text END,
                    a.privilege_type, a.is_grantable
               FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a
              WHERE d.datname = pg_catalog.current_database()",
            "cannot read the database's privileges",
        )
        .await
}

from_row!(Grant: grantor, grantee, privilege, grantable);

async fn read_settings(session: &Session) -> Result<Vec<Setting>> {
    let sql = format!(
        "SELECT r.rolname::text, s.setconfig
           FROM pg_catalog.pg_db_role_setting s
           JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
           LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
          WHERE d.datname = pg_catalog.current_database()
            AND (s.setrole = 0 OR NOT {})
          ORDER BY r.rolname NULLS FIRST",
        of_rds("r.rolname")
    );
    let what = "cannot read the database's settings";
    let rows: Vec<(Option<String>, Vec<String>)> = session.rows(&sql, what).await?;
    Ok(rows
        .iter()
        .flat_map(|(role, items)| settings(role.as_deref(), items))
        .collect())
}

/// What a new session has, whatever ours is pinned to. What is set for our own role says nothing of
/// others.
async fn read_computed_under(session: &Session) -> Result<Vec<Setting>> {
    let sql = "
      SELECT name, reset_val FROM pg_catalog.pg_settings s
       WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'default_text_search_config',
                      'extra_float_digits', 'bytea_output', 'lc_monetary', 'lc_numeric', 'lc_time',
                      'quote_all_identifiers', 'transform_null_equals', 'xmlbinary')
         AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_db_role_setting o
             JOIN pg_catalog.pg_roles r ON r.oid = o.setrole
            CROSS JOIN LATERAL unnest(o.setconfig) AS c(item)
            WHERE r.rolname IN (session_user, current_user)
              AND lower(pg_catalog.split_part(c.item, '=', 1)) = lower(s.name))
       ORDER BY name";
    let what = "cannot read what new sessions have";
    let rows: Vec<(String, String)> = session.rows(sql, what).await?;
    let setting = |(name, value)| Setting {
        role: None,
        name,
        value,
    };
    Ok(rows.into_iter().map(setting).collect())
}

pub(crate) async fn read_extensions(session: &Session) -> Result<Vec<Extension>> {
    session
        .rows(
            "SELECT e.extname::text, e.extversion, n.nspname::text
               FROM pg_catalog.pg_extension e
               JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY e.oid",
            "cannot read the extensions",
        )
        .await
}

from_row!(Extension: name, version, schema);

/// Casts that somebody made between PostgreSQL's own types, by way of text. OIDs below 16384 are given
/// by initdb.
pub(crate) async fn read_casts(session: &Session) -> Result<Vec<Cast>> {
    session
        .rows(
            "SELECT s.typname::text, t.typname::text, c.castcontext::text
               FROM pg_catalog.pg_cast c
               JOIN pg_catalog.pg_type s ON s.oid = c.castsource
               JOIN pg_catalog.pg_type t ON t.oid = c.casttarget
              WHERE c.castmethod = 'i' AND c.oid >= 16384 AND s.oid < 16384 AND t.oid < 16384
                AND s.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
                AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
                      AND d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND d.objid = c.oid)
              ORDER BY c.oid",
            "cannot read the casts",
        )
        .await
}

from_row!(Cast: source, target, context);
