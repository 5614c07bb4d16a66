//! `[notify]`: who hears how `nightly` and `prove` ended.

use std::path::{Path, PathBuf};

use super::raw::{self, WebhookOn};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifySettings {
    /// Holds the URL of a webhook that takes Slack's `{"text": …}`.
    pub webhook_file: Option<PathBuf>,
    /// At success too.
    pub webhook_always: bool,
    /// Holds a URL that is requested at success only.
    pub ping_file: Option<PathBuf>,
    /// Whether a CloudWatch metric is written.
    pub metrics: bool,
}

pub(super) fn resolve(raw: &raw::Notify, base: &Path) -> NotifySettings {
    let in_base = |path: &Option<PathBuf>| path.as_ref().map(|path| base.join(path));
    NotifySettings {
        webhook_file: in_base(&raw.webhook_file),
        webhook_always: raw.webhook_on == Some(WebhookOn::Always),
        ping_file: in_base(&raw.ping_file),
        metrics: raw.metrics.unwrap_or(false),
    }
}
