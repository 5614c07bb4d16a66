//! Whatever file operation of lifeboat fails, and whenever the power goes: a command says so and nothing false is
//! there, or it succeeds and all is as it should be.

pub mod scenes;
pub mod with_server;

use serde_json::Value;

use super::disk::{Disk, Ended, Operation, Strike};
use super::tally::{Cases, Outcome, Tally, spread};

/// A command, and what must be true afterwards. Errors are what is wrong.
pub trait Scene {
    fn disk(&self) -> &Disk;
    fn args(&self) -> Vec<String>;

    /// Before each run, after the folder was laid out anew.
    fn prepare(&self) {}

    /// It said that it succeeded, or what it said was lost and it was run again.
    fn succeeded(&self, ended: &Ended) -> Result<(), String>;

    /// It said that it failed, or it came to no end: what is there may be less, and is not false.
    fn failed(&self) -> Result<(), String>;

    /// Beside 0, which codes say that something failed.
    fn fails_by(&self, code: i32) -> bool {
        matches!(code, 1 | 2)
    }

    /// Which code says that all went well.
    fn succeeds_by(&self) -> i32 {
        0
    }

    /// After a power cut it is run again, and must succeed.
    fn again(&self) -> Result<(), String> {
        Ok(())
    }
}

pub fn undisturbed(scene: &dyn Scene) -> Vec<Operation> {
    scene.disk().reset();
    scene.prepare();
    let ended = scene.disk().run(&scene.args(), Strike::NONE);
    let good = Some(scene.succeeds_by());
    assert_eq!(ended.ran.code, good, "{:?}: {:?}", scene.args(), ended.ran);
    scene.succeeded(&ended).unwrap();
    ended.operations
}

/// Each way in which each operation can fail.
pub fn strikes(operations: &[Operation]) -> Vec<Strike> {
    let mut all = Vec::new();
    let mut add = |at, fault, times, lost| {
        all.push(Strike {
            at,
            fault,
            times,
            lost,
        })
    };
    for (at, operation) in (1..).zip(operations) {
        let mut fails = |may: bool, fault, times: &[usize]| {
            for times in times.iter().filter(|_| may) {
                add(at, fault, *times, 0);
            }
        };
        fails(true, "EIO", &[1, 0]);
        fails(operation.takes_space(), "ENOSPC", &[1, 0]);
        // The system restarts what is interrupted without end.
        fails(operation.can_be_interrupted(), "EINTR", &[1, 5]);
        fails(operation.can_be_short(), "short", &[1, 0]);
        for lost in (0..4).filter(|_| operation.changes()) {
            add(at, "crash-before", 1, lost);
            add(at, "crash-after", 1, lost);
        }
    }
    for lost in 0..4 {
        add(0, "crash-end", 1, lost);
    }
    all
}

fn kind(strike: Strike) -> String {
    match (strike.fault, strike.times) {
        ("crash-before", _) => "power cut before an operation".to_owned(),
        ("crash-after", _) => "power cut after an operation".to_owned(),
        ("crash-end", _) => "power cut after the command".to_owned(),
        ("kill-before", _) => "killed before a file operation".to_owned(),
        ("kill-after", _) => "killed after a file operation".to_owned(),
        ("short", 0) => "short, for good".to_owned(),
        ("short", _) => "short, once".to_owned(),
        (fault, 0) => format!("{fault}, for good"),
        (fault, 1) => format!("{fault}, once"),
        (fault, times) => format!("{fault}, {times} times"),
    }
}

fn judge(scene: &dyn Scene, strike: Strike, ended: &Ended) -> Result<Outcome, String> {
    if ended.hung {
        return Err("it does not end".to_owned());
    }
    let ran = &ended.ran;
    if ran.stderr.contains("panicked") || ran.stdout.contains("panicked") {
        return Err("it panicked".to_owned());
    }
    let good = scene.succeeds_by();
    match (strike.fault, ran.code) {
        ("crash-end", Some(code)) if code == good => {
            scene
                .succeeded(ended)
                .map_err(|wrong| format!("after the power cut: {wrong}"))?;
            Ok(Outcome::Retried)
        }
        ("crash-before" | "crash-after" | "kill-before" | "kill-after", Some(137)) => {
            scene.failed()?;
            scene
                .again()
                .map_err(|wrong| format!("run again: {wrong}"))?;
            Ok(Outcome::Clean)
        }
        (_, Some(code)) if code == good => {
            scene.succeeded(ended)?;
            Ok(Outcome::Retried)
        }
        (_, Some(code)) if scene.fails_by(code) => {
            names_the_cause(strike, ended)?;
            scene.failed()?;
            Ok(Outcome::Clean)
        }
        (_, code) => Err(format!("it ended with {code:?}")),
    }
}

fn names_the_cause(strike: Strike, ended: &Ended) -> Result<(), String> {
    let ran = &ended.ran;
    let said = format!("{}{}", ran.stdout, ran.stderr);
    if !said.contains(strike.cause()) {
        return Err(format!("it does not say '{}'", strike.cause()));
    }
    // A disk that is full is no damage of what is stored.
    let document: Option<Value> = serde_json::from_str(&ran.stdout).ok();
    let kind = document.map(|document| document["error"]["kind"].clone());
    if strike.fault == "ENOSPC" && kind == Some("damaged".into()) {
        return Err("it calls a full disk damage".to_owned());
    }
    Ok(())
}

/// Runs the cases of some scenes in turn, each scene's strikes spread over all that it does.
pub fn run(
    tally: &mut Tally,
    cases: Cases,
    scenes: &[Box<dyn Scene + '_>],
    strikes: impl Fn(&[Operation]) -> Vec<Strike>,
) {
    let all: Vec<Vec<Strike>> = scenes
        .iter()
        .map(|scene| strikes(&undisturbed(scene.as_ref())))
        .collect();
    for seed in cases.seeds() {
        let count = u64::try_from(scenes.len()).unwrap();
        let which = usize::try_from(seed % count).unwrap();
        let (scene, strikes) = (scenes[which].as_ref(), &all[which]);
        let space = u64::try_from(strikes.len()).unwrap();
        let strike = strikes[usize::try_from(spread(seed / count, space)).unwrap()];
        scene.disk().reset();
        scene.prepare();
        let ended = scene.disk().run(&scene.args(), strike);
        // Threads take turns as they like: there may be fewer operations than the time before.
        if strike.fault != "crash-end" && ended.struck.is_none() {
            continue;
        }
        let outcome = judge(scene, strike, &ended).unwrap_or_else(|wrong| {
            let args = scene.args();
            Outcome::False(format!(
                "{args:?} with {strike:?} at {:?}: {wrong}\n  lost: {:?}\n  it said {}{}",
                ended.struck, ended.lost, ended.ran.stdout, ended.ran.stderr
            ))
        });
        tally.count(&kind(strike), seed, outcome);
    }
}
