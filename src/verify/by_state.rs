//! What an exporter can verify of a point that may name parts of other points: its state lists them all, and an exporter
//! may read that.

use futures_util::{StreamExt, stream};

use super::seen::Looked;
use super::{HEADS_AT_A_TIME, Verifier};
use crate::error::{Error, Result};
use crate::model::digest::RowDigest;
use crate::model::manifest::{ObjectRef, TableParts};
use crate::repository::State;

impl Verifier<'_> {
    /// Looks at the parts of a table whose list may not be read.
    pub(super) async fn without_list(
        &mut self,
        table: &TableParts,
        list: &ObjectRef,
    ) -> Result<()> {
        let state = match self.state.take() {
            Some(state) => state,
            None => {
                let read = self.reader.point.state().await;
                let state = self.sound(read)?.flatten();
                if state.is_none() && !self.reader.point.manifest.parts_from.is_empty() {
                    let id = &self.reader.point.manifest.id;
                    self.report.findings.push(format!(
                        "parts of {id} were not looked at: these credentials may not read the lists of them"
                    ));
                }
                state
            }
        };
        let done = self.reader.stored(list).await;
        self.note(list, done)?;
        let verified = match &state {
            Some(state) => self.verify_by_state(table, state).await,
            // What names no part of others has all of them beside their list.
            None if self.reader.point.manifest.parts_from.is_empty() => {
                self.verify_by_listing(table, list).await
            }
            None => Ok(()),
        };
        self.state = Some(state);
        verified
    }

    async fn verify_by_state(&mut self, table: &TableParts, state: &State) -> Result<()> {
        self.report.listed = true;
        let reader = self.reader;
        let (mut parts, mut stored_bytes) = (0, 0);
        let mut asked = Vec::new();
        for part in state.parts_of(table.oid) {
            let object = part?.object;
            parts += 1;
            stored_bytes += object.bytes;
            asked.push(object);
        }
        let looked = stream::iter(asked).map(async |object| {
            let lock = reader.look(&object).await;
            let digest = RowDigest::default();
            (object, lock.map(|lock| Looked { digest, lock }))
        });
        let mut looked = std::pin::pin!(looked.buffer_unordered(HEADS_AT_A_TIME));
        while let Some((object, done)) = looked.next().await {
            self.note(&object, done)?;
        }
        if (parts, stored_bytes) != (table.parts, table.stored_bytes) {
            self.report.problem(&Error::damaged(format!(
                "of table {} the manifest says {} parts of {} bytes, its state {parts} of {stored_bytes}",
                table.oid, table.parts, table.stored_bytes
            )));
        }
        Ok(())
    }
}
