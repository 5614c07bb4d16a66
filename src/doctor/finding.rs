//! What a check has to say.

use serde::Serialize;

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A backup, or the only way to it, can be lost by one act: exit code 3.
    Critical,
    /// Protection is thinner than it could be.
    Warning,
    /// Good to know.
    Info,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// The check's name, stable over versions.
    pub check: &'static str,
    /// What was found, with the thing's name.
    pub what: String,
    /// What may come of it.
    pub means: String,
    /// The command or step that mends it.
    pub mend: String,
}

impl Finding {
    pub fn new(severity: Severity, check: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            check,
            what: what.into(),
            means: String::new(),
            mend: String::new(),
        }
    }

    #[must_use]
    pub fn means(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }

    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }
}
