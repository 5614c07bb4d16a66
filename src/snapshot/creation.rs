//! Creates instances and clusters from snapshots, and waits until they can be used.

use std::time::Duration;

use super::names::tag;
use super::wait::{WaitLimits, poll};
use crate::aws::rds::{DbState, NewDb, NewMember, Rds};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::model::snapshot::Kind;
use crate::random;

/// What is created from a copy.
pub(crate) struct RestorePlan {
    pub db: NewDb,
    /// A cluster's one instance, which Multi-AZ clusters do not need.
    pub member: Option<NewMember>,
}

/// What one run needs to create instances and clusters.
#[derive(Clone, Copy)]
pub(crate) struct Creation<'a> {
    pub rds: &'a Rds,
    pub limits: WaitLimits,
    pub context: Context<'a>,
    /// The run's value of the tag [`tag::RUN`].
    pub nonce: &'a str,
}

impl Creation<'_> {
    /// Creates what the plan says, and waits until it takes connections.
    pub(crate) async fn create(&self, plan: &RestorePlan) -> Result<DbState> {
        let RestorePlan { db, member } = plan;
        let reply = self.rds.restore(db).await;
        let created = self.started(db.kind, &db.identifier, reply).await?;
        if let Some(member) = member {
            let reply = self.rds.add_member(member).await;
            self.started(Kind::Instance, &member.identifier, reply)
                .await?;
        }
        Ok(created)
    }

    /// A call that failed may have succeeded: its reply was lost, or it was repeated and found what the
    /// first attempt had created.
    async fn started(&self, kind: Kind, name: &str, reply: Result<()>) -> Result<DbState> {
        if let Err(error) = reply {
            match self.rds.state(kind, name).await {
                Ok(Some(there)) if self.is_ours(&there) => {}
                _ => return Err(error),
            }
        }
        self.wait_until_available(kind, name).await
    }

    /// Whether this run created it.
    pub(crate) fn is_ours(&self, there: &DbState) -> bool {
        there
            .tags
            .get(tag::RUN)
            .is_some_and(|run| run == self.nonce)
    }

    /// Waits until it takes connections.
    pub(crate) async fn wait_until_available(&self, kind: Kind, name: &str) -> Result<DbState> {
        let is_available = |there: &DbState| there.status == "available";
        self.wait_until(kind, name, "in the making", is_available)
            .await
    }

    /// Waits until it is as wanted; `phase` is shown meanwhile.
    pub(crate) async fn wait_until(
        &self,
        kind: Kind,
        name: &str,
        phase: &str,
        is_wanted: impl Fn(&DbState) -> bool,
    ) -> Result<DbState> {
        let (limits, progress) = (self.limits, self.context.progress);
        progress.phase(&format!("{kind} {name} {phase}"), None);
        let mut shown_status = String::new();
        poll(
            limits,
            self.context.interrupt,
            async || self.rds.state(kind, name).await,
            || format!("{kind} {name} is gone again"),
            |there: DbState, is_over| {
                if is_wanted(&there) {
                    return Ok(Some(there));
                }
                let status = &there.status;
                if has_failed(status) {
                    return Err(failed(kind, name, status));
                }
                if shown_status != *status {
                    status.clone_into(&mut shown_status);
                    progress.note(&format!("{kind} {name}: {status}"));
                }
                match is_over {
                    true => Err(timed_out(kind, name, status, limits.wait)),
                    false => Ok(None),
                }
            },
        )
        .await
    }
}

/// A new value for the tag [`tag::RUN`].
pub(crate) fn new_nonce() -> Result<String> {
    Ok(format!("{:032x}", u128::from_ne_bytes(random::bytes()?)))
}

fn has_failed(status: &str) -> bool {
    status.starts_with("incompatible")
        || matches!(
            status,
            "failed" | "restore-error" | "inaccessible-encryption-credentials"
        )
}

fn failed(kind: Kind, name: &str, status: &str) -> Error {
    Error::failed(format!("{kind} {name} has failed: RDS says '{status}'"))
        .hint("RDS's events say why: aws rds describe-events; delete it, and restore again")
}

fn timed_out(kind: Kind, name: &str, status: &str, wait: Duration) -> Error {
    Error::failed(format!(
        "{kind} {name} is still '{status}' after {} s",
        wait.as_secs()
    ))
    .hint("it comes up by itself: aws rds describe-db-instances shows it; snapshot.wait says how long lifeboat waits")
}
