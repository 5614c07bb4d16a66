//! Restore points of the tests' own making: exported from a real database by the library, taken
//! apart, and put together again as told, signed by a key that readers trust.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::Clock;
use lifeboat::testing::Context;
use lifeboat::testing::Interrupt;
use lifeboat::testing::Result;
use lifeboat::testing::Silent;
use lifeboat::testing::SystemClock;
use lifeboat::testing::codec::{self, Identities, ReuseKey, Sealer};
use lifeboat::testing::export::{self, Source, Turns};
use lifeboat::testing::model::Catalog;
use lifeboat::testing::model::Databases;
use lifeboat::testing::model::Exclude;
use lifeboat::testing::model::Sha256;
use lifeboat::testing::model::{Id, Key, segment};
use lifeboat::testing::model::{Lock, LockMode, LockPolicy, MANIFEST_LEAD};
use lifeboat::testing::model::{Manifest, ObjectRef, TableParts, names};
use lifeboat::testing::pg::tools::Dirs;
use lifeboat::testing::repository::{Locks, PointSelector, Repository, RestorePoint, ReusePolicy};
use lifeboat::testing::store::Store;
use lifeboat::testing::{Signer, Trust};
use serde_json::Value;

mod run;

pub use run::{restore, server, why};

use super::Database;

/// A repository with its keys.
pub struct Forge {
    pub store: Arc<dyn Store>,
    pub repository: Repository,
    pub identities: Identities,
    /// The secret of `identities`.
    pub identity: String,
    pub trust: Trust,
    pub sealer: Sealer,
    pub signer: Signer,
    /// Under which exports name stored parts again.
    pub reuse: Option<ReuseKey>,
    /// The exporter's, and the store's where it has one.
    pub clock: Arc<dyn Clock>,
}

/// A restore point, open to be changed.
#[derive(Clone)]
pub struct Draft {
    pub manifest: Manifest,
    pub catalog: Catalog,
    /// Stored bytes of everything but parts, part lists and catalog, by name; a catalog put here
    /// counts instead of the one above.
    pub objects: BTreeMap<String, Bytes>,
    /// COPY text of each part, by the table's oid.
    pub parts: BTreeMap<u32, Vec<Vec<u8>>>,
}

/// What is about to be signed.
pub struct Forged {
    /// Lines of each table's part list.
    pub lists: BTreeMap<u32, Vec<Value>>,
    pub manifest: Value,
}

impl Forge {
    /// Makes the store a repository.
    pub async fn new(store: Arc<dyn Store>) -> Self {
        let repository = Repository::new(store.clone());
        repository.create(7, &Locks::None).await.unwrap();
        let (identity, recipient) = codec::new_identity();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("identity");
        std::fs::write(&file, &identity).unwrap();
        let signer = Signer::generate().unwrap();
        Self {
            store,
            repository,
            identities: Identities::from_files(&[file]).unwrap(),
            identity,
            trust: Trust {
                fingerprints: vec![signer.fingerprint()],
            },
            sealer: Sealer::new([recipient.as_str()]).unwrap(),
            signer,
            reuse: None,
            clock: Arc::new(SystemClock),
        }
    }

    pub fn write_identity(&self, folder: &Path) -> String {
        let file = folder.join("identity.key");
        std::fs::write(&file, &self.identity).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Exports a database through `store`, which may be this repository's behind a decorator.
    pub async fn export_through(
        &self,
        store: Arc<dyn Store>,
        database: &Database,
    ) -> Result<export::Report> {
        self.export_with(store, database, |_| {}).await
    }

    /// The same, with options as `change` leaves them.
    pub async fn export_with(
        &self,
        store: Arc<dyn Store>,
        database: &Database,
        change: impl FnOnce(&mut export::Options),
    ) -> Result<export::Report> {
        let repository = Repository::new(store);
        let keys = export::Keys {
            sealer: &self.sealer,
            signer: &self.signer,
            trust: &self.trust,
            reuse: self.reuse.as_ref(),
        };
        let context = Context {
            clock: self.clock.as_ref(),
            progress: &Silent,
            interrupt: &Interrupt::never(),
        };
        let mut options = export::Options {
            turns: Arc::new(Turns::new(1)),
            sources: vec![Source {
                name: "forge".to_owned(),
                server: server(&database.url()),
                databases: Databases::Named(vec![database.name.clone()]),
                elsewhere: Vec::new(),
                uncovered_is_finding: false,
                exclude: Exclude::default(),
                at_once: 1,
            }],
            jobs: Some(2),
            rate_limit: None,
            ddl_wait: Duration::from_secs(60),
            lock: LockPolicy::Explicit {
                mode: LockMode::Compliance,
                days: 35,
            },
            max_lock_days: 400,
            reuse: ReusePolicy {
                full_every: SignedDuration::from_hours(7 * 24),
                hourly_days: None,
                hourly_budget: 2,
            },
            gb_month_price: None,
            full: false,
            tool_dirs: Dirs::system(vec![database.major.bin()]),
            recipients: Vec::new(),
            config_text: "# the forge's\n".to_owned(),
            reach: Vec::new(),
            dry_run: false,
        };
        change(&mut options);
        export::run(
            &repository,
            keys,
            &options,
            options.turns.any().await,
            context,
        )
        .await
    }

    pub async fn export(&self, database: &Database) -> RestorePoint {
        let report = self
            .export_through(self.store.clone(), database)
            .await
            .unwrap();
        let id = report.databases[0].id.clone().unwrap();
        self.open(&id).await.unwrap()
    }

    pub async fn open(&self, id: &Id) -> Result<RestorePoint> {
        let which = PointSelector::Id(id.clone());
        let found = self.repository.choose(&which, None, None).await?;
        self.repository.open(&found, &self.trust).await
    }

    pub async fn draft(&self, point: &RestorePoint) -> Draft {
        let mut objects = BTreeMap::new();
        let others = |object: &&ObjectRef| object.key.name() != names::CATALOG;
        for object in point.manifest.objects.iter().filter(others) {
            let stored = point.fetch(object).await.unwrap();
            objects.insert(object.key.name().to_owned(), stored);
        }
        let mut parts: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for table in &point.manifest.tables {
            let texts = parts.entry(table.oid).or_default();
            for part in point.parts(table).await.unwrap() {
                let sealed = point.fetch(&part.unwrap().object).await.unwrap();
                let mut text = Vec::new();
                let mut plain = self.identities.open_compressed(sealed).unwrap();
                plain.read_to_end(&mut text).unwrap();
                texts.push(text);
            }
        }
        Draft {
            manifest: point.manifest.clone(),
            catalog: point.catalog(&self.identities).await.unwrap(),
            objects,
            parts,
        }
    }

    /// A draft that another forge can commit: what is sealed, is sealed for it.
    pub async fn draft_for(&self, other: &Forge, point: &RestorePoint) -> Draft {
        let mut draft = self.draft(point).await;
        for (name, stored) in &mut draft.objects {
            if name.ends_with(".age") {
                let mut text = Vec::new();
                let mut plain = self.identities.open(stored.clone()).unwrap();
                plain.read_to_end(&mut text).unwrap();
                *stored = other.sealer.seal(&text).unwrap().bytes;
            }
        }
        draft
    }

    /// Commits a draft under a new id.
    pub async fn commit(&self, draft: &Draft) -> RestorePoint {
        let id = self.commit_with(draft, |_| {}, |_| {}).await;
        self.open(&id).await.unwrap()
    }

    /// Commits a draft whose lists and manifest are changed before they are stored and signed.
    pub async fn commit_with(
        &self,
        draft: &Draft,
        lists: impl FnOnce(&mut BTreeMap<u32, Vec<Value>>),
        manifest: impl FnOnce(&mut Value),
    ) -> Id {
        let mut forged = self.store_parts(draft).await;
        lists(&mut forged.lists);
        self.store_lists(draft, &mut forged).await;
        manifest(&mut forged.manifest);
        let id: Id = forged.manifest["id"].as_str().unwrap().parse().unwrap();
        self.sign(&forged.manifest).await;
        id
    }

    /// Stores parts and objects of a draft under a new id.
    pub async fn store_parts(&self, draft: &Draft) -> Forged {
        let random = u32::from_ne_bytes(lifeboat::testing::random::bytes().unwrap());
        let id = Id::new(Timestamp::now(), random);
        let mut manifest = draft.manifest.clone();
        manifest.id = id;
        manifest.objects.clear();
        if !self.store.promises().locks {
            manifest.lock = None;
        }
        let folder = folder_of(&manifest);
        let json = serde_json::to_vec(&draft.catalog).unwrap();
        let mut objects = draft.objects.clone();
        let catalog = self.sealer.compress_and_seal(&json).unwrap().bytes;
        objects.entry(names::CATALOG.to_owned()).or_insert(catalog);
        for (name, bytes) in objects {
            let object = self
                .put(&format!("{folder}/{name}"), bytes, &manifest)
                .await;
            manifest.objects.push(object);
        }
        let mut lists = BTreeMap::new();
        for (oid, parts) in &draft.parts {
            let lines: &mut Vec<Value> = lists.entry(*oid).or_default();
            for (number, text) in parts.iter().enumerate() {
                let sealed = self.sealer.compress_and_seal(text).unwrap().bytes;
                let key = format!("{folder}/{oid}/{number}.copy.zst.age");
                let object = self.put(&key, sealed, &manifest).await;
                lines.push(line(&object, rows(text), text.len() as u64));
            }
        }
        Forged {
            lists,
            manifest: serde_json::to_value(&manifest).unwrap(),
        }
    }

    /// Stores one object under a key below the draft's folder and returns a line for a list.
    pub async fn put_part(&self, forged: &Forged, name: &str, sealed: Bytes) -> ObjectRef {
        let manifest: Manifest = serde_json::from_value(forged.manifest.clone()).unwrap();
        let key = format!("{}/{name}", folder_of(&manifest));
        self.put(&key, sealed, &manifest).await
    }

    /// Stores the lists and writes their sums into the manifest.
    pub async fn store_lists(&self, draft: &Draft, forged: &mut Forged) {
        let manifest: Manifest = serde_json::from_value(forged.manifest.clone()).unwrap();
        let mut tables = Vec::new();
        for table in &draft.manifest.tables {
            let lines = &forged.lists[&table.oid];
            let sum = |name: &str| lines.iter().map(|line| line[name].as_u64().unwrap()).sum();
            let mut stored = TableParts {
                oid: table.oid,
                rows: sum("rows"),
                parts: lines.len() as u64,
                stored_bytes: sum("bytes"),
                copy_bytes: sum("copy_bytes"),
                list: None,
            };
            if !lines.is_empty() {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                let list = codec::compress(text.as_bytes()).unwrap();
                let key = format!(
                    "{}/{}/{}",
                    folder_of(&manifest),
                    table.oid,
                    names::PART_LIST
                );
                stored.list = Some(self.put(&key, list, &manifest).await);
            }
            tables.push(stored);
        }
        forged.manifest["tables"] = serde_json::to_value(tables).unwrap();
    }

    /// Signs and stores a manifest, whatever it says.
    pub async fn sign(&self, manifest: &Value) -> ObjectRef {
        let of = |name: &str| manifest[name].as_str().unwrap().to_owned();
        let place = format!(
            "{}/{}/{}",
            segment(&of("source")),
            segment(&of("database")),
            of("id")
        );
        let lock: Option<Lock> = serde_json::from_value(manifest["lock"].clone()).unwrap();
        let lock = lock.map(|lock| Lock {
            retain_until: lock.retain_until - MANIFEST_LEAD,
            ..lock
        });
        let envelope = self.envelope(&manifest.to_string()).await;
        self.put_locked(&format!("manifests/{place}.json"), envelope, lock)
            .await
    }

    /// The signed envelope around a body.
    pub async fn envelope(&self, body: &str) -> Bytes {
        let statement = format!("lifeboat-manifest-v1\n{}\n", Sha256::of(body.as_bytes()));
        let signature = self.signer.sign(statement.as_bytes()).await.unwrap();
        let envelope = serde_json::json!({"format": 1, "body": body, "signature": signature});
        format!("{envelope}\n").into()
    }

    async fn put(&self, key: &str, bytes: Bytes, manifest: &Manifest) -> ObjectRef {
        self.put_locked(key, bytes, manifest.lock).await
    }

    async fn put_locked(&self, key: &str, bytes: Bytes, lock: Option<Lock>) -> ObjectRef {
        let key: Key = key.parse().unwrap();
        let sha256 = Sha256::of(&bytes);
        let size = bytes.len() as u64;
        let head = self.store.put_new(&key, bytes, sha256, lock).await.unwrap();
        ObjectRef {
            key,
            version: head.version,
            bytes: size,
            sha256,
        }
    }
}

pub fn line(object: &ObjectRef, rows: u64, copy_bytes: u64) -> Value {
    let mut line = serde_json::to_value(object).unwrap();
    line["rows"] = rows.into();
    line["copy_bytes"] = copy_bytes.into();
    line
}

pub fn rows(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn folder_of(manifest: &Manifest) -> String {
    let Manifest {
        source,
        database,
        id,
        ..
    } = manifest;
    format!("parts/{source}/{database}/{id}")
}
