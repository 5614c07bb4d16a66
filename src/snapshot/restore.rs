//! `lifeboat snapshot restore`: a new instance or cluster of a copy, in the backup account, as much
//! like the old one as its record tells.

pub(crate) mod groups;
pub(crate) mod plan;

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::Patience;
use super::list::{Found, choose};
use super::made::{Made, RUN};
use crate::aws::Account;
use crate::aws::rds::{DbState, NewCluster, NewInstance, NewMember, Rds};
use crate::context::Context;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::id::Id;
use crate::model::snapshot::{Kind, Settings};
use crate::random;
use crate::repository::Repository;
use crate::sign::Trust;

pub(crate) const RESTORED_FROM: &str = "lifeboat:restored-from";

pub struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// The identifier to be, in RDS.
    pub identifier: String,
    /// `None`: the default VPC's.
    pub subnet_group: Option<String>,
    /// Empty: the VPC's default one.
    pub security_groups: Vec<String>,
    /// Instead of the recorded one.
    pub class: Option<String>,
    pub patience: Patience,
    pub dry_run: bool,
}

pub struct Means<'a> {
    /// Where copies lie.
    pub backup: &'a Account,
    /// `Err`: why records cannot be read.
    pub records: std::result::Result<(&'a Repository, &'a Trust), &'a Error>,
    pub context: Context<'a>,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub dry_run: bool,
    pub source: String,
    pub kind: Kind,
    /// Of the copy as a restore point.
    pub id: Id,
    pub copy: String,
    pub taken_at: Timestamp,
    /// What is new.
    pub identifier: String,
    /// Of a cluster: its instance.
    pub member: Option<String>,
    pub region: String,
    /// `null`: as RDS has it for the snapshot.
    pub class: Option<String>,
    /// Made for it; `null`: the default one.
    pub parameter_group: Option<String>,
    pub option_group: Option<String>,
    /// `null`: the default VPC's.
    pub subnet_group: Option<String>,
    /// `[]`: the default one of the VPC.
    pub security_groups: Vec<String>,
    pub address: Option<String>,
    pub port: Option<u32>,
    /// The settings of the old one were found in the repository.
    pub recorded: bool,
    pub seconds: f64,
    /// What needs the attention of a person; any makes the exit code 3.
    pub findings: Vec<String>,
    /// What did not travel, and is to be done by hand.
    pub to_do: Vec<String>,
}

pub async fn run(means: &Means<'_>, options: &Options) -> Result<Report> {
    let began = Instant::now();
    let found = choose(
        means.backup,
        options.which.as_ref(),
        options.source.as_deref(),
    )
    .await?;
    if !found.snapshot.is_available() {
        return Err(Error::refused(format!(
            "copy {} is '{}': only an available one can be restored",
            found.point.copy, found.point.status
        ))
        .hint("`lifeboat snapshot list` shows others"));
    }
    let mut findings = Vec::new();
    let settings = recorded(&means.records, &found, &mut findings).await;
    let rds = Rds::new(means.backup);
    let made = Making {
        rds: &rds,
        options,
        found: &found,
        settings: settings.as_ref(),
        context: means.context,
        nonce: format!("{:032x}", u128::from_ne_bytes(random::bytes()?)),
    };
    made.check_free().await?;
    let planned = made.plan()?;
    let mut report = made.report(&planned, findings);
    report.recorded = settings.is_some();
    if !options.dry_run {
        made.make_groups(&planned, &mut report.findings).await?;
        let standing = made.make(&planned).await?;
        (report.address, report.port) = (standing.address, standing.port);
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// The recorded settings. Without them the copy is restored by what AWS itself knows of it.
pub async fn recorded(
    records: &std::result::Result<(&Repository, &Trust), &Error>,
    found: &Found,
    findings: &mut Vec<String>,
) -> Option<Settings> {
    let why = match records {
        Err(error) => error.chain(),
        Ok((repository, trust)) => {
            let (source, id) = (&found.point.source, &found.point.id);
            match repository.record(source, id, trust).await {
                Ok(record) if record.copy != found.point.copy_arn => {
                    format!("the record of {id} is of {}", record.copy)
                }
                Ok(record) => match record.settings {
                    Some(settings) => return Some(settings),
                    None => "they could not be read when the copy was made".to_owned(),
                },
                Err(error) => error.chain(),
            }
        }
    };
    findings.push(format!(
        "restored without the recorded settings: {why}. Class, parameters and options are RDS's defaults \
         for the snapshot"
    ));
    None
}

/// One restore, with all that it goes by.
struct Making<'a> {
    rds: &'a Rds,
    options: &'a Options,
    found: &'a Found,
    settings: Option<&'a Settings>,
    context: Context<'a>,
    nonce: String,
}

/// What is to be made.
enum Planned {
    Instance(NewInstance),
    /// With its one instance, which Multi-AZ clusters do not need.
    Cluster(Box<NewCluster>, Option<NewMember>),
}

impl Making<'_> {
    fn kind(&self) -> Kind {
        self.found.point.kind
    }

    /// Of a cluster's instance.
    fn member_name(&self) -> String {
        format!("{}-1", self.options.identifier)
    }

    /// Nothing is ever overwritten, not even looked at again as one's own: a restore that was cut off
    /// leaves an instance that comes up by itself.
    async fn check_free(&self) -> Result<()> {
        let mut names = vec![(self.kind(), self.options.identifier.clone())];
        if self.kind() == Kind::Cluster {
            names.push((Kind::Instance, self.member_name()));
        }
        for (kind, name) in names {
            let Some(there) = self.rds.state(kind, &name).await? else {
                continue;
            };
            let ours = there.tags.get(RESTORED_FROM) == Some(&self.found.point.copy_arn);
            let hint = if ours {
                "it is of an earlier restore of this copy and comes up by itself: look at it with `aws rds \
                 describe-db-instances`; or choose another --as"
            } else {
                "choose another --as"
            };
            return Err(Error::new(
                ErrorKind::Exists,
                format!(
                    "{kind} {name} exists in account {}, {}: '{}'",
                    self.rds.account, self.rds.region, there.status
                ),
            )
            .hint(hint));
        }
        Ok(())
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let recorded = self.settings.map(|settings| settings.tags.clone());
        let mut tags = recorded.unwrap_or_default();
        // AWS's own cannot be set.
        tags.retain(|key, _| {
            !key.to_lowercase().starts_with("aws:") && !key.starts_with("lifeboat:")
        });
        tags.insert(RESTORED_FROM.to_owned(), self.found.point.copy_arn.clone());
        tags.insert(RUN.to_owned(), self.nonce.clone());
        tags
    }

    /// Makes it, and waits until it takes connections.
    async fn make(&self, planned: &Planned) -> Result<DbState> {
        let made = Made {
            rds: self.rds,
            patience: self.options.patience,
            context: self.context,
            nonce: &self.nonce,
        };
        match planned {
            Planned::Instance(new) => {
                let begun = self.rds.restore_instance(new).await;
                made.begun(Kind::Instance, &new.identifier, begun).await?;
                made.available(Kind::Instance, &new.identifier).await
            }
            Planned::Cluster(new, member) => {
                let begun = self.rds.restore_cluster(new).await;
                made.begun(Kind::Cluster, &new.identifier, begun).await?;
                let cluster = made.available(Kind::Cluster, &new.identifier).await?;
                if let Some(member) = member {
                    let begun = self.rds.add_member(member).await;
                    made.begun(Kind::Instance, &member.identifier, begun)
                        .await?;
                    made.available(Kind::Instance, &member.identifier).await?;
                }
                Ok(cluster)
            }
        }
    }
}
