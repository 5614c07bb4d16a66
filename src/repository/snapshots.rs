//! Records of snapshot copies: what a snapshot does not carry, signed and locked like a manifest.

use super::envelope;
use super::handle::{Repository, oldest_first, oldest_sound};
use super::layout;
use super::locks::Locks;
use crate::error::{Error, Result};
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
        let envelope = envelope::wrap(&key, record, signer).await?;
        self.put_confirmed(key, envelope, locks, true).await
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
        let versions = oldest_first(self.versions_of(key.as_str()).await?);
        let found = oldest_sound(&versions, async |version| {
            self.open_record(version, trust).await
        });
        found.await?.ok_or_else(|| {
            let what = format!("no record of {id} in {}", self.url());
            Error::not_found(what)
        })
    }

    async fn open_record(&self, version: &ListedObject, trust: &Trust) -> Result<SnapshotRecord> {
        let key = &version.key;
        let record: SnapshotRecord = self.open_signed(version, trust).await?.body;
        self.check_repository_id(&record.repository, &record.id)
            .await?;
        let home = layout::snapshot(&record.source, &record.id)?;
        if home != *key {
            return Err(Error::untrusted(format!(
                "{key} holds the record of another copy, {home}"
            ))
            .hint("somebody moved it; the original lies at the key it names"));
        }
        Ok(record)
    }
}
