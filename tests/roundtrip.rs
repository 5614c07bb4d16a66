//! The zoo goes round: every object kind and trap, over versions and encodings, as superuser and as
//! an owner who is none. The oracle is `tests/zoo/compare.sh`: stock PostgreSQL tools.

use std::process::Command;

use serde_json::Value;

use crate::support::{Database, Lifeboat, Major};

/// Roles belong to the server.
pub fn roles(major: Major) {
    let postgres = Database::existing(major, "postgres");
    postgres.script(&zoo("roles.sql"), &[]);
    std::mem::forget(postgres);
}

pub fn zoo(file: &str) -> String {
    format!("{}/tests/zoo/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Of the zoo, what is another thing after stock pg_dump and pg_restore as well: comments on what a range type
/// brings, on an inherited constraint and on an index that is not valid, a view that was not refreshed, a domain
/// that lost the default of its type.
pub fn differs_after_pg_dump_too(what: &str) -> bool {
    let of_range = ["range", "Moods"];
    let brought =
        |kind: &str| what.starts_with(kind) && of_range.iter().any(|one| what.contains(one));
    brought("comment on cast (zoo.")
        || brought("comment on function zoo.")
        || what.starts_with("comment on table constraint ")
        || [
            "comment on index zoo.invalid_index_a",
            "materialized view zoo.m_stale",
            "type zoo.mint_domain",
        ]
        .contains(&what)
}

/// Subscriptions keep a database from being dropped.
pub struct Unsubscribe<'a>(pub &'a Database);

impl Drop for Unsubscribe<'_> {
    fn drop(&mut self) {
        self.0.script(&zoo("unsubscribe.sql"), &[]);
    }
}

/// Exports and restores; returns the report of the restore, which may have findings.
#[track_caller]
fn go_round(source: &Database, target: &Database, flags: &[&str]) -> Value {
    let lifeboat = Lifeboat::init();
    let source_bin = source.major.bin();
    lifeboat.configure(&format!("[export]\npg_bin = [{source_bin:?}]"));
    lifeboat.export(&source.url());
    lifeboat.verify("latest");
    let (identity, url) = (lifeboat.identity(), target.url());
    let bin = target.major.bin();
    let mut args = vec![
        "restore",
        "latest",
        "--create",
        "--verify",
        "--identity",
        identity.to_str().unwrap(),
        "--target",
        &url,
        "--pg-bin",
        bin.to_str().unwrap(),
    ];
    args.extend(flags);
    let ran = lifeboat.run(args);
    assert!(
        matches!(ran.code, Some(0 | 3)),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
    ran.json()["result"].clone()
}

/// Compares with what stock tools make of the source, and the rest with the source itself.
#[track_caller]
pub fn compare(source: &Database, target: &Database) {
    let output = Command::new("bash")
        .arg(zoo("compare.sh"))
        .args([source.url(), target.url()])
        .arg(target.major.bin())
        .env("SOURCE_BIN_DIR", source.major.bin())
        // On another server the zoo's roles were made by its own script, with that version's options.
        .env(
            "ROLES",
            if source.major == target.major {
                "^zoo_"
            } else {
                "^$"
            },
        )
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
}

fn zoo_goes_round(from: Major, to: Major, variables: &[&str]) {
    roles(from);
    roles(to);
    let source = Database::new(from);
    source.script(&zoo("base.sql"), variables);
    let _source_free = Unsubscribe(&source);
    let target = Database::reserve(to);
    let report = go_round(&source, &target, &[]);
    let _target_free = Unsubscribe(&target);
    compare(&source, &target);
    assert_eq!(report["failures"], serde_json::json!([]), "{report:#}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_15_to_15() {
    zoo_goes_round(Major::Pg15, Major::Pg15, &[]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_15_to_17() {
    // The server of 17 here is built without LZ4.
    zoo_goes_round(Major::Pg15, Major::Pg17, &["lz4=off"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_15_to_18() {
    // The server of 18 here is built without XML, ICU and LZ4.
    zoo_goes_round(Major::Pg15, Major::Pg18, &["portable=1"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_16_to_18() {
    zoo_goes_round(Major::Pg16, Major::Pg18, &[]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_17_to_17() {
    // Its pg_dump is 18's.
    zoo_goes_round(Major::Pg17, Major::Pg17, &["child_not_null=off"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_17_to_18() {
    zoo_goes_round(Major::Pg17, Major::Pg18, &["portable=1"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn the_zoo_goes_round_18_to_18() {
    zoo_goes_round(Major::Pg18, Major::Pg18, &[]);
}

fn encoding_goes_round(file: &str, encoding: &str) {
    roles(Major::Pg15);
    let source = Database::with(
        Major::Pg15,
        &format!("TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"),
    );
    source.script(&zoo(file), &["bytes_in_names=off"]);
    let target = Database::reserve(Major::Pg15);
    go_round(&source, &target, &[]);
    compare(&source, &target);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_latin1_database_goes_round() {
    encoding_goes_round("latin1.sql", "LATIN1");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_win1252_database_goes_round() {
    encoding_goes_round("win1252.sql", "WIN1252");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_sql_ascii_database_goes_round() {
    encoding_goes_round("sqlascii.sql", "SQL_ASCII");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn extensions_go_round() {
    roles(Major::Pg15);
    let source = Database::new(Major::Pg15);
    source.script(&zoo("extensions.sql"), &[]);
    let target = Database::reserve(Major::Pg15);
    go_round(&source, &target, &[]);
    // It reads a foreign table: a restore leaves that to a person.
    target.sql("REFRESH MATERIALIZED VIEW zoo_ext.of_file");
    compare(&source, &target);
}
