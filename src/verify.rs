//! `lifeboat verify`: re-reads what is stored. Without data: every object is there, as long as it was,
//! locked as it was. With data: every byte is read, and with an identity every row is counted and
//! digested again.

mod by_listing;
mod by_state;
mod reader;
mod rows;
mod seen;

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::codec::Identities;
use crate::compute;
use crate::context::Context;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::catalog::Catalog;
use crate::model::digest::RowDigest;
use crate::model::manifest::{
    LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES, ObjectRef, TableParts, is_large_objects, names,
};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::repository::{PartListReader, RestorePoint, State};

use self::reader::Reader;
use self::rows::drain;
use self::seen::Looked;
pub use self::seen::Seen;

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
    /// Whether parts were taken from the point's state or counted by listings: these credentials may not read the lists
    /// of them.
    pub listed: bool,
    /// Rows of tables counted and digested again; `null`: no identity was given, or no data was read.
    pub rows: Option<u64>,
    pub seconds: f64,
    /// What is damaged or missing, each with its object; any makes the exit code 1.
    pub problems: Vec<String>,
    pub problems_in_all: u64,
    /// What is sound but not as it should be, such as a lock that is too short; exit code 3.
    pub findings: Vec<String>,
    /// The key of the signed statement on the damage, which `prove` stores: the next export then names nothing of it.
    pub attestation: Option<String>,
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
}

/// Verifies a restore point. Damage is in the report; an error is what kept us from looking.
pub async fn verify(
    point: &RestorePoint,
    identities: &Identities,
    options: Options,
    context: Context<'_>,
) -> Result<Report> {
    verify_beside(point, identities, options, None, context).await
}

/// The same of one among several points of a database: what was `seen` with an earlier one is not read again.
pub async fn verify_beside(
    point: &RestorePoint,
    identities: &Identities,
    options: Options,
    seen: Option<&Seen>,
    context: Context<'_>,
) -> Result<Report> {
    let begun = std::time::Instant::now();
    point.check_requirements()?;
    let manifest = &point.manifest;
    let reader = Reader {
        point,
        identities,
        data: options.data,
        now: context.clock.now(),
        seen,
    };
    let mut verifier = Verifier {
        reader,
        jobs: match options.data {
            true => options.jobs.unwrap_or_else(compute::cores).max(1),
            false => HEADS_AT_A_TIME,
        },
        progress: context.progress,
        state: None,
        report: Report {
            source: manifest.source.clone(),
            database: manifest.database.clone(),
            id: manifest.id.to_string(),
            locked: manifest.lock.is_some(),
            data: options.data,
            ..Report::default()
        },
    };
    let (progress, interrupt) = (context.progress, context.interrupt);
    progress.phase("stored objects", Some(manifest.stored_bytes()));
    let catalog = verifier.objects().await?;
    for table in &manifest.tables {
        interrupt.check()?;
        let verified = verifier.table(table, catalog.as_ref());
        interrupt.or(verified).await?;
    }
    verifier.unlisted(catalog.as_ref());
    let mut report = verifier.report;
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

struct Verifier<'a> {
    reader: Reader<'a>,
    /// Parts looked at or read at a time.
    jobs: usize,
    progress: &'a dyn Progress,
    /// Once it is needed; `Some(None)`: the point has none.
    state: Option<Option<State>>,
    report: Report,
}

impl Verifier<'_> {
    /// All that is neither part nor part list; returns the catalog where it can be opened.
    async fn objects(&mut self) -> Result<Option<Catalog>> {
        let Reader {
            point, identities, ..
        } = self.reader;
        let others = point.manifest.other_objects();
        for object in std::iter::once(&point.manifest_ref).chain(others) {
            let done = self.reader.stored(object).await;
            self.note(object, done)?;
        }
        if !self.reader.data || identities.is_empty() {
            return Ok(None);
        }
        self.report.rows = Some(0);
        for object in &point.manifest.objects {
            let name = object.key.name();
            if name.ends_with(".age") && name != names::CATALOG {
                let read = async {
                    let plain = point.open_object(name, identities).await?;
                    compute::on_own_thread(move || drain(plain)).await?
                };
                let read = read.await;
                self.sound(read.context(|| format!("{} does not open", object.key)))?;
            }
        }
        self.sound(point.catalog(identities).await)
    }

    async fn table(&mut self, table: &TableParts, catalog: Option<&Catalog>) -> Result<()> {
        let Some(list) = &table.list else {
            self.compare(table, catalog, RowDigest::default());
            return Ok(());
        };
        let (reader, open) = (self.reader, catalog.is_some());
        if let Some(digest) = reader.known_whole(table, list, open) {
            self.looked_at(1 + table.parts, list.bytes + table.stored_bytes);
            self.compare(table, catalog, digest);
            return Ok(());
        }
        if self.state.is_some() {
            return self.without_list(table, list).await;
        }
        let done = reader.stored(list).await;
        let (known, mut whole) = (done.is_err(), *done.as_ref().unwrap_or(&Looked::default()));
        // A list that does not read leaves nothing to look at.
        let parts = match reader.point.parts(table).await {
            Err(error) if error.kind() == Kind::Denied && !reader.data => {
                return self.without_list(table, list).await;
            }
            parts => parts,
        };
        self.note(list, done)?;
        let parts = match parts {
            Err(_) if known => return Ok(()),
            parts => self.sound(parts)?,
        };
        let Some(parts) = parts else { return Ok(()) };
        let sound = self.parts(parts, open, &mut whole).await?;
        if sound && !known {
            reader.note_whole(table, list, open, whole);
            self.compare(table, catalog, whole.digest);
        }
        Ok(())
    }

    /// Adds the parts to `whole`; whether all are sound.
    async fn parts(
        &mut self,
        parts: PartListReader,
        open: bool,
        whole: &mut Looked,
    ) -> Result<bool> {
        let (reader, mut sound) = (self.reader, true);
        let mut verified = stream::iter(parts)
            .map(|part| async move {
                let part = part?;
                let done = reader.part(&part, open).await;
                Ok::<_, Error>((part, done))
            })
            .buffer_unordered(self.jobs);
        while let Some(next) = verified.next().await {
            let Some((part, done)) = self.sound(next)? else {
                sound = false;
                continue;
            };
            match &done {
                Ok(looked) => whole.add(*looked),
                Err(_) => sound = false,
            }
            self.note(&part.object, done)?;
        }
        Ok(sound)
    }

    /// Rows as counted and digested again, against the sealed catalog and the manifest.
    fn compare(&mut self, table: &TableParts, catalog: Option<&Catalog>, found: RowDigest) {
        let Some(catalog) = catalog else { return };
        if let Some(rows) = &mut self.report.rows
            && !is_large_objects(table.oid)
        {
            *rows += found.rows;
        }
        let large_objects = &catalog.large_objects;
        let (name, expected) = match table.oid {
            LARGE_OBJECT_PAGES => ("large objects".to_owned(), Some(large_objects.pages)),
            LARGE_OBJECT_PROPERTIES => {
                let name = "large objects' properties".to_owned();
                (name, Some(large_objects.properties))
            }
            oid => {
                let table = catalog.tables.iter().find(|table| table.oid == oid);
                let name = table.map_or_else(|| oid.to_string(), |table| table.name.to_string());
                (name, table.map(|table| table.digest))
            }
        };
        let problem = match expected {
            None => format!("the catalog knows no table {name}"),
            Some(expected) if found == expected && found.rows == table.rows => return,
            Some(expected) => format!(
                "{name}: {} rows with digest {:032x} were exported, stored are {} with {:032x}",
                expected.rows, expected.sum, found.rows, found.sum
            ),
        };
        self.report.problem(&Error::damaged(problem));
    }

    /// What the catalog knows and the manifest does not list must have had no rows.
    fn unlisted(&mut self, catalog: Option<&Catalog>) {
        let tables = &self.reader.point.manifest.tables;
        let listed: BTreeSet<u32> = tables.iter().map(|table| table.oid).collect();
        let known = catalog.into_iter().flat_map(|catalog| &catalog.tables);
        let known = known.map(|table| table.oid);
        for oid in known.chain([LARGE_OBJECT_PAGES, LARGE_OBJECT_PROPERTIES]) {
            if !listed.contains(&oid) {
                let nothing = TableParts {
                    oid,
                    ..TableParts::default()
                };
                self.compare(&nothing, catalog, RowDigest::default());
            }
        }
    }

    fn note(&mut self, object: &ObjectRef, done: Result<Looked>) -> Result<()> {
        self.looked_at(1, object.bytes);
        if let Some(looked) = self.sound(done)? {
            let finding = self.reader.unlocked(&object.key, looked.lock);
            self.report.findings.extend(finding);
        }
        Ok(())
    }

    fn looked_at(&mut self, objects: u64, bytes: u64) {
        self.report.objects += objects;
        self.report.stored_bytes += bytes;
        self.progress.advance(bytes);
    }

    /// `None`: it is damaged or gone, which is what we came to find. A store that does not answer is
    /// an error.
    fn sound<T>(&mut self, done: Result<T>) -> Result<Option<T>> {
        match done {
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::NotFound) => {
                self.report.problem(&error);
                Ok(None)
            }
            done => done.map(Some),
        }
    }
}
