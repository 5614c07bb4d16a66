//! `lifeboat keys rotate`

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::run::{Access, Answer, Page, Run};
use crate::cli::{connect, kms};
use crate::config::{Config, SigningKey};
use crate::error::{Error, Kind, Result};
use crate::init;
use crate::keys;
use crate::outcome::Outcome;
use crate::sign::{PublicKey, Signer};

/// Make a new signing key and a new reuse key, and announce the signing key
///
/// For after a theft, or when somebody leaves. Writes the new keys beside the old ones, has the old signing key vouch for
/// the new one, and says what is to be changed where: nothing is switched over, overwritten or deleted. Needs the right
/// to write announcements/ in the repository, which the exporter has not.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat keys rotate\n  \
       lifeboat keys rotate --signing-kms arn:aws:kms:eu-central-1:222233334444:key/ID"
))]
pub(super) struct Args {
    /// ARN of the KMS key that is to sign [default: a new file, where a file signs now]
    #[arg(long, value_name = "ARN")]
    signing_kms: Option<String>,
}

#[derive(Debug, Serialize)]
struct Rotated {
    config: PathBuf,
    /// File or ARN.
    old_signing_key: String,
    old_fingerprint: Option<String>,
    signing_key: Option<String>,
    fingerprint: Option<String>,
    /// Its key in the repository.
    announcement: Option<String>,
    old_reuse_key: Option<PathBuf>,
    reuse_key: PathBuf,
    to_do: Vec<String>,
    findings: Vec<String>,
}

/// What is to sign.
struct NewSigning {
    /// As the configuration names it.
    name: String,
    key: PublicKey,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let old = config.signing_key.clone();
    let old = old.ok_or_else(|| config.lacks("keys.signing_key"))?;
    let day = run.clock.now().strftime("%Y%m%d").to_string();
    let reuse_key = match &config.reuse_key {
        Some(file) => beside(file, &day),
        None => beside(&config.file.with_file_name(init::REUSE_KEY_FILE), &day),
    };
    let signing_file = match (&old, &args.signing_kms) {
        (SigningKey::File(file), None) => Some(beside(file, &day)),
        _ => None,
    };
    for file in std::iter::once(&reuse_key).chain(&signing_file) {
        if file.symlink_metadata().is_ok() {
            return Err(Error::new(Kind::Exists, format!("{} exists already", file.display()))
                .hint("nothing was written: were the keys rotated today? move it away, or go on with it"));
        }
    }
    let new = new_signing(signing_file, args.signing_kms.as_deref(), &access, run).await?;
    let url = access.repository.location.to_string();
    init::write_new(&reuse_key, &init::reuse_key_text(&url)?, 0o600)?;
    let mut rotated = Rotated {
        config: config.file.clone(),
        old_signing_key: match &old {
            SigningKey::File(file) => file.display().to_string(),
            SigningKey::Kms(arn) => arn.clone(),
        },
        old_fingerprint: None,
        fingerprint: new.as_ref().map(|new| new.key.fingerprint().to_string()),
        signing_key: new.as_ref().map(|new| new.name.clone()),
        announcement: None,
        old_reuse_key: config.reuse_key.clone(),
        reuse_key,
        to_do: Vec::new(),
        findings: Vec::new(),
    };
    if let Some(new) = &new {
        announce(&mut rotated, new, &old, (&access, &config), run).await;
    } else {
        rotated.findings.push(format!(
            "{} goes on signing: make another KMS key, and run this again with --signing-kms",
            rotated.old_signing_key
        ));
    }
    rotated.to_do = to_do(&rotated);
    let outcome = Outcome::from_counts(0, rotated.findings.len());
    Answer::new(&rotated, text(&rotated), outcome)
}

/// A name for what replaces a file: with the day before its last dot.
fn beside(old: &Path, day: &str) -> PathBuf {
    let mut name = old.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{day}"));
    if let Some(extension) = old.extension() {
        name.push(".");
        name.push(extension);
    }
    old.with_file_name(name)
}

/// `None`: KMS keeps the old one, and no other was named.
async fn new_signing(
    file: Option<PathBuf>,
    kms: Option<&str>,
    access: &Access,
    run: &Run,
) -> Result<Option<NewSigning>> {
    if let Some(arn) = kms {
        let key = kms::public_key(arn, access, run).await?;
        let name = arn.to_owned();
        return Ok(Some(NewSigning { name, key }));
    }
    let Some(file) = file else { return Ok(None) };
    let pem = Signer::generate()?.to_pem()?;
    init::write_new(&file, &pem, 0o600)?;
    Ok(Some(NewSigning {
        name: file.display().to_string(),
        key: PublicKey::from_pem(&pem)?,
    }))
}

/// What keeps it from being announced is a finding: the new keys are there.
async fn announce(
    rotated: &mut Rotated,
    new: &NewSigning,
    old: &SigningKey,
    (access, config): (&Access, &Config),
    run: &Run,
) {
    let announcing = async {
        let by = kms::signer(old, access, run).await?;
        let repository = connect::repository(access, run).await?;
        let lock = (config.lock.policy, config.lock.max_lock_days);
        let clock = run.clock.as_ref();
        keys::announce(&repository, &new.key, &by, &access.trust, lock, clock).await
    };
    match announcing.await {
        Ok(announced) => {
            rotated.old_fingerprint = Some(announced.by);
            rotated.announcement = Some(announced.announcement);
        }
        Err(error) => rotated.findings.push(format!(
            "the new signing key is not announced: {}; {}; then: lifeboat keys announce {}",
            error.chain(),
            error.advice(),
            new.name
        )),
    }
}

fn to_do(rotated: &Rotated) -> Vec<String> {
    let mut to_do = Vec::new();
    if let (Some(key), Some(fingerprint)) = (&rotated.signing_key, &rotated.fingerprint) {
        to_do.push(format!(
            "add \"{fingerprint}\" to repository.trust of every configuration, prove's too, and write it onto the \
             break-glass sheet; keep the old one there as long as its points are kept, but not after a theft: whatever \
             the thief signs would go on to be believed; pin the new one alone then, and give --trust OLD by hand for \
             points from before"
        ));
        to_do.push(format!(
            "then, in the exporter's configuration: [keys] signing_key = \"{key}\""
        ));
    }
    to_do.push(format!(
        "in the same place: [keys] reuse_key = \"{}\", if reuse_key is switched on; hand both files over as the old \
         ones were, or the secrets that hold them",
        rotated.reuse_key.display()
    ));
    to_do.push("lifeboat export: it stores everything anew, and says so once".to_owned());
    to_do.push(
        "when that point is verified, destroy the old files where the exporter had them: nobody needs them to restore"
            .to_owned(),
    );
    to_do
}

fn text(rotated: &Rotated) -> Page {
    let mut page = Page::default();
    if let (Some(key), Some(fingerprint)) = (&rotated.signing_key, &rotated.fingerprint) {
        page.line(format_args!(
            "new signing key: {key}, fingerprint {fingerprint}"
        ));
    }
    if rotated.announcement.is_some() {
        page.line("the old signing key vouches for it: who pins the old one believes it");
    }
    page.line(format_args!(
        "new reuse key: {}",
        rotated.reuse_key.display()
    ));
    page.lines("finding:", &rotated.findings);
    page.space();
    page.lines("next:", &rotated.to_do);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_comes_before_the_last_dot() {
        let named = |old: &str| beside(Path::new(old), "20261130").display().to_string();
        assert_eq!(named("/etc/reuse.key"), "/etc/reuse-20261130.key");
        assert_eq!(named("a.b.pem"), "a.b-20261130.pem");
        assert_eq!(named("signing"), "signing-20261130");
    }
}
