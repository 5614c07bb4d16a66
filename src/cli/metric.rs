//! The metric that alarms on silence go by. It is a call of its own: a line of the log that CloudWatch
//! reads a metric from could be written by whoever has a text in that log, such as a database.

use super::accounts;
use super::globals::Access;
use super::run::Run;
use super::steps::Schedule;
use crate::aws::{Account, metric};
use crate::error::Result;

/// Puts the schedule's metric into the account that the schedule runs in: 1 where all went well.
pub async fn tell(schedule: Schedule, well: bool, access: &Access, run: &Run) -> Result<()> {
    let account = account(schedule, access, run).await?;
    metric::put(&account, name(schedule), u8::from(well)).await
}

fn name(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Nightly => "NightlySuccess",
        Schedule::Prove => "ProveSuccess",
    }
}

/// As configured; where it is not, with the credentials and the region that the SDK finds.
async fn account(schedule: Schedule, access: &Access, run: &Run) -> Result<Account> {
    let configured = &access.accounts;
    match schedule {
        Schedule::Nightly if configured.source.is_some() => accounts::source(configured, run).await,
        Schedule::Prove if configured.backup.is_some() => accounts::backup(configured, run).await,
        Schedule::Nightly | Schedule::Prove => {
            let profile = access.repository.s3.profile.as_deref();
            Account::from_environment("account of the metric", profile).await
        }
    }
}
