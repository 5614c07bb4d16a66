//! Statement files for `restore.sh`: what no archive carries, for a target of which nothing is
//! known yet. psql reads them, so every name stays within quotes; nothing of a dump is in them.

use crate::model::catalog::{
    Catalog, Database, MaterializedView, Membership, ParameterPrivilege, Role,
};
use crate::pg::target::statements::{self, DatabaseSetting, Ownership, Rights, Statement};
use crate::quote::{quote_ident, quote_literal, quote_literals};

/// Roles that do not exist yet, memberships, privileges on parameters, what a target user who is not a superuser needs to work on
/// the owners' objects, and the database's settings: rows and indexes are computed under them. A role
/// that exists is left as it is.
pub(crate) fn roles_sql(catalog: &Catalog) -> String {
    let mut blocks: Vec<String> = catalog.roles.iter().map(role_block).collect();
    blocks.extend(membership_blocks(&catalog.memberships));
    let privileges = catalog.parameter_privileges.iter();
    blocks.extend(privileges.filter_map(parameter_privilege_block));
    blocks.extend(catalog.roles.iter().map(temporary_grant_block));
    let mut text: String = blocks
        .iter()
        .map(|body| format!("DO {};\n", quote_literal(body)))
        .collect();
    let database = &catalog.database;
    let name = unused_name(database);
    let here = statements::database_settings(database, &name);
    let there = statements::database_settings(database, &database.name);
    for (here, there) in here.iter().zip(&there) {
        text.push_str(&setting_lines(here, &there.set.sql, &name));
    }
    text
}

/// Asks the script, which exports `target`, whether somebody can log in.
const CAN_LOG_IN: &str = r#"\set can_log_in `PGOPTIONS='-c statement_timeout=0' psql -XAtq -d "$target" -c 'SELECT true' 2>/dev/null || echo false`
"#;

/// Sets it; takes it back, by the session that is still open, where nobody can log in any more.
fn setting_lines(one: &DatabaseSetting<'_>, shown: &str, name: &str) -> String {
    let about = &one.set.about;
    let why = format!("{about} is taken back: nobody could log in with it: {shown}");
    let warning = format!(
        "BEGIN RAISE WARNING USING MESSAGE = {}; END",
        quote_literal(&why)
    );
    let [set, reset] = [&one.set, &one.reset].map(|one| for_this_database(&one.sql, name));
    let warn = quote_literal(&warning);
    format!("{set};\n{CAN_LOG_IN}\\if :can_log_in\n\\else\n{reset};\nDO {warn};\n\\endif\n")
}

/// psql puts the name of the database it is connected to, quoted, for :"DBNAME".
fn for_this_database(sql: &str, name: &str) -> String {
    let target = format!("DATABASE {}", quote_ident(name));
    sql.replace(&target, "DATABASE :\"DBNAME\"")
}

/// Sequences' values. Large objects' properties are rows (table 2995), which the script applies.
pub(crate) fn data_sql(catalog: &Catalog) -> String {
    let statements: Vec<Statement> = catalog
        .sequences
        .iter()
        .map(statements::set_sequence)
        .collect();
    statements::script(&statements)
}

/// Table by table: a bare ANALYZE would ask foreign servers for their rows, and end at the first one
/// that does not answer. psql's \gexec sends each line that the server made.
const ANALYZE: &str = "SELECT pg_catalog.format('ANALYZE %I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (
     WITH RECURSIVE below(oid) AS (
       SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid
       UNION ALL
       SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON i.inhparent = b.oid)
     SELECT FROM below b JOIN pg_catalog.pg_class f ON f.oid = b.oid WHERE f.relkind = 'f')
 ORDER BY c.oid \\gexec
";

const TAKE_BACK: &str = "DO $$DECLARE role name; BEGIN
  IF pg_catalog.to_regclass('lifeboat_restore.lent') IS NULL THEN RETURN; END IF;
  FOR role IN SELECT l.role FROM lifeboat_restore.lent l LOOP
    EXECUTE pg_catalog.format('REVOKE %I FROM CURRENT_USER', role);
  END LOOP;
  DROP SCHEMA lifeboat_restore CASCADE;
END$$;
";

/// Materialized views in order, statistics, the database's owner, rights and limits; then what [`roles_sql`]
/// lent is taken back.
pub(crate) fn last_sql(catalog: &Catalog) -> String {
    let mut text = refresh(&catalog.materialized_views);
    text.push_str(ANALYZE);
    let name = unused_name(&catalog.database);
    let properties = statements::database_properties(&catalog.database, &name, Ownership::ALL);
    text.push_str(&for_this_database(&statements::script(&properties), &name));
    text + TAKE_BACK
}

/// Fills the views as long as a pass fills at least one more: one may read another through a function,
/// which no dependency says.
fn refresh(views: &[MaterializedView]) -> String {
    let views: Vec<String> = statements::refresh(views)
        .into_iter()
        .map(|one| one.sql)
        .collect();
    if views.is_empty() {
        return String::new();
    }
    let body = format!(
        "DECLARE left_over text[] := ARRAY[{}]; refused text[]; said text[]; one text; BEGIN
  LOOP
    refused := '{{}}'; said := '{{}}';
    FOREACH one IN ARRAY left_over LOOP
      BEGIN EXECUTE one;
      EXCEPTION WHEN OTHERS THEN
        refused := refused || one; said := said || (one || ': ' || SQLERRM);
      END;
    END LOOP;
    EXIT WHEN refused = left_over OR refused = '{{}}';
    left_over := refused;
  END LOOP;
  FOREACH one IN ARRAY said LOOP RAISE WARNING USING MESSAGE = one; END LOOP;
END",
        quote_literals(&views)
    );
    format!("DO {};\n", quote_literal(&body))
}

/// A name that occurs nowhere in the database's properties, so that it can be found and replaced.
fn unused_name(database: &Database) -> String {
    let everything = format!("{database:?}");
    let mut number = 0;
    loop {
        let name = format!("lifeboat-target-{number}");
        if !everything.contains(&name) {
            return name;
        }
        number += 1;
    }
}

/// A server that refuses us nothing, and one that allows what CREATEROLE allows. The version
/// stands for the syntax: memberships know INHERIT and SET from 16 on.
fn rights(version_num: u32) -> [Rights; 2] {
    let all = Rights::superuser(version_num);
    let few = Rights {
        superuser: false,
        create_db: false,
        replication: false,
        bypass_rls: false,
        ..all
    };
    [all, few]
}

fn role_block(role: &Role) -> String {
    let [all, few] = rights(160_000);
    let name = quote_literal(&role.name);
    let mut body = format!(
        "BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name}) \
         THEN RETURN; END IF; "
    );
    let whole = statements::create_role(role, &all);
    let lesser = statements::create_role(role, &few);
    for (at, (statement, fallback)) in whole.iter().zip(&lesser).enumerate() {
        let about = &statement.about;
        if at == 0 {
            let withheld = statements::withheld_attributes(role, &few).join(", ");
            let warning = format!("{about} is made without {withheld}");
            body.push_str(&attempt(&statement.sql, &fallback.sql, &warning));
        } else {
            body.push_str(&attempt(
                &statement.sql,
                "NULL",
                &format!("{about} is left out"),
            ));
        }
    }
    body + "END"
}

/// One statement, and what to do and to say where it is not possible.
fn attempt(sql: &str, instead: &str, warning: &str) -> String {
    format!(
        "BEGIN {sql}; EXCEPTION WHEN OTHERS THEN \
         RAISE WARNING USING MESSAGE = {} || SQLERRM; {instead}; END; ",
        quote_literal(&format!("{warning}: "))
    )
}

/// With INHERIT, SET and grantor as they were; where the server or its user cannot, without.
fn membership_blocks(memberships: &[Membership]) -> Vec<String> {
    let [all, few] = rights(160_000);
    let [_, older] = rights(150_000);
    let of = |rights: &Rights| statements::memberships(memberships, rights);
    let three = of(&all).into_iter().zip(of(&few)).zip(of(&older));
    // By EXECUTE, so that a server that does not know a word meets it only where it can be caught.
    let run = |statement: &Statement| format!("EXECUTE {}", quote_literal(&statement.sql));
    three
        .map(|((whole, lesser), older)| {
            format!(
                "BEGIN {}; EXCEPTION WHEN OTHERS THEN BEGIN {}; \
                 EXCEPTION WHEN OTHERS THEN {}; END; END",
                run(&whole),
                run(&lesser),
                run(&older)
            )
        })
        .collect()
}

/// One that is not there yet. By EXECUTE, for servers before 15, which do not know the words.
fn parameter_privilege_block(one: &ParameterPrivilege) -> Option<String> {
    let grant = statements::parameter_privilege(one)?;
    let grantee = match &one.grantee {
        Some(role) => format!(
            "(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {})",
            quote_literal(role)
        ),
        None => "0".to_owned(),
    };
    Some(format!(
        "BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_parameter_acl AS p, \
         LATERAL pg_catalog.aclexplode(p.paracl) AS a \
         WHERE p.parname = {} AND a.grantee = {grantee} AND a.privilege_type = {} \
         AND a.is_grantable >= {}) THEN RETURN; END IF; EXECUTE {}; \
         EXCEPTION WHEN OTHERS THEN RAISE WARNING USING MESSAGE = {} || SQLERRM; END",
        quote_literal(&one.parameter),
        quote_literal(&one.privilege),
        one.grantable,
        quote_literal(&grant.sql),
        quote_literal(&format!("{} is not given: ", grant.about)),
    ))
}

/// Makes the restoring user, where it is no superuser, a member of an owner. Each such membership is
/// noted in the target, so that [`TAKE_BACK`] takes back that and nothing else. A role that cannot be lent may
/// own nothing here: where it does, pg_restore says so.
fn temporary_grant_block(role: &Role) -> String {
    let name = quote_literal(&role.name);
    let lend = |version_num| {
        let [_, few] = rights(version_num);
        quote_literal(&statements::join_temporarily(&role.name, &few).grant)
    };
    format!(
        "BEGIN IF pg_catalog.pg_has_role({name}, 'USAGE') THEN RETURN; END IF; \
         EXECUTE CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 \
         THEN {} ELSE {} END; \
         CREATE SCHEMA IF NOT EXISTS lifeboat_restore; \
         CREATE TABLE IF NOT EXISTS lifeboat_restore.lent (role name); \
         INSERT INTO lifeboat_restore.lent VALUES ({name}); \
         EXCEPTION WHEN OTHERS THEN NULL; END",
        lend(160_000),
        lend(150_000),
    )
}
