//! From what is written in several places to one [`Server`].

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::{self, Login};
use super::params::{self, KEYWORDS, Params};
use crate::error::{Error, Result, ResultExt};
use crate::pg::connect::server::{CONNECT_TIMEOUT, RootCert, Server, SslMode};

/// libpq's two customary folders of the server's socket: Debian's and upstream's.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What the user or the configuration gave explicitly.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// A URL or a keyword/value string; `None` leaves everything to `PG*` variables.
    pub url: Option<&'a str>,
    /// A file with only the password.
    pub password_file: Option<&'a Path>,
    /// Wins over all other places.
    pub sslmode: Option<SslMode>,
    /// Wins over all other places.
    pub sslrootcert: Option<&'a Path>,
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Server {
    /// Reads a `postgresql://` URL or a keyword/value string, over this process's `PG*`
    /// variables, service file and `.pgpass`.
    pub fn from_url(url: &str) -> Result<Self> {
        let input = Input {
            url: Some(url),
            ..Input::default()
        };
        Self::resolve(input, &|name| std::env::var(name).ok())
    }

    /// Resolves as libpq does: the URL, then the service file, then `PG*` variables, then
    /// defaults; the password also from `password_file` or `.pgpass`. Unlike libpq's, the
    /// default sslmode is verify-full for a server that is not on this machine.
    pub fn resolve(input: Input<'_>, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let explicit = match input.url {
            Some(url) => params::parse(url)?,
            None => Params::new(),
        };
        if explicit.contains_key("password") && input.password_file.is_some() {
            return Err(
                Error::usage("the password is given twice: in the URL and in a file")
                    .hint("take it out of the URL"),
            );
        }
        let (params, service) = layer(explicit, env)?;
        let get = |key: &str| given(&params, key);
        let port = port(get("port"))?;
        let address = address(get("hostaddr"))?;
        let host = host(get("host"), address, port)?;
        let user = match get("user") {
            Some(user) => user.to_owned(),
            None => os_user()?,
        };
        let database = get("dbname").unwrap_or(&user).to_owned();
        let mut server = Self {
            database_named: get("dbname").is_some(),
            ssl: ssl_mode(input.sslmode, get("sslmode"), &host, address)?,
            root_cert: root_cert(input.sslrootcert, get("sslrootcert"), env)?,
            connect_timeout: connect_timeout(get("connect_timeout"))?,
            application_name: get("application_name").map(str::to_owned),
            session_options: None,
            names_are_bytes: None,
            password: None,
            password_from: None,
            passwords: None,
            warnings: Vec::new(),
            host,
            address,
            port,
            user,
            database,
            service,
        };
        find_password(&mut server, input, &params, env)?;
        Ok(server)
    }
}

/// A parameter's value; an empty one is as good as none.
fn given<'a>(params: &'a Params, key: &str) -> Option<&'a str> {
    let value = params.get(key).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

/// Explicit parameters, completed by the service file and then by variables, libpq's order.
fn layer(explicit: Params, env: Env<'_>) -> Result<(Params, Option<String>)> {
    let mut params = explicit;
    let service = params.get("service").cloned().or_else(|| env("PGSERVICE"));
    let service = service.filter(|name| !name.is_empty());
    if let Some(name) = &service {
        for (key, value) in files::service(name, env)? {
            params.entry(key).or_insert(value);
        }
    }
    for (key, variable) in KEYWORDS {
        if let Some(value) = variable.and_then(env) {
            params.entry(key).or_insert(value);
        }
    }
    Ok((params, service))
}

fn port(text: Option<&str>) -> Result<u16> {
    let Some(text) = text else { return Ok(5432) };
    if text.contains(',') {
        return Err(params::several_hosts());
    }
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        Error::usage(format!("{text:?} is not a port")).hint(
            "a number from 1 to 65535; a password with @ / : # in a URL must be percent-encoded",
        )
    })
}

fn address(text: Option<&str>) -> Result<Option<IpAddr>> {
    let Some(text) = text else { return Ok(None) };
    if text.contains(',') {
        return Err(params::several_hosts());
    }
    text.parse()
        .map(Some)
        .map_err(|_| Error::usage(format!("hostaddr {text:?} is not an IP address")))
}

fn host(text: Option<&str>, address: Option<IpAddr>, port: u16) -> Result<String> {
    match (text, address) {
        (Some(host), _) if host.contains(',') => Err(params::several_hosts()),
        (Some(host), _) if host.starts_with('@') => Err(Error::usage(format!(
            "abstract sockets such as {host:?} are not supported"
        ))
        .hint("name the folder of the server's socket, or its host")),
        (Some(host), _) => Ok(host.to_owned()),
        (None, Some(address)) => Ok(address.to_string()),
        (None, None) => Ok(SOCKET_FOLDERS
            .iter()
            .find(|folder| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists())
            .map_or_else(|| "localhost".to_owned(), |folder| (*folder).to_owned())),
    }
}

/// On this machine nobody sits in between; anywhere else the certificate must prove the name.
fn ssl_mode(
    forced: Option<SslMode>,
    written: Option<&str>,
    host: &str,
    address: Option<IpAddr>,
) -> Result<SslMode> {
    if let Some(mode) = forced {
        return Ok(mode);
    }
    if let Some(written) = written {
        return written.parse();
    }
    let loopback = |address: IpAddr| address.to_canonical().is_loopback();
    let name_is_local = host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(loopback);
    Ok(match name_is_local && address.is_none_or(loopback) {
        true => SslMode::Prefer,
        false => SslMode::VerifyFull,
    })
}

fn root_cert(forced: Option<&Path>, written: Option<&str>, env: Env<'_>) -> Result<RootCert> {
    let path = match (forced, written) {
        (Some(path), _) => path.to_owned(),
        // libpq 16's word for the system's roots.
        (None, Some("system")) => return Ok(RootCert::Default),
        (None, Some(path)) => PathBuf::from(path),
        (None, None) => {
            let usual = env("HOME").map(|home| PathBuf::from(home).join(".postgresql/root.crt"));
            return Ok(usual
                .filter(|path| path.is_file())
                .map_or(RootCert::Default, RootCert::File));
        }
    };
    if !path.is_file() {
        return Err(Error::usage(format!(
            "root certificate file {} does not exist",
            path.display()
        ))
        .hint("leave sslrootcert out to trust the system's and the RDS authorities"));
    }
    Ok(RootCert::File(path))
}

fn connect_timeout(text: Option<&str>) -> Result<Option<Duration>> {
    let Some(text) = text else {
        return Ok(Some(CONNECT_TIMEOUT));
    };
    let seconds: i64 = text.trim().parse().map_err(|_| {
        Error::usage(format!(
            "connect_timeout {text:?} is not a number of seconds"
        ))
    })?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    // libpq: a single second is too short to be meant.
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.max(2))))
}

fn os_user() -> Result<String> {
    whoami::username()
        .context(|| "the name of the operating system's user, the default for user".to_owned())
}

fn find_password(
    server: &mut Server,
    input: Input<'_>,
    params: &Params,
    env: Env<'_>,
) -> Result<()> {
    if let Some(path) = input.password_file {
        server.password = Some(files::password_file(path)?);
        server.password_from = Some(format!("the password file {}", path.display()));
        return Ok(());
    }
    if let Some(password) = given(params, "password") {
        server.password = Some(password.to_owned());
        let from = if env("PGPASSWORD").as_deref() == Some(password) {
            "PGPASSWORD"
        } else {
            "the database URL or the service file"
        };
        server.password_from = Some(from.to_owned());
        return Ok(());
    }
    let path = match given(params, "passfile") {
        Some(path) => Some(PathBuf::from(path)),
        None => env("HOME").map(|home| PathBuf::from(home).join(".pgpass")),
    };
    if let Some(path) = path {
        look_up(server, &path);
    }
    Ok(())
}

fn look_up(server: &mut Server, pgpass: &Path) {
    // As libpq: sockets in the usual folders go by the name of localhost.
    let host = match SOCKET_FOLDERS.contains(&server.host.as_str()) {
        true => "localhost",
        false => &server.host,
    };
    let login = Login {
        host,
        port: server.port,
        database: &server.database,
        user: &server.user,
    };
    server.password = files::pgpass(pgpass, &login, &mut server.warnings);
    if server.password.is_some() {
        server.password_from = Some(pgpass.display().to_string());
    }
}
