//! Work of one kind on as many sessions as there are jobs.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures_util::future::try_join_all;

use super::Run;
use crate::error::{Error, Result};
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};

/// Does each piece of work in whatever session is free; results come in any order. The first error
/// ends it.
pub async fn each<T, R>(
    run: &Run<'_>,
    server: &Server,
    purpose: Purpose,
    work: Vec<T>,
    one: impl AsyncFn(&Session, T) -> Result<R>,
) -> Result<Vec<R>> {
    let jobs = run.jobs.min(work.len());
    let queue = Mutex::new(VecDeque::from(work));
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let workers = (0..jobs).map(|_| async {
        let session = Session::connect(server, &run.application, purpose).await?;
        let mut done = Vec::new();
        while let Some(item) = next() {
            done.push(one(&session, item).await?);
        }
        session.close().await;
        Ok::<_, Error>(done)
    });
    Ok(try_join_all(workers).await?.into_iter().flatten().collect())
}
