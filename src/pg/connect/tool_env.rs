//! The environment that leads PostgreSQL's own tools to the same server.

use std::ffi::OsString;
use std::fmt;

use tempfile::NamedTempFile;

use crate::error::Result;
use crate::opaque;
use crate::pg::connect::server::{
    KEEPALIVE_COUNT, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, RootCert, Server, SslMode,
};
use crate::pg::connect::tls::roots;
use crate::quote::conninfo_pair;

/// Variables for a tool, and the files they point to. Its Debug never shows the password.
pub struct ToolEnv {
    vars: Vec<(&'static str, String)>,
    /// Removed when this value is dropped.
    _roots: Option<NamedTempFile>,
}

impl ToolEnv {
    /// All variables; every other `PG*` variable must be absent from the tool's environment.
    pub fn vars(&self) -> &[(&'static str, String)] {
        &self.vars
    }

    /// No variables: for tools that talk to no server, such as `initdb`.
    pub fn none() -> Self {
        Self {
            vars: Vec::new(),
            _roots: None,
        }
    }

    /// Adds or replaces one variable, such as `PGOPTIONS`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.vars.retain(|(known, _)| *known != name);
        self.vars.push((name, value.into()));
        self
    }
}

impl fmt::Debug for ToolEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.vars.iter().map(|(name, value)| {
            let secret = *name == "PGPASSWORD";
            (*name, if secret { "…" } else { value.as_str() })
        });
        f.debug_map().entries(shown).finish()
    }
}

/// What only a connection string can say, and no variable: the database, however it is called, and the
/// keepalives of our own sessions.
pub(crate) fn database_argument(database: &str) -> OsString {
    opaque::os(&format!(
        "--dbname={} keepalives_idle={} keepalives_interval={} keepalives_count={}",
        conninfo_pair("dbname", database),
        KEEPALIVE_IDLE.as_secs(),
        KEEPALIVE_INTERVAL.as_secs(),
        KEEPALIVE_COUNT
    ))
}

impl Server {
    /// Environment for `pg_dump`, `pg_restore` and `psql`, password and pinned address included; of
    /// a [`Server::for_login`], as a tool logs in when it starts.
    /// Keep the value alive as long as the tool runs: it may own a file of root certificates.
    /// The tool must see no other `PG*` variable; [`crate::pg::local::tools::command`] takes care of that.
    pub fn tool_env(&self) -> Result<ToolEnv> {
        let mut vars = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGSSLMODE", self.ssl.as_str().to_owned()),
            // Kerberos encryption would take the place of the TLS that sslmode asks for.
            ("PGGSSENCMODE", "disable".to_owned()),
            (
                "PGAPPNAME",
                self.application_name
                    .as_deref()
                    .unwrap_or("lifeboat")
                    .to_owned(),
            ),
            (
                "PGCONNECT_TIMEOUT",
                self.connect_timeout.map_or(0, |t| t.as_secs()).to_string(),
            ),
        ];
        vars.extend((self.address).map(|address| ("PGHOSTADDR", address.to_string())));
        vars.extend(
            self.password
                .clone()
                .map(|password| ("PGPASSWORD", password)),
        );
        let (path, roots) = root_cert_file(self)?;
        vars.extend(path.map(|path| ("PGSSLROOTCERT", path)));
        Ok(ToolEnv {
            vars,
            _roots: roots,
        })
    }
}

/// The file to name as root certificates, and the file to keep where it is ours.
fn root_cert_file(server: &Server) -> Result<(Option<String>, Option<NamedTempFile>)> {
    Ok(match (&server.root_cert, server.ssl) {
        (RootCert::File(path), _) => (Some(path.display().to_string()), None),
        (RootCert::Default, SslMode::VerifyCa | SslMode::VerifyFull) => {
            let file = roots::to_file()?;
            (Some(file.path().display().to_string()), Some(file))
        }
        (RootCert::Default, _) => (None, None),
    })
}
