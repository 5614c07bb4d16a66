//! Restores that are stopped at every stage: `--resume` ends with everything as it was, once.

mod lost;
mod stages;

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lifeboat::testing::store::DirStore;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::forge::Forge;
use crate::support::memory::MemoryStore;
use crate::support::{Database, Major};

/// Rows without keys, which nothing but lifeboat's notes keeps from being loaded twice; a key, a
/// foreign key, a trigger that would add rows, partitions loaded through their root, large objects;
/// and an index that needs a search_path which no restore has: a finding.
const SOURCE: &str = "
  CREATE TABLE plain AS SELECT g % 7 AS id, md5((g % 7)::text) AS text FROM generate_series(1, 400) g;
  CREATE TABLE keyed (id int PRIMARY KEY, text text);
  INSERT INTO keyed SELECT g, md5(g::text) FROM generate_series(1, 100) g;
  CREATE TABLE refers (id int GENERATED ALWAYS AS IDENTITY, keyed int REFERENCES keyed);
  INSERT INTO refers (keyed) SELECT g FROM generate_series(1, 50) g;
  CREATE TYPE mood AS ENUM ('bad', 'fair', 'good');
  CREATE TABLE vote (mood mood, n int) PARTITION BY HASH (mood);
  CREATE TABLE vote_0 PARTITION OF vote FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE vote_1 PARTITION OF vote FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  INSERT INTO vote SELECT (enum_range(NULL::mood))[1 + g % 3], g % 5 FROM generate_series(1, 60) g;
  CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO public.plain VALUES (99, 'by a trigger'); RETURN NEW; END$$;
  CREATE TRIGGER more AFTER INSERT ON keyed FOR EACH ROW EXECUTE FUNCTION more();
  CREATE INDEX by_text ON plain (text);
  CREATE FUNCTION odd(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
    $$BEGIN RETURN (SELECT min(id) FROM keyed) + n; END$$;
  CREATE INDEX odd ON plain (odd(id));
  CREATE MATERIALIZED VIEW counted AS SELECT id, count(*) FROM plain GROUP BY 1;
  GRANT SELECT ON keyed TO PUBLIC;
  SELECT lo_from_bytea(1000 + g, decode(repeat('ab', g), 'hex')) FROM generate_series(1, 25) g;";

/// All of it as one text.
const CONTENT: &str = "
  SELECT (SELECT md5(string_agg(p::text, ',' ORDER BY p::text)) || count(*) FROM plain p),
         (SELECT md5(string_agg(k::text, ',' ORDER BY id)) || count(*) FROM keyed k),
         (SELECT md5(string_agg(r::text, ',' ORDER BY id)) || count(*) FROM refers r),
         (SELECT md5(string_agg(v::text, ',' ORDER BY v::text)) || count(*) FROM vote v),
         (SELECT string_agg(c::text, ',' ORDER BY c::text) FROM counted c),
         (SELECT md5(string_agg(md5(lo_get(oid)), ',' ORDER BY oid)) || count(*) FROM pg_largeobject_metadata),
         (SELECT count(*) FROM pg_largeobject),
         (SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public' AND indexname <> 'odd'),
         (SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint
           WHERE contype IN ('p', 'f') AND connamespace = 'public'::regnamespace),
         (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
         (SELECT last_value FROM refers_id_seq), has_table_privilege('public', 'keyed', 'SELECT'),
         to_regnamespace('lifeboat_restore') IS NULL";

/// Held by a test while a restore is to stand still; see `STOPS`.
const LOCK: u32 = 4711;

/// Makes the restore's own notes wait where `lifeboat_restore.stop` says.
const STOPS: &str = "
  CREATE TABLE lifeboat_restore.stop (phase text, parts bigint, table_oid bigint);
  CREATE FUNCTION lifeboat_restore.wait() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS
           (SELECT FROM lifeboat_restore.stop s
             WHERE pg_catalog.to_jsonb(NEW) ->> 'name' LIKE s.phase || '%'
                OR pg_catalog.to_jsonb(NEW) ->> 'table_oid' = s.table_oid::text
                OR TG_TABLE_NAME = 'part'
                   AND s.parts <= (SELECT count(*) FROM lifeboat_restore.part)) THEN
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711);
      END IF;
      RETURN NEW;
    END$$;
  CREATE TRIGGER wait BEFORE INSERT ON lifeboat_restore.phase
    FOR EACH ROW EXECUTE FUNCTION lifeboat_restore.wait();
  CREATE TRIGGER wait BEFORE INSERT ON lifeboat_restore.part
    FOR EACH ROW EXECUTE FUNCTION lifeboat_restore.wait();
  ALTER TABLE lifeboat_restore.phase ENABLE ALWAYS TRIGGER wait;
  ALTER TABLE lifeboat_restore.part ENABLE ALWAYS TRIGGER wait;";

struct Scene {
    folder: TempDir,
    forge: Forge,
    id: String,
    identity: String,
    tables: Vec<(String, u32)>,
    /// What [`CONTENT`] must be.
    content: String,
}

impl Scene {
    /// A restore point of [`SOURCE`], five rows a part, in a directory.
    async fn new() -> Self {
        let source = Database::new(Major::Pg15);
        source.sql(SOURCE);
        let lender = Forge::new(Arc::new(MemoryStore::default())).await;
        let folder = tempfile::tempdir().unwrap();
        let store = DirStore::create(folder.path().join("repository")).unwrap();
        let forge = Forge::new(Arc::new(store)).await;
        let exported = lender.export(&source).await;
        let mut draft = lender.draft_for(&forge, &exported).await;
        for parts in draft.parts.values_mut() {
            let text = parts.concat();
            let rows: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            *parts = rows.chunks(5).map(<[&[u8]]>::concat).collect();
        }
        let point = forge.commit(&draft).await;
        Self {
            identity: forge.write_identity(folder.path()),
            id: point.manifest.id.to_string(),
            tables: {
                let tables = draft.catalog.tables.iter();
                tables.map(|one| (one.name.name.clone(), one.oid)).collect()
            },
            content: source.sql(CONTENT),
            folder,
            forge,
        }
    }

    fn oid(&self, table: &str) -> u32 {
        let mut tables = self.tables.iter();
        tables.find(|(name, _)| name == table).unwrap().1
    }

    fn command(&self, target: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        let trust = self.forge.trust.fingerprints[0].to_string();
        command
            .args(["restore", &self.id, "--repository", "repository", "--json"])
            .args(["--trust", &trust, "--identity", &self.identity])
            .args(["--jobs", "2", "--target", target, "--pg-bin"])
            .arg(Major::Pg15.bin())
            .args(flags)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Ends the restore and compares everything with the source.
    fn goes_on(&self, target: &Database, what: &str) -> Value {
        let output = self
            .command(&target.url(), &["--resume", "--verify"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{what}: {}", said(&output));
        assert_eq!(target.sql(CONTENT), self.content, "{what}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Whichever run met it: said at the end, and once.
        let mut findings = report["result"]["findings"].as_array().unwrap().clone();
        // A test made it in the target.
        findings.retain(|one| one["what"] != "event trigger refuse");
        assert_eq!(findings.len(), 1, "{what}: {findings:?}");
        let index = findings[0]["what"].as_str().unwrap();
        assert!(index.starts_with("INDEX public odd "), "{what}: {index}");
        assert_eq!(report["result"]["verified"], true, "{what}");
        report
    }

    /// A database in which a restore has roles and schema behind it, with [`STOPS`].
    fn prepared(&self) -> Database {
        let target = Database::new(Major::Pg15);
        let parts = self.folder.path().join("repository/parts");
        let away = self.folder.path().join("away");
        let lists = find(&parts, "parts.jsonl.zst");
        fs::create_dir_all(&away).unwrap();
        for (number, list) in lists.iter().enumerate() {
            fs::rename(list, away.join(number.to_string())).unwrap();
        }
        let output = self.command(&target.url(), &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        for (number, list) in lists.iter().enumerate() {
            fs::rename(away.join(number.to_string()), list).unwrap();
        }
        target.sql(STOPS);
        let phases = "SELECT string_agg(name, ',' ORDER BY name) FROM lifeboat_restore.phase";
        assert_eq!(target.sql(phases), "roles,schema,settings");
        target
    }
}

fn find(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(find(&path, name));
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
    found
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// A session that asks often; the test's own.
struct Watch(tokio_postgres::Client);

impl Watch {
    async fn of(target: &Database) -> Self {
        let (client, connection) = tokio_postgres::connect(&target.url(), tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    async fn holds(&self, condition: &str) -> bool {
        let row = self.0.query_one(&format!("SELECT {condition}"), &[]).await;
        row.unwrap().get(0)
    }

    async fn run(&self, sql: &str) {
        self.0.batch_execute(sql).await.unwrap();
    }

    /// Polls until it holds, or the process has ended; the bound is only there to fail.
    async fn until(&self, condition: &str, child: &mut Child) {
        let begun = Instant::now();
        while !self.holds(condition).await && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{condition}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// So many sessions stand still at a stop.
fn waiting(count: u32) -> String {
    format!(
        "{count} <= (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK}
                     AND NOT granted AND database = (SELECT oid FROM pg_database
                                                      WHERE datname = current_database()))"
    )
}
