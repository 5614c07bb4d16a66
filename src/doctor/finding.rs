//! What a check finds.

use serde::Serialize;

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// A backup, or the only way to it, can be lost by one act: exit code 3.
    Critical,
    /// Protection is thinner than it could be.
    Warning,
    /// Good to know.
    Info,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub severity: Severity,
    /// The check's name, stable over versions.
    pub check: &'static str,
    /// What was found, with the thing's name.
    pub what: String,
    /// The risk; may be empty.
    pub means: String,
    /// The command or step that removes the risk; may be empty.
    pub mend: String,
}

impl Severity {
    /// A finding that is this severe.
    pub(crate) fn finding(
        self,
        check: &'static str,
        what: impl Into<String>,
        means: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            severity: self,
            check,
            what: what.into(),
            means: means.into(),
            mend: mend.into(),
        }
    }
}
