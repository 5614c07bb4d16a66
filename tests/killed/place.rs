//! A server to restore into, as it is before every restore and as one leaves it.

use std::process::Command;

use crate::support::Major;
use crate::support::cluster::{Cluster, ClusterOptions, WITHOUT_PASSWORDS};
use crate::support::master;

pub struct Place {
    pub cluster: Cluster,
    pub major: Major,
    superuser: &'static str,
}

impl Place {
    /// A superuser restores into a database that is there, and holds an extension.
    pub fn of_superuser(major: Major) -> Self {
        let place = Self {
            cluster: start(major),
            major,
            superuser: "postgres",
        };
        place.sql("postgres", "CREATE DATABASE mould TEMPLATE template0");
        let mould = "CREATE EXTENSION pgcrypto; GRANT CREATE ON SCHEMA public TO PUBLIC;";
        place.sql("mould", mould);
        place
    }

    /// A master without superuser restores into a database that it makes.
    pub fn of_master(major: Major) -> Self {
        let cluster = start(major);
        let superuser = master::demote(&cluster);
        Self {
            cluster,
            major,
            superuser,
        }
    }

    fn is_masters(&self) -> bool {
        self.superuser != "postgres"
    }

    /// As a restore finds it.
    pub fn prepare(&self) {
        master::clean(&self.cluster, self.superuser, "app");
        let role = "CREATE ROLE kx_there BYPASSRLS";
        if self.is_masters() {
            self.sql("postgres", role);
        } else {
            self.sql("postgres", role);
            self.sql("postgres", "CREATE DATABASE app TEMPLATE mould");
        }
    }

    /// How it must be called to begin.
    pub fn flags(&self) -> &'static [&'static str] {
        if self.is_masters() {
            &["--create"]
        } else {
            &[]
        }
    }

    pub fn url(&self, port: u16) -> String {
        format!("postgresql://postgres@127.0.0.1:{port}/app?sslmode=disable")
    }

    /// Until nobody but ourselves is at work here.
    pub fn wait_until_quiet(&self) {
        let others = "SELECT count(*) FROM pg_stat_activity
                       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while self.sql("postgres", others) != "0" {}
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        self.cluster.sql_as(self.superuser, database, sql)
    }

    /// All that a restore makes: the database, and what belongs to the server.
    pub fn holds(&self) -> String {
        let mut dump = self.cluster.client("pg_dump");
        // The notes of one that did not end well stay.
        dump.args(["-C", "-N", "lifeboat_restore", "-U", self.superuser, "app"]);
        let mut globals = self.cluster.client("pg_dumpall");
        globals.args(["-g", "-U", self.superuser]);
        let notes = self.sql(
            "app",
            "SELECT pg_catalog.to_regnamespace('lifeboat_restore')",
        );
        format!(
            "notes: {notes}\n{}\n{}",
            text(&mut globals),
            text(&mut dump)
        )
    }
}

fn start(major: Major) -> Cluster {
    let options = ClusterOptions {
        settings: &[("shared_buffers", "16MB"), ("wal_level", "logical")],
        hba: Some(WITHOUT_PASSWORDS),
        ..ClusterOptions::default()
    };
    Cluster::start(major.bin().to_str().unwrap(), &options)
}

/// What it prints, without what is another at every call.
fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect();
    // Settings and rights come in the order in which they were made.
    lines.sort_unstable();
    let lines = lines.iter();
    lines.map(|line| format!("{line}\n")).collect()
}
