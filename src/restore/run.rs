//! A restore at work.

use std::collections::BTreeMap;

use super::not_tried::NotTriedObjects;
use super::options::Options;
use super::phases::{Phases, TABLES};
use super::report::Report;
use crate::codec::Identities;
use crate::context::Context;
use crate::error::Result;
use crate::model::catalog::{Catalog, Name};
use crate::model::finding::Finding;
use crate::model::selection::Selection;
use crate::pg::connect::server::Server;
use crate::pg::session::pool::Sessions;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::archive::{Archive, Complaint};
use crate::pg::target::execute;
use crate::pg::target::resume_state::ResumeState;
use crate::pg::target::server::ServerFacts;
use crate::pg::target::statements::{Ownership, Statement};
use crate::pg::target::toc::Entry;
use crate::repository::RestorePoint;

/// What is restored, how, and into what.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
    pub options: &'a Options,
    pub context: Context<'a>,
    pub catalog: &'a Catalog,
    pub selection: &'a Selection,
    /// Server and database to restore into, its address looked up once.
    pub target: &'a Server,
}

impl Inputs<'_> {
    /// What the sessions of workers and of pg_restore are called.
    pub(super) fn application(&self) -> String {
        format!("lifeboat {}", self.point.manifest.id)
    }

    pub(super) fn ownership(&self) -> Ownership {
        Ownership {
            owners: !self.options.no_owner,
            privileges: !self.options.no_privileges,
        }
    }

    /// The target for sessions that read what was restored.
    pub(super) fn reader(&self) -> &Server {
        self.options.drill_reader.as_ref().unwrap_or(self.target)
    }
}

/// What sessions that compute have of their own.
pub(super) struct OwnSettings {
    /// The target, for such a session.
    pub server: Server,
    /// lc_monetary is C.
    pub money_is_plain: bool,
}

impl OwnSettings {
    pub(super) fn of(target: &Server) -> Self {
        Self {
            server: target.clone(),
            money_is_plain: false,
        }
    }
}

/// An entry that failed, and what it said when it was last tried alone.
pub(super) struct Failed {
    pub entry: Entry,
    pub complaints: Vec<Complaint>,
}

pub(super) struct Run<'a> {
    pub inputs: Inputs<'a>,
    /// Locks the target against a second restore, and runs our own statements.
    pub session: Session,
    pub state: ResumeState,
    pub facts: ServerFacts,
    pub own: OwnSettings,
    pub archive: Archive,
    pub entries: Vec<Entry>,
    pub jobs: usize,
    pub phases: Phases,
    pub not_tried: NotTriedObjects,
    /// Triggers may be there: rows that come now must not fire them.
    pub has_triggers: bool,
    /// Tables whose rows the server refused at the last attempt.
    pub refused: Vec<Finding>,
    /// Sequences that a drill could not set.
    pub unset_sequences: Vec<Finding>,
    /// A table, say, could not be made.
    pub lacks_objects: bool,
    /// Tables whose rows a person may have mended since an earlier run, each with the constraint.
    pub mended: BTreeMap<Name, String>,
    pub report: Report,
}

impl Run<'_> {
    /// Runs a phase. Of one that an earlier run finished only its findings are reported again.
    pub(super) async fn phase(
        &mut self,
        name: &str,
        work: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.phases.is_finished(name) {
            self.phases.report_again(name, &mut self.report);
            return Ok(());
        }
        if name != TABLES {
            self.inputs.context.progress.phase(name, None);
        }
        self.phases.start(&self.report);
        work(self).await?;
        match self.phases.end(name, &mut self.report) {
            Some(added) => self.state.finish_phase(&self.session, name, &added).await,
            None => Ok(()),
        }
    }

    /// Runs statements of our own; those that the server refuses are findings.
    pub(super) async fn apply(&mut self, statements: &[Statement]) -> Result<()> {
        let refused = execute::each(&self.session, statements).await?;
        self.report.findings.extend(refused);
        Ok(())
    }

    /// As many as there are jobs.
    pub(super) fn sessions<'s>(&self, server: &'s Server, purpose: Purpose) -> Sessions<'s> {
        Sessions {
            server,
            application: self.inputs.application(),
            purpose,
            count: self.jobs,
        }
    }

    /// Whether the user must borrow rights to hand objects to their owners.
    pub(super) fn needs_temporary_grants(&self) -> bool {
        let ownership = self.inputs.ownership();
        !self.facts.rights.superuser && (ownership.owners || ownership.privileges)
    }
}
