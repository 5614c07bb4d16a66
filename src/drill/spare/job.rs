//! One drill of a snapshot copy, with all that its steps work on.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::report::Report;
use crate::aws::Account;
use crate::aws::rds::Rds;
use crate::codec::Identities;
use crate::drill::assertion::Question;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::databases::Databases;
use crate::model::finding::Finding;
use crate::model::id::Id;
use crate::model::snapshot::{Kind, Settings};
use crate::snapshot::WaitLimits;
use crate::snapshot::creation::Creation;
use crate::snapshot::list::FoundCopy;
use crate::snapshot::restore::RecordReader;

/// What its sessions are called.
pub(super) const APPLICATION: &str = "lifeboat drill";

/// What a drill of a snapshot copy is given.
pub(crate) struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// Of the backup account, in RDS.
    pub subnet_group: String,
    /// The only security group; it must not allow any egress.
    pub security_group: String,
    /// Instead of the recorded one.
    pub class: Option<String>,
    /// How large a recorded one may be, such as `4xlarge`.
    pub largest_size: String,
    /// Databases to ask, by source; of other sources all are asked.
    pub databases: Vec<(String, Databases)>,
    pub questions: Vec<Question>,
    /// By so many per cent a table may have more or fewer rows than its export.
    pub within_percent: f64,
    /// Of all comparing with exports.
    pub time_limit: Duration,
    /// Open exports, and the values that assertions had at earlier drills.
    pub identities: Identities,
    pub limits: WaitLimits,
}

pub(super) struct SpareDrill<'a> {
    pub backup: &'a Account,
    /// `Err`: why records cannot be read.
    pub records: Result<RecordReader<'a>, &'a Error>,
    pub options: &'a Options,
    pub found: &'a FoundCopy,
    pub settings: Option<&'a Settings>,
    /// To the second, as in names.
    pub now: Timestamp,
    /// Of the instance or cluster, and of its parameter groups.
    pub name: String,
    pub creation: Creation<'a>,
}

impl SpareDrill<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.found.point.kind
    }

    pub(super) fn rds(&self) -> &Rds {
        self.creation.rds
    }

    pub(super) fn class(&self) -> Option<String> {
        let settings = self.settings;
        let recorded = settings.and_then(|settings| settings.class.clone());
        let writer = settings.and_then(|settings| settings.members.first()?.class.clone());
        let class = self.options.class.clone().or(recorded);
        match self.kind() {
            Kind::Instance => class,
            Kind::Cluster => class.or(writer),
        }
    }

    /// The report before anything is done.
    pub(super) fn new_report(&self, findings: Vec<String>) -> Report {
        let (point, rds) = (&self.found.point, self.rds());
        let finding = |why| Finding::new("the original's settings", why);
        Report {
            id: point.id.clone(),
            source: point.source.clone(),
            kind: point.kind,
            copy: point.copy.clone(),
            snapshot_at: point.taken_at,
            place: format!(
                "{} {} in account {}, {}",
                point.kind, self.name, rds.account, rds.region
            ),
            class: self.class(),
            recorded: self.settings.is_some(),
            databases: Vec::new(),
            seconds_to_restore: 0.0,
            seconds_to_first_query: None,
            seconds: 0.0,
            assertions: Vec::new(),
            compared: Vec::new(),
            failures: Vec::new(),
            findings: findings.into_iter().map(finding).collect(),
            verified_at: None,
            spare: None,
            removed: Vec::new(),
        }
    }

    /// Repeats a call that RDS refuses while it is busy after a restore, such as with a first backup.
    pub(super) async fn once_available(&self, call: impl AsyncFn() -> Result<()>) -> Result<()> {
        const ATTEMPTS: u32 = 5;
        let (kind, name) = (self.kind(), self.name.as_str());
        for _ in 1..ATTEMPTS {
            match call().await {
                Err(error) if error.kind() == ErrorKind::Failed => {}
                done => return done,
            }
            self.creation.wait_until_available(kind, name).await?;
        }
        call().await
    }

    /// The end of the time that RDS may need for what usually takes it a minute.
    pub(super) fn short_deadline(&self) -> Instant {
        const SHORT: Duration = Duration::from_secs(15 * 60);
        Instant::now() + SHORT.min(self.options.limits.wait)
    }
}

/// The name of a cluster's one instance.
pub(super) fn member_name(cluster: &str) -> String {
    format!("{cluster}-1")
}

/// A cluster's instances have groups of their own.
pub(super) fn group_kinds(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Instance => &[Kind::Instance],
        Kind::Cluster => &[Kind::Cluster, Kind::Instance],
    }
}
