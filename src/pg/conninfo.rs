//! Where a PostgreSQL server is and how to log in: what a URL, `PG*` variables, `.pgpass`, a
//! service file and the configuration say together.

use std::net::IpAddr;

use crate::error::Result;

/// One server and one database, resolved. Its Display never shows the password.
#[derive(Clone)]
pub struct Server {
    /// A host name, an address, or a socket folder (begins with `/`).
    pub host: String,
    /// The address that `host` resolved to once, so that every session and tool of a run meets
    /// the same server. `None` for sockets and before [`Server::pin`].
    pub address: Option<IpAddr>,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
}

impl Server {
    /// Reads a `postgresql://` URL.
    pub fn from_url(_url: &str) -> Result<Self> {
        Err(crate::error::Error::failed("to come"))
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// Environment for `pg_dump`, `pg_restore` and `psql`, password and pinned address included.
    pub fn tool_env(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
