//! One value by a query of the user, which may run code of the database.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use crate::error::{Error, Kind, Result};
use crate::humanize::rough;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};

/// Finds names as the database's own users do, but built-in ones first: nobody can override `count(*)`.
/// (What has other argument types than the built-in function may still be preferred by PostgreSQL.)
const BEGIN: &str = "BEGIN READ ONLY;
    SELECT pg_catalog.set_config('search_path',
        pg_catalog.concat_ws(', ', 'pg_catalog', nullif(pg_catalog.btrim(reset_val), '')), true)
      FROM pg_catalog.pg_settings WHERE name = 'search_path'";

/// A longer value is no answer to a question.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// How long a query may take. The server is not asked to keep to it: a function of the database can
/// switch `statement_timeout` off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    /// With its login. What takes longer is cancelled.
    pub query: Duration,
    /// After being cancelled. What goes on longer loses its session.
    pub cancelled: Duration,
}

impl Default for TimeLimit {
    fn default() -> Self {
        Self {
            query: Duration::from_secs(15 * 60),
            cancelled: Duration::from_secs(5),
        }
    }
}

/// Like [`read`], in a session of its own, whose settings end with it, and within a time limit.
pub(crate) async fn read_within(
    server: &Server,
    sql: &str,
    limit: TimeLimit,
) -> Result<Option<String>> {
    let until = Instant::now() + limit.query;
    let session = match timeout_at(until, connect(server)).await {
        Ok(connected) => connected?,
        Err(_) => return Err(late(limit, "nobody was let in")),
    };
    let answer = {
        let mut asked = pin!(read(&session, sql));
        match timeout_at(until, asked.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => Err(stop(&session, server, asked, limit).await),
        }
    };
    session.close().await;
    answer
}

/// Cancels a query; ends its session where it goes on. Says what it took.
async fn stop(
    session: &Session,
    server: &Server,
    mut asked: Pin<&mut impl Future>,
    limit: TimeLimit,
) -> Error {
    let cancelled = async {
        // Whether it was heard shows by the query's end.
        let _ = session.cancel().await;
        asked.as_mut().await;
    };
    if timeout(limit.cancelled, cancelled).await.is_ok() {
        return late(limit, "the query was cancelled");
    }
    let ended = async {
        end_session(server, session.pid).await?;
        asked.as_mut().await;
        Ok::<_, Error>(())
    };
    let went_on = |then| late(limit, &format!("the query went on when cancelled; {then}"));
    match timeout(limit.cancelled, ended).await {
        Ok(Ok(())) => went_on("its session was ended"),
        Ok(Err(error)) => went_on("its session could not be ended").because(error),
        Err(_) => went_on("its session could not be ended"),
    }
}

fn late(limit: TimeLimit, then: &str) -> Error {
    let limit = rough(limit.query);
    let what = format!("no answer within {limit}: {then}");
    Error::new(Kind::Unavailable, what)
}

async fn end_session(server: &Server, pid: i32) -> Result<()> {
    let session = connect(server).await?;
    let sql = format!("SELECT pg_catalog.pg_terminate_backend({pid})");
    let ended = session
        .execute(&sql, &format!("ending the session {pid}"))
        .await;
    session.close().await;
    ended
}

async fn connect(server: &Server) -> Result<Session> {
    Session::connect(server, "lifeboat drill", Purpose::Query).await
}

/// Runs `sql`, which must give one row of one column, in a transaction that cannot write and in which
/// names are found as by the database's own users. `None` is SQL's NULL.
pub(crate) async fn read(session: &Session, sql: &str) -> Result<Option<String>> {
    let what = "the query";
    session.execute(BEGIN, what).await?;
    let answer = first_row(session, sql).await;
    session.execute("ROLLBACK", what).await?;
    let (first, rows) = answer.map_err(|error| session.error(what, error))?;
    let wrong = |what: String| {
        Err(Error::usage(format!("the query {what}"))
            .hint("an assertion is one SELECT that gives one row of one column"))
    };
    let Some(row) = first else {
        return wrong("gives no row".to_owned());
    };
    match (row.len(), rows) {
        (1, 1) => {}
        (1, rows) => return wrong(format!("gives {rows} rows")),
        (columns, _) => return wrong(format!("gives {columns} columns")),
    }
    let value = row.try_get(0);
    let value = value.map_err(|_| Error::failed("the value that the query gives is not UTF-8"))?;
    match value {
        Some(value) if value.len() > MAX_VALUE_BYTES => {
            wrong(format!("gives a value of {} bytes", value.len()))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

/// The first row, and how many there are: all of them might fill the memory.
async fn first_row(
    session: &Session,
    sql: &str,
) -> Result<(Option<SimpleQueryRow>, u64), tokio_postgres::Error> {
    let mut messages = pin!(session.client().simple_query_raw(sql).await?);
    let (mut first, mut rows) = (None, 0);
    while let Some(message) = messages.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message {
            rows += 1;
            first.get_or_insert(row);
        }
    }
    Ok((first, rows))
}
