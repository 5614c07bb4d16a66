//! Runs statements that we generated, in order; those that the server refuses do not stop the rest.

use crate::error::{Error, Result};
use crate::pg::session::Session;
use crate::pg::target::statements::Statement;

/// How many statements [`batched`] sends in one message.
const BATCH: usize = 200;

/// A statement that the server refused.
#[derive(Debug)]
pub struct Refused {
    pub statement: Statement,
    pub error: Error,
}

impl Refused {
    /// The server's message, without our context.
    pub fn why(&self) -> String {
        let cause = std::error::Error::source(&self.error);
        cause.map_or_else(|| self.error.to_string(), ToString::to_string)
    }
}

/// Runs each statement in its own transaction; returns those refused. A lost connection is `Err`.
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

/// Like [`each`], but faster for many small statements: a batch that fails is rerun one by one.
pub(crate) async fn batched(session: &Session, statements: &[Statement]) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    for batch in statements.chunks(BATCH) {
        let sql: Vec<&str> = batch.iter().map(|one| one.sql.as_str()).collect();
        // One message is one transaction: a failed batch was rolled back, so it can be run again.
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
