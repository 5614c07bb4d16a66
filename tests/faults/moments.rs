//! Things that happen at moments that nobody chose: sessions are terminated, clocks jump, definitions change.

mod clocks;

use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::files::Scene;
use super::files::with_server::{Exports, Place, Restores};
use super::tally::{Cases, Outcome, Tally, spread};
use crate::moments::storm;
use crate::support::Major;
use crate::support::program::Ran;

fn spawn(scene: &dyn Scene) -> Child {
    let mut command = scene.disk().lifeboat.command(scene.args());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Terminates one session that the command has in a database, its own or pg_dump's or pg_restore's; what it was at.
fn terminate_one(place: &Place, choice: u64, child: &mut Child) -> Option<String> {
    let one = format!(
        "SELECT application_name || ': ' || query FROM pg_stat_activity, pg_terminate_backend(pid)
          WHERE pid = (SELECT pids[1 + {choice} % cardinality(pids)]
                         FROM (SELECT array_agg(pid ORDER BY backend_start) AS pids FROM pg_stat_activity
                                WHERE datname IN ('app', 'back') AND backend_type = 'client backend') AS all_of_them)"
    );
    while child.try_wait().unwrap().is_none() {
        let terminated = place.cluster.sql(&one);
        if !terminated.is_empty() {
            return Some(terminated);
        }
    }
    None
}

fn judge(scene: &dyn Scene, ran: &Ran) -> Result<Outcome, String> {
    let ended = super::disk::Ended::of(ran);
    match ran.code {
        // A restore that went on without a session, and brought all.
        Some(0 | 3) => scene.succeeded(&ended).map(|()| Outcome::Retried),
        Some(1) => {
            let said = format!("{}{}", ran.stdout, ran.stderr);
            let names = [
                "terminating connection",
                "connection",
                "pg_dump",
                "pg_restore",
            ];
            if !names.iter().any(|name| said.contains(name)) {
                return Err("it does not name the lost session".to_owned());
            }
            scene.failed()?;
            Ok(Outcome::Clean)
        }
        code => Err(format!("it ended with {code:?}")),
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_terminated_session_ends_in_a_whole_point_or_none() {
    let place = Rc::new(Place::new(Major::Pg15));
    let export = Exports {
        place: place.clone(),
        command: "export",
    };
    let restore = Restores::new(place.clone());
    let scenes: [(&str, &dyn Scene); 2] = [("export", &export), ("restore", &restore)];
    let duration = |scene: &dyn Scene| {
        scene.disk().reset();
        scene.prepare();
        let begun = Instant::now();
        assert!(spawn(scene).wait().unwrap().success());
        u64::try_from(begun.elapsed().as_millis()).unwrap()
    };
    let durations = scenes.map(|(_, scene)| duration(scene));
    let mut tally = Tally::new("moments");
    for seed in Cases::of("moments, sessions", 4).seeds() {
        let which = usize::try_from(seed % 2).unwrap();
        let ((name, scene), duration) = (scenes[which], durations[which]);
        scene.disk().reset();
        scene.prepare();
        let mut child = spawn(scene);
        std::thread::sleep(Duration::from_millis(spread(seed / 2, duration)));
        let Some(terminated) = terminate_one(&place, seed, &mut child) else {
            child.wait().unwrap();
            continue;
        };
        let ran = Ran::of(&child.wait_with_output().unwrap());
        let outcome = judge(scene, &ran).unwrap_or_else(|wrong| {
            Outcome::False(format!("{name}, {terminated}: {wrong}: {ran:?}"))
        });
        tally.count(&format!("session terminated, {name}"), seed, outcome);
    }
    tally.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn definitions_that_change_meanwhile_end_in_a_whole_point_or_none() {
    let Cases { seed, count } = Cases::of("moments, definitions", 2);
    let mut tally = Tally::new("moments");
    let stormed = storm::weather(Major::Pg15, "hstore", seed, count).await;
    let kind = "definitions change during an export";
    for _ in 0..stormed.points {
        tally.count(kind, seed, Outcome::Retried);
    }
    for _ in 0..stormed.honest {
        tally.count(kind, seed, Outcome::Clean);
    }
    for wrong in stormed.wrong {
        tally.count(kind, seed, Outcome::False(wrong));
    }
    tally.end();
}
