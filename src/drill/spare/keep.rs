//! Keeps what a sound drill created as the warm spare.

use super::job::SpareDrill;
use super::report::Report;
use crate::aws::rds::DbState;
use crate::error::Result;
use crate::snapshot::names::tag;

impl SpareDrill<'_> {
    /// The copy is sound: tags it, stops the new spare, and removes the older ones.
    pub(super) async fn keep(&self, report: &mut Report) {
        let arn = &self.found.point.copy_arn;
        match self
            .rds()
            .tag(arn, tag::VERIFIED, &self.now.to_string())
            .await
        {
            Ok(()) => report.verified_at = Some(self.now),
            Err(error) => report.finding("the copy's tag lifeboat:verified", &error),
        }
        report.spare = Some(self.name.clone());
        match self.stop().await {
            Ok(stopped) => {
                let now = self.now.to_string();
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
}
