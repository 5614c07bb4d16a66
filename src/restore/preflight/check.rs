//! What was found out about the target.

use crate::error::{Error, Result};
use crate::model::finding::Finding;
use crate::pg::connect::server::Server;
use crate::pg::local::tools::ToolPath;
use crate::pg::target::database::DatabaseFacts;
use crate::pg::target::server::ServerFacts;

pub(crate) struct TargetCheck {
    pub server: ServerFacts,
    /// `None`: the database is to be made.
    pub database: Option<DatabaseFacts>,
    pub pg_restore: Option<ToolPath>,
    /// A restore would refuse.
    pub problems: Vec<String>,
    /// A restore would go on without.
    pub findings: Vec<Finding>,
}

impl TargetCheck {
    /// A restore of this point began here and did not end.
    pub(crate) fn is_unfinished(&self) -> bool {
        let facts = self.database.as_ref();
        facts.is_some_and(|facts| facts.unfinished.is_some())
    }

    pub(crate) fn add_problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    pub(crate) fn add_finding(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.findings.push(Finding::new(what, why));
    }

    /// All problems as one error; nothing was changed yet.
    pub(crate) fn refuse_problems(&self, target: &Server) -> Result<()> {
        let problems = match self.problems.as_slice() {
            [] => return Ok(()),
            [only] => only.clone(),
            many => format!("{} problems: {}", many.len(), many.join("; ")),
        };
        Err(Error::refused(format!("{target}: {problems}"))
            .hint("nothing was changed; --dry-run shows all that a restore would meet"))
    }
}
