//! A session: connected, pinned to one rendering of every type, and cancellable.

mod backend_key;
mod copy;
mod dial;
mod driver;
mod encoding;
mod failure;
mod login;
mod outgoing;
pub(crate) mod pinned;
pub(crate) mod pool;
pub(in crate::pg) mod rows;
pub(crate) mod tap;

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio_postgres::{CancelToken, Client, SimpleQueryMessage};

use crate::error::{Error, Kind, Result, ResultExt};
use crate::pg::connect::server::Server;

pub(crate) use copy::CopyRows;
pub(crate) use failure::{hint_for_words, pg_error};
pub(crate) use pinned::LOCK_TIMEOUT;
pub use pinned::Purpose;
pub(in crate::pg) use rows::from_row;
pub(crate) use rows::{FromRow, RowReader};

/// A live session. Dropping it closes the connection.
pub struct Session {
    client: Client,
    /// The backend's process id.
    pub pid: i32,
    /// Such as 150004 for 15.4.
    pub server_version_num: u32,
    /// The server's start time, in UTC: the same in all sessions to one server.
    pub started: String,
    /// The encoding of the database, such as `UTF8` or `SQL_ASCII`.
    pub server_encoding: String,
    /// Names pass as the database stores them, not as UTF-8. What is no UTF-8 in them is [`opaque`].
    pub names_are_bytes: bool,
    /// The process id announced at login; a pooler's is not the backend's.
    announced_pid: Option<i32>,
    cancel: CancelToken,
    server: Server,
    driver: driver::Driver,
    rows: tap::Rows,
}

impl Session {
    /// Connects; `application` becomes `application_name`. Every setting that changes how values
    /// print or how long a session may live is pinned before this returns, without taking a
    /// snapshot. Names come and go in UTF8; where the database knows no such thing, or shows names that do
    /// not convert, as its own bytes (`names_are_bytes`). The connection is driven by the current runtime.
    pub async fn connect(server: &Server, application: &str, purpose: Purpose) -> Result<Self> {
        let what = || format!("connecting to {server}");
        // Before the time limit starts: making a password may take longer.
        let server = &server.for_login().await?;
        let opening = Self::open(server, application, purpose);
        let Some(limit) = server.connect_timeout else {
            return opening.await;
        };
        tokio::time::timeout(limit, opening).await.unwrap_or_else(|_| {
            Err(Error::new(
                Kind::Unavailable,
                format!("{}: no answer within {} s", what(), limit.as_secs()),
            )
            .hint("check that security groups and firewalls let this machine in; connect_timeout waits longer"))
        })
    }

    /// Whether somebody who asks for nothing but the database can log in.
    pub async fn can_log_in(server: &Server, application: &str) -> Result<()> {
        let mut server = server.for_login().await?;
        server.session_options = None;
        let limit = server.connect_timeout.unwrap_or(Duration::MAX);
        let login = tokio::time::timeout(limit, login::login(&server, application)).await;
        let login::Login { client, driver, .. } = login.map_err(|_| {
            let what = format!(
                "connecting to {server}: no answer within {} s",
                limit.as_secs()
            );
            Error::new(Kind::Unavailable, what)
        })??;
        drop(client);
        driver.finish().await;
        Ok(())
    }

    async fn open(server: &Server, application: &str, purpose: Purpose) -> Result<Self> {
        let login = login::login(server, application).await?;
        let failed = |error| failure::connect_error(server, error);
        pinned::pin(&login, purpose).await.map_err(failed)?;
        let facts = login
            .client
            .simple_query(
                "SELECT pg_backend_pid(), pg_postmaster_start_time(), \
                 current_setting('server_version_num'), current_setting('server_encoding')",
            )
            .await
            .map_err(failed)?;
        let fact = |at: usize| first_row(&facts, at);
        let number = |at: usize| {
            fact(at).parse::<i32>().map_err(|_| {
                Error::failed(format!("connecting to {server}")).because(Error::failed(
                    "the server does not answer as PostgreSQL does",
                ))
            })
        };
        let server_encoding = fact(3);
        let reads = purpose == Purpose::Read;
        let names_are_bytes = match server_encoding {
            "UTF8" => false,
            "SQL_ASCII" => true,
            _ => match server.names_are_bytes {
                Some(known) => known,
                None => reads && !encoding::converts(&login.client).await,
            },
        };
        if names_are_bytes {
            encoding::use_own(&login.client, server_encoding)
                .await
                .map_err(failed)?;
        }
        Ok(Self {
            names_are_bytes,
            pid: number(0)?,
            started: fact(1).to_owned(),
            server_version_num: number(2)?.unsigned_abs(),
            server_encoding: server_encoding.to_owned(),
            announced_pid: backend_key::announced_pid(login.client.cancel_token()).await,
            cancel: login.client.cancel_token(),
            client: login.client,
            rows: login.rows,
            driver: login.driver,
            server: server.clone(),
        })
    }

    /// Such as `15.4`.
    pub fn version(&self) -> String {
        format!("{}.{}", self.major(), self.server_version_num % 10_000)
    }

    pub fn major(&self) -> u32 {
        self.server_version_num / 10_000
    }

    /// Lets this session's statements read views and foreign tables, as REFRESH may have to.
    pub async fn allow_views(&self) -> Result<()> {
        let sql = "SELECT pg_catalog.set_config(name, '', false) FROM pg_catalog.pg_settings
                    WHERE name = 'restrict_nonsystem_relation_kind'";
        self.execute(sql, "setting restrict_nonsystem_relation_kind")
            .await
    }

    /// Bounds how long a statement waits for a lock; zero waits for ever. Takes no snapshot.
    pub async fn set_lock_timeout(&self, limit: Duration) -> Result<()> {
        let sql = format!("SET lock_timeout = {}", limit.as_millis());
        self.execute(&sql, "setting lock_timeout").await
    }

    /// Whether both sessions met one server, not two behind one name.
    pub fn same_server(&self, other: &Self) -> Result<()> {
        if self.started == other.started && self.server_version_num == other.server_version_num {
            return Ok(());
        }
        Err(Error::refused(format!(
            "two sessions to {} met two servers: one started {}, the other {}",
            self.server, self.started, other.started
        ))
        .hint("name one instance, not a reader endpoint, a pooler or RDS Proxy"))
    }

    /// An error where a pooler (PgBouncer, RDS Proxy) sits in between. In transaction mode it may
    /// hand each transaction to another backend, which has none of the pinned settings.
    pub fn refuse_pooler(&self) -> Result<()> {
        match self.announced_pid {
            Some(announced) if announced != self.pid => Err(Error::refused(format!(
                "{} is a connection pooler, not the database server itself",
                self.server
            ))
            .hint("name the database server itself, past PgBouncer or RDS Proxy")),
            _ => Ok(()),
        }
    }

    /// Whether it still lives; `what` it is good for is named where not.
    pub async fn check_alive(&self, what: &str) -> Result<()> {
        self.execute("SELECT", &format!("lost {what}")).await
    }

    /// All rows of a query; an error begins with `what`.
    pub async fn rows<C>(&self, sql: &str, what: &str) -> Result<C>
    where
        C: IntoIterator<Item: FromRow> + Extend<C::Item> + Default,
    {
        let failed = |error| self.error(what, error);
        let no_parameters = std::iter::empty::<&str>();
        let rows = self.client.query_raw(sql, no_parameters).await;
        let mut rows = pin!(rows.map_err(failed)?);
        let mut values = C::default();
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let value = RowReader::new(&row).read();
            let value = value.context(|| rows::query(what, sql))?;
            values.extend([value]);
        }
        Ok(values)
    }

    /// The one row of a query; an error begins with `what`.
    pub async fn row<T: FromRow>(&self, sql: &str, what: &str) -> Result<T> {
        let mut rows: Vec<T> = self.rows(sql, what).await?;
        match rows.pop() {
            Some(row) if rows.is_empty() => Ok(row),
            _ => Err(Error::failed(format!(
                "{}: it gives not one row",
                rows::query(what, sql)
            ))),
        }
    }

    /// Runs statements that give no rows; an error begins with `what`.
    pub async fn execute(&self, sql: &str, what: &str) -> Result<()> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| self.error(what, error))
    }

    /// For statements whose refusal is judged by its SQLSTATE.
    pub(in crate::pg) fn client(&self) -> &Client {
        &self.client
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Starts `COPY … TO STDOUT`; `what` it reads is named in errors.
    pub async fn copy_out(&self, sql: &str, what: &str) -> Result<CopyRows> {
        let failed = |error| self.error(format!("cannot read {what}"), error);
        let stream = self.client.copy_out(sql).await.map_err(failed)?;
        Ok(CopyRows::new(stream, self.rows.clone(), what))
    }

    /// Asks the server to cancel the running statement. The server does not say whether it did.
    pub async fn cancel(&self) -> Result<()> {
        login::cancel(&self.server, self.cancel.clone()).await
    }

    /// Like [`pg_error`]; where the connection is gone, with the reason why it went.
    pub fn error(&self, what: impl Into<String>, error: tokio_postgres::Error) -> Error {
        failure::session_error(what.into(), error, self.driver.last_words())
    }

    /// Ends the session and waits until the connection is closed.
    pub async fn close(self) {
        let Self { client, driver, .. } = self;
        drop(client);
        driver.finish().await;
    }
}

fn first_row(messages: &[SimpleQueryMessage], column: usize) -> &str {
    messages
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(column),
            _ => None,
        })
        .unwrap_or_default()
}
