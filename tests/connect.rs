//! Connecting: every sslmode against every certificate, every source of a password, and what
//! the user is told when it does not work. Needs the test bench: `bash tests/run.sh`.

use crate::support::certificates;
use crate::support::cluster;
mod session;
mod tls;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lifeboat::testing::pg::Input;
use lifeboat::testing::pg::Server;
use lifeboat::testing::pg::{Purpose, Session};
use lifeboat::testing::{Error, Kind};

use cluster::{Cluster, ClusterOptions, PASSWORD, bench};

/// A name that no DNS knows; `hostaddr` says where it is.
const HOST: &str = "db.example.test";

/// An environment with only these variables.
fn env<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    let vars: HashMap<_, _> = vars.iter().copied().collect();
    move |name| vars.get(name).map(|value| (*value).to_owned())
}

fn resolve(url: &str) -> Server {
    let input = Input {
        url: Some(url),
        ..Input::default()
    };
    Server::resolve(input, &env(&[])).unwrap()
}

async fn connect(server: &Server) -> Result<Session, Error> {
    Session::connect(server, "lifeboat test", Purpose::Read).await
}

/// Runs one query whose answer is one text.
async fn ask(session: &Session, sql: &str) -> String {
    session.row(sql, "asking").await.unwrap()
}

/// What every error owes the user: one line, a hint, and never the password.
fn complaint(error: &Error) -> String {
    let chain = error.chain();
    assert_eq!(chain.lines().count(), 1, "more than one line: {chain}");
    let hint = error
        .find_hint()
        .unwrap_or_else(|| panic!("no hint: {chain}"));
    for text in [&chain, hint, &format!("{error:?}")] {
        assert!(!text.contains(PASSWORD), "a password in {text}");
    }
    println!("{chain}\n    hint: {hint}");
    format!("{chain} | {hint}")
}

async fn refusal(server: &Server) -> (Kind, String) {
    match connect(server).await {
        Ok(_) => panic!("{server} let us in with sslmode {}", server.ssl),
        Err(error) => (error.kind(), complaint(&error)),
    }
}

fn over_tls(cluster: &Cluster, host: &str, mode: &str, root: Option<&Path>) -> Server {
    let root = root.map_or(String::new(), |root| {
        format!("&sslrootcert={}", root.display())
    });
    resolve(&format!(
        "postgresql://postgres:{PASSWORD}@{host}:{}/postgres?hostaddr=127.0.0.1&sslmode={mode}{root}",
        cluster.port
    ))
}

async fn is_encrypted(session: &Session) -> bool {
    let sql = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    ask(session, sql).await == "true"
}

/// A server, and a home folder to find its password in.
struct Home {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            cluster: Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The server by variables alone, and what else is given.
    fn resolve(&self, input: Input<'_>, more: &[(&str, &str)]) -> Result<Server, Error> {
        let port = self.cluster.port.to_string();
        let mut vars = vec![
            ("HOME", self.folder.path().to_str().unwrap()),
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", &port),
            ("PGUSER", "postgres"),
        ];
        vars.extend(more);
        Server::resolve(input, &env(&vars))
    }

    fn with(&self, more: &[(&str, &str)]) -> Server {
        self.resolve(Input::default(), more).unwrap()
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_password_is_found_where_libpq_looks() {
    let home = Home::new();
    let (kind, text) = refusal(&home.with(&[])).await;
    assert_eq!(kind, Kind::Denied);
    assert!(text.contains("no password was given"), "{text}");
    connect(&home.with(&[("PGPASSWORD", PASSWORD)]))
        .await
        .unwrap();

    let port = home.cluster.port;
    let lines = format!("other:*:*:*:no\n127.0.0.1:{port}:*:postgres:{PASSWORD}\n");
    home.write(".pgpass", &lines, 0o600);
    connect(&home.with(&[])).await.unwrap();
    home.write(".pgpass", &lines, 0o644);
    let open = home.with(&[]);
    assert!(
        open.warnings[0].contains("chmod 0600"),
        "{:?}",
        open.warnings
    );
    assert!(refusal(&open).await.1.contains("no password was given"));
    let elsewhere = home.write("elsewhere", &lines, 0o600);
    let elsewhere = [("PGPASSFILE", elsewhere.to_str().unwrap())];
    connect(&home.with(&elsewhere)).await.unwrap();

    let service = format!("[db]\nport={port}\nuser=postgres\npassword={PASSWORD}\n");
    home.write(".pg_service.conf", &service, 0o644);
    connect(&home.with(&[("PGSERVICE", "db")])).await.unwrap();
    let missing = home.resolve(Input::default(), &[("PGSERVICE", "nowhere")]);
    assert!(complaint(&missing.unwrap_err()).contains("\"nowhere\" is defined nowhere"));
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_password_may_have_a_file_of_its_own() {
    let home = Home::new();
    let file = home.write("password", &format!("{PASSWORD}\n"), 0o600);
    let input = Input {
        password_file: Some(&file),
        ..Input::default()
    };
    connect(&home.resolve(input, &[]).unwrap()).await.unwrap();
    home.write("password", PASSWORD, 0o644);
    let open = home.resolve(input, &[]).unwrap_err();
    assert!(complaint(&open).contains("can be read by everyone"));
    home.write("password", "wrong", 0o600);
    let (kind, text) = refusal(&home.resolve(input, &[]).unwrap()).await;
    assert_eq!(kind, Kind::Denied);
    assert!(text.contains("FATAL 28P01"), "{text}");
    assert!(
        text.contains("the password came from the password file"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_not_there_is_said_in_one_line() {
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    let (kind, text) = refusal(&resolve(&cluster.url()).with_database("nowhere")).await;
    assert_eq!(kind, Kind::NotFound);
    assert!(
        text.contains("FATAL 3D000: database \"nowhere\" does not exist"),
        "{text}"
    );

    let url = format!("postgresql://u:{PASSWORD}@no-such-host.invalid/db");
    let (kind, text) = refusal(&resolve(&url)).await;
    assert_eq!(kind, Kind::Unavailable);
    assert!(text.contains("no-such-host.invalid"), "{text}");
    assert!(resolve(&url).pin().is_err());

    let (kind, text) = refusal(&resolve(&format!(
        "postgresql://u:{PASSWORD}@127.0.0.1:1/db"
    )))
    .await;
    assert_eq!(kind, Kind::Unavailable);
    assert!(
        text.contains("at 127.0.0.1:1: Connection refused"),
        "{text}"
    );

    let (kind, _) = refusal(&resolve("host=/nonexistent user=u")).await;
    assert_eq!(kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_hold_us_for_ever() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgresql://u:{PASSWORD}@127.0.0.1:{port}/db?connect_timeout=2");
    let started = Instant::now();
    let (kind, text) = refusal(&resolve(&url)).await;
    assert_eq!(kind, Kind::Unavailable);
    assert!(text.contains("no answer within 2 s"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(5));
}
