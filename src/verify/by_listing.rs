//! What an exporter can verify: it may add, list and read locks, and reads nothing back.

use futures_util::{StreamExt, stream};

use super::{HEADS_AT_A_TIME, Verifier};
use crate::error::{Error, Result};
use crate::model::manifest::{ObjectRef, TableParts};
use crate::store::ListedObject;

impl Verifier<'_> {
    /// The signed manifest says how many parts a table has, and their bytes: the listing must show as
    /// many, each locked.
    pub(super) async fn verify_by_listing(
        &mut self,
        table: &TableParts,
        list: &ObjectRef,
    ) -> Result<()> {
        self.report.listed = true;
        let reader = self.reader;
        let mut listing = reader.point.part_listing(list);
        let (mut parts, mut stored_bytes) = (0, 0);
        loop {
            let mut some: Vec<ListedObject> = Vec::with_capacity(HEADS_AT_A_TIME);
            while some.len() < HEADS_AT_A_TIME
                && let Some(part) = listing.next().await?
            {
                some.push(part);
            }
            if some.is_empty() {
                break;
            }
            parts += some.len() as u64;
            stored_bytes += some.iter().map(|part| part.bytes).sum::<u64>();
            let mut looked = stream::iter(some)
                .map(async |part| (reader.point.lock_of(&part).await, part))
                .buffer_unordered(HEADS_AT_A_TIME);
            let mut found = Vec::with_capacity(HEADS_AT_A_TIME);
            while let Some((lock, part)) = looked.next().await {
                found.push((lock?, part));
            }
            drop(looked);
            for (lock, part) in found {
                self.report.looked_at(part.bytes);
                self.progress.advance(part.bytes);
                let finding = reader.unlocked(&part.key, lock);
                self.report.findings.extend(finding);
            }
        }
        if (parts, stored_bytes) != (table.parts, table.stored_bytes) {
            self.report.problem(&Error::damaged(format!(
                "beside {} the manifest says {} parts of {} bytes, listed are {parts} of {stored_bytes}",
                list.key, table.parts, table.stored_bytes
            )));
        }
        Ok(())
    }
}
