//! Whether an export would see all of a database.

use crate::error::{Error, Result};
use crate::pg::connect::server::Server;
use crate::pg::local::tools::{self, Dirs, Tool};
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog;

use super::{Finding, Severity};

/// What was found out about a database, or why nothing was.
#[derive(Debug)]
pub struct Database {
    pub source: String,
    pub name: String,
    /// Why it could not be looked at.
    pub unreachable: Option<Error>,
    /// Why its tables cannot all be read.
    pub unreadable: Option<Error>,
    pub unreadable_large_objects: u64,
    /// Why there is no pg_dump for it.
    pub no_pg_dump: Option<Error>,
    /// Databases of the same server that nobody exports.
    pub uncovered: Vec<String>,
}

impl Database {
    /// One that could not be looked at.
    pub fn unreachable(source: &str, name: &str, error: Error) -> Self {
        Self {
            source: source.to_owned(),
            name: name.to_owned(),
            unreachable: Some(error),
            unreadable: None,
            unreadable_large_objects: 0,
            no_pg_dump: None,
            uncovered: Vec::new(),
        }
    }

    /// Looks at one; what fails is part of the answer.
    pub async fn gather(source: &str, server: &Server, dirs: &Dirs) -> Self {
        match Self::ask(source, server, dirs).await {
            Ok(found) => found,
            Err(error) => Self::unreachable(source, &server.database, error),
        }
    }

    async fn ask(source: &str, server: &Server, dirs: &Dirs) -> Result<Self> {
        let session = Session::connect(server, "lifeboat doctor", Purpose::Read).await?;
        let unreadable_large_objects = if catalog::count_large_objects(&session).await? > 0 {
            catalog::unreadable_large_objects(&session).await?
        } else {
            0
        };
        let found = Self {
            source: source.to_owned(),
            name: server.database.clone(),
            unreachable: None,
            unreadable: catalog::lock_targets(&session).await.err(),
            unreadable_large_objects,
            no_pg_dump: tools::find(Tool::PgDump, session.major(), true, dirs).err(),
            uncovered: Vec::new(),
        };
        session.close().await;
        Ok(found)
    }
}

pub fn look(database: &Database) -> Vec<Finding> {
    let name = format!("{}/{}", database.source, database.name);
    let mut findings = Vec::new();
    let mut add = |severity, check, what: String, means: &str, mend: &str| {
        findings.push(Finding::new(severity, check, what).means(means).mend(mend));
    };
    if let Some(error) = &database.unreachable {
        add(
            Severity::Critical,
            "database",
            format!("{name} cannot be reached: {}", error.chain()),
            "nothing new is exported",
            error.advice(),
        );
    }
    if let Some(error) = &database.unreadable {
        add(
            Severity::Critical,
            "readable",
            format!("{name}: {}", error.chain()),
            "its export fails",
            error.advice(),
        );
    }
    if database.unreadable_large_objects > 0 {
        add(
            Severity::Critical,
            "readable",
            format!(
                "{name}: {} large objects may not be read",
                database.unreadable_large_objects
            ),
            "its export fails",
            "GRANT SELECT ON LARGE OBJECT, or make the user a member of their owners",
        );
    }
    if let Some(error) = &database.no_pg_dump {
        add(
            Severity::Critical,
            "pg_dump",
            format!("{name}: {}", error.chain()),
            "its export fails",
            error.advice(),
        );
    }
    if !database.uncovered.is_empty() {
        add(
            Severity::Warning,
            "uncovered",
            format!(
                "source {}: nobody exports {}",
                database.source,
                database.uncovered.join(", ")
            ),
            "they are in snapshot copies at best",
            "add them to `databases`, or with databases = \"all\" to `exclude_databases`",
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_can_be_read_has_no_finding_and_each_fault_has_one() {
        let sound = || Database {
            unreachable: None,
            ..Database::unreachable("prod", "courses", Error::failed(""))
        };
        assert_eq!(look(&sound()), []);
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
            let found = look(&database);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].check, check);
            assert!(found[0].what.contains("prod"), "{found:?}");
        }
    }
}
