//! What a drill is made of.

use std::path::PathBuf;
use std::time::Duration;

use super::assertion::{Assertion, Question};
use super::previous::Previous;
use crate::codec::Identities;
use crate::context::Context;
use crate::error::Result;
use crate::model::lock::LockPolicy;
use crate::pg::connect::server::Server;
use crate::pg::local::tools::Dirs;
use crate::repository::RestorePoint;
use crate::sign::{Signer, Trust};

/// Where the point is restored to.
#[derive(Debug, Clone)]
pub(crate) enum Where {
    /// A server that the drill starts from local programs and removes, below this folder.
    Throwaway(PathBuf),
    /// A server that the drill server behind this socket starts and removes, in a second container.
    SecondContainer(PathBuf),
    /// A database of the drill's own on this server.
    Server(Box<Server>),
}

pub(crate) struct Options {
    pub place: Where,
    pub jobs: Option<usize>,
    pub tool_dirs: Dirs,
    /// Those for the point's database are asked.
    pub questions: Vec<Question>,
    /// In a throwaway: everything runs as its superuser, for points that only people who may do
    /// anything anyway could write. Needs the whole wall.
    pub superuser: bool,
    /// Drill also where a wall is missing.
    pub weak_wall: bool,
    /// After which the drill is stopped, assertions and all.
    pub time_limit: Duration,
    /// Restore the rows of at most this percentage of the data, whole tables.
    pub sample: Option<u8>,
    /// Keys that may have signed the statements on earlier drills.
    pub trust: Trust,
    /// `None`: no statement on the drill is stored.
    pub attestation: Option<AttestationOptions>,
}

/// How the statement on a drill is signed and locked.
pub(crate) struct AttestationOptions {
    /// `Err`: why nothing can be signed. The drill takes place all the same.
    pub signer: Result<Signer>,
    pub lock: LockPolicy,
    pub max_lock_days: u32,
}

/// One drill, with what earlier drills said of the point.
pub(super) struct Drill<'a> {
    pub point: &'a RestorePoint,
    pub identities: &'a Identities,
    pub options: &'a Options,
    pub context: Context<'a>,
    /// Those for the point's database.
    pub assertions: Vec<&'a Assertion>,
    pub previous: Previous,
    /// A drill that a trusted key signed found this very point sound.
    pub drilled_sound: bool,
}
