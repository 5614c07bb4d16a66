//! What `prove` is given.

use crate::error::{Error, Result};
use crate::keys::identities::IdentitySource;
use crate::model::choice::Choice;
use crate::repository::{Repository, RestorePoint, Selected};
use crate::schedule::{Notify, SnapshotDrill, Status};
use crate::sign::Trust;
use crate::turns::Turns;
use crate::{drill, promote};

/// What the steps on single databases need. An `Err` fails its steps alone.
pub(crate) struct Options<'a> {
    pub repository: Result<Repository>,
    pub trust: Trust,
    /// What is verified and drilled.
    pub choice: Choice,
    pub identities: Result<&'a IdentitySource<'a>>,
    pub drill: Result<drill::Options>,
    /// By the names of the sources whose snapshot copies are drilled.
    pub snapshot_drills: Vec<(String, Result<SnapshotDrill<'a>>)>,
    /// Whose claimants are drilled beside the newest points. `None`: there is no tier to promote to.
    pub promote: Option<promote::Options>,
    /// How many databases are verified and drilled at the same time.
    pub turns: Turns,
}

impl Options<'_> {
    pub(super) fn repository(&self) -> Result<&Repository> {
        self.repository.as_ref().map_err(Error::repeat)
    }

    pub(super) fn identities(&self) -> Result<&IdentitySource<'_>> {
        match &self.identities {
            Ok(identities) => Ok(*identities),
            Err(error) => Err(error.repeat()),
        }
    }

    pub(super) async fn open(&self, selected: &Selected) -> Result<RestorePoint> {
        let repository = self.repository()?;
        repository.open_selected(selected, &self.trust).await
    }
}

/// What the steps on the repository as a whole need: they are taken once a run, by however many tasks its databases
/// are proven.
pub(crate) struct Whole {
    pub repository: Result<Repository>,
    pub trust: Trust,
    /// `None`: there is no tier to promote to.
    pub promote: Option<promote::Options>,
    pub status: Result<Status>,
    pub notify: Notify,
}
