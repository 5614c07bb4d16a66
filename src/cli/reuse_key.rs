//! The key under which exports know stored rows again.

use crate::codec::ReuseKey;
use crate::config::Config;
use crate::error::{Error, Result, ResultExt};

/// Holds the reuse key itself, where a scheduler hands secrets over in variables.
const REUSE_KEY: &str = "LIFEBOAT_REUSE_KEY";

/// `None`: nothing is named again.
pub(super) fn configured(config: &Config) -> Result<Option<ReuseKey>> {
    if let Ok(text) = std::env::var(REUSE_KEY) {
        return ReuseKey::parse(&text)
            .context(|| REUSE_KEY.to_owned())
            .map(Some);
    }
    let Some(path) = &config.reuse_key else {
        return Ok(None);
    };
    let what = || format!("the reuse key {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| {
        Error::failed(format!("cannot read {}", what()))
            .because(why)
            .hint("keys.reuse_key in the configuration names it; without that line every export stores everything")
    })?;
    ReuseKey::parse(&text).context(what).map(Some)
}
