//! Exports that name stored parts again: no more is stored than changed, and each point is as whole as one that names
//! none. Whatever is in doubt is stored anew.

mod aged;
mod calls;
mod doubt;
mod folder;
mod histories;
mod locks;
mod many;
mod others;
mod readers;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lifeboat::testing::codec::ReuseKey;
use lifeboat::testing::export;
use lifeboat::testing::model::{Id, LARGE_OBJECT_PAGES, MANIFEST_LEAD};
use lifeboat::testing::repository::RestorePoint;
use lifeboat::testing::store::Store;

use crate::support::forge::{Forge, why};
use crate::support::memory::{MemoryStore, TestClock};
use crate::support::watched::Watched;
use crate::support::{Database, Major};

/// Some 40 chunks in two tables, and what has its own ways: large objects, generated columns, no rows.
const TABLES: &str = "
  CREATE TABLE answer AS SELECT g AS id, md5(g::text) || md5((g + 1)::text) AS text, now() AS at
    FROM generate_series(1, 300000) g;
  CREATE TABLE course (id int PRIMARY KEY, name text, long text GENERATED ALWAYS AS (name || '!') STORED);
  INSERT INTO course SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 8000) g;
  CREATE TABLE small (id int); INSERT INTO small VALUES (1), (1), (2);
  CREATE TABLE empty (id int);
  SELECT lo_from_bytea(9, convert_to(repeat('x', 3000000), 'UTF8'))";

pub struct Scene {
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
    forge: Forge,
    source: Database,
}

impl Scene {
    async fn new() -> Self {
        Self::of(TABLES).await
    }

    async fn of(sql: &str) -> Self {
        let clock = TestClock::at("2026-11-21T02:00:00Z");
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let source = Database::new(Major::Pg15);
        source.sql(sql);
        let mut forge = Forge::new(store.clone()).await;
        forge.reuse = Some(key("a"));
        forge.clock = clock.clone();
        Self {
            store,
            clock,
            forge,
            source,
        }
    }

    fn hours(&self, hours: i64) {
        self.clock.advance(SignedDuration::from_hours(hours));
    }

    /// An export that must leave no finding; its point.
    async fn export(&self) -> RestorePoint {
        let (point, report) = self.export_with(|_| {}).await;
        assert_eq!(report.findings, [""; 0]);
        point
    }

    async fn export_with(
        &self,
        change: impl FnOnce(&mut export::Options),
    ) -> (RestorePoint, export::Report) {
        let store: Arc<dyn Store> = self.store.clone();
        let exported = self.forge.export_with(store, &self.source, change).await;
        let mut report = exported.unwrap();
        assert_eq!(report.failures.len(), 0, "{report:?}");
        // The forge has no recipients that it could name.
        report.findings.retain(|one| !one.contains("recipient"));
        let id = report.databases[0].id.clone().unwrap();
        (self.forge.open(&id).await.unwrap(), report)
    }

    /// Verified with every row, and nothing of it ends before its manifest's lock, and two days.
    async fn sound(&self, point: &RestorePoint) {
        let id = &point.manifest.id;
        assert_eq!(self.forge.problems(id, true).await, [""; 0], "{id}");
        self.locked(point).await;
    }

    async fn locked(&self, point: &RestorePoint) {
        let manifest = point.head(&point.manifest_ref).await.unwrap().lock.unwrap();
        let mut objects: Vec<_> = point.manifest.other_objects().cloned().collect();
        for table in &point.manifest.tables {
            objects.extend(table.list.clone());
            let parts = point.parts(table).await.unwrap();
            objects.extend(parts.map(|part| part.unwrap().object));
        }
        for object in objects {
            let lock = point.head(&object).await.unwrap().lock.unwrap();
            let until = manifest.retain_until + MANIFEST_LEAD;
            assert!(lock.retain_until >= until, "{} of {lock}", object.key);
        }
    }

    /// It restores, and the rows are those of the database now.
    async fn restores(&self, point: &RestorePoint) {
        let target = Database::new(Major::Pg15);
        let restored = self.forge.restore(&point.manifest.id, &target, |options| {
            options.verify = true;
        });
        assert_eq!(why(restored.await), None);
        for sql in [
            "SELECT count(*), sum(hashtext(t::text)) FROM answer t",
            "SELECT count(*), sum(hashtext(t::text)) FROM course t",
            "SELECT count(*), sum(hashtext(t::text)) FROM small t",
            "SELECT md5(lo_get(9))",
        ] {
            assert_eq!(target.sql(sql), self.source.sql(sql), "{sql}");
        }
    }
}

fn key(digit: &str) -> ReuseKey {
    ReuseKey::parse(&digit.repeat(64)).unwrap()
}

/// What share of a point's bytes of rows its own export stored.
async fn share_anew(point: &RestorePoint) -> f64 {
    let (mut all, mut own) = (0, 0);
    for table in &point.manifest.tables {
        for part in point.parts(table).await.unwrap() {
            let part = part.unwrap();
            all += part.copy_bytes;
            if lies_in(&part.object.key.to_string(), &point.manifest.id) {
                own += part.copy_bytes;
            }
        }
    }
    own as f64 / all as f64
}

fn lies_in(key: &str, id: &Id) -> bool {
    key.contains(&format!("/{id}/"))
}

/// The points in whose folders parts and lists lie, as the lists say themselves.
async fn folders(point: &RestorePoint) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for table in &point.manifest.tables {
        let parts = point.parts(table).await.unwrap();
        let parts = parts.map(|part| part.unwrap().object.key);
        let keys = parts.chain(table.list.as_ref().map(|list| list.key.clone()));
        found.extend(keys.map(|key| key.as_str().split('/').nth(3).unwrap().to_owned()));
    }
    found.remove(point.manifest.id.as_str());
    found
}

async fn is_as_told(point: &RestorePoint) {
    let told: BTreeSet<String> = point
        .manifest
        .parts_from
        .iter()
        .map(Id::to_string)
        .collect();
    assert_eq!(told, folders(point).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn of_an_unchanged_database_nothing_is_stored_but_what_each_point_has_of_its_own() {
    let scene = Scene::new().await;
    let first = scene.export().await;
    assert_eq!(
        (share_anew(&first).await, first.manifest.parts_from.len()),
        (1.0, 0)
    );
    assert_eq!(
        first.manifest.stored_anew,
        Some(first.manifest.stored_bytes())
    );
    scene.hours(1);
    let (second, report) = scene.export_with(|_| {}).await;
    assert_eq!(share_anew(&second).await, 0.0);
    assert_eq!(
        second.manifest.parts_from,
        std::slice::from_ref(&first.manifest.id)
    );
    assert_eq!(
        first.manifest.tables, second.manifest.tables,
        "its lists are named, too"
    );
    let anew = second.manifest.stored_anew.unwrap();
    let others = second.manifest.other_objects().map(|object| object.bytes);
    assert_eq!(anew, others.sum::<u64>());
    let told = &report.databases[0];
    assert_eq!(told.stored_anew_bytes, Some(anew));
    assert_eq!(
        (told.parts, told.parts_named),
        (second.manifest.parts(), second.manifest.parts())
    );
    scene.sound(&second).await;
    scene.restores(&second).await;
    // A third one names the first's parts, not the second's.
    scene.hours(1);
    let third = scene.export().await;
    assert_eq!(
        third.manifest.parts_from,
        std::slice::from_ref(&first.manifest.id)
    );
    scene.sound(&third).await;
    scene.sound(&first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_changed_is_stored_and_little_else() {
    let scene = Scene::new().await;
    scene.export().await;
    let steps = [
        (
            "INSERT INTO answer SELECT g, md5(g::text) || md5('x' || g), now() FROM generate_series(300001, 303000) g",
            0.15,
        ),
        ("DELETE FROM answer WHERE id < 3000", 0.15),
        ("UPDATE answer SET text = 'another' WHERE id = 150000", 0.15),
        ("VACUUM FULL answer", 0.6),
        (
            "DELETE FROM small WHERE id = 2; INSERT INTO small VALUES (1)",
            0.01,
        ),
        ("SELECT lo_put(9, 2500000, 'changed')", 0.2),
        (
            "TRUNCATE course; INSERT INTO empty SELECT g FROM generate_series(1, 10) g",
            0.01,
        ),
        (
            "UPDATE answer SET text = text || 'x' WHERE id % 50 = 0",
            1.0,
        ),
        ("ALTER TABLE answer ADD COLUMN more int DEFAULT 5", 1.0),
        (
            "INSERT INTO course SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 8000) g",
            0.9,
        ),
    ];
    let mut before = None;
    for (sql, most) in steps {
        scene.source.sql(sql);
        scene.hours(1);
        let point = scene.export().await;
        let share = share_anew(&point).await;
        assert!(share <= most, "{share} of all rows after {sql}");
        scene.sound(&point).await;
        is_as_told(&point).await;
        // Rewritten in the same order in one slice, rows are where they were.
        if !sql.starts_with("VACUUM") {
            assert_ne!(before.as_ref(), Some(&point.manifest.tables), "{sql}");
        }
        before = Some(point.manifest.tables.clone());
        if most > 0.5 {
            scene.restores(&point).await;
        }
    }
}

/// Twice the same rows are two parts of a list, and one stored part is named once in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn rows_that_are_there_twice_are_named_twice_or_stored() {
    let scene = Scene::of(
        "CREATE TABLE same AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 30000)",
    )
    .await;
    let parts = async |point: &RestorePoint| {
        let table = &point.manifest.tables[0];
        let parts = point.parts(table).await.unwrap();
        let keys: Vec<String> = parts
            .map(|part| part.unwrap().object.key.to_string())
            .collect();
        let once: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(once.len(), keys.len());
        keys
    };
    let first = scene.export().await;
    let stored = parts(&first).await;
    assert!(stored.len() > 3);
    scene.source.sql("INSERT INTO same SELECT text FROM same");
    scene.hours(1);
    let second = scene.export().await;
    scene.sound(&second).await;
    assert!(parts(&second).await.len() > stored.len() + 3);
    scene.source.sql("DELETE FROM same WHERE ctid < '(1000,0)'");
    scene.hours(1);
    let third = scene.export().await;
    scene.sound(&third).await;
    let text = "SELECT count(*) FROM same";
    assert_eq!(scene.source.sql(text), third.manifest.rows().to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn asked_for_a_full_export_stores_everything_and_is_the_next_ones_base() {
    let scene = Scene::new().await;
    scene.export().await;
    scene.hours(1);
    let (full, report) = scene.export_with(|options| options.full = true).await;
    assert_eq!((share_anew(&full).await, report.findings.len()), (1.0, 0));
    assert_eq!(full.manifest.parts_from, []);
    scene.hours(1);
    let next = scene.export().await;
    assert_eq!(
        next.manifest.parts_from,
        std::slice::from_ref(&full.manifest.id)
    );
}

/// Held for long, a point keeps the parts that lie in another's folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_point_that_is_held_holds_the_parts_that_it_names() {
    let scene = Scene::new().await;
    scene.export().await;
    scene.hours(1);
    let second = scene.export().await;
    let until: Timestamp = "2027-10-01T00:00:00Z".parse().unwrap();
    let context = lifeboat::testing::Context {
        clock: scene.clock.as_ref(),
        progress: &lifeboat::testing::Silent,
        interrupt: &lifeboat::testing::Interrupt::never(),
    };
    let held = lifeboat::testing::hold::hold(&second, until, 400, context).await;
    assert_eq!(held.unwrap().failures, [""; 0]);
    scene.locked(&second).await;
    let manifest = second
        .head(&second.manifest_ref)
        .await
        .unwrap()
        .lock
        .unwrap();
    assert_eq!(manifest.retain_until, until);
    // What is named is kept by its state's word, not by the longer lock, until it is due.
    scene.hours(24 * 9);
    let later = scene.export().await;
    assert_eq!(share_anew(&later).await, 1.0);
}

/// What nightly does in the source account: it may read manifests and states, and lists the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_exporter_verifies_named_parts_without_reading_any() {
    let mut scene = Scene::new().await;
    let watched = Watched::over(scene.store.clone());
    scene.forge.repository = lifeboat::testing::repository::Repository::new(watched.clone());
    scene.export().await;
    scene.source.sql("UPDATE answer SET text = '' WHERE id = 7");
    scene.hours(24);
    let second = scene.export().await;
    *watched.unreadable.lock().unwrap() = Some("parts/");
    let id = &second.manifest.id;
    assert_eq!(scene.forge.problems(id, false).await, [""; 0]);
    let lost = {
        *watched.unreadable.lock().unwrap() = None;
        let tables = second.manifest.tables.iter();
        let large = |oid: u32| oid == LARGE_OBJECT_PAGES;
        let table = tables
            .filter(|table| table.parts > 0 && !large(table.oid))
            .max_by_key(|one| one.parts);
        let mut parts = second.parts(table.unwrap()).await.unwrap();
        let named = parts.find(|part| !lies_in(part.as_ref().unwrap().object.key.as_str(), id));
        *watched.unreadable.lock().unwrap() = Some("parts/");
        named.unwrap().unwrap().object
    };
    scene.store.remove(&lost.key, &lost.version);
    let problems = scene.forge.problems(id, false).await;
    assert!(
        problems.iter().any(|one| one.contains(lost.key.as_str())),
        "{problems:?}"
    );
    // Of an hour's point too.
    *watched.unreadable.lock().unwrap() = None;
    scene.hours(1);
    scene
        .source
        .sql("UPDATE answer SET text = 'x' WHERE id = 7");
    let hourly = scene.export().await;
    let id = &hourly.manifest.id;
    *watched.unreadable.lock().unwrap() = None;
    let table = hourly.manifest.tables.iter().max_by_key(|one| one.parts);
    let mut listed = hourly.parts(table.unwrap()).await.unwrap();
    let own = listed.find(|part| lies_in(part.as_ref().unwrap().object.key.as_str(), id));
    let own = own.unwrap().unwrap().object;
    *watched.unreadable.lock().unwrap() = Some("parts/");
    scene.store.remove(&own.key, &own.version);
    let problems = scene.forge.problems(id, false).await;
    assert!(problems[0].contains(own.key.as_str()), "{problems:?}");
}
