//! Throwaway databases on the real servers.

use std::path::PathBuf;
use std::process::Command;

use super::lane::Lane;
use super::{unique, variable};

/// The servers that tests/run.sh starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    Pg15,
    Pg16,
    Pg17,
    Pg18,
}

impl Major {
    fn name(self) -> &'static str {
        match self {
            Self::Pg15 => "PG15",
            Self::Pg16 => "PG16",
            Self::Pg17 => "PG17",
            Self::Pg18 => "PG18",
        }
    }

    /// The superuser's URL of the database `postgres`, on the server that this test has.
    pub fn url(self) -> String {
        self.of_lane("")
    }

    pub fn port(self) -> String {
        self.of_lane("_PORT")
    }

    fn of_lane(self, what: &str) -> String {
        let (lane, server) = (Lane::current(), self.name());
        let of_lane = |what| variable(&format!("LIFEBOAT_TEST_{server}{}{what}", lane.suffix()));
        lane.before_first_use(server, || self.empty(&of_lane("")));
        of_lane(what)
    }

    /// Takes away what tests before left on a server: a role that is otherwise there than on the server of the
    /// target is a finding of every restore.
    fn empty(self, url: &str) {
        let mut psql = Command::new(self.bin().join("psql"));
        let tools = PathBuf::from(variable("LIFEBOAT_TEST_TOOLS"));
        let home = tools.parent().unwrap().display();
        psql.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-d", url]);
        psql.args([
            "-v",
            &format!("home={home}"),
            "-f",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/empty.sql"),
        ]);
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{url}: {output:?}");
    }

    /// Where its programs are; beside the server of 17 lie the clients of 18.
    pub fn bin(self) -> PathBuf {
        variable(&format!("LIFEBOAT_TEST_{}_BIN", self.name())).into()
    }

    /// The URL of another database, as another user where one is named.
    pub fn url_of(self, user: &str, database: &str) -> String {
        let url = self.url();
        let (_, host) = url.split_once('@').unwrap();
        let host = host.strip_suffix("/postgres").unwrap();
        format!("postgresql://{user}@{host}/{database}")
    }

    /// Runs SQL as superuser in a database and returns unaligned rows.
    pub fn sql(self, database: &str, sql: &str) -> String {
        self.try_sql("postgres", database, sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs SQL as any user; the error is psql's.
    pub fn try_sql(self, user: &str, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(self.bin().join("psql"))
            .args([
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url_of(user, database),
                "-c",
                sql,
            ])
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end()
                .to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// A database that is dropped with this value.
pub struct Database {
    pub major: Major,
    pub name: String,
}

impl Database {
    /// An empty database of the server's usual kind.
    pub fn new(major: Major) -> Self {
        Self::with(major, "")
    }

    /// `options` follow `CREATE DATABASE name`.
    pub fn with(major: Major, options: &str) -> Self {
        let database = Self::reserve(major);
        major.sql(
            "postgres",
            &format!("CREATE DATABASE {} {options}", database.name),
        );
        database
    }

    /// A name for a database that something else makes.
    pub fn reserve(major: Major) -> Self {
        Self {
            major,
            name: unique("lbt"),
        }
    }

    /// One that is there already; forget it, or it is dropped.
    pub fn existing(major: Major, name: &str) -> Self {
        Self {
            major,
            name: name.to_owned(),
        }
    }

    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    pub fn url_as(&self, user: &str) -> String {
        self.major.url_of(user, &self.name)
    }

    pub fn sql(&self, sql: &str) -> String {
        self.major.sql(&self.name, sql)
    }

    /// Makes `word`, whose second partition lies in `other`: its hundred rows belong into the first
    /// one as C sorts, and into the foreign one as languages do. Returns the foreign server's name.
    pub fn partition_into(&self, other: &Self) -> String {
        other.sql("CREATE TABLE word_2 (w text)");
        let server = super::unique("fdw");
        let port = Major::Pg15.port();
        self.sql(&format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER {server} FOREIGN DATA WRAPPER postgres_fdw
               OPTIONS (host '127.0.0.1', port '{port}', dbname '{}');
             CREATE USER MAPPING FOR postgres SERVER {server} OPTIONS (user 'postgres');
             CREATE TABLE word (w text) PARTITION BY RANGE (w);
             CREATE TABLE word_1 PARTITION OF word FOR VALUES FROM (MINVALUE) TO ('a');
             CREATE FOREIGN TABLE word_2 PARTITION OF word FOR VALUES FROM ('a') TO (MAXVALUE)
               SERVER {server} OPTIONS (schema_name 'public', table_name 'word_2');
             INSERT INTO word SELECT 'B' || g FROM generate_series(1, 100) g;",
            other.name
        ));
        server
    }

    /// Runs a script file as superuser, with psql variables (`name=value`).
    pub fn script(&self, path: &str, variables: &[&str]) {
        self.script_as("postgres", path, variables);
    }

    pub fn script_as(&self, user: &str, path: &str, variables: &[&str]) {
        let output = Command::new(self.major.bin().join("psql"))
            .args(variables.iter().flat_map(|variable| ["-v", variable]))
            .args([
                "-Xq",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url_as(user),
                "-f",
                path,
            ])
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{path}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = self.major.try_sql("postgres", "postgres", &drop) {
            eprintln!("{drop}: {error}");
        }
    }
}
