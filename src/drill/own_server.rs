//! The drill's own server, wherever it runs.

use std::future::Future;
use std::path::Path;

use crate::error::{Result, ResultExt};
use crate::model::attestation::Walls;
use crate::pg::local::drill_server::Remote;
use crate::pg::local::throwaway::Throwaway;

pub(super) enum OwnServer {
    /// Started by this process.
    Here(Throwaway),
    /// In a second container.
    Remote(Remote),
}

impl OwnServer {
    /// Its socket's folder.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Here(throwaway) => throwaway.folder(),
            Self::Remote(remote) => remote.folder(),
        }
    }

    pub(super) fn walls(&self) -> Walls {
        match self {
            Self::Here(throwaway) => throwaway.walls(),
            Self::Remote(remote) => remote.walls(),
        }
    }

    /// Why a wall does not stand.
    pub(super) fn missing_walls(&self) -> &[String] {
        match self {
            Self::Here(throwaway) => throwaway.missing_walls(),
            Self::Remote(remote) => remote.missing_walls(),
        }
    }

    /// For the report.
    pub(super) fn describe(&self) -> String {
        let (whose, version) = match self {
            Self::Here(throwaway) => ("a", &throwaway.version),
            Self::Remote(remote) => ("a second container's", &remote.version),
        };
        format!("{whose} throwaway PostgreSQL {version}")
    }

    /// Runs `work`, which needs it, and fails if a second container went away meanwhile.
    pub(super) async fn or_lost<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self {
            Self::Here(_) => work.await,
            Self::Remote(remote) => remote.or_lost(work).await,
        }
    }

    /// Returns when server and folder are gone.
    pub(super) async fn remove(self) -> Result<()> {
        match self {
            Self::Here(throwaway) => tokio::task::spawn_blocking(move || drop(throwaway))
                .await
                .context(|| "removing the drill's server".to_owned()),
            Self::Remote(remote) => remote.remove().await,
        }
    }
}
