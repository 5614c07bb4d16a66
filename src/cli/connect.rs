//! From resolved options to live objects: the repository, a restore point, a server.

use std::path::PathBuf;
use std::sync::Arc;

use super::accounts;
use super::kms::{self, KmsByAccount};
use super::run::{Access, ChoiceArgs, DatabaseFilter, Point, Run};
use crate::codec::Identities;
use crate::config::{Config, Connection};
use crate::error::{Error, Result, ResultExt};
use crate::humanize::first_names;
use crate::keys::identities::IdentitySource;
use crate::pg::connect::conninfo::Input;
use crate::pg::connect::server::{Passwords, Server};
use crate::repository::{PointSelector, Repository, RestorePoint};
use crate::schedule::Points;
use crate::sign::Signer;
use crate::store::Store;
use crate::store::s3::Renewed;
use crate::turns::Turns;

/// Opens the repository that is read or added to.
pub(super) async fn repository(access: &Access, run: &Run) -> Result<Repository> {
    Ok(Repository::new(store(access, run).await?))
}

/// The repository, and the key that signs what is added to it.
pub(super) async fn signed(
    access: &Access,
    config: &Config,
    run: &Run,
) -> Result<(Repository, Signer)> {
    let key = config.signing_key.as_ref();
    let key = key.ok_or_else(|| config.lacks("keys.signing_key"))?;
    let signer = kms::signer(key, access, run).await?;
    Ok((repository(access, run).await?, signer))
}

/// Opens the store. A bucket whose account is configured is opened as the role that is named there,
/// after STS has confirmed the account.
pub(super) async fn store(access: &Access, run: &Run) -> Result<Arc<dyn Store>> {
    let at = &access.repository;
    let mut options = at.s3_options();
    if access.accounts.backup.is_some() && at.location.bucket().is_some() {
        let account = accounts::backup(&access.accounts, run).await?;
        options.renewed = Some(Renewed {
            credentials: account.credentials(),
            after_expiry: account.retries_of_expired(),
        });
    }
    at.location.open(options).await
}

/// Of points that are passed over.
const PASSED_OVER_SHOWN: usize = 3;

/// Opens a restore point after checking its manifest's signature.
pub(super) async fn restore_point(
    access: &Access,
    point: &Point,
    run: &Run,
) -> Result<RestorePoint> {
    let repository = repository(access, run).await?;
    let DatabaseFilter { source, database } = &point.filter;
    let of = (source.as_deref(), database.as_deref());
    let opened = repository.open_chosen(&point.which, of, &access.trust);
    let (opened, passed_over) = opened.await?;
    if !passed_over.is_empty() {
        run.progress.warn(&format!(
            "{} is taken for the latest; newer and passed over: {}",
            opened.manifest.id,
            first_names(&passed_over, PASSED_OVER_SHOWN)
        ));
    }
    repository.note_announced(run.progress.as_ref()).await;
    Ok(opened)
}

/// What a command is about that takes a choice of databases.
pub(super) enum RestorePoints {
    One(Box<RestorePoint>),
    /// The newest point of each of several databases.
    Each(Points),
}

/// One restore point where plain names were typed; where one has a `*` or several were, the newest of each database.
pub(super) async fn restore_points(
    access: &Access,
    which: &PointSelector,
    choice: &ChoiceArgs,
    turns: Turns,
    run: &Run,
) -> Result<RestorePoints> {
    let chosen = choice.resolve()?;
    let which = which.clone();
    if let Some(filter) = choice.plain() {
        let point = restore_point(access, &Point { which, filter }, run).await?;
        return Ok(RestorePoints::One(Box::new(point)));
    }
    if which != PointSelector::Latest {
        return Err(Error::usage("an id is one point of one database")
            .hint("name source and database in full, once; several are chosen with `latest`"));
    }
    let repository = repository(access, run).await?;
    let selected = repository.newest_chosen(&chosen, &access.trust).await?;
    repository.note_announced(run.progress.as_ref()).await;
    Ok(RestorePoints::Each(Points {
        repository,
        trust: access.trust.clone(),
        selected,
        turns,
    }))
}

/// All points of the chosen databases.
pub(super) async fn all_points(
    access: &Access,
    choice: &ChoiceArgs,
    turns: Turns,
    run: &Run,
) -> Result<Points> {
    let chosen = choice.resolve()?;
    let repository = repository(access, run).await?;
    let selected = repository.all_chosen(&chosen).await?;
    repository.note_announced(run.progress.as_ref()).await;
    Ok(Points {
        repository,
        trust: access.trust.clone(),
        selected,
        turns,
    })
}

/// Those of `--identity`, and what KMS unwraps.
pub(super) fn identity_source<'a>(access: &'a Access, run: &'a Run) -> Result<IdentitySource<'a>> {
    Ok(IdentitySource {
        given: Identities::from_files(&access.identities)?,
        kms: Box::new(KmsByAccount { access, run }),
    })
}

/// The server of a source, logged in to with `tokens` where it says so.
pub(super) fn source(
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

/// The server of a URL that was typed as `option`, which must name a database; `hint` says how.
pub(super) fn typed_server(
    (option, hint): (&str, &str),
    address: String,
    password_file: Option<PathBuf>,
    run: &Run,
) -> Result<Server> {
    let connection = Connection {
        address,
        password_file,
        ..Connection::default()
    };
    let server = server(&connection, run)?;
    if !server.database_named {
        return Err(Error::usage(format!("{option} names no database")).hint(hint));
    }
    Ok(server)
}

/// Asks `PG*` variables, `.pgpass` and the service file for what the connection leaves open.
fn server(connection: &Connection, run: &Run) -> Result<Server> {
    let input = Input {
        url: Some(&connection.address),
        password_file: connection.password_file.as_deref(),
        sslmode: connection.sslmode,
        sslrootcert: connection.sslrootcert.as_deref(),
    };
    let server = Server::resolve(input, &|name| std::env::var(name).ok())
        .context(|| "the connection settings".to_owned())?;
    for warning in &server.warnings {
        run.progress.warn(warning);
    }
    Ok(server)
}
