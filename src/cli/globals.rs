//! Options of every command, and what they mean together with the configuration.

use std::path::PathBuf;

use clap::Args;

use crate::config::{
    Accounts, Config, Location, Locks, MAX_LOCK_DAYS, Repository, S3Settings, locate,
};
use crate::error::{Error, Result, ResultExt};
use crate::model::lock::LockPolicy;
use crate::sign::Trust;

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Globals {
    /// Configuration file (or LIFEBOAT_CONFIG)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// s3://bucket/prefix, file:///path or a plain path, instead of the configured repository
    #[arg(long, global = true, value_name = "URL")]
    pub repository: Option<String>,
    /// Fingerprint of a verification key to trust, instead of the configured ones; may be repeated
    #[arg(long, global = true, value_name = "FINGERPRINT")]
    pub trust: Vec<String>,
    /// File with an age identity that opens the backup; may be repeated
    #[arg(long, global = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// The answer as one JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress on stderr, only warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// AWS region of the bucket
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// https://host[:port] of an S3-compatible store that is not AWS
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Profile of the AWS configuration files
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Account id (12 digits) that must own the bucket
    #[arg(long, global = true, value_name = "ACCOUNT")]
    pub bucket_owner: Option<String>,
}

/// What is needed to read a repository.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub repository: Repository,
    /// As which role each account is used.
    pub accounts: Accounts,
    /// Whether a configuration was read, not the flags alone.
    pub configured: bool,
    /// Pinned verification keys; may be empty only for `list`.
    pub trust: Trust,
    /// Files with age identities.
    pub identities: Vec<PathBuf>,
    /// No lock is extended further than this from now.
    pub max_lock_days: u32,
    /// Folders with PostgreSQL's tools, asked before `PATH`.
    pub pg_bin: Vec<PathBuf>,
}

impl Access {
    /// Refuses to go on where no signature could be checked.
    pub(super) fn with_trust(self) -> Result<Self> {
        if self.trust.fingerprints.is_empty() {
            return Err(Error::usage("no verification key is trusted, so no manifest can be").hint(
                match self.configured {
                    true => "pass --trust FINGERPRINT, as printed on the break-glass sheet, or set repository.trust in the configuration",
                    false => "with --repository, lifeboat.toml is not read: add --trust FINGERPRINT, as printed on the break-glass sheet, or --config FILE",
                },
            ));
        }
        Ok(self)
    }
}

impl Globals {
    /// For commands that read. With --repository no file is needed, and only a named one is read.
    pub(super) fn access(&self) -> Result<Access> {
        self.access_and_maybe_config().map(|(access, _)| access)
    }

    /// As [`Self::access`], with the configuration where one was read.
    pub(super) fn access_and_maybe_config(&self) -> Result<(Access, Option<Config>)> {
        let file = match self.repository {
            Some(_) => locate::named(self.config.as_deref(), &variable),
            None => Some(self.find_config()?),
        };
        let config = file.map(|file| Config::load(&file)).transpose()?;
        Ok((self.access_with(config.as_ref())?, config))
    }

    /// The configuration that is named, or else lies in one of the usual places, if any.
    pub(super) fn maybe_config(&self) -> Result<Option<Config>> {
        locate::find(self.config.as_deref(), &variable)
            .map(|file| Config::load(&file))
            .transpose()
    }

    /// For commands that need a configuration whatever the flags say.
    pub(super) fn access_and_config(&self) -> Result<(Access, Config)> {
        let config = Config::load(&self.find_config()?)?;
        let access = self.access_with(Some(&config))?;
        // A lock that suits one place may mean nothing at another.
        let locks = self.locks(&config, &access.repository)?;
        let config = Config {
            repository: access.repository.clone(),
            trust: access.trust.fingerprints.clone(),
            lock: locks,
            ..config
        };
        Ok((access, config))
    }

    /// The file to be written by `init`.
    pub(super) fn config_to_write(&self) -> Result<PathBuf> {
        locate::named(self.config.as_deref(), &variable).ok_or_else(|| {
            Error::usage("init needs a file to write the configuration to")
                .hint("pass --config lifeboat.toml")
        })
    }

    /// The repository of the flags alone.
    pub(super) fn repository_alone(&self) -> Result<Repository> {
        let url = self.repository.as_deref().ok_or_else(|| {
            Error::usage("init needs a repository to prepare")
                .hint("pass --repository s3://bucket/prefix or --repository file:///path")
        })?;
        self.repository_at(typed_location(url)?, None)
    }

    fn find_config(&self) -> Result<PathBuf> {
        locate::find(self.config.as_deref(), &variable).ok_or_else(|| locate::missing(&variable))
    }

    fn access_with(&self, config: Option<&Config>) -> Result<Access> {
        let repository = match (&self.repository, config) {
            (Some(url), config) => self.repository_at(typed_location(url)?, config)?,
            (None, Some(config)) => {
                self.repository_at(config.repository.location.clone(), Some(config))?
            }
            (None, None) => return Err(locate::missing(&variable)),
        };
        let fingerprints = match config {
            Some(config) if self.trust.is_empty() => config.trust.clone(),
            _ => self
                .trust
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_>>()
                .context(|| "--trust".to_owned())?,
        };
        Ok(Access {
            accounts: self.accounts(&repository, config),
            configured: config.is_some(),
            repository,
            trust: Trust { fingerprints },
            identities: self.identity.clone(),
            max_lock_days: config.map_or(MAX_LOCK_DAYS, |config| config.lock.max_lock_days),
            pg_bin: config.map_or_else(Vec::new, |config| config.export.pg_bin.clone()),
        })
    }

    /// The configured settings of a bucket complete the flags only where it is the same bucket:
    /// another one may have another owner and region.
    fn repository_at(&self, location: Location, config: Option<&Config>) -> Result<Repository> {
        let flags = S3Settings {
            region: self.region.clone(),
            endpoint: self.endpoint.clone(),
            path_style: None,
            bucket_owner: self.bucket_owner.clone(),
            profile: self.profile.clone(),
        };
        let s3 = match config.map(|config| &config.repository) {
            Some(configured) if configured.location == location => flags.over(&configured.s3),
            _ => flags,
        };
        Repository::at(location, s3).map_err(|(setting, error)| {
            Error::usage(format!("--{}", setting.replace('_', "-"))).because(error)
        })
    }

    /// The configured accounts go with the configured bucket; `--profile` wins for the backup account.
    fn accounts(&self, repository: &Repository, config: Option<&Config>) -> Accounts {
        let Some(config) = config else {
            return Accounts::default();
        };
        let mut accounts = config.accounts.clone();
        if repository.location != config.repository.location {
            accounts.backup = None;
        }
        if let (Some(backup), Some(profile)) = (&mut accounts.backup, &self.profile) {
            backup.profile = Some(profile.clone());
        }
        accounts
    }

    fn locks(&self, config: &Config, repository: &Repository) -> Result<Locks> {
        let same_kind = matches!(
            (&config.repository.location, &repository.location),
            (Location::Dir(_), Location::Dir(_)) | (Location::S3 { .. }, Location::S3 { .. })
        );
        if same_kind {
            return Ok(config.lock);
        }
        match config.lock.policy {
            LockPolicy::None => Err(Error::usage(format!(
                "--repository {} can lock, but {} is made for a directory",
                repository.location,
                config.file.display()
            ))
            .hint("`lifeboat init` writes a configuration for the bucket")),
            LockPolicy::Explicit { .. } | LockPolicy::BucketDefault => Ok(Locks {
                policy: LockPolicy::None,
                ..config.lock
            }),
        }
    }
}

fn typed_location(url: &str) -> Result<Location> {
    Location::parse(url, &working_folder()?).context(|| "--repository".to_owned())
}

/// Where relative paths of flags begin.
pub(super) fn working_folder() -> Result<PathBuf> {
    std::env::current_dir().context(|| "the working folder".to_owned())
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
