//! One connection that loads parts until none is left.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Mutex;

use super::feed::{Feed, Fetched, Listed};
use super::{Load, Run};
use crate::error::{Error, Result, ResultExt};
use crate::model::catalog::Name;
use crate::model::manifest::Part;
use crate::pg::session::{Purpose, Session};
use crate::pg::target::load::{Failure, Open, load_part};

/// How often a part is tried anew after a lost connection or a deadlock.
const ATTEMPTS: u32 = 5;

pub struct Worker<'a> {
    run: &'a Run<'a>,
    /// Held by whoever copies through that root: in parallel they would deadlock.
    roots: &'a BTreeMap<&'a Name, Mutex<()>>,
    session: Session,
}

impl<'a> Worker<'a> {
    pub async fn connect(
        run: &'a Run<'a>,
        roots: &'a BTreeMap<&'a Name, Mutex<()>>,
    ) -> Result<Self> {
        let session = connect(run).await?;
        Ok(Self {
            run,
            roots,
            session,
        })
    }

    /// Loads until nothing is left or something fails that concerns every table.
    pub async fn work(mut self, feed: &Feed<'_>) -> Result<()> {
        while let Some(loads) = feed.next_in_order() {
            for load in loads {
                let parts = self.run.means.point.parts(load.parts).await?;
                for (number, part) in (0..).zip(parts) {
                    let part = part?;
                    let listed = Listed { load, number, part };
                    if feed.wants(&listed) {
                        self.load(&feed.fetch(listed).await?).await?;
                    } else {
                        self.run.means.progress.advance(listed.part.copy_bytes);
                    }
                }
            }
        }
        let mut own = None;
        while let Some(fetched) = feed.next(&mut own).await? {
            // What cannot be loaded is told at once; what cannot be fetched, once this part is loaded.
            let ahead = async { Ok(feed.fetch_ahead(&mut own).await) };
            let ((), ahead) = tokio::try_join!(self.load(&fetched), ahead)?;
            ahead?;
        }
        self.session.close().await;
        Ok(())
    }

    async fn load(&mut self, fetched: &Fetched<'_>) -> Result<()> {
        let Listed { load, part, .. } = &fetched.listed;
        // Maybe since it was fetched.
        if !load.is_refused() {
            self.load_new(fetched).await?;
        }
        self.run.means.progress.advance(part.copy_bytes);
        Ok(())
    }

    async fn load_new(&mut self, fetched: &Fetched<'_>) -> Result<()> {
        let Listed { load, number, part } = &fetched.listed;
        let number = *number;
        let (mut attempt, mut was_lost) = (1, false);
        loop {
            let identities = self.run.means.identities.clone();
            let stored = fetched.stored.clone();
            let open: Open = Box::new(move || identities.open_compressed(stored));
            let through_root = load.through_root.load(Ordering::Relaxed);
            let failure = match self.load_once(load, through_root, number, part, open).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match failure {
                Failure::WrongPartition(_) if load.root.is_some() && !through_root => {
                    load.through_root.store(true, Ordering::Relaxed);
                    continue;
                }
                Failure::TryAgain(_) if attempt < ATTEMPTS => pause(attempt).await,
                Failure::Lost(_) if attempt < ATTEMPTS => {
                    was_lost = true;
                    pause(attempt).await;
                    if self.was_committed(load.parts.oid, number).await? {
                        return Ok(());
                    }
                }
                // The session that was believed lost may have committed only now.
                Failure::Rows(_)
                    if was_lost && self.was_committed(load.parts.oid, number).await? =>
                {
                    return Ok(());
                }
                Failure::WrongPartition(error) if load.foreign_root.is_some() => {
                    let root = load.foreign_root.as_ref().map(Name::to_string);
                    let root = root.unwrap_or_default();
                    let why = format!("it would reach a foreign server through {root}");
                    load.refuse(Error::refused(why).because(error));
                    return Ok(());
                }
                Failure::Rows(error) | Failure::WrongPartition(error) => {
                    load.refuse(error);
                    return Ok(());
                }
                other => return Err(other.into_error()),
            }
            attempt += 1;
        }
    }

    async fn load_once(
        &self,
        load: &Load<'_>,
        through_root: bool,
        number: u64,
        part: &Part,
        open: Open,
    ) -> std::result::Result<(), Failure> {
        let Some((root, to)) = load.root.as_ref().filter(|_| through_root) else {
            return load_part(
                &self.session,
                &self.run.state,
                &load.direct,
                number,
                part,
                open,
            )
            .await
            .map(drop);
        };
        let _alone = match self.roots.get(root) {
            Some(root) => Some(root.lock().await),
            None => None,
        };
        load_part(&self.session, &self.run.state, to, number, part, open)
            .await
            .map(drop)
    }

    /// After a lost connection: a new one, and what the notes say about the part.
    async fn was_committed(&mut self, table_oid: u32, number: u64) -> Result<bool> {
        self.session = connect(self.run)
            .await
            .context(|| "the connection was lost".to_owned())?;
        let noted = self
            .run
            .state
            .loaded_parts(&self.session, Some(table_oid))
            .await?;
        Ok(noted.contains_key(&(table_oid, number)))
    }
}

async fn connect(run: &Run<'_>) -> Result<Session, Error> {
    Session::connect(&run.server, &run.application, Purpose::Write).await
}

/// A little longer each time.
async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(200) * 2_u32.pow(attempt)).await;
}
