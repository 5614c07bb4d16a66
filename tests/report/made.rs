//! Repositories that nights of exports and weeks of drills would have made: manifests and attestations
//! signed as told, at any date, without a database.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Result;
use lifeboat::testing::codec::{self, Identities};
use lifeboat::testing::model::CopyStatus;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::{
    Answer, Assertion, Attestation, Details, NotTriedCount, Verdict, Walls,
};
use lifeboat::testing::model::{Id, Key, segment};
use lifeboat::testing::model::{KeyRing, Recipient, Wrapped};
use lifeboat::testing::model::{Lock, LockMode, MANIFEST_LEAD};
use lifeboat::testing::model::{Manifest, NotCovered, ObjectRef, TableParts};
use lifeboat::testing::report::{self, Page};
use lifeboat::testing::repository::{Locks, Repository, details};
use lifeboat::testing::status;
use lifeboat::testing::store::Store;

use crate::support::forge::Forge;
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::watched::Watched;

pub const NOW: &str = "2026-11-21T06:30:00Z";
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How long before now.
pub fn days(number: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * number)
}

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub struct Made {
    pub forge: Forge,
    pub store: Arc<Watched>,
    /// Opens what assertions gave.
    pub identities: Identities,
    recipient: String,
    pub clock: Arc<TestClock>,
    repository: String,
}

/// A restore point to be made.
#[derive(Clone)]
pub struct Spec {
    pub source: String,
    pub database: String,
    pub at: Timestamp,
    pub rows: u64,
    /// `None`: not locked.
    pub lock_days: Option<i64>,
}

/// What was signed.
pub struct Signed {
    pub manifest: Manifest,
    pub sha256: Sha256,
}

impl Made {
    pub async fn new() -> Self {
        let clock = TestClock::at(NOW);
        Self::over(Arc::new(MemoryStore::new(clock.clone())), clock).await
    }

    /// In a store whose times are the clock's.
    pub async fn over(store: Arc<dyn Store>, clock: Arc<TestClock>) -> Self {
        let store = Watched::over(store);
        let forge = Forge::new(store.clone()).await;
        let repository = forge.repository.marker().await.unwrap().repository;
        let (secret, recipient) = codec::new_identity();
        Self {
            identities: Identities::from_secret(secret.as_bytes()).unwrap(),
            recipient,
            forge,
            store,
            clock,
            repository,
        }
    }

    pub async fn point(&self, spec: &Spec) -> Signed {
        self.point_with(spec, |_| {}).await
    }

    pub async fn point_with(&self, spec: &Spec, change: impl FnOnce(&mut Manifest)) -> Signed {
        let mut manifest = self.manifest(spec);
        change(&mut manifest);
        let value = serde_json::to_value(&manifest).unwrap();
        self.clock.set(spec.at);
        self.forge.sign(&value).await;
        self.clock.set(now());
        Signed {
            sha256: Sha256::of(value.to_string().as_bytes()),
            manifest,
        }
    }

    fn manifest(&self, spec: &Spec) -> Manifest {
        let number = spec.at.as_second() as u32 ^ spec.rows as u32;
        let id = Id::new(spec.at, number);
        let lock = spec.lock_days.map(|number| Lock {
            mode: LockMode::Compliance,
            retain_until: spec.at + days(number) + MANIFEST_LEAD,
        });
        let table = |oid: u32, rows: u64| TableParts {
            oid,
            rows,
            parts: 1,
            stored_bytes: rows * 31,
            copy_bytes: rows * 118,
            list: Some(self.object("parts.jsonl.zst")),
        };
        Manifest {
            format: 1,
            requires: Vec::new(),
            repository: self.repository.clone(),
            run: id.clone(),
            id,
            source: spec.source.clone(),
            database: spec.database.clone(),
            tool: "lifeboat 0.1.0".to_owned(),
            server_version: "15.18 (Debian 15.18-1)".to_owned(),
            server_version_num: 150_018,
            pg_dump_major: 15,
            system_identifier: None,
            started_at: spec.at - SignedDuration::from_secs(2),
            snapshot_at: spec.at,
            finished_at: spec.at + SignedDuration::from_secs(372),
            previous: None,
            lock,
            recipients: Vec::new(),
            objects: Vec::new(),
            tables: vec![
                table(16_400, spec.rows / 3),
                table(16_401, spec.rows - spec.rows / 3),
            ],
            excluded: Vec::new(),
            parts_from: Vec::new(),
            stored_anew: None,
            state: None,
            not_covered: vec![NotCovered {
                kind: "role passwords".to_owned(),
                count: 4,
            }],
        }
    }

    /// Named, and never read.
    fn object(&self, name: &str) -> ObjectRef {
        ObjectRef {
            key: format!("parts/{name}").parse().unwrap(),
            version: "none".to_owned(),
            bytes: 512,
            sha256: Sha256::of(b""),
        }
    }

    /// `keys.json`, as an object of a point to come.
    pub async fn keys(&self, name: &str, recipients: &[Recipient]) -> ObjectRef {
        let ring = KeyRing::new(&self.repository, recipients);
        let body = serde_json::to_vec(&ring).unwrap();
        let key: Key = format!("parts/{name}/keys.json").parse().unwrap();
        let (bytes, sha256) = (body.len() as u64, Sha256::of(&body));
        let head = self.store.put_new(&key, body.into(), sha256, None).await;
        ObjectRef {
            key,
            version: head.unwrap().version,
            bytes,
            sha256,
        }
    }

    /// Attests a drill of a point, `age` ago.
    pub async fn drill(
        &self,
        point: &Signed,
        age: SignedDuration,
        seconds: f64,
        result: Verdict,
        assertions: Vec<Assertion>,
    ) {
        let manifest = &point.manifest;
        let answers = assertions.iter().map(|one| Answer {
            name: one.name.clone(),
            value: one.value.clone(),
        });
        let sealed = Details {
            assertions: answers.collect(),
            ..Details::default()
        };
        let attestation = Attestation {
            format: 1,
            repository: manifest.repository.clone(),
            source: manifest.source.clone(),
            database: manifest.database.clone(),
            id: manifest.id.clone(),
            manifest_sha256: point.sha256,
            drilled_at: now() - age,
            tool: "lifeboat 0.1.0".to_owned(),
            server_version: "15.18".to_owned(),
            result,
            opened_by: None,
            rows: manifest.rows(),
            tables: 2,
            seconds_to_restore: seconds,
            seconds_to_first_query: Some(seconds * 0.6),
            sample: None,
            assertions,
            as_superuser: Some(false),
            walls: Some(Walls {
                network: true,
                files: true,
                processes: true,
                uid: false,
            }),
            not_tried: vec![NotTriedCount {
                kind: "event trigger".to_owned(),
                count: 2,
            }],
            unproven: u64::from(result == Verdict::Unproven),
            failures: 0,
            findings: 0,
            sealed: Some(details::seal(sealed, std::slice::from_ref(&self.recipient)).unwrap()),
        };
        let lock = |days_more: i64| Lock {
            mode: LockMode::Compliance,
            retain_until: now() + days(35 + days_more),
        };
        let locks = match self.store.promises().locks {
            true => Locks::Explicit {
                objects: lock(2),
                manifest: lock(0),
            },
            false => Locks::None,
        };
        let (repository, signer) = (&self.forge.repository, &self.forge.signer);
        repository
            .attest(&attestation, &locks, signer)
            .await
            .unwrap();
    }

    /// An object that no manifest names.
    pub async fn left(&self, source: &str, database: &str, id: &str, bytes: usize) {
        let place = format!("{}/{}/{id}", segment(source), segment(database));
        let key: Key = format!("parts/{place}/16400/0.copy.zst.age")
            .parse()
            .unwrap();
        let body = vec![0; bytes];
        let lock = Lock {
            mode: LockMode::Compliance,
            retain_until: now() + days(31),
        };
        let sha256 = Sha256::of(&body);
        let put = self.store.put_new(&key, body.into(), sha256, Some(lock));
        put.await.unwrap();
    }

    /// A manifest that nobody signed.
    pub async fn unsigned(&self, source: &str, database: &str, id: &str) {
        let place = format!("{}/{}/{id}", segment(source), segment(database));
        let key: Key = format!("manifests/{place}.json").parse().unwrap();
        let body = br#"{"format":1,"body":"{}","signature":null}"#.to_vec();
        let sha256 = Sha256::of(&body);
        self.store
            .put_new(&key, body.into(), sha256, None)
            .await
            .unwrap();
    }

    /// As the command line does it: what `status` found, then the page.
    pub async fn page(&self, copies: Vec<CopyStatus>) -> Page {
        self.page_of(&self.forge.repository, copies).await
    }

    /// The same through a repository that opens the store in another way.
    pub async fn page_of(&self, repository: &Repository, copies: Vec<CopyStatus>) -> Page {
        let repository = repository.keeping();
        let status = self.status(&repository).await;
        let mut options = self.options();
        options.findings = status.findings.iter().map(ToString::to_string).collect();
        let databases = status.databases.into_iter();
        options.databases = databases.map(|one| (one.source, one.database)).collect();
        options.leftovers = status.leftovers;
        options.copies = copies;
        let page = report::report(&repository, &self.forge.trust, options).await;
        page.unwrap()
    }

    pub async fn status(&self, repository: &Repository) -> status::Report {
        let options = status::Options {
            limits: status::Limits {
                export_age: HOUR * 26,
                copy_age: HOUR * 26,
                drill_age: days(8),
                shrink_percent: 50,
            },
            source: None,
            database: None,
            expected: Vec::new(),
            copies: Ok(Vec::new()),
        };
        let trust = &self.forge.trust;
        let status = status::status(repository, trust, self.clock.as_ref(), options).await;
        status.unwrap()
    }

    pub fn options(&self) -> report::Options {
        report::Options {
            contested: Some(Vec::new()),
            source: None,
            database: None,
            now: now(),
            limits: report::Limits {
                export_age: HOUR * 26,
                copy_age: HOUR * 26,
                drill_age: days(8),
            },
            databases: Vec::new(),
            all: false,
            states: Vec::new(),
            findings: Vec::new(),
            not_shown: lifeboat::testing::model::NotShown::default(),
            copies: Vec::new(),
            leftovers: Vec::new(),
            identities: self.identities.clone(),
            recipients: [(OFFLINE.to_owned(), "break-glass".to_owned())].into(),
        }
    }

    pub async fn report(&self, options: report::Options) -> Result<Page> {
        report::report(&self.forge.repository, &self.forge.trust, options).await
    }
}

/// The public half of an identity that is kept on paper.
pub const OFFLINE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/// One that people keep, and one that KMS keeps.
pub fn two_ways() -> Vec<Recipient> {
    let kms_key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    vec![
        Recipient {
            name: "break-glass".to_owned(),
            key: OFFLINE.to_owned(),
            wrapped: None,
        },
        Recipient {
            name: "drills".to_owned(),
            key: "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg".to_owned(),
            wrapped: Some(Wrapped {
                kms_key: kms_key.to_owned(),
                ciphertext: "eA==".to_owned(),
            }),
        },
    ]
}

pub fn assertion(name: &str, ok: bool, value: Option<&str>) -> Assertion {
    Assertion {
        name: name.to_owned(),
        ok,
        value: value.map(str::to_owned),
    }
}

/// A figure that goes up and down, the same at every run.
pub fn wave(number: i64, by: f64) -> f64 {
    ((number as f64) * 0.7).sin() * by + ((number as f64) * 2.3).cos() * by / 2.0
}

/// A database that all goes well with: each night's export for five weeks, the first of each week for
/// longer, and a drill of the newest point every third day.
pub async fn healthy(made: &Made, source: &str, database: &str, rows: u64, recovery: f64) {
    let keys = made
        .keys(&format!("{source}/{database}"), &two_ways())
        .await;
    let mut nights: Vec<(i64, i64)> = (0..35).map(|night| (night, 35)).collect();
    nights.extend([37, 44, 51, 58].map(|night| (night, 60)));
    nights.extend([80, 110, 140, 171].map(|night| (night, 190)));
    nights.sort_unstable_by(|one, other| other.cmp(one));
    for (night, lock_days) in nights {
        let grown = rows as f64 * (1.0 - night as f64 * 0.0021 + wave(night, 0.002));
        let spec = Spec {
            source: source.to_owned(),
            database: database.to_owned(),
            at: now() - days(night) - HOUR * 4,
            rows: grown as u64,
            lock_days: Some(lock_days),
        };
        let point = made
            .point_with(&spec, |manifest| manifest.objects.push(keys.clone()))
            .await;
        if night % 3 == 1 {
            let answers = vec![
                assertion("users are there", true, Some(&(spec.rows / 40).to_string())),
                assertion(
                    "the newest answer is of the last day",
                    true,
                    Some("2026-11-20 01:58:12+00"),
                ),
                assertion(
                    "no less and no more than usual",
                    true,
                    Some(&spec.rows.to_string()),
                ),
                assertion("the schema is of this release", true, Some("20261101")),
            ];
            let seconds = recovery * (1.0 - night as f64 * 0.002 + wave(night, 0.05));
            made.drill(
                &point,
                days(night) - HOUR * 20,
                seconds,
                Verdict::Sound,
                answers,
            )
            .await;
        }
    }
}
