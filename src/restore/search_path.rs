//! Functions that find their tables by the session's search_path, which a restore keeps empty as
//! pg_restore does: each that a failure is about is named, with the statement that mends it.

use super::run::Run;
use crate::error::Result;
use crate::model::catalog::Setting;
use crate::model::finding::Finding;
use crate::pg::target::server::{self, Function};
use crate::pg::target::statements::set_clause;
use crate::quote::quote_ident;

/// Adds to failures and findings what mends them.
pub(super) async fn name_functions(run: &mut Run<'_>) -> Result<()> {
    let report = &run.report;
    let mut all = report.failures.iter().chain(&report.findings);
    if !all.any(misses_something) {
        return Ok(());
    }
    let functions = server::without_search_path(&run.session).await?;
    let settings = &run.inputs.catalog.database.settings;
    let of_database = settings
        .iter()
        .find(|one| one.role.is_none() && one.name == "search_path");
    let report = &mut run.report;
    for finding in report.failures.iter_mut().chain(&mut report.findings) {
        if !misses_something(finding) {
            continue;
        }
        let named = functions.iter().filter(|one| is_about(&finding.why, one));
        let named: Vec<&Function> = named.collect();
        if !named.is_empty() {
            explain(finding, &named, of_database);
        }
    }
    Ok(())
}

fn misses_something(finding: &Finding) -> bool {
    finding.why.contains("does not exist")
}

/// PostgreSQL names functions with their schema, but one in SQL by its name alone.
fn is_about(why: &str, function: &Function) -> bool {
    let Function { schema, name, .. } = function;
    let alone = format!("SQL function \"{name}\" ");
    let with_schema = |schema: &str, name: &str| format!("function {schema}.{name}(");
    why.contains(&alone)
        || [schema.clone(), quote_ident(schema)].iter().any(|schema| {
            let names = [name.clone(), quote_ident(name)];
            names
                .iter()
                .any(|name| why.contains(&with_schema(schema, name)))
        })
}

/// With the database's own search_path; else that of the function's schema.
fn mend(function: &Function, of_database: Option<&Setting>) -> String {
    let Function {
        schema,
        name,
        arguments,
    } = function;
    let own = Setting {
        role: None,
        name: "search_path".to_owned(),
        value: match schema.as_str() {
            "public" => "public".to_owned(),
            schema => format!("{}, public", quote_ident(schema)),
        },
    };
    let set = set_clause(of_database.unwrap_or(&own));
    let (schema, name) = (quote_ident(schema), quote_ident(name));
    format!("ALTER FUNCTION {schema}.{name}({arguments}) {set}")
}

/// Names first: the screen shows one line, which holds no statement.
fn explain(finding: &mut Finding, functions: &[&Function], of_database: Option<&Setting>) {
    let name = |one: &&Function| format!("{}.{}({})", one.schema, one.name, one.arguments);
    let names: Vec<String> = functions.iter().map(name).collect();
    let mends = functions.iter().map(|one| mend(one, of_database));
    let mends = mends.collect::<Vec<_>>().join("; ");
    finding.why = format!(
        "a restore has no search_path, and function {} none of its own: {}\nthis mends it: {mends}",
        names.join(", "),
        finding.why
    );
    let refused = finding.sql.take().unwrap_or_default();
    finding.sql = Some(match refused.as_str() {
        "" => mends,
        refused => format!("{mends}; {refused}"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(schema: &str, name: &str) -> Function {
        Function {
            schema: schema.to_owned(),
            name: name.to_owned(),
            arguments: "text".to_owned(),
        }
    }

    #[test]
    fn only_the_function_that_the_server_names_is_meant() {
        let sql =
            "relation \"rate\" does not exist\nCONTEXT:  SQL function \"rated\" during startup";
        assert!(is_about(sql, &function("app", "rated")));
        assert!(!is_about(sql, &function("app", "rate")));
        let plpgsql =
            "does not exist\nCONTEXT:  PL/pgSQL function \"A b\".f(text) line 1 at RETURN";
        assert!(is_about(plpgsql, &function("A b", "f")));
        assert!(!is_about(plpgsql, &function("A b", "ff")));
    }

    #[test]
    fn the_database_says_which_search_path() {
        let setting = Setting {
            role: None,
            name: "search_path".to_owned(),
            value: "app, public".to_owned(),
        };
        assert_eq!(
            mend(&function("s", "f"), Some(&setting)),
            "ALTER FUNCTION \"s\".\"f\"(text) SET \"search_path\" TO 'app', 'public'"
        );
        let own = mend(&function("A b", "f"), None);
        assert!(
            own.ends_with("SET \"search_path\" TO 'A b', 'public'"),
            "{own}"
        );
    }
}
