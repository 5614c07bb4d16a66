//! `lifeboat init`

use std::fmt::Display;
use std::path::{Component, PathBuf};

use clap::ValueEnum;

use super::globals::working_folder;
use super::kms;
use super::run::{Answer, Page, Run};
use crate::aws::{KeyArn, Kms};
use crate::config::{DAILY_DAYS, MAX_LOCK_DAYS, Mode, Repository, Source, lock_policy, source};
use crate::error::{Error, Result, ResultExt};
use crate::init::{self, KmsSigning, NewSource, Report};
use crate::outcome::Outcome;
use crate::repository;

/// Prepare a repository, keys and a configuration
///
/// Run once by an administrator, on a machine that is neither the exporter nor the database. A
/// bucket must have versioning and Object Lock switched on. Writes the configuration, the offline
/// identity break-glass.key, the signing key manifest-signing.pem, the key reuse.key by which exports
/// know stored rows again, and a sheet to print. Nothing
/// that exists is overwritten. In a bucket it stores a small locked object first and tries to delete
/// it, and stops where that succeeds.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat init --repository s3://backup-bucket/prod --config lifeboat.toml \\\n      \
           --region eu-central-1 --bucket-owner 111122223333 \\\n      \
           --source-url postgresql://lifeboat@db.example.com/courses\n  \
       lifeboat init --repository /mnt/backup/lifeboat --config lifeboat.toml"
))]
pub(super) struct Args {
    /// A database to protect, as postgresql://user@host:port/database without a password; may be
    /// repeated
    #[arg(long, value_name = "URL")]
    source_url: Vec<String>,
    /// How exports are locked [default: compliance for a bucket, none for a directory]
    #[arg(long, value_name = "MODE")]
    lock: Option<LockArg>,
    /// Days that an export stays locked
    #[arg(long, value_name = "DAYS", default_value_t = DAILY_DAYS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LOCK_DAYS - 2)))]
    days: u32,
    /// Folder for the two key files and the sheet [default: that of the configuration]
    #[arg(long, value_name = "FOLDER")]
    keys_dir: Option<PathBuf>,
    /// A KMS key (ECC_NIST_P256) that signs manifests, instead of a file
    #[arg(long, value_name = "ARN")]
    signing_kms: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LockArg {
    /// Nobody can shorten it, not even the account's root
    Compliance,
    /// Yields to a special right
    Governance,
    /// What the bucket is set to
    BucketDefault,
    /// No locks: directories only
    None,
}

impl From<LockArg> for Mode {
    fn from(arg: LockArg) -> Self {
        match arg {
            LockArg::Compliance => Self::Compliance,
            LockArg::Governance => Self::Governance,
            LockArg::BucketDefault => Self::BucketDefault,
            LockArg::None => Self::None,
        }
    }
}

impl Args {
    /// The KMS key that signs is looked up later.
    fn resolve(self, run: &Run) -> Result<(Repository, Option<KeyArn>, init::Options)> {
        let repository = run.globals.repository_alone()?;
        let folder = working_folder()?;
        let config = without_parents(folder.join(run.globals.config_to_write()?));
        let keys_dir = match (self.keys_dir, config.parent()) {
            (Some(keys_dir), _) => without_parents(folder.join(keys_dir)),
            (None, Some(parent)) => parent.to_owned(),
            (None, None) => folder,
        };
        let lock = lock_policy(self.lock.map(Mode::from), self.days, &repository.location)
            .context(|| "--lock".to_owned())?;
        let sources = self.source_url.iter().map(|url| source_of(url));
        let sources = sources
            .collect::<Result<_>>()
            .context(|| "--source-url".to_owned())?;
        let signing_key = self.signing_kms.map(|arn| arn.parse()).transpose();
        let signing_key = signing_key.context(|| "--signing-kms".to_owned())?;
        let lines = repository.s3.given();
        let options = init::Options {
            config,
            keys_dir,
            lock,
            max_lock_days: MAX_LOCK_DAYS,
            kms_signing: None,
            repository_lines: lines.map(|(key, value)| (key.to_owned(), value)).collect(),
            sources,
        };
        Ok((repository, signing_key, options))
    }
}

/// The same path without `..`, as far as its folders exist: behind a link `..` is another folder than
/// the words say.
fn without_parents(path: PathBuf) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path;
    }
    let mut above = path.ancestors();
    let real = above.find_map(|folder| {
        let rest = path.strip_prefix(folder).ok()?;
        Some(
            folder
                .canonicalize()
                .ok()?
                .join(rest)
                .components()
                .collect(),
        )
    });
    real.unwrap_or(path)
}

fn source_of(url: &str) -> Result<NewSource> {
    if source::has_password(url)? {
        return Err(Error::usage(
            "the URL holds a password, which would be written to the configuration",
        )
        .hint("leave it out; later name a password_file, or use ~/.pgpass"));
    }
    let source = Source::from_url(url)?;
    Ok(NewSource {
        name: source.name,
        database: source::database_of(&source.connection.address),
        url: source.connection.address,
    })
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (at, signing_key, mut options) = args.resolve(run)?;
    if let Some(key) = signing_key {
        options.kms_signing = Some(signing(key, &at).await?);
    }
    // A directory that is not there yet is made.
    let repository = repository::Repository::new(at.location.create(at.s3_options()).await?);
    let report = init::init(&repository, &options, run.clock.as_ref()).await?;
    Answer::new(&report, text(&report), Outcome::Done)
}

/// Asks KMS whether the key can sign manifests, and by which fingerprint it is pinned.
async fn signing(key: KeyArn, repository: &Repository) -> Result<KmsSigning> {
    let arn = key.to_string();
    let kms = Kms::from_environment(repository.s3.profile.as_deref(), key).await?;
    Ok(KmsSigning {
        arn,
        fingerprint: kms::signer_of(kms).await?.fingerprint(),
    })
}

fn text(report: &Report) -> Page {
    let existed = match report.existed {
        true => " was there already; new keys were made for it",
        false => " is ready",
    };
    let mut page = Page::from(format_args!("{}{existed}", report.repository));
    page.space();
    let mut made = |what: &dyn Display, why: &str| page.line(format_args!("  {what}  {why}"));
    made(
        &report.config.display(),
        "configuration: look at its sources",
    );
    made(
        &report.identity.display(),
        "opens every backup: keep it offline, twice, not here",
    );
    made(
        &report.signing_key,
        "signs manifests: the exporter needs it",
    );
    made(
        &report.sheet.display(),
        "print it, keep it with the identity",
    );
    page.space();
    page.line(format_args!("verification key: {}", report.fingerprint));
    page.space();
    if report.lock_held == Some(true) {
        page.line("the lock of a canary held: an attempt to delete it was refused");
    }
    for note in &report.notes {
        page.line(format_args!("note: {note}"));
    }
    page.space();
    page.line(format_args!(
        "next: lifeboat export --config {} --dry-run",
        report.config.display()
    ));
    page
}
