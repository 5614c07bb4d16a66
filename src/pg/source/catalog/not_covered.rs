//! What is there and no export carries.

use crate::error::Result;
use crate::model::catalog::NotCoveredNames;
use crate::pg::session::Session;

/// Kinds, and what lists their names.
const KINDS: [(&str, &str); 15] = [
    (
        "role passwords",
        "SELECT rolname::text FROM pg_catalog.pg_roles
          WHERE rolcanlogin AND rolname !~ '^pg_'",
    ),
    (
        "foreign table rows",
        "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f'",
    ),
    (
        // Passwords in options are hidden from all but owners and superusers.
        "user mappings' secrets",
        "SELECT u.usename || ' on ' || u.srvname FROM pg_catalog.pg_user_mappings u
          WHERE u.umoptions IS NULL",
    ),
    (
        "subscriptions",
        "SELECT s.subname::text FROM pg_catalog.pg_subscription s
           JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
          WHERE d.datname = pg_catalog.current_database()",
    ),
    (
        "replication slots",
        "SELECT slot_name::text FROM pg_catalog.pg_replication_slots
          WHERE database IS NULL OR database = pg_catalog.current_database()",
    ),
    (
        "prepared transactions",
        "SELECT gid FROM pg_catalog.pg_prepared_xacts
          WHERE database = pg_catalog.current_database()",
    ),
    (
        "tablespaces",
        "SELECT DISTINCT t.spcname::text FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
          WHERE t.spcname <> 'pg_global'
         UNION
         SELECT t.spcname::text FROM pg_catalog.pg_database d
           JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
          WHERE d.datname = pg_catalog.current_database() AND t.spcname <> 'pg_default'",
    ),
    (
        "settings for all roles",
        "SELECT unnest(setconfig) FROM pg_catalog.pg_db_role_setting
          WHERE setrole = 0 AND setdatabase = 0",
    ),
    (
        "unfinished restore's notes",
        "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = 'lifeboat_restore'",
    ),
    (
        "ALTER SYSTEM settings",
        // RDS has parameter groups instead, and hides where a setting comes from.
        "SELECT name FROM pg_catalog.pg_settings WHERE sourcefile LIKE '%postgresql.auto.conf'
         UNION ALL
         SELECT 'not known: this user is no member of pg_read_all_settings'
          WHERE NOT pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
            AND pg_catalog.current_setting('rds.extensions', true) IS NULL",
    ),
    (
        "security labels on large objects",
        "SELECT objoid::text FROM pg_catalog.pg_seclabel
          WHERE classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass",
    ),
    (
        "tables of extensions that are not their configuration",
        "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND d.objid = c.oid AND d.deptype = 'e'
           JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
          WHERE c.relkind = 'r' AND c.oid <> ALL (coalesce(e.extconfig, '{}'))
            AND pg_catalog.pg_relation_size(c.oid) > 0",
    ),
    (
        // An extension makes its indexes together with its tables.
        "indexes added to tables of extensions",
        "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND d.objid = i.indrelid AND d.deptype = 'e'
          WHERE i.xmin::text <> d.xmin::text AND i.indrelid >= 16384",
    ),
    (
        // pg_dump takes these for PostgreSQL's own.
        "objects in pg_catalog",
        "SELECT pg_catalog.pg_describe_object(o.class, o.oid, 0) FROM (
           SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, oid, relnamespace
             FROM pg_catalog.pg_class WHERE relkind IN ('r', 'v', 'm', 'S', 'f', 'p')
           UNION ALL
           SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, pronamespace FROM pg_catalog.pg_proc
           UNION ALL
           SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typnamespace FROM pg_catalog.pg_type
            WHERE typelem = 0 AND typrelid = 0
           UNION ALL
           SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, oid, oprnamespace
             FROM pg_catalog.pg_operator
         ) o(class, oid, schema)
          WHERE o.oid >= 16384 AND o.schema IN (11, 'information_schema'::pg_catalog.regnamespace)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                             WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i'))",
    ),
    (
        "security labels on roles and databases",
        "SELECT l.provider || ' on ' || coalesce(r.rolname, d.datname)::text
           FROM pg_catalog.pg_shseclabel l
           LEFT JOIN pg_catalog.pg_roles r
                ON r.oid = l.objoid AND l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
           LEFT JOIN pg_catalog.pg_database d
                ON d.oid = l.objoid AND l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
          WHERE r.oid IS NOT NULL OR d.datname = pg_catalog.current_database()",
    ),
];

/// What is there and no export carries, by kind.
pub(crate) async fn read_not_covered(session: &Session) -> Result<Vec<NotCoveredNames>> {
    let mut found = Vec::new();
    for (kind, sql) in KINDS {
        let what = format!("cannot list the {kind}");
        let names: Vec<String> = session.rows(&format!("{sql} ORDER BY 1"), &what).await?;
        if !names.is_empty() {
            found.push(NotCoveredNames {
                kind: kind.to_owned(),
                names,
            });
        }
    }
    Ok(found)
}
