//! `lifeboat verify`: re-reads what is stored. Without data: every object is there, as long as it was,
//! locked as it was. With data: every byte is read, and with an identity every row is counted and
//! digested again.

mod by_listing;
mod rows;

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::codec::Identities;
use crate::compute;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::interrupt::Interrupt;
use crate::model::catalog::Catalog;
use crate::model::digest::RowDigest;
use crate::model::id::Key;
use crate::model::lock::{Lock, MANIFEST_LEAD};
use crate::model::manifest::{
    LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, ObjectRef, Part, TableParts, is_large_objects,
    names,
};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::repository::RestorePoint;

use self::rows::{digest_rows, drain};

/// Requests under way where no body is read.
const HEADS_AT_A_TIME: usize = 16;

/// More problems than this are counted, not listed.
const PROBLEMS_LISTED: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Read every stored byte.
    pub data: bool,
    /// Parts read at a time; `None`: one a core.
    pub jobs: Option<usize>,
    /// Locks that ended before are findings.
    pub now: Timestamp,
}

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub source: String,
    pub database: String,
    pub id: String,
    /// Objects looked at, the manifest included.
    pub objects: u64,
    pub stored_bytes: u64,
    /// Whether the export was locked at all.
    pub locked: bool,
    /// Whether every stored byte was read and hashed.
    pub data: bool,
    /// Whether parts were counted by listings: these credentials may not read the lists of them.
    pub listed: bool,
    /// Rows of tables counted and digested again; `null`: no identity was given, or no data was read.
    pub rows: Option<u64>,
    pub seconds: f64,
    /// What is damaged or missing, each with its object; any makes the exit code 1.
    pub problems: Vec<String>,
    pub problems_in_all: u64,
    /// What is sound but not as it should be, such as a lock that is too short; exit code 3.
    pub findings: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.problems.len(), self.findings.len())
    }

    fn problem(&mut self, error: &Error) {
        self.problems_in_all += 1;
        if self.problems.len() < PROBLEMS_LISTED {
            self.problems.push(error.chain());
        }
    }

    fn looked_at(&mut self, bytes: u64) {
        self.objects += 1;
        self.stored_bytes += bytes;
    }
}

/// Verifies a restore point. Damage is in the report; an error is what kept us from looking.
pub async fn verify(
    point: &RestorePoint,
    identities: &Identities,
    options: Options,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Report> {
    let begun = std::time::Instant::now();
    let manifest = &point.manifest;
    let mut verifier = Verifier {
        point,
        identities,
        options,
        progress,
        report: Report {
            source: manifest.source.clone(),
            database: manifest.database.clone(),
            id: manifest.id.to_string(),
            locked: manifest.lock.is_some(),
            data: options.data,
            ..Report::default()
        },
    };
    progress.phase("stored objects", Some(manifest.stored_bytes()));
    let catalog = verifier.objects().await?;
    for table in &manifest.tables {
        interrupt.check()?;
        let verified = verifier.table(table, catalog.as_ref());
        interrupt.or(verified).await?;
    }
    verifier.unlisted(catalog.as_ref())?;
    let mut report = verifier.report;
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

struct Verifier<'a> {
    point: &'a RestorePoint,
    identities: &'a Identities,
    options: Options,
    progress: &'a dyn Progress,
    report: Report,
}

impl Verifier<'_> {
    /// All that is neither part nor part list; returns the catalog where it can be opened.
    async fn objects(&mut self) -> Result<Option<Catalog>> {
        let point = self.point;
        for object in std::iter::once(&point.manifest_ref).chain(&point.manifest.objects) {
            let done = self.stored(object).await;
            self.note(object, done)?;
        }
        if !self.options.data || self.identities.is_empty() {
            return Ok(None);
        }
        self.report.rows = Some(0);
        for object in &point.manifest.objects {
            let name = object.key.name();
            if name.ends_with(".age") && name != names::CATALOG {
                let read = async {
                    let plain = point.open_object(name, self.identities).await?;
                    compute::on_own_thread(move || drain(plain)).await?
                };
                if let Err(error) = read
                    .await
                    .context(|| format!("{} does not open", object.key))
                {
                    self.problem_or_fail(error)?;
                }
            }
        }
        match point.catalog(self.identities).await {
            Ok(catalog) => Ok(Some(catalog)),
            Err(error) => {
                self.problem_or_fail(error)?;
                Ok(None)
            }
        }
    }

    async fn table(&mut self, table: &TableParts, catalog: Option<&Catalog>) -> Result<()> {
        let Some(list) = &table.list else {
            return self.compare(table, catalog, RowDigest::default());
        };
        let done = self.stored(list).await;
        let known = done.is_err();
        self.note(list, done)?;
        // A list that does not read leaves nothing to look at.
        let parts = match self.point.parts(table).await {
            Ok(parts) => parts,
            Err(_) if known => return Ok(()),
            Err(error) if error.kind() == Kind::Denied && !self.options.data => {
                return self.verify_by_listing(table).await;
            }
            Err(error) => return self.problem_or_fail(error),
        };
        let (point, options, identities) = (self.point, self.options, self.identities);
        let jobs = if options.data {
            options.jobs.unwrap_or_else(compute::cores)
        } else {
            HEADS_AT_A_TIME
        };
        let open = catalog.is_some();
        let mut verified = stream::iter(parts)
            .map(|part| async move {
                let part = part?;
                let digest = verify_part(point, identities, options, open, &part).await;
                Ok::<_, Error>((part, digest))
            })
            .buffer_unordered(jobs.max(1));
        let (mut whole, mut sound) = (RowDigest::default(), true);
        while let Some(next) = verified.next().await {
            let (part, done) = match next {
                Ok(next) => next,
                Err(error) => {
                    self.problem_or_fail(error)?;
                    sound = false;
                    continue;
                }
            };
            let digest = done
                .as_ref()
                .map_or(RowDigest::default(), |done| done.digest);
            sound &= done.is_ok();
            whole.merge(digest);
            self.note(&part.object, done.map(|done| done.finding))?;
        }
        if sound {
            self.compare(table, catalog, whole)
        } else {
            Ok(())
        }
    }

    /// Rows as counted and digested again, against the sealed catalog and the manifest.
    fn compare(
        &mut self,
        table: &TableParts,
        catalog: Option<&Catalog>,
        found: RowDigest,
    ) -> Result<()> {
        let Some(catalog) = catalog else {
            return Ok(());
        };
        if let Some(rows) = &mut self.report.rows
            && !is_large_objects(table.oid)
        {
            *rows += found.rows;
        }
        let (name, expected) = match table.oid {
            LARGE_OBJECT_PAGES => (
                "large objects".to_owned(),
                Some(catalog.large_objects.pages),
            ),
            LARGE_OBJECT_PROPERTIES => (
                "large objects' properties".to_owned(),
                Some(catalog.large_objects.properties),
            ),
            oid => {
                let table = catalog.tables.iter().find(|table| table.oid == oid);
                let name = table.map_or_else(|| oid.to_string(), |table| table.name.to_string());
                (name, table.map(|table| table.digest))
            }
        };
        let Some(expected) = expected else {
            self.report.problem(&Error::damaged(format!(
                "the catalog knows no table {name}"
            )));
            return Ok(());
        };
        if found != expected || found.rows != table.rows {
            self.report.problem(&Error::damaged(format!(
                "{name}: {} rows with digest {:032x} were exported, stored are {} with {:032x}",
                expected.rows, expected.sum, found.rows, found.sum
            )));
        }
        Ok(())
    }

    /// What the catalog knows and the manifest does not list must have had no rows.
    fn unlisted(&mut self, catalog: Option<&Catalog>) -> Result<()> {
        let Some(catalog) = catalog else {
            return Ok(());
        };
        let large_objects = [LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES];
        let known = catalog.tables.iter().map(|table| table.oid);
        let listed: BTreeSet<u32> = self.point.manifest.tables.iter().map(|t| t.oid).collect();
        for oid in known.chain(large_objects) {
            if !listed.contains(&oid) {
                let nothing = TableParts {
                    oid,
                    ..TableParts::default()
                };
                self.compare(&nothing, Some(catalog), RowDigest::default())?;
            }
        }
        Ok(())
    }

    /// One object that is not a part.
    async fn stored(&self, object: &ObjectRef) -> Result<Option<String>> {
        let finding = look(self.point, object, self.options).await?;
        if self.options.data {
            self.point.fetch(object).await?;
        }
        Ok(finding)
    }

    fn note(&mut self, object: &ObjectRef, done: Result<Option<String>>) -> Result<()> {
        self.report.looked_at(object.bytes);
        self.progress.advance(object.bytes);
        match done {
            Ok(finding) => {
                self.report.findings.extend(finding);
                Ok(())
            }
            Err(error) => self.problem_or_fail(error),
        }
    }

    /// What is damaged or gone is what we came to find; a store that does not answer is not.
    fn problem_or_fail(&mut self, error: Error) -> Result<()> {
        match error.kind() {
            Kind::Damaged | Kind::NotFound => {
                self.report.problem(&error);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// What one part turned out to be.
struct Verified {
    digest: RowDigest,
    finding: Option<String>,
}

async fn verify_part(
    point: &RestorePoint,
    identities: &Identities,
    options: Options,
    open: bool,
    part: &Part,
) -> Result<Verified> {
    let object = &part.object;
    let finding = look(point, object, options).await?;
    let mut digest = RowDigest::default();
    if options.data {
        let stored = point.fetch(object).await?;
        if open {
            let identities = identities.clone();
            let (rows, copy_bytes) = (part.rows, part.copy_bytes);
            let read = compute::on_own_thread(move || {
                let plain = identities.open_compressed(stored)?;
                digest_rows(plain, rows, copy_bytes)
            });
            digest = read
                .await?
                .context(|| format!("{} is damaged", object.key))?;
        }
    }
    Ok(Verified { digest, finding })
}

/// Size, checksum and lock as the store reports them; a lock shorter than promised is a finding.
async fn look(
    point: &RestorePoint,
    object: &ObjectRef,
    options: Options,
) -> Result<Option<String>> {
    if options.data && point.manifest.lock.is_none() {
        // The bytes themselves are about to be read: there is nothing else to ask for.
        return Ok(None);
    }
    let head = point.head(object).await?;
    if head.bytes != object.bytes || head.sha256.is_some_and(|sha256| sha256 != object.sha256) {
        return Err(Error::damaged(format!(
            "{} is damaged: the manifest says {} bytes with SHA-256 {}, the store says {} bytes{}",
            object.key,
            object.bytes,
            object.sha256,
            head.bytes,
            head.sha256
                .map_or_else(String::new, |sha256| format!(" with {sha256}")),
        )));
    }
    Ok(unlocked(point, &object.key, head.lock, options.now))
}

/// What is wrong with an object's lock.
fn unlocked(point: &RestorePoint, key: &Key, lock: Option<Lock>, now: Timestamp) -> Option<String> {
    let mut promised = point.manifest.lock?;
    if *key == point.manifest_ref.key {
        // The manifest's own lock ends earlier.
        promised.retain_until -= MANIFEST_LEAD;
    }
    match lock {
        Some(lock) if lock.retain_until <= now => Some(format!(
            "{key} is not protected any more: its lock ended {}",
            lock.retain_until
        )),
        Some(lock) if lock.covers(&promised) => None,
        Some(lock) => Some(format!(
            "{key} is locked {} until {}, promised was {} until {}",
            lock.mode, lock.retain_until, promised.mode, promised.retain_until
        )),
        None => Some(format!("{key} is not locked any more")),
    }
}
