//! Manifests and lists that are signed by a trusted key, and lie.

use std::sync::Arc;

use lifeboat::testing::model::Id;
use lifeboat::testing::model::{LARGE_OBJECT_PROPERTIES, names};
use serde_json::{Value, json};

use super::{in_parts, small_point};
use crate::support::forge::{Draft, Forge, why};
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

struct Scene {
    forge: Forge,
    draft: Draft,
    target: Database,
    _source: Database,
}

impl Scene {
    async fn new() -> Self {
        let forge = Forge::new(Arc::new(MemoryStore::default())).await;
        let source = Database::new(Major::Pg15);
        let point = small_point(&forge, &source).await;
        Self {
            draft: in_parts(forge.draft(&point).await),
            forge,
            target: Database::new(Major::Pg15),
            _source: source,
        }
    }

    fn oid(&self, table: &str) -> u32 {
        let mut tables = self.draft.catalog.tables.iter();
        tables.find(|one| one.name.name == table).unwrap().oid
    }

    /// Neither `verify` nor `restore` may call it sound; both say why.
    async fn refused(&self, what: &str, id: &Id, says: &str) {
        let problems = self.forge.problems(id, true).await;
        let found = problems.iter().any(|line| line.contains(says));
        assert!(found, "{what}: verify says {problems:?}");
        self.target.sql(
            "DROP SCHEMA IF EXISTS lifeboat_restore CASCADE;
             DROP TABLE IF EXISTS answer, other, single, empty CASCADE;
             SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
        );
        let why = why(self.forge.restore(id, &self.target, |_| {}).await);
        assert!(why.is_some(), "{what}: restore passed");
    }
}

/// Index of a table in the manifest's list.
fn at(manifest: &Value, oid: u32) -> usize {
    let tables = manifest["tables"].as_array().unwrap();
    tables.iter().position(|table| table["oid"] == oid).unwrap()
}

fn add(value: &mut Value, difference: i64) {
    let number = value.as_i64().unwrap() + difference;
    *value = number.into();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_manifest_that_lies_about_counts_and_sizes_is_refused() {
    let scene = Scene::new().await;
    let oid = scene.oid("answer");
    for field in ["rows", "parts", "stored_bytes", "copy_bytes"] {
        for lie in [json!(0), json!(u64::MAX), json!(1), json!(-1)] {
            let id = scene.forge.commit_with(
                &scene.draft,
                |_| {},
                |manifest| {
                    let at = at(manifest, oid);
                    let value = &mut manifest["tables"][at][field];
                    match lie.as_i64() {
                        Some(difference) if difference != 0 => add(value, difference),
                        _ => *value = lie.clone(),
                    }
                },
            );
            scene
                .refused(&format!("{field} {lie}"), &id.await, "")
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_manifest_that_contradicts_itself_is_refused() {
    let scene = Scene::new().await;
    let oid = scene.oid("answer");
    type Lie = Box<dyn Fn(&mut Value)>;
    let lies: Vec<(&str, &str, Lie)> = vec![
        (
            "a table twice",
            "twice",
            Box::new(move |manifest| {
                let table = manifest["tables"][at(manifest, oid)].clone();
                manifest["tables"].as_array_mut().unwrap().push(table);
            }),
        ),
        (
            "an object twice",
            "twice",
            Box::new(|manifest| {
                let object = manifest["objects"][0].clone();
                manifest["objects"].as_array_mut().unwrap().push(object);
            }),
        ),
        (
            "parts of its own as another's",
            "once each and in order",
            Box::new(|manifest| manifest["parts_from"] = Value::from(vec![manifest["id"].clone()])),
        ),
        (
            "a point twice whose parts it names",
            "once each and in order",
            Box::new(|manifest| {
                let twice = vec!["20261121T020000Z-k3v9q2"; 2];
                manifest["parts_from"] = Value::from(twice);
            }),
        ),
        (
            "no list",
            "contradict",
            Box::new(move |manifest| {
                let at = at(manifest, oid);
                manifest["tables"][at]["list"] = Value::Null;
            }),
        ),
        (
            "sizes beyond 64 bits",
            "beyond all bounds",
            Box::new(|manifest| {
                for object in manifest["objects"].as_array_mut().unwrap() {
                    object["bytes"] = u64::MAX.into();
                }
            }),
        ),
        (
            "a table left out",
            "answer",
            Box::new(move |manifest| {
                let at = at(manifest, oid);
                manifest["tables"].as_array_mut().unwrap().remove(at);
            }),
        ),
        (
            "no large objects",
            "large objects",
            Box::new(|manifest| {
                let tables = manifest["tables"].as_array_mut().unwrap();
                tables.retain(|table| table["oid"] != 2613 && table["oid"] != 2995);
            }),
        ),
        (
            "no catalog",
            names::CATALOG,
            Box::new(|manifest| {
                let objects = manifest["objects"].as_array_mut().unwrap();
                objects.retain(|object| !object["key"].as_str().unwrap().contains("catalog"));
            }),
        ),
        (
            "something left out in secret",
            "contradict each other",
            Box::new(|manifest| manifest["excluded"] = json!([{"kind": "tables", "count": 1}])),
        ),
        (
            "something left out of which the catalog knows nothing",
            "do not agree about what was left out",
            Box::new(|manifest| {
                manifest["requires"] = json!(["left-out"]);
                manifest["excluded"] = json!([{"kind": "tables", "count": 1}]);
            }),
        ),
        (
            "an unknown format",
            "format 2",
            Box::new(|manifest| manifest["format"] = 2.into()),
        ),
    ];
    for (what, says, lie) in lies {
        let id = scene.forge.commit_with(&scene.draft, |_| {}, lie).await;
        scene.refused(what, &id, says).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_key_that_leads_out_of_the_repository_is_no_key() {
    let scene = Scene::new().await;
    let oid = scene.oid("answer");
    for key in [
        "../../etc/passwd",
        "/etc/passwd",
        "parts/../../x",
        "a//b",
        "a/.",
        "a\0b",
        "",
    ] {
        let in_manifest = scene.forge.commit_with(
            &scene.draft,
            |_| {},
            |manifest| manifest["objects"][0]["key"] = key.into(),
        );
        scene
            .refused(key, &in_manifest.await, "is not a key of format v1")
            .await;
        let in_list = scene.forge.commit_with(
            &scene.draft,
            |lists| lists.get_mut(&oid).unwrap()[1]["key"] = key.into(),
            |_| {},
        );
        scene
            .refused(key, &in_list.await, "is not a key of format v1")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_list_that_lies_is_refused() {
    let scene = Scene::new().await;
    let (oid, other) = (scene.oid("answer"), scene.oid("other"));
    type Lists = std::collections::BTreeMap<u32, Vec<Value>>;
    type Lie = Box<dyn Fn(&mut Lists)>;
    let lines = |change: fn(&mut Vec<Value>)| -> Lie {
        Box::new(move |lists| change(lists.get_mut(&oid).unwrap()))
    };
    let lies: Vec<(&str, &str, Lie)> = vec![
        (
            "a part instead of another, sums as before",
            "once each and in order",
            lines(|lines| lines[1] = lines[0].clone()),
        ),
        (
            "a part twice, sums with it",
            "once each and in order",
            lines(|lines| lines.push(lines[2].clone())),
        ),
        (
            "order",
            "once each and in order",
            lines(|lines| lines.swap(0, 1)),
        ),
        (
            "a part too few",
            "were exported",
            lines(|lines| lines.truncate(2)),
        ),
        ("rows", "rows", lines(|lines| add(&mut lines[0]["rows"], 1))),
        (
            "copy bytes, more",
            "bytes",
            lines(|lines| add(&mut lines[0]["copy_bytes"], 1)),
        ),
        (
            "copy bytes, fewer",
            "bytes",
            lines(|lines| add(&mut lines[0]["copy_bytes"], -1)),
        ),
        (
            "stored bytes, fewer",
            "0.copy.zst.age",
            lines(|lines| add(&mut lines[0]["bytes"], -1)),
        ),
        (
            "rows moved from part to part",
            "0.copy.zst.age",
            lines(|lines| {
                add(&mut lines[0]["rows"], 1);
                add(&mut lines[1]["rows"], -1);
            }),
        ),
        (
            "another table's part",
            "were exported",
            Box::new(move |lists| {
                let foreign = lists[&other][0].clone();
                lists.get_mut(&oid).unwrap()[0] = foreign;
            }),
        ),
        (
            "large objects' properties twice",
            "once each and in order",
            Box::new(|lists| {
                let lines = lists.get_mut(&LARGE_OBJECT_PROPERTIES).unwrap();
                lines.push(lines[0].clone());
            }),
        ),
    ];
    for (what, says, lie) in lies {
        let id = scene.forge.commit_with(&scene.draft, lie, |_| {}).await;
        scene.refused(what, &id, says).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn rows_other_than_the_catalogs_are_refused() {
    let scene = Scene::new().await;
    type Lie = Box<dyn Fn(&mut Draft)>;
    let oid = scene.oid("answer");
    let text = move |change: fn(Vec<u8>) -> Vec<u8>| -> Lie {
        Box::new(move |draft| {
            let part = &mut draft.parts.get_mut(&oid).unwrap()[0];
            *part = change(std::mem::take(part));
        })
    };
    let lies: Vec<(&str, Lie)> = vec![
        (
            "a changed value",
            text(|mut part| {
                let at = part.len() - 2;
                part[at] ^= 1;
                part
            }),
        ),
        (
            "an end of data in mid-part",
            text(|mut part| {
                let end = part.iter().position(|byte| *byte == b'\n').unwrap();
                part.splice(..end, *b"\\.");
                part
            }),
        ),
        (
            "a row that is no row",
            text(|part| {
                [
                    b"x\ty\tz\n",
                    &part[part.iter().position(|b| *b == b'\n').unwrap() + 1..],
                ]
                .concat()
            }),
        ),
        (
            "large objects of other bytes",
            Box::new(|draft| {
                let page = &mut draft.parts.get_mut(&2613).unwrap()[0];
                *page = String::from_utf8(page.clone())
                    .unwrap()
                    .replace("0102", "0103")
                    .into();
            }),
        ),
    ];
    for (what, lie) in lies {
        let mut draft = scene.draft.clone();
        lie(&mut draft);
        assert_ne!(draft.parts, scene.draft.parts, "{what}");
        let id = scene.forge.commit_with(&draft, |_| {}, |_| {}).await;
        scene.refused(what, &id, "were exported").await;
    }
}
