//! `lifeboat snapshot`: copies of RDS snapshots in the backup account. AWS says which copies exist; no
//! record of ours does.

pub(crate) mod copy;
pub(crate) mod creation;
pub(crate) mod expire;
pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod restore;
pub(crate) mod wait;

pub use wait::WaitLimits;

use crate::model::snapshot::Kind;

/// An instance or cluster whose snapshots are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it appears in keys and tags.
    pub name: String,
    pub kind: Kind,
    /// In RDS, lower case.
    pub identifier: String,
}
