//! Would an export see all of a database?

use super::facts::{Database, Facts};
use super::finding::{Finding, Severity};
use crate::error::Error;

const EXPORT_FAILS: &str = "its export fails";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.databases.iter().flat_map(faults).collect()
}

fn faults(database: &Database) -> Vec<Finding> {
    let (source, name) = (&database.source, &database.name);
    let critical = |check, what: String, means, mend: &str| {
        Severity::Critical.finding(check, format!("{source}/{name}{what}"), means, mend)
    };
    let failed = |check, what, means, error: &Error| {
        critical(
            check,
            format!("{what}: {}", error.chain()),
            means,
            error.advice(),
        )
    };
    let mut findings = Vec::new();
    if let Some(error) = &database.unreachable {
        let means = "nothing new is exported";
        findings.push(failed("database", " cannot be reached", means, error));
    }
    if let Some(error) = &database.unreadable {
        findings.push(failed("readable", "", EXPORT_FAILS, error));
    }
    if database.unreadable_large_objects > 0 {
        findings.push(critical(
            "readable",
            format!(
                ": {} large objects may not be read",
                database.unreadable_large_objects
            ),
            EXPORT_FAILS,
            "GRANT SELECT ON LARGE OBJECT, or make the user a member of their owners",
        ));
    }
    if let Some(error) = &database.no_pg_dump {
        findings.push(failed("pg_dump", "", EXPORT_FAILS, error));
    }
    if !database.uncovered.is_empty() {
        let uncovered = database.uncovered.join(", ");
        findings.push(Severity::Warning.finding(
            "uncovered",
            format!("source {source}: nobody exports {uncovered}"),
            "no restore point will hold them: where RDS snapshots are copied, those copies alone do",
            "add them to `databases`, or with databases = \"all\" to `exclude_databases`",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_can_be_read_has_no_finding_and_each_fault_has_one() {
        let sound = || Database::without_fault("prod", "courses");
        assert_eq!(faults(&sound()), []);
        let failed = || Some(Error::failed("why"));
        for (database, check) in [
            (
                Database {
                    unreachable: failed(),
                    ..sound()
                },
                "database",
            ),
            (
                Database {
                    unreadable: failed(),
                    ..sound()
                },
                "readable",
            ),
            (
                Database {
                    unreadable_large_objects: 1,
                    ..sound()
                },
                "readable",
            ),
            (
                Database {
                    no_pg_dump: failed(),
                    ..sound()
                },
                "pg_dump",
            ),
            (
                Database {
                    uncovered: vec!["x".into()],
                    ..sound()
                },
                "uncovered",
            ),
        ] {
            let found = faults(&database);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].check, check);
            assert!(found[0].what.contains("prod"), "{found:?}");
        }
    }
}
