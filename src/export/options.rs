//! What an export is asked for, and what it is given.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::codec::{ReuseKey, Sealer};
use crate::context::Context;
use crate::error::Result;
use crate::model::databases::Databases;
use crate::model::id::Id;
use crate::model::keys::{KeyRing, Recipient};
use crate::model::lock::LockPolicy;
use crate::model::pattern::Exclude;
use crate::pg::connect::server::Server;
use crate::pg::local::tools::Dirs;
use crate::pg::session::LOCK_TIMEOUT;
use crate::random;
use crate::repository::{Marker, Repository, ReusePolicy, RunLocks};
use crate::sign::{Signer, Trust};
use crate::turns::Turns;

/// An instance to export.
#[derive(Clone)]
pub struct Source {
    /// As it appears in keys.
    pub name: String,
    pub server: Server,
    pub databases: Databases,
    /// Others of its databases that are no finding: another shard of the run exports them, or nobody should.
    pub elsewhere: Vec<String>,
    /// Whether an uncovered database is a finding, or only listed.
    pub uncovered_is_finding: bool,
    /// What is left out of each of them.
    pub exclude: Exclude,
    /// How many databases of its server may be exported at the same time.
    pub at_once: usize,
}

pub struct Options {
    pub sources: Vec<Source>,
    /// Shared with exports that run beside this one.
    pub turns: Arc<Turns>,
    /// Sessions that read in parallel, of all databases together; `None`: chosen from this machine's cores.
    pub jobs: Option<usize>,
    /// COPY text in bytes per second, all sessions of all databases together.
    pub rate_limit: Option<u64>,
    /// How long production may wait for one of our locks.
    pub ddl_wait: Duration,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
    /// How parts are named again, where there is a reuse key.
    pub reuse: ReusePolicy,
    /// Of a GB for a month, in whatever currency; `None`: nothing is said of money.
    pub gb_month_price: Option<f64>,
    /// Store everything anew.
    pub full: bool,
    pub tool_dirs: Dirs,
    /// Those that the sealer of `Keys` seals for.
    pub recipients: Vec<Recipient>,
    /// The configuration without secrets, stored in each restore point.
    pub config_text: String,
    /// Options of every command, such as `region`, that a bare machine needs to reach the repository:
    /// for the runbook.
    pub reach: Vec<(String, String)>,
    /// Plan and check, store nothing.
    pub dry_run: bool,
}

impl Options {
    /// How long a session of ours waits behind a schema change that waits for our locks. The watchdog gives
    /// way first, and can name the session it gives way to.
    pub(super) fn lock_wait(&self) -> Duration {
        self.ddl_wait + LOCK_TIMEOUT
    }
}

/// What seals a restore point, and what signs it.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub sealer: &'a Sealer,
    pub signer: &'a Signer,
    /// Pinned verification keys; the signer's must be among them.
    pub trust: &'a Trust,
    /// Under which stored rows are known again; `None`: every export stores all of them.
    pub reuse: Option<&'a ReuseKey>,
}

/// One run over all databases, with what was settled before the first of them.
#[derive(Clone)]
pub(super) struct Run<'a> {
    pub repository: &'a Repository,
    pub keys: Keys<'a>,
    pub context: Context<'a>,
    pub options: &'a Options,
    pub id: Id,
    pub marker: Marker,
    pub key_ring: KeyRing,
    pub locks: RunLocks,
    /// Of one database.
    pub jobs: usize,
    /// Of one database, in bytes per second.
    pub rate_limit: Option<u64>,
}

pub(super) fn new_id(now: Timestamp) -> Result<Id> {
    Ok(Id::new(now, u32::from_ne_bytes(random::bytes()?)))
}
