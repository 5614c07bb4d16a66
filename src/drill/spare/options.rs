//! What a drill of a snapshot copy is given.

use crate::codec::Identities;
use crate::drill::assertion::Question;
use crate::model::databases::Databases;
use crate::model::id::Id;
use crate::snapshot::WaitLimits;

pub(crate) struct Options {
    /// `None`: the newest that is available.
    pub which: Option<Id>,
    pub source: Option<String>,
    /// Of the backup account, in RDS.
    pub subnet_group: String,
    /// The only security group; it must not allow any egress.
    pub security_group: String,
    /// Instead of the recorded one.
    pub class: Option<String>,
    /// Databases to ask, by source; of other sources all are asked.
    pub databases: Vec<(String, Databases)>,
    pub questions: Vec<Question>,
    /// Open the values that assertions had at earlier drills.
    pub identities: Identities,
    pub limits: WaitLimits,
}
