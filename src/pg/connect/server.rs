//! A PostgreSQL server, and how sessions and tools log in to it.

use std::fmt;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Kind, Result};
use crate::percent;

/// How long a login may take when nothing says otherwise: dialling, TLS and authentication.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection without traffic for this time is probed, this number of times, and then given up. NAT
/// gateways forget an idle connection after minutes; the system's default is to ask after hours.
pub(crate) const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const KEEPALIVE_COUNT: u32 = 3;

/// For every session and tool that works in a restored database: a setting that the backup gives to its
/// database or roles must not change our role, load a library, or end a session before it has pinned its
/// own settings.
pub(crate) const SESSION_OPTIONS: &str = "-c role=none -c local_preload_libraries= -c statement_timeout=0 \
    -c idle_in_transaction_session_timeout=0";

/// [`SESSION_OPTIONS`] for a server of this version, which may end idle sessions and long transactions.
pub(crate) fn session_options(server_version_num: u32) -> String {
    let mut options = SESSION_OPTIONS.to_owned();
    if server_version_num >= 140_000 {
        options.push_str(" -c idle_session_timeout=0");
    }
    if server_version_num >= 170_000 {
        options.push_str(" -c transaction_timeout=0");
    }
    options
}

/// One setting in the words of `PGOPTIONS` and of a login.
pub(crate) fn option(name: &str, value: &str) -> String {
    let mut option = format!("-c {name}=");
    for c in value.chars() {
        if c == '\\' || c.is_ascii_whitespace() {
            option.push('\\');
        }
        option.push(c);
    }
    option
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Without TLS, unless the server insists.
    Allow,
    /// With TLS where the server has it; proves nothing about who answers.
    Prefer,
    /// Always TLS; the chain is checked only where a root certificate file is named.
    Require,
    /// TLS, and the certificate's chain ends at a trusted root.
    VerifyCa,
    /// TLS, a trusted chain, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
    const WORDS: [(Self, &str); 6] = [
        (Self::Disable, "disable"),
        (Self::Allow, "allow"),
        (Self::Prefer, "prefer"),
        (Self::Require, "require"),
        (Self::VerifyCa, "verify-ca"),
        (Self::VerifyFull, "verify-full"),
    ];

    /// libpq's word.
    pub fn as_str(self) -> &'static str {
        let word = Self::WORDS.into_iter().find(|(mode, _)| *mode == self);
        word.map_or("", |(_, word)| word)
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SslMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mode = Self::WORDS.into_iter().find(|(_, word)| *word == text);
        mode.map(|(mode, _)| mode).ok_or_else(|| {
            Error::usage(format!("there is no sslmode {text:?}"))
                .hint("one of disable, allow, prefer, require, verify-ca, verify-full")
        })
    }
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCert {
    /// The system's roots and the RDS authorities shipped with lifeboat.
    Default,
    /// Only those in this PEM file.
    File(PathBuf),
}

/// Makes a password for each login, such as a token that is good for minutes.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// For this host (by its name, whatever the address), port and user.
    async fn password(&self, server: &Server) -> Result<String>;

    /// What to check where the server refuses one.
    fn refused(&self, server: &Server) -> String;
}

/// One server and one database, resolved. Its Display and Debug never show the password.
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
    /// Where the password came from, in words, for the hint when it is wrong.
    pub password_from: Option<String>,
    /// Makes each login's password; wins over `password`.
    pub(super) passwords: Option<Arc<dyn Passwords>>,
    pub database: String,
    /// Whether it was given; where not, it has the user's name, as with libpq.
    pub database_named: bool,
    pub ssl: SslMode,
    pub root_cert: RootCert,
    /// The service file's entry that was used, if any.
    pub service: Option<String>,
    /// For the whole login; `None` waits for ever (libpq's `connect_timeout=0`).
    pub connect_timeout: Option<Duration>,
    /// Only what the user asked for; a session's own name wins over it.
    pub application_name: Option<String>,
    /// Settings for the start of each session, as `PGOPTIONS` has them: they win over those of the
    /// database and of the role.
    pub session_options: Option<String>,
    /// Whether names pass as bytes of the database's encoding, as a catalog says; where none does, a session
    /// that reads finds it out.
    pub names_are_bytes: Option<bool>,
    /// Problems that do not stop a login, such as a `.pgpass` that others can read.
    pub warnings: Vec<String>,
}

impl Server {
    /// A server that proves its name over TLS, by the default authorities; nothing of this machine's
    /// settings is asked.
    pub fn verified(host: &str, port: u16, user: &str, password: String, database: &str) -> Self {
        Self {
            host: host.to_owned(),
            address: None,
            port,
            user: user.to_owned(),
            password: Some(password),
            password_from: None,
            passwords: None,
            database: database.to_owned(),
            database_named: true,
            ssl: SslMode::VerifyFull,
            root_cert: RootCert::Default,
            service: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            application_name: None,
            session_options: None,
            names_are_bytes: None,
            warnings: Vec::new(),
        }
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            database_named: true,
            ..self.clone()
        }
    }

    /// Whether `host` is a socket folder.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Resolves the name once and remembers the address: a reader endpoint or a round-robin
    /// name must not lead two sessions of one run to two servers.
    pub fn pin(&mut self) -> Result<()> {
        if self.is_socket() || self.address.is_some() {
            return Ok(());
        }
        self.address = self.lookup()?.first().copied();
        Ok(())
    }

    /// The same server, logged in to with passwords made for one login each. They travel as they
    /// are: never without TLS to a server that proved its name.
    pub fn with_passwords(self, passwords: Arc<dyn Passwords>) -> Result<Self> {
        if self.is_socket() || self.host.parse::<IpAddr>().is_ok() {
            return Err(
                Error::usage(format!("{:?} is not the name of a host", self.host)).hint(
                    "a token is made for the endpoint's name: name that as host, and in the URL an \
                     address beside it where DNS does not know it: ?hostaddr=…",
                ),
            );
        }
        if self.ssl < SslMode::VerifyFull {
            return Err(Error::usage(format!(
                "a token would travel as it is to whoever answers as {}: sslmode is {}",
                self.host, self.ssl
            ))
            .hint(
                "sslmode = \"verify-full\" is needed, the default for a host that is not local",
            ));
        }
        Ok(Self {
            password: None,
            password_from: None,
            passwords: Some(passwords),
            ..self
        })
    }

    /// The same server with the password of the next login: a new one each time, where they are made
    /// for one login each.
    pub async fn for_login(&self) -> Result<Self> {
        let password = match &self.passwords {
            Some(passwords) => Some(passwords.password(self).await?),
            None => self.password.clone(),
        };
        Ok(Self {
            password,
            ..self.clone()
        })
    }

    /// What to check where a password that was made for the login is refused.
    pub(crate) fn on_refusal(&self) -> Option<String> {
        let passwords = self.passwords.as_ref()?;
        Some(passwords.refused(self))
    }

    /// All addresses of `host`, in the resolver's order; never empty.
    pub(crate) fn lookup(&self) -> Result<Vec<IpAddr>> {
        if let Some(address) = self.address {
            return Ok(vec![address]);
        }
        let unknown = || {
            let what = format!("no address found for the host name {:?}", self.host);
            Error::new(Kind::Unavailable, what)
                .hint("check the spelling, and that this machine's DNS knows the name")
        };
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found = found.map_err(|cause| unknown().because(cause))?;
        let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        match found.is_empty() {
            true => Err(unknown()),
            false => Ok(found),
        }
    }

    /// `postgresql://user@host:port/database`, percent-encoded, fit for [`Server::from_url`].
    pub fn url_without_password(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => percent::encode(&self.host),
        };
        let [user, database] = [&self.user, &self.database].map(|name| percent::encode(name));
        format!("postgresql://{user}@{host}:{}/{database}", self.port)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url_without_password())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url_without_password())
            .field("address", &self.address)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("ssl", &self.ssl)
            .field("root_cert", &self.root_cert)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
