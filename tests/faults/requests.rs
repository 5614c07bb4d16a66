//! Every request to a store, which goes wrong once, from then on, or with another one: a bucket in memory that speaks S3.

mod commands;
mod mishaps;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat::testing::RetryPolicy;
use lifeboat::testing::repository::Repository;
use lifeboat::testing::store::RequestLimits;
use serde_json::Value;

use self::commands::{Command, Said, Scene};
use self::mishaps::{Fault, Struck, all, kind};
use super::tally::{Cases, Outcome, Tally, spread};
use crate::support::memory::MemoryStore;
use crate::support::memory_s3::{Call, Mishap, Request, open, serve};

/// Attempts and time of a request: few and short, as what is waited for never comes.
fn limits() -> RequestLimits {
    RequestLimits {
        attempt_timeout: Duration::from_millis(250),
        ..patient()
    }
}

/// For a store that always answers.
fn patient() -> RequestLimits {
    RequestLimits {
        connect_timeout: Duration::from_secs(5),
        attempt_timeout: Duration::from_secs(30),
        retry: RetryPolicy {
            attempts: 3,
            first_pause: Duration::from_millis(1),
        },
        patience: Duration::ZERO,
    }
}

/// A command without a fault: what it asked, what it said, and what the store holds then.
struct Sound {
    command: Command,
    calls: Vec<Call>,
    said: Said,
    after: Arc<MemoryStore>,
}

impl Sound {
    async fn of(scene: &Scene, command: Command) -> Self {
        let after = Arc::new(scene.store.fork());
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let seen = calls.clone();
        let endpoint = serve(after.clone(), move |request| {
            seen.lock().unwrap().push(request.call);
            None
        });
        let through = Arc::new(open(endpoint.await, patient()).await);
        let said = scene.run(command, through).await.unwrap();
        assert_eq!(said.wrong, [""; 0], "{command:?}");
        let calls = calls.lock().unwrap().clone();
        Self {
            command,
            calls,
            said,
            after,
        }
    }
}

/// What is to happen in a case.
fn drawn(sounds: &[Sound], seed: u64) -> (&Sound, Vec<Fault>) {
    let faults: Vec<(&Sound, Vec<Fault>)> = sounds
        .iter()
        .map(|sound| (sound, all(&sound.calls)))
        .collect();
    let space: usize = faults.iter().map(|(_, faults)| faults.len()).sum();
    let mut at = usize::try_from(spread(seed, space as u64)).unwrap();
    for (sound, faults) in faults {
        if at < faults.len() {
            let fault = faults[at];
            let mut struck = vec![fault];
            if fault.and_another {
                // Another one with each round through all.
                let other = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % faults.len() as u64;
                struck.push(Fault {
                    and_another: false,
                    for_good: false,
                    ..faults[usize::try_from(other).unwrap()]
                });
            }
            return (sound, struck);
        }
        at -= faults.len();
    }
    unreachable!("beyond all faults")
}

/// `None`: no such request came, as others went another way.
async fn case(scene: &Scene, sound: &Sound, faults: Vec<Fault>) -> Option<Outcome> {
    let store = Arc::new(scene.store.fork());
    let struck = Arc::new(Struck::by(faults));
    let rule = struck.clone();
    let endpoint = serve(store.clone(), move |request| rule.mishap(request)).await;
    let through = Arc::new(open(endpoint, limits()).await);
    let running = scene.run(sound.command, through);
    let Ok(ended) = tokio::time::timeout(Duration::from_secs(60), running).await else {
        return Some(Outcome::False("it does not end".to_owned()));
    };
    if struck.told().is_empty() {
        let is_sound = ended.as_ref().is_ok_and(|said| said.wrong.is_empty());
        let without = || Outcome::False(format!("{:?} failed without a fault", sound.command));
        return (!is_sound).then(without);
    }
    let outcome = judge(scene, sound, &store, &struck, ended).await;
    let with_case = |seen| Outcome::False(format!("{:?} {struck:?}: {seen}", sound.command));
    Some(outcome.unwrap_or_else(with_case))
}

async fn judge(
    scene: &Scene,
    sound: &Sound,
    store: &Arc<MemoryStore>,
    struck: &Struck,
    ended: lifeboat::testing::Result<Said>,
) -> Result<Outcome, String> {
    untouched(&scene.store, store, sound.command)?;
    match ended {
        Ok(said) if said.wrong.is_empty() => {
            let (mut was, mut is) = (sound.said.result.clone(), said.result);
            if struck.hid_attestations() {
                without_drills(&mut was);
                without_drills(&mut is);
            }
            if was != is {
                return Err(format!("success, but for {}", difference(&was, &is)));
            }
            match sound.command {
                Command::Export => scene.has_a_new_sound_point(store).await?,
                _ => as_without(sound, store)?,
            }
            Ok(Outcome::Retried)
        }
        Ok(said) => {
            struck.named_in(&said.wrong.join("\n"))?;
            failed(scene, sound, store, &said.wrong.join("\n")).await
        }
        Err(error) => {
            struck.named_in(&error.chain())?;
            failed(scene, sound, store, &error.chain()).await
        }
    }
}

/// Nothing that was there is another one, and no lock is shorter.
fn untouched(before: &MemoryStore, after: &MemoryStore, command: Command) -> Result<(), String> {
    let (before, after) = (before.contents(), after.contents());
    for ((key, version), (bytes, lock)) in &before {
        let Some((now, lock_now)) = after.get(&(key.clone(), version.clone())) else {
            return Err(format!("{key} is gone"));
        };
        let covers = match (lock, lock_now) {
            (None, _) => true,
            (Some(lock), Some(now)) => now.covers(lock),
            (Some(_), None) => false,
        };
        if bytes != now || !covers {
            return Err(format!("{key} was changed"));
        }
    }
    let reads = matches!(command, Command::Verify | Command::List | Command::Status);
    match reads && before != after {
        true => Err("what only reads has written".to_owned()),
        false => Ok(()),
    }
}

/// The store holds what it holds after the same command without a fault.
fn as_without(sound: &Sound, store: &MemoryStore) -> Result<(), String> {
    match sound.after.contents() == store.contents() {
        true => Ok(()),
        false => Err("success, but the store holds something else than without a fault".to_owned()),
    }
}

/// After a failure there is no new point, and the same command, run again, does all.
async fn failed(
    scene: &Scene,
    sound: &Sound,
    store: &Arc<MemoryStore>,
    said: &str,
) -> Result<Outcome, String> {
    if sound.command == Command::Export {
        // Whether it was stored cannot be known then: what is there is whole.
        return match scene.has_a_new_sound_point(store).await {
            Err(why) if why == commands::NO_POINT => Ok(Outcome::Clean),
            Ok(()) if said.contains("cannot tell whether") || said.contains("not confirmed") => {
                Ok(Outcome::Clean)
            }
            Ok(()) => Err(format!("a new point, and: {said}")),
            Err(why) => Err(why),
        };
    }
    let again = scene.run(sound.command, store.clone()).await;
    let again = again.map_err(|error| format!("again: {}", error.chain()))?;
    match again.wrong.is_empty() {
        true => as_without(sound, store).map(|()| Outcome::Clean),
        false => Err(format!("again: {:?}", again.wrong)),
    }
}

fn without_drills(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.contains("drill") && name != "attested");
            fields.values_mut().for_each(without_drills);
        }
        Value::Array(values) => values.iter_mut().for_each(without_drills),
        _ => {}
    }
}

fn difference(before: &Value, after: &Value) -> String {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let fields = before
                .iter()
                .filter(|(name, value)| after.get(*name) != Some(value));
            let told = fields.map(|(name, value)| {
                format!(
                    "{name}: {}",
                    difference(value, after.get(name).unwrap_or(&Value::Null))
                )
            });
            told.collect::<Vec<_>>().join(", ")
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let pairs = before.iter().zip(after).filter(|(one, other)| one != other);
            let told = pairs.map(|(one, other)| difference(one, other));
            told.collect::<Vec<_>>().join(", ")
        }
        _ => format!("{after} and not {before}"),
    }
}

async fn go_through(scene: &Scene, commands: &[Command], share: u64) {
    let mut sounds = Vec::new();
    for command in commands {
        sounds.push(Sound::of(scene, *command).await);
    }
    let calls: Vec<_> = sounds
        .iter()
        .map(|one| (one.command, one.calls.len()))
        .collect();
    eprintln!("requests: {calls:?}");
    let mut tally = Tally::new("requests");
    for seed in Cases::of("requests", share).seeds() {
        let (sound, faults) = drawn(&sounds, seed);
        let what = kind(&faults);
        if let Some(outcome) = case(scene, sound, faults).await {
            tally.count(what, seed, outcome);
        }
    }
    tally.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_commands_that_read_or_extend_locks() {
    let scene = Scene::of_a_frozen_point().await;
    let commands = [
        Command::Verify,
        Command::List,
        Command::Status,
        Command::Promote,
        Command::Hold,
    ];
    go_through(&scene, &commands, 350).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn of_exports() {
    let scene = Scene::of_a_database().await;
    go_through(&scene, &[Command::Export], 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_that_comes_in_two_ways_is_not_believed() {
    let scene = Scene::of_a_frozen_point().await;
    let gets = AtomicUsize::new(0);
    let once = move |request: &Request| {
        let is_of_marker = request.call == Call::Get && request.key.ends_with("lifeboat.json");
        (is_of_marker && gets.fetch_add(1, Ordering::SeqCst) == 0).then_some(Mishap::DamagedReply)
    };
    let endpoint = serve(Arc::new(scene.store.fork()), once).await;
    let repository = Repository::new(Arc::new(open(endpoint, patient()).await));
    let error = repository.marker().await.unwrap_err();
    assert!(error.chain().contains("came in two ways"), "{error:?}");
    repository.marker().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_promotion_could_not_lock_is_locked_by_the_next_one() {
    let scene = Scene::of_a_frozen_point().await;
    for command in [Command::Promote, Command::Hold] {
        let sound = Sound::of(&scene, command).await;
        let store = Arc::new(scene.store.fork());
        let list = store
            .keys()
            .into_iter()
            .find(|key| key.name() == "parts.jsonl.zst");
        let list = list.unwrap();
        let version = store.newest(&list).unwrap();
        store.flip(&list, &version, 9, 1);
        let said = scene.run(command, store.clone()).await.unwrap();
        assert!(
            said.wrong.concat().contains(list.as_str()),
            "{:?}",
            said.wrong
        );
        // It is said each time, until all is locked.
        let said = scene.run(command, store.clone()).await.unwrap();
        assert!(
            said.wrong.concat().contains(list.as_str()),
            "{:?}",
            said.wrong
        );
        store.flip(&list, &version, 9, 1);
        let said = scene.run(command, store.clone()).await.unwrap();
        assert_eq!(said.wrong, [""; 0]);
        assert_eq!(as_without(&sound, &store), Ok(()));
    }
}

/// The manifest makes the point: whatever a store says of it then, it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_manifest_that_reads_back_otherwise_is_told_as_stored() {
    let scene = Scene::of_a_database().await;
    for mishap in [Mishap::ShorterLock, Mishap::OtherChecksum] {
        let store = Arc::new(scene.store.fork());
        let rule = move |request: &Request| {
            let is_of_manifest = request.call == Call::Head
                && request.key.starts_with("manifests/")
                && request.key.ends_with(".json");
            is_of_manifest.then_some(mishap)
        };
        let endpoint = serve(store.clone(), rule).await;
        let through = Arc::new(open(endpoint, limits()).await);
        let said = match scene.run(Command::Export, through).await {
            Ok(said) => said.wrong.join("; "),
            Err(error) => error.chain(),
        };
        assert!(said.contains("was stored, but is not confirmed"), "{said}");
        scene.has_a_new_sound_point(&store).await.unwrap();
    }
}
