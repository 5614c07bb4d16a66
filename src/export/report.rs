//! The report on an export.

use jiff::Timestamp;
use serde::Serialize;

use super::options::Source;
use crate::error::{Error, Kind};
use crate::humanize::{bytes, time};
use crate::model::catalog::NotCoveredNames;
use crate::model::id::Id;
use crate::model::lock::Lock;
use crate::outcome::Outcome;
use crate::quote::quote_ident;

#[derive(Debug, Serialize)]
pub struct Report {
    /// Joins the restore points of this run.
    pub run: Id,
    pub repository: String,
    /// The lock that every object holds at least: the manifest's, which ends two days before the
    /// parts'. `null`: not locked.
    pub lock: Option<Lock>,
    pub databases: Vec<DatabaseReport>,
    pub failures: Vec<Failure>,
    /// Databases whose export was not made, as a day of them would store too much.
    pub skipped: Vec<Skipped>,
    /// Databases of an instance that no export covers.
    pub uncovered: Vec<Uncovered>,
    /// What needs the attention of a person, one line each; any makes the exit code 3.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct DatabaseReport {
    pub source: String,
    pub database: String,
    /// The restore point; `null` after `--dry-run`.
    pub id: Option<Id>,
    pub snapshot_at: Timestamp,
    pub tables: u64,
    pub rows: u64,
    pub large_objects: u64,
    /// Size of the COPY text; an estimate after `--dry-run`.
    pub copy_bytes: u64,
    /// The lock that every object of it holds at least; `null`: not locked, or after `--dry-run`.
    pub lock: Option<Lock>,
    /// Size of all stored objects that it names; `null` after `--dry-run`.
    pub stored_bytes: Option<u64>,
    /// Size of those that this export stored; `null` after `--dry-run`.
    pub stored_anew_bytes: Option<u64>,
    pub parts: u64,
    /// Of these, those that an earlier export stored.
    pub parts_named: u64,
    /// Their stored size.
    pub named_bytes: u64,
    /// What nobody can delete of this database; `null`: nothing is locked, or there is no reuse key.
    pub under_lock: Option<UnderLock>,
    /// After `--dry-run`: what would be named again as far as its rows are still there; `null`: nothing.
    pub nameable: Option<Nameable>,
    pub jobs: usize,
    pub seconds: f64,
    /// How long the snapshot held back vacuum.
    pub snapshot_seconds: f64,
    pub not_covered: Vec<NotCoveredNames>,
    /// What is left out on request.
    pub excluded: Vec<NotCoveredNames>,
    /// After `--dry-run`: what would be read.
    pub plan: Option<Vec<PlannedTable>>,
    /// As in the report on the whole run, but for those that an earlier database told.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct PlannedTable {
    pub table: String,
    /// Heap and TOAST in the source.
    pub table_bytes: u64,
    pub slices: usize,
}

#[derive(Debug, Serialize)]
pub struct Failure {
    pub source: String,
    pub database: Option<String>,
    pub error: String,
    pub hint: String,
    /// Of the error.
    #[serde(skip)]
    pub kind: Kind,
}

/// What the exports of a database stored whose locks have not ended.
#[derive(Debug, PartialEq, Serialize)]
pub struct UnderLock {
    pub bytes: u64,
    /// At the pace of the last days; `null`: there are too few exports yet.
    pub bytes_in_a_month: Option<u64>,
    /// How many seconds show the pace.
    pub pace_seconds: Option<i64>,
    /// Of a month; `null`: `export.gb_month_price` says no price.
    pub cost: Option<f64>,
    pub cost_in_a_month: Option<f64>,
}

/// Parts of an earlier point that are locked for long enough to be named again.
#[derive(Debug, Serialize)]
pub struct Nameable {
    pub base: Id,
    pub parts: u64,
    pub stored_bytes: u64,
}

/// An export that was not made: the last ones show that a day of them would store more than `export.hourly_budget`.
#[derive(Debug, Serialize)]
pub struct Skipped {
    pub source: String,
    pub database: String,
    /// What each of the last two stored of rows, at least.
    pub stored_bytes: u64,
    /// What a day of such exports would store.
    pub day_bytes: u64,
    /// What a day may store.
    pub allowed_bytes: u64,
    /// The same in full exports.
    #[serde(skip)]
    pub budget: u32,
    /// From when on the next one is made.
    pub again_at: Timestamp,
}

impl Skipped {
    pub(super) fn finding(&self) -> String {
        format!(
            "{}/{}: not exported: the last exports stored {} each, which would be {} a day that nobody can delete, and \
             {} are allowed (export.hourly_budget = {}); the next one is made after {}, the first of a day always, and \
             any with --full",
            self.source,
            self.database,
            bytes(self.stored_bytes),
            bytes(self.day_bytes),
            bytes(self.allowed_bytes),
            self.budget,
            time(self.again_at),
        )
    }
}

#[derive(Debug, Serialize)]
pub struct Uncovered {
    pub source: String,
    pub databases: Vec<String>,
}

impl Report {
    pub fn outcome(&self) -> Outcome {
        Outcome::from_counts(self.failures.len(), self.findings.len())
    }

    pub(super) fn new(run: &Id, repository: &str, lock: Option<Lock>) -> Self {
        Self {
            run: run.clone(),
            repository: repository.to_owned(),
            lock,
            databases: Vec::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
            uncovered: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Adds a database. What it shares with earlier ones, such as an old pg_dump, is told once.
    pub(super) fn exported(&mut self, mut database: DatabaseReport) {
        let known = &self.findings;
        database.findings.retain(|one| !known.contains(one));
        // An export that is not the first of its day may be locked for a shorter time.
        if let (Some(lock), Some(shortest)) = (database.lock, &mut self.lock)
            && lock.retain_until < shortest.retain_until
        {
            *shortest = lock;
        }
        self.findings.extend(database.findings.iter().cloned());
        self.databases.push(database);
    }

    pub(super) fn failed(&mut self, source: &str, database: Option<&str>, error: &Error) {
        self.failures.push(Failure {
            source: source.to_owned(),
            database: database.map(str::to_owned),
            error: error.chain(),
            hint: error.advice().to_owned(),
            kind: error.kind(),
        });
    }

    pub(super) fn skipped(&mut self, skipped: Skipped) {
        self.findings.push(skipped.finding());
        self.skipped.push(skipped);
    }

    /// Names the restore points that were committed before the export was stopped.
    pub(super) fn stopped(&self, stopped: Error) -> Error {
        let committed = self.databases.iter().filter_map(|database| {
            let id = database.id.as_ref()?;
            Some(format!("{id} of {}/{}", database.source, database.database))
        });
        let committed: Vec<String> = committed.collect();
        if committed.is_empty() {
            return stopped;
        }
        let what = format!("{stopped}; committed before: {}", committed.join(", "));
        let hint = format!("{}; the committed restore points stay", stopped.advice());
        Error::new(stopped.kind(), what).hint(hint)
    }

    /// A database of an interrupted DROP DATABASE.
    pub(super) fn invalid(&mut self, source: &str, database: &str) {
        self.findings.push(format!(
            "source {source}: database {database} is invalid, as its DROP DATABASE was interrupted: nobody can \
             read it; end the drop with: DROP DATABASE {}",
            quote_ident(database)
        ));
    }

    pub(super) fn uncovered(&mut self, source: &Source, databases: Vec<String>) {
        if databases.is_empty() {
            return;
        }
        if source.uncovered_is_finding {
            let planned = match source.elsewhere.is_empty() {
                true => "",
                false => "; where it came after this run was planned, the next run has it",
            };
            self.findings.push(format!(
                "source {}: no export covers database {}; add it to `databases`; or, with databases = \"all\", to `exclude_databases`{planned}",
                source.name,
                databases.join(", ")
            ));
        }
        self.uncovered.push(Uncovered {
            source: source.name.clone(),
            databases,
        });
    }
}

#[cfg(test)]
impl Report {
    /// Of an export of these databases of a source that committed the point `id` of each.
    pub(crate) fn committed(id: &Id, source: &str, databases: &[&str]) -> Self {
        let mut report = Self::new(id, "/backups", None);
        let committed = databases.iter().map(|name| DatabaseReport {
            source: source.to_owned(),
            ..tests::database(name, Some(id))
        });
        report.databases.extend(committed);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn database(name: &str, id: Option<&Id>) -> DatabaseReport {
        DatabaseReport {
            source: "prod".to_owned(),
            database: name.to_owned(),
            id: id.cloned(),
            snapshot_at: Timestamp::UNIX_EPOCH,
            tables: 0,
            rows: 0,
            large_objects: 0,
            copy_bytes: 0,
            lock: None,
            stored_bytes: None,
            stored_anew_bytes: None,
            parts: 0,
            parts_named: 0,
            named_bytes: 0,
            under_lock: None,
            nameable: None,
            jobs: 1,
            seconds: 0.0,
            snapshot_seconds: 0.0,
            not_covered: Vec::new(),
            excluded: Vec::new(),
            plan: None,
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_stopped_export_names_the_points_it_committed() {
        let id = Id::new(Timestamp::UNIX_EPOCH, 7);
        let mut report = Report::new(&id, "/backups", None);
        let stopped = || Error::new(Kind::Interrupted, "stopped on request");
        report.databases.push(database("planned", None));
        let error = report.stopped(stopped());
        assert_eq!(error.to_string(), "stopped on request");
        assert_eq!(error.advice(), "run the command again");

        report.databases.push(database("courses", Some(&id)));
        report.databases.push(database("users", Some(&id)));
        let error = report.stopped(stopped());
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(
            error.to_string(),
            format!(
                "stopped on request; committed before: {id} of prod/courses, {id} of prod/users"
            )
        );
        assert_eq!(
            error.advice(),
            "run the command again; the committed restore points stay"
        );
    }
}
