//! The instance, its databases, and the properties of one of them.

use super::roles::{of_rds, settings};
use crate::error::Result;
use crate::model::catalog::{Cast, Database, Extension, Grant, Setting};
use crate::pg::session::{Session, pg_error};

/// What the instance says about itself.
#[derive(Debug, Clone)]
pub struct Instance {
    /// As `server_version` prints it.
    pub version: String,
    /// Tells one instance from another; `None` where we may not ask.
    pub system_identifier: Option<String>,
    /// A standby: unlogged tables have no rows there.
    pub in_recovery: bool,
    pub max_locks_per_transaction: u64,
    /// The lock table has room for that many times `max_locks_per_transaction`.
    pub lock_owners: u64,
    /// Locks that are held now, by everyone.
    pub locks_held: u64,
}

pub async fn read_instance(session: &Session) -> Result<Instance> {
    let row = session
        .client
        .query_one(
            "SELECT pg_catalog.current_setting('server_version'),
                    pg_catalog.pg_is_in_recovery(),
                    pg_catalog.current_setting('max_locks_per_transaction')::bigint,
                    pg_catalog.current_setting('max_connections')::bigint
                      + pg_catalog.current_setting('max_prepared_transactions')::bigint,
                    (SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT fastpath)",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the instance's settings", error))?;
    // Some services deny it; it only helps to tell instances apart.
    let identifier = session
        .client
        .query_one(
            "SELECT system_identifier::text FROM pg_catalog.pg_control_system()",
            &[],
        )
        .await
        .ok();
    let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    Ok(Instance {
        version: row.get(0),
        in_recovery: row.get(1),
        max_locks_per_transaction: count(2),
        lock_owners: count(3),
        locks_held: count(4),
        system_identifier: identifier.map(|row| row.get(0)),
    })
}

/// A database of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// One that refuses connections cannot be exported.
    pub connectable: bool,
}

/// Databases that may hold data: all but PostgreSQL's two templates and RDS's own.
pub async fn databases(session: &Session) -> Result<Vec<Listed>> {
    let rows = session
        .client
        .query(
            "SELECT datname::text, datallowconn FROM pg_catalog.pg_database
              WHERE datname NOT IN ('template0', 'template1', 'rdsadmin') ORDER BY datname",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot list the databases", error))?;
    Ok(rows
        .iter()
        .map(|row| Listed {
            name: row.get(0),
            connectable: row.get(1),
        })
        .collect())
}

pub async fn read_database(session: &Session) -> Result<Database> {
    let version = session.server_version_num;
    // Columns came and were renamed with versions 15, 16 and 17.
    let (provider, collation_version) = if version >= 150_000 {
        ("d.datlocprovider::text", "d.datcollversion")
    } else {
        ("'c'", "NULL")
    };
    let locale = match version {
        170_000.. => "d.datlocale",
        150_000.. => "d.daticulocale",
        _ => "NULL",
    };
    let rules = if version >= 160_000 {
        "d.daticurules"
    } else {
        "NULL"
    };
    let sql = format!(
        "SELECT d.datname::text, pg_catalog.pg_get_userbyid(d.datdba)::text,
                pg_catalog.pg_encoding_to_char(d.encoding)::text, {provider},
                d.datcollate::text, d.datctype::text, {locale}::text, {rules}::text,
                {collation_version}::text, d.datconnlimit, d.datistemplate, d.datallowconn,
                pg_catalog.shobj_description(d.oid, 'pg_database'), d.datacl IS NOT NULL
           FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
    );
    let row = session
        .client
        .query_one(&sql, &[])
        .await
        .map_err(|error| pg_error("cannot read the database's properties", error))?;
    let acl = if row.get::<_, bool>(13) {
        Some(read_acl(session).await?)
    } else {
        None
    };
    Ok(Database {
        name: row.get(0),
        owner: row.get(1),
        encoding: row.get(2),
        locale_provider: row.get(3),
        collate: row.get(4),
        ctype: row.get(5),
        locale: row.get(6),
        icu_rules: row.get(7),
        collation_version: row.get(8),
        connection_limit: row.get(9),
        is_template: row.get(10),
        allow_connections: row.get(11),
        comment: row.get(12),
        acl,
        settings: read_settings(session).await?,
    })
}

async fn read_acl(session: &Session) -> Result<Vec<Grant>> {
    let rows = session
        .client
        .query(
            "SELECT pg_catalog.pg_get_userbyid(a.grantor)::text,
                    CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee)::text END,
                    a.privilege_type, a.is_grantable
               FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a
              WHERE d.datname = pg_catalog.current_database()",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the database's privileges", error))?;
    Ok(rows
        .iter()
        .map(|row| Grant {
            grantor: row.get(0),
            grantee: row.get(1),
            privilege: row.get(2),
            grantable: row.get(3),
        })
        .collect())
}

async fn read_settings(session: &Session) -> Result<Vec<Setting>> {
    let rows = session
        .client
        .query(
            &format!(
                "SELECT r.rolname::text, s.setconfig
               FROM pg_catalog.pg_db_role_setting s
               JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
              WHERE d.datname = pg_catalog.current_database()
                AND (s.setrole = 0 OR NOT {})
              ORDER BY r.rolname NULLS FIRST",
                of_rds("r.rolname")
            ),
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the database's settings", error))?;
    Ok(rows
        .iter()
        .flat_map(|row| settings(row.get(0), &row.get::<_, Vec<String>>(1)))
        .collect())
}

pub async fn read_extensions(session: &Session) -> Result<Vec<Extension>> {
    let rows = session
        .client
        .query(
            "SELECT e.extname::text, e.extversion, n.nspname::text
               FROM pg_catalog.pg_extension e
               JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY e.oid",
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the extensions", error))?;
    Ok(rows
        .iter()
        .map(|row| Extension {
            name: row.get(0),
            version: row.get(1),
            schema: row.get(2),
        })
        .collect())
}

/// Casts that somebody made between PostgreSQL's own types, by way of text. OIDs below 16384 are given
/// by initdb.
pub async fn read_casts(session: &Session) -> Result<Vec<Cast>> {
    let rows = session
        .client
        .query(
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
            &[],
        )
        .await
        .map_err(|error| pg_error("cannot read the casts", error))?;
    Ok(rows
        .iter()
        .map(|row| Cast {
            source: row.get(0),
            target: row.get(1),
            context: row.get(2),
        })
        .collect())
}
