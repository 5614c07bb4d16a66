//! Spreads work over as many sessions as there are jobs.

use std::cell::RefCell;

use futures_util::future::try_join_all;

use super::run::Run;
use crate::error::{Error, Result};
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};

/// Gives each item to a free session. Results come in any order; the first error ends it.
pub(super) async fn for_each<T, R>(
    run: &Run<'_>,
    server: &Server,
    purpose: Purpose,
    items: Vec<T>,
    work: impl AsyncFn(&Session, T) -> Result<R>,
) -> Result<Vec<R>> {
    let jobs = run.jobs.min(items.len());
    let items = RefCell::new(items.into_iter());
    let next = || items.borrow_mut().next();
    let application = run.inputs.application();
    let workers = (0..jobs).map(|_| async {
        let session = Session::connect(server, &application, purpose).await?;
        let mut done = Vec::new();
        while let Some(item) = next() {
            done.push(work(&session, item).await?);
        }
        session.close().await;
        Ok::<_, Error>(done)
    });
    Ok(try_join_all(workers).await?.into_iter().flatten().collect())
}
