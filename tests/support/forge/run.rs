//! Verifies and restores in this process.

use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Result;
use lifeboat::testing::Silent;
use lifeboat::testing::SystemClock;
use lifeboat::testing::codec::Identities;
use lifeboat::testing::model::Id;
use lifeboat::testing::pg::Input;
use lifeboat::testing::pg::Server;
use lifeboat::testing::pg::tools::Dirs;
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::{restore, verify};

use super::Forge;
use crate::support::Database;

pub fn server(url: &str) -> Server {
    let input = Input {
        url: Some(url),
        password_file: None,
        sslmode: None,
        sslrootcert: None,
    };
    Server::resolve(input, &|_| None).unwrap()
}

impl Forge {
    /// What `verify` says of a point: problems, or why it cannot be opened.
    pub async fn problems(&self, id: &Id, data: bool) -> Vec<String> {
        match self.verify(id, data).await {
            Ok(report) => report.problems,
            Err(error) => vec![error.chain()],
        }
    }

    async fn verify(&self, id: &Id, data: bool) -> Result<verify::Report> {
        let options = verify::Options {
            data,
            jobs: Some(2),
        };
        let point = self.open(id).await?;
        let never = Interrupt::never();
        let context = Context {
            clock: &SystemClock,
            progress: &Silent,
            interrupt: &never,
        };
        verify::verify(&point, &self.identities, options, context).await
    }

    /// Restores a point in this process.
    pub async fn restore(
        &self,
        id: &Id,
        target: &Database,
        change: impl FnOnce(&mut restore::Options),
    ) -> Result<restore::Report> {
        let point = self.open(id).await?;
        restore(&point, &self.identities, target, change).await
    }
}

/// The same for a point of any repository.
pub async fn restore(
    point: &RestorePoint,
    identities: &Identities,
    target: &Database,
    change: impl FnOnce(&mut restore::Options),
) -> Result<restore::Report> {
    let mut options = restore::Options {
        target: server(&target.url()),
        jobs: Some(2),
        create: false,
        resume: false,
        dry_run: false,
        no_owner: false,
        no_privileges: false,
        verify: false,
        schemas: Vec::new(),
        tables: Vec::new(),
        tool_dirs: Dirs::system(vec![target.major.bin()]),
        drill: false,
        drill_reader: None,
        keep_rights: false,
        drilled_sound: false,
    };
    change(&mut options);
    let context = Context {
        clock: &SystemClock,
        progress: &Silent,
        interrupt: &Interrupt::never(),
    };
    restore::run(point, identities, &options, context).await
}

/// Why a restore did not end well: the error, or its failures.
pub fn why(restored: Result<restore::Report>) -> Option<String> {
    match restored {
        Err(error) => Some(error.chain()),
        Ok(report) if report.failures.is_empty() => None,
        Ok(report) => Some(format!("{:?}", report.failures)),
    }
}
