//! A session: connected, pinned to one rendering of every type, and cancellable.

use tokio_postgres::Client;

use super::conninfo::Server;
use crate::error::{Error, Kind, Result};

/// A live session. Dropping it closes the connection.
pub struct Session {
    pub client: Client,
    /// The backend's process id.
    pub pid: i32,
}

impl Session {
    /// Connects; `application` becomes `application_name`. Every setting that changes how values
    /// print or how long a session may live is pinned before this returns, without taking a
    /// snapshot. The client encoding is UTF8 for catalog work; sessions that COPY rows call
    /// [`Session::use_database_encoding`].
    pub async fn connect(_server: &Server, _application: &str) -> Result<Self> {
        Err(Error::failed("to come"))
    }

    /// From here on bytes pass as the database stores them.
    pub async fn use_database_encoding(&self) -> Result<()> {
        Ok(())
    }
}

/// What the server said, with SQLSTATE, detail and hint where there are any; `what` names the
/// operand.
pub fn pg_error(what: impl Into<String>, error: tokio_postgres::Error) -> Error {
    Error::new(Kind::Failed, what).because(error)
}
