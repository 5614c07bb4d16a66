//! A copy is compared with the export nearest in time: what writes in between do not explain is a finding.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lifeboat::testing::codec::{Sealer, new_identity};
use lifeboat::testing::export::{self, Source, Turns};
use lifeboat::testing::model::Exclude;
use lifeboat::testing::model::{Databases, Kind, LockMode, LockPolicy};
use lifeboat::testing::pg::tools::Dirs;
use lifeboat::testing::{Context, Interrupt, Silent, SystemClock};
use serde_json::{Value, json};

use super::{HOLDS, Scene};
use crate::support::Major;
use crate::support::forge::server;
use crate::support::program::Ran;

const TABLES: &str = "
  CREATE TABLE same (id int, twice int GENERATED ALWAYS AS (id * 2) STORED);
  INSERT INTO same SELECT generate_series(1, 100);
  CREATE TABLE grown AS SELECT generate_series(1, 100) AS id;
  CREATE TABLE edited AS SELECT generate_series(1, 100) AS id;
  CREATE TABLE migrated AS SELECT generate_series(1, 100) AS id;
  CREATE TABLE lost AS SELECT generate_series(1, 100) AS id;
  CREATE TABLE gone AS SELECT generate_series(1, 100) AS id;
  CREATE TABLE filled (id int);
  CREATE TABLE emptied AS SELECT 1 AS id;
  CREATE UNLOGGED TABLE cache AS SELECT generate_series(1, 100) AS id;";

/// After the export.
const WRITES: &str = "
  INSERT INTO grown SELECT generate_series(1, 5);
  UPDATE edited SET id = 0 WHERE id = 7;
  ALTER TABLE migrated ADD COLUMN more text;
  DELETE FROM lost WHERE id > 10;
  DROP TABLE gone;
  INSERT INTO filled VALUES (1);
  DELETE FROM emptied;
  CREATE TABLE later AS SELECT 1 AS id;";

/// Planning a query of `grown` never ends, once a row says so.
const HANGS: &str = "
  CREATE TABLE hanging AS SELECT false AS now;
  CREATE FUNCTION hang() RETURNS bool IMMUTABLE LANGUAGE plpgsql AS
    'BEGIN
       IF (SELECT now FROM public.hanging) THEN PERFORM pg_sleep(1000); END IF;
       RETURN true;
     END';
  CREATE INDEX ON grown (id) WHERE hang();";

/// Exports database courses as the source account's schedule does.
struct Exporter<'a> {
    scene: &'a Scene,
    sealer: Sealer,
}

impl<'a> Exporter<'a> {
    /// Its identity is in `identity.key`, a stranger's in `other.key`.
    fn new(scene: &'a Scene) -> Self {
        let ((identity, recipient), (other, _)) = (new_identity(), new_identity());
        let folder = scene.world.folder.path();
        std::fs::write(folder.join("identity.key"), identity).unwrap();
        std::fs::write(folder.join("other.key"), other).unwrap();
        Self {
            scene,
            sealer: Sealer::new([recipient.as_str()]).unwrap(),
        }
    }

    /// The id of a new export.
    async fn export(&self) -> String {
        let (world, port) = (&self.scene.world, self.scene.server.port);
        let url = format!("postgresql://postgres@127.0.0.1:{port}/courses");
        let repository = world.repository(&world.exporter).await;
        let keys = export::Keys {
            sealer: &self.sealer,
            signer: &world.signer,
            trust: &world.trust(),
            reuse: None,
        };
        let options = export::Options {
            turns: Arc::new(Turns::new(1)),
            sources: vec![Source {
                name: "prod".to_owned(),
                server: server(&url),
                databases: Databases::Named(vec!["courses".to_owned()]),
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
                days: 7,
            },
            max_lock_days: 400,
            reuse: lifeboat::testing::repository::ReusePolicy {
                full_every: jiff::SignedDuration::from_hours(7 * 24),
                hourly_days: None,
                hourly_budget: 2,
            },
            gb_month_price: None,
            full: false,
            tool_dirs: Dirs::system(vec![Major::Pg15.bin()]),
            recipients: Vec::new(),
            config_text: String::new(),
            reach: Vec::new(),
            dry_run: false,
        };
        let context = Context {
            clock: &SystemClock,
            progress: &Silent,
            interrupt: &Interrupt::never(),
        };
        let report = export::run(
            &repository,
            keys,
            &options,
            options.turns.any().await,
            context,
        )
        .await;
        let id = report.unwrap().databases[0].id.clone().unwrap();
        id.to_string()
    }
}

impl Scene {
    /// More lines of `[drill]`.
    fn configure_drill(&self, lines: &str) {
        self.configure(HOLDS);
        let file = self.world.folder.path().join("lifeboat.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        let config = config.replace("[drill]\n", &format!("[drill]\n{lines}\n"));
        std::fs::write(&file, config).unwrap();
    }

    async fn drill_with(&self, identity: &str) -> Ran {
        let drill = ["drill", "--snapshot", "--source", "prod", "--json"];
        self.run(&[&drill[..], &["--identity", identity]].concat())
            .await
    }
}

/// What was compared of the one database.
fn compared(ran: &Ran) -> Value {
    let document = ran.json();
    let all = document["result"]["compared"].as_array().unwrap().clone();
    assert_eq!(all.len(), 1, "{document:#}");
    assert_eq!(all[0]["database"], "courses");
    all[0].clone()
}

/// Findings of a drill that is sound, whose copy is the new spare.
fn findings(ran: &Ran) -> BTreeSet<String> {
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let result = &ran.json()["result"];
    assert!(result["spare"].is_string(), "{result:#}");
    let all = result["findings"].as_array().unwrap().iter();
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    all.map(|one| format!("{}: {}", text(one, "what"), text(one, "why")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_writes_do_not_explain_between_a_copy_and_its_nearest_export_is_found() {
    let scene = Scene::new(Kind::Instance).await;
    scene.server.sql_in("courses", TABLES);
    let exporter = Exporter::new(&scene);
    let nearest = exporter.export().await;
    scene.server.sql_in("courses", WRITES);
    scene.world.settle_a_second().await;
    exporter.export().await;

    let ran = scene.drill_with("identity.key").await;
    let wrong = [
        format!(
            "table public.lost of courses: it has 10 rows, export {nearest} has 100, more than 10 % apart"
        ),
        format!(
            "table public.gone of courses: it is missing, and its 100 rows of export {nearest}"
        ),
        format!("table public.filled of courses: it has 1 rows, export {nearest} has 0"),
        format!("table public.emptied of courses: it has 0 rows, export {nearest} has 1"),
    ];
    assert_eq!(findings(&ran), BTreeSet::from(wrong), "{ran:?}");
    let compared = compared(&ran);
    let counts = ["tables", "equal", "changed"].map(|field| &compared[field]);
    assert_eq!(counts, [&json!(8), &json!(2), &json!(3)], "{compared:#}");
    assert_eq!(compared["export"], nearest);
    let left_out = json!(["public.cache (unlogged: a snapshot has no rows of it)"]);
    assert_eq!(compared["not_compared"], left_out);
    assert!(scene.is_verified().await);
    // The exporter is denied what it asks to learn whether it has the right.
    let calls = scene.world.calls().into_iter();
    let denied =
        calls.filter(|one| one.principal.contains("lifeboat-prove") && one.code == "AccessDenied");
    assert_eq!(denied.count(), 0);

    scene.configure_drill("within_percent = 3");
    let drill = ["drill", "--snapshot", "--identity", "identity.key"];
    let ran = scene.run(&drill).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for line in [
        ": 8 tables, 2 equal, 2 changed within the limit\n",
        &format!("compared: courses with export {nearest}, of "),
        "\nnot compared: of courses: public.cache (unlogged",
        &format!("it has 105 rows, export {nearest} has 100, more than 3 % apart\n"),
    ] {
        assert!(ran.stdout.contains(line), "no {line} in {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn where_no_export_can_be_opened_nothing_is_compared_and_that_is_said() {
    let scene = Scene::new(Kind::Instance).await;
    let exporter = Exporter::new(&scene);
    let why = |ran: &Ran| compared(ran)["why"].as_str().unwrap().to_owned();
    let without = why(&scene.drill_with("identity.key").await.ok());
    assert!(
        without.contains("no trusted export of prod/courses"),
        "{without}"
    );
    let id = exporter.export().await;
    let locked = why(&scene.drill().await.ok());
    assert!(
        locked.contains(&format!("no identity to open export {id}")),
        "{locked}"
    );
    let strange = why(&scene.drill_with("other.key").await.ok());
    assert!(strange.contains("cannot open"), "{strange}");
    let text = scene.run(&["drill", "--snapshot"]).await.ok();
    assert!(
        text.stdout.contains("\nnot compared: courses: no identity"),
        "{text:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_table_that_cannot_be_read_or_takes_too_long_is_named_and_the_others_are_compared() {
    let scene = Scene::new(Kind::Instance).await;
    scene.server.sql_in("courses", TABLES);
    scene.server.sql_in("courses", HANGS);
    Exporter::new(&scene).export().await;
    let file = scene
        .server
        .sql_in("courses", "SELECT pg_relation_filepath('same')");
    let data = scene.server.socket().join("data");
    std::fs::remove_file(data.join(file)).unwrap();
    let ran = scene.drill_with("identity.key").await;
    let damaged = findings(&ran);
    let names_it =
        |one: &String| one.contains("public.same") && one.contains("could not open file");
    assert!(
        damaged.len() == 1 && damaged.iter().all(names_it),
        "{damaged:#?}"
    );
    assert_eq!(compared(&ran)["equal"], 9, "{ran:?}");

    scene
        .server
        .sql_in("courses", "UPDATE hanging SET now = true");
    scene.configure_drill("time_limit = \"2s\"");
    let ran = scene.drill_with("identity.key").await;
    let late = "comparing courses: it did not end within 2 s; [drill] time_limit gives it more";
    assert!(findings(&ran).contains(late), "{ran:?}");
    let left = compared(&ran)["not_compared"].to_string();
    assert!(left.contains("public.grown (it was not reached)"), "{left}");
}
