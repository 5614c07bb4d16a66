//! What must be there before anything of a backup runs without superuser: roles without power, the
//! database, extensions. Written by lifeboat from the catalog, run by a superuser who then cannot log in.

use std::collections::BTreeSet;

use super::database::create_database;
use super::roles::{Rights, membership};
use super::statement::Statement;
use crate::model::catalog::{Cast, Catalog, Extension, Membership, Role};
use crate::pg::local::throwaway::Logins;
use crate::quote::{quote_ident, quote_literal};

/// Predefined roles that let nobody out of the server: others are not given.
const HARMLESS: [&str; 6] = [
    "pg_monitor",
    "pg_read_all_data",
    "pg_read_all_settings",
    "pg_read_all_stats",
    "pg_stat_scan_tables",
    "pg_write_all_data",
];

/// Extensions whose functions connect to other servers, or run jobs, as a list for SQL. What comes out of a
/// backup may not call them; their tables and types are there.
pub(crate) const REACHING: &str =
    "('aws_lambda', 'aws_s3', 'dblink', 'http', 'log_fdw', 'mysql_fdw',
    'oracle_fdw', 'pg_background', 'pg_cron', 'pg_net', 'pgagent', 'pglogical', 'plproxy',
    'postgres_fdw', 'redis_fdw', 'tds_fdw', 'wrappers')";

/// The logins beside the superuser.
pub(crate) fn logins(logins: &Logins, version_num: u32) -> Vec<Statement> {
    let (restorer, reader) = (quote_ident(&logins.restorer), quote_ident(&logins.reader));
    // An extension may keep rows of its tables from all but their owner. Roles of the backup may have it as well.
    let restoring = format!("CREATE ROLE {restorer} LOGIN BYPASSRLS");
    let reading = format!("CREATE ROLE {reader} LOGIN BYPASSRLS");
    let mut statements = vec![
        Statement::new("the restoring login", restoring),
        Statement::new("the reading login", reading),
    ];
    if version_num >= 140_000 {
        let sql = format!("GRANT pg_read_all_data TO {reader}");
        statements.push(Statement::new("the reading login", sql));
    }
    statements
}

/// Roles that cannot be made: the database has no letters for their names.
pub(crate) fn unnamed_roles(catalog: &Catalog) -> impl Iterator<Item = &Role> {
    let roles = catalog.roles.iter();
    roles.filter(|role| !catalog.database.can_name(&role.name))
}

/// Roles and memberships. No role can do more than own things.
pub(crate) fn roles(catalog: &Catalog, logins: &Logins, version_num: u32) -> Vec<Statement> {
    let restorer = quote_ident(&logins.restorer);
    let is_named = |name: &String| catalog.database.can_name(name);
    let mut statements = Vec::new();
    // A catalog that a thief wrote may list the predefined ones, to have them given away.
    let is_own = |role: &&Role| !role.name.starts_with("pg_") && is_named(&role.name);
    statements.extend(catalog.roles.iter().filter(is_own).map(create_role));
    let member_of_all = if version_num >= 160_000 {
        " WITH INHERIT TRUE, SET TRUE"
    } else {
        ""
    };
    for role in catalog.roles.iter().filter(is_own) {
        let role = quote_ident(&role.name);
        let sql = format!("GRANT {role} TO {restorer}{member_of_all}");
        statements.push(Statement::new(format!("role {role}"), sql));
    }
    let given = catalog.memberships.iter().filter(|one| is_harmless(one));
    let given = given.filter(|one| is_named(&one.role) && is_named(&one.member));
    let no_superuser = Rights {
        superuser: false,
        ..Rights::superuser(version_num)
    };
    statements.extend(given.map(|one| membership(one, &no_superuser)));
    statements
}

fn create_role(role: &Role) -> Statement {
    let name = quote_ident(&role.name);
    let inherit = if role.inherit { "" } else { " NOINHERIT" };
    // What it owns may read rows that a policy keeps from others.
    let sees_all = role.superuser || role.bypass_rls;
    let policies = if sees_all { " BYPASSRLS" } else { "" };
    let sql = format!("CREATE ROLE {name}{inherit}{policies}");
    Statement::new(format!("role {name}"), sql)
}

fn is_harmless(one: &Membership) -> bool {
    !one.role.starts_with("pg_") || HARMLESS.contains(&one.role.as_str())
}

/// Memberships that would let their holder out of the server.
pub(crate) fn powerful_memberships(catalog: &Catalog) -> impl Iterator<Item = &Membership> {
    catalog.memberships.iter().filter(|one| !is_harmless(one))
}

/// The role of the catalog that owns the database, else the restoring login.
pub(crate) fn database_owner<'a>(catalog: &'a Catalog, logins: &'a Logins) -> &'a str {
    let owner = &catalog.database.owner;
    let mut roles = catalog.roles.iter();
    let is_there = roles.any(|role| role.name == *owner) && catalog.database.can_name(owner);
    if is_there { owner } else { &logins.restorer }
}

/// The database, and no way into the others.
pub(crate) fn database(catalog: &Catalog, name: &str, version_num: u32) -> Vec<Statement> {
    let others = "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC";
    vec![
        create_database(&catalog.database, name, version_num),
        Statement::new("other databases", others),
    ]
}

/// The database's owner, and the rights of the two logins on it, whatever the backup's own privileges are.
pub(crate) fn handing_over(catalog: &Catalog, logins: &Logins, name: &str) -> Vec<Statement> {
    let owner = quote_ident(database_owner(catalog, logins));
    let (restorer, reader) = (quote_ident(&logins.restorer), quote_ident(&logins.reader));
    let name = quote_ident(name);
    let owning = format!("ALTER DATABASE {name} OWNER TO {owner}");
    let restoring = format!("GRANT CONNECT, TEMPORARY, CREATE ON DATABASE {name} TO {restorer}");
    let reading = format!("GRANT CONNECT ON DATABASE {name} TO {reader}");
    vec![
        Statement::new("the database's owner", owning),
        Statement::new("the restoring login", restoring),
        Statement::new("the reading login", reading),
    ]
}

/// Gives the owner what every new database has, and the reading login its rights on older servers.
pub(crate) fn new_database_rights(
    catalog: &Catalog,
    logins: &Logins,
    version_num: u32,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    if version_num < 150_000 {
        let owner = quote_ident(database_owner(catalog, logins));
        let sql = format!("ALTER SCHEMA public OWNER TO {owner}");
        statements.push(Statement::new("schema public", sql));
    }
    if version_num < 140_000 {
        // There is no pg_read_all_data yet.
        let (restorer, reader) = (quote_ident(&logins.restorer), quote_ident(&logins.reader));
        for what in [
            "SELECT ON TABLES",
            "SELECT ON SEQUENCES",
            "USAGE ON SCHEMAS",
        ] {
            let sql =
                format!("ALTER DEFAULT PRIVILEGES FOR ROLE {restorer} GRANT {what} TO {reader}");
            statements.push(Statement::new("the reading login", sql));
        }
    }
    statements
}

/// Empty schemas of the restoring login, for extensions to be put into; the archive's own entries hand
/// them to their owners.
pub(crate) fn extension_schemas(catalog: &Catalog, logins: &Logins) -> Vec<Statement> {
    let schemas = catalog.extensions.iter().map(|one| one.schema.as_str());
    let made: BTreeSet<&str> = schemas
        .filter(|name| {
            !name.starts_with("pg_") && !matches!(*name, "public" | "information_schema")
        })
        .collect();
    let restorer = quote_ident(&logins.restorer);
    let create = |name: &str| {
        let name = quote_ident(name);
        let sql = format!("CREATE SCHEMA {name} AUTHORIZATION {restorer}");
        Statement::new(format!("schema {name}"), sql)
    };
    made.into_iter().map(create).collect()
}

/// Makes an extension where it was; of its version, or of the installed one.
pub(crate) fn extension(one: &Extension, exact: bool) -> Statement {
    let version = if exact {
        format!(" VERSION {}", quote_literal(&one.version))
    } else {
        String::new()
    };
    let name = quote_ident(&one.name);
    let sql = format!(
        "CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {}{version} CASCADE",
        quote_ident(&one.schema)
    );
    Statement::new(format!("extension {name}"), sql)
}

/// Casts that convert by way of text between types that PostgreSQL has from its birth: nobody but a
/// superuser may make one, and no code comes with it.
pub(crate) fn casts(catalog: &Catalog) -> Vec<Statement> {
    let create = |one: &Cast| {
        let how = match one.context.as_str() {
            "i" => " AS IMPLICIT",
            "a" => " AS ASSIGNMENT",
            _ => "",
        };
        let (from, to) = (quote_ident(&one.source), quote_ident(&one.target));
        let types = format!("pg_catalog.{from} AS pg_catalog.{to}");
        let about = format!("cast of {} to {}", one.source, one.target);
        Statement::new(about, format!("CREATE CAST ({types}) WITH INOUT{how}"))
    };
    catalog.casts.iter().map(create).collect()
}

/// The last statements of the superuser. From here on extensions stay as they are: their scripts would
/// run with a superuser's rights even for an ordinary owner, if they are trusted. Then it cannot log in.
pub(crate) fn last_statements(logins: &Logins) -> Vec<Statement> {
    let superuser = quote_ident(&logins.superuser);
    [
        format!("CREATE SCHEMA {superuser}"),
        format!(
            "CREATE FUNCTION {superuser}.refuse() RETURNS event_trigger LANGUAGE plpgsql \
             SET search_path = pg_catalog AS \
             'BEGIN RAISE insufficient_privilege USING MESSAGE = \
             ''must be superuser: a drill makes extensions before the backup runs''; END'"
        ),
        format!(
            "CREATE EVENT TRIGGER {superuser} ON ddl_command_start \
             WHEN TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION') \
             EXECUTE FUNCTION {superuser}.refuse()"
        ),
        format!("ALTER ROLE {superuser} NOLOGIN"),
    ]
    .map(|sql| Statement::new("what keeps extensions as they are", sql))
    .into()
}

#[cfg(test)]
mod tests {
    use super::super::statement::script;
    use super::*;
    use crate::model::fixture::catalog;

    fn logins() -> Logins {
        Logins {
            superuser: "su".to_owned(),
            restorer: "lb".to_owned(),
            reader: "rd".to_owned(),
        }
    }

    #[test]
    fn no_role_gets_more_than_a_name() {
        let mut catalog = catalog();
        catalog.memberships.push(Membership {
            role: "pg_execute_server_program".to_owned(),
            member: "own".to_owned(),
            grantor: "postgres".to_owned(),
            admin: true,
            inherit: Some(true),
            set: Some(true),
        });
        for version in [130_000, 150_000, 160_000, 180_000] {
            let mut made = super::logins(&logins(), version);
            made.extend(roles(&catalog, &logins(), version));
            let sql = script(&made);
            for power in [
                "SUPERUSER",
                "CREATEROLE",
                "CREATEDB",
                "REPLICATION",
                "pg_execute_server_program",
            ] {
                assert!(!sql.contains(power), "{power}: {sql}");
            }
            assert_eq!(sql.matches(" LOGIN").count(), 2, "{sql}");
        }
        assert_eq!(powerful_memberships(&catalog).count(), 1);
    }
}
