//! What `--json` prints is what `src/cli/JSON.md` says, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use lifeboat::testing::model::Kind;
use lifeboat::testing::model::Verdict;
use lifeboat::testing::repository::{PointSelector, Repository};
use lifeboat::testing::store::{S3Options, S3Store, StaticCredentials};
use lifeboat::testing::{Signer, Trust};
use serde_json::Value;

use crate::roundtrip;
use crate::snapshot::world::{Under, World};
use crate::support::drills::attest;
use crate::support::program::Ran;
use crate::support::servers::Server;
use crate::support::{Database, Lifeboat, Major, cloud, next_second, unique};

const PAGE: &str = include_str!("../src/cli/JSON.md");

/// The page's sections beside those of the commands.
const DOCUMENT: &str = "The document";
const ERRORS: &str = "Errors";
const PROGRESS: &str = "Progress";

const IDENTITY: &str = "bucket/break-glass.key";

/// The first column of a section's tables; `.b` beside `a[].x` stands for `a[].b`.
pub fn documented(section: &str) -> BTreeSet<String> {
    let heading = format!("\n## {section}\n");
    let (_, text) = PAGE
        .split_once(&heading)
        .unwrap_or_else(|| panic!("no section {section}"));
    let text = text.split("\n## ").next().unwrap();
    let mut found = BTreeSet::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let cell = row.split(" | ").next().unwrap();
        let names: Vec<&str> = cell.split('`').step_by(2).collect();
        let parent = names[0].rsplit_once('.').map_or("", |(parent, _)| parent);
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            found.insert(match name.strip_prefix('.') {
                Some(rest) => format!("{parent}.{rest}"),
                None => name.to_owned(),
            });
        }
    }
    found
}

/// Paths of all fields of a value, such as `points[].lock.mode`.
pub fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                fields(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(list) => {
            let path = format!("{path}[]");
            list.iter().for_each(|one| fields(one, &path, found));
        }
        _ => {}
    }
}

/// Something of each kind that a document tells about; a restore can make neither the foreign key
/// nor the content of the view. Privileges on parameters are those of the zoo's roles, which stay.
fn content(database: &str, role: &str) -> String {
    format!(
        "CREATE ROLE {role}; ALTER ROLE {role} SET work_mem = '5MB'; GRANT pg_monitor TO {role};
         GRANT CONNECT ON DATABASE {database} TO {role};
         ALTER DATABASE {database} SET work_mem = '6MB';
         CREATE CAST (inet AS int) WITH INOUT AS ASSIGNMENT;
         CREATE TABLE course (id int PRIMARY KEY, code text COLLATE \"C\",
           n int GENERATED ALWAYS AS IDENTITY, next int GENERATED ALWAYS AS (id + 1) STORED);
         CREATE TABLE answer (id serial PRIMARY KEY, course int REFERENCES course, points int);
         CREATE TABLE every_year (year int) PARTITION BY LIST (year);
         CREATE TABLE one_year PARTITION OF every_year FOR VALUES IN (1);
         CREATE TABLE gone (id serial); CREATE TABLE log (id int PRIMARY KEY); CREATE TABLE logged (id int REFERENCES log);
         CREATE MATERIALIZED VIEW of_log AS SELECT id FROM log;
         SELECT lo_from_bytea(0, 'x');
         INSERT INTO answer (points) VALUES (1);
         CREATE MATERIALIZED VIEW share AS SELECT 1 / points AS share FROM answer;
         SET session_replication_role = replica;
         UPDATE answer SET course = 99, points = 0;"
    )
}

/// What a comparison tells of, before and after.
const COMPARED: &str = "
  CREATE TABLE passing (a int); CREATE TABLE called (a int);
  CREATE TABLE edited (a int); INSERT INTO edited VALUES (1);
  CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM edited;";
const CHANGED: &str = "
  DROP TABLE passing; ALTER TABLE called RENAME TO renamed; UPDATE edited SET a = 2;
  INSERT INTO edited VALUES (3); REFRESH MATERIALIZED VIEW counted;
  SELECT nextval('answer_id_seq'); SELECT lo_put(oid, 0, 'y') FROM pg_largeobject_metadata;";

/// A role that is dropped with this value: declare it before databases.
struct Role(String);

impl Drop for Role {
    fn drop(&mut self) {
        let drop = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.0);
        if let Err(error) = Major::Pg15.try_sql("postgres", "postgres", &drop) {
            eprintln!("{drop}: {error}");
        }
    }
}

/// Runs commands on a bucket with Object Lock, and notes what they print.
struct Bench {
    lifeboat: Lifeboat,
    server: Server,
    /// With a prefix of its own.
    options: S3Options,
    /// Fields, by the page's sections.
    printed: BTreeMap<String, BTreeSet<String>>,
}

impl Bench {
    /// Returns the document's result.
    #[track_caller]
    fn run(&mut self, code: i32, args: &[&str]) -> Value {
        let credentials = &self.server.credentials;
        let output = self
            .lifeboat
            .command(args)
            .arg("--json")
            .env("LIFEBOAT_CONFIG", "bucket/lifeboat.toml")
            .env("LIFEBOAT_REUSE_KEY", "3".repeat(64))
            .env("AWS_ENDPOINT_URL", &self.server.endpoint)
            .env("AWS_ACCESS_KEY_ID", &credentials.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &credentials.secret_key)
            .output();
        let ran = Ran::of(&output.unwrap());
        assert_eq!(ran.code, Some(code), "{ran:?}");
        for line in ran.stderr.lines().filter(|line| line.starts_with('{')) {
            let event: Value = serde_json::from_str(line).unwrap();
            self.note(PROGRESS, &event);
        }
        let document = ran.json();
        let command = document["command"].as_str().unwrap();
        let mut result = document["result"].clone();
        // Documents of other commands, with sections of their own.
        let steps = result.get_mut("steps").and_then(Value::as_array_mut);
        for step in steps.into_iter().flatten() {
            if step["name"] == "collect" {
                self.note("collect", &step["result"]);
            }
            (step["result"], step["error"]) = (Value::Null, Value::Null);
        }
        self.note(command, &result);
        self.note(ERRORS, &document["error"]);
        let envelope = self.printed.entry(DOCUMENT.to_owned()).or_default();
        envelope.extend(document.as_object().unwrap().keys().cloned());
        document["result"].clone()
    }

    fn note(&mut self, section: &str, value: &Value) {
        let printed = self.printed.entry(section.to_owned()).or_default();
        fields(value, "", printed);
    }

    /// A repository, and in it what an export left that failed.
    async fn init(&mut self) {
        let options = self.options.clone();
        let url = format!("s3://{}/{}", options.bucket, options.prefix);
        let endpoint = self.server.endpoint.clone();
        let place = ["--endpoint", &endpoint, "--region", cloud::REGION];
        let lock = ["--lock", "governance", "--days", "1"];
        let init = ["init", "--repository", &url];
        self.run(0, &[&init[..], &place, &lock].concat());
        let left = "parts/prod/courses/20261121T020000Z-k3v9q2/keys.json";
        self.server.attacker(&options).put(left, b"{}").await;
        let config = self.lifeboat.folder().join("bucket/lifeboat.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.replace("[lock]", "[lock]\nweekly_days = 60");
        let limits = "[limits]\nexport_every = '24h'\ncontested_limit = 1\n";
        std::fs::write(&config, text + limits).unwrap();
    }

    /// Two points of one day claim the week, one too many; then no more can come, and two may.
    fn promote(&mut self) {
        let told = self.run(3, &["promote"])["findings"][0].clone();
        // A person must choose: the page for people says so, too.
        let page = self.lifeboat.folder().join("contested.html");
        let page = self.run(0, &["report", "--html", page.to_str().unwrap()]);
        let findings = page["findings"].as_array().unwrap();
        assert!(findings.contains(&told), "{told} is not in {findings:#?}");
        let config = self.lifeboat.folder().join("bucket/lifeboat.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(
            &config,
            text.replace("'24h'", "'1ms'")
                .replace("_limit = 1", "_limit = 5"),
        )
        .unwrap();
        self.run(0, &["promote"]);
    }

    /// Says of a point that it restored in a drill.
    async fn attest(&self, id: &str) {
        let folder = self.lifeboat.folder().join("bucket");
        let pem = std::fs::read_to_string(folder.join("manifest-signing.pem")).unwrap();
        let signer = Signer::from_pem(&pem).unwrap();
        let trust = Trust {
            fingerprints: vec![signer.fingerprint()],
        };
        let store = S3Store::open(self.options.clone()).await.unwrap();
        let repository = Repository::new(Arc::new(store));
        let which = PointSelector::Id(id.parse().unwrap());
        let found = repository.choose(&which, None, None).await.unwrap();
        let point = repository.open(&found, &trust).await.unwrap();
        attest(&point, &signer, Verdict::Sound, SignedDuration::ZERO).await;
    }

    fn keys(&mut self, kms: &str) {
        let keys = |action: &'static str| ["keys", action];
        // One recipient alone, and an identity that was not tried: a finding each.
        self.run(3, &keys("list"));
        self.run(0, &[&keys("add")[..], &["--kms", kms]].concat());
        self.run(3, &keys("test"));
        self.run(0, &[&keys("test")[..], &["--identity", IDENTITY]].concat());
        let (new, by) = (self.lifeboat.folder().join("manifest-signing.pem"), "--by");
        let old = ["bucket/manifest-signing.pem"];
        let new = new.to_str().unwrap().to_owned();
        self.run(
            0,
            &[&keys("announce")[..], &[new.as_str(), by], &old].concat(),
        );
        self.run(0, &keys("rotate"));
    }

    /// Notes what a command of another world printed.
    #[track_caller]
    fn note_ran(&mut self, code: i32, ran: &Ran) {
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let document = ran.json();
        let command = document["command"].as_str().unwrap();
        self.note(command, &document["result"]);
    }

    /// Across two accounts of their own.
    async fn snapshots(&mut self) {
        let world = World::new(Kind::Instance, Under::Default).await;
        world.configure("");
        let nightly = world.nightly.clone();
        let run = |args: &[&str]| world.run(&nightly, &[args, &["--json"]].concat());
        self.note_ran(0, &run(&["snapshot", "copy", "--dry-run"]));
        let failed = serde_json::json!({"next_copies": ["failed"]});
        world.settings(&world.backup, failed);
        self.note_ran(1, &run(&["snapshot", "copy"]));
        self.note_ran(0, &run(&["snapshot", "copy"]));
        // One has failed.
        self.note_ran(3, &run(&["snapshot", "list"]));
        self.note_ran(0, &run(&["list"]));
        self.note_ran(0, &run(&["snapshot", "expire"]));
        let people = world.restore_role().await;
        world.configure_for_people();
        let restore = ["snapshot", "restore", "latest", "--as", "again", "--json"];
        self.note_ran(0, &world.run(&people, &restore));
        world.nothing_unknown();
    }

    async fn every_command(&mut self, source: &Database) {
        let url = source.url();
        let export = ["export", "--source", &url];
        self.run(0, &[&export[..], &["--dry-run"]].concat());
        self.run(1, &[&export[..], &["--database", "nowhere"]].concat());
        source.sql(COMPARED);
        let first = self.run(0, &export);
        source.sql(CHANGED);
        next_second();
        // The second point names the first one.
        let without = ["--exclude-table-data", "log", "--exclude-table", "gone"];
        let exported = self.run(0, &[&export[..], &without].concat());
        // Now with what it would name.
        self.run(0, &[&export[..], &["--dry-run"]].concat());
        let id = exported["databases"][0]["id"].as_str().unwrap();
        self.run(0, &["list"]);
        let first = first["databases"][0]["id"].as_str().unwrap();
        let open = ["--identity", IDENTITY];
        self.run(0, &[&["history", "--table", "answer"], &open[..]].concat());
        self.run(3, &[&["diff", first, id], &open[..]].concat());
        let rows = ["--rows", "--table", "edited", "--show", "1"];
        self.run(3, &[&["diff", first, id], &rows[..], &open].concat());
        self.attest(first).await;
        self.attest(id).await;
        self.promote();
        self.run(0, &["show", id, "--identity", IDENTITY]);
        self.run(0, &["verify", id, "--data", "--identity", IDENTITY]);
        self.run(0, &["hold", id, "--until", "9d"]);
        let restore = ["restore", id, "--identity", IDENTITY, "--target"];
        // The source is no empty target, which is a problem.
        self.run(1, &[&restore[..], &[url.as_str(), "--dry-run"]].concat());
        let target = Database::reserve(source.major);
        let url = target.url();
        self.run(1, &[&restore[..], &[url.as_str(), "--create"]].concat());
        let rows = self.lifeboat.folder().join("rows.csv");
        let extract = ["extract", id, "--identity", IDENTITY, "--table", "answer"];
        let to = ["-o", rows.to_str().unwrap()];
        self.run(0, &[&extract[..], &to].concat());
        let config = self.lifeboat.folder().join("bucket/lifeboat.toml");
        let asked = "[[drill.assert]]\nname = 'a'\nsql = 'SELECT 1'\nequals = 1\n";
        let text = std::fs::read_to_string(&config).unwrap() + asked;
        std::fs::write(&config, text).unwrap();
        self.run(1, &["drill", id, "--identity", IDENTITY]);
        self.run(3, &["doctor"]);
        // The drill has failed.
        self.run(3, &["status"]);
        let page = self.lifeboat.folder().join("report.html");
        self.run(0, &["report", "--html", page.to_str().unwrap()]);
        let config = self.lifeboat.folder().join("bucket/lifeboat.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let webhook = format!("{text}[notify]\nwebhook_file = 'nowhere'\n");
        std::fs::write(&config, &webhook).unwrap();
        self.run(1, &["nightly"]);
        let (database, url) = (&source.name, source.url());
        let fleet =
            format!("{webhook}[[source]]\nname = 'f'\nurl = '{url}'\ndatabases = ['{database}']\n");
        std::fs::write(&config, fleet).unwrap();
        // Of the server's other databases.
        self.run(3, &["nightly", "--shard", "0/1", "--run", "r"]);
        self.run(3, &["nightly", "--collect", "--run", "r"]);
        std::fs::write(&config, webhook).unwrap();
        self.run(1, &["prove", "--identity", IDENTITY]);
        let shard = ["prove", "--shard", "0/1", "--run", "r"];
        self.run(1, &[&shard[..], &["--identity", IDENTITY]].concat());
        self.run(1, &["prove", "--collect", "--run", "r"]);
        self.run(0, &["completions", "bash"]);
        self.run(0, &["man", "pages"]);
        self.run(2, &["show", "yesterday"]);
        self.run(2, &["list", "--misspelt"]);
    }
}

/// `list`, `keys add`, …
fn commands(definition: &clap::Command, above: &str) -> Vec<String> {
    let below = definition.get_subcommands().flat_map(|command| {
        let name = format!("{above} {}", command.get_name());
        match command.has_subcommands() {
            true => commands(command, &name),
            false => vec![name.trim().to_owned()],
        }
    });
    below.collect()
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_page_names_every_field_that_is_printed_and_no_other() {
    let role = Role(unique("reader"));
    let (source, _uncovered) = (Database::new(Major::Pg15), Database::new(Major::Pg15));
    roundtrip::roles(Major::Pg15);
    source.sql(&content(&source.name, &role.0));
    let account = cloud::account();
    let server = Server {
        endpoint: cloud::endpoint().to_owned(),
        bucket: account.bucket().await,
        credentials: StaticCredentials {
            access_key: account.root.access_key_id.clone(),
            secret_key: account.root.secret_access_key.clone(),
            session_token: None,
        },
    };
    let mut bench = Bench {
        lifeboat: Lifeboat::init(),
        options: server.options(),
        server,
        printed: BTreeMap::new(),
    };
    bench.init().await;
    bench.keys(&account.wrapping_key().await);
    bench.every_command(&source).await;
    bench.snapshots().await;
    cloud::nothing_unknown(&[&account]);
    let mut printed = bench.printed;
    // It runs until it is stopped, and has then nothing to tell: see drill_container.
    printed.entry("drill-server".to_owned()).or_default();
    for name in commands(&lifeboat::testing::cli::definition(), "") {
        assert!(printed.contains_key(&name), "{name} was not run");
    }
    // Only of an event that comes after ten seconds.
    let later = ["bytes", "bytes_per_second", "seconds_left"];
    let progress = printed.get_mut(PROGRESS).unwrap();
    progress.extend(later.map(str::to_owned));
    // Only of a database that would store too much in a day: reuse::locks compares them.
    let skipped = [
        "source",
        "database",
        "stored_bytes",
        "day_bytes",
        "allowed_bytes",
        "again_at",
    ];
    let exports = printed.get_mut("export").unwrap();
    exports.extend(skipped.map(|field| format!("skipped[].{field}")));
    // Only of a drill in a throwaway, of what is not made without a superuser.
    let drill = [
        "unproven[].what",
        "unproven[].why",
        "unproven[].sql",
        "not_tried[].kind",
        "not_tried[].name",
        "walls.network",
        "walls.files",
        "walls.processes",
        "walls.uid",
    ];
    let drills = printed.get_mut("drill").unwrap();
    drills.extend(drill.map(str::to_owned));

    let mut wrong = Vec::new();
    for (section, printed) in &printed {
        let documented = documented(section);
        for field in printed.difference(&documented) {
            wrong.push(format!("{section}: {field} is not on the page"));
        }
        for field in documented.difference(printed) {
            wrong.push(format!("{section}: {field} is never printed"));
        }
    }
    assert!(wrong.is_empty(), "src/cli/JSON.md:\n{}", wrong.join("\n"));
}
