//! Killed at any file operation, statement or request and run again, a command ends as if nobody had disturbed it, and
//! no point is there that is not whole. `killed.rs` has the statements of restores.

use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::disk::{Operation, Strike};
use super::files::scenes::{self, check};
use super::files::with_server::{self, Exports, Place};
use super::files::{self, Scene as _};
use super::tally::{Cases, Outcome, Tally, spread};
use crate::support::deadly::{Deadly, When};
use crate::support::faulty::{Fate, Faulty};
use crate::support::program::{Ran, second_recipient};
use crate::support::servers::Server;
use crate::support::{Lifeboat, Major, unique};

/// Before and after each operation.
fn kills(operations: &[Operation]) -> Vec<Strike> {
    let both = (1..=operations.len()).flat_map(|at| {
        ["kill-before", "kill-after"].map(|fault| Strike {
            at,
            fault,
            times: 1,
            lost: 0,
        })
    });
    both.collect()
}

#[test]
fn a_command_killed_at_any_file_operation_leaves_nothing_false() {
    let (mut tally, cases) = (Tally::new("processes"), Cases::of("processes", 24));
    files::run(&mut tally, cases, &scenes::all(), kills);
    tally.end();
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_was_killed_at_any_file_operation_is_run_again_and_whole() {
    let (mut tally, cases) = (Tally::new("processes"), Cases::of("processes", 4));
    files::run(&mut tally, cases, &with_server::all(), kills);
    tally.end();
}

/// Runs until it ends, or is killed.
async fn ended(child: std::process::Child) -> Ran {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    Ran::of(&output.await.unwrap())
}

fn outcome(killed: &Ran, scene: &Exports, at: &str) -> Outcome {
    let judged = match killed.code {
        None => scene.failed().and_then(|()| scene.again()),
        Some(0) => match scene.place.points_are_whole() {
            Ok(1) => Ok(()),
            Ok(points) => Err(format!("success, and {points} points")),
            Err(wrong) => Err(wrong),
        },
        // It heard that its connection was closed before the kill reached it.
        Some(1) if killed.stdout.contains("closed the connection") => {
            scene.failed().and_then(|()| scene.again())
        }
        _ => Err("it ended by itself, and failed".to_owned()),
    };
    match (judged, killed.code) {
        (Ok(()), None | Some(1)) => Outcome::Clean,
        (Ok(()), _) => Outcome::Retried,
        (Err(wrong), _) => {
            Outcome::False(format!("{} at {at}: {wrong}: {killed:?}", scene.command))
        }
    }
}

/// Statements of its own sessions and of pg_dump.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_export_killed_at_any_statement_leaves_whole_points_or_none() {
    let place = Rc::new(Place::new(Major::Pg15));
    let scenes = ["export", "nightly"].map(|command| Exports {
        place: place.clone(),
        command,
    });
    let begin = |scene: &Exports, port: u16| {
        place.disk.reset();
        let file = place.disk.lifeboat.folder().join("lifeboat.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (own, proxy) = (place.cluster.port.to_string(), port.to_string());
        std::fs::write(
            file.with_file_name("proxied.toml"),
            text.replace(&own, &proxy),
        )
        .unwrap();
        let mut command = place.disk.lifeboat.command(scene.args());
        command.args(["--config", "proxied.toml"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut statements = Vec::new();
    for scene in &scenes {
        let proxy = Deadly::before(place.cluster.port, 0, When::Before).await;
        let ran = ended(begin(scene, proxy.port)).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        statements.push(proxy.seen());
    }
    let mut tally = Tally::new("processes");
    for seed in Cases::of("processes, statements", 4).seeds() {
        let which = usize::try_from(seed % 2).unwrap();
        let space = 2 * u64::try_from(statements[which]).unwrap();
        let at = spread(seed / 2, space);
        let when = [When::Before, When::After][usize::try_from(at % 2).unwrap()];
        let (scene, statement) = (&scenes[which], usize::try_from(at / 2 + 1).unwrap());
        let proxy = Deadly::before(place.cluster.port, statement, when).await;
        let child = begin(scene, proxy.port);
        proxy.aim_at(child.id());
        let killed = ended(child).await;
        // Threads take turns as they like: there may be fewer statements than the time before.
        if proxy.killed_at().is_empty() {
            continue;
        }
        let kind = format!("killed at a statement, {}", scene.command);
        let at = format!("{when:?} {}", proxy.killed_at());
        tally.count(&kind, seed, outcome(&killed, scene, &at));
    }
    tally.end();
}

/// A repository in Ceph, under a lock.
fn in_ceph() -> (Place, String) {
    let server = Server::ceph();
    let lifeboat = Lifeboat::empty();
    let home = lifeboat.folder().join("no-home/.aws");
    std::fs::create_dir_all(&home).unwrap();
    let (key, secret) = (
        &server.credentials.access_key,
        &server.credentials.secret_key,
    );
    let file = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    std::fs::write(home.join("credentials"), file).unwrap();
    let url = format!("s3://{}/{}", server.bucket, unique("faults"));
    let made = lifeboat.bare([
        "init",
        "--repository",
        &url,
        "--endpoint",
        &server.endpoint,
        "--region",
        "us-east-1",
        "--lock",
        "governance",
        "--days",
        "2",
        "--config",
        "lifeboat.toml",
    ]);
    made.ok();
    lifeboat.configure(&second_recipient());
    (Place::with(Major::Pg15, lifeboat), server.endpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_export_killed_at_any_request_leaves_whole_points_or_none() {
    let (place, endpoint) = in_ceph();
    let place = Rc::new(place);
    let scenes = ["export", "nightly"].map(|command| Exports {
        place: place.clone(),
        command,
    });
    let begin = |scene: &Exports, proxy: &str| {
        let file = place.disk.lifeboat.folder().join("lifeboat.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let proxied = text.replace(endpoint.trim_end_matches('/'), proxy);
        std::fs::write(file.with_file_name("proxied.toml"), proxied).unwrap();
        let mut command = place.disk.lifeboat.command(scene.args());
        command.args(["--config", "proxied.toml"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut requests = Vec::new();
    for scene in &scenes {
        let proxy = Faulty::before(&endpoint, |_, _| Fate::Pass).await;
        let ran = ended(begin(scene, &proxy.endpoint)).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        requests.push(proxy.seen().len());
    }
    let mut tally = Tally::new("processes");
    for seed in Cases::of("processes, requests", 4).seeds() {
        let which = usize::try_from(seed % 2).unwrap();
        let space = 2 * u64::try_from(requests[which]).unwrap();
        let at = spread(seed / 2, space);
        let (last, passes) = (usize::try_from(at / 2).unwrap(), at % 2 == 1);
        let victim = Arc::new(AtomicU32::new(0));
        let aimed = victim.clone();
        let proxy = Faulty::before(&endpoint, move |number, _| {
            if number < last {
                return Fate::Pass;
            }
            if number == last {
                // 0 would be this process and all of its group.
                while aimed.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                let victim = aimed.load(Ordering::SeqCst).to_string();
                let killed = std::process::Command::new("kill")
                    .args(["-KILL", &victim])
                    .status();
                assert!(killed.unwrap().success());
            }
            // Carried out, or never seen; nobody hears of it.
            if passes && number == last {
                Fate::DropReply
            } else {
                Fate::DropRequest
            }
        });
        let proxy = proxy.await;
        let scene = &scenes[which];
        let child = begin(scene, &proxy.endpoint);
        victim.store(child.id(), Ordering::SeqCst);
        let killed = ended(child).await;
        let seen = proxy.seen();
        let Some(request) = seen.get(last) else {
            continue;
        };
        let kind = format!("killed at a request, {}", scene.command);
        let at = format!(
            "{} {}, carried out: {passes}",
            request.method, request.target
        );
        tally.count(&kind, seed, outcome(&killed, scene, &at));
    }
    let points = place.points_are_whole();
    assert!(
        check(points.is_ok(), || format!("{points:?}")).is_ok(),
        "{points:?}"
    );
    tally.end();
}
