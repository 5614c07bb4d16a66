//! From resolved options to live objects: the repository, a restore point, a server.

use std::sync::Arc;

use super::accounts;
use super::globals::Access;
use super::point::{Of, Point};
use super::run::Run;
use crate::codec::Identities;
use crate::config::{self, Connection, Location};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::pg::connect::conninfo::{Input, Passwords, Server};
use crate::repository::{Repository, RestorePoint};
use crate::sign::Trust;
use crate::store::Store;
use crate::store::dir::DirStore;
use crate::store::s3::{Renewed, S3Options, S3Store};

/// Opens the store that is read or added to.
pub async fn repository(access: &Access, run: &Run) -> Result<Repository> {
    let store: Arc<dyn Store> = match &access.repository.location {
        Location::Dir(path) => Arc::new(DirStore::open(path).map_err(|error| match error.kind() {
            Kind::NotFound => Error::new(
                Kind::NotFound,
                format!("there is no repository at {}", path.display()),
            )
            .hint("check the path and whether its disk is mounted; `lifeboat init` prepares a new one"),
            _ => error,
        })?),
        Location::S3 { .. } => Arc::new(s3(access, run).await?),
    };
    Ok(Repository::new(store))
}

/// Opens the store that `init` prepares; a directory that is not there yet is made.
pub async fn new_repository(at: &config::Repository) -> Result<Repository> {
    let store: Arc<dyn Store> = match &at.location {
        Location::Dir(path) => Arc::new(DirStore::create(path)?),
        Location::S3 { bucket, prefix } => Arc::new(bucket_of(at, bucket, prefix, None).await?),
    };
    Ok(Repository::new(store))
}

/// Opens the bucket. One whose account is configured is opened as the role that is named there, after
/// STS has said that it is that account.
pub async fn s3(access: &Access, run: &Run) -> Result<S3Store> {
    let Location::S3 { bucket, prefix } = &access.repository.location else {
        return Err(Error::usage(format!(
            "{} is no bucket",
            access.repository.location
        )));
    };
    let renewed = match &access.accounts.backup {
        Some(_) => {
            let account = accounts::backup(&access.accounts, run).await?;
            Some(Renewed {
                credentials: account.credentials(),
                after_expiry: account.retries_of_expired(),
            })
        }
        None => None,
    };
    bucket_of(&access.repository, bucket, prefix, renewed).await
}

async fn bucket_of(
    at: &config::Repository,
    bucket: &str,
    prefix: &str,
    renewed: Option<Renewed>,
) -> Result<S3Store> {
    S3Store::open(S3Options {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        region: at.s3.region.clone(),
        endpoint: at.s3.endpoint.clone(),
        path_style: at.path_style(),
        expected_bucket_owner: at.s3.bucket_owner.clone(),
        profile: at.s3.profile.clone(),
        credentials: None,
        renewed,
    })
    .await
}

/// The restore point that is meant, its manifest's signature checked.
pub async fn restore_point(access: &Access, point: &Point, run: &Run) -> Result<RestorePoint> {
    let repository = repository(access, run).await?;
    let Of { source, database } = &point.of;
    let found = repository
        .choose(&point.which, source.as_deref(), database.as_deref())
        .await?;
    let opened = repository.open(&found, &trust(access)).await?;
    tell_of_announced(&repository, run).await;
    Ok(opened)
}

pub fn trust(access: &Access) -> Trust {
    Trust {
        fingerprints: access.trust.clone(),
    }
}

/// The identities of `--identity`.
pub fn identities(access: &Access) -> Result<Identities> {
    Identities::from_files(&access.identities)
}

/// Says which keys are believed because a pinned one announced them.
pub async fn tell_of_announced(repository: &Repository, run: &Run) {
    for chain in repository.believed().await {
        for one in chain.iter().rev() {
            run.progress.note(&format!(
                "the verification key {} is not pinned, but {} announced it at {}: put it onto the sheet and into trust",
                one.key, one.by, one.announced_at
            ));
        }
    }
}

/// The server of a source, logged in to with `tokens` where it says so.
pub fn source(
    connection: &Connection,
    tokens: Option<&Arc<dyn Passwords>>,
    run: &Run,
) -> Result<Server> {
    let server = server(connection, run)?;
    match tokens {
        Some(tokens) if connection.iam => server.with_passwords(tokens.clone()),
        _ => Ok(server),
    }
}

/// Asks `PG*` variables, `.pgpass` and the service file for what the connection leaves open.
pub fn server(connection: &Connection, run: &Run) -> Result<Server> {
    let input = Input {
        url: Some(&connection.address),
        password_file: connection.password_file.as_deref(),
        sslmode: connection.sslmode.as_deref().map(str::parse).transpose()?,
        sslrootcert: connection.sslrootcert.as_deref(),
    };
    let server = Server::resolve(input, &|name| std::env::var(name).ok())
        .context(|| "the connection settings".to_owned())?;
    for warning in &server.warnings {
        run.progress.warn(warning);
    }
    Ok(server)
}
