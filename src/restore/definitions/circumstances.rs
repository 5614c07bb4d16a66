//! What a restore was asked for, and where it ran.

use std::collections::BTreeSet;

use crate::model::catalog::LeftOut;
use crate::model::definitions::privileges::Leave;

#[derive(Debug, Default)]
pub(super) struct Circumstances {
    pub same_major: bool,
    /// Both servers know INHERIT and SET of a membership, or neither does.
    pub membership_options: bool,
    /// Where the source is older than 17 and the target is not: there partitions have their root's identity columns.
    pub given_identity: BTreeSet<(String, String)>,
    pub owners: bool,
    pub privileges: bool,
    pub default_privileges: bool,
    /// The database was there: what is set for it is a person's.
    pub into_existing: bool,
    /// The connection limit is set once nothing is missing.
    pub limit_waits: bool,
    /// A person may have mended something since the restore began.
    pub resumed: bool,
    /// All rows: else a foreign key may miss its other table's.
    pub whole: bool,
    /// On request, when it was exported.
    pub left_out: LeftOut,
    pub powerless: bool,
    /// Extensions that the drill's server lacks.
    pub lacking: BTreeSet<String>,
    pub leave: Leave,
    /// Roles whose things stay with the user that restores.
    pub keeps_nothing: BTreeSet<String>,
    /// Roles that are as their own server needs them.
    pub administrators: BTreeSet<String>,
    /// Roles that this restore made: nobody else gave them anything.
    pub created_roles: BTreeSet<String>,
}
