//! Instances and clusters in the making: whether a call was heard, and waiting for what comes of it.

use std::time::{Duration, Instant};

use super::{Patience, wait};
use crate::aws::rds::{DbState, Rds};
use crate::context::Context;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::Kind;

/// Says by which run an instance was made: a lost reply is looked up by it.
pub const RUN: &str = "lifeboat:run";
/// Looks may go unanswered so often in a row.
const UNANSWERED: u32 = 3;

/// What one run makes.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    pub rds: &'a Rds,
    pub patience: Patience,
    pub context: Context<'a>,
    /// The value of the tag [`RUN`].
    pub nonce: &'a str,
}

impl Made<'_> {
    /// A call that failed may have succeeded: its reply was lost, or a repetition met what the first
    /// one made.
    pub async fn begun(&self, kind: Kind, name: &str, begun: Result<()>) -> Result<()> {
        let Err(error) = begun else { return Ok(()) };
        match self.rds.state(kind, name).await {
            Ok(Some(there)) if there.tags.get(RUN).is_some_and(|run| run == self.nonce) => Ok(()),
            _ => Err(error),
        }
    }

    /// Waits until it takes connections.
    pub async fn available(&self, kind: Kind, name: &str) -> Result<DbState> {
        self.until(kind, name, "in the making", |there| {
            there.status == "available"
        })
        .await
    }

    /// Waits until it is as wanted; `phase` says what is waited for.
    pub async fn until(
        &self,
        kind: Kind,
        name: &str,
        phase: &str,
        is_wanted: impl Fn(&DbState) -> bool,
    ) -> Result<DbState> {
        let Patience { poll, wait } = self.patience;
        let until = Instant::now() + wait;
        self.context
            .progress
            .phase(&format!("{kind} {name} {phase}"), None);
        let (mut unanswered, mut said) = (0, String::new());
        loop {
            match self.rds.state(kind, name).await {
                Ok(Some(there)) if is_wanted(&there) => return Ok(there),
                Ok(Some(there)) if has_failed(&there.status) => {
                    return Err(Error::failed(format!(
                        "{kind} {name} has failed: RDS says '{}'",
                        there.status
                    ))
                    .hint("RDS's events say why: aws rds describe-events; delete it, and restore again"));
                }
                Ok(Some(there)) => {
                    unanswered = 0;
                    self.say(&mut said, kind, name, &there.status);
                    if Instant::now() >= until {
                        return Err(still(kind, name, &there.status, wait));
                    }
                }
                Ok(None) => {
                    return Err(Error::new(
                        ErrorKind::NotFound,
                        format!("{kind} {name} is gone again"),
                    )
                    .hint("somebody deleted it: CloudTrail says who"));
                }
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && unanswered + 1 < UNANSWERED =>
                {
                    unanswered += 1;
                }
                Err(error) => return Err(error),
            }
            wait::pause(poll, self.context.interrupt).await?;
        }
    }

    /// Each status once.
    fn say(&self, said: &mut String, kind: Kind, name: &str, status: &str) {
        if said != status {
            status.clone_into(said);
            self.context
                .progress
                .note(&format!("{kind} {name}: {status}"));
        }
    }
}

fn has_failed(status: &str) -> bool {
    status.starts_with("incompatible")
        || matches!(
            status,
            "failed" | "restore-error" | "inaccessible-encryption-credentials"
        )
}

fn still(kind: Kind, name: &str, status: &str, wait: Duration) -> Error {
    Error::failed(format!(
        "{kind} {name} is still '{status}' after {} s",
        wait.as_secs()
    ))
    .hint("it comes up by itself: aws rds describe-db-instances shows it; snapshot.wait says how long lifeboat waits")
}
