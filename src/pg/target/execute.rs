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

/// Like [`each`], but all of them are one transaction, with what `note` makes of those that the server
/// refused.
pub(crate) async fn together(
    session: &Session,
    statements: &[Statement],
    note: impl FnOnce(&[Finding]) -> String,
) -> Result<Vec<Finding>> {
    let what = "cannot run statements in one transaction";
    let mut refused = Vec::new();
    session.execute("BEGIN", what).await?;
    for statement in statements {
        session.execute("SAVEPOINT lifeboat", what).await?;
        let findings = each(session, std::slice::from_ref(statement)).await?;
        if !findings.is_empty() {
            let back = "ROLLBACK TO SAVEPOINT lifeboat";
            session.execute(back, what).await?;
        }
        refused.extend(findings);
    }
    let end = format!("{}COMMIT", note(&refused));
    session.execute(&end, what).await?;
    Ok(refused)
}

/// Why the server refuses a statement, as pg_restore shows it; `None`: it does not.
pub(crate) async fn refusal_in_full(session: &Session, one: &Statement) -> Result<Option<String>> {
    let Err(error) = session.client().batch_execute(&one.sql).await else {
        return Ok(None);
    };
    let Some(said) = error.as_db_error().filter(|_| !session.is_closed()) else {
        return Err(session.error(&one.about, error));
    };
    let mut text = format!("{}:  {}", said.severity(), said.message());
    let more = [
        ("DETAIL", said.detail()),
        ("HINT", said.hint()),
        ("CONTEXT", said.where_()),
    ];
    for (name, more) in more {
        text.extend(more.map(|more| format!("\n{name}:  {more}")));
    }
    Ok(Some(text))
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
