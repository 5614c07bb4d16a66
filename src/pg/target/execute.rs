//! Runs statements that we generated, in order; those that the server refuses do not stop the rest.

use std::error::Error as _;

use crate::error::Result;
use crate::model::finding::Finding;
use crate::pg::session::Session;
use crate::pg::target::statements::Statement;

/// How many statements [`batched`] sends in one message.
const BATCH: usize = 200;

/// Runs each statement in its own transaction; returns those that the server refused. A lost
/// connection is `Err`.
pub(crate) async fn each(session: &Session, statements: &[Statement]) -> Result<Vec<Finding>> {
    let mut refused = Vec::new();
    for Statement { about, sql } in statements {
        let Err(error) = session.client().batch_execute(sql).await else {
            continue;
        };
        let is_refused = error.as_db_error().is_some() && !session.is_closed();
        let error = session.error(about, error);
        match error.source() {
            // The server's message, without our context.
            Some(said) if is_refused => {
                refused.push(Finding::new(about, said.to_string()).sql(sql));
            }
            _ => return Err(error),
        }
    }
    Ok(refused)
}

/// Like [`each`], but faster for many small statements: a batch that fails is rerun one by one.
pub(crate) async fn batched(session: &Session, statements: &[Statement]) -> Result<Vec<Finding>> {
    let mut refused = Vec::new();
    for batch in statements.chunks(BATCH) {
        let sql: Vec<&str> = batch.iter().map(|one| one.sql.as_str()).collect();
        // One message is one transaction: a failed batch was rolled back, so it can be run again.
        let done = session.client().batch_execute(&sql.join(";\n")).await;
        if done.is_err() {
            refused.extend(each(session, batch).await?);
        }
    }
    Ok(refused)
}

/// Runs statements none of which may fail.
pub(crate) async fn all(session: &Session, statements: &[Statement]) -> Result<()> {
    for Statement { about, sql } in statements {
        session.execute(sql, about).await?;
    }
    Ok(())
}
