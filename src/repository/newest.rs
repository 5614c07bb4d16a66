//! The newest restore point that can be trusted.

use std::cmp::Reverse;

use super::handle::Repository;
use super::read::{ListedPoint, RestorePoint};
use crate::error::Result;
use crate::sign::Trust;

impl Repository {
    /// The newest of these that a trusted key signed, with at most `tries` looked at. A forged one must
    /// not hide the others.
    pub async fn newest_trusted(
        &self,
        mut found: Vec<ListedPoint>,
        trust: &Trust,
        tries: usize,
    ) -> Result<Option<RestorePoint>> {
        found.sort_by_key(|one| Reverse(one.order()));
        for one in found.iter().take(tries) {
            match self.open(one, trust).await {
                Ok(point) => return Ok(Some(point)),
                Err(error) if error.affects_every_point() => return Err(error),
                // `status` reports it.
                Err(_) => {}
            }
        }
        Ok(None)
    }
}
