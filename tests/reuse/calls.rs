//! What an export asks of the store does not grow with what it names again.

use std::sync::Arc;

use lifeboat::testing::store::Store;

use super::Scene;
use crate::support::counted::Counted;

const TABLES: u64 = 600;

/// One call lists a thousand keys; a table that did not change is named by its old list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_unchanged_export_makes_few_calls_however_many_tables_there_are() {
    let scene = Scene::of(&format!(
        "DO $$ BEGIN FOR number IN 1..{TABLES} LOOP
           EXECUTE format('CREATE TABLE t%s AS SELECT 1 AS id', number);
         END LOOP; END $$"
    ))
    .await;
    scene.export().await;
    scene.hours(1);
    let counted = Counted::over(scene.store.clone());
    let store: Arc<dyn Store> = counted.clone();
    let exported = scene.forge.export_with(store, &scene.source, |_| {}).await;
    let report = exported.unwrap();
    let calls = counted.take();
    eprintln!("{calls:?}");
    assert_eq!(report.databases[0].parts_named, report.databases[0].parts);
    assert!(report.databases[0].parts >= TABLES);
    assert!(calls.listed_keys > 2 * TABLES, "parts and lists");
    assert!(calls.all() <= 60 + calls.listed_keys / 1000, "{calls:?}");
}
