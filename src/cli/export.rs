//! `lifeboat export`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::globals::Access;
use super::output::Answer;
use super::{Run, not_yet};
use crate::config::{
    Config, ExportSettings, Locks, MAX_JOBS, Recipient, Source, secret_free_text, source, units,
};
use crate::error::{Context, Error, Result};

/// Export databases into the repository
///
/// Reads every table at one moment without stopping writers, and stores it sealed, checksummed and
/// locked. A restore point appears only when all of it is stored and read back.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat export\n  \
       lifeboat export --source prod --database courses --dry-run\n  \
       lifeboat export --source postgresql://lifeboat@db.example.com/courses --rate-limit 50MiB/s"
))]
pub struct Args {
    /// A configured source, or the URL of one database; may be repeated [default: all configured]
    #[arg(long, value_name = "NAME|URL")]
    source: Vec<String>,
    /// Only this database, whatever the configuration lists; may be repeated
    #[arg(long, value_name = "DATABASE")]
    database: Vec<String>,
    /// Sessions that read at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    /// Read no faster than this, for example 50MiB/s; `none` lifts the configured limit
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    rate_limit: Option<String>,
    /// Only tell what would be done: tables, sizes, slices, the end of the locks, storage under
    /// lock
    #[arg(long)]
    dry_run: bool,
}

/// As meant.
#[derive(Debug)]
pub struct Options {
    pub access: Access,
    /// At least one, names distinct.
    pub sources: Vec<Source>,
    /// At least one.
    pub recipients: Vec<Recipient>,
    pub signing_key: PathBuf,
    pub locks: Locks,
    pub settings: ExportSettings,
    pub dry_run: bool,
    /// Stored in every restore point.
    pub config_text: String,
}

impl Args {
    fn resolve(self, run: &Run) -> Result<Options> {
        let (access, config) = run.globals.access_and_config()?;
        let settings = ExportSettings {
            jobs: self.jobs.or(config.export.jobs),
            rate_limit: match &self.rate_limit {
                Some(text) => units::rate(text).context(|| "--rate-limit".to_owned())?,
                None => config.export.rate_limit,
            },
            ..config.export.clone()
        };
        let sources = self.sources(&config)?;
        let file = config.file.display();
        if config.recipients.is_empty() {
            return Err(Error::usage(format!("{file} names no [[recipient]]"))
                .hint("without one nobody could open the backup; `lifeboat init` makes one"));
        }
        let signing_key = config.signing_key.clone().ok_or_else(|| {
            Error::usage(format!("{file} names no keys.signing_key"))
                .hint("manifests must be signed; `lifeboat init` makes a key")
        })?;
        Ok(Options {
            config_text: secret_free_text(&config)?,
            access: access.with_trust()?,
            sources,
            recipients: config.recipients,
            signing_key,
            locks: config.lock,
            settings,
            dry_run: self.dry_run,
        })
    }

    fn sources(&self, config: &Config) -> Result<Vec<Source>> {
        let sources = if self.source.is_empty() {
            config.sources.clone()
        } else {
            let named = self.source.iter().map(|text| one(text, config));
            named
                .collect::<Result<Vec<_>>>()
                .context(|| "--source".to_owned())?
        };
        if sources.is_empty() {
            return Err(
                Error::usage(format!("{} names no [[source]]", config.file.display()))
                    .hint("add one, or pass --source postgresql://user@host/database"),
            );
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = sources.iter().find(|source| !names.insert(&source.name)) {
            return Err(
                Error::usage(format!("--source: '{}' is given twice", twice.name))
                    .hint("for two databases of one server name both by --database"),
            );
        }
        if self.database.is_empty() {
            return Ok(sources);
        }
        if sources.len() > 1 {
            return Err(Error::usage("--database: of which source?").hint("name it: --source NAME"));
        }
        let only = |source: Source| source.only(&self.database);
        Ok(sources.into_iter().map(only).collect())
    }
}

fn one(text: &str, config: &Config) -> Result<Source> {
    if source::is_url(text) {
        Source::from_url(text)
    } else {
        config.source(text).cloned()
    }
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let _options: Options = args.resolve(run)?;
    not_yet("export")
}
