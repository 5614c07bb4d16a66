//! A restore that is killed at any statement, and gone on with, ends as one that nobody disturbed: with the
//! same database, the same roles, the same report.
//!
//! A proxy counts the statements of all sessions, lifeboat's own and pg_restore's, and kills lifeboat at one:
//! before the server gets it, or before anybody hears of it. `LIFEBOAT_KILL_CASES` sets how many cases, 30
//! unless told, or `all`; `LIFEBOAT_KILL_SEED` the first, 1 unless told. Seeds that follow each other lie far
//! apart, and as many as there are cases cover each once.

mod place;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use self::place::Place;
use crate::faults::tally::{Cases, Outcome, Tally};
use crate::support::cluster::{Cluster, ClusterOptions, WITHOUT_PASSWORDS};
use crate::support::deadly::{Deadly, When};
use crate::support::program::Ran;
use crate::support::{Lifeboat, Major};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/killed");

/// How a restore ended.
#[derive(PartialEq, Eq)]
struct Ended {
    code: Option<i32>,
    report: String,
    holds: String,
}

/// One point, restored into one place.
struct Scene<'a> {
    name: &'static str,
    place: &'a Place,
    lifeboat: &'a Lifeboat,
    undisturbed: Ended,
    statements: usize,
}

/// A source, and a repository with a point of it.
fn export(broken: bool) -> Lifeboat {
    let bin = Major::Pg15.bin();
    let cluster = Cluster::start(
        bin.to_str().unwrap(),
        &ClusterOptions {
            hba: Some(WITHOUT_PASSWORDS),
            settings: &[("wal_level", "logical")],
            ..ClusterOptions::default()
        },
    );
    run_script(&cluster, "postgres", "roles.sql");
    run_script(&cluster, "app", "source.sql");
    if broken {
        run_script(&cluster, "app", "broken.sql");
    }
    run_script(&cluster, "postgres", "last.sql");
    let lifeboat = Lifeboat::init();
    lifeboat.configure(&format!("[export]\npg_bin = [{bin:?}]"));
    let url = format!("postgresql://postgres@127.0.0.1:{}/app", cluster.port);
    let exported = lifeboat.run(["export", "--source", &url]);
    assert!(matches!(exported.code, Some(0 | 3)), "{exported:?}");
    lifeboat
}

fn run_script(cluster: &Cluster, database: &str, script: &str) {
    let sql = std::fs::read_to_string(Path::new(SCRIPTS).join(script)).unwrap();
    let file = cluster.file("script.sql", &sql);
    let output = cluster
        .client("psql")
        .args(["-Xq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d"])
        .args([database, "-o", "/dev/null", "-f"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

impl<'a> Scene<'a> {
    async fn new(name: &'static str, place: &'a Place, lifeboat: &'a Lifeboat) -> Self {
        let mut scene = Self {
            name,
            place,
            lifeboat,
            undisturbed: Ended {
                code: None,
                report: String::new(),
                holds: String::new(),
            },
            statements: 0,
        };
        place.prepare();
        let proxy = Deadly::before(place.cluster.port, 0, When::Before).await;
        let child = scene.begin(proxy.port, place.flags());
        scene.undisturbed = scene.ended(child).await;
        scene.statements = proxy.seen();
        scene
    }

    fn begin(&self, port: u16, flags: &[&str]) -> Child {
        let identity = self.lifeboat.identity();
        let mut command: Command = self.lifeboat.command(["restore", "latest"]);
        command
            .args(["--json", "--verify", "--jobs", "1", "--target"])
            .arg(self.place.url(port))
            .arg("--pg-bin")
            .arg(self.place.major.bin())
            .arg("--identity")
            .arg(identity)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    async fn ended(&self, child: Child) -> Ended {
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let ran = Ran::of(&output.await.unwrap());
        assert!(!ran.stdout.is_empty(), "{ran:?}");
        let mut report = ran.json();
        if let Some(result) = report["result"].as_object_mut() {
            for another in ["target", "phases", "seconds", "resumed"] {
                result.remove(another);
            }
            // Other transactions, and dead rows of those that were lost.
            for another in ["oldest_age", "pages", "all_visible_pages"] {
                result["ready"]
                    .as_object_mut()
                    .map(|ready| ready.remove(another));
            }
            // What belongs to a phase that is repeated may come before what was noted.
            for list in ["failures", "findings", "left_out", "to_do"] {
                let list = result[list].as_array_mut().unwrap();
                list.sort_by_key(Value::to_string);
            }
        }
        Ended {
            code: ran.code,
            report: pretty(&report),
            holds: self.place.holds(),
        }
    }

    /// Kills at a statement, goes on, and says what is otherwise than undisturbed.
    async fn kill_at(&self, statement: usize, when: When) -> Option<String> {
        self.place.prepare();
        let proxy = Deadly::before(self.place.cluster.port, statement, when).await;
        let child = self.begin(proxy.port, self.place.flags());
        proxy.aim_at(child.id());
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = output.await.unwrap();
        let at = proxy.killed_at();
        assert!(
            !at.is_empty() && output.status.code().is_none(),
            "{}: no statement {statement}: {output:?}",
            self.name
        );
        self.place.wait_until_quiet();
        // Both: begun if the database is not there, gone on with if it is.
        let child = self.begin(self.place.cluster.port, &["--create", "--resume"]);
        let ended = self.ended(child).await;
        if when == When::After && at.contains("DROP SCHEMA IF EXISTS lifeboat_restore") {
            // Nothing was left to do, nor to say that it was ours; a master may not look at what is others'.
            let said = [
                "the target is not empty",
                "User does not have CONNECT privilege",
            ];
            assert!(said.iter().any(|said| ended.report.contains(said)), "{at}");
            assert_eq!(ended.holds, self.undisturbed.holds, "{at}");
            return None;
        }
        (ended != self.undisturbed).then(|| {
            let at: String = at.chars().take(300).collect();
            let differences = [
                difference(&self.undisturbed.report, &ended.report),
                difference(&self.undisturbed.holds, &ended.holds),
            ];
            format!(
                "{}, killed {when:?} statement {statement}, {at}\n  exit {:?} instead of {:?}\n{}",
                self.name,
                ended.code,
                self.undisturbed.code,
                differences.concat()
            )
        })
    }
}

fn pretty(report: &Value) -> String {
    serde_json::to_string_pretty(report).unwrap()
}

/// Lines that only one of them has.
fn difference(undisturbed: &str, resumed: &str) -> String {
    let only = |these: &str, others: &str, sign: char| -> String {
        let mut others: Vec<&str> = others.lines().collect();
        let lines = these.lines().filter(|line| {
            let found = others.iter().position(|other| other == line);
            found.map(|at| others.swap_remove(at)).is_none()
        });
        lines.map(|line| format!("  {sign} {line}\n")).collect()
    };
    let lines = only(undisturbed, resumed, '-') + &only(resumed, undisturbed, '+');
    if lines.is_empty() && undisturbed != resumed {
        return "  the same lines in another order\n".to_owned();
    }
    lines
}

/// The statement, and when, of each case of a scene.
fn case(scenes: &[Scene<'_>], at: usize) -> (usize, usize, When) {
    let mut left = at;
    for (number, scene) in scenes.iter().enumerate() {
        if left < 2 * scene.statements {
            let when = [When::Before, When::After][left % 2];
            return (number, left / 2 + 1, when);
        }
        left -= 2 * scene.statements;
    }
    panic!("no case {at}")
}

/// The golden ratio's part of all, or the next number that visits each case.
fn stride(all: usize) -> usize {
    let divides = |a: usize, b: usize| -> bool {
        let (mut a, mut b) = (a, b);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a != 1
    };
    let mut stride = (all * 618 / 1000).max(1);
    while divides(stride, all) {
        stride += 1;
    }
    stride
}

fn number(variable: &str, otherwise: usize, all: usize) -> usize {
    match std::env::var(variable).as_deref() {
        Ok("all") => all,
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_restore_killed_at_any_statement_ends_as_an_undisturbed_one() {
    let (whole, broken) = (export(false), export(true));
    let superuser = Place::of_superuser(Major::Pg15);
    let master = Place::of_master(Major::Pg18);
    let scenes = [
        Scene::new("superuser", &superuser, &whole).await,
        Scene::new("superuser, broken rows", &superuser, &broken).await,
        Scene::new("master", &master, &whole).await,
        Scene::new("master, broken rows", &master, &broken).await,
    ];
    let all: usize = scenes.iter().map(|scene| 2 * scene.statements).sum();
    let of_faults = Cases::of("processes, restores", 30);
    let [seed, count] =
        [of_faults.seed, of_faults.count].map(|number| usize::try_from(number).unwrap());
    let first = number("LIFEBOAT_KILL_SEED", seed, all);
    let cases = number("LIFEBOAT_KILL_CASES", count, all);
    let mut tally = Tally::new("processes");
    for seed in first..first + cases {
        let (scene, statement, when) = case(&scenes, seed * stride(all) % all);
        let scene = &scenes[scene];
        let verdict = scene.kill_at(statement, when).await;
        println!(
            "seed {seed}: {} {when:?} {statement} of {}: {}",
            scene.name,
            scene.statements,
            verdict.as_deref().unwrap_or("equal")
        );
        let outcome = verdict.map_or(Outcome::Clean, Outcome::False);
        let seed = u64::try_from(seed).unwrap();
        tally.count("killed at a statement, restore", seed, outcome);
    }
    tally.end();
}

/// The database's privileges are back by then, and leave its restorer out once it has given back what it borrowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_master_that_its_database_leaves_out_goes_on_to_the_last_statement() {
    let master = Place::of_master(Major::Pg18);
    for broken in [false, true] {
        let point = export(broken);
        let scene = Scene::new("master", &master, &point).await;
        let all = scene.statements;
        for statement in [all - 60, all - 20, all - 1, all] {
            for when in [When::Before, When::After] {
                assert_eq!(scene.kill_at(statement, when).await, None);
            }
        }
    }
}
