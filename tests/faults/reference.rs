//! Frozen points in memory, and what readers say of them undamaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat::testing::codec::{self, Identities};
use lifeboat::testing::list;
use lifeboat::testing::model::{Id, Key, Lock, Sha256};
use lifeboat::testing::repository::{PointSelector, Repository, RestorePoint};
use lifeboat::testing::store::Head;
use lifeboat::testing::verify;
use lifeboat::testing::{Context, Interrupt, Result, Signer, Silent, Trust};
use serde_json::Value;

use crate::support::every_point;
use crate::support::forge::Forge;
use crate::support::memory::{MemoryStore, TestClock};

/// A moment at which the locks of both fixtures hold.
const NOW: &str = "2026-11-30T14:00:00Z";

/// A repository of `tests/fixtures` in memory, and one of its points.
pub struct Reference {
    pub store: Arc<MemoryStore>,
    pub identities: Identities,
    trust: Trust,
    id: Id,
    clock: Arc<TestClock>,
    /// What `list --json` says of it.
    pub listing: Value,
    manifest: Value,
}

fn fixture(name: &str) -> std::path::PathBuf {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    Path::new(fixtures).join(name)
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Every `key` with the `version` beside it.
fn versions_in(value: &Value, found: &mut BTreeMap<String, String>) {
    if let (Some(key), Some(version)) = (value["key"].as_str(), value["version"].as_str()) {
        found.insert(key.to_owned(), version.to_owned());
    }
    match value {
        Value::Array(values) => values.iter().for_each(|one| versions_in(one, found)),
        Value::Object(fields) => fields.values().for_each(|one| versions_in(one, found)),
        _ => {}
    }
}

/// The body of a signed object.
fn body(envelope: &[u8]) -> Value {
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    serde_json::from_str(envelope["body"].as_str().unwrap()).unwrap()
}

/// The files of a folder as a bucket has them, each under the version id that manifests and lists give.
fn adopt(store: &MemoryStore, folder: &Path) {
    let mut all = Vec::new();
    files(folder, &mut all);
    let key = |path: &Path| {
        path.strip_prefix(folder)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let (mut versions, mut lock) = (BTreeMap::new(), None);
    for path in &all {
        let (name, stored) = (key(path), fs::read(path).unwrap());
        if name.starts_with("manifests/") && name.ends_with(".json") {
            let manifest = body(&stored);
            lock = serde_json::from_value::<Option<Lock>>(manifest["lock"].clone()).unwrap();
            versions_in(&manifest, &mut versions);
        } else if name.ends_with("parts.jsonl.zst") {
            let lines = zstd::decode_all(&stored[..]).unwrap();
            for line in serde_json::Deserializer::from_slice(&lines).into_iter() {
                versions_in(&line.unwrap(), &mut versions);
            }
        }
    }
    for path in &all {
        let (name, stored) = (key(path), fs::read(path).unwrap());
        let head = Head {
            version: versions
                .get(&name)
                .map_or("file", String::as_str)
                .to_owned(),
            bytes: stored.len() as u64,
            sha256: Some(Sha256::of(&stored)),
            lock,
            stored_at: NOW.parse().unwrap(),
        };
        store.adopt(&name.parse().unwrap(), head, stored);
    }
}

impl Reference {
    /// A point that names parts of an earlier one, with its state.
    pub async fn named() -> Self {
        Self::load("named", "20261130T134531Z-ahkfnq").await
    }

    /// A point with a sound drill, signed by a key that the trusted one announced.
    pub async fn drilled() -> Self {
        Self::load("directory", "20261129T012821Z-29zq2r").await
    }

    async fn load(name: &str, id: &str) -> Self {
        let clock = TestClock::at(NOW);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        adopt(&store, &fixture(name));
        let trust = fs::read_to_string(fixture(&format!("keys/{name}.trust"))).unwrap();
        let identity = fixture(&format!("keys/{name}.key"));
        let mut it = Self {
            store,
            identities: Identities::from_files(&[identity]).unwrap(),
            trust: Trust {
                fingerprints: vec![trust.trim().parse().unwrap()],
            },
            id: id.parse().unwrap(),
            clock,
            listing: Value::Null,
            manifest: Value::Null,
        };
        it.listing = it.list().await.unwrap();
        it.manifest = serde_json::to_value(&it.open().await.unwrap().manifest).unwrap();
        assert_eq!(it.listing["findings"], serde_json::json!([]));
        assert_eq!(it.verify().await.unwrap().problems, [""; 0]);
        it
    }

    /// With which drafts are made of its point.
    pub async fn lender(&self) -> (Forge, RestorePoint) {
        let signer = Signer::generate().unwrap();
        let recipient = codec::new_identity().1;
        let forge = Forge {
            store: self.store.clone(),
            repository: self.repository(),
            identities: self.identities.clone(),
            identity: String::new(),
            trust: Trust {
                fingerprints: self.trust.fingerprints.clone(),
            },
            sealer: codec::Sealer::new([recipient.as_str()]).unwrap(),
            signer,
            reuse: None,
            clock: self.clock.clone(),
        };
        (forge, self.open().await.unwrap())
    }

    /// Knows nothing from before.
    fn repository(&self) -> Repository {
        Repository::new(self.store.clone())
    }

    pub async fn open(&self) -> Result<RestorePoint> {
        let (repository, which) = (self.repository(), PointSelector::Id(self.id.clone()));
        let found = repository.choose(&which, None, None).await?;
        repository.open(&found, &self.trust).await
    }

    /// Nothing that is signed was touched: a manifest's last newline is not.
    pub async fn opens_as_before(&self) -> bool {
        let opened = self.open().await;
        opened.is_ok_and(|point| serde_json::to_value(&point.manifest).unwrap() == self.manifest)
    }

    pub async fn verify(&self) -> Result<verify::Report> {
        let options = verify::Options {
            data: true,
            jobs: Some(1),
        };
        let context = Context {
            clock: self.clock.as_ref(),
            progress: &Silent,
            interrupt: &Interrupt::never(),
        };
        let point = self.open().await?;
        verify::verify(&point, &self.identities, options, context).await
    }

    pub async fn list(&self) -> Result<Value> {
        let options = every_point(NOW.parse().unwrap());
        let listing = list::list(&self.repository(), &self.trust, &options).await?;
        Ok(serde_json::to_value(listing).unwrap())
    }
}

/// What an object is to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Manifest,
    /// Of the table with this oid, and its place in the list.
    Part(u32, usize),
    List(u32),
    /// Any other object that the manifest names.
    Object,
    State,
    /// `lifeboat.json`.
    Marker,
    Attestation,
    Announcement,
}

impl Role {
    pub fn of_a_point(self) -> bool {
        !matches!(self, Self::Attestation | Self::Announcement)
    }

    /// And the manifest, which is signed by a key that another one announced.
    pub fn beside_points(self) -> bool {
        self == Self::Manifest || !self.of_a_point()
    }
}

/// An object that can be damaged.
pub struct Target {
    pub reference: Arc<Reference>,
    pub role: Role,
    pub key: Key,
    pub version: String,
    pub sound: Bytes,
    /// What other objects of its kind hold, of this point and of others.
    pub others: Vec<Bytes>,
}

impl Target {
    /// Every object of the point, and what readers go by beside it.
    pub async fn all(reference: &Arc<Reference>) -> Vec<Self> {
        let point = reference.open().await.unwrap();
        let manifest = &point.manifest;
        let mut roles = BTreeMap::from([(point.manifest_ref.key.clone(), Role::Manifest)]);
        roles.extend(
            manifest
                .objects
                .iter()
                .map(|one| (one.key.clone(), Role::Object)),
        );
        roles.extend(
            manifest
                .state
                .iter()
                .map(|one| (one.key.clone(), Role::State)),
        );
        for table in manifest.tables.iter().filter(|table| table.list.is_some()) {
            roles.insert(table.list.clone().unwrap().key, Role::List(table.oid));
            for (at, part) in point.parts(table).await.unwrap().enumerate() {
                roles.insert(part.unwrap().object.key, Role::Part(table.oid, at));
            }
        }
        let keys = reference.store.keys();
        for key in &keys {
            let role = match key.as_str().split('/').next().unwrap() {
                "lifeboat.json" => Role::Marker,
                "attestations" => Role::Attestation,
                "announcements" => Role::Announcement,
                _ => continue,
            };
            roles.insert(key.clone(), role);
        }
        let mut all = Vec::new();
        for (key, role) in roles {
            let sound = reference.stored(&key).await;
            let mut others = Vec::new();
            for other in keys.iter().filter(|other| is_like(&key, other)) {
                let bytes = reference.stored(other).await;
                // The texts in clear are the same in all points.
                if bytes != sound {
                    others.push(bytes);
                }
            }
            all.push(Self {
                reference: reference.clone(),
                version: reference.store.newest(&key).unwrap(),
                role,
                key,
                sound,
                others,
            });
        }
        all
    }

    pub fn heal(&self) {
        let store = &self.reference.store;
        store.replace(&self.key, &self.version, self.sound.clone());
    }
}

impl Reference {
    async fn stored(&self, key: &Key) -> Bytes {
        use lifeboat::testing::store::Store as _;
        let version = self.store.newest(key).unwrap();
        self.store.get(key, &version, u64::MAX).await.unwrap()
    }
}

/// Whether one could lie where the other does: of the same folder of the repository, with the same ending.
fn is_like(key: &Key, other: &Key) -> bool {
    let kind = |key: &Key| {
        let folder = key.as_str().split('/').next().unwrap().to_owned();
        let name = key.name();
        match name.split_once('.') {
            // The number of a part, the id of a point, or what an object is.
            Some((number, ending)) if number.starts_with(|c: char| c.is_ascii_digit()) => {
                (folder, ending.to_owned())
            }
            _ => (folder, name.to_owned()),
        }
    };
    key != other && kind(key) == kind(other)
}
