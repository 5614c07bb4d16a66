//! From the configuration to what the use cases take.

use crate::config::{Config, Rds, SnapshotSettings, Source as Configured};
use crate::error::{Error, Result, ResultExt};
use crate::model::id::Id;
use crate::model::snapshot::Kind;
use crate::snapshot::{Source, WaitLimits};

/// `None`: its snapshots are not copied.
fn source(configured: &Configured) -> Option<Source> {
    let (kind, identifier) = match configured.rds.as_ref()? {
        Rds::Instance(name) => (Kind::Instance, name),
        Rds::Cluster(name) => (Kind::Cluster, name),
    };
    Some(Source {
        name: configured.name.clone(),
        kind,
        identifier: identifier.clone(),
    })
}

/// The sources of these names; without names, all that have snapshots to copy.
pub(crate) fn sources(config: &Config, names: &[String]) -> Result<Vec<Source>> {
    let file = config.file.display();
    let hint =
        "say `instance = \"…\"` or `cluster = \"…\"` in its [[source]]: the identifier in RDS";
    if names.is_empty() {
        let all: Vec<Source> = config.sources.iter().filter_map(source).collect();
        if all.is_empty() {
            let what = format!("{file} names no source with an instance or cluster");
            return Err(Error::usage(what).hint(hint));
        }
        return Ok(all);
    }
    let named = names.iter().map(|name| {
        let configured = config.source(name).context(|| "--source".to_owned())?;
        source(configured).ok_or_else(|| {
            let what = format!("--source: {file} names no instance or cluster of source '{name}'");
            Error::usage(what).hint(hint)
        })
    });
    named.collect()
}

pub(crate) fn wait_limits(settings: &SnapshotSettings) -> WaitLimits {
    WaitLimits {
        poll: settings.poll,
        wait: settings.wait,
    }
}

/// An id, or `None` for the newest.
pub(crate) fn which(text: &str) -> Result<Option<Id>> {
    match text {
        "latest" => Ok(None),
        text => text.parse().map(Some),
    }
}
