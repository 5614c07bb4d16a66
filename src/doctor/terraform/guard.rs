//! Arguments of Terraform that guard databases and buckets.

use super::protected::Kind;
use crate::doctor::finding::Severity;

/// An argument that is true or false.
pub(super) struct Guard {
    pub kind: Kind,
    pub attribute: &'static str,
    /// The value without protection.
    pub off: bool,
    pub severity: Severity,
    /// The risk where a plan switches it off.
    pub plan_means: &'static str,
    /// The risk where it is off in a state.
    pub state_means: &'static str,
    pub mend: &'static str,
}

impl Guard {
    /// `deletion_protection = false`
    pub(super) fn setting(&self) -> String {
        format!("{} = {}", self.attribute, self.off)
    }
}

pub(super) const GUARDS: [Guard; 4] = [
    Guard {
        kind: Kind::Database,
        attribute: "deletion_protection",
        off: false,
        severity: Severity::Critical,
        plan_means: "the next plan can destroy it",
        state_means: "a plan that destroys it is carried out",
        mend: "deletion_protection = true",
    },
    Guard {
        kind: Kind::Database,
        attribute: "skip_final_snapshot",
        off: true,
        severity: Severity::Warning,
        plan_means: "destroying it leaves nothing",
        state_means: "destroying it leaves no snapshot",
        mend: "skip_final_snapshot = false, and a final_snapshot_identifier",
    },
    Guard {
        kind: Kind::Database,
        attribute: "delete_automated_backups",
        off: true,
        severity: Severity::Warning,
        plan_means: "destroying it takes its automated snapshots along",
        state_means: "destroying it takes its automated snapshots along",
        mend: "delete_automated_backups = false; true is the default",
    },
    Guard {
        kind: Kind::Bucket,
        attribute: "force_destroy",
        off: true,
        severity: Severity::Critical,
        plan_means: "destroying the bucket empties it first",
        state_means: "destroying it empties it first",
        mend: "force_destroy = false",
    },
];
