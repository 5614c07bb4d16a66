//! Runs statements of our own, one after the other, and goes on after those that the server refuses.

use crate::error::{Error, Result};
use crate::pg::session::Session;
use crate::pg::target::statements::Statement;

/// Statements that are sent together while all goes well.
const BATCH: usize = 200;

/// A statement that the server refused.
#[derive(Debug)]
pub struct Refused {
    pub statement: Statement,
    pub error: Error,
}

impl Refused {
    /// The server's message alone.
    pub fn why(&self) -> String {
        let cause = std::error::Error::source(&self.error);
        cause.map_or_else(|| self.error.to_string(), ToString::to_string)
    }
}

/// Runs each statement in a transaction of its own. A lost connection is an error.
pub(crate) async fn each(session: &Session, statements: &[Statement]) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    for statement in statements {
        match session.client().batch_execute(&statement.sql).await {
            Ok(()) => {}
            Err(error) if error.as_db_error().is_some() && !session.is_closed() => {
                let error = session.error(&statement.about, error);
                refused.push(Refused {
                    statement: statement.clone(),
                    error,
                });
            }
            Err(error) => return Err(session.error(&statement.about, error)),
        }
    }
    Ok(refused)
}

/// Like [`each`], for many small statements: sent in batches, one by one only where a batch fails.
pub(crate) async fn batched(session: &Session, statements: &[Statement]) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    for batch in statements.chunks(BATCH) {
        let sql: Vec<&str> = batch.iter().map(|one| one.sql.as_str()).collect();
        // One message is one transaction: a batch that fails did nothing.
        if session
            .client()
            .batch_execute(&sql.join(";\n"))
            .await
            .is_err()
        {
            refused.extend(each(session, batch).await?);
        }
    }
    Ok(refused)
}
