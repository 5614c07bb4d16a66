//! Records the settings that no snapshot carries. A copy without them is a copy: what fails here is a
//! finding.

use super::job::{Job, SourceSnapshot};
use super::options::RecordWriter;
use crate::aws::rds::Snapshot;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::manifest::FORMAT;
use crate::model::snapshot::{Settings, SnapshotRecord, id};
use crate::repository::Locks;

const TOOL: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));

/// What is to be recorded of a copy.
pub(super) enum ToRecord {
    /// Nothing: there is a record of this copy.
    Nothing,
    /// `None`: the settings could not be read.
    Settings(Box<Option<Settings>>),
}

impl Job<'_> {
    /// Reads the settings, before anything slow: the instance may be destroyed meanwhile. A copy that is
    /// there with its record needs none.
    pub(super) async fn settings_unless_recorded(&mut self, chosen: Option<&Snapshot>) -> ToRecord {
        let copy = chosen
            .filter(|chosen| chosen.is_available())
            .and_then(|chosen| self.original(chosen.clone()).ok())
            .and_then(|original| {
                let copy = self.copy_of(&original.origin)?;
                Some(id(original.origin.taken_at, &copy.arn))
            });
        if let (Some(id), Some(records)) = (copy, self.records)
            && let Ok(true) = records.repository.has_record(&self.source.name, &id).await
        {
            return ToRecord::Nothing;
        }
        let rds = &self.clients.source;
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
        ToRecord::Settings(Box::new(settings))
    }

    /// Signs and stores the record; whether there is one now.
    pub(super) async fn record(
        &mut self,
        original: &SourceSnapshot,
        copy: &Snapshot,
        to_record: ToRecord,
    ) -> bool {
        let Some(records) = self.records else {
            return false;
        };
        let ToRecord::Settings(settings) = to_record else {
            return self.check_record(records, original, copy).await;
        };
        match self.put(records, original, copy, *settings).await {
            Ok(()) => true,
            // An earlier run's, or another one's.
            Err(error) if error.kind() == ErrorKind::Exists => {
                self.check_record(records, original, copy).await
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

    async fn check_record(
        &mut self,
        records: &RecordWriter<'_>,
        original: &SourceSnapshot,
        copy: &Snapshot,
    ) -> bool {
        let id = id(original.origin.taken_at, &copy.arn);
        let found = records
            .repository
            .record(&self.source.name, &id, records.trust);
        let wrong = match found.await {
            Ok(record) if record.copy == copy.arn => return true,
            Ok(record) => format!("the record of {id} is of {}", record.copy),
            Err(error) => format!("the record of {id} is no good: {}", error.chain()),
        };
        self.findings.push(wrong);
        false
    }

    async fn put(
        &self,
        records: &RecordWriter<'_>,
        original: &SourceSnapshot,
        copy: &Snapshot,
        settings: Option<Settings>,
    ) -> Result<()> {
        let (repository, signer) = (records.repository, records.signer);
        let fingerprint = signer.fingerprint();
        if !records.trust.pins(fingerprint) {
            return Err(Error::usage(format!(
                "the signing key's fingerprint {fingerprint} is not among the trusted ones"
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
            id: id(original.origin.taken_at, &copy.arn),
            source: self.source.name.clone(),
            tool: TOOL.to_owned(),
            kind: self.kind(),
            identifier: self.source.identifier.clone(),
            taken_at: original.origin.taken_at,
            from: original.origin.from.clone(),
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
