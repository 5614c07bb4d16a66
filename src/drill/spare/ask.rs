//! Logs in with a password that nobody else ever knows, and asks every database.

use std::time::Instant;

use super::job::{APPLICATION, SpareDrill};
use super::report::{DatabaseResult, Report};
use crate::aws::rds::DbState;
use crate::drill::assertion::{Question, ask};
use crate::drill::previous::{BEFORE, Previous, previous};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::databases::Databases;
use crate::model::finding::Finding;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog;
use crate::pg::target::single_value::TimeLimit;
use crate::random;
use crate::snapshot::restore::RecordReader;
use crate::snapshot::wait;

/// RDS creates it with every instance.
const FIRST_DATABASE: &str = "postgres";

/// Letters and digits, of 160 random bits: Aurora takes 41 characters at most.
fn new_password() -> Result<String> {
    let bytes: [u8; 20] = random::bytes()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl SpareDrill<'_> {
    /// Sets a new password for the master user and connects with it.
    pub(super) async fn log_in(&self, created: &DbState) -> Result<(Server, Session)> {
        let (kind, name) = (self.kind(), self.name.as_str());
        let missing = |what| Error::failed(format!("RDS reports no {what} of {kind} {name}"));
        let host = created.address.as_deref();
        let host = host.ok_or_else(|| missing("address"))?;
        let port = created.port.and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| missing("port"))?;
        let user = created.master_user.as_deref();
        let user = user.ok_or_else(|| missing("master user"))?;
        let password = new_password()?;
        self.once_available(async || self.rds().set_password(kind, name, &password).await)
            .await?;
        let is_set = |there: &DbState| there.status == "available" && !there.awaits_password;
        self.creation
            .wait_until(kind, name, "takes a new password", is_set)
            .await?;
        let server = Server::verified(host, port, user, password, FIRST_DATABASE);
        let session = self.connect(&server).await?;
        Ok((server, session))
    }

    /// RDS says `available` some seconds before the password is in force and the name is known to DNS.
    async fn connect(&self, server: &Server) -> Result<Session> {
        let (until, context) = (self.short_deadline(), self.creation.context);
        context.progress.phase("a first query", None);
        loop {
            let connecting = Session::connect(server, APPLICATION, Purpose::Query);
            match context.interrupt.or(connecting).await {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unavailable)
                        && Instant::now() < until =>
                {
                    wait::pause(self.options.limits.poll, context.interrupt).await?;
                }
                connected => return connected,
            }
        }
    }

    /// Asks each database its questions.
    pub(super) async fn ask(
        &self,
        server: &Server,
        session: &Session,
        report: &mut Report,
    ) -> Result<()> {
        self.creation.context.progress.phase("assertions", None);
        report.databases = self.databases(session, report).await?;
        for name in report.databases.clone() {
            if let Err(error) = self.ask_one(&server.with_database(&name), report).await {
                let what = format!("database {name}");
                report.failures.push(Finding::new(what, error.chain()));
            }
        }
        if report.assertions.is_empty() {
            let why =
                "no assertion is configured of it: the drill shows that it boots, and no more";
            report.findings.push(Finding::new("the copy", why));
        }
        Ok(())
    }

    /// The wanted databases that exist; one that does not is a failure.
    async fn databases(&self, session: &Session, report: &mut Report) -> Result<Vec<String>> {
        let listed = catalog::databases(session).await?;
        let there = listed.into_iter().filter(|one| one.connectable);
        let mut there: Vec<String> = there.map(|one| one.name).collect();
        let source = &self.found.point.source;
        let is_of_source = |one: &&(String, Databases)| one.0 == *source;
        let wanted = match self.options.databases.iter().find(is_of_source) {
            None | Some((_, Databases::OfConnection | Databases::Matching { .. })) => {
                return Ok(there);
            }
            Some((_, Databases::All { except })) => {
                there.retain(|name| !except.contains(name));
                return Ok(there);
            }
            Some((_, Databases::Named(names))) => names,
        };
        for name in wanted.iter().filter(|name| !there.contains(name)) {
            let what = format!("database {name}");
            let why = "it is not in the copy, or takes no connections";
            report.failures.push(Finding::new(what, why));
        }
        there.retain(|name| wanted.contains(name));
        Ok(there)
    }

    async fn ask_one(&self, server: &Server, report: &mut Report) -> Result<()> {
        // One that lets nobody in is missing, whatever it is to be asked.
        let session = Session::connect(server, APPLICATION, Purpose::Query).await?;
        session.close().await;
        let (point, database) = (&self.found.point, server.database.as_str());
        let questions = self.options.questions.iter();
        let questions: Vec<&Question> = questions
            .filter(|one| one.is_for(&point.source, database))
            .collect();
        let previous = self.previous(&questions, database, report).await;
        let assertions = questions.iter().map(|one| &one.assertion);
        let limit = TimeLimit::default();
        let results = ask(server, assertions, &previous, point.taken_at, limit).await;
        let results = results.into_iter().map(|result| DatabaseResult {
            database: database.to_owned(),
            result,
        });
        report.assertions.extend(results);
        Ok(())
    }

    /// The values of the same assertions when an export of the database was drilled last.
    async fn previous(
        &self,
        questions: &[&Question],
        database: &str,
        report: &mut Report,
    ) -> Vec<(String, String)> {
        if !questions.iter().any(|one| one.assertion.compares()) {
            return Vec::new();
        }
        let of = (self.found.point.source.as_str(), database);
        let found = match &self.records {
            Ok(RecordReader { repository, trust }) => {
                previous(repository, of, trust, &self.options.identities).await
            }
            Err(error) => Err(error.repeat()),
        };
        let found = found.unwrap_or_else(Previous::unread);
        if let Some(error) = &found.unread {
            report.finding(BEFORE, error);
        }
        found.values
    }
}
