//! What a restore must know of its target before it writes there.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::catalog::Name;
use crate::pg::session::{Session, from_row};
use crate::pg::target::statements::Rights;
use crate::pg::target::toc::Entry;
use crate::quote::{quote_literal, quote_literals};

/// A server and its user, asked once.
#[derive(Debug, Clone)]
pub(crate) struct ServerFacts {
    pub user: String,
    pub rights: Rights,
    /// Whether the user has the rights of the roles it is a member of.
    pub inherits: bool,
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

impl ServerFacts {
    pub(crate) async fn read(session: &Session) -> Result<Self> {
        let what = "cannot read the target's facts";
        let (user, rights, inherits) = session
            .row(
                "SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication,
                        rolbypassrls, rolinherit
                   FROM pg_catalog.pg_roles WHERE rolname = current_user",
                what,
            )
            .await?;
        let owner = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE oid = 10";
        let owner: Vec<String> = session.rows(owner, what).await?;
        let language = "SELECT pg_catalog.current_setting('lc_messages')";
        let language: String = session.row(language, what).await?;
        let tablespaces = "SELECT spcname::text FROM pg_catalog.pg_tablespace";
        let memberships = "
          SELECT r.rolname::text, m.rolname::text FROM pg_catalog.pg_auth_members a
            JOIN pg_catalog.pg_roles r ON r.oid = a.roleid
            JOIN pg_catalog.pg_roles m ON m.oid = a.member";
        let extensions = "SELECT name::text, coalesce(installed_version, default_version, '')
                            FROM pg_catalog.pg_available_extensions";
        Ok(Self {
            speaks_english: is_english(&language),
            owner: owner.into_iter().next().unwrap_or_default(),
            memberships: session.rows(memberships, what).await?,
            user,
            rights: Rights {
                version_num: session.server_version_num,
                ..rights
            },
            inherits,
            roles: read_attributes(session).await?,
            tablespaces: session.rows(tablespaces, what).await?,
            extensions: session.rows(extensions, what).await?,
        })
    }
}

from_row!(Rights: superuser, create_role, create_db, replication, bypass_rls; version_num: 0);

impl ServerFacts {
    pub(crate) fn is_superuser(&self, role: &str) -> bool {
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
    let what = "cannot read the target's roles";
    let roles: Vec<(String, Vec<String>)> = session.rows(sql, what).await?;
    let as_set = |(role, attributes): (_, Vec<String>)| (role, attributes.into_iter().collect());
    Ok(roles.into_iter().map(as_set).collect())
}

/// Tables that are there, partitioned and ordinary ones, with their pages where a scan may be cut
/// by page (heap, from 14 on).
pub(crate) async fn tables(session: &Session) -> Result<BTreeMap<Name, u64>> {
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
    session.rows(&sql, "cannot list the target's tables").await
}

/// What a setting is; `None`: the server does not know it.
pub(crate) async fn setting(session: &Session, name: &str) -> Result<Option<String>> {
    let name = quote_literal(name);
    let sql = format!("SELECT pg_catalog.current_setting({name}, true)");
    session.row(&sql, "cannot read a setting").await
}

/// Memory that a session may take for an index, in kB.
pub(crate) async fn maintenance_work_mem(session: &Session) -> Result<u64> {
    let sql =
        "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem'";
    let kb: i64 = session.row(sql, "cannot read a setting").await?;
    Ok(kb.unsigned_abs())
}

/// Whether this user may give its own sessions this value, and it is not what they have.
pub(crate) async fn would_change(session: &Session, name: &str, value: &str) -> Result<bool> {
    let what = "cannot try a setting";
    // An option of a login is of the letters that every encoding has.
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
    if !name.chars().all(is_name) || !(value.is_ascii() || session.server_encoding == "UTF8") {
        return Ok(false);
    }
    let before = setting(session, name).await?;
    session.execute("BEGIN", what).await?;
    let (name, value) = (quote_literal(name), quote_literal(value));
    let sql = format!("SELECT pg_catalog.set_config({name}, {value}, true)");
    let after: Result<String> = session.row(&sql, what).await;
    session.execute("ROLLBACK", what).await?;
    Ok(after.is_ok_and(|after| before.as_ref() != Some(&after)))
}

/// Tables whose columns hold money, in arrays, domains, ranges or rows too, and whether the table computes
/// something: checks, generated columns, the partition of a row.
pub(crate) async fn money_tables(session: &Session) -> Result<BTreeMap<Name, bool>> {
    let multiranges = if session.server_version_num >= 140_000 {
        "UNION ALL SELECT rngsubtype, rngmultitypid FROM pg_catalog.pg_range"
    } else {
        ""
    };
    let sql = format!(
        "WITH RECURSIVE step(inner_type, outer_type) AS (
           SELECT typelem, oid FROM pg_catalog.pg_type WHERE typelem <> 0
           UNION ALL SELECT typbasetype, oid FROM pg_catalog.pg_type WHERE typbasetype <> 0
           UNION ALL SELECT rngsubtype, rngtypid FROM pg_catalog.pg_range {multiranges}
           UNION ALL
           SELECT a.atttypid, c.reltype FROM pg_catalog.pg_attribute a
             JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            WHERE a.attnum > 0 AND NOT a.attisdropped AND c.reltype <> 0),
         holding(type) AS (
           SELECT 'pg_catalog.money'::pg_catalog.regtype::pg_catalog.oid
           UNION SELECT s.outer_type FROM holding h JOIN step s ON s.inner_type = h.type)
         SELECT n.nspname::text, c.relname::text,
                c.relkind = 'p' OR c.relispartition
                OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
                            WHERE k.conrelid = c.oid AND k.contype = 'c')
                OR EXISTS (SELECT FROM pg_catalog.pg_attribute g
                            WHERE g.attrelid = c.oid AND g.attgenerated <> '')
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p') AND c.reltype IN (SELECT type FROM holding)"
    );
    session
        .rows(&sql, "cannot tell which tables hold money")
        .await
}

/// Relations above others as `up`, and those of them that stand above a foreign one: ANALYZE would read from the
/// foreign server.
const ABOVE_FOREIGN: &str = "
      WITH RECURSIVE up(child, parent) AS (
        SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits
        UNION
        SELECT up.child, i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.parent),
      above_foreign AS (
        SELECT up.parent AS oid FROM up JOIN pg_catalog.pg_class f ON f.oid = up.child
         WHERE f.relkind = 'f')";

/// What ANALYZE may be run on.
const ANALYZABLE: &str = "
      n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
         AND c.relpersistence <> 't'
         AND c.relkind IN ('r', 'm', 'p') AND c.oid NOT IN (SELECT oid FROM above_foreign)
         AND (c.relkind <> 'm' OR c.relispopulated)";

/// What ANALYZE is to be run on: a partitioned table does it for its partitions.
pub(crate) async fn to_analyze(session: &Session) -> Result<Vec<Name>> {
    let sql = format!(
        "{ABOVE_FOREIGN}, whole AS (
        SELECT c.oid FROM pg_catalog.pg_class c
         WHERE c.relkind = 'p' AND c.oid NOT IN (SELECT oid FROM above_foreign))
      SELECT n.nspname::text, c.relname::text
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE {ANALYZABLE}
         AND NOT EXISTS (SELECT FROM up JOIN whole ON whole.oid = up.parent WHERE up.child = c.oid)
       ORDER BY c.relpages DESC"
    );
    session
        .rows(&sql, "cannot list the tables to analyze")
        .await
}

/// What is left to be analyzed once statistics were imported: extended statistics, what has none or, where it has
/// children, none of them, and tables of which some entry `failed`.
pub(crate) async fn without_statistics(session: &Session, failed: &[&Entry]) -> Result<Vec<Name>> {
    let sql = format!(
        "{ABOVE_FOREIGN}, has(schema, name, inherited) AS (
        SELECT DISTINCT schemaname, tablename, inherited FROM pg_catalog.pg_stats)
      SELECT n.nspname::text, c.relname::text,
             NOT EXISTS (SELECT FROM has WHERE has.schema = n.nspname AND has.name = c.relname)
             OR EXISTS (SELECT FROM up WHERE up.parent = c.oid)
                AND NOT EXISTS (SELECT FROM has WHERE has.schema = n.nspname AND has.name = c.relname
                                                  AND has.inherited)
             OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext x WHERE x.stxrelid = c.oid),
             ARRAY(SELECT i.relname::text FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                    WHERE x.indrelid = c.oid)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE {ANALYZABLE}
       ORDER BY c.relpages DESC"
    );
    let what = "cannot list the tables without statistics";
    let all: Vec<(Name, bool, Vec<String>)> = session.rows(&sql, what).await?;
    let has_failed = |table: &Name, indexes: &[String]| {
        let names = indexes.iter().chain([&table.name]);
        let mut names = names.map(|name| (table.schema.as_str(), name.as_str()));
        names.any(|(schema, name)| failed.iter().any(|one| one.may_be_of(schema, name)))
    };
    let lacking = all
        .into_iter()
        .filter(|(table, lacks, indexes)| *lacks || has_failed(table, indexes));
    Ok(lacking.map(|(table, ..)| table).collect())
}

/// Of these roles, those whose rights the user does not have yet.
pub(crate) async fn without_membership(session: &Session, roles: &[String]) -> Result<Vec<String>> {
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
    session
        .rows(&sql, "cannot read the user's memberships")
        .await
}

/// Whether the user could still connect to the database once this statement took a right from it.
pub(crate) async fn can_connect_without(session: &Session, revoke: &str) -> Result<bool> {
    let what = "cannot find out whether a borrowed right is needed to connect";
    let asked =
        "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CONNECT')";
    session.execute("BEGIN", what).await?;
    let tried = async {
        session.execute(revoke, what).await?;
        session.row(asked, what).await
    };
    let tried = tried.await;
    session.execute("ROLLBACK", what).await?;
    tried
}

/// Schemas of the database in which some of these roles may not make objects, with those roles.
pub(crate) async fn without_create(
    session: &Session,
    roles: &[String],
) -> Result<BTreeMap<String, Vec<String>>> {
    let sql = format!(
        "SELECT n.nspname::text, r.rolname::text
           FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r
          WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
            AND r.rolname = ANY ({})
            -- Nobody gives away what is not theirs.
            AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
            AND NOT pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')",
        array(roles)
    );
    let what = "cannot read the schemas' privileges";
    let pairs: Vec<(String, String)> = session.rows(&sql, what).await?;
    let mut schemas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (schema, role) in pairs {
        schemas.entry(schema).or_default().push(role);
    }
    Ok(schemas)
}

/// Tables of roles that the user is a member of, and whose rows it cannot all read or write: because it may
/// not select from them, not insert into them, or because their policies are for their owner, too.
pub(crate) async fn unreadable(session: &Session) -> Result<Vec<(Name, bool, bool, bool)>> {
    let sql = "
      WITH mine AS (
        SELECT n.nspname::text AS schema, c.relname::text AS name,
               NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') AS no_select,
               NOT pg_catalog.has_table_privilege(c.oid, 'INSERT') AS no_insert,
               c.relrowsecurity AND c.relforcerowsecurity
                 AND NOT (SELECT rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user)
                 AS forced
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
           AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lifeboat_restore')
           AND pg_catalog.pg_has_role(c.relowner, 'USAGE'))
      SELECT schema, name, no_select, no_insert, forced FROM mine WHERE no_select OR no_insert OR forced";
    let what = "cannot tell which tables can be read again";
    session.rows(sql, what).await
}

/// A function, its arguments as ALTER FUNCTION takes them.
#[derive(Debug)]
pub(crate) struct Function {
    pub schema: String,
    pub name: String,
    pub arguments: String,
}

from_row!(Function: schema, name, arguments);

/// Functions without a search_path of their own.
pub(crate) async fn without_search_path(session: &Session) -> Result<Vec<Function>> {
    let sql = "
      SELECT n.nspname::text, p.proname::text, pg_catalog.pg_get_function_identity_arguments(p.oid)
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prokind = 'f'
         AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) AS c(setting)
                          WHERE c.setting LIKE 'search_path=%')";
    session.rows(sql, "cannot list the functions").await
}

/// The event triggers that fire, as far as the user may switch them, each with what makes it fire again.
pub(crate) async fn event_triggers(session: &Session) -> Result<Vec<(String, String)>> {
    let sql = "
      SELECT evtname::text, CASE evtenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA'
                                            ELSE 'ENABLE' END
        FROM pg_catalog.pg_event_trigger
       WHERE evtenabled <> 'D' AND pg_catalog.pg_has_role(evtowner, 'USAGE') ORDER BY 1";
    session.rows(sql, "cannot list the event triggers").await
}

/// Of these roles, those that may not make schemas and publications in the database.
pub(crate) async fn without_database_create(
    session: &Session,
    roles: &[String],
) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ({})
            AND NOT pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CREATE')",
        array(roles)
    );
    session
        .rows(&sql, "cannot read the database's privileges")
        .await
}

/// The database's extensions by name.
pub(crate) async fn extensions(session: &Session) -> Result<BTreeSet<String>> {
    let sql = "SELECT extname::text FROM pg_catalog.pg_extension";
    session.rows(sql, "cannot list the extensions").await
}

fn array(names: &[String]) -> String {
    format!("ARRAY[{}]::pg_catalog.name[]", quote_literals(names))
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
