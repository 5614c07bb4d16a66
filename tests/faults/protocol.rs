//! Every message of PostgreSQL's protocol, both ways, while a database is exported and while it is restored.

mod proxy;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use lifeboat::testing::Result;
use lifeboat::testing::export;
use lifeboat::testing::model::{Id, names};
use lifeboat::testing::repository::{Repository, RestorePoint};
use lifeboat::testing::restore;
use serde_json::{Value, json};

use self::proxy::{ALL, Fault, Proxy, TOLD};
use super::tally::{Cases, Outcome, Tally, spread};
use crate::support::forge::{Forge, server};
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

/// Whatever has not ended by then does not end.
const PATIENCE: Duration = Duration::from_secs(60);

const SCHEMA: &str = "
  CREATE TYPE mood AS ENUM ('calm', 'tired');
  CREATE TABLE answer (id int PRIMARY KEY, mood mood NOT NULL, text text, at timestamptz, n numeric[],
                       long text GENERATED ALWAYS AS (text || '!') STORED);
  INSERT INTO answer SELECT g, 'calm', md5(g::text), '2026-11-30', ARRAY[g, NULL, g / 3.0] FROM generate_series(1, 40) g;
  CREATE TABLE other (id int REFERENCES answer, b bytea, j jsonb CHECK (j IS NOT NULL));
  INSERT INTO other SELECT g, '\\x0001'::bytea, to_jsonb(g) FROM generate_series(1, 9) g;
  CREATE INDEX ON other (id);
  CREATE TABLE empty (id int);
  CREATE SEQUENCE number; SELECT setval('number', 17);
  CREATE VIEW calm AS SELECT id FROM answer WHERE mood = 'calm';
  CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM answer;
  CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
  COMMENT ON TABLE answer IS 'asked once';
  SELECT lo_from_bytea(777, '\\x0102030405');";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Export,
    Restore,
}

struct Scene {
    store: Arc<MemoryStore>,
    forge: Forge,
    source: Database,
    point: RestorePoint,
    /// What the source is, as its export says it.
    essence: Value,
    /// What a restored database holds, as `pg_dump` prints it.
    restored: String,
    /// Messages of each.
    messages: [usize; 2],
}

/// Without what differs from run to run.
fn plain(script: &str) -> String {
    let lines = script
        .lines()
        .filter(|line| !line.starts_with("--") && !line.starts_with('\\'));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect()
}

fn printed(program: &str, args: &[&str]) -> String {
    let output = Command::new(Major::Pg15.bin().join(program))
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    plain(&String::from_utf8(output.stdout).unwrap())
}

fn dumped(database: &Database) -> String {
    printed("pg_dump", &["-d", &database.url()])
}

/// Through a proxy, in clear.
fn url_through(database: &Database, proxy: &Proxy) -> String {
    format!(
        "postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable&connect_timeout={}",
        proxy.port,
        database.name,
        proxy.connect_timeout()
    )
}

async fn proxy(fault: Option<(usize, Fault)>) -> Arc<Proxy> {
    Proxy::before(format!("127.0.0.1:{}", Major::Pg15.port()), fault).await
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let forge = Forge::new(store.clone()).await;
        let source = Database::new(Major::Pg15);
        source.sql(SCHEMA);
        let straight = forge.export(&source).await;
        let mut scene = Self {
            store,
            essence: essence(&forge, &straight).await,
            point: straight,
            forge,
            source,
            restored: String::new(),
            messages: [0; 2],
        };
        let through = proxy(None).await;
        let before = scene.ids(&scene.store).await;
        let report = scene.export(scene.store.clone(), &through).await.unwrap();
        assert_eq!(report.failures.len(), 0);
        scene.messages[0] = through.messages();
        let new = scene.new_points(&scene.store, &before).await;
        let again = scene.forge.open(&new[0]).await.unwrap();
        assert_eq!(
            essence(&scene.forge, &again).await,
            scene.essence,
            "it does not change by itself"
        );

        let through = proxy(None).await;
        let target = Database::new(Major::Pg15);
        let report = scene.restore(&target, &through).await.unwrap();
        assert!(report.failures.is_empty() && report.findings.is_empty());
        scene.messages[1] = through.messages();
        scene.restored = dumped(&target);
        assert_eq!(scene.restored, dumped(&scene.source));
        scene
    }

    async fn export(&self, store: Arc<MemoryStore>, proxy: &Proxy) -> Result<export::Report> {
        let server = server(&url_through(&self.source, proxy));
        Box::pin(self.forge.export_with(store, &self.source, |options| {
            options.sources[0].server = server;
            options.jobs = Some(1);
        }))
        .await
    }

    async fn restore(&self, target: &Database, proxy: &Proxy) -> Result<restore::Report> {
        let server = server(&url_through(target, proxy));
        let id = &self.point.manifest.id;
        Box::pin(self.forge.restore(id, target, |options| {
            options.target = server;
            options.jobs = Some(1);
        }))
        .await
    }

    async fn ids(&self, store: &Arc<MemoryStore>) -> Vec<Id> {
        let found = Repository::new(store.clone())
            .find(None, None)
            .await
            .unwrap();
        found.into_iter().map(|one| one.id).collect()
    }

    async fn new_points(&self, store: &Arc<MemoryStore>, before: &[Id]) -> Vec<Id> {
        let mut ids = self.ids(store).await;
        ids.retain(|id| !before.contains(id));
        ids
    }

    async fn case(&self, command: Work, at: usize, fault: Fault) -> Option<Outcome> {
        let proxy = proxy(Some((at, fault))).await;
        let outcome = match command {
            Work::Export => self.exported(&proxy, fault).await,
            Work::Restore => self.restored(&proxy, fault).await,
        };
        let struck = proxy.struck()?;
        let with_case = |seen| Outcome::False(format!("{command:?}, {struck}: {seen}"));
        Some(outcome.unwrap_or_else(with_case))
    }

    async fn exported(&self, proxy: &Proxy, fault: Fault) -> Result<Outcome, String> {
        let store = Arc::new(self.store.fork());
        let before = self.ids(&store).await;
        let exporting = tokio::time::timeout(PATIENCE, self.export(store.clone(), proxy));
        let ended = exporting.await.map_err(|_| "it does not end".to_owned())?;
        let new = self.new_points(&store, &before).await;
        let why = match ended {
            Err(error) => error.chain(),
            Ok(report) if report.failures.is_empty() => {
                let [id] = &new[..] else {
                    return Err(format!("success, and {} new points", new.len()));
                };
                return self.is_whole(&store, id).await.map(|()| Outcome::Retried);
            }
            Ok(report) => {
                let failures = report.failures.iter().map(|one| one.error.as_str());
                failures.collect::<Vec<_>>().join("\n")
            }
        };
        is_named(&why, fault)?;
        match new.len() {
            0 => Ok(Outcome::Clean),
            count => Err(format!("{count} new points, and: {why}")),
        }
    }

    async fn is_whole(&self, store: &Arc<MemoryStore>, id: &Id) -> Result<(), String> {
        let repository = Repository::new(store.clone());
        let found = repository.find(None, None).await.unwrap();
        let found = found.into_iter().find(|one| one.id == *id).unwrap();
        let point = repository.open(&found, &self.forge.trust).await;
        let point = point.map_err(|error| error.chain())?;
        let is = essence(&self.forge, &point).await;
        match is == self.essence {
            true => Ok(()),
            false => Err(format!(
                "success, and the point differs: {}",
                differs(&self.essence, &is)
            )),
        }
    }

    async fn restored(&self, proxy: &Proxy, fault: Fault) -> Result<Outcome, String> {
        let target = Database::new(Major::Pg15);
        let restoring = tokio::time::timeout(PATIENCE, self.restore(&target, proxy));
        let ended = restoring.await.map_err(|_| "it does not end".to_owned())?;
        let why = match ended {
            Err(error) => error.chain(),
            Ok(report) if report.failures.is_empty() => {
                let is = dumped(&target);
                return match (is == self.restored, &report.findings[..]) {
                    (true, _) => Ok(Outcome::Retried),
                    (false, []) => Err(format!(
                        "success, and {}",
                        first_difference(&self.restored, &is)
                    )),
                    (false, findings) => {
                        is_named(&format!("{findings:?}"), fault).map(|()| Outcome::Clean)
                    }
                };
            }
            Ok(report) => format!("{:?}", report.failures),
        };
        is_named(&why, fault)?;
        self.goes_on(&target)
            .await
            .map_err(|again| format!("{why}; gone on with: {again}"))?;
        Ok(Outcome::Clean)
    }

    /// Run again without a fault, it ends equal.
    async fn goes_on(&self, target: &Database) -> Result<(), String> {
        let id = &self.point.manifest.id;
        let again = |resume| {
            Box::pin(
                self.forge
                    .restore(id, target, move |options| options.resume = resume),
            )
        };
        let mut ended = again(true).await;
        if let Err(error) = &ended
            && error.chain().contains("no restore began in it")
        {
            ended = again(false).await;
        }
        let report = ended.map_err(|error| error.chain())?;
        if !report.failures.is_empty() {
            return Err(format!("{:?}", report.failures));
        }
        let is = dumped(target);
        match is == self.restored {
            true => Ok(()),
            false => Err(format!(
                "{}: {:?}",
                first_difference(&self.restored, &is),
                report.findings
            )),
        }
    }
}

/// All that a point holds of its database.
async fn essence(forge: &Forge, point: &RestorePoint) -> Value {
    let draft = forge.draft(point).await;
    let tables: Vec<_> = draft
        .parts
        .iter()
        .map(|(oid, parts)| {
            let mut rows: Vec<String> = String::from_utf8_lossy(&parts.concat())
                .lines()
                .map(str::to_owned)
                .collect();
            rows.sort();
            json!({ "oid": oid, "rows": rows })
        })
        .collect();
    let mut plain = Vec::new();
    let mut opened = point
        .open_object(names::SCHEMA, &forge.identities)
        .await
        .unwrap();
    std::io::Read::read_to_end(&mut opened, &mut plain).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), plain).unwrap();
    let schema = printed("pg_restore", &["-f", "-", file.path().to_str().unwrap()]);
    let mut catalog = serde_json::to_value(&draft.catalog).unwrap();
    // Known where it can be: an export goes on without.
    for view in catalog["materialized_views"].as_array_mut().unwrap() {
        view.as_object_mut().unwrap().remove("digest");
    }
    json!({
        "catalog": catalog,
        "tables": tables,
        "schema": schema,
    })
}

fn differs(one: &Value, other: &Value) -> String {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let fields = one
                .iter()
                .filter(|(name, value)| other.get(*name) != Some(value));
            let told = fields.map(|(name, value)| {
                format!(
                    "{name}: {}",
                    differs(value, other.get(name).unwrap_or(&Value::Null))
                )
            });
            told.collect::<Vec<_>>().join(", ")
        }
        (Value::String(one), Value::String(other)) => first_difference(one, other),
        _ => format!("{other} and not {one}"),
    }
}

fn first_difference(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let lacks = expected.iter().find(|line| !found.contains(line));
    let more = found.iter().find(|line| !expected.contains(line));
    format!(
        "{} lines and not {}, lacks {lacks:?}, has {more:?}",
        found.len(),
        expected.len()
    )
}

/// The words by which a message says that the server, or the way to it, is what failed.
const CAUSES: [&str; 10] = [
    "connection",
    "server",
    "lost",
    "no answer",
    // What it says of a message that came too often, or lacks another.
    "error ",
    // With the query that asked for one.
    "it gives not one row",
    "protocol",
    "unexpected message",
    "pg_dump",
    "pg_restore",
];

fn is_named(said: &str, fault: Fault) -> Result<(), String> {
    let low = said.to_lowercase();
    let told = fault == Fault::Error && said.contains(TOLD);
    match told || CAUSES.iter().any(|cause| low.contains(cause)) {
        true => Ok(()),
        false => Err(format!("the cause is not named: {said}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn of_exports_and_restores() {
    let scene = Scene::new().await;
    eprintln!("protocol: {:?} messages", scene.messages);
    let all: usize = scene.messages.iter().sum();
    let run = async |seed: u64| {
        let number = usize::try_from(spread(seed, (all * ALL.len()) as u64)).unwrap();
        let (fault, at) = (ALL[number % ALL.len()], number / ALL.len());
        let (work, at) = match at.checked_sub(scene.messages[0]) {
            None => (Work::Export, at),
            Some(at) => (Work::Restore, at),
        };
        (seed, fault, scene.case(work, at, fault).await)
    };
    let mut tally = Tally::new("protocol");
    // They wait much of the time. All on this thread, which has the servers.
    let cases = stream::iter(Cases::of("protocol", 40).seeds().map(run));
    let mut cases = std::pin::pin!(cases.buffer_unordered(3));
    while let Some((seed, fault, outcome)) = cases.next().await {
        if let Some(outcome) = outcome {
            tally.count(fault.kind(), seed, outcome);
        }
    }
    tally.end();
}
