//! What an exporter can verify: it may add, list and read locks, and reads nothing back.

use std::pin::pin;

use futures_util::{StreamExt, stream};

use super::{HEADS_AT_A_TIME, Verifier};
use crate::error::{Error, Result};
use crate::model::manifest::{ObjectRef, TableParts};

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
        let listing = reader.point.part_listing(list);
        let listed = stream::try_unfold(listing, async |mut listing| {
            Ok(listing.next().await?.map(|part| (part, listing)))
        });
        let looked = listed.map(async |part| {
            let part = part?;
            Ok::<_, Error>((reader.point.lock_of(&part).await?, part))
        });
        let mut looked = pin!(looked.buffer_unordered(HEADS_AT_A_TIME));
        let (mut parts, mut stored_bytes) = (0, 0);
        while let Some(next) = looked.next().await {
            let (lock, part) = next?;
            parts += 1;
            stored_bytes += part.bytes;
            self.looked_at(1, part.bytes);
            let finding = reader.unlocked(&part.key, Some(lock));
            self.report.findings.extend(finding);
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
