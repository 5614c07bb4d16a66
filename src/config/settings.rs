//! What a configuration says, resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::accounts::Accounts;
use super::drill::DrillSettings;
use super::location::Repository;
use super::snapshot::SnapshotSettings;
use super::source::Source;
use crate::error::{Error, Result, ResultExt};
use crate::humanize::first_names;
use crate::model::choice::{Choice, Chosen};
use crate::model::keys::Recipient;
use crate::model::lock::LockPolicy;
use crate::notify::Format;
use crate::promote::Tiers;
use crate::sign::Fingerprint;
use crate::status;

/// The daily tier's lock, in days, unless configured.
pub(crate) const DAILY_DAYS: u32 = 35;
/// No lock is made longer than this many days, unless configured.
pub(crate) const MAX_LOCK_DAYS: u32 = 400;
/// How long an export may block another session, unless configured.
pub(crate) const DDL_WAIT: Duration = Duration::from_secs(10);
/// How long a part is named again, unless configured.
pub(crate) const FULL_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What the exports of a day may store that are not its first, in full ones.
pub(crate) const HOURLY_BUDGET: u32 = 2;
/// Of names that an error tells.
const SHOWN: usize = 8;
/// More connections than this to one server are never meant.
pub(crate) const MAX_JOBS: u16 = 128;

/// A configuration, resolved: paths absolute or relative to the working folder, units read, names
/// checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    pub repository: Repository,
    pub accounts: Accounts,
    /// Pinned verification keys.
    pub trust: Vec<Fingerprint>,
    /// What signs manifests.
    pub signing_key: Option<SigningKey>,
    /// The file of the key under which exports know stored rows again.
    pub reuse_key: Option<PathBuf>,
    pub recipients: Vec<Recipient>,
    pub lock: Locks,
    pub tiers: Tiers,
    pub export: ExportSettings,
    pub fleet: FleetSettings,
    pub snapshot: SnapshotSettings,
    pub drill: DrillSettings,
    pub limits: Limits,
    pub notify: NotifySettings,
    pub sources: Vec<Source>,
}

/// What signs manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningKey {
    /// PKCS #8 PEM of an Ed25519 key.
    File(PathBuf),
    /// The ARN of an asymmetric KMS key, ECC_NIST_P256.
    Kms(String),
}

/// How new objects are locked, and the longest lock that is ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locks {
    pub policy: LockPolicy,
    pub daily_days: u32,
    /// Of exports that are not the first of their day; `None`: as the first.
    pub hourly_days: Option<u32>,
    pub max_lock_days: u32,
}

/// `[export]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExportSettings {
    /// Sessions that read at the same time; `None`: by the machine.
    pub jobs: Option<u16>,
    /// Databases at the same time; `None`: by the machine and the servers.
    pub databases_at_once: Option<u16>,
    /// Bytes a second; `None`: no limit.
    pub rate_limit: Option<u64>,
    /// How long another session may wait for us before the export gives way.
    pub ddl_wait: Duration,
    /// How long a part is named again before it is stored anew.
    pub full_every: SignedDuration,
    /// How many full exports those of a day may store together that are not its first.
    pub hourly_budget: u32,
    /// Of a GB for a month; `None`: reports say nothing of money.
    pub gb_month_price: Option<f64>,
    /// Folders with PostgreSQL's tools, asked before `PATH`.
    pub pg_bin: Vec<PathBuf>,
}

/// `[fleet]`: how a run is dealt to shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetSettings {
    /// Whether a server's databases may go to several shards.
    pub spread: bool,
}

/// The limits of `status` and `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub status: status::Limits,
    /// How long ago a break-glass identity may have last opened a restore point.
    pub break_glass_age: SignedDuration,
    /// The day, from its beginning in UTC, on which somebody says that each of them did.
    pub break_glass_opened: Option<Timestamp>,
    /// Between two exports of a database.
    pub export_every: SignedDuration,
    /// How many points may claim a week, a month or a year before a person must choose.
    pub contested_limit: usize,
}

/// `[notify]`: who hears how `nightly` and `prove` ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// Holds the URL of a webhook, or the key of PagerDuty.
    pub webhook_file: Option<PathBuf>,
    pub webhook_format: Format,
    /// At success too.
    pub webhook_always: bool,
    /// Holds a URL that is requested at success only.
    pub ping_file: Option<PathBuf>,
    /// Whether a CloudWatch metric is written.
    pub metrics: bool,
}

impl Config {
    /// The error of a command that needs what the file leaves out, such as `keys.signing_key`.
    pub(crate) fn lacks(&self, what: &str) -> Error {
        Error::usage(format!("{} names no {what}", self.file.display()))
    }

    /// By their public keys.
    pub(crate) fn names_of_recipients(&self) -> BTreeMap<String, String> {
        let named = |one: &Recipient| (one.key.clone(), one.name.clone());
        self.recipients.iter().map(named).collect()
    }

    /// The source of this name; otherwise an error that names the nearest one.
    pub fn source(&self, name: &str) -> Result<&Source> {
        let found = self.sources.iter().find(|source| source.name == name);
        found.ok_or_else(|| self.no_source(name))
    }

    /// The sources of a choice, each with the databases of it. A name without a source is an error.
    pub fn chosen(&self, choice: &Choice) -> Result<Vec<Source>> {
        let is_there = |one: &Chosen| self.sources.iter().any(|source| one.is(&source.name));
        if let Some(missing) = choice.sources().iter().find(|one| !is_there(one)) {
            return Err(self.no_such_source(missing)).context(|| "--source".to_owned());
        }
        let sources = self.sources.iter();
        let chosen: Vec<_> = (sources.filter(|one| choice.has_source(&one.name))).collect();
        if let ([only], Some(names)) = (&chosen[..], choice.full_databases()) {
            return Ok(vec![(*only).clone().only(&names)]);
        }
        let chosen = chosen.into_iter().cloned();
        Ok(chosen.map(|source| source.chosen(choice)).collect())
    }

    fn no_such_source(&self, chosen: &Chosen) -> Error {
        let error = self.no_source(chosen.text());
        match chosen.is_wild() && !self.sources.is_empty() {
            true => {
                let names: Vec<&str> = self.sources.iter().map(|one| &*one.name).collect();
                error.hint(format!("there is: {}", first_names(&names, SHOWN)))
            }
            false => error,
        }
    }

    fn no_source(&self, name: &str) -> Error {
        let error = Error::usage(format!(
            "no source '{}' in {}",
            name.escape_debug(),
            self.file.display()
        ));
        let nearest = self.sources.iter().max_by(|a, b| {
            let likeness = |source: &Source| strsim::jaro_winkler(&source.name, name);
            likeness(a).total_cmp(&likeness(b))
        });
        match nearest {
            Some(source) => error.hint(format!("the nearest configured one is '{}'", source.name)),
            None => error.hint("add a [[source]] to it, or give the URL of a database"),
        }
    }
}
