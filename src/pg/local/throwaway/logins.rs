//! The logins of a throwaway server.

use std::path::Path;

use crate::error::Result;
use crate::pg::connect::conninfo::Input;
use crate::pg::connect::server::{SESSION_OPTIONS, Server};
use crate::quote::conninfo_pair;
use crate::random;

/// No TCP: nobody else's port is taken.
const PORT: u16 = 5432;
/// The socket's name in the server's folder.
pub(crate) const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// The three that may log in; their names are random, as those of a backup's roles are not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Logins {
    /// What initdb makes. It prepares the drill, and can then no longer log in.
    pub superuser: String,
    /// Runs all that comes out of the backup.
    pub restorer: String,
    /// Reads what was restored.
    pub reader: String,
}

impl Logins {
    pub fn random() -> Result<Self> {
        let name = |what: &str| -> Result<String> {
            let random = u64::from_ne_bytes(random::bytes()?);
            Ok(format!("lifeboat_{what}_{random:016x}"))
        };
        Ok(Self {
            superuser: name("su")?,
            restorer: name("restorer")?,
            reader: name("reader")?,
        })
    }

    pub(in crate::pg::local) fn names(&self) -> [&String; 3] {
        [&self.superuser, &self.restorer, &self.reader]
    }
}

/// No other role logs in, whatever a backup says of it.
pub(super) fn admission(logins: &Logins) -> String {
    let lines = logins
        .names()
        .map(|login| format!("local all {login} trust\n"));
    lines.concat() + "local all all reject\n"
}

/// The server whose socket lies in `folder`, as `user`, in `database`.
pub(crate) fn login(folder: &Path, user: &str, database: &str) -> Result<Server> {
    let folder = folder.display().to_string();
    let pairs = [
        ("host", folder.as_str()),
        ("port", &PORT.to_string()),
        ("user", user),
        ("dbname", database),
        ("sslmode", "disable"),
    ]
    .map(|(key, value)| conninfo_pair(key, value));
    let input = Input {
        url: Some(&pairs.join(" ")),
        ..Default::default()
    };
    // The environment of this process is meant for the source.
    let mut server = Server::resolve(input, &|_| None)?;
    server.session_options = Some(SESSION_OPTIONS.to_owned());
    Ok(server)
}
