//! Spreads work over several sessions.

use std::cell::RefCell;

use futures_util::future::try_join_all;

use super::Session;
use super::pinned::Purpose;
use crate::error::{Error, Result};
use crate::pg::connect::server::Server;

/// Sessions that are alike, made when there is work for them.
pub(crate) struct Sessions<'a> {
    pub server: &'a Server,
    /// Becomes their `application_name`.
    pub application: String,
    pub purpose: Purpose,
    /// At most so many at the same time.
    pub count: usize,
}

impl Sessions<'_> {
    /// Gives each item to a free session. Results come in any order; the first error ends it.
    pub(crate) async fn for_each<T, R>(
        &self,
        items: Vec<T>,
        work: impl AsyncFn(&Session, T) -> Result<R>,
    ) -> Result<Vec<R>> {
        let count = self.count.min(items.len());
        let items = RefCell::new(items.into_iter());
        let next = || items.borrow_mut().next();
        let workers = (0..count).map(|_| async {
            let session = Session::connect(self.server, &self.application, self.purpose).await?;
            let mut done = Vec::new();
            while let Some(item) = next() {
                done.push(work(&session, item).await?);
            }
            session.close().await;
            Ok::<_, Error>(done)
        });
        Ok(try_join_all(workers).await?.into_iter().flatten().collect())
    }
}
