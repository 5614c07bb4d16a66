//! The configuration file: TOML, read once, resolved before any other I/O.
//!
//! `config/lifeboat.toml` is the annotated reference of every key.

use std::path::Path;

use crate::error::{Error, Result};

pub(crate) mod accounts;
pub(crate) mod drill;
mod edit;
mod known_keys;
pub(crate) mod locate;
pub(crate) mod location;
mod position;
mod raw;
mod resolve;
mod rules;
mod secret_free;
mod settings;
pub(crate) mod snapshot;
pub(crate) mod source;
pub(crate) mod units;

pub use crate::model::databases::Databases;
pub(crate) use crate::model::keys::Recipient;
pub(crate) use accounts::Accounts;
pub(crate) use edit::Edit;
pub use location::Location;
pub(crate) use location::{Repository, S3Settings};
pub(crate) use raw::Mode;
pub use raw::tables;
pub(crate) use resolve::policy as lock_policy;
pub use secret_free::secret_free_text;
pub use settings::{Config, SigningKey};
pub(crate) use settings::{
    DAILY_DAYS, ExportSettings, Locks, MAX_JOBS, MAX_LOCK_DAYS, NotifySettings,
};
pub(crate) use source::{Connection, Source};

impl Config {
    /// Reads and resolves a file.
    pub fn load(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|why| {
            Error::usage(format!("cannot read the configuration {}", file.display()))
                .because(why)
                .hint("name it by --config FILE; `lifeboat init` writes one")
        })?;
        Self::parse(&text, file)
    }
}
