//! Every byte of a reference point: each bit flipped, each length cut, objects swapped for others of their kind.
//!
//! The points are frozen ones of `tests/fixtures`, so a seed always means the same bit.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat::testing::Error;
use lifeboat::testing::model::names;
use lifeboat::testing::repository::RestorePoint;

use super::reference::{Reference, Role, Target};
use super::tally::{Cases, Outcome, Tally, spread};

/// What happens to stored bytes; what the store says of size and checksum stays as it was.
enum Damage {
    Flip { at: usize, mask: u8 },
    Cut(usize),
    Swap(Bytes),
}

impl Damage {
    /// How many there are of an object.
    fn count(target: &Target) -> u64 {
        (target.sound.len() * 9 + target.others.len()) as u64
    }

    fn numbered(target: &Target, number: u64) -> Self {
        let number = usize::try_from(number).unwrap();
        let len = target.sound.len();
        match number {
            bit if bit < len * 8 => Self::Flip {
                at: bit / 8,
                mask: 1 << (bit % 8),
            },
            cut if cut < len * 9 => Self::Cut(cut - len * 8),
            other => Self::Swap(target.others[other - len * 9].clone()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Flip { .. } => "flipped bit",
            Self::Cut(_) => "cut",
            Self::Swap(_) => "swapped",
        }
    }

    fn inflict(&self, target: &Target) {
        let (store, key, version) = (&target.reference.store, &target.key, &target.version);
        match self {
            Self::Flip { at, mask } => store.flip(key, version, *at, *mask),
            Self::Cut(len) => store.truncate(key, version, *len),
            Self::Swap(other) => store.replace(key, version, other.clone()),
        }
    }
}

/// A line that names the object; `Err`: what was said instead.
fn named(target: &Target, said: &[String]) -> Result<(), String> {
    let key = target.key.as_str();
    match said.iter().any(|line| line.contains(key)) {
        true => Ok(()),
        false => Err(format!("{key} is not named: {said:?}")),
    }
}

fn names_it(target: &Target, error: &Error) -> Result<(), String> {
    named(target, &[error.chain()])
}

/// Every so many cases the whole point is verified; else what reads the damaged object is asked for that alone.
const WHOLE_EVERY: u64 = 8;

/// What `verify --data` finds.
async fn verified(target: &Target) -> Result<(), String> {
    match target.reference.verify().await {
        Ok(report) => named(target, &report.problems),
        Err(error) => names_it(target, &error),
    }
}

/// The damaged object alone, as a restore or `verify` reads it.
async fn read_alone(target: &Target) -> Result<(), String> {
    let reference = &target.reference;
    let point = match reference.open().await {
        Ok(point) => point,
        Err(error) => return names_it(target, &error),
    };
    let key = &target.key;
    let read = match target.role {
        Role::Part(oid, at) => {
            let table = point.manifest.tables.iter().find(|one| one.oid == oid);
            let mut parts = point.parts(table.unwrap()).await.unwrap();
            let part = parts.nth(at).unwrap().unwrap();
            point.fetch(&part.object).await.map(drop)
        }
        Role::List(oid) => {
            let table = point.manifest.tables.iter().find(|one| one.oid == oid);
            point.parts(table.unwrap()).await.map(drop)
        }
        Role::Object if key.name() == names::CATALOG => {
            point.catalog(&reference.identities).await.map(drop)
        }
        Role::Object if key.name() == names::SCHEMA => opened(&point, target).await,
        // No restore reads it: that is what `verify` does.
        Role::Object | Role::State => {
            let mut objects = point.manifest.other_objects();
            let object = objects.find(|object| object.key == *key);
            point.fetch(object.unwrap()).await.map(drop)
        }
        Role::Manifest => return Err(format!("{key} opened")),
        Role::Marker | Role::Attestation | Role::Announcement => unreachable!("not the point's"),
    };
    match read {
        Ok(()) => Err(format!("{key} is taken as it is")),
        Err(error) => names_it(target, &error),
    }
}

async fn opened(point: &RestorePoint, target: &Target) -> Result<(), Error> {
    let opened = point.open_object(names::SCHEMA, &target.reference.identities);
    opened.await.map(drop)
}

/// What `list` says of the damaged object: as before, or less, and then why. `Ok(true)`: as before.
async fn listed(target: &Target) -> Result<bool, String> {
    let reference = &target.reference;
    let listing = match reference.list().await {
        Ok(listing) => listing,
        Err(error) => return names_it(target, &error).map(|()| false),
    };
    if listing == reference.listing {
        return Ok(true);
    }
    let findings = listing["findings"].as_array().unwrap();
    let said = findings.iter().map(|line| line.to_string());
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        return Err(format!(
            "the listing is another one without a word: {listing}"
        ));
    }
    let before = reference.listing["points"].as_array().unwrap();
    let now = listing["points"].as_array().unwrap();
    for sound in before {
        let id = sound["id"].as_str().unwrap();
        let Some(point) = now.iter().find(|point| point["id"] == id) else {
            // Of an object of its own a point may be gone, and no other one.
            match target.key.as_str().contains(id) {
                true => continue,
                false => return Err(format!("{id} is not listed: {said:?}")),
            }
        };
        for (field, value) in point.as_object().unwrap() {
            let less = value.is_null() || (field == "trusted" && value == false);
            if *value != sound[field] && !less {
                return Err(format!(
                    "{field} is {value} and was {}: {said:?}",
                    sound[field]
                ));
            }
        }
    }
    Ok(false)
}

async fn outcome(target: &Target, whole: bool) -> Result<Outcome, String> {
    match target.role {
        Role::Part(..) | Role::List(_) | Role::Object | Role::State => {
            read_alone(target).await?;
            if whole {
                verified(target).await?;
            }
        }
        // Its last newline is behind all that is signed: without it the same is read, told or not.
        Role::Manifest if target.reference.opens_as_before().await => {
            let told = verified(target).await.is_ok();
            return Ok(if told {
                Outcome::Clean
            } else {
                Outcome::Retried
            });
        }
        Role::Manifest => {
            read_alone(target).await?;
            listed(target).await?;
        }
        // Readers need it to compare alone; without a sound one they go by the signature.
        Role::Marker | Role::Announcement | Role::Attestation => {
            let same = listed(target).await?;
            return Ok(if same {
                Outcome::Retried
            } else {
                Outcome::Clean
            });
        }
    }
    Ok(Outcome::Clean)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bit_is_flipped_and_no_length_cut_without_a_word() {
    let references = [Reference::named().await, Reference::drilled().await].map(Arc::new);
    let mut targets = Vec::new();
    for (reference, read) in references
        .iter()
        .zip([Role::of_a_point, Role::beside_points])
    {
        let all = Target::all(reference).await.into_iter();
        targets.extend(all.filter(|target| read(target.role)));
    }
    let space = targets.iter().map(Damage::count).sum();
    eprintln!("bytes: {} objects, {space} faults", targets.len());
    let mut tally = Tally::new("bytes");
    for seed in Cases::of("bytes", 900).seeds() {
        let mut number = spread(seed, space);
        let mut at = targets.iter();
        let target = loop {
            let target = at.next().unwrap();
            match number.checked_sub(Damage::count(target)) {
                Some(left) => number = left,
                None => break target,
            }
        };
        let damage = Damage::numbered(target, number);
        damage.inflict(target);
        let outcome = outcome(target, seed % WHOLE_EVERY == 0).await;
        target.heal();
        tally.count(damage.kind(), seed, outcome.unwrap_or_else(Outcome::False));
    }
    for reference in &references {
        assert_eq!(reference.verify().await.unwrap().problems, [""; 0]);
    }
    tally.end();
}
