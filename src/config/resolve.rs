//! From what the file says to what it means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::accounts::{self, Account, Accounts, check_kms_key};
use super::location::{Location, Repository, S3Settings};
use super::position::Positions;
use super::raw::{self, Jobs, Mode, RawConfig};
use super::rules::{At, KeyError, both, check_new};
use super::settings::{
    Config, DAILY_DAYS, DDL_WAIT, ExportSettings, FULL_EVERY, FleetSettings, HOURLY_BUDGET, Limits,
    Locks, MAX_JOBS, MAX_LOCK_DAYS, NotifySettings, SigningKey,
};
use super::source::{self, Source};
use super::units::Interval;
use super::{drill, snapshot};
use crate::codec::Sealer;
use crate::error::{Error, Result, ResultExt};
use crate::model::keys::{Recipient, Wrapped};
use crate::model::lock::{LockMode, LockPolicy};
use crate::notify::Format;
use crate::promote::Tiers;
use crate::status;

/// Parts are locked two days longer than their manifest.
const PARTS_DAYS: u32 = 2;

impl Config {
    /// Resolves the text of a file; relative paths begin at the file's folder.
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        let positions = Positions::parse(text, file)?;
        positions.check_keys()?;
        let raw: RawConfig = toml::from_str(text).map_err(|why| positions.typed(&why))?;
        let base = folder_of(file)?;
        let mut accounts = accounts::resolve(raw.source_account, raw.backup_account, &positions)?;
        accounts.copies_region.clone_from(&raw.snapshot.region);
        let repository = repository(&raw.repository, accounts.backup.as_ref(), &base);
        let repository = positions.table("repository", repository)?;
        if let Some(backup) = &mut accounts.backup
            && repository.s3.profile.is_some()
        {
            backup.profile = repository.s3.profile.clone();
        }
        let trust = raw.repository.trust.iter().map(|text| text.parse());
        let trust = trust.collect::<Result<_>>().at("trust");
        let lock = positions.table("lock", locks(&raw.lock, &repository.location))?;
        let export = positions.table("export", export(&raw.export, &base))?;
        if raw.keys.reuse_key.is_some() {
            let long = check_full_every(&lock, export.full_every).at("full_every");
            positions.table("export", long)?;
        }
        let (mut names, mut keys, mut sources) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Ok(Self {
            file: file.to_owned(),
            trust: positions.table("repository", trust)?,
            signing_key: positions.table("keys", signing_key(raw.keys.signing_key, &base))?,
            reuse_key: raw.keys.reuse_key.map(|path| base.join(path)),
            recipients: positions.each("recipient", raw.recipient, |raw| {
                recipient(raw, &mut names, &mut keys)
            })?,
            tiers: Tiers {
                weekly_days: raw.lock.weekly_days,
                monthly_days: raw.lock.monthly_days,
                yearly_days: raw.lock.yearly_days,
            },
            lock,
            snapshot: positions.table("snapshot", snapshot::resolve(&raw.snapshot))?,
            limits: positions.table("limits", limits(&raw.limits))?,
            notify: notify(&raw.notify, &base),
            drill: drill::resolve(raw.drill, &base, &positions)?,
            export,
            fleet: FleetSettings {
                spread: raw.fleet.spread,
            },
            sources: positions.each("source", &raw.source, |raw| {
                source(raw, &accounts, &base, &mut sources)
            })?,
            accounts,
            repository,
        })
    }
}

/// Absolute, so that a directory repository is the same from every working folder.
fn folder_of(file: &Path) -> Result<PathBuf> {
    let file = std::path::absolute(file).context(|| file.display().to_string())?;
    Ok(file.parent().map(Path::to_owned).unwrap_or_default())
}

/// The bucket belongs to the backup account, whose region and id are the bucket's unless given.
fn repository(
    raw: &raw::Repository,
    backup: Option<&Account>,
    base: &Path,
) -> Result<Repository, KeyError> {
    let backup = backup.filter(|_| raw.url.starts_with("s3://"));
    if let (Some(owner), Some(backup)) = (&raw.bucket_owner, backup)
        && *owner != backup.id
    {
        let error = Error::usage(format!("is not backup_account.id, {}", backup.id))
            .hint("leave it out: the bucket belongs to the backup account");
        return Err(("bucket_owner", error));
    }
    let given = S3Settings {
        region: raw.region.clone(),
        endpoint: raw.endpoint.clone(),
        path_style: raw.path_style,
        bucket_owner: raw.bucket_owner.clone(),
        profile: raw.profile.clone(),
    };
    let of_account = S3Settings {
        region: backup.map(|backup| backup.region.clone()),
        bucket_owner: backup.map(|backup| backup.id.clone()),
        ..S3Settings::default()
    };
    Repository::new(&raw.url, base, given.over(&of_account))
}

/// A file, or the ARN of a KMS key.
fn signing_key(raw: Option<String>, base: &Path) -> Result<Option<SigningKey>, KeyError> {
    let Some(text) = raw else {
        return Ok(None);
    };
    if !text.starts_with("arn:") {
        return Ok(Some(SigningKey::File(base.join(text))));
    }
    check_kms_key(&text).at("signing_key")?;
    Ok(Some(SigningKey::Kms(text)))
}

fn recipient(
    raw: raw::Recipient,
    names: &mut BTreeSet<String>,
    keys: &mut BTreeSet<String>,
) -> Result<Recipient, KeyError> {
    check_new(&raw.name, names, "recipients").at("name")?;
    if raw.key.starts_with("AGE-SECRET-KEY-") {
        let error = Error::usage("is a secret key").hint(
            "this file takes the public half, age1…: `age-keygen -y FILE` prints it; treat the secret key as lost",
        );
        return Err(("key", error));
    }
    Sealer::new([raw.key.as_str()]).at("key")?;
    check_new(&raw.key, keys, "recipients").at("key")?;
    Ok(Recipient {
        name: raw.name,
        key: raw.key,
        wrapped: wrapped(raw.kms_key, raw.wrapped)?,
    })
}

fn wrapped(
    kms_key: Option<String>,
    ciphertext: Option<String>,
) -> Result<Option<Wrapped>, KeyError> {
    let hint = "`lifeboat keys add` writes both";
    let Some((kms_key, ciphertext)) = both(kms_key, ciphertext, ("kms_key", "wrapped"), hint)?
    else {
        return Ok(None);
    };
    check_kms_key(&kms_key).at("kms_key")?;
    BASE64.decode(&ciphertext).map_err(|_| {
        let hint = "copy the line whole, or add a new recipient: `lifeboat keys add --kms ARN`";
        ("wrapped", Error::usage("is not base64").hint(hint))
    })?;
    Ok(Some(Wrapped {
        kms_key,
        ciphertext,
    }))
}

fn locks(raw: &raw::Lock, location: &Location) -> Result<Locks, KeyError> {
    let daily_days = raw.daily_days.unwrap_or(DAILY_DAYS);
    let max_lock_days = raw.max_lock_days.unwrap_or(MAX_LOCK_DAYS);
    for (key, days) in [
        ("daily_days", Some(daily_days)),
        ("weekly_days", raw.weekly_days),
        ("monthly_days", raw.monthly_days),
        ("yearly_days", raw.yearly_days),
    ] {
        if let Some(days) = days {
            check_days(days, max_lock_days).at(key)?;
        }
    }
    if let Some(days) = raw.hourly_days {
        check_days(days, max_lock_days).at("hourly_days")?;
        if days > daily_days {
            let error = Error::usage(format!("{days} days are over daily_days = {daily_days}"));
            let hint = "exports that are not the first of their day are locked for a shorter time";
            return Err(("hourly_days", error.hint(hint)));
        }
    }
    let policy = policy(raw.mode, daily_days, location).at("mode")?;
    Ok(Locks {
        policy,
        daily_days,
        hourly_days: raw.hourly_days,
        max_lock_days,
    })
}

/// Parts that are named again are locked for that much longer than their manifest, and three days.
fn check_full_every(lock: &Locks, full_every: SignedDuration) -> Result<()> {
    let LockPolicy::Explicit { days, .. } = lock.policy else {
        return Ok(());
    };
    let allowed = SignedDuration::from_hours(24 * i64::from(lock.max_lock_days));
    let parts = SignedDuration::from_hours(24 * i64::from(days.saturating_add(3)));
    match parts.checked_add(full_every) {
        Some(parts) if parts <= allowed => Ok(()),
        _ => Err(Error::usage(format!(
            "parts would be locked for {days} days, that long and 3 days more, which is over max_lock_days = {}",
            lock.max_lock_days
        ))
        .hint("a compliance lock cannot be undone; raise lock.max_lock_days if you mean it")),
    }
}

fn check_days(days: u32, max_lock_days: u32) -> Result<()> {
    if days == 0 {
        return Err(
            Error::usage("is 0: nothing would be locked").hint("35 days are a good beginning")
        );
    }
    if days.saturating_add(PARTS_DAYS) > max_lock_days {
        return Err(Error::usage(format!(
            "{days} days, and {PARTS_DAYS} more for parts, are over max_lock_days = {max_lock_days}"
        ))
        .hint("a compliance lock cannot be undone; raise lock.max_lock_days if you mean it"));
    }
    Ok(())
}

/// The lock of a mode at a location; without a mode, the strictest that the location can keep.
pub(crate) fn policy(mode: Option<Mode>, days: u32, location: &Location) -> Result<LockPolicy> {
    let explicit = |mode| LockPolicy::Explicit { mode, days };
    match (location, mode) {
        (Location::Dir(_), None | Some(Mode::None)) => Ok(LockPolicy::None),
        (Location::Dir(_), Some(_)) => Err(Error::usage("a directory keeps no locks")
            .hint("write mode = \"none\", or use a bucket with Object Lock")),
        (Location::S3 { .. }, Some(Mode::None)) => Err(Error::usage(
            "a bucket without locks does not outlive stolen credentials",
        )
        .hint("use \"compliance\", \"governance\" or \"bucket-default\"")),
        (Location::S3 { .. }, None | Some(Mode::Compliance)) => Ok(explicit(LockMode::Compliance)),
        (Location::S3 { .. }, Some(Mode::Governance)) => Ok(explicit(LockMode::Governance)),
        (Location::S3 { .. }, Some(Mode::BucketDefault)) => Ok(LockPolicy::BucketDefault),
    }
}

fn export(raw: &raw::Export, base: &Path) -> Result<ExportSettings, KeyError> {
    let ddl_wait = raw.ddl_wait.map_or(DDL_WAIT, |wait| wait.0);
    if ddl_wait.is_zero() {
        let error = Error::usage("is 0: any ALTER TABLE would end the export");
        return Err(("ddl_wait", error.hint("10s is the default")));
    }
    let full_every = raw.full_every.map_or(FULL_EVERY, Interval::signed);
    let hourly_budget = raw.hourly_budget.unwrap_or(HOURLY_BUDGET);
    if hourly_budget == 0 {
        let error = Error::usage("is 0: no export but the first of a day would be made");
        return Err((
            "hourly_budget",
            error.hint("2 full exports are the default"),
        ));
    }
    if raw
        .gb_month_price
        .is_some_and(|price| !(price >= 0.0 && price.is_finite()))
    {
        let error = Error::usage("is no price");
        return Err(("gb_month_price", error.hint("for example 0.023")));
    }
    Ok(ExportSettings {
        full_every,
        hourly_budget,
        gb_month_price: raw.gb_month_price,
        jobs: count("jobs", raw.jobs).at("jobs")?,
        databases_at_once: count("databases", raw.databases_at_once).at("databases_at_once")?,
        rate_limit: raw.rate_limit.and_then(|rate| rate.0),
        ddl_wait,
        pg_bin: raw.pg_bin.iter().map(|path| base.join(path)).collect(),
    })
}

fn count(what: &str, raw: Option<Jobs>) -> Result<Option<u16>> {
    let Some(Jobs::Count(count)) = raw else {
        return Ok(None);
    };
    u16::try_from(count)
        .ok()
        .filter(|count| (1..=MAX_JOBS).contains(count))
        .map(Some)
        .ok_or_else(|| {
            Error::usage(format!("{count} is not a number of {what}"))
                .hint(format!("1 to {MAX_JOBS}, or \"auto\""))
        })
}

/// No two sources share a name: restore points are kept apart by it.
fn source(
    raw: &raw::Source,
    accounts: &Accounts,
    base: &Path,
    names: &mut BTreeSet<String>,
) -> Result<Source, KeyError> {
    let source = source::resolve(raw, base)?;
    check_new(&raw.name, names, "sources").at("name")?;
    if source.connection.iam && accounts.source.is_none() {
        let error = Error::usage("\"iam\" comes without [source_account]")
            .hint("tokens are made for its region: add [source_account] with id and region");
        return Err(("auth", error));
    }
    Ok(source)
}

fn limits(raw: &raw::Limits) -> Result<Limits, KeyError> {
    let age = |age: Option<Interval>, hours| {
        age.map_or(SignedDuration::from_hours(hours), Interval::signed)
    };
    let shrink_percent = raw.shrink_percent.unwrap_or(status::SHRINK_PERCENT);
    if !(1..=100).contains(&shrink_percent) {
        let error = Error::usage(format!("{shrink_percent} is not a percentage of a loss"))
            .hint("1 to 100; 50 is the default, 100 never finds any");
        return Err(("shrink_percent", error));
    }
    let export_every = age(raw.export_every, 24);
    if !export_every.is_positive() {
        let error = Error::usage("is no time").hint("24h is the default");
        return Err(("export_every", error));
    }
    let contested_limit = raw.contested_limit.unwrap_or(5);
    if contested_limit == 0 {
        let error = Error::usage("0 lets nothing be promoted").hint("5 is the default");
        return Err(("contested_limit", error));
    }
    let opened = raw.break_glass_opened.as_deref().map(day).transpose();
    Ok(Limits {
        status: status::Limits {
            export_age: age(raw.export_age, 26),
            copy_age: age(raw.copy_age, 26),
            drill_age: age(raw.drill_age, 8 * 24),
            shrink_percent,
        },
        break_glass_age: age(raw.break_glass_age, 180 * 24),
        break_glass_opened: opened.at("break_glass_opened")?,
        export_every,
        contested_limit,
    })
}

/// The beginning of a day in UTC.
fn day(text: &str) -> Result<Timestamp> {
    let zoned = text
        .parse()
        .and_then(|day: Date| day.to_zoned(TimeZone::UTC))
        .map_err(|_| {
            Error::usage(format!("'{text}' is not a day")).hint("for example 2026-11-21")
        })?;
    Ok(zoned.timestamp())
}

fn notify(raw: &raw::Notify, base: &Path) -> NotifySettings {
    let in_base = |path: &Option<PathBuf>| path.as_ref().map(|path| base.join(path));
    NotifySettings {
        webhook_file: in_base(&raw.webhook_file),
        webhook_format: match raw.webhook_format {
            None | Some(raw::WebhookFormat::Slack) => Format::Slack,
            Some(raw::WebhookFormat::Teams) => Format::Teams,
            Some(raw::WebhookFormat::PagerDuty) => Format::PagerDuty,
        },
        webhook_always: raw.webhook_on == Some(raw::WebhookOn::Always),
        ping_file: in_base(&raw.ping_file),
        metrics: raw.metrics.unwrap_or(false),
    }
}
