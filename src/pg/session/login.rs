//! From a socket to a logged-in client, trying TLS and plain text in libpq's order.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Config, config};

use super::dial::{ServerStream, dial};
use super::driver::Driver;
use super::failure;
use super::tap::{Rows, Tap};
use crate::error::{Error, Result};
use crate::pg::connect::server::{SESSION_OPTIONS, Server, SslMode};
use crate::pg::connect::tls::Connector;

/// A client whose connection is being driven.
pub(crate) struct Login {
    pub client: Client,
    pub driver: Driver,
    /// Of COPY, as they arrive.
    pub rows: Rows,
    /// As the server says it, such as "15.4 (Debian 15.4-1)".
    pub server_version: String,
}

/// The ways to try, in order.
fn attempts(server: &Server) -> &'static [config::SslMode] {
    use config::SslMode::{Disable, Prefer, Require};
    if server.is_socket() {
        return &[Disable];
    }
    match server.ssl {
        SslMode::Disable => &[Disable],
        SslMode::Allow => &[Disable, Require],
        SslMode::Prefer => &[Prefer, Disable],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Require],
    }
}

pub(super) async fn login(server: &Server, application: &str) -> Result<Login> {
    let mut config = Config::new();
    config
        .user(&server.user)
        .dbname(&server.database)
        .application_name(application);
    if let Some(password) = &server.password {
        config.password(password);
    }
    if let Some(options) = &server.session_options {
        config.options(options);
    }
    match log_in(server, &mut config).await? {
        // An older server than was expected knows fewer settings.
        Err(error)
            if server.session_options.is_some()
                && error.code() == Some(&SqlState::UNDEFINED_OBJECT) =>
        {
            config.options(SESSION_OPTIONS);
            log_in(server, &mut config).await?
        }
        done => done,
    }
    .map_err(|error| failure::connect_error(server, error))
}

/// Tries one way after the other.
async fn log_in(
    server: &Server,
    config: &mut Config,
) -> Result<Result<Login, tokio_postgres::Error>> {
    let mut refused = None;
    for mode in attempts(server) {
        config.ssl_mode(*mode);
        match attempt(server, config).await? {
            Ok(login) => return Ok(Ok(login)),
            Err(error) if !worth_another_way(&error) => return Ok(Err(error)),
            // Refused with and without TLS: the first refusal is reported.
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) => Ok(Err(error)),
        None => Err(Error::failed(format!("connecting to {server}"))),
    }
}

/// With or without TLS may matter to `pg_hba.conf` and to the handshake, not to a password.
fn worth_another_way(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => failure::is_tls(error),
    }
}

async fn attempt(server: &Server, config: &Config) -> Result<Result<Login, tokio_postgres::Error>> {
    let rows = Rows::default();
    let wanted = config.get_ssl_mode() != config::SslMode::Disable;
    let connector = Connector::new(server, wanted, rows.clone())?;
    Ok(match dial(server).await? {
        ServerStream::Tcp(stream) => start(stream, connector, config, rows).await,
        ServerStream::Unix(stream) => start(stream, connector, config, rows).await,
    })
}

async fn start<S>(
    stream: S,
    connector: Connector,
    config: &Config,
    rows: Rows,
) -> Result<Login, tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Tap::new(stream, rows.clone());
    let (client, connection) = config.connect_raw(stream, connector).await?;
    let server_version = connection
        .parameter("server_version")
        .unwrap_or_default()
        .to_owned();
    Ok(Login {
        client,
        driver: Driver::spawn(connection),
        rows,
        server_version,
    })
}

/// Sends a cancel request over a connection of its own.
pub(super) async fn cancel(server: &Server, token: CancelToken) -> Result<()> {
    let connector = Connector::new(server, server.ssl != SslMode::Disable, Rows::default())?;
    match dial(server).await? {
        ServerStream::Tcp(stream) => token.cancel_query_raw(stream, connector).await,
        ServerStream::Unix(stream) => token.cancel_query_raw(stream, connector).await,
    }
    .map_err(|error| failure::pg_error(format!("cancelling a statement on {server}"), error))
}
