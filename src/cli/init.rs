//! `lifeboat init`

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::globals::working_folder;
use super::output::{Answer, Outcome};
use super::render::Page;
use super::run::Run;
use super::{connect, kms};
use crate::aws::{KeyArn, Kms};
use crate::config::{DAILY_DAYS, MAX_LOCK_DAYS, Mode, Repository, Source, lock_policy, source};
use crate::error::{Error, Result, ResultExt};
use crate::init::{self, KmsSigning, NewSource, Report};
use crate::model::lock::LockPolicy;

/// Prepare a repository, keys and a configuration
///
/// Run once by an administrator, on a machine that is neither the exporter nor the database. A
/// bucket must have versioning and Object Lock switched on. Writes the configuration, the offline
/// identity break-glass.key, the signing key manifest-signing.pem, and a sheet to print. Nothing
/// that exists is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat init --repository s3://backup-bucket/prod --config lifeboat.toml \\\n      \
           --region eu-central-1 --bucket-owner 111122223333 \\\n      \
           --source-url postgresql://lifeboat@db.example.com/courses\n  \
       lifeboat init --repository /mnt/backup/lifeboat --config lifeboat.toml"
))]
pub struct Args {
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

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub repository: Repository,
    /// To be written; absolute.
    pub config_file: PathBuf,
    pub sources: Vec<Source>,
    pub lock: LockPolicy,
    /// For the lock of objects other than the daily tier's: what the configuration will say.
    pub days: u32,
    pub keys_dir: PathBuf,
    pub signing_kms: Option<KeyArn>,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        let repository = run.globals.repository_alone()?;
        let folder = working_folder()?;
        let config_file = folder.join(run.globals.config_to_write()?);
        let keys_dir = match self.keys_dir {
            Some(keys_dir) => folder.join(keys_dir),
            None => config_file
                .parent()
                .map_or_else(|| folder.clone(), Path::to_owned),
        };
        let lock = lock_policy(self.lock.map(Mode::from), self.days, &repository.location)
            .context(|| "--lock".to_owned())?;
        let sources = self
            .source_url
            .iter()
            .map(|url| source_of(url))
            .collect::<Result<_>>()
            .context(|| "--source-url".to_owned())?;
        Ok(Options {
            repository,
            config_file,
            sources,
            lock,
            days: self.days,
            keys_dir,
            signing_kms: self
                .signing_kms
                .map(|arn| arn.parse())
                .transpose()
                .context(|| "--signing-kms".to_owned())?,
        })
    }
}

fn source_of(url: &str) -> Result<Source> {
    if source::has_password(url)? {
        return Err(Error::usage(
            "the URL holds a password, which would be written to the configuration",
        )
        .hint("leave it out; later name a password_file, or use ~/.pgpass"));
    }
    Source::from_url(url)
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let options = args.resolve(run)?;
    let kms_signing = match options.signing_kms {
        Some(key) => Some(signing(key, &options.repository).await?),
        None => None,
    };
    let repository = connect::new_repository(&options.repository).await?;
    let s3 = &options.repository.s3;
    let lines = [
        ("region", &s3.region),
        ("endpoint", &s3.endpoint),
        ("bucket_owner", &s3.bucket_owner),
        ("profile", &s3.profile),
    ];
    let repository_lines = lines
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| (key.to_owned(), value.clone())))
        .collect();
    let sources = options.sources.iter();
    let report = init::init(
        &repository,
        &init::Options {
            config: options.config_file,
            keys_dir: options.keys_dir,
            lock: options.lock,
            max_lock_days: MAX_LOCK_DAYS,
            kms_signing,
            repository_lines,
            sources: sources
                .map(|one| NewSource {
                    name: one.name.clone(),
                    url: one.connection.address.clone(),
                    database: source::database_of(&one.connection.address),
                })
                .collect(),
        },
        run.clock.as_ref(),
    )
    .await?;
    Answer::new(&report, text(&report), Outcome::Done)
}

/// Asks KMS whether the key can sign manifests, and by which fingerprint it is pinned.
async fn signing(key: KeyArn, repository: &Repository) -> Result<KmsSigning> {
    let arn = key.to_string();
    let kms = Kms::from_environment(repository.s3.profile.as_deref(), key).await;
    Ok(KmsSigning {
        arn,
        fingerprint: kms::signer_of(kms).await?.fingerprint(),
    })
}

fn text(report: &Report) -> Page {
    let existed = if report.existed {
        " was there already; new keys were made for it"
    } else {
        " is ready"
    };
    let mut page = Page::from(format_args!("{}{existed}", report.repository));
    page.space();
    let made = [
        (
            report.config.display().to_string(),
            "configuration: look at its sources",
        ),
        (
            report.identity.display().to_string(),
            "opens every backup: keep it offline, twice, not here",
        ),
        (
            report.signing_key.clone(),
            "signs manifests: the exporter needs it",
        ),
        (
            report.sheet.display().to_string(),
            "print it, keep it with the identity",
        ),
    ];
    for (what, why) in made {
        page.line(format_args!("  {what}  {why}"));
    }
    page.space();
    page.line(format_args!("verification key: {}", report.fingerprint));
    page.space();
    page.line(format_args!(
        "next: lifeboat export --config {} --dry-run",
        report.config.display()
    ));
    page
}
