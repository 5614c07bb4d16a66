//! `lifeboat snapshot`: copies of RDS snapshots in the backup account. What is where is decided by
//! what AWS says, never by a record of ours.

pub mod copy;
pub mod expire;
pub mod list;
pub mod made;
pub mod names;
pub mod restore;
pub(crate) mod wait;

use std::time::Duration;

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

/// How long things may take that RDS does in its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From one look to the next.
    pub poll: Duration,
    /// One snapshot, copy or restored instance.
    pub wait: Duration,
}
