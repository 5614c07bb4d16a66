//! Records of snapshot copies: what a snapshot does not carry, signed and locked like a manifest.

use super::envelope::{self, StatementKind};
use super::handle::{Repository, oldest_first};
use super::layout;
use super::locks::Locks;
use crate::codec::Sealed;
use crate::error::{Error, Kind, Result};
use crate::model::id::Id;
use crate::model::manifest::ObjectRef;
use crate::model::snapshot::SnapshotRecord;
use crate::sign::{Signer, Trust};
use crate::store::ListedObject;

impl Repository {
    /// Signs and stores a record. `Exists` where there is one of this copy.
    pub async fn put_record(
        &self,
        record: &SnapshotRecord,
        signer: &Signer,
        locks: &Locks,
    ) -> Result<ObjectRef> {
        let key = layout::snapshot(&record.source, &record.id)?;
        let (envelope, _) = envelope::wrap(record, StatementKind::Snapshot, signer).await?;
        if envelope.len() as u64 > layout::MAX_RECORD_BYTES {
            return Err(Error::refused(format!(
                "{key} takes {} bytes, more than a reader accepts",
                envelope.len()
            )));
        }
        self.put_confirmed(key, Sealed::unencrypted(envelope), locks, true)
            .await
    }

    /// Whether something lies where the record of a copy belongs; not whether it is sound.
    pub async fn has_record(&self, source: &str, id: &Id) -> Result<bool> {
        let key = layout::snapshot(source, id)?;
        Ok(!self.versions_of(key.as_str()).await?.is_empty())
    }

    /// Reads the record of a copy and checks its signature and its place; the oldest sound version
    /// counts.
    pub async fn record(&self, source: &str, id: &Id, trust: &Trust) -> Result<SnapshotRecord> {
        let key = layout::snapshot(source, id)?;
        let mut first_error = None;
        for version in oldest_first(self.versions_of(key.as_str()).await?) {
            match self.open_record(&version, trust).await {
                Ok(record) => return Ok(record),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("no record of {id} in {}", self.url()),
            )
        }))
    }

    async fn open_record(&self, version: &ListedObject, trust: &Trust) -> Result<SnapshotRecord> {
        let key = &version.key;
        if version.bytes > layout::MAX_RECORD_BYTES {
            return Err(Error::damaged(format!("{key} is too large for a record")));
        }
        let body = self.store.get(key, &version.version, version.bytes).await?;
        let opened = self.open_envelope::<SnapshotRecord>(&body, key, trust);
        let record = opened.await?.body;
        self.check_repository_id(&record.repository, &record.id)
            .await?;
        let home = layout::snapshot(&record.source, &record.id)?;
        if home != *key {
            return Err(Error::new(
                Kind::Untrusted,
                format!("{key} holds the record of another copy, {home}"),
            )
            .hint("somebody moved it; the original lies at the key it names"));
        }
        Ok(record)
    }
}
