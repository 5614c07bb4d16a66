//! What is asked of a restore.

use crate::model::id::Id;
use crate::snapshot::wait::WaitLimits;

pub struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// The new identifier in RDS.
    pub identifier: String,
    /// `None`: the default VPC's.
    pub subnet_group: Option<String>,
    /// Empty: the VPC's default one.
    pub security_groups: Vec<String>,
    /// Instead of the recorded one.
    pub class: Option<String>,
    pub limits: WaitLimits,
    pub dry_run: bool,
}
