//! What is settled once, before the first database.

use jiff::Timestamp;

use super::options::{Keys, Options};
use crate::context::Context;
use crate::error::Result;
use crate::model::id::Id;
use crate::model::keys::KeyRing;
use crate::random;
use crate::repository::{Locks, Marker, Repository};

/// One run over all databases, with what was settled before the first of them.
pub(super) struct Run<'a> {
    pub repository: &'a Repository,
    pub keys: Keys<'a>,
    pub context: Context<'a>,
    pub options: &'a Options,
    pub id: Id,
    pub marker: Marker,
    pub key_ring: KeyRing,
    pub locks: Locks,
    pub jobs: usize,
}

pub(super) fn new_id(now: Timestamp) -> Result<Id> {
    Ok(Id::new(now, u32::from_ne_bytes(random::bytes()?)))
}
