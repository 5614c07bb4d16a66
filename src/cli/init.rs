//! `lifeboat init`

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::globals::working_folder;
use super::output::Answer;
use super::{Run, not_yet};
use crate::config::{
    DAILY_DAYS, MAX_LOCK_DAYS, Repository, Source, lock_policy, source, written::Mode,
};
use crate::error::{Context, Error, Result};
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
    let _options: Options = args.resolve(run)?;
    not_yet("init")
}
