//! The database to restore into: what it is, and whether anything is in it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::pg::session::{Session, from_row};
use crate::pg::source::catalog::locale_columns;
use crate::pg::target::resume_state::{self, Unfinished};

/// The database to restore into, asked once.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseFacts {
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
    /// Those that are there, each with its schema.
    pub extensions: BTreeMap<String, String>,
    pub unfinished: Option<Unfinished>,
}

impl DatabaseFacts {
    pub(crate) async fn read(session: &Session) -> Result<Self> {
        let version = session.server_version_num;
        let (provider, locale) = locale_columns(version);
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
        let what = "cannot read the target database's facts";
        let mut facts: Self = session.row(&sql, what).await?;
        let occupied = format!("WITH RECURSIVE {MEMBERS}, {OCCUPIED}");
        facts.occupied = session.rows(&occupied, what).await?;
        facts.altered = session.rows(ALTERED, what).await?;
        facts.extensions = session.rows(EXTENSIONS, what).await?;
        facts.unfinished = resume_state::find_unfinished(session).await?;
        Ok(facts)
    }
}

// The other facts are queries of their own.
from_row!(
    DatabaseFacts:
    encoding, locale_provider, collate, ctype, locale, collation_version, may_create,
    has_public; occupied: Vec::new(), altered: Vec::new(), extensions: BTreeMap::new(), unfinished: None
);

const EXTENSIONS: &str = "
  SELECT e.extname::text, n.nspname::text
    FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace";

/// Where privileges differ from those of a database fresh from template0, whatever role owns it.
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
    SELECT what, false, e.grantee, e.privilege_type || e.is_grantable::text
      FROM now, pg_catalog.aclexplode(coalesce(acl, CASE what WHEN 'database' THEN fresh END)) e
     WHERE e.grantee <> owner
    UNION ALL
    SELECT what, true, e.grantee, e.privilege_type || e.is_grantable::text
      FROM now, pg_catalog.aclexplode(fresh) e WHERE e.grantee = 0)
  SELECT what FROM others
   GROUP BY what, grantee, privilege HAVING bool_and(was) OR NOT bool_or(was)
  UNION
  -- One that somebody made anew has the privileges of any schema.
  SELECT what FROM now WHERE fresh IS NULL
   ORDER BY 1";

/// What belongs to an extension. What hangs on its member is the extension's too: a table's indexes, a
/// composite type's relation, the schema that it was put into.
const MEMBERS: &str = "
  members(class, oid) AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
    UNION
    SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid, n.oid
      FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
           -- PostGIS makes it in a way that leaves no trace.
           OR (e.extname = 'postgis_tiger_geocoder' AND n.nspname = 'tiger_data')
    UNION
    SELECT d.classid, d.objid FROM members m
      JOIN pg_catalog.pg_depend d ON d.refclassid = m.class AND d.refobjid = m.oid
     WHERE d.deptype IN ('a', 'i'))";

/// Anything that a user made: not PostgreSQL's own, not an extension's, not our resume state. OIDs from
/// 16384 on are given to what is made after initdb.
const OCCUPIED: &str = "
  ours AS (SELECT oid FROM pg_catalog.pg_namespace
                 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'lifeboat_restore')),
  found(class, oid, text) AS (
    SELECT n.tableoid, n.oid, 'schema ' || n.nspname
      FROM pg_catalog.pg_namespace n WHERE n.oid IN (SELECT oid FROM ours) AND n.nspname <> 'public'
    UNION ALL
    SELECT c.tableoid, c.oid,
           CASE c.relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'table ' WHEN 'v' THEN 'view '
                WHEN 'S' THEN 'sequence ' ELSE 'relation ' END || c.oid::pg_catalog.regclass::text
      FROM pg_catalog.pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT p.tableoid, p.oid, 'function ' || p.oid::pg_catalog.regprocedure::text
      FROM pg_catalog.pg_proc p WHERE p.pronamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT t.tableoid, t.oid, 'type ' || t.oid::pg_catalog.regtype::text
      FROM pg_catalog.pg_type t
     WHERE t.typnamespace IN (SELECT oid FROM ours) AND t.typrelid = 0 AND t.typtype <> 'm'
       AND t.typcategory <> 'A'
    UNION ALL
    SELECT o.tableoid, o.oid, 'operator ' || o.oid::pg_catalog.regoperator::text
      FROM pg_catalog.pg_operator o WHERE o.oprnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT c.tableoid, c.oid, 'collation ' || c.collname
      FROM pg_catalog.pg_collation c WHERE c.collnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT c.tableoid, c.oid, 'text search configuration ' || c.cfgname
      FROM pg_catalog.pg_ts_config c WHERE c.cfgnamespace IN (SELECT oid FROM ours)
    UNION ALL
    SELECT tableoid, oid, 'publication ' || pubname FROM pg_catalog.pg_publication
    UNION ALL
    SELECT tableoid, oid, 'event trigger ' || evtname FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT tableoid, oid, 'foreign data wrapper ' || fdwname FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL
    SELECT tableoid, oid, 'default privileges of ' || pg_catalog.pg_get_userbyid(defaclrole)
      FROM pg_catalog.pg_default_acl
    UNION ALL
    SELECT tableoid, oid, 'server ' || srvname FROM pg_catalog.pg_foreign_server
    UNION ALL
    -- Its tableoid is not for everybody.
    SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass::pg_catalog.oid, oid,
           'subscription ' || subname
      FROM pg_catalog.pg_subscription
     WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database
                       WHERE datname = pg_catalog.current_database())
    UNION ALL
    SELECT tableoid, oid, 'text search dictionary ' || dictname FROM pg_catalog.pg_ts_dict
    UNION ALL
    SELECT tableoid, oid, 'text search parser ' || prsname FROM pg_catalog.pg_ts_parser
    UNION ALL
    SELECT tableoid, oid, 'text search template ' || tmplname FROM pg_catalog.pg_ts_template
    UNION ALL
    SELECT tableoid, oid, 'conversion ' || conname FROM pg_catalog.pg_conversion
    UNION ALL
    SELECT tableoid, oid, 'language ' || lanname FROM pg_catalog.pg_language
    UNION ALL
    SELECT tableoid, oid, 'access method ' || amname FROM pg_catalog.pg_am
    UNION ALL
    SELECT tableoid, oid, 'a cast' FROM pg_catalog.pg_cast
    UNION ALL
    SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass::pg_catalog.oid, oid, 'large object ' || oid::text
      FROM pg_catalog.pg_largeobject_metadata)
  SELECT text FROM found f
   WHERE (f.oid >= 16384 OR f.class = 'pg_catalog.pg_largeobject'::pg_catalog.regclass)
     AND (f.class, f.oid) NOT IN (SELECT class, oid FROM members)
   LIMIT 5";
