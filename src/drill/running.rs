//! The drill's own server, wherever it runs.

use std::future::Future;
use std::path::Path;

use super::options::Options;
use crate::error::{Result, ResultExt};
use crate::interrupt::Interrupt;
use crate::model::attestation::Walls;
use crate::model::catalog::Catalog;
use crate::pg::local::drill_server::{Remote, START_WAIT, ServerRequest};
use crate::pg::local::throwaway::{self, Logins, Throwaway, to_preload};

pub(super) enum Running {
    /// Started by this process.
    Here(Throwaway),
    /// In a second container.
    Remote(Remote),
}

/// What both kinds of server are started with.
pub(super) struct Wish<'a> {
    pub major: u32,
    pub logins: &'a Logins,
    pub catalog: &'a Catalog,
    pub database: &'a str,
}

impl Running {
    pub(super) async fn here(folder: &Path, wish: &Wish<'_>, options: &Options) -> Result<Self> {
        let wanted = throwaway::Options {
            major: wish.major,
            tool_dirs: options.tool_dirs.clone(),
            base: folder.to_owned(),
            logins: wish.logins.clone(),
            extensions: wish.extensions(),
            database: wish.database.to_owned(),
            shared: false,
        };
        let throwaway = tokio::task::spawn_blocking(move || Throwaway::start(&wanted))
            .await
            .context(|| "starting a server for the drill".to_owned())??;
        Ok(Self::Here(throwaway))
    }

    pub(super) async fn remote(
        socket: &Path,
        wish: &Wish<'_>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let wanted = ServerRequest {
            major: wish.major,
            logins: wish.logins.clone(),
            extensions: to_preload(&wish.extensions()),
            database: wish.database.to_owned(),
        };
        let start = Remote::start(socket, wanted, START_WAIT);
        Ok(Self::Remote(interrupt.or(start).await?))
    }

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
        match self {
            Self::Here(throwaway) => format!("a throwaway PostgreSQL {}", throwaway.version),
            Self::Remote(remote) => {
                format!(
                    "a second container's throwaway PostgreSQL {}",
                    remote.version
                )
            }
        }
    }

    /// Runs `work`, which needs it, and fails where a second container went away meanwhile.
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

impl Wish<'_> {
    fn extensions(&self) -> Vec<String> {
        let extensions = self.catalog.extensions.iter();
        extensions.map(|one| one.name.clone()).collect()
    }
}
