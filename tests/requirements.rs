//! A manifest names what a reader must know beyond format 1. One that does not know it reads nothing of
//! the point, and says so.

use std::fs;

use lifeboat::testing::Signer;
use lifeboat::testing::model::Sha256;
use serde_json::{Value, json};

use crate::support::{Database, Major};
use crate::without_lifeboat::machine::{Machine, Point};

const NAME: &str = "something of tomorrow";

/// A point of a small database whose signed manifest needs [`NAME`].
async fn point_of_tomorrow() -> (Point, Database) {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100) g");
    let point = Point::of(&source);
    let manifest = point.lifeboat.repository().join(point.manifest());
    let envelope: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    let body = envelope["body"].as_str().unwrap();
    let needing = format!(r#"{{"format":1,"requires":["{NAME}","and another"],"#);
    let body = body.replacen(r#"{"format":1,"#, &needing, 1);
    let pem = point.lifeboat.folder().join("manifest-signing.pem");
    let signer = Signer::from_pem(&fs::read_to_string(pem).unwrap()).unwrap();
    let statement = format!("lifeboat-manifest-v1\n{}\n", Sha256::of(body.as_bytes()));
    let signature = signer.sign(statement.as_bytes()).await.unwrap();
    let (body, signature) = (Value::from(body), json!(signature));
    let of = |name: &str| signature[name].clone();
    let envelope = format!(
        r#"{{"format":1,"body":{body},"signature":{{"algorithm":{},"public_key":{},"signature":{}}}}}"#,
        of("algorithm"),
        of("public_key"),
        of("signature")
    );
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, format!("{envelope}\n")).unwrap();
    (point, source)
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_reader_that_does_not_know_what_a_point_needs_refuses_it() {
    let (point, _source) = point_of_tomorrow().await;
    let target = Database::reserve(Major::Pg15);
    let (url, identity) = (target.url(), point.lifeboat.identity());
    let with_identity = ["--identity", identity.to_str().unwrap()];
    let into = ["--create", "--target", url.as_str()];
    for args in [
        vec!["verify", "latest"],
        [&["verify", "latest", "--data"], &with_identity[..]].concat(),
        [&["restore", "latest"], &with_identity[..], &into].concat(),
        [
            &["restore", "latest", "--dry-run"],
            &with_identity[..],
            &into,
        ]
        .concat(),
        [&["drill", "latest"], &with_identity[..]].concat(),
    ] {
        let says = format!("needs {NAME}, and another, which this lifeboat cannot read");
        let ran = point.lifeboat.bare(args).failed(1, &says);
        assert!(ran.stderr.contains("use a newer lifeboat"), "{ran:?}");
        assert!(ran.stderr.contains(&point.id), "{ran:?}");
    }
    let made = format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}'",
        target.name
    );
    assert_eq!(Major::Pg15.sql("postgres", &made), "0");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_a_point_needs_is_shown_and_found() {
    let (point, source) = point_of_tomorrow().await;
    let lifeboat = &point.lifeboat;
    let says = format!("needs {NAME}");
    for command in ["list", "status"] {
        let ran = lifeboat.run([command]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let findings = ran.json()["result"]["findings"].to_string();
        assert!(findings.contains(&says), "{command}: {findings}");
    }
    let listed = lifeboat.run(["list"]).json()["result"]["points"][0].clone();
    assert_eq!(listed["trusted"], true);
    assert_eq!(listed["requires"], json!([NAME, "and another"]));
    assert_eq!(listed["rows"], 100);
    let identity = lifeboat.identity();
    let show = ["show", "latest", "--identity", identity.to_str().unwrap()];
    let shown = lifeboat.run(show).ok().json()["result"].clone();
    assert_eq!(shown["manifest"]["requires"], json!([NAME, "and another"]));
    assert_eq!(shown["catalog"], Value::Null);
    let page = lifeboat.bare(show).ok().stdout;
    assert!(page.contains(NAME), "{page}");

    // The next export goes on from it, and needs nothing itself.
    let next = lifeboat.export(&source.url());
    assert_eq!(next["findings"], json!([]), "{next}");
    let show = ["show", next["id"].as_str().unwrap()];
    let shown = lifeboat.run(show).ok().json()["result"].clone();
    assert_eq!(shown["manifest"]["previous"]["id"], point.id.as_str());
    assert_eq!(shown["manifest"].get("requires"), None);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_script_refuses_what_it_does_not_know() {
    let (point, _source) = point_of_tomorrow().await;
    let target = Database::with(Major::Pg15, "TEMPLATE template0");
    let trust = point.lifeboat.fingerprint();
    let ran = point.restore(&Machine::new(Major::Pg15), &trust, &target.url());
    let says = format!("needs {NAME}, and another, which this script cannot read");
    ran.failed(1, &says);
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 't'";
    assert_eq!(target.sql(tables), "0");
}
