//! What the caller knows and the repository does not say.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::codec::Identities;
use crate::model::snapshot::CopyStatus;
use crate::repository::Leftover;

/// What the page shows beside what it reads itself.
pub struct Options {
    /// Only of this source, or of this database.
    pub source: Option<String>,
    pub database: Option<String>,
    /// When all this was found; ages count from it.
    pub now: Timestamp,
    pub limits: Limits,
    /// Databases that have a place on the page, with restore points or without: source and name.
    pub databases: Vec<(String, String)>,
    /// What `status` found.
    pub findings: Vec<String>,
    pub copies: Vec<CopyStatus>,
    pub leftovers: Vec<Leftover>,
    /// They decrypt the values of assertions; none: the page shows only whether assertions held.
    pub identities: Identities,
    /// Recipients' names, as far as the configuration knows them.
    pub recipients: BTreeMap<String, String>,
}

/// What the findings were judged by, and cells are marked by.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub export_age: SignedDuration,
    pub copy_age: SignedDuration,
    pub drill_age: SignedDuration,
}
