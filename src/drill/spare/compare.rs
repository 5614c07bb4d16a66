//! Compares the copy with the export nearest in time, table by table. A digest says whether rows are equal,
//! not how many differ: what writes between the two do not explain shows by counts alone.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::export::{Export, Nearest};
use super::job::{APPLICATION, SpareDrill};
use super::report::{Compared, Report};
use crate::compute::default_jobs;
use crate::error::{Error, Kind, Result};
use crate::humanize::{counted, first_names, rough};
use crate::model::catalog::{Name, Table};
use crate::model::digest::RowDigest;
use crate::model::finding::Finding;
use crate::pg::connect::server::Server;
use crate::pg::session::pool::Sessions;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::{self, SourceTable};
use crate::pg::target::read_back;

/// Names that a finding about several tables shows.
const NAMES: usize = 5;

/// A table of the export, and the same one of the copy.
struct Pair<'a> {
    exported: &'a Table,
    /// As the copy has it, whose condition it is then: no SQL of the export runs here. Without generated
    /// columns, whose values are not compared.
    found: Table,
    /// Empty until it was read.
    rows: OnceCell<Result<Rows>>,
}

/// What a table of the copy holds.
struct Rows {
    count: u64,
    /// To those of the export.
    equal: bool,
}

impl SpareDrill<'_> {
    /// Compares each database. Nothing that comes of it makes the drill fail.
    pub(super) async fn compare(&self, server: &Server, report: &mut Report) {
        let began = Instant::now();
        for database in report.databases.clone() {
            let server = server.with_database(&database);
            let left = self.options.time_limit.saturating_sub(began.elapsed());
            let compared = match self.compare_one(&server, left, report).await {
                Ok(compared) => compared,
                Err(error) => {
                    report.finding(&comparing(&database), &error);
                    Compared::nothing(&database, error.chain())
                }
            };
            report.compared.push(compared);
        }
    }

    async fn compare_one(
        &self,
        server: &Server,
        limit: Duration,
        report: &mut Report,
    ) -> Result<Compared> {
        let database = server.database.as_str();
        let progress = self.creation.context.progress;
        progress.phase(&comparing(database), None);
        let export = match self.nearest_export(database).await? {
            Nearest::Found(export) => export,
            Nearest::None(why) => return Ok(Compared::nothing(database, why)),
        };
        let mut server = server.clone();
        server.names_are_bytes = Some(export.catalog.database.names_are_bytes);
        let session = Session::connect(&server, APPLICATION, Purpose::Read).await?;
        let found = catalog::read_tables(&session, &BTreeSet::new()).await?;
        session.close().await;
        let mut comparison = Comparison::new(&export, database, self.options.within_percent);
        let pairs = comparison.pair(found);
        let ended = match timeout(limit, read(&server, &pairs)).await {
            Ok(ended) => ended,
            Err(_) => Err(out_of_time(self.options.time_limit)),
        };
        for pair in pairs {
            comparison.judge(pair);
        }
        Ok(comparison.finish(ended, report))
    }
}

fn comparing(database: &str) -> String {
    format!("comparing {database}")
}

fn out_of_time(limit: Duration) -> Error {
    let limit = rough(limit);
    Error::failed(format!(
        "it did not end within {limit}; [drill] time_limit gives it more"
    ))
}

/// Reads the tables. One that cannot be read does not keep the others from it; a lost server does.
async fn read(server: &Server, pairs: &[Pair<'_>]) -> Result<()> {
    let sessions = Sessions {
        server,
        application: APPLICATION.to_owned(),
        purpose: Purpose::Read,
        count: default_jobs(),
    };
    let read = async |session: &Session, pair: &Pair<'_>| {
        match rows(session, pair).await {
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            rows => pair.rows.get_or_init(|| rows),
        };
        Ok(())
    };
    sessions.for_each(pairs.iter().collect(), read).await?;
    Ok(())
}

/// Counts, and reads the rows again only where there are as many as were exported.
async fn rows(session: &Session, pair: &Pair<'_>) -> Result<Rows> {
    let (exported, table) = (pair.exported, &pair.found);
    let count = read_back::count(session, table).await?;
    let mut equal = count == exported.digest.rows && table.columns == exported.columns;
    if equal {
        let what = format!("table {}", table.name);
        let mut digest = RowDigest::default();
        for sql in read_back::slices(table, 0, &session.server_encoding) {
            let read = read_back::digest(session, &sql, table.row_shape(), &what);
            digest.merge(read.await?.rows);
        }
        equal = digest == exported.digest;
    }
    Ok(Rows { count, equal })
}

/// The comparison of one database.
struct Comparison<'a> {
    export: &'a Export,
    within_percent: f64,
    compared: Compared,
    findings: Vec<Finding>,
    /// Tables that the master user may not read.
    denied: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn new(export: &'a Export, database: &str, within_percent: f64) -> Self {
        Self {
            export,
            within_percent,
            compared: Compared {
                export: Some(export.id.clone()),
                export_at: Some(export.snapshot_at),
                ..Compared::new(database)
            },
            findings: Vec::new(),
            denied: Vec::new(),
        }
    }

    /// The tables that both have, the largest first.
    fn pair(&mut self, found: Vec<SourceTable>) -> Vec<Pair<'a>> {
        let by_name = |one: SourceTable| (one.table.name.clone(), one);
        let mut found: BTreeMap<Name, SourceTable> = found.into_iter().map(by_name).collect();
        let mut pairs = Vec::new();
        for exported in &self.export.catalog.tables {
            let name = &exported.name;
            match found.remove(name) {
                None => {
                    let (rows, id) = (exported.digest.rows, &self.export.id);
                    self.finding(
                        name,
                        format!("it is missing, and its {rows} rows of export {id}"),
                    );
                }
                // A snapshot starts as a server does that has crashed.
                Some(one) if one.unlogged => {
                    self.leave_out(name, "unlogged: a snapshot has no rows of it")
                }
                Some(_) if self.export.catalog.left_out.rows.contains(name) => {
                    self.leave_out(name, "its rows are left out of the export on request");
                }
                Some(one) if one.partitioned => self.leave_out(name, "partitioned since"),
                Some(one) => pairs.push(Pair {
                    exported,
                    found: Table {
                        generated: Vec::new(),
                        ..one.table
                    },
                    rows: OnceCell::new(),
                }),
            }
        }
        pairs.sort_by_key(|pair| Reverse(pair.found.table_bytes));
        pairs
    }

    fn judge(&mut self, pair: Pair<'_>) {
        let name = &pair.exported.name;
        match pair.rows.into_inner() {
            Some(Ok(rows)) => self.judge_rows(name, pair.exported.digest.rows, &rows),
            Some(Err(error)) if error.kind() == Kind::Denied => {
                self.denied.push(name.to_string());
                self.leave_out(name, "the master user may not read it");
            }
            Some(Err(error)) => {
                self.finding(name, error.chain());
                self.leave_out(name, "it cannot be read");
            }
            None => self.leave_out(name, "it was not reached"),
        }
    }

    fn judge_rows(&mut self, name: &Name, exported: u64, rows: &Rows) {
        self.compared.tables += 1;
        match unexplained(exported, rows.count, self.within_percent) {
            _ if rows.equal => self.compared.equal += 1,
            None => self.compared.changed += 1,
            Some(by) => {
                let (count, id) = (rows.count, &self.export.id);
                let why = format!("it has {count} rows, export {id} has {exported}{by}");
                self.finding(name, why);
            }
        }
    }

    fn leave_out(&mut self, name: &Name, why: &str) {
        self.compared.not_compared.push(format!("{name} ({why})"));
    }

    fn finding(&mut self, name: &Name, why: String) {
        let what = format!("table {name} of {}", self.compared.database);
        self.findings.push(Finding::new(what, why));
    }

    /// `ended`: what ended the reading before all was read.
    fn finish(mut self, ended: Result<()>, report: &mut Report) -> Compared {
        let what = comparing(&self.compared.database);
        if !self.denied.is_empty() {
            let tables = counted(self.denied.len() as u64, "table", "tables");
            let why = format!(
                "the copy's master user may not read {tables}: {}; GRANT pg_read_all_data TO it in the source \
                 (14 and later), or SELECT",
                first_names(&self.denied, NAMES)
            );
            self.findings.push(Finding::new(&what, why));
        }
        report.findings.append(&mut self.findings);
        if let Err(error) = ended {
            report.finding(&what, &error);
        }
        self.compared
    }
}

/// What there is to say of numbers of rows that writes in between do not explain; `None`: they do.
fn unexplained(exported: u64, found: u64, within_percent: f64) -> Option<String> {
    if exported == 0 || found == 0 {
        return (exported != found).then(String::new);
    }
    let limit = exported as f64 * within_percent / 100.0;
    let is_apart = exported.abs_diff(found) as f64 > limit;
    is_apart.then(|| format!(", more than {within_percent} % apart"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_explain_no_more_than_the_limit_and_no_table_that_became_empty() {
        for (exported, found, within_percent, explained) in [
            (100, 100, 0.0, true),
            (100, 110, 10.0, true),
            (100, 90, 10.0, true),
            (100, 111, 10.0, false),
            (100, 89, 10.0, false),
            (100, 101, 0.5, false),
            (0, 0, 10.0, true),
            (0, 1, 1000.0, false),
            (1, 0, 1000.0, false),
            (u64::MAX, 0, 1000.0, false),
        ] {
            let why = unexplained(exported, found, within_percent);
            assert_eq!(why.is_none(), explained, "{exported}, {found}: {why:?}");
        }
    }
}
