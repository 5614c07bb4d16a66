//! Replies that are lost: a part whose COMMIT nobody heard of is looked up, not repeated.

use std::sync::Arc;

use super::{CONTENT, LOCK, Scene, Watch, said};
use crate::support::forge::Forge;
use crate::support::lossy::{Loss, Lossy};
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_index_that_fails_is_reported_though_workers_write_into_each_others_lines() {
    const INDEXES: usize = 60;
    let source = Database::new(Major::Pg15);
    source.sql(&format!(
        "CREATE FUNCTION only_here(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
           IF pg_catalog.current_setting('lb_test.here', true) IS DISTINCT FROM 'yes' THEN
             RAISE 'not here'; END IF; RETURN n; END$$;
         SET lb_test.here = 'yes';
         DO $$BEGIN FOR i IN 1..{INDEXES} LOOP
           EXECUTE pg_catalog.format('CREATE TABLE t%s AS SELECT 1 AS n', i);
           EXECUTE pg_catalog.format('CREATE UNIQUE INDEX u%s ON t%s (only_here(n))', i, i);
         END LOOP; END$$"
    ));
    let forge = Forge::new(Arc::new(MemoryStore::default())).await;
    let id = forge.export(&source).await.manifest.id;
    let target = Database::new(Major::Pg15);
    let report = forge.restore(&id, &target, |options| options.jobs = Some(4));
    let report = report.await.unwrap();
    let mut missing: Vec<&str> = report
        .failures
        .iter()
        .map(|one| one.what.as_str())
        .collect();
    missing.sort_unstable();
    missing.dedup();
    assert_eq!(missing.len(), INDEXES, "{missing:?}");
}

/// The target's URL through a proxy, and the server's own address.
fn address(target: &Database) -> (String, String) {
    let url = target.url();
    let (_, rest) = url.split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let through = format!("postgresql://postgres@127.0.0.1:PORT/{database}?sslmode=disable");
    (through, address.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_lost_reply_to_commit_does_not_double_rows() {
    let scene = Scene::new().await;
    let target = Database::new(Major::Pg15);
    let (through, server) = address(&target);
    let proxy = Lossy::before(server, Loss::OfReply, 12).await;
    let through = through.replace("PORT", &proxy.port.to_string());
    let mut command = scene.command(&through, &["--verify"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_eq!(proxy.losses(), 12);
    assert_eq!(target.sql(CONTENT), scene.content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_commit_that_outlives_its_connection_does_not_double_rows() {
    let scene = Scene::new().await;
    let prepared = scene.prepared();
    let oids = "SELECT table_oid FROM lifeboat_restore.part";
    assert_eq!(prepared.sql(oids), "", "nothing is loaded yet");
    let plain = scene.oid("plain");
    // Large objects come by one session, tables by two: both stand still then.
    for (oid, sessions) in [(2613, 2), (2995, 2), (plain, 3)] {
        let target = Database::with(Major::Pg15, &format!("TEMPLATE {}", prepared.name));
        let watch = Watch::of(&target).await;
        let insert = format!("INSERT INTO lifeboat_restore.stop VALUES (NULL, NULL, {oid})");
        watch.run(&insert).await;
        watch.run(&format!("SELECT pg_advisory_lock({LOCK})")).await;
        let (through, server) = address(&target);
        let loss = Loss::OfClient(format!("lifeboat_restore.part VALUES ({oid},"));
        let proxy = Lossy::before(server, loss, 1).await;
        let through = through.replace("PORT", &proxy.port.to_string());
        let mut child = scene
            .command(&through, &["--resume", "--verify"])
            .spawn()
            .unwrap();
        // The first stands in the server without a client; the second came to replace it.
        let waiting = format!(
            "{sessions} <= (SELECT count(*) FROM pg_stat_activity
                             WHERE datname = current_database() AND wait_event_type = 'Lock')"
        );
        watch.until(&waiting, &mut child).await;
        assert!(child.try_wait().unwrap().is_none(), "{oid}");
        watch
            .run(&format!("SELECT pg_advisory_unlock({LOCK})"))
            .await;
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{oid}: {}", said(&output));
        assert_eq!(target.sql(CONTENT), scene.content, "{oid}");
    }
}
