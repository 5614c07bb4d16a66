//! What is protected.

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
