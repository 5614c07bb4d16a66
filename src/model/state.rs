//! How a database stands, in one word.

use serde::Serialize;

use crate::humanize::counted;

/// The worse one is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Ok,
    /// Something a person should look at.
    Findings,
    /// If all were lost now, there would be no backup, or one too old, or one that may be deleted.
    Urgent,
}

impl State {
    /// The words that [`State::as_str`] gives.
    pub(crate) const ALL: [Self; 3] = [Self::Ok, Self::Findings, Self::Urgent];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Findings => "findings",
            Self::Urgent => "urgent",
        }
    }

    /// Where findings say whether they are urgent.
    pub(crate) fn of_findings(urgent: impl IntoIterator<Item = bool>) -> Self {
        let states = urgent.into_iter().map(|urgent| match urgent {
            true => Self::Urgent,
            false => Self::Findings,
        });
        states.max().unwrap_or_default()
    }
}

/// What `--state` left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct NotShown {
    #[serde(rename = "databases_not_shown")]
    pub databases: u64,
    /// Of these: they make the exit code 3, too.
    #[serde(rename = "findings_not_shown")]
    pub findings: u64,
}

impl NotShown {
    /// In words, where it is anything.
    pub(crate) fn line(self) -> Option<String> {
        let databases = counted(self.databases, "database", "databases");
        let findings = counted(self.findings, "finding", "findings");
        (self != Self::default()).then(|| format!("--state leaves out {databases} with {findings}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_urgent_finding_is_enough() {
        assert_eq!(State::of_findings([]), State::Ok);
        assert_eq!(State::of_findings([false]), State::Findings);
        assert_eq!(State::of_findings([false, true, false]), State::Urgent);
    }
}
