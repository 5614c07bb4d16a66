//! What a restore must know of its target before it writes there.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{self, Unfinished};
use super::session::{Session, pg_error};
use super::statements::Rights;
use crate::error::Result;
use crate::model::catalog::{Name, quote_literal};

/// A server and its user, asked once.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    pub user: String,
    pub rights: Rights,
    /// Whether the user has the rights of the roles it is a member of.
    pub inherits: bool,
    pub databases: BTreeSet<String>,
    /// Each with the keywords of what it may (`LOGIN`, `SUPERUSER`, …).
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// The superuser that initdb made.
    pub owner: String,
    pub tablespaces: BTreeSet<String>,
    /// Of the server's messages, as lc_messages has them.
    pub speaks_english: bool,
    /// Role and member.
    pub memberships: BTreeSet<(String, String)>,
    /// Extensions that could be created, with the version that would be.
    pub extensions: BTreeMap<String, String>,
}

/// The database to restore into, asked once.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    pub encoding: String,
    pub locale_provider: String,
    pub collate: String,
    pub ctype: String,
    pub locale: Option<String>,
    /// The version of the collation as this server provides it now.
    pub collation_version: Option<String>,
    /// Whether the user may make schemas.
    pub may_create: bool,
    /// A few of the objects that are there already; empty: the database is.
    pub occupied: Vec<String>,
    /// Of the database and its schema public: those whose owner or privileges somebody changed.
    pub altered: Vec<String>,
    /// No archive makes the schema public, which each database has from its birth.
    pub has_public: bool,
    pub unfinished: Option<Unfinished>,
}

impl ServerFacts {
    pub async fn read(session: &Session) -> Result<Self> {
        let failed = |error| pg_error("cannot read the target's facts", error);
        let me = session
            .client
            .query_one(
                "SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication,
                        rolbypassrls, rolinherit
                   FROM pg_catalog.pg_roles WHERE rolname = current_user",
                &[],
            )
            .await
            .map_err(failed)?;
        let names = async |sql: &str| -> Result<BTreeSet<String>> {
            let rows = session.client.query(sql, &[]).await.map_err(failed)?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        };
        let extensions = session
            .client
            .query(
                "SELECT name::text, coalesce(installed_version, default_version, '')
                   FROM pg_catalog.pg_available_extensions",
                &[],
            )
            .await
            .map_err(failed)?;
        let memberships = session
            .client
            .query(
                "SELECT r.rolname::text, m.rolname::text FROM pg_catalog.pg_auth_members a
                   JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
                   JOIN pg_catalog.pg_roles m ON m.oid = a.member",
                &[],
            )
            .await
            .map_err(failed)?;
        let owner = names("SELECT rolname::text FROM pg_catalog.pg_roles WHERE oid = 10").await?;
        let language: String = session
            .client
            .query_one("SELECT pg_catalog.current_setting('lc_messages')", &[])
            .await
            .map_err(failed)?
            .get(0);
        Ok(Self {
            speaks_english: is_english(&language),
            owner: owner.into_iter().next().unwrap_or_default(),
            memberships: memberships
                .iter()
                .map(|row| (row.get(0), row.get(1)))
                .collect(),
            user: me.get(0),
            rights: Rights {
                version_num: session.server_version_num,
                superuser: me.get(1),
                create_role: me.get(2),
                create_db: me.get(3),
                replication: me.get(4),
                bypass_rls: me.get(5),
            },
            inherits: me.get(6),
            databases: names("SELECT datname::text FROM pg_catalog.pg_database").await?,
            roles: read_attributes(session).await?,
            tablespaces: names("SELECT spcname::text FROM pg_catalog.pg_tablespace").await?,
            extensions: extensions
                .iter()
                .map(|row| (row.get(0), row.get(1)))
                .collect(),
        })
    }
}

impl ServerFacts {
    pub fn is_superuser(&self, role: &str) -> bool {
        let attributes = self.roles.get(role);
        attributes.is_some_and(|attributes| attributes.contains("SUPERUSER"))
    }
}

/// Whether a locale's messages are PostgreSQL's own words.
fn is_english(locale: &str) -> bool {
    let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
    matches!(language, "" | "C" | "POSIX" | "en" | "English")
}

/// All roles, with the keywords of [`statements::attributes`].
async fn read_attributes(session: &Session) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let sql = "
      SELECT rolname::text, array_remove(ARRAY[
               CASE WHEN rolsuper THEN 'SUPERUSER' END,
               CASE WHEN rolcreatedb THEN 'CREATEDB' END,
               CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
               CASE WHEN rolreplication THEN 'REPLICATION' END,
               CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
               CASE WHEN rolcanlogin THEN 'LOGIN' END,
               CASE WHEN NOT rolinherit THEN 'NOINHERIT' END], NULL)
        FROM pg_catalog.pg_roles";
    let rows = session
        .client
        .query(sql, &[])
        .await
        .map_err(|error| pg_error("cannot read the target's roles", error))?;
    let roles = rows.iter().map(|row| {
        let attributes: Vec<String> = row.get(1);
        (row.get(0), attributes.into_iter().collect())
    });
    Ok(roles.collect())
}

impl DatabaseFacts {
    pub async fn read(session: &Session) -> Result<Self> {
        let failed = |error| pg_error("cannot read the target database's facts", error);
        let version = session.server_version_num;
        let provider = if version >= 150_000 {
            "datlocprovider::text"
        } else {
            "'c'"
        };
        let locale = match version {
            170_000.. => "datlocale",
            150_000.. => "daticulocale",
            _ => "NULL::text",
        };
        let collation = if version >= 150_000 {
            "pg_catalog.pg_database_collation_actual_version(oid)"
        } else {
            "NULL::text"
        };
        let sql = format!(
            "SELECT pg_catalog.pg_encoding_to_char(encoding)::text, {provider}, datcollate::text,
                    datctype::text, {locale}, {collation},
                    pg_catalog.has_database_privilege(oid, 'CREATE'),
                    pg_catalog.to_regnamespace('public') IS NOT NULL
               FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
        );
        let row = session.client.query_one(&sql, &[]).await.map_err(failed)?;
        let occupied = session.client.query(OCCUPIED, &[]).await.map_err(failed)?;
        let altered = session.client.query(ALTERED, &[]).await.map_err(failed)?;
        Ok(Self {
            encoding: row.get(0),
            locale_provider: row.get(1),
            collate: row.get(2),
            ctype: row.get(3),
            locale: row.get(4),
            collation_version: row.get(5),
            may_create: row.get(6),
            has_public: row.get(7),
            occupied: occupied.iter().map(|row| row.get(0)).collect(),
            altered: altered.iter().map(|row| row.get(0)).collect(),
            unfinished: ledger::find(session).await?,
        })
    }
}

/// Where privileges differ from those of a database fresh from template0, whoever the owner is.
const ALTERED: &str = "
  WITH now(what, owner, acl, fresh) AS (
    SELECT 'database', datdba, datacl, pg_catalog.acldefault('d', datdba)
      FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    UNION ALL
    SELECT 'schema public', nspowner, nspacl, i.initprivs
      FROM pg_catalog.pg_namespace n
      LEFT JOIN pg_catalog.pg_init_privs i ON i.objoid = n.oid AND i.objsubid = 0
           AND i.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
     WHERE nspname = 'public'),
  others(what, was, grantee, privilege) AS (
    SELECT what, false, e.grantee, e.privilege_type || e.is_grantable
      FROM now, pg_catalog.aclexplode(coalesce(acl, CASE what WHEN 'database' THEN fresh END)) e
     WHERE e.grantee <> owner
    UNION ALL
    SELECT what, true, e.grantee, e.privilege_type || e.is_grantable
      FROM now, pg_catalog.aclexplode(fresh) e WHERE e.grantee = 0)
  SELECT what FROM others
   GROUP BY what, grantee, privilege HAVING bool_and(was) OR NOT bool_or(was)
  UNION
  -- One that somebody made anew has the privileges of any schema.
  SELECT what FROM now WHERE fresh IS NULL
   ORDER BY 1";

/// Anything that a user made: not PostgreSQL's own, not an extension's, not our notes. OIDs from
/// 16384 on are given to what is made after initdb.
const OCCUPIED: &str = "
  WITH ours AS (SELECT oid FROM pg_catalog.pg_namespace
                 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'lifeboat_restore')),
  found(class, oid, text) AS (
    SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, 'schema ' || n.nspname
      FROM pg_catalog.pg_namespace n WHERE n.oid IN (SELECT oid FROM ours) AND n.nspname <> 'public'
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid,
           CASE c.relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'table ' WHEN 'v' THEN 'view '
                WHEN 'S' THEN 'sequence ' ELSE 'relation ' END || c.oid::pg_catalog.regclass
      FROM pg_catalog.pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'function ' || p.oid::pg_catalog.regprocedure
      FROM pg_catalog.pg_proc p WHERE p.pronamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 'type ' || t.oid::pg_catalog.regtype
      FROM pg_catalog.pg_type t
     WHERE t.typnamespace IN (SELECT oid FROM ours) AND t.typrelid = 0 AND t.typtype <> 'm'
       AND t.typcategory <> 'A'
    UNION ALL
    SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, 'operator ' || o.oid::pg_catalog.regoperator
      FROM pg_catalog.pg_operator o WHERE o.oprnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass, c.oid, 'collation ' || c.collname
      FROM pg_catalog.pg_collation c WHERE c.collnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, c.oid, 'text search configuration ' || c.cfgname
      FROM pg_catalog.pg_ts_config c WHERE c.cfgnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, oid, 'publication ' || pubname
      FROM pg_catalog.pg_publication
    UNION ALL
    SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, oid, 'event trigger ' || evtname
      FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, oid, 'foreign data wrapper ' || fdwname
      FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL
    SELECT 'pg_catalog.pg_default_acl'::pg_catalog.regclass, oid,
           'default privileges of ' || pg_catalog.pg_get_userbyid(defaclrole)
      FROM pg_catalog.pg_default_acl
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, oid, 'server ' || srvname
      FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass, oid, 'subscription ' || subname
      FROM pg_catalog.pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database
                       WHERE datname = pg_catalog.current_database())
    UNION ALL
    SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid, 'text search dictionary ' || dictname
      FROM pg_catalog.pg_ts_dict
    UNION ALL
    SELECT 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, oid, 'text search parser ' || prsname
      FROM pg_catalog.pg_ts_parser
    UNION ALL
    SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass, oid, 'text search template ' || tmplname
      FROM pg_catalog.pg_ts_template
    UNION ALL
    SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass, oid, 'conversion ' || conname
      FROM pg_catalog.pg_conversion
    UNION ALL
    SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, oid, 'language ' || lanname
      FROM pg_catalog.pg_language
    UNION ALL
    SELECT 'pg_catalog.pg_am'::pg_catalog.regclass, oid, 'access method ' || amname
      FROM pg_catalog.pg_am
    UNION ALL
    SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass, oid, 'a cast' FROM pg_catalog.pg_cast
    UNION ALL
    SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid, 'large object ' || oid
      FROM pg_catalog.pg_largeobject_metadata)
  SELECT text FROM found f
   WHERE (f.oid >= 16384 OR f.class = 'pg_catalog.pg_largeobject'::pg_catalog.regclass)
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = f.class AND d.objid = f.oid AND d.deptype = 'e')
   LIMIT 5";

/// Tables that are there, partitioned and ordinary ones, with their pages where a scan may be cut
/// by page (heap, from 14 on).
pub async fn tables(session: &Session) -> Result<BTreeMap<Name, u64>> {
    let cut = if session.server_version_num >= 140_000 {
        "am.amname = 'heap'"
    } else {
        "false"
    };
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text,
                CASE WHEN {cut} THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) / 8192 ELSE 0 END
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
          WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    );
    let rows = session
        .client
        .query(&sql, &[])
        .await
        .map_err(|error| pg_error("cannot list the target's tables", error))?;
    Ok(rows
        .iter()
        .map(|row| {
            let name = Name {
                schema: row.get(0),
                name: row.get(1),
            };
            (name, u64::try_from(row.get::<_, i64>(2)).unwrap_or(0))
        })
        .collect())
}

/// What ANALYZE is to be run on: a partitioned table does it for its partitions. Tables above a
/// foreign one are left out, as ANALYZE would read from the foreign server.
pub async fn to_analyze(session: &Session) -> Result<Vec<Name>> {
    let sql = "
      WITH RECURSIVE up(child, parent) AS (
        SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits
        UNION
        SELECT up.child, i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.parent),
      above_foreign AS (
        SELECT up.parent AS oid FROM up JOIN pg_catalog.pg_class f ON f.oid = up.child
         WHERE f.relkind = 'f'),
      whole AS (
        SELECT c.oid FROM pg_catalog.pg_class c
         WHERE c.relkind = 'p' AND c.oid NOT IN (SELECT oid FROM above_foreign))
      SELECT n.nspname::text, c.relname::text
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
         AND c.relpersistence <> 't'
         AND c.relkind IN ('r', 'm', 'p') AND c.oid NOT IN (SELECT oid FROM above_foreign)
         AND (c.relkind <> 'm' OR c.relispopulated)
         AND NOT EXISTS (SELECT FROM up JOIN whole ON whole.oid = up.parent WHERE up.child = c.oid)
       ORDER BY c.relpages DESC";
    let rows = session
        .client
        .query(sql, &[])
        .await
        .map_err(|error| pg_error("cannot list the tables to analyze", error))?;
    Ok(rows
        .iter()
        .map(|row| Name {
            schema: row.get(0),
            name: row.get(1),
        })
        .collect())
}

/// Of these roles, those whose rights the user does not have yet.
pub async fn without_membership(session: &Session, roles: &[String]) -> Result<Vec<String>> {
    let set = if session.server_version_num >= 160_000 {
        "AND pg_catalog.pg_has_role(r.oid, 'SET')"
    } else {
        ""
    };
    let sql = format!(
        "SELECT r.rolname::text FROM pg_catalog.pg_roles r
          WHERE r.rolname = ANY ({}) AND NOT (pg_catalog.pg_has_role(r.oid, 'USAGE') {set})",
        array(roles)
    );
    let rows = session
        .client
        .query(&sql, &[])
        .await
        .map_err(|error| pg_error("cannot read the user's memberships", error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Schemas of the database in which some of these roles may not make objects, with those roles.
pub async fn without_create(
    session: &Session,
    roles: &[String],
) -> Result<BTreeMap<String, Vec<String>>> {
    let sql = format!(
        "SELECT n.nspname::text, r.rolname::text
           FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r
          WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
            AND r.rolname = ANY ({})
            AND NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')",
        array(roles)
    );
    let rows = session
        .client
        .query(&sql, &[])
        .await
        .map_err(|error| pg_error("cannot read the schemas' privileges", error))?;
    let mut schemas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        schemas.entry(row.get(0)).or_default().push(row.get(1));
    }
    Ok(schemas)
}

/// Of these roles, those that may not make schemas and publications in the database.
pub async fn without_database_create(session: &Session, roles: &[String]) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ({})
            AND NOT pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE')",
        array(roles)
    );
    let rows = session
        .client
        .query(&sql, &[])
        .await
        .map_err(|error| pg_error("cannot read the database's privileges", error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn array(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
    format!("ARRAY[{}]::pg_catalog.name[]", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_with_english_messages_are_known() {
        for locale in [
            "",
            "C",
            "C.UTF-8",
            "POSIX",
            "en_US.UTF-8",
            "English_United States",
        ] {
            assert!(is_english(locale), "{locale}");
        }
        for locale in ["de_DE.UTF-8", "ja_JP", "fr_FR@euro"] {
            assert!(!is_english(locale), "{locale}");
        }
    }
}
