//! `lifeboat init`, run once by an administrator: prepares a repository and writes the keys, a
//! configuration and the break-glass sheet.

mod facts;
mod texts;
mod trial;

use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::clock::Clock;
use crate::codec;
use crate::durable::{folder_of, make_folder, sync_folder};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::digest::Sha256;
use crate::random;
use crate::repository::{Locks, Repository, runbook};
use crate::sign::{Fingerprint, Signer};

pub(crate) use facts::{KmsSigning, NewSource, Options, Report};

/// The offline identity's file name.
pub(crate) const IDENTITY_FILE: &str = "break-glass.key";

/// The reuse key's.
pub(crate) const REUSE_KEY_FILE: &str = "reuse.key";

/// Nothing that exists is overwritten. An interrupted `init` is run again: a repository that exists
/// already gets its keys and configuration then.
pub(crate) async fn init(
    repository: &Repository,
    options: &Options,
    clock: &dyn Clock,
) -> Result<Report> {
    let identity = options.keys_dir.join(IDENTITY_FILE);
    let signing_key = options.keys_dir.join("manifest-signing.pem");
    let sheet = options.keys_dir.join("break-glass-sheet.md");
    let reuse_key = options.keys_dir.join(REUSE_KEY_FILE);
    let signing_file = options.kms_signing.is_none().then_some(&signing_key);
    let files = [&options.config, &identity, &sheet, &reuse_key];
    for file in files.into_iter().chain(signing_file) {
        if file.symlink_metadata().is_ok() {
            return Err(Error::new(Kind::Exists, format!("{} exists already", file.display()))
                .hint("nothing was written; move it away, or choose other names by --config and --keys-dir"));
        }
    }
    let posture = repository.posture().await?;
    let locks = Locks::settle(
        options.lock,
        &posture,
        repository.has_locks(),
        clock.now(),
        options.max_lock_days,
    )
    .context(|| repository.url().to_owned())?;
    let trial = trial::try_store(repository, &locks, clock).await?;
    let existing = match repository.marker().await {
        Ok(marker) => Some(marker),
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) => return Err(error),
    };
    let existed = existing.is_some();
    let marker = match existing {
        Some(marker) => marker,
        None => {
            let random = u128::from_ne_bytes(random::bytes()?);
            repository.create(random, &locks).await?
        }
    };

    let (secret, recipient) = codec::new_identity();
    let signing = Signing::of(options, signing_key)?;
    let report = Report {
        repository: repository.url().to_owned(),
        repository_id: marker.repository,
        existed,
        config: options.config.clone(),
        identity,
        signing_key: signing.shown,
        reuse_key,
        sheet,
        fingerprint: signing.fingerprint.to_string(),
        recipient,
        script_sha256: Sha256::of(runbook::script().as_bytes()),
        lock_held: trial.lock_held,
        notes: trial.notes,
    };
    let made_on = clock.now().strftime("%Y-%m-%d").to_string();
    let url = repository.url();
    let identity_text = identity_text("break-glass", url, &report.recipient, &secret);
    write_new(&report.identity, &identity_text, 0o600)?;
    if let Some((file, pem)) = &signing.file {
        write_new(file, pem, 0o600)?;
    }
    write_new(&report.reuse_key, &reuse_key_text(url)?, 0o600)?;
    let sheet = texts::sheet(&report, options, &made_on);
    write_new(&report.sheet, &sheet, 0o600)?;
    let reuse_key = named_in(&options.config, &report.reuse_key);
    let keys = [&signing.configured, &reuse_key];
    let config = texts::config(&report, options, keys, &made_on);
    write_new(&report.config, &config, 0o644)?;
    Ok(report)
}

/// What signs from now on.
struct Signing {
    fingerprint: Fingerprint,
    /// A file to be written, and its text.
    file: Option<(PathBuf, String)>,
    configured: String,
    shown: String,
}

impl Signing {
    fn of(options: &Options, file: PathBuf) -> Result<Self> {
        if let Some(kms) = &options.kms_signing {
            return Ok(Self {
                fingerprint: kms.fingerprint,
                file: None,
                configured: kms.arn.clone(),
                shown: kms.arn.clone(),
            });
        }
        let signer = Signer::generate()?;
        Ok(Self {
            fingerprint: signer.fingerprint(),
            configured: named_in(&options.config, &file),
            shown: file.to_string_lossy().into_owned(),
            file: Some((file, signer.to_pem()?)),
        })
    }
}

/// Relative to the configuration where it lies beside it: both move to the exporter together.
fn named_in(config: &Path, file: &Path) -> String {
    match file.file_name() {
        Some(name) if file.parent() == config.parent() => name.to_string_lossy().into_owned(),
        _ => file.to_string_lossy().into_owned(),
    }
}

/// An age identity file.
pub(crate) fn identity_text(name: &str, url: &str, recipient: &str, secret: &str) -> String {
    let name = name.escape_debug();
    format!("# lifeboat {name} identity of {url}\n# public key: {recipient}\n{secret}\n")
}

/// A file with a new reuse key.
pub(crate) fn reuse_key_text(url: &str) -> Result<String> {
    let key = codec::ReuseKey::generate()?;
    Ok(format!(
        "# lifeboat reuse key of {url}: exports know stored rows again by it\n{key}\n"
    ))
}

/// Makes a file, whole or not at all, and its folder; one that exists is `Exists`. Both survive a power cut: nothing
/// may be sealed for an identity that was never on disk.
pub(crate) fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let what = || format!("cannot write {}", path.display());
    let folder = folder_of(path);
    make_folder(folder).context(what)?;
    let mut file = tempfile::Builder::new()
        .prefix(".lifeboat-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .context(what)?;
    file.write_all(text.as_bytes()).context(what)?;
    file.as_file().sync_all().context(what)?;
    match file.persist_noclobber(path) {
        Err(why) if why.error.kind() == ErrorKind::AlreadyExists => {
            return Err(Error::new(Kind::Exists, what()).because(why.error));
        }
        named => named.map_err(|why| why.error).context(what)?,
    };
    sync_folder(folder).context(what)
}
