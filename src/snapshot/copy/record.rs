//! Keeping the settings that no snapshot carries. A copy without them is a copy: what fails here is
//! a finding.

use super::Records;
use super::job::{Job, Original};
use crate::aws::rds::Snapshot;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::manifest::FORMAT;
use crate::model::snapshot::{Settings, SnapshotRecord, id};
use crate::repository::Locks;

const TOOL: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));

/// Settings as they were read, and whether a record is wanted at all.
pub(super) enum Read {
    /// There is a record of this copy.
    Recorded,
    Settings(Box<Option<Settings>>),
}

impl Job<'_> {
    /// Reads the settings, before anything slow: whoever destroys the instance meanwhile shall not
    /// take them along. A copy that is there with its record needs none.
    pub async fn settings_unless_recorded(&mut self, chosen: Option<&Snapshot>) -> Read {
        let copy = chosen
            .filter(|chosen| chosen.is_available())
            .and_then(|chosen| self.original(chosen.clone()).ok())
            .and_then(|original| {
                let copy = self.copy_of(&original.mark)?;
                Some(id(original.mark.taken_at, &copy.arn))
            });
        if let (Some(id), Ok(records)) = (copy, &self.means.records)
            && let Ok(true) = records.repository.has_record(&self.source.name, &id).await
        {
            return Read::Recorded;
        }
        let rds = &self.sides.source;
        let settings = match rds.settings(self.kind(), &self.source.identifier).await {
            Ok(settings) => Some(settings),
            Err(error) => {
                self.findings.push(format!(
                    "the settings of {} could not be read: {}",
                    self.source.identifier,
                    error.chain()
                ));
                None
            }
        };
        Read::Settings(Box::new(settings))
    }

    /// Signs and stores the record; whether there is one now.
    pub async fn record(&mut self, original: &Original, copy: &Snapshot, read: Read) -> bool {
        let Ok(records) = &self.means.records else {
            return false;
        };
        let Read::Settings(settings) = read else {
            return self.look_at_record(records, original, copy).await;
        };
        match self.put(records, original, copy, *settings).await {
            Ok(()) => true,
            // An earlier run's, or another one's.
            Err(error) if error.kind() == ErrorKind::Exists => {
                self.look_at_record(records, original, copy).await
            }
            Err(error) => {
                self.findings.push(format!(
                    "copied, but the settings could not be recorded (run it again): {}",
                    error.chain()
                ));
                false
            }
        }
    }

    async fn look_at_record(
        &mut self,
        records: &Records<'_>,
        original: &Original,
        copy: &Snapshot,
    ) -> bool {
        let id = id(original.mark.taken_at, &copy.arn);
        let found = records
            .repository
            .record(&self.source.name, &id, records.trust);
        match found.await {
            Ok(record) if record.copy == copy.arn => true,
            Ok(record) => {
                self.findings
                    .push(format!("the record of {id} is of {}", record.copy));
                false
            }
            Err(error) => {
                self.findings
                    .push(format!("the record of {id} is no good: {}", error.chain()));
                false
            }
        }
    }

    async fn put(
        &self,
        records: &Records<'_>,
        original: &Original,
        copy: &Snapshot,
        settings: Option<Settings>,
    ) -> Result<()> {
        let Records {
            repository,
            signer,
            trust,
            ..
        } = records;
        if !trust.pins(signer.fingerprint()) {
            return Err(Error::usage(format!(
                "the signing key's fingerprint {} is not among the trusted ones",
                signer.fingerprint()
            )));
        }
        let marker = repository.marker().await?;
        let posture = repository.posture().await?;
        let now = self.now();
        let locks = Locks::settle(
            records.lock,
            &posture,
            repository.has_locks(),
            now,
            records.max_lock_days,
        )?;
        let record = SnapshotRecord {
            format: FORMAT,
            repository: marker.repository,
            id: id(original.mark.taken_at, &copy.arn),
            source: self.source.name.clone(),
            tool: TOOL.to_owned(),
            kind: self.kind(),
            identifier: self.source.identifier.clone(),
            taken_at: original.mark.taken_at,
            from: original.mark.from.clone(),
            copy: copy.arn.clone(),
            kms_key: copy.kms_key.clone(),
            engine: copy.engine.clone(),
            engine_version: copy.engine_version.clone(),
            allocated_gib: copy.allocated_gib,
            recorded_at: now,
            settings,
        };
        repository
            .put_record(&record, signer, &locks)
            .await
            .map(drop)
    }
}
