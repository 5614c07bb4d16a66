//! Sources: names, connection settings, and which databases are meant.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::raw;
use super::rules::{At, KeyError};
use crate::error::{Error, Result};
use crate::model::choice::Choice;
use crate::model::databases::Databases;
use crate::model::pattern::{Exclude, Pattern};
use crate::model::snapshot::Kind;
use crate::pg::connect::conninfo::{Params, parse_url};
use crate::pg::connect::server::SslMode;
use crate::quote::conninfo_pair;

/// The longest name of a source.
const NAME_LEN: usize = 63;

/// More exports at the same time than this are no server's.
const MAX_AT_ONCE: u16 = 128;
/// Where the list of databases is asked for when nothing names one: PostgreSQL's and RDS's own.
const MAINTENANCE_DATABASE: &str = "postgres";

/// What is known about a connection before `PG*` variables, `.pgpass` and the service file are
/// asked. Its Debug does not show the address: it may hold a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// A `postgresql://` URL, or libpq's `key='value'` pairs.
    pub address: String,
    pub password_file: Option<PathBuf>,
    /// Wins over the address.
    pub sslmode: Option<SslMode>,
    /// Wins over the address.
    pub sslrootcert: Option<PathBuf>,
    /// A fresh IAM token for each connection instead of a password.
    pub iam: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("password_file", &self.password_file)
            .field("sslmode", &self.sslmode)
            .field("sslrootcert", &self.sslrootcert)
            .field("iam", &self.iam)
            .finish_non_exhaustive()
    }
}

/// What RDS calls a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rds {
    pub kind: Kind,
    pub identifier: String,
}

/// An instance or cluster to protect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it appears in keys.
    pub name: String,
    pub connection: Connection,
    /// `None`: its snapshots are not copied.
    pub rds: Option<Rds>,
    pub databases: Databases,
    /// Where to ask for the list of databases; `None`: where the connection leads.
    pub entry_database: Option<String>,
    /// Whether a database that is not exported is a finding, or only listed.
    pub uncovered_is_finding: bool,
    /// Names from inside its databases, which are nowhere stored in clear.
    pub exclude: Exclude,
    /// How many databases of its server may be exported at the same time.
    pub at_once: u16,
}

impl Source {
    /// A source given by its URL alone: the database in it, under a name made from the host.
    pub fn from_url(url: &str) -> Result<Self> {
        Ok(Self {
            name: name_from_host(&parse_url(url)?),
            connection: Connection {
                address: url.to_owned(),
                ..Connection::default()
            },
            rds: None,
            databases: Databases::OfConnection,
            entry_database: None,
            uncovered_is_finding: false,
            exclude: Exclude::default(),
            at_once: 1,
        })
    }

    /// Only these databases, whatever was configured.
    #[must_use]
    pub fn only(self, databases: &[String]) -> Self {
        Self {
            entry_database: databases.first().cloned(),
            databases: Databases::Named(databases.to_vec()),
            uncovered_is_finding: false,
            ..self
        }
    }

    /// Only its databases of the choice; the server tells which there are.
    #[must_use]
    pub fn chosen(self, choice: &Choice) -> Self {
        if choice.databases().is_empty() {
            return self;
        }
        Self {
            databases: Databases::Matching {
                names: choice.databases().to_vec(),
                among: Box::new(self.databases),
            },
            uncovered_is_finding: false,
            ..self
        }
    }
}

/// Refuses a name that cannot stand in keys.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let sound =
        (1..=NAME_LEN).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain);
    if sound {
        return Ok(());
    }
    Err(Error::usage(format!(
        "'{}' cannot be the name of a source",
        name.escape_debug()
    ))
    .hint(format!(
        "1 to {NAME_LEN} letters, digits, dots, hyphens and underscores, no dot in front"
    )))
}

/// Resolves one `[[source]]`; the key that is wrong comes with the error.
pub(crate) fn resolve(raw: &raw::Source, base: &Path) -> Result<Source, KeyError> {
    check_name(&raw.name).at("name")?;
    let databases = databases(raw)?;
    Ok(Source {
        name: raw.name.clone(),
        entry_database: entry_database(raw, &databases),
        connection: connection(raw, base)?,
        rds: rds(raw)?,
        databases,
        uncovered_is_finding: true,
        exclude: exclude(raw)?,
        at_once: at_once(raw.at_once).at("at_once")?,
    })
}

fn at_once(raw: Option<u16>) -> Result<u16> {
    let at_once = raw.unwrap_or(1);
    match (1..=MAX_AT_ONCE).contains(&at_once) {
        true => Ok(at_once),
        false => Err(
            Error::usage(format!("{at_once} is not a number of databases"))
                .hint(format!("1 to {MAX_AT_ONCE}")),
        ),
    }
}

fn exclude(raw: &raw::Source) -> Result<Exclude, KeyError> {
    let relations = |key, patterns: &[String]| -> Result<Vec<Pattern>, KeyError> {
        let patterns = patterns.iter().map(|text| Pattern::of_relation(text));
        patterns.collect::<Result<_>>().at(key)
    };
    let schemas = raw.exclude_schemas.iter();
    let schemas = schemas.map(|text| Pattern::of_schema(text));
    Ok(Exclude {
        tables: relations("exclude_tables", &raw.exclude_tables)?,
        table_data: relations("exclude_table_data", &raw.exclude_table_data)?,
        schemas: schemas.collect::<Result<_>>().at("exclude_schemas")?,
    })
}

fn connection(raw: &raw::Source, base: &Path) -> Result<Connection, KeyError> {
    let sslmode = raw.sslmode.as_deref().map(str::parse).transpose();
    let sslmode = sslmode.at("sslmode")?;
    let iam = raw.auth == Some(raw::Auth::Iam);
    if iam && raw.password_file.is_some() {
        let error = Error::usage("has no meaning beside auth = \"iam\"").hint("leave one out");
        return Err(("password_file", error));
    }
    if iam && let Some(mode) = sslmode.filter(|mode| *mode < SslMode::VerifyFull) {
        let error = Error::usage(format!(
            "'{mode}' beside auth = \"iam\": a token would travel as it is to whoever answers"
        ))
        .hint("leave it out: verify-full is the default for a host that is not local");
        return Err(("sslmode", error));
    }
    let in_base = |path: &Option<PathBuf>| path.as_ref().map(|path| base.join(path));
    Ok(Connection {
        address: address(raw)?,
        password_file: in_base(&raw.password_file),
        sslmode,
        sslrootcert: in_base(&raw.sslrootcert),
        iam,
    })
}

fn rds(raw: &raw::Source) -> Result<Option<Rds>, KeyError> {
    let (key, name, kind) = match (&raw.instance, &raw.cluster) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let error = Error::usage("cannot stand beside instance")
                .hint("the members of a cluster are copied with it: name the cluster alone");
            return Err(("cluster", error));
        }
        (Some(name), None) => ("instance", name, Kind::Instance),
        (None, Some(name)) => ("cluster", name, Kind::Cluster),
    };
    if !is_rds_identifier(name) {
        let error = Error::usage(format!("'{}' is no identifier of RDS", name.escape_debug()))
            .hint("the DB identifier as the RDS console shows it, not the endpoint");
        return Err((key, error));
    }
    let identifier = name.to_lowercase();
    Ok(Some(Rds { kind, identifier }))
}

/// 1 to 63 letters, digits and single hyphens, a letter in front.
pub(crate) fn is_rds_identifier(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.bytes().all(plain)
}

fn address(raw: &raw::Source) -> Result<String, KeyError> {
    let fields = [
        ("host", raw.host.clone()),
        ("port", raw.port.map(|port| port.to_string())),
        ("user", raw.user.clone()),
        ("service", raw.service.clone()),
    ];
    let Some(url) = &raw.url else {
        if raw.host.is_none() && raw.service.is_none() {
            let error = Error::usage(format!("source '{}' names no server", raw.name))
                .hint("give it a url, a host, or a service");
            return Err(("name", error));
        }
        let given = fields
            .iter()
            .filter_map(|(key, value)| value.as_ref().map(|value| conninfo_pair(key, value)));
        return Ok(given.collect::<Vec<_>>().join(" "));
    };
    if let Some((key, _)) = fields.iter().find(|(_, value)| value.is_some()) {
        let error = Error::usage("cannot stand beside url").hint("write it into the url");
        return Err((key, error));
    }
    if has_password(url).at("url")? {
        let error = Error::usage("holds a password, and this file is no place for secrets")
            .hint("move the password to a file of its own (mode 0600): password_file = \"…\"");
        return Err(("url", error));
    }
    Ok(url.clone())
}

fn databases(raw: &raw::Source) -> Result<Databases, KeyError> {
    let except = &raw.exclude_databases;
    let Some(Databases::Named(names)) = &raw.databases else {
        return Ok(Databases::All {
            except: except.clone(),
        });
    };
    if !except.is_empty() {
        let error = Error::usage(format!(
            "has no meaning beside a list of {} databases",
            names.len()
        ))
        .hint("exclude_databases goes with databases = \"all\"");
        return Err(("exclude_databases", error));
    }
    let mut seen = BTreeSet::new();
    let wrong = match names.iter().find(|name| !seen.insert(*name)) {
        _ if names.is_empty() => "lists no database".to_owned(),
        _ if names.iter().any(String::is_empty) => "holds an empty name".to_owned(),
        Some(twice) => format!("lists '{}' twice", twice.escape_debug()),
        None => return Ok(Databases::Named(names.clone())),
    };
    let error = Error::usage(wrong).hint("name each database once, or write \"all\"");
    Err(("databases", error))
}

fn entry_database(raw: &raw::Source, databases: &Databases) -> Option<String> {
    if let Databases::Named(names) = databases {
        return names.first().cloned();
    }
    let names_one = match &raw.url {
        Some(url) => parse_url(url)
            .is_ok_and(|params| params.contains_key("dbname") || params.contains_key("service")),
        None => raw.service.is_some(),
    };
    (!names_one).then(|| MAINTENANCE_DATABASE.to_owned())
}

/// Whether a text is meant as the URL of a database.
pub(crate) fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// Refuses what is not a PostgreSQL URL.
pub(crate) fn check_url(url: &str) -> Result<()> {
    parse_url(url).map(drop)
}

/// Whether the URL holds a password, or a user with a colon, behind which one may be meant.
pub(crate) fn has_password(url: &str) -> Result<bool> {
    let params = parse_url(url)?;
    let user = params.get("user");
    Ok(params.contains_key("password") || user.is_some_and(|user| user.contains(':')))
}

/// The database that a URL names, where it does.
pub(crate) fn database_of(url: &str) -> Option<String> {
    parse_url(url).ok()?.remove("dbname")
}

/// `db.example.com`, `db.example.com-5433`; `local` for a socket.
fn name_from_host(url: &Params) -> String {
    let get = |key| url.get(key).map_or("", String::as_str);
    let host = get("host").trim_matches(['.', ':']);
    if host.is_empty() || host.starts_with('/') {
        return format!("local{}", port_suffix(get("port")));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let mut name = host.replace(|c| !plain(c), "-");
    let port = port_suffix(get("port"));
    name.truncate(NAME_LEN.saturating_sub(port.len()));
    name + &port
}

fn port_suffix(port: &str) -> String {
    match port {
        "" | "5432" => String::new(),
        other => format!("-{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_stand_in_keys_are_refused() {
        for name in ["", ".", ".a", "a/b", "a b", "ü", &"x".repeat(64)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["prod", "db-1.example_com", &"x".repeat(63)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_url_alone_makes_a_named_source() {
        for (url, name) in [
            (
                "postgresql://me:pw@db.example.com/courses",
                "db.example.com",
            ),
            (
                "postgres://db.example.com:5433/courses",
                "db.example.com-5433",
            ),
            ("postgresql://[2001:db8::1]:5432/x", "2001-db8--1"),
            ("postgresql:///courses?host=/tmp", "local"),
            ("postgresql://%2Ftmp/courses", "local"),
        ] {
            let source = Source::from_url(url).unwrap();
            assert_eq!(source.name, name);
            assert!(check_name(&source.name).is_ok());
            assert_eq!(source.databases, Databases::OfConnection);
        }
    }

    #[test]
    fn no_message_and_no_debug_text_shows_a_password() {
        let error = Source::from_url("mysql://me:hunter2@host/x").unwrap_err();
        assert!(!error.chain().contains("hunter2"));
        let source = Source::from_url("postgresql://me:hunter2@host/x").unwrap();
        assert!(!format!("{source:?}").contains("hunter2"));
    }

    #[test]
    fn passwords_are_seen_wherever_a_url_may_hold_them() {
        for (url, holds) in [
            ("postgresql://me:pw@host/x", true),
            ("postgresql://me@host/x?password=pw", true),
            ("postgresql://me@host/x?%70assword=pw", true),
            ("postgresql://me@host/x?pass%77ord=pw", true),
            ("postgresql://me%3Apw@host/x", true),
            ("postgresql://m%65@host/x", false),
            ("postgresql://me@host:5432/x?sslmode=require", false),
            ("postgresql://[::1]:5432/x", false),
        ] {
            assert_eq!(has_password(url).unwrap(), holds, "{url}");
        }
    }

    #[test]
    fn values_of_a_server_are_quoted_for_libpq() {
        assert_eq!(conninfo_pair("user", r"o'ne\two"), r"user='o\'ne\\two'");
    }
}
