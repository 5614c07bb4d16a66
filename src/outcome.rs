//! How a command ended that has something to report.

/// The worse one is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Outcome {
    #[default]
    Done,
    /// Done, but something is stale, unlocked, unproven or left out.
    Findings,
    /// Not done; the report says what is missing.
    Failed,
}

impl Outcome {
    pub fn from_counts(failures: usize, findings: usize) -> Self {
        match (failures, findings) {
            (0, 0) => Self::Done,
            (0, _) => Self::Findings,
            _ => Self::Failed,
        }
    }

    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Findings => 3,
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Findings => "done, with findings",
            Self::Failed => "FAILED",
        }
    }
}
