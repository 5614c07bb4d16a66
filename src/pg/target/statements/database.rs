//! The database itself: making it, and the properties that no archive carries without `-C`.

use super::acl::{self, Ownership};
use super::settings::set_clause;
use super::statement::Statement;
use crate::model::catalog::{Database, Setting};
use crate::quote::{quote_ident, quote_literal};

/// `CREATE DATABASE name` from template0 with the source's encoding, provider and locale, as a
/// server of `version_num` understands it.
pub(crate) fn create_database(database: &Database, name: &str, version_num: u32) -> Statement {
    let mut sql = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        quote_ident(name),
        quote_literal(&database.encoding),
        quote_literal(&database.collate),
        quote_literal(&database.ctype),
    );
    let mut option = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            sql.push_str(&format!(" {name} {}", quote_literal(value)));
        }
    };
    let locale = database.locale.as_deref();
    match database.locale_provider.as_str() {
        "i" => {
            option("LOCALE_PROVIDER", Some("icu"));
            option("ICU_LOCALE", locale);
            if version_num >= 160_000 {
                option("ICU_RULES", database.icu_rules.as_deref());
            }
        }
        "b" => {
            option("LOCALE_PROVIDER", Some("builtin"));
            option("BUILTIN_LOCALE", locale);
        }
        _ if version_num >= 150_000 => option("LOCALE_PROVIDER", Some("libc")),
        _ => {}
    }
    Statement::new(format!("database {}", quote_ident(name)), sql)
}

/// A setting of a database, or of a role in it: how it is made, and how it is taken back.
pub(crate) struct DatabaseSetting<'a> {
    pub role: Option<&'a str>,
    pub set: Statement,
    pub reset: Statement,
}

/// The settings, for the database called `name` in the target.
pub(crate) fn database_settings<'a>(
    database: &'a Database,
    name: &str,
) -> Vec<DatabaseSetting<'a>> {
    let target = format!("DATABASE {}", quote_ident(name));
    let one = |setting: &'a Setting| {
        let parameter = quote_ident(&setting.name);
        let (alter, of_whom) = match &setting.role {
            None => (format!("ALTER {target}"), String::new()),
            Some(role) => {
                let role = quote_ident(role);
                (
                    format!("ALTER ROLE {role} IN {target}"),
                    format!(" for role {role}"),
                )
            }
        };
        let about = format!("setting {parameter} of the database{of_whom}");
        DatabaseSetting {
            role: setting.role.as_deref(),
            set: Statement::new(&about, format!("{alter} {}", set_clause(setting))),
            reset: Statement::new(&about, format!("{alter} RESET {parameter}")),
        }
    };
    database.settings.iter().map(one).collect()
}

/// Owner, ACL, comment and connection limit, for the database called `name` in the target.
pub(crate) fn database_properties(
    database: &Database,
    name: &str,
    ownership: Ownership,
) -> Vec<Statement> {
    let target = format!("DATABASE {}", quote_ident(name));
    let mut statements = Vec::new();
    let mut add = |about: &str, sql: String| {
        statements.push(Statement::new(format!("{about} of the database"), sql));
    };
    if let Some(comment) = &database.comment {
        let comment = quote_literal(comment);
        add("comment", format!("COMMENT ON {target} IS {comment}"));
    }
    if database.connection_limit >= 0 {
        let sql = format!(
            "ALTER {target} CONNECTION LIMIT {}",
            database.connection_limit
        );
        add("connection limit", sql);
    }
    if database.is_template {
        add("template flag", format!("ALTER {target} IS_TEMPLATE true"));
    }
    if ownership.owners {
        let owner = quote_ident(&database.owner);
        add("owner", format!("ALTER {target} OWNER TO {owner}"));
    }
    if let (Some(acl), true) = (&database.acl, ownership.privileges) {
        for sql in acl::rewrite(&target, &database.owner, acl, ownership) {
            add("privileges", sql);
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::super::statement::script;
    use super::*;

    fn database(provider: &str) -> Database {
        Database {
            name: "app".to_owned(),
            owner: "own".to_owned(),
            encoding: "UTF8".to_owned(),
            names_are_bytes: false,
            locale_provider: provider.to_owned(),
            collate: "C.UTF-8".to_owned(),
            ctype: "C.UTF-8".to_owned(),
            locale: (provider != "c").then(|| "de-DE".to_owned()),
            icu_rules: (provider == "i").then(|| "&a < b".to_owned()),
            collation_version: None,
            connection_limit: 7,
            is_template: false,
            allow_connections: true,
            comment: Some("ours".to_owned()),
            acl: Some(Vec::new()),
            computed_under: Vec::new(),
            settings: vec![
                Setting {
                    role: None,
                    name: "work_mem".to_owned(),
                    value: "64MB".to_owned(),
                },
                Setting {
                    role: Some("own".to_owned()),
                    name: "search_path".to_owned(),
                    value: "a, b".to_owned(),
                },
            ],
        }
    }

    #[test]
    fn a_database_is_made_in_the_words_of_its_server() {
        let sql = |provider, version| create_database(&database(provider), "d", version).sql;
        let libc = "CREATE DATABASE \"d\" TEMPLATE template0 ENCODING 'UTF8' \
                    LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'";
        assert_eq!(sql("c", 140_000), libc);
        assert_eq!(sql("c", 150_000), format!("{libc} LOCALE_PROVIDER 'libc'"));
        assert_eq!(
            sql("i", 150_000),
            format!("{libc} LOCALE_PROVIDER 'icu' ICU_LOCALE 'de-DE'")
        );
        assert_eq!(
            sql("i", 160_000),
            format!("{libc} LOCALE_PROVIDER 'icu' ICU_LOCALE 'de-DE' ICU_RULES '&a < b'")
        );
        assert_eq!(
            sql("b", 170_000),
            format!("{libc} LOCALE_PROVIDER 'builtin' BUILTIN_LOCALE 'de-DE'")
        );
    }

    #[test]
    fn properties_follow_the_targets_own_name() {
        let all = database_properties(&database("c"), "new", Ownership::ALL);
        assert_eq!(
            script(&all),
            "COMMENT ON DATABASE \"new\" IS 'ours';\n\
             ALTER DATABASE \"new\" CONNECTION LIMIT 7;\n\
             ALTER DATABASE \"new\" OWNER TO \"own\";\n\
             REVOKE ALL ON DATABASE \"new\" FROM PUBLIC, \"own\";\n"
        );
        let none = database_properties(&database("c"), "new", Ownership::NONE);
        assert_eq!(none.len(), 2, "{none:?}");
    }

    #[test]
    fn a_setting_is_made_and_taken_back() {
        let database = database("c");
        let settings = database_settings(&database, "new");
        let sql: Vec<_> = settings
            .iter()
            .flat_map(|one| [one.set.sql.as_str(), one.reset.sql.as_str()])
            .collect();
        assert_eq!(
            sql,
            [
                "ALTER DATABASE \"new\" SET \"work_mem\" TO '64MB'",
                "ALTER DATABASE \"new\" RESET \"work_mem\"",
                "ALTER ROLE \"own\" IN DATABASE \"new\" SET \"search_path\" TO 'a', 'b'",
                "ALTER ROLE \"own\" IN DATABASE \"new\" RESET \"search_path\"",
            ]
        );
    }
}
