//! Keeps what a sound drill created as the warm spare. Removes what other drills created, and nothing else:
//! known by name and tags, older than this drill or its own, and used and taken over by nobody. It looks again
//! right before each act.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::job::{SpareDrill, group_kinds, member_name};
use super::report::Report;
use super::theirs::{REMOVING, is_in_use, taken_over};
use crate::aws::rds::DbState;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::finding::Finding;
use crate::model::snapshot::Kind;
use crate::snapshot::list::KINDS;
use crate::snapshot::names::{spare_made_at, tag};

impl SpareDrill<'_> {
    /// The copy is sound: tags it, stops the new spare, and removes the older ones.
    pub(super) async fn keep(&self, report: &mut Report) {
        let (arn, now) = (&self.found.point.copy_arn, self.now.to_string());
        match self.rds().tag(arn, tag::VERIFIED, &now).await {
            Ok(()) => report.verified_at = Some(self.now),
            Err(error) => report.finding("the copy's tag lifeboat:verified", &error),
        }
        report.spare = Some(self.name.clone());
        match self.stop().await {
            Ok(stopped) => {
                if let Err(error) = self.rds().tag(&stopped.arn, tag::KEPT, &now).await {
                    report.finding("the new spare's tag lifeboat:kept", &error);
                }
            }
            Err(error) => report.finding("the new spare was not stopped", &error),
        }
        self.remove_older(report).await;
    }

    async fn stop(&self) -> Result<DbState> {
        let (kind, name) = (self.kind(), self.name.as_str());
        match self.rds().state(kind, name).await? {
            Some(there) if !self.is_mine(&there) => return Err(theirs(kind, name)),
            _ => {}
        }
        let stop = async || match self.rds().stop_db(kind, name).await {
            // The reply to an earlier attempt may have been lost.
            Err(error) => match self.rds().state(kind, name).await {
                Ok(Some(there)) if there.status.starts_with("stopp") => Ok(()),
                _ => Err(error),
            },
            done => done,
        };
        self.once_available(stop).await?;
        let is_stopped = |there: &DbState| there.status == "stopped";
        let creation = &self.creation;
        creation
            .wait_until(kind, name, "stopping", is_stopped)
            .await
    }

    /// After a drill that failed or was interrupted.
    pub(super) async fn leave_nothing(&self, report: &mut Report) {
        let (kind, name) = (self.kind(), &self.name);
        let progress = self.creation.context.progress;
        progress.phase("removing what was made", None);
        let Err(error) = self.remove_own().await else {
            return;
        };
        let what = format!(
            "{kind} {name} or its parameter group may have been left in account {}, {}",
            self.rds().account,
            self.rds().region
        );
        let line = format!("{what}: {}", error.chain());
        progress.warn(&line);
        report.finding(&what, &error);
    }

    async fn remove_own(&self) -> Result<()> {
        let (kind, name) = (self.kind(), self.name.as_str());
        match self.rds().state(kind, name).await? {
            // Of another drill, in the same second.
            Some(there) if !self.creation.is_ours(&there) => Ok(()),
            Some(there) if !self.is_mine(&there) => Err(theirs(kind, name)),
            there => self.remove(kind, name, there.as_ref()).await,
        }
    }

    /// This drill made it, and nobody has taken it over since.
    fn is_mine(&self, there: &DbState) -> bool {
        self.creation.is_ours(there) && self.may_delete(there)
    }

    fn may_delete(&self, there: &DbState) -> bool {
        self.is_spare(&there.tags) && !there.deletion_protection
    }

    /// Spares of earlier drills of this source, and parameter groups that some left.
    pub(super) async fn remove_older(&self, report: &mut Report) {
        for kind in KINDS {
            match self.rds().states(kind).await {
                Ok(all) => {
                    for spare in all.iter().filter(|one| self.is_older_spare(one)) {
                        self.remove_older_one(kind, &spare.identifier, report).await;
                    }
                }
                Err(error) => report.finding("older spares", &error),
            }
        }
        for kind in KINDS {
            if let Err(error) = self.remove_groups(kind).await {
                report.finding("parameter groups of older spares", &error);
            }
        }
    }

    async fn remove_older_one(&self, kind: Kind, name: &str, report: &mut Report) {
        let what = format!("older spare {name}");
        // The listing may be minutes old by now.
        let there = match self.rds().state(kind, name).await {
            Ok(Some(there)) if self.is_older_spare(&there) => there,
            Ok(_) => return,
            Err(error) => return report.finding(&what, &error),
        };
        let why = match self.why_left_alone(kind, &there).await {
            Ok(None) => None,
            Ok(Some(why)) => Some(why),
            Err(error) => return report.finding(&what, &error),
        };
        if let Some(why) = why {
            report.findings.push(Finding::new(what, why));
            return;
        }
        match self.remove(kind, name, Some(&there)).await {
            Ok(()) => report.removed.push(name.to_owned()),
            Err(error) => report.finding(&what, &error),
        }
    }

    async fn why_left_alone(&self, kind: Kind, spare: &DbState) -> Result<Option<String>> {
        if is_in_use(spare) {
            return Ok(Some(
                "it runs: somebody may use it, so it was not removed. Who does tags it \
                 lifeboat:drill=false; if nobody does (RDS starts what was stopped for \
                 seven days), stop it: the next sound drill removes it"
                    .to_owned(),
            ));
        }
        let name = &spare.identifier;
        let Some(made_at) = spare_made_at(name, &self.found.point.source) else {
            return Ok(None);
        };
        let mut sign = taken_over(spare, name, made_at);
        if kind == Kind::Cluster && sign.is_none() {
            let member = self.rds().state(Kind::Instance, &member_name(name)).await?;
            sign = member.and_then(|member| match self.is_spare(&member.tags) {
                true => taken_over(&member, name, made_at),
                false => Some("its instance is not tagged as a drill's"),
            });
        }
        Ok(sign.map(|sign| {
            format!(
                "{sign}: somebody may have taken it over, so it was not touched. Who has tags it \
                 lifeboat:drill=false, a cluster and its instance both; what nobody needs a person deletes"
            )
        }))
    }

    fn is_older(&self, name: &str) -> bool {
        let older = |at: Timestamp| at < self.now;
        spare_made_at(name, &self.found.point.source).is_some_and(older)
    }

    fn is_older_spare(&self, there: &DbState) -> bool {
        self.is_older(&there.identifier) && self.is_spare(&there.tags)
    }

    fn is_spare(&self, tags: &BTreeMap<String, String>) -> bool {
        let says = |key: &str, wanted: &str| tags.get(key).is_some_and(|is| is == wanted);
        says(tag::DRILL, "true")
            && says(tag::MANAGED, "true")
            && says(tag::SOURCE, &self.found.point.source)
    }

    /// Removes groups whose instance or cluster is gone: RDS keeps a group for as long as it is used.
    async fn remove_groups(&self, kind: Kind) -> Result<()> {
        let groups = self.rds().parameter_groups(kind).await?;
        for name in groups.iter().filter(|name| self.is_older(name)) {
            let mut used = false;
            for user in KINDS {
                used |= self.rds().state(user, name).await?.is_some();
            }
            let tags = self.rds().parameter_group_tags(kind, name).await?;
            if !used && self.is_spare(&tags) {
                self.rds().delete_parameter_group(kind, name).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, kind: Kind, name: &str, there: Option<&DbState>) -> Result<()> {
        if let Some(there) = there {
            if kind == Kind::Cluster {
                if there.tags.contains_key(tag::KEPT) {
                    // It runs in a moment, by our own doing.
                    self.rds().tag(&there.arn, tag::KEPT, REMOVING).await?;
                }
                self.remove_members(name, there).await?;
            }
            self.delete(kind, name).await?;
        }
        for kind in group_kinds(kind) {
            self.remove_group(*kind, name).await?;
        }
        Ok(())
    }

    /// One of this name may be another drill's, of the same second.
    async fn remove_group(&self, kind: Kind, name: &str) -> Result<()> {
        let tags = match self.rds().parameter_group_tags(kind, name).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            tags => tags?,
        };
        let run = tags.get(tag::RUN).map(String::as_str);
        let own = name != self.name || run == Some(self.creation.nonce);
        match own && self.is_spare(&tags) {
            true => self.rds().delete_parameter_group(kind, name).await,
            false => Ok(()),
        }
    }

    /// A stopped cluster keeps its instances, so it is started to be removed.
    async fn remove_members(&self, name: &str, there: &DbState) -> Result<()> {
        if there.status == "stopped" {
            let started = self.rds().start_cluster(name).await;
            let now = self.rds().state(Kind::Cluster, name).await?;
            // The reply to an earlier attempt may have been lost.
            if now.is_none_or(|now| now.status == "stopped") {
                started?;
            }
            self.creation
                .wait_until_available(Kind::Cluster, name)
                .await?;
        }
        match self.rds().state(Kind::Instance, &member_name(name)).await? {
            Some(_) => self.delete(Kind::Instance, &member_name(name)).await,
            None => Ok(()),
        }
    }

    /// Deletes, and waits until it is gone. An interrupt does not stop it: nothing is to be left. What is
    /// being created may have to be finished first.
    async fn delete(&self, kind: Kind, name: &str) -> Result<()> {
        let until = self.short_deadline();
        let mut refused: Option<Error> = None;
        loop {
            let error = match self.rds().state(kind, name).await {
                // Also where a repeated call was denied: what is gone has no tag that would allow it.
                Ok(None) => return Ok(()),
                Ok(Some(there)) if there.status == "deleting" => None,
                // People may take it over while it is waited for.
                Ok(Some(there)) if !self.may_delete(&there) => return Err(theirs(kind, name)),
                Ok(Some(_)) => match refused {
                    Some(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::Denied | ErrorKind::Unauthenticated
                        ) =>
                    {
                        return Err(error);
                    }
                    _ => self.rds().delete_db(kind, name).await.err(),
                },
                Err(error) => Some(error),
            };
            if Instant::now() >= until {
                return Err(error.unwrap_or_else(|| {
                    Error::failed(format!("{kind} {name} is still being deleted"))
                        .hint("the next sound drill of this source removes its parameter group")
                }));
            }
            refused = error;
            tokio::time::sleep(self.options.limits.poll).await;
        }
    }
}

fn theirs(kind: Kind, name: &str) -> Error {
    Error::refused(format!("{kind} {name} was taken over and was not touched: its tags or its deletion protection say so"))
        .hint("it runs on; what nobody needs a person deletes")
}
