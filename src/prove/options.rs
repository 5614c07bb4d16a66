//! What `prove` is given.

use crate::error::{Error, Result};
use crate::keys::identities::IdentitySource;
use crate::repository::{PointSelector, Repository, RestorePoint};
use crate::schedule::{Notify, SnapshotDrill, Status};
use crate::sign::Trust;
use crate::{drill, promote};

/// What the steps need. An `Err` fails its steps alone.
pub(crate) struct Options<'a> {
    pub repository: Result<Repository>,
    pub trust: Trust,
    pub identities: Result<&'a IdentitySource<'a>>,
    pub drill: Result<drill::Options>,
    /// By the names of the sources whose snapshot copies are drilled.
    pub snapshot_drills: Vec<(String, Result<SnapshotDrill<'a>>)>,
    /// `None`: there is no tier to promote to.
    pub promote: Option<promote::Options>,
    pub status: Result<Status>,
    pub notify: Notify,
}

/// A point of a database.
pub(super) struct Selected {
    pub source: String,
    pub database: String,
    /// `Latest`, where none can be trusted: opening it will say why.
    pub which: PointSelector,
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
        let (source, database) = (Some(&*selected.source), Some(&*selected.database));
        let found = repository.choose(&selected.which, source, database).await?;
        repository.open(&found, &self.trust).await
    }
}
