//! The coordinator: locks first, snapshot second, and the transaction that holds both until the
//! end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::error::SqlState;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::catalog::Name;
use crate::model::pattern::Exclude;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::{self, LockTarget, SourceTable};
use crate::pg::source::left_out::{self, Resolved};
use crate::pg::source::moment::{self, Moment, Until};

/// Tables in one LOCK statement: fewer round trips, and statements of bearable length.
const LOCKS_A_STATEMENT: usize = 500;

/// How long taking locks starts over because tables were busy, came, went or were rewritten.
const MIN_WAIT: Duration = Duration::from_secs(60);

/// Between two attempts; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An exported snapshot: its id is good for other sessions while this value lives.
pub(crate) struct ExportedSnapshot {
    pub session: Session,
    /// What `SET TRANSACTION SNAPSHOT` takes.
    pub id: String,
    /// The moment that the data shows, by the server's clock.
    pub taken_at: Timestamp,
    /// Every table that the snapshot shows, all of them locked.
    pub tables: Vec<SourceTable>,
    pub left_out: Resolved,
    /// All else that must stay as the snapshot shows it.
    pub moment: Moment,
}

impl ExportedSnapshot {
    /// Locks every table against being altered, truncated or dropped, then takes the snapshot.
    /// `scout` is another session, which lists the tables.
    ///
    /// Never waits for a lock while it holds others: that would make production wait behind both,
    /// or deadlock with it. Where a table cannot be locked at once, all locks are released and
    /// it starts over, for a minute at least.
    pub(crate) async fn take(
        server: &Server,
        application: &str,
        scout: &Session,
        exclude: &Exclude,
        wait: Duration,
    ) -> Result<Self> {
        let session = Session::connect(server, application, Purpose::Read).await?;
        scout.same_server(&session)?;
        let until = Instant::now() + wait.max(MIN_WAIT);
        let mut pause = FIRST_PAUSE;
        loop {
            let why = match attempt(&session, scout, &server.database, exclude).await? {
                Ok(shown) => return Ok(shown.held_by(session)),
                Err(why) => why,
            };
            if Instant::now() + pause > until {
                return Err(Error::refused(format!(
                    "the tables could not all be locked at one moment: {why}"
                ))
                .hint(
                    "export while no schema migration or batch load runs; pg_locks shows who holds an exclusive lock",
                ));
            }
            let what = "cannot release the locks on tables";
            session.execute("ROLLBACK", what).await?;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether names are still as the snapshot shows them; `scout` sees the present.
    pub(crate) async fn check_names(&self, scout: &Session, until: Until<'_>) -> Result<()> {
        self.moment.check(&self.session, scout, until).await
    }

    /// Asks at the end what was asked at the start: that no table's file was replaced.
    pub(crate) async fn check_files(&self) -> Result<()> {
        let gone = &self.left_out.gone;
        let rewritten = catalog::find_rewritten(&self.session, gone).await?;
        match rewritten.first() {
            None => Ok(()),
            Some(name) => Err(Error::failed(format!(
                "{name} was truncated or rewritten during the export, in spite of our lock on it"
            ))
            .hint("run the export again; nothing was committed")),
        }
    }

    /// Ends the transaction: locks and snapshot are gone.
    pub(crate) async fn release(self) -> Result<()> {
        self.session
            .execute("COMMIT", "cannot end the snapshot's transaction")
            .await
    }
}

/// What a snapshot shows, with every table of it locked.
struct Shown {
    id: String,
    taken_at: Timestamp,
    tables: Vec<SourceTable>,
    left_out: Resolved,
    moment: Moment,
}

/// The inner error: why it is to be tried again, the transaction having failed or being open.
async fn attempt(
    session: &Session,
    scout: &Session,
    database: &str,
    exclude: &Exclude,
) -> Result<Result<Shown, String>> {
    // BEGIN takes no snapshot; any SELECT would.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let what = "cannot begin the export's transaction";
    session.execute(begin, what).await?;
    // What is left out is not read, and so not locked: we may not have the right.
    let now = left_out::resolve(scout, database, exclude).await?;
    let targets = catalog::lock_targets(scout, &now.gone).await?;
    let names: Vec<Name> = targets.into_iter().map(|target| target.name).collect();
    match lock(session, &names).await? {
        // What is dropped by now, the snapshot will not show.
        Locked::All | Locked::Gone(_) => {}
        Locked::Busy(why) => return Ok(Err(why)),
    }
    let (id, taken_at) = export(session).await?;
    let left_out = left_out::resolve(session, database, exclude).await?;
    let shown = catalog::lock_targets(session, &left_out.gone).await?;
    let newcomers = not_locked(session, shown.iter().map(|it| (it.oid, &it.name))).await?;
    let names: Vec<Name> = newcomers.iter().map(|it| it.name.clone()).collect();
    match lock(session, &names).await? {
        Locked::All => {}
        Locked::Gone(why) | Locked::Busy(why) => return Ok(Err(why)),
    }
    // Only now: sizes would wait for locks.
    let tables = catalog::read_tables(session, &left_out.gone).await?;
    let all = tables.iter().map(|it| (it.table.oid, &it.table.name));
    if let Some(LockTarget { name, .. }) = not_locked(session, all).await?.first() {
        // Its name belongs to another table by now, or to none.
        return Ok(Err(format!("{name} was renamed or dropped meanwhile")));
    }
    let oids: Vec<u32> = newcomers.iter().map(|it| it.oid).collect();
    if let Some(oid) = moment::redefined(session, scout, &oids).await? {
        let altered = newcomers.iter().find(|it| it.oid == oid);
        let name = altered.map_or_else(|| oid.to_string(), |it| it.name.to_string());
        return Ok(Err(format!("{name} was altered meanwhile")));
    }
    if let Some(name) = catalog::find_rewritten(session, &left_out.gone)
        .await?
        .first()
    {
        return Ok(Err(format!("{name} was truncated or rewritten meanwhile")));
    }
    let moment = Moment::read(session, &left_out.parts).await?;
    if let Err(error) = moment.check(session, scout, Until::Begin).await {
        return match error.kind() {
            Kind::Changed => Ok(Err(error.to_string())),
            _ => Err(error),
        };
    }
    Ok(Ok(Shown {
        id,
        taken_at,
        tables,
        left_out,
        moment,
    }))
}

impl Shown {
    fn held_by(self, session: Session) -> ExportedSnapshot {
        let Self {
            id,
            taken_at,
            mut tables,
            left_out,
            moment,
        } = self;
        for table in &mut tables {
            if left_out.without_rows.contains(&table.table.oid) {
                table.leave_rows_out();
            }
        }
        ExportedSnapshot {
            session,
            id,
            taken_at,
            tables,
            left_out,
            moment,
        }
    }
}

/// How locking a list of tables went.
enum Locked {
    All,
    /// The others are locked; this one was dropped.
    Gone(String),
    /// Somebody has an exclusive lock or waits for one; the transaction has failed.
    Busy(String),
}

/// Locks tables by name, without waiting. Savepoints keep the transaction where one is gone, and take
/// no snapshot either.
async fn lock(session: &Session, names: &[Name]) -> Result<Locked> {
    let mut locked = Locked::All;
    for batch in names.chunks(LOCKS_A_STATEMENT) {
        match lock_batch(session, batch).await? {
            Locked::All => {}
            Locked::Gone(_) => {
                for name in batch {
                    match lock_batch(session, std::slice::from_ref(name)).await? {
                        Locked::All => {}
                        Locked::Gone(_) => locked = Locked::Gone(format!("{name} was dropped")),
                        busy @ Locked::Busy(_) => return Ok(busy),
                    }
                }
            }
            busy @ Locked::Busy(_) => return Ok(busy),
        }
    }
    Ok(locked)
}

/// Locks all or none of a batch.
async fn lock_batch(session: &Session, batch: &[Name]) -> Result<Locked> {
    const GONE: [SqlState; 3] = [
        SqlState::UNDEFINED_TABLE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::WRONG_OBJECT_TYPE,
    ];
    let list = batch.iter().map(|name| format!("ONLY {}", name.quoted()));
    let list = list.collect::<Vec<_>>().join(", ");
    let sql =
        format!("SAVEPOINT before; LOCK TABLE {list} IN ACCESS SHARE MODE NOWAIT; RELEASE before");
    let Err(error) = session.client().batch_execute(&sql).await else {
        return Ok(Locked::All);
    };
    let message = (error.as_db_error())
        .map_or("", |error| error.message())
        .to_owned();
    match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(Locked::Busy(message)),
        Some(code) if GONE.contains(code) => {
            let back = "ROLLBACK TO before; RELEASE before";
            let what = "cannot go on after a table was dropped";
            session.execute(back, what).await?;
            Ok(Locked::Gone(message))
        }
        _ => Err(session.error("cannot lock the tables against being altered", error)),
    }
}

/// The id of a snapshot that other sessions can share, and the moment that it shows.
pub(super) async fn export(session: &Session) -> Result<(String, Timestamp)> {
    let sql = "SELECT pg_catalog.pg_export_snapshot(),
                      (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint";
    let (id, microseconds): (String, i64) = session.row(sql, "cannot export a snapshot").await?;
    let taken_at = Timestamp::from_microsecond(microseconds)
        .context(|| "the server's clock shows no valid time".to_owned())?;
    Ok((id, taken_at))
}

/// Tables of the snapshot that this session holds no lock on: made or renamed since they were
/// listed.
async fn not_locked<'a>(
    session: &Session,
    shown: impl Iterator<Item = (u32, &'a Name)>,
) -> Result<Vec<LockTarget>> {
    let held: BTreeSet<u32> = session
        .rows(
            "SELECT relation FROM pg_catalog.pg_locks
              WHERE locktype = 'relation' AND granted AND mode = 'AccessShareLock'
                AND pid = pg_catalog.pg_backend_pid()
                AND database = (SELECT oid FROM pg_catalog.pg_database
                                 WHERE datname = pg_catalog.current_database())",
            "cannot list our own locks",
        )
        .await?;
    let not_held = shown.filter(|(oid, _)| !held.contains(oid));
    let target = |(oid, name): (u32, &Name)| LockTarget {
        oid,
        name: name.clone(),
    };
    Ok(not_held.map(target).collect())
}
