//! A value is one line. Whoever may name a table or raise an error decides what the text is that
//! lifeboat shows of it, and no more: no line of a screen, a log, a page or a file, no markup, no
//! metric, and nothing that a terminal obeys.

use std::collections::BTreeSet;
use std::fs;

use lifeboat::testing::is_plain;
use lifeboat::testing::model::segment;
use serde_json::Value;

use crate::support::cluster::{Cluster, ClusterOptions, PASSWORD, bench};
use crate::support::listener::Listener;
use crate::support::program::Ran;
use crate::support::{Lifeboat, unique};

/// What CloudWatch takes for a metric, where it is a line of a log.
const METRIC: &str = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"lifeboat","Dimensions":[[]],"Metrics":[{"Name":"ProveSuccess"}]}]},"ProveSuccess":1}"#;

/// Everything that ends a line somewhere, clears a screen, or is not seen, with a metric after each
/// that ends one; in front, too.
fn text(kind: &str, metric: &str) -> String {
    let breaks = [
        "\n", "\r", "\r\n", "\u{b}", "\u{c}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}",
    ];
    let lines: String = breaks.map(|it| format!("{it}{metric}")).concat();
    format!(
        "{metric}{lines}\n\u{1b}[2J\u{9b}2J\u{7}\u{202e}\u{200b}<script>alert(1)</script>{kind}"
    )
}

/// As a name may be, of 63 bytes.
fn name(kind: &str) -> String {
    let name = format!("{{\"_aws\":1}}\n{{\"_aws\":2}}\r\u{1b}[2J\u{85}\u{2028}\u{202e}<b>{kind}");
    assert!(name.len() <= 63, "{kind}");
    name
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A string of TOML's.
fn toml(text: &str) -> String {
    let one = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_string(),
        false => format!("\\U{:08X}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(one).collect::<String>())
}

/// A database all of whose names and values are of this kind; what of it is computed raises an error of
/// this kind as soon as it is another database.
fn sql() -> String {
    let q = |kind: &str| quoted(&name(kind));
    let (schema, owner, table) = (q("sch"), q("rol"), q("tab"));
    let raised = literal(&text("raised", METRIC)).replace('%', "%%");
    let odd = literal(&text("value", METRIC));
    let comments = ["SCHEMA", "TABLE", "SEQUENCE", "MATERIALIZED VIEW"]
        .iter()
        .zip([
            schema.clone(),
            format!("{schema}.{table}"),
            format!("{schema}.{}", q("seq")),
            format!("{schema}.{}", q("mat")),
        ])
        .map(|(kind, of)| format!("COMMENT ON {kind} {of} IS {odd};"))
        .collect::<String>();
    format!(
        "CREATE ROLE {owner} LOGIN PASSWORD 'x'; CREATE SCHEMA {schema};
         SET check_function_bodies = off;
         CREATE FUNCTION {schema}.{f}(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN
           IF current_database() <> {database} THEN
             RAISE EXCEPTION USING MESSAGE = {raised}, DETAIL = {raised}, HINT = {raised};
           END IF; RETURN $1; END $f$;
         CREATE TYPE {schema}.{e} AS ENUM ({label});
         CREATE TABLE {schema}.{table} ({c} text, {d} {schema}.{e} DEFAULT {label},
           CONSTRAINT {k} CHECK ({schema}.{f}({c}) IS NOT NULL));
         INSERT INTO {schema}.{table} VALUES ({odd});
         CREATE TABLE {schema}.{l} ({c} text); INSERT INTO {schema}.{l} VALUES ({odd});
         CREATE INDEX {i} ON {schema}.{l} ({schema}.{f}({c}));
         CREATE SEQUENCE {schema}.{s};
         CREATE VIEW {schema}.{v} AS SELECT * FROM {schema}.{table};
         CREATE MATERIALIZED VIEW {schema}.{m} AS SELECT {schema}.{f}({c}) AS {c} FROM {schema}.{l};
         CREATE PUBLICATION {p} FOR TABLE {schema}.{table};
         CREATE FOREIGN DATA WRAPPER {w}; CREATE SERVER {r} FOREIGN DATA WRAPPER {w};
         CREATE USER MAPPING FOR {owner} SERVER {r} OPTIONS (password 'x');
         SELECT lo_from_bytea(1234567, 'x'); COMMENT ON LARGE OBJECT 1234567 IS {odd};
         ALTER TABLE {schema}.{table} OWNER TO {owner}; {comments}",
        database = literal(&name("db")),
        label = literal(&name("lab")),
        f = q("fun"),
        e = q("enu"),
        c = q("col"),
        d = q("co2"),
        k = q("con"),
        l = q("val"),
        i = q("ind"),
        s = q("seq"),
        v = q("vie"),
        m = q("mat"),
        p = q("pub"),
        w = q("fdw"),
        r = q("srv"),
    )
}

struct Scene {
    lifeboat: Lifeboat,
    cluster: Cluster,
    webhook: Listener,
}

impl Scene {
    /// The database, another one that is named and not there, and assertions on values.
    fn new() -> Self {
        let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
        let database = name("db");
        cluster.sql(&format!("CREATE DATABASE {}", quoted(&database)));
        cluster.sql_in(&database, &sql());
        cluster.sql(&format!(
            "CREATE DATABASE {}",
            quoted(&name("not exported"))
        ));
        let (lifeboat, webhook) = (Lifeboat::init(), Listener::answering(&[200]));
        let databases = ["db", "absent"].map(|kind| toml(&name(kind))).join(", ");
        fs::write(lifeboat.folder().join("webhook.url"), webhook.url()).unwrap();
        let source = format!(
            "[[source]]\nname = \"prod\"\nurl = \"postgresql://postgres@127.0.0.1:{}/postgres\"\n\
             password_file = \"prod.password\"\ndatabases = [{databases}]\n",
            cluster.port
        );
        lifeboat.source("other", &cluster);
        fs::rename(
            lifeboat.folder().join("other.password"),
            lifeboat.folder().join("prod.password"),
        )
        .unwrap();
        let config = lifeboat.folder().join("lifeboat.toml");
        let written = fs::read_to_string(&config).unwrap();
        let (before, _) = written.rsplit_once("[[source]]").unwrap();
        fs::write(&config, format!("{before}{source}")).unwrap();
        lifeboat.configure("[notify]\nwebhook_file = \"webhook.url\"\nwebhook_on = \"always\"");
        let asked = format!(
            "SELECT {} FROM {}.{}",
            quoted(&name("col")),
            quoted(&name("sch")),
            quoted(&name("val"))
        );
        for (kind, sql, must) in [
            (
                "holds",
                asked.clone(),
                format!("equals = {}", toml(&text("value", METRIC))),
            ),
            ("differs", asked.clone(), "equals = \"x\"".to_owned()),
            ("is no number", asked, "at_least = 1".to_owned()),
            (
                "fails",
                format!(
                    "SELECT {}.{}('x')",
                    quoted(&name("sch")),
                    quoted(&name("fun"))
                ),
                "equals = \"x\"".to_owned(),
            ),
        ] {
            lifeboat.configure(&format!(
                "[[drill.assert]]\nname = {}\nsql = {}\n{must}",
                toml(&name(kind)),
                toml(&sql)
            ));
        }
        Self {
            lifeboat,
            cluster,
            webhook,
        }
    }

    /// Runs a command as text, as JSON and quietly; all that it prints is in lines of ours.
    fn run(&self, codes: &[i32], args: &[&str]) -> Ran {
        let identity = self.lifeboat.identity();
        let identity = ["--identity", identity.to_str().unwrap()];
        let args = [args, &identity].concat();
        let quiet = self.lifeboat.bare([&args[..], &["--quiet"]].concat());
        only_text(&format!("{args:?}"), &quiet.stdout);
        only_text(&format!("stderr of quiet {args:?}"), &quiet.stderr);
        let ran = self.lifeboat.run(&args);
        assert!(codes.contains(&ran.code.unwrap()), "{args:?}: {ran:#?}");
        only_documents(&format!("{args:?} --json"), &ran.stdout);
        only_documents(&format!("stderr of {args:?}"), &ran.stderr);
        assert!(
            ran.stdout.contains(r"\u"),
            "nothing of the database is told: {args:?}"
        );
        ran
    }

    /// Objects of somebody else's making: a manifest, an attestation and a part, in keys that say what
    /// they like.
    fn plant(&self) {
        let odd = name("key");
        let json = serde_json::json!({"format": 1, "body": text("body", METRIC), &odd: odd});
        let at = "20261121T020000Z-k3v9q2";
        for key in [
            format!("manifests/{0}/{0}/{at}.json", segment(&odd)),
            format!("manifests/prod/{}/{at}.json", segment(&odd)),
            format!(
                "attestations/prod/{}/{at}/20261122T020000Z.json",
                segment(&odd)
            ),
            format!(
                "parts/{0}/{0}/20261123T020000Z-k3v9q2/1/0.copy.zst.age",
                segment(&odd)
            ),
        ] {
            let file = self.lifeboat.repository().join(key);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, json.to_string()).unwrap();
        }
    }

    /// Restores into two databases of the server that are not there yet, as text and as JSON.
    fn restores(&self, flags: &[&str]) -> Ran {
        let identity = self.lifeboat.identity();
        let run = |form: &[&str]| {
            let port = self.cluster.port;
            let database = unique("target");
            let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/{database}");
            let args = ["restore", "latest", "--create", "--target", &url];
            let identity = ["--identity", identity.to_str().unwrap()];
            self.lifeboat
                .bare([&args[..], &identity, flags, form].concat())
        };
        let shown = run(&[]);
        only_text(&format!("restore {flags:?}"), &shown.stdout);
        only_documents(&format!("stderr of restore {flags:?}"), &shown.stderr);
        let ran = run(&["--json"]);
        only_documents(&format!("restore {flags:?} --json"), &ran.stdout);
        only_documents(&format!("stderr of restore {flags:?} --json"), &ran.stderr);
        ran
    }
}

/// No character but plain ones and the ends of our own lines.
#[track_caller]
fn plain(what: &str, text: &str) {
    let odd: BTreeSet<char> = text
        .chars()
        .filter(|c| *c != '\n' && !is_plain(*c))
        .collect();
    assert!(odd.is_empty(), "{what}: {odd:?} in {text:?}");
}

/// Lines, none of which the database began.
#[track_caller]
fn only_text(what: &str, text: &str) {
    plain(what, text);
    for line in text.lines() {
        assert!(!line.starts_with(['{', '<', '"']), "{what}: {line}");
    }
}

/// JSON documents of ours, one a line, and the words on an error.
#[track_caller]
fn only_documents(what: &str, text: &str) {
    plain(what, text);
    for line in text.lines() {
        if line.starts_with("error: ") || line.starts_with("hint: ") {
            continue;
        }
        let read: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{what}: {line}"));
        let known = ["ok", "event"]
            .iter()
            .any(|field| read.get(field).is_some());
        assert!(known && read.get("_aws").is_none(), "{what}: {line}");
        let message = read["message"].as_str().unwrap_or_default();
        plain(what, message);
        assert!(!message.contains('\n'), "{what}: {message}");
    }
}

/// Everything in a result that is a sentence, which `jq -r` may print into a log.
fn sentences(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| sentences(item, found)),
        Value::Object(fields) => {
            for (field, value) in fields {
                if ["what", "why", "error", "hint", "message"].contains(&field.as_str()) {
                    found.extend(value.as_str().map(str::to_owned));
                }
                if ["findings", "problems", "left_out", "to_do", "notifications"]
                    .contains(&field.as_str())
                {
                    let texts = value.as_array().into_iter().flatten();
                    found.extend(texts.filter_map(|text| Some(text.as_str()?.to_owned())));
                }
                sentences(value, found);
            }
        }
        _ => {}
    }
}

#[track_caller]
fn sentences_are_lines(ran: &Ran, least: usize) {
    let mut found = Vec::new();
    sentences(&ran.json()["result"], &mut found);
    assert!(found.len() >= least, "{found:#?}");
    for sentence in found {
        plain("a sentence", &sentence);
        assert!(!sentence.contains('\n'), "{sentence}");
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_every_command_prints_of_a_hostile_database_is_in_lines_of_ours() {
    let scene = Scene::new();
    let exported = scene.run(&[1], &["export"]);
    sentences_are_lines(&exported, 2);
    // Names are exact where programs read them.
    assert_eq!(
        exported.json()["result"]["databases"][0]["database"],
        name("db").as_str()
    );
    scene.run(&[0, 1, 3], &["export", "--dry-run"]);
    scene.run(&[0, 3], &["list"]);
    let shown = scene.run(&[0], &["show", "latest"]);
    let tables = &shown.json()["result"]["catalog"]["tables"];
    let names = tables.as_array().unwrap().iter().map(|one| &one["name"]);
    assert!(
        names.clone().any(|one| *one == name("tab").as_str()),
        "{tables}"
    );
    scene.run(&[0, 3], &["verify", "latest", "--data"]);
    scene.run(&[0, 3], &["status"]);

    let drilled = scene.run(&[1], &["drill", "latest"]);
    sentences_are_lines(&drilled, 3);
    let assertions = &drilled.json()["result"]["assertions"];
    assert_eq!(assertions[0]["ok"], true, "{assertions}");
    assert_eq!(assertions[3]["ok"], false, "{assertions}");
    assert_eq!(assertions[0]["value"], text("value", METRIC).as_str());

    scene.restores(&["--dry-run"]);
    scene.restores(&["--no-owner", "--schema", &name("sch")]);
    let restored = scene.restores(&[]);
    assert_eq!(restored.code, Some(1), "{restored:#?}");
    sentences_are_lines(&restored, 4);
    let result = &restored.json()["result"];
    let troubles = ["failures", "findings"].map(|list| result[list].as_array().unwrap());
    let troubles = troubles.into_iter().flatten();
    let statements: Vec<&str> = troubles.filter_map(|one| one["sql"].as_str()).collect();
    // To be run by hand, so exact.
    for kind in ["ind", "mat"] {
        let exact = quoted(&name(kind));
        assert!(
            statements.iter().any(|sql| sql.contains(&exact)),
            "{statements:#?}"
        );
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_is_told_of_rows_and_of_points_is_in_lines_of_ours() {
    let scene = Scene::new();
    let id = |ran: Ran| {
        let database = &ran.json()["result"]["databases"][0];
        database["id"].as_str().unwrap().to_owned()
    };
    let before = id(scene.run(&[1], &["export"]));
    let (database, q) = (name("db"), |kind: &str| quoted(&name(kind)));
    let (schema, odd) = (q("sch"), literal(&text("other", METRIC)));
    scene.cluster.sql_in(
        &database,
        &format!(
            "UPDATE {schema}.{val} SET {col} = {odd}; ALTER TABLE {schema}.{val} ALTER {col} SET DEFAULT {odd};
             SELECT nextval({sequence}); DROP VIEW {schema}.{view};
             CREATE TABLE {schema}.{new} ({col} text DEFAULT {schema}.{function}({odd}));",
            val = q("val"),
            col = q("col"),
            view = q("vie"),
            new = q("new"),
            function = q("fun"),
            sequence = literal(&format!("{schema}.{}", q("seq"))),
        ),
    );
    let after = id(scene.run(&[1], &["export"]));
    let of_point = scene.run(&[3], &["diff", &before, &after]);
    sentences_are_lines(&of_point, 0);
    let port = scene.cluster.port;
    let named: String = database
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/{named}");
    scene.run(&[3], &["diff", &before, "--against", &url]);
    let table = format!("{schema}.{}", q("val"));
    let of_rows = [
        "diff", &before, &after, "--rows", "--show", "5", "--table", &table,
    ];
    let of_rows = scene.run(&[3], &of_rows).json()["result"]["rows"].clone();
    assert_eq!(of_rows["only_in_b"]["rows"], 1, "{of_rows}");
    scene.run(&[0, 3], &["history", "--table", "*.*"]);
    let (identity, file) = (
        scene.lifeboat.identity(),
        scene.lifeboat.folder().join("rows"),
    );
    let extract = [
        "extract",
        &after,
        "--table",
        &table,
        "--format",
        "sql",
        "--identity",
    ];
    let places = [identity.to_str().unwrap(), "-o", file.to_str().unwrap()];
    let extracted = scene.lifeboat.bare([&extract[..], &places].concat()).ok();
    only_text("extract", &extracted.stdout);
    only_documents("stderr of extract", &extracted.stderr);
    let new = format!("{schema}.{}", q("new"));
    let beside = [
        "restore",
        &after,
        "--target",
        &url,
        "--into-schema",
        &name("into"),
        "--table",
        &new,
    ];
    let planned = scene.run(&[0, 3], &[&beside[..], &["--dry-run"]].concat());
    sentences_are_lines(&planned, 1);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_lies_in_the_store_in_somebody_elses_words_is_in_lines_of_ours() {
    let scene = Scene::new();
    scene.run(&[1], &["export"]);
    scene.plant();
    let listed = scene.run(&[3], &["list"]);
    assert!(listed.stdout.matches("k3v9q2").count() >= 3, "{listed:#?}");
    for args in [
        &["status"][..],
        &["prove"],
        &["verify", "latest"],
        &["drill", "latest"],
    ] {
        // Of other places junk is passed over.
        scene.run(&[0, 1, 2, 3], args);
    }
    let page = scene.lifeboat.folder().join("page.html");
    scene.run(&[0], &["report", "--html", page.to_str().unwrap()]);
    plain("the page", &fs::read_to_string(page).unwrap());
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_the_schedules_tell_of_a_hostile_database_is_in_lines_of_ours() {
    let scene = Scene::new();
    let nightly = scene.run(&[1], &["nightly"]);
    sentences_are_lines(&nightly, 2);
    let prove = scene.run(&[1], &["prove"]);
    sentences_are_lines(&prove, 4);
    let told = scene.webhook.asked();
    assert_eq!(told.len(), 4);
    for one in told {
        plain("the webhook", &one.body);
        assert_eq!(one.body.lines().count(), 1);
        let body: Value = serde_json::from_str(&one.body).unwrap();
        let text = body["text"].as_str().unwrap();
        plain("the webhook's text", text);
        let ours = |line: &str| {
            ["lifeboat ", "*", "> "]
                .iter()
                .any(|it| line.starts_with(it))
        };
        assert!(text.lines().all(ours) && !text.contains("<b>"), "{text}");
        assert!(
            text.contains(r"\u{1b}"),
            "nothing of the database is told: {text}"
        );
    }

    let file = |name: &str| {
        scene
            .lifeboat
            .folder()
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    };
    scene.run(&[0, 3], &["status", "--prometheus", &file("metrics.prom")]);
    let metrics = fs::read_to_string(file("metrics.prom")).unwrap();
    only_text("Prometheus", &metrics);
    let ours = |line: &str| ["# ", "lifeboat_"].iter().any(|it| line.starts_with(it));
    assert!(
        metrics.lines().all(ours) && metrics.contains(r"\u{1b}"),
        "{metrics}"
    );

    let ran = scene
        .lifeboat
        .bare(["report", "--html", &file("page.html")])
        .ok();
    only_text("report", &ran.stdout);
    let page = fs::read_to_string(file("page.html")).unwrap();
    plain("the page", &page);
    assert!(
        page.contains(r"\u{1b}") && page.contains("&lt;b&gt;"),
        "nothing of the database is told"
    );
    assert!(!page.contains("<b>") && !page.contains("<script"), "{page}");
    assert!(
        !page
            .lines()
            .any(|line| line.trim_start().starts_with("{&quot;_aws"))
    );
}
