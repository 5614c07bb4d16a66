//! Several databases at the same time: how many of a server, whose sessions, and in which order it is told.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

/// `a` may be asked for two databases at a time, `b` for one, whichever of its two sources it is.
struct Bench {
    lifeboat: Lifeboat,
    a: Cluster,
    b: Cluster,
    holders: Vec<Child>,
}

const DATABASES: [&str; 6] = ["a/one", "a/three", "a/two", "b/one", "b/two", "c/three"];

impl Bench {
    fn new() -> Self {
        let lifeboat = Lifeboat::init();
        lifeboat.configure("[export]\nddl_wait = \"5m\"\njobs = 4");
        let [a, b] = [(); 2].map(|()| Cluster::without_passwords(&Major::Pg15.bin()));
        for server in [&a, &b] {
            for database in ["one", "two", "three"] {
                server.sql(&format!("CREATE DATABASE {database}"));
                server.sql_in(
                    database,
                    "CREATE TABLE answer AS SELECT generate_series(1, 500) AS id",
                );
            }
        }
        for (name, server, more) in [
            ("a", &a, "exclude_databases = ['postgres']\nat_once = 2"),
            ("b", &b, "exclude_databases = ['postgres', 'three']"),
            (
                "c",
                &b,
                "exclude_databases = ['postgres', 'one', 'two']\nat_once = 1",
            ),
        ] {
            let url = server.url_as("postgres", "postgres");
            lifeboat.configure(&format!(
                "[[source]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}"
            ));
        }
        Self {
            lifeboat,
            a,
            b,
            holders: Vec::new(),
        }
    }

    /// Locks the table of each database, so that its export waits.
    fn hold(&mut self) {
        for server in [&self.a, &self.b] {
            for database in ["one", "two", "three"] {
                let psql = Command::new(Major::Pg15.bin().join("psql"))
                    .arg(server.url_as("postgres", database))
                    .args(["-c", "BEGIN; LOCK TABLE answer; SELECT pg_sleep(600)"])
                    .env("PGAPPNAME", "holder")
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn();
                self.holders.push(psql.unwrap());
            }
        }
        for server in [&self.a, &self.b] {
            let held = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                        WHERE granted AND mode = 'AccessExclusiveLock' AND application_name = 'holder'";
            until(|| server.sql(held) == "3");
        }
    }

    fn release(&mut self) {
        end_holders(&self.a);
        end_holders(&self.b);
        for mut holder in self.holders.drain(..) {
            holder.wait().unwrap();
        }
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = self.lifeboat.command(args);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Waits until this many databases of each server are read, all of which wait for the locks; more never are.
    fn reading(&self, of_a: u32, of_b: u32) {
        until(|| {
            let (a, b) = (read(&self.a), read(&self.b));
            assert!(a <= of_a && b <= of_b, "{a} of a and {b} of b are read");
            (a, b) == (of_a, of_b)
        });
    }

    fn reading_in_all(&self, most: u32) {
        until(|| {
            let read = read(&self.a) + read(&self.b);
            assert!(read <= most, "{read} are read");
            read == most
        });
    }
}

fn end_holders(server: &Cluster) {
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'",
    );
}

/// How many databases of a server are read now.
fn read(server: &Cluster) -> u32 {
    let read = server.sql(
        "SELECT count(DISTINCT datname) FROM pg_stat_activity \
         WHERE application_name LIKE 'lifeboat%' AND datname <> 'postgres'",
    );
    read.parse().unwrap()
}

fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never was so");
        sleep(Duration::from_millis(20));
    }
}

fn ended(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().unwrap())
}

fn names(databases: &Value) -> Vec<String> {
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let databases = databases.as_array().unwrap().iter();
    databases
        .map(|one| format!("{}/{}", text(one, "source"), text(one, "database")))
        .collect()
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn no_server_is_asked_for_more_databases_than_it_may_be_and_all_are_told_in_order() {
    let mut bench = Bench::new();
    bench.hold();
    let export = bench.start(&["export", "--json", "--databases-at-once", "5"]);
    bench.reading(2, 1);
    bench.release();
    let ran = ended(export).ok();
    let databases = &ran.json()["result"]["databases"];
    assert_eq!(names(databases), DATABASES);
    // Four sessions, five databases: one each.
    let jobs = databases.as_array().unwrap().iter().map(|one| &one["jobs"]);
    assert!(jobs.eq([1; 6].iter()), "{databases}");

    let of_each = |ran: &Ran| -> Vec<String> {
        let steps = ran.json()["result"]["steps"].as_array().unwrap().clone();
        let name = |step: &Value| step["name"].as_str().unwrap().to_owned();
        steps.iter().map(name).collect()
    };
    let verify = ["verify", "latest", "--database", "*", "--databases-at-once"];
    let verified = bench.lifeboat.run([&verify[..], &["3"]].concat()).ok();
    let expected = DATABASES.map(|name| format!("verify {name}"));
    assert_eq!(of_each(&verified), expected);

    bench.hold();
    let night = bench.start(&["nightly", "--json", "--databases-at-once", "2"]);
    bench.reading_in_all(2);
    bench.release();
    let night = ended(night).ok();
    let exports = ["export a", "export b", "export c"].map(str::to_owned);
    assert_eq!(of_each(&night), [&exports[..], &expected].concat());

    let identity = bench.lifeboat.identity();
    let prove = ["prove", "--databases-at-once", "3", "--identity"];
    let identity = [identity.to_str().unwrap()];
    let proven = bench.lifeboat.run([&prove[..], &identity].concat());
    let drilled = DATABASES.map(|name| [format!("verify {name}"), format!("drill {name}")]);
    assert_eq!(of_each(&proven)[..12], drilled.concat(), "{proven:?}");
    let steps = &proven.json()["result"]["steps"];
    for number in 0..12 {
        assert_eq!(steps[number]["error"], Value::Null, "{proven:?}");
        assert_ne!(steps[number]["exit_code"], 1, "{proven:?}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_request_to_stop_ends_all_that_run_and_names_what_was_stored() {
    let mut bench = Bench::new();
    bench.hold();
    // Of one server, whose databases are done before the signal.
    end_holders(&bench.b);
    let export = bench.start(&["export", "--databases-at-once", "3"]);
    let stored = || names(&bench.lifeboat.run(["list"]).json()["result"]["points"]);
    until(|| stored() == DATABASES[3..]);
    assert_eq!(read(&bench.a), 2);
    let pid = export.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let ran = ended(export);
    ran.failed(1, "committed before: ");
    for server in [&bench.a, &bench.b] {
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'lifeboat%'";
        until(|| server.sql(left) == "0");
    }
    assert_eq!(stored(), DATABASES[3..]);
    bench.release();
}
