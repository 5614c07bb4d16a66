//! Stopped at a known place: by a kill, by a signal, by the server ending its sessions.

use std::process::Command;

use super::{LOCK, Scene, Watch, said, waiting};
use crate::support::{Database, Major};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Kill,
    Term,
    /// `pg_terminate_backend` of all its sessions.
    Sessions,
}

/// Where the restore is to stand still: a row of `lifeboat_restore.stop`.
fn stops() -> Vec<(&'static str, How)> {
    let mut all = Vec::new();
    for parts in [
        "NULL, 0, NULL",
        "NULL, 40, NULL",
        "NULL, NULL, 2613",
        "NULL, NULL, 2995",
    ] {
        all.push((parts, How::Kill));
        all.push((parts, How::Sessions));
    }
    all.push(("NULL, 60, NULL", How::Term));
    for name in [
        "'tables', NULL, NULL",
        "'large objects', NULL, NULL",
        "'sequences', NULL, NULL",
        "'indexes', NULL, NULL",
        "'privileges', NULL, NULL",
        "'materialized', NULL, NULL",
        "'statistics', NULL, NULL",
        "'publications', NULL, NULL",
        "'database', NULL, NULL",
    ] {
        all.push((name, How::Kill));
    }
    all.push(("'indexes', NULL, NULL", How::Term));
    all.push(("'materialized', NULL, NULL", How::Sessions));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_restore_stopped_at_any_stage_goes_on_and_ends_equal() {
    let scene = Scene::new().await;
    let prepared = scene.prepared();
    for (stop, how) in stops() {
        let what = format!("{how:?} at {stop}");
        let target = Database::with(Major::Pg15, &format!("TEMPLATE {}", prepared.name));
        let watch = Watch::of(&target).await;
        let insert = format!("INSERT INTO lifeboat_restore.stop VALUES ({stop})");
        watch.run(&insert).await;
        watch.run(&format!("SELECT pg_advisory_lock({LOCK})")).await;
        let mut child = scene.command(&target.url(), &["--resume"]).spawn().unwrap();
        watch.until(&waiting(1), &mut child).await;
        assert!(
            child.try_wait().unwrap().is_none(),
            "{what}: it never got there"
        );
        match how {
            How::Kill => child.kill().unwrap(),
            How::Term => {
                let pid = child.id().to_string();
                let kill = Command::new("kill").args(["-TERM", &pid]).status();
                assert!(kill.unwrap().success());
            }
            How::Sessions => {
                let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name LIKE 'lifeboat%'";
                watch.run(all).await;
            }
        }
        if how == How::Term {
            // It ends by itself, with whatever it was doing in the server.
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
            assert!(
                said(&output).contains("--resume"),
                "{what}: {}",
                said(&output)
            );
            watch
                .run(&format!("SELECT pg_advisory_unlock({LOCK})"))
                .await;
            watch.run("DELETE FROM lifeboat_restore.stop").await;
            scene.goes_on(&target, &what);
            continue;
        }
        // What still was at work in the server may commit only now.
        watch.run("DELETE FROM lifeboat_restore.stop").await;
        watch
            .run(&format!("SELECT pg_advisory_unlock({LOCK})"))
            .await;
        let output = child.wait_with_output().unwrap();
        if how == How::Sessions && output.status.code() == Some(3) {
            // It found its way by new sessions.
            assert_eq!(target.sql(super::CONTENT), scene.content, "{what}");
        } else {
            assert!(
                !said(&output).contains("panicked"),
                "{what}: {}",
                said(&output)
            );
            let report = scene.goes_on(&target, &what);
            assert_eq!(report["result"]["resumed"], true, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_pg_restore_that_loses_its_session_is_gone_on_with() {
    let scene = Scene::new().await;
    for (makes, holds) in [
        // While tables are made, and while indexes wait behind a lock of ours.
        ("to_regclass('public.keyed') IS NOT NULL", None),
        (
            "EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = to_regclass('plain'))",
            Some("LOCK TABLE public.plain IN ROW EXCLUSIVE MODE"),
        ),
    ] {
        let target = Database::new(Major::Pg15);
        let watch = Watch::of(&target).await;
        let mut child = scene.command(&target.url(), &[]).spawn().unwrap();
        if let Some(lock) = holds {
            let there = "to_regclass('public.plain') IS NOT NULL";
            watch.until(there, &mut child).await;
            watch.run(&format!("BEGIN; {lock}")).await;
        }
        watch.until(makes, &mut child).await;
        let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'lifeboat '";
        let ended = ended.replace("'lifeboat '", &format!("'lifeboat {}'", scene.id));
        let mut hit = 0;
        while hit == 0 && child.try_wait().unwrap().is_none() {
            let row = watch.0.query_one(&ended, &[]).await.unwrap();
            hit = row.get::<_, i64>(0);
        }
        assert!(hit > 0, "{makes}: it ended before");
        if holds.is_some() {
            watch.run("ROLLBACK").await;
        }
        let output = child.wait_with_output().unwrap();
        // It may have ended all the same, with the finding that all of these end with.
        if output.status.code() == Some(3) {
            assert_eq!(target.sql(super::CONTENT), scene.content, "{makes}");
        } else {
            scene.goes_on(&target, makes);
        }
    }
}

/// Somebody believes that a restore is stuck, and begins it once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_second_restore_that_is_refused_does_not_end_the_first() {
    let scene = Scene::new().await;
    let target = scene.prepared();
    let watch = Watch::of(&target).await;
    watch
        .run("INSERT INTO lifeboat_restore.stop VALUES (NULL, 0, NULL)")
        .await;
    watch.run(&format!("SELECT pg_advisory_lock({LOCK})")).await;
    let mut first = scene.command(&target.url(), &["--resume"]).spawn().unwrap();
    watch.until(&waiting(1), &mut first).await;
    let at_work = "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name LIKE 'lifeboat 2%'";
    let before = target.sql(at_work);
    assert_ne!(before, "");
    let second = scene.command(&target.url(), &["--resume"]).output();
    let second = second.unwrap();
    assert_ne!(second.status.code(), Some(0), "{}", said(&second));
    let why = said(&second);
    assert!(why.contains("another restore into"), "{why}");
    assert_eq!(target.sql(at_work), before);
    watch.run("DELETE FROM lifeboat_restore.stop").await;
    watch
        .run(&format!("SELECT pg_advisory_unlock({LOCK})"))
        .await;
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(3), "{}", said(&first));
    assert_eq!(target.sql(super::CONTENT), scene.content);
}

/// A table is gone, and an event trigger refuses to have it made again.
const WITHOUT_PLAIN: &str = "
  DROP TABLE plain CASCADE; DELETE FROM lifeboat_restore.phase WHERE name = 'schema';
  CREATE FUNCTION lifeboat_restore.refuse() RETURNS event_trigger LANGUAGE plpgsql AS
    $$BEGIN IF current_query() LIKE '%CREATE TABLE public.plain %' THEN
      RAISE 'it lacks something'; END IF; END$$;
  CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION lifeboat_restore.refuse()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_table_that_could_not_be_made_gets_its_rows_once_it_can() {
    let scene = Scene::new().await;
    let target = scene.prepared();
    target.sql(WITHOUT_PLAIN);
    // A resumed restore switches it off: somebody switches it on again.
    target.sql(
        "CREATE FUNCTION lifeboat_restore.again() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN EXECUTE 'ALTER EVENT TRIGGER refuse ENABLE'; RETURN NULL; END$$;
         CREATE TRIGGER again AFTER INSERT ON lifeboat_restore.loan FOR EACH ROW
           WHEN (NEW.revoke LIKE '%refuse%') EXECUTE FUNCTION lifeboat_restore.again()",
    );
    let output = scene.command(&target.url(), &["--resume"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let why = said(&output);
    assert!(why.contains("it lacks something"), "{why}");
    target.sql("DROP EVENT TRIGGER refuse");
    scene.goes_on(&target, "mended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn event_triggers_are_off_while_a_restore_goes_on() {
    let scene = Scene::new().await;
    let target = scene.prepared();
    target.sql(WITHOUT_PLAIN);
    scene.goes_on(&target, "refused by an event trigger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn resume_verify_reads_again_what_an_earlier_run_only_counted() {
    let scene = Scene::new().await;
    let target = scene.prepared();
    let watch = Watch::of(&target).await;
    watch
        .run("INSERT INTO lifeboat_restore.stop VALUES ('statistics', NULL, NULL)")
        .await;
    watch.run(&format!("SELECT pg_advisory_lock({LOCK})")).await;
    let mut child = scene.command(&target.url(), &["--resume"]).spawn().unwrap();
    watch.until(&waiting(1), &mut child).await;
    child.kill().unwrap();
    child.wait().unwrap();
    watch.run("DELETE FROM lifeboat_restore.stop").await;
    watch
        .run(&format!("SELECT pg_advisory_unlock({LOCK})"))
        .await;
    target.sql("UPDATE keyed SET text = 'changed' WHERE id = 1");
    let output = scene
        .command(&target.url(), &["--resume", "--verify"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("public.keyed"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn resume_without_an_unfinished_restore_and_a_full_target_are_refused() {
    let scene = Scene::new().await;
    let target = Database::new(Major::Pg15);
    let refused = |flags: &[&str], says: &str| {
        let output = scene.command(&target.url(), flags).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{flags:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(says), "{flags:?}: {}", said(&output));
    };
    refused(&["--resume"], "no restore began in it");
    target.sql("CREATE TABLE precious (id int); INSERT INTO precious VALUES (1)");
    let flags = [
        "--resume",
        "--create",
        "--no-owner",
        "--no-privileges",
        "--verify",
    ];
    for choice in 0..1_u32 << flags.len() {
        let flags: Vec<&str> = (0..flags.len())
            .filter(|at| choice & 1 << at != 0)
            .map(|at| flags[at])
            .collect();
        refused(&flags, "precious");
    }
    assert_eq!(target.sql("SELECT id FROM precious"), "1");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'lifeboat_restore'";
    assert_eq!(target.sql(schemas), "0");
}
