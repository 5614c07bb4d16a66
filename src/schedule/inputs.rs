//! The use cases that are steps, each with all that it needs.

use crate::aws::Account;
use crate::codec::{Identities, ReuseKey, Sealer};
use crate::context::Context;
use crate::drill::{self, spare};
use crate::error::{Error, Result};
use crate::keys::identities::{Available, IdentitySource};
use crate::model::choice::Choice;
use crate::model::lock::LockPolicy;
use crate::repository::{Repository, RestorePoint};
use crate::sign::{Signer, Trust};
use crate::snapshot::copy::{Accounts, RecordWriter};
use crate::snapshot::expire::{Keep, Side};
use crate::snapshot::restore::RecordReader;
use crate::turns::Turn;
use crate::{export, snapshot, status, verify};

pub(crate) struct Export {
    pub repository: Repository,
    pub sealer: Sealer,
    pub signer: Signer,
    pub trust: Trust,
    /// `Err`: why there is none, though one is configured. Everything is stored then.
    pub reuse_key: Result<Option<ReuseKey>>,
    pub options: export::Options,
}

impl Export {
    /// `turn`: see [`export::run`].
    pub(crate) async fn run(&self, turn: Turn<'_>, context: Context<'_>) -> Result<export::Report> {
        let keys = export::Keys {
            sealer: &self.sealer,
            signer: &self.signer,
            trust: &self.trust,
            reuse: self.reuse_key.as_ref().ok().and_then(Option::as_ref),
        };
        let exported = export::run(&self.repository, keys, &self.options, turn, context);
        let mut report = exported.await?;
        if let Err(error) = &self.reuse_key {
            let (why, hint) = (error.chain(), error.advice());
            let finding = format!("nothing that is stored already was named again: {why}; {hint}");
            report.findings.push(finding);
        }
        Ok(report)
    }
}

pub(crate) struct SnapshotCopy {
    /// In the region of the databases.
    pub source: Account,
    /// In the region where copies lie.
    pub backup: Account,
    /// Where the settings of instances are recorded, and by whom; `Err`: why they cannot be.
    pub records: Result<(Repository, Signer)>,
    pub trust: Trust,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
    pub options: snapshot::copy::Options,
}

impl SnapshotCopy {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<snapshot::copy::Report> {
        let accounts = Accounts {
            source: &self.source,
            backup: &self.backup,
        };
        let records = self.records.as_ref();
        let records = records.map(|(repository, signer)| RecordWriter {
            repository,
            signer,
            trust: &self.trust,
            lock: self.lock,
            max_lock_days: self.max_lock_days,
        });
        snapshot::copy::run(accounts, records, &self.options, context).await
    }
}

/// In either account, where it is asked for.
pub(crate) struct SnapshotExpire {
    pub intermediates: Option<Intermediates>,
    pub copies: Option<Copies>,
    pub limits: snapshot::expire::Limits,
}

/// The copies in the backup account.
pub(crate) struct Copies {
    pub backup: Account,
    pub keep: Keep,
    /// Only those under it count.
    pub kms_key: Option<String>,
}

/// The intermediate snapshots in the source account.
pub(crate) struct Intermediates {
    /// May delete.
    pub source: Account,
    /// May look.
    pub backup: Account,
    /// Copies must lie under it.
    pub kms_key: String,
    /// Only those of its sources are looked at.
    pub choice: Choice,
}

impl SnapshotExpire {
    /// Intermediates of the chosen sources alone.
    pub(crate) fn of(mut self, choice: &Choice) -> Self {
        if let Some(intermediates) = &mut self.intermediates {
            intermediates.choice = choice.clone();
        }
        self
    }

    pub(crate) async fn run(&self, context: Context<'_>) -> Result<snapshot::expire::Report> {
        let intermediates = self.intermediates.as_ref().map(|one| Side::Source {
            source: &one.source,
            backup: &one.backup,
            kms_key: &one.kms_key,
            choice: &one.choice,
        });
        let copies = self.copies.as_ref();
        let copies = copies.map(|one| Side::Backup {
            backup: &one.backup,
            keep: one.keep,
            kms_key: one.kms_key.as_deref(),
        });
        let sides: Vec<Side<'_>> = intermediates.into_iter().chain(copies).collect();
        snapshot::expire::run(&sides, self.limits, context).await
    }
}

/// Verifies a point; `identities`: reads every stored byte again, and opens it where one is found.
pub(crate) async fn verify(
    point: &RestorePoint,
    identities: Option<&IdentitySource<'_>>,
    context: Context<'_>,
) -> Result<verify::Report> {
    verify_beside(point, identities, None, context).await
}

/// The same of one among several points of a database.
pub(super) async fn verify_beside(
    point: &RestorePoint,
    identities: Option<&IdentitySource<'_>>,
    seen: Option<&verify::Seen>,
    context: Context<'_>,
) -> Result<verify::Report> {
    let found = match identities {
        Some(source) => source.find(point, context.progress).await?,
        None => Available::default(),
    };
    let options = verify::Options {
        data: identities.is_some(),
        jobs: None,
    };
    let verified = verify::verify_beside(point, &found.identities, options, seen, context);
    let mut report = verified.await?;
    report.findings.extend(found.refusal.map(|refusal| {
        format!(
            "every byte was read, but nothing was opened: {}; {}",
            refusal.chain(),
            refusal.advice()
        )
    }));
    Ok(report)
}

/// Drills a point, opened by whichever identity is found.
pub(crate) async fn drill(
    point: &RestorePoint,
    identities: &IdentitySource<'_>,
    options: &drill::Options,
    context: Context<'_>,
) -> Result<drill::Report> {
    let available = identities.find(point, context.progress).await?;
    let identities = available.required_by("drill")?;
    drill::run(point, &identities, options, context).await
}

/// The drill of a snapshot copy.
pub(crate) struct SnapshotDrill<'a> {
    pub backup: Account,
    /// `Err`: why no records can be read. The drill takes place all the same.
    pub repository: Result<Repository>,
    pub trust: Trust,
    pub identities: &'a IdentitySource<'a>,
    pub options: spare::Options,
}

impl SnapshotDrill<'_> {
    pub(crate) async fn run(mut self, context: Context<'_>) -> Result<spare::Report> {
        if let Ok(repository) = &self.repository {
            match self.find_identities(repository, context).await {
                Ok(identities) => self.options.identities = identities,
                Err(error) => context.progress.warn(&error.chain()),
            }
        }
        let records = self.repository.as_ref();
        let records = records.map(|repository| RecordReader {
            repository,
            trust: &self.trust,
        });
        spare::run(&self.backup, records, &self.options, context).await
    }

    /// To read exports, and what assertions gave at drills of them: those that are given, else what KMS
    /// unwraps for the newest restore point. Databases of one configuration have the same recipients. Where
    /// none opens, that is a warning, and the drill goes on without.
    async fn find_identities(
        &self,
        repository: &Repository,
        context: Context<'_>,
    ) -> Result<Identities> {
        let given = &self.identities.given;
        if !given.is_empty() {
            return Ok(given.clone());
        }
        let points = repository
            .find(self.options.source.as_deref(), None)
            .await?;
        let newest = repository.newest_trusted(points, &self.trust, usize::MAX);
        let Some(point) = newest.await? else {
            return Ok(Identities::default());
        };
        let found = self.identities.find(&point, context.progress).await?;
        if let Some(refusal) = &found.refusal {
            context.progress.warn(&refusal.chain());
        }
        Ok(found.identities)
    }
}

pub(crate) struct Status {
    pub trust: Trust,
    pub limits: status::Limits,
    pub source: Option<String>,
    pub database: Option<String>,
    pub expected: Vec<status::Expected>,
    /// The account where copies lie, and the sources whose snapshots are copied; `None`: none are.
    pub copies: Option<(Result<Account>, Vec<String>)>,
}

impl Status {
    pub(crate) async fn run(
        &self,
        repository: &Repository,
        context: Context<'_>,
    ) -> Result<status::Report> {
        let copies = match &self.copies {
            None => Ok(Vec::new()),
            Some((Err(error), _)) => Err(Error::repeat(error)),
            Some((Ok(account), sources)) => snapshot::list::status(account, sources).await,
        };
        let options = status::Options {
            limits: self.limits,
            source: self.source.clone(),
            database: self.database.clone(),
            expected: self.expected.clone(),
            copies,
        };
        status::status(repository, &self.trust, context.clock, options).await
    }
}
