//! From what the file says to what it means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::accounts::{self, Account, Accounts, check_kms_key};
use super::location::{Location, Repository, S3Settings};
use super::place::Place;
use super::source::{self, Source};
use super::written::{self, Jobs, Mode, Written};
use super::{
    Config, DAILY_DAYS, DDL_WAIT, ExportSettings, Locks, MAX_JOBS, MAX_LOCK_DAYS, Recipient,
    SigningKey, Tiers, Wrapped, drill, snapshot, units, watch,
};
use crate::codec::Sealer;
use crate::error::{Error, Result, ResultExt};
use crate::model::lock::{LockMode, LockPolicy};
use crate::sign::Fingerprint;

/// Parts are locked two days longer than their manifest.
const PARTS_DAYS: u32 = 2;

pub fn config(text: &str, file: &Path) -> Result<Config> {
    let place = Place::new(text, file)?;
    if let Some(error) = place.unknown_key() {
        return Err(error);
    }
    let written: Written = toml::from_str(text).map_err(|why| place.typed(&why))?;
    let base = folder_of(file)?;
    let mut accounts = accounts::resolve(written.source_account, written.backup_account, &place)?;
    let repository = repository(&written.repository, accounts.backup.as_ref(), &base, &place)?;
    if let Some(backup) = &mut accounts.backup
        && repository.s3.profile.is_some()
    {
        backup.profile = repository.s3.profile.clone();
    }
    let lock = locks(&written.lock, &repository.location, &place)?;
    Ok(Config {
        file: file.to_owned(),
        trust: trust(&written.repository.trust, &place)?,
        signing_key: signing_key(written.keys.signing_key, &base, &place)?,
        recipients: recipients(&written.recipient, &place)?,
        tiers: tiers(&written.lock, lock.max_lock_days, &place)?,
        lock,
        snapshot: snapshot::resolve(&written.snapshot, &place)?,
        limits: watch::limits(&written.limits, &place)?,
        notify: watch::notify(&written.notify, &base),
        drill: drill::resolve(written.drill, &base, &place)?,
        export: export(&written.export, &base, &place)?,
        sources: sources(&written.source, &accounts, &base, &place)?,
        accounts,
        repository,
    })
}

/// Absolute, so that a directory repository is the same from every working folder.
fn folder_of(file: &Path) -> Result<PathBuf> {
    let file = std::path::absolute(file).context(|| file.display().to_string())?;
    Ok(file.parent().map(Path::to_owned).unwrap_or_default())
}

/// The bucket belongs to the backup account: what is not said of it is said there.
fn repository(
    written: &written::Repository,
    backup: Option<&Account>,
    base: &Path,
    place: &Place<'_>,
) -> Result<Repository> {
    let backup = backup.filter(|_| written.url.starts_with("s3://"));
    if let (Some(owner), Some(backup)) = (&written.bucket_owner, backup)
        && *owner != backup.id
    {
        let error = Error::usage(format!("is not backup_account.id, {}", backup.id))
            .hint("leave it out: the bucket belongs to the backup account");
        return Err(place.at("repository", "bucket_owner", error));
    }
    let s3 = S3Settings {
        region: (written.region.clone()).or_else(|| backup.map(|backup| backup.region.clone())),
        endpoint: written.endpoint.clone(),
        path_style: written.path_style,
        bucket_owner: (written.bucket_owner.clone())
            .or_else(|| backup.map(|backup| backup.id.clone())),
        profile: written.profile.clone(),
    };
    Repository::new(&written.url, base, s3)
        .map_err(|(key, error)| place.at("repository", key, error))
}

fn trust(written: &[String], place: &Place<'_>) -> Result<Vec<Fingerprint>> {
    written
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_>>()
        .map_err(|error| place.at("repository", "trust", error))
}

/// A file, or the ARN of a KMS key.
fn signing_key(
    written: Option<String>,
    base: &Path,
    place: &Place<'_>,
) -> Result<Option<SigningKey>> {
    let Some(text) = written else {
        return Ok(None);
    };
    if !text.starts_with("arn:") {
        return Ok(Some(SigningKey::File(base.join(text))));
    }
    check_kms_key(&text).map_err(|error| place.at("keys", "signing_key", error))?;
    Ok(Some(SigningKey::Kms(text)))
}

fn wrapped(
    written: &written::Recipient,
) -> std::result::Result<Option<Wrapped>, (&'static str, Error)> {
    let (kms_key, ciphertext) = match (&written.kms_key, &written.wrapped) {
        (None, None) => return Ok(None),
        (Some(kms_key), Some(ciphertext)) => (kms_key, ciphertext),
        (Some(_), None) => {
            let error =
                Error::usage("comes without `wrapped`").hint("`lifeboat keys add` writes both");
            return Err(("kms_key", error));
        }
        (None, Some(_)) => {
            let error =
                Error::usage("comes without `kms_key`").hint("`lifeboat keys add` writes both");
            return Err(("wrapped", error));
        }
    };
    check_kms_key(kms_key).map_err(|error| ("kms_key", error))?;
    BASE64.decode(ciphertext).map_err(|_| {
        let hint = "copy the line whole, or add a new recipient: `lifeboat keys add --kms ARN`";
        ("wrapped", Error::usage("is not base64").hint(hint))
    })?;
    Ok(Some(Wrapped {
        kms_key: kms_key.clone(),
        ciphertext: ciphertext.clone(),
    }))
}

fn recipients(written: &[written::Recipient], place: &Place<'_>) -> Result<Vec<Recipient>> {
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut resolved = Vec::with_capacity(written.len());
    for (index, recipient) in written.iter().enumerate() {
        let wrong = |key, error| place.nth("recipient", index, key, error);
        if recipient.name.trim().is_empty() {
            let error = Error::usage("is empty").hint("for example \"break-glass\"");
            return Err(wrong("name", error));
        }
        if recipient.key.starts_with("AGE-SECRET-KEY-") {
            let error = Error::usage("is a secret key").hint(
                "this file takes the public half, age1…: `age-keygen -y FILE` prints it; treat the secret key as lost",
            );
            return Err(wrong("key", error));
        }
        Sealer::new([recipient.key.as_str()]).map_err(|error| wrong("key", error))?;
        if !names.insert(&recipient.name) {
            return Err(wrong("name", Error::usage("is given to two recipients")));
        }
        if !keys.insert(&recipient.key) {
            return Err(wrong("key", Error::usage("is given to two recipients")));
        }
        resolved.push(Recipient {
            name: recipient.name.clone(),
            key: recipient.key.clone(),
            wrapped: wrapped(recipient).map_err(|(key, error)| wrong(key, error))?,
        });
    }
    Ok(resolved)
}

fn locks(written: &written::Lock, location: &Location, place: &Place<'_>) -> Result<Locks> {
    let days = written.daily_days.unwrap_or(DAILY_DAYS);
    let max_lock_days = written.max_lock_days.unwrap_or(MAX_LOCK_DAYS);
    if days == 0 {
        let error = Error::usage("is 0: nothing would be locked").hint("35 is a good beginning");
        return Err(place.at("lock", "daily_days", error));
    }
    if days.saturating_add(PARTS_DAYS) > max_lock_days {
        let error = Error::usage(format!(
            "{days} days, and {PARTS_DAYS} more for parts, are over max_lock_days = {max_lock_days}"
        ))
        .hint("a compliance lock cannot be undone; raise lock.max_lock_days if you mean it");
        return Err(place.at("lock", "daily_days", error));
    }
    let policy =
        policy(written.mode, days, location).map_err(|error| place.at("lock", "mode", error))?;
    Ok(Locks {
        policy,
        max_lock_days,
    })
}

fn tiers(written: &written::Lock, max_lock_days: u32, place: &Place<'_>) -> Result<Tiers> {
    let tiers = [
        ("weekly_days", written.weekly_days),
        ("monthly_days", written.monthly_days),
        ("yearly_days", written.yearly_days),
    ];
    for (key, days) in tiers {
        if let Some(days) = days
            && (days == 0 || days.saturating_add(PARTS_DAYS) > max_lock_days)
        {
            let error = Error::usage(format!(
                "{days} days is not between 1 and max_lock_days = {max_lock_days}, less {PARTS_DAYS} for parts"
            ))
            .hint("a compliance lock cannot be undone; raise lock.max_lock_days if you mean it");
            return Err(place.at("lock", key, error));
        }
    }
    Ok(Tiers {
        weekly_days: written.weekly_days,
        monthly_days: written.monthly_days,
        yearly_days: written.yearly_days,
    })
}

/// What a mode means at a place; where none is written, the strictest that the place can do.
pub fn policy(mode: Option<Mode>, days: u32, location: &Location) -> Result<LockPolicy> {
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

fn export(written: &written::Export, base: &Path, place: &Place<'_>) -> Result<ExportSettings> {
    let wrong = |key| move |error| place.at("export", key, error);
    let rate_limit = match &written.rate_limit {
        Some(text) => units::rate(text).map_err(wrong("rate_limit"))?,
        None => None,
    };
    let ddl_wait = match &written.ddl_wait {
        Some(text) => units::duration(text).map_err(wrong("ddl_wait"))?,
        None => DDL_WAIT,
    };
    if ddl_wait.is_zero() {
        let error = Error::usage("is 0: any ALTER TABLE would end the export");
        return Err(place.at("export", "ddl_wait", error.hint("10s is the default")));
    }
    Ok(ExportSettings {
        jobs: jobs(written.jobs).map_err(wrong("jobs"))?,
        rate_limit,
        ddl_wait,
        pg_bin: written.pg_bin.iter().map(|path| base.join(path)).collect(),
    })
}

fn jobs(written: Option<Jobs>) -> Result<Option<u16>> {
    let Some(Jobs::Count(count)) = written else {
        return Ok(None);
    };
    u16::try_from(count)
        .ok()
        .filter(|count| (1..=MAX_JOBS).contains(count))
        .map(Some)
        .ok_or_else(|| {
            Error::usage(format!("{count} is not a number of jobs"))
                .hint(format!("1 to {MAX_JOBS}, or \"auto\""))
        })
}

fn sources(
    written: &[written::Source],
    accounts: &Accounts,
    base: &Path,
    place: &Place<'_>,
) -> Result<Vec<Source>> {
    let mut names = BTreeSet::new();
    let mut sources = Vec::with_capacity(written.len());
    for (index, one) in written.iter().enumerate() {
        let source = source::resolve(one, base)
            .map_err(|(key, error)| place.nth("source", index, key, error))?;
        // Their restore points would be taken for each other's.
        if !names.insert(&one.name) {
            let error = Error::usage(format!("'{}' is given to two sources", one.name))
                .hint("names tell restore points apart: give each instance its own");
            return Err(place.nth("source", index, "name", error));
        }
        if source.connection.iam && accounts.source.is_none() {
            let error = Error::usage("\"iam\" comes without [source_account]")
                .hint("tokens are made for its region: add [source_account] with id and region");
            return Err(place.nth("source", index, "auth", error));
        }
        sources.push(source);
    }
    Ok(sources)
}
