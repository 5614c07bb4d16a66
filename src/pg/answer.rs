//! One value by somebody's own query.

use tokio_postgres::SimpleQueryMessage;

use super::session::{Session, pg_error};
use crate::error::{Error, Result};

/// Runs `sql`, which must give one row of one column, in a transaction that cannot write and in which
/// names are found as by the database's own users. `None` is SQL's NULL.
pub async fn value(session: &Session, sql: &str) -> Result<Option<String>> {
    let failed = |error| pg_error("the query", error);
    let client = &session.client;
    client
        .batch_execute("BEGIN READ ONLY; SET LOCAL statement_timeout = '15min'; SET LOCAL search_path = DEFAULT")
        .await
        .map_err(failed)?;
    let answer = client.simple_query(sql).await;
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    single(&answer.map_err(failed)?)
}

fn single(answer: &[SimpleQueryMessage]) -> Result<Option<String>> {
    let mut rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let wrong = |what: String| {
        Err(Error::usage(format!("the query {what}"))
            .hint("an assertion is one SELECT that gives one row of one column"))
    };
    let Some(row) = rows.next() else {
        return wrong("gives no row".to_owned());
    };
    let more = rows.count();
    match (row.len(), more) {
        (1, 0) => Ok(row.get(0).map(str::to_owned)),
        (1, _) => wrong(format!("gives {} rows", more + 1)),
        (columns, _) => wrong(format!("gives {columns} columns")),
    }
}
