//! Every object of a restore point deleted, cut, flipped, swapped: found and named by `verify` and
//! by `restore`, before anything of it reaches the target.

mod binary;
mod bombs;
mod hostile;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat::testing::Kind;
use lifeboat::testing::model::Id;
use lifeboat::testing::model::{LARGE_OBJECT_PAGES, ObjectRef, names};
use lifeboat::testing::repository::RestorePoint;

use crate::support::forge::{Draft, Forge, why};
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

/// What happens to stored bytes. The store's own word on size and checksum stays as it was.
#[derive(Debug, Clone)]
enum Damage {
    /// Listed, and not there any more.
    Lost,
    Cut(usize),
    Longer,
    Flip(usize, u8),
    /// Another object's bytes.
    Swapped(Bytes),
}

impl Damage {
    fn inflict(&self, store: &MemoryStore, object: &ObjectRef, sound: &Bytes) {
        let (key, version) = (&object.key, &object.version);
        match self {
            Self::Lost => store.lose(key, version),
            Self::Cut(len) => store.truncate(key, version, *len),
            Self::Longer => store.replace(key, version, [&sound[..], b"\0"].concat()),
            Self::Flip(at, mask) => store.flip(key, version, *at, *mask),
            Self::Swapped(other) => store.replace(key, version, other.clone()),
        }
    }

    /// All that can happen to an object: cut at every `step`th length, flipped at every `step`th
    /// byte.
    fn of(sound: &Bytes, step: usize, others: &[Bytes]) -> Vec<Self> {
        let len = sound.len();
        let mut all = vec![Self::Lost, Self::Longer];
        let inner = (0..len).step_by(step.max(1));
        let lengths = inner.clone().chain([1, len / 2, len - 1]);
        all.extend(lengths.map(Self::Cut));
        let offsets = inner.chain([len - 1]);
        all.extend(offsets.map(|at| Self::Flip(at, 1 << (at % 8))));
        all.extend(others.iter().cloned().map(Self::Swapped));
        all
    }
}

/// Three parts of one table, two of another with the same columns, one of a third, an empty table,
/// a large object.
async fn small_point(forge: &Forge, database: &Database) -> RestorePoint {
    database.sql(
        "CREATE TABLE answer (id int PRIMARY KEY, text text);
         INSERT INTO answer SELECT g, md5(g::text) FROM generate_series(1, 30) g;
         CREATE TABLE other (id int, text text);
         INSERT INTO other SELECT g, md5(g::text) FROM generate_series(101, 120) g;
         CREATE TABLE single (id int REFERENCES answer); INSERT INTO single VALUES (7);
         CREATE TABLE empty (id int);
         SELECT lo_from_bytea(777, '\\x0102030405');",
    );
    let exported = forge.export(database).await;
    forge.commit(&in_parts(forge.draft(&exported).await)).await
}

/// A part for every ten rows.
fn in_parts(mut draft: Draft) -> Draft {
    for parts in draft.parts.values_mut() {
        let text = parts.concat();
        let rows: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        *parts = rows.chunks(10).map(<[&[u8]]>::concat).collect();
    }
    draft
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A part of this table, with its place in the list.
    Part(u32, usize),
    List(u32),
    Named,
    Manifest,
}

async fn objects(point: &RestorePoint) -> Vec<(Role, ObjectRef)> {
    let mut all = vec![(Role::Manifest, point.manifest_ref.clone())];
    for object in &point.manifest.objects {
        all.push((Role::Named, object.clone()));
    }
    for table in &point.manifest.tables {
        if let Some(list) = &table.list {
            all.push((Role::List(table.oid), list.clone()));
        }
        for (at, part) in point.parts(table).await.unwrap().enumerate() {
            all.push((Role::Part(table.oid, at), part.unwrap().object));
        }
    }
    all
}

/// Bytes of every other object of the same kind, here or in another point.
async fn of_same_kind(
    (role, object): &(Role, ObjectRef),
    here: &RestorePoint,
    there: &RestorePoint,
) -> Vec<Bytes> {
    let mut found = Vec::new();
    for (point, of_other_point) in [(here, false), (there, true)] {
        for (other, its) in objects(point).await {
            let same_kind = match (role, other) {
                (Role::Part(..), Role::Part(..)) | (Role::List(_), Role::List(_)) => true,
                (Role::Manifest, Role::Manifest) => true,
                (Role::Named, Role::Named) => its.key.name() == object.key.name(),
                _ => false,
            };
            let bytes = point.fetch(&its).await.unwrap();
            // The texts in clear are the same in both points.
            let other_bytes = Bytes::clone(&bytes) != here.fetch(object).await.unwrap();
            if same_kind && other_bytes && (of_other_point || its.key != object.key) {
                found.push(bytes);
            }
        }
    }
    found
}

struct Scene {
    store: Arc<MemoryStore>,
    forge: Forge,
    source: Database,
    point: RestorePoint,
    /// Another point, of another database.
    foreign: RestorePoint,
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let forge = Forge::new(store.clone()).await;
        let source = Database::new(Major::Pg15);
        let point = small_point(&forge, &source).await;
        let second = Database::new(Major::Pg15);
        let foreign = small_point(&forge, &second).await;
        Self {
            store,
            forge,
            source,
            point,
            foreign,
        }
    }

    fn id(&self) -> &Id {
        &self.point.manifest.id
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn verify_finds_and_names_every_damage_to_any_object() {
    let scene = Scene::new().await;
    let all = objects(&scene.point).await;
    assert_eq!(all.len(), 1 + 10 + 5 + 3 + 2 + 1 + 2, "{all:?}");
    assert_eq!(scene.forge.problems(scene.id(), true).await, [""; 0]);
    let mut inflicted = 0;
    for whose in &all {
        let (role, object) = whose;
        let sound = scene.point.fetch(object).await.unwrap();
        let others = of_same_kind(whose, &scene.point, &scene.foreign).await;
        let swappable = matches!(role, Role::Part(..) | Role::List(_) | Role::Manifest);
        assert!(!swappable || !others.is_empty(), "{object:?}");
        let step = match role {
            Role::Manifest => 3,
            Role::Part(..) => sound.len().div_ceil(60),
            _ => sound.len().div_ceil(16),
        };
        for damage in Damage::of(&sound, step, &others) {
            damage.inflict(&scene.store, object, &sound);
            let problems = scene.forge.problems(scene.id(), true).await;
            let named = problems
                .iter()
                .any(|line| line.contains(object.key.as_str()));
            assert!(named, "{damage:?} of {}: {problems:?}", object.key);
            scene
                .store
                .replace(&object.key, &object.version, sound.clone());
            inflicted += 1;
        }
    }
    assert!(inflicted > 2000, "only {inflicted}");
    assert_eq!(scene.forge.problems(scene.id(), true).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn verify_without_data_finds_what_is_gone() {
    let scene = Scene::new().await;
    assert_eq!(scene.forge.problems(scene.id(), false).await, [""; 0]);
    for (role, object) in objects(&scene.point).await {
        let sound = scene.point.fetch(&object).await.unwrap();
        scene.store.lose(&object.key, &object.version);
        let problems = scene.forge.problems(scene.id(), false).await;
        let named = problems
            .iter()
            .any(|line| line.contains(object.key.as_str()));
        assert!(named, "{role:?} {}: {problems:?}", object.key);
        scene.store.replace(&object.key, &object.version, sound);
    }
}

/// What must not be in the target after this object was damaged, as a condition of SQL.
fn reached(role: Role, draft: &Draft) -> String {
    let (oid, parts) = match role {
        Role::Part(oid, at) => (oid, vec![at]),
        Role::List(oid) => (oid, (0..draft.parts[&oid].len()).collect()),
        _ => unreachable!("neither a part nor a list"),
    };
    let numbers: Vec<String> = parts.iter().map(ToString::to_string).collect();
    let noted = format!(
        "EXISTS (SELECT FROM lifeboat_restore.part WHERE table_oid = {oid} AND part IN ({}))",
        numbers.join(", ")
    );
    let rows = match draft.catalog.tables.iter().find(|table| table.oid == oid) {
        Some(table) => {
            let text: Vec<u8> = parts
                .iter()
                .flat_map(|at| draft.parts[&oid][*at].clone())
                .collect();
            let text = String::from_utf8(text).unwrap();
            let ids: Vec<&str> = text
                .lines()
                .map(|row| row.split('\t').next().unwrap())
                .collect();
            format!(
                "EXISTS (SELECT FROM {} WHERE id IN ({}))",
                table.name.quoted(),
                ids.join(", ")
            )
        }
        None if oid == LARGE_OBJECT_PAGES => "EXISTS (SELECT FROM pg_largeobject)".to_owned(),
        None => "EXISTS (SELECT FROM lifeboat_restore.large_object)".to_owned(),
    };
    format!("SELECT {noted} OR {rows}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn no_row_of_a_damaged_part_or_list_reaches_the_target() {
    let scene = Scene::new().await;
    let (store, forge) = (&scene.store, &scene.forge);
    let draft = forge.draft(&scene.point).await;
    let target = Database::new(Major::Pg15);
    let needed: Vec<(Role, ObjectRef)> = objects(&scene.point)
        .await
        .into_iter()
        .filter(|(role, _)| matches!(role, Role::Part(..) | Role::List(_)))
        .collect();
    // The schema is restored once; each attempt below goes on from there.
    let lists = needed
        .iter()
        .filter(|(role, _)| matches!(role, Role::List(_)));
    let mut sound_lists = Vec::new();
    for (_, object) in lists {
        sound_lists.push((object, scene.point.fetch(object).await.unwrap()));
        store.lose(&object.key, &object.version);
    }
    assert!(why(forge.restore(scene.id(), &target, |_| {}).await).is_some());
    for (object, sound) in sound_lists {
        store.replace(&object.key, &object.version, sound);
    }
    let reset =
        "TRUNCATE answer, other, single, lifeboat_restore.part, lifeboat_restore.large_object;
                 SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
                 DELETE FROM lifeboat_restore.phase WHERE name NOT IN ('roles', 'schema')";
    let phases = "SELECT count(*) FROM lifeboat_restore.phase WHERE name IN ('roles', 'schema')";
    assert_eq!(target.sql(phases), "2");
    let mut told = 0;
    let mut in_full = HashSet::new();
    for whose in &needed {
        let (role, object) = whose;
        let sound = scene.point.fetch(object).await.unwrap();
        let others = of_same_kind(whose, &scene.point, &scene.foreign).await;
        let mut damages = vec![Damage::Lost, Damage::Flip(sound.len() - 1, 0x80)];
        damages.extend(others.into_iter().take(1).map(Damage::Swapped));
        // All are found in one place: one object of each role stands for the others.
        if in_full.insert(std::mem::discriminant(role)) {
            damages.extend([
                Damage::Cut(0),
                Damage::Cut(sound.len() / 2),
                Damage::Longer,
                Damage::Flip(0, 1),
            ]);
        }
        for damage in damages {
            target.sql(reset);
            damage.inflict(store, object, &sound);
            let ended = forge
                .restore(scene.id(), &target, |o| o.resume = true)
                .await;
            if let Err(error) = &ended
                && error.kind() == Kind::Damaged
            {
                let hint = error.find_hint().unwrap();
                assert!(!hint.contains("--resume"), "it would meet the same: {hint}");
                told += 1;
            }
            let why = why(ended);
            let why = why.unwrap_or_else(|| panic!("{damage:?} of {} passed", object.key));
            assert!(why.contains(object.key.as_str()), "{damage:?}: {why}");
            assert_eq!(target.sql(&reached(*role, &draft)), "f", "{damage:?}");
            store.replace(&object.key, &object.version, sound.clone());
        }
    }
    assert!(told > needed.len());
    target.sql(reset);
    let report = forge.restore(scene.id(), &target, |options| {
        options.resume = true;
        options.verify = true;
    });
    assert_eq!(why(report.await), None, "once healed, it goes on");
    let count = "SELECT (SELECT count(*) FROM answer), (SELECT count(*) FROM other)";
    assert_eq!(target.sql(count), scene.source.sql(count));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_damaged_manifest_catalog_or_schema_leaves_the_target_untouched() {
    let scene = Scene::new().await;
    let (store, forge) = (&scene.store, &scene.forge);
    let target = Database::new(Major::Pg15);
    let unmade = Database::reserve(Major::Pg15);
    let schemas = "SELECT string_agg(nspname, ',' ORDER BY 1) FROM pg_namespace";
    let untouched = target.sql(schemas);
    let exists = format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}'",
        unmade.name
    );
    for whose in objects(&scene.point).await {
        let object = &whose.1;
        let needed = [names::CATALOG, names::SCHEMA].contains(&object.key.name());
        if !(needed || whose.0 == Role::Manifest) {
            continue;
        }
        let sound = scene.point.fetch(object).await.unwrap();
        let others = of_same_kind(&whose, &scene.point, &scene.foreign).await;
        assert!(!others.is_empty());
        for damage in Damage::of(&sound, sound.len() / 3, &others) {
            let last = matches!(damage, Damage::Cut(len) if len + 1 == sound.len());
            if last && whose.0 == Role::Manifest {
                // The newline after all that is signed: nothing is lost with it.
                continue;
            }
            damage.inflict(store, object, &sound);
            for create in [false, true] {
                let to = if create { &unmade } else { &target };
                let why = why(forge.restore(scene.id(), to, |o| o.create = create).await);
                let why = why.unwrap_or_else(|| panic!("{damage:?} of {} passed", object.key));
                assert!(why.contains(object.key.as_str()), "{damage:?}: {why}");
            }
            assert_eq!(
                target.sql(schemas),
                untouched,
                "{damage:?} of {}",
                object.key
            );
            assert_eq!(target.major.sql("postgres", &exists), "0", "{damage:?}");
            store.replace(&object.key, &object.version, sound.clone());
        }
    }
    assert_eq!(why(forge.restore(scene.id(), &target, |_| {}).await), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_manifest_moved_to_another_name_is_refused() {
    let scene = Scene::new().await;
    let key = &scene.point.manifest_ref.key;
    let body = scene.point.fetch(&scene.point.manifest_ref).await.unwrap();
    let own = (scene.source.name.as_str(), scene.id().to_string());
    let foreign = &scene.foreign.manifest;
    let later = "20991231T000000Z-000000".to_owned();
    for (source, database, id) in [
        ("forge", own.0, later),
        ("forge", foreign.database.as_str(), own.1.clone()),
        ("elsewhere", own.0, own.1.clone()),
    ] {
        let moved: lifeboat::testing::model::Key =
            format!("manifests/{source}/{database}/{id}.json")
                .parse()
                .unwrap();
        scene.store.overwrite(&moved, body.clone());
        let all = scene
            .forge
            .repository
            .find(Some(source), Some(database))
            .await;
        let all = all.unwrap();
        let found = all.iter().find(|one| one.id.as_str() == id).unwrap();
        let opened = scene.forge.repository.open(found, &scene.forge.trust).await;
        let why = opened.err().unwrap().chain();
        assert!(
            why.contains(moved.as_str()) && why.contains(key.as_str()),
            "{why}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_manifest_of_another_repository_is_refused() {
    let scene = Scene::new().await;
    let mut manifest = serde_json::to_value(&scene.point.manifest).unwrap();
    let home = manifest["repository"].as_str().unwrap().to_owned();
    manifest["id"] = "20991231T000000Z-000000".into();
    manifest["repository"] = "0".repeat(32).into();
    scene.forge.sign(&manifest).await;
    let id = manifest["id"].as_str().unwrap().parse().unwrap();
    let error = scene.forge.open(&id).await.err().unwrap();
    let why = error.chain();
    assert_eq!(error.kind(), Kind::Untrusted, "{why}");
    assert!(
        why.contains(&"0".repeat(32)) && why.contains(&home),
        "{why}"
    );
}
