//! Each check of `lifeboat doctor` where it must fire and where it must not, on real servers.

mod bucket;
mod database;
mod rds;
mod terraform;

use std::fs;

use lifeboat::testing::Signer;
use serde_json::Value;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

/// Severity, check and sentence of each finding.
fn findings(ran: &Ran) -> Vec<(String, String, String)> {
    assert!(matches!(ran.code, Some(0 | 3)), "{ran:?}");
    let document = ran.json();
    let list = document["result"]["findings"].as_array().unwrap().iter();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let all: Vec<_> = list
        .map(|one| (text(one, "severity"), text(one, "check"), text(one, "what")))
        .collect();
    let critical = all.iter().any(|(severity, ..)| severity == "critical");
    assert_eq!(ran.code, Some(if critical { 3 } else { 0 }), "{ran:?}");
    let rank = |severity: &str| {
        ["critical", "warning", "info"]
            .iter()
            .position(|one| *one == severity)
    };
    assert!(
        all.is_sorted_by_key(|(severity, ..)| rank(severity).unwrap()),
        "{all:?}"
    );
    all
}

/// Findings but those of `status`, which finds no backup in an empty repository.
fn posture(ran: &Ran) -> Vec<(String, String, String)> {
    let mut all = findings(ran);
    all.retain(|(_, check, _)| check != "status");
    all
}

/// `critical proof`, …
fn short(findings: &[(String, String, String)]) -> Vec<String> {
    let short = findings.iter();
    short
        .map(|(severity, check, _)| format!("{severity} {check}"))
        .collect()
}

/// Sentences of one check.
fn of<'a>(findings: &'a [(String, String, String)], check: &str) -> Vec<&'a str> {
    let one = findings.iter().filter(|(_, of, _)| of == check);
    one.map(|(_, _, what)| what.as_str()).collect()
}

/// A folder with a configuration of these lines, and keys that suffice for doctor.
fn configured(lines: &str) -> Lifeboat {
    let lifeboat = Lifeboat::empty();
    let signer = Signer::generate().unwrap();
    let (_, one) = lifeboat::testing::codec::new_identity();
    let (_, other) = lifeboat::testing::codec::new_identity();
    let text = format!(
        "{}\n[[recipient]]\nname = \"one\"\nkey = \"{one}\"\n[[recipient]]\nname = \"two\"\nkey = \"{other}\"\n",
        lines.replace(
            "[repository]",
            &format!("[repository]\ntrust = [\"{}\"]", signer.fingerprint())
        )
    );
    fs::write(lifeboat.folder().join("lifeboat.toml"), text).unwrap();
    lifeboat
}

#[test]
fn a_directory_is_told_to_be_none_and_one_that_is_no_repository_too() {
    let lifeboat = Lifeboat::init();
    let found = findings(&lifeboat.run(["doctor"]));
    assert_eq!(
        short(&found),
        ["critical locks", "critical status", "info accounts"],
        "{found:#?}"
    );
    fs::remove_file(lifeboat.repository().join("lifeboat.json")).unwrap();
    let found = findings(&lifeboat.run(["doctor"]));
    assert_eq!(short(&found), ["critical repository", "info accounts"]);
    assert!(of(&found, "repository")[0].contains("lifeboat repository"));
}

#[test]
fn one_key_for_all_is_critical_and_an_offline_one_beside_it_is_not() {
    let lifeboat = configured("[repository]\nurl = \"repository\"");
    let config = lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&config).unwrap();
    let (one_alone, _) = text.rsplit_once("[[recipient]]").unwrap();
    let checks = |text: &str| {
        fs::write(&config, text).unwrap();
        of(&findings(&lifeboat.run(["doctor"])), "recipients").len()
    };
    assert_eq!(checks(&text), 0);
    assert_eq!(checks(one_alone), 1);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_identity_that_lies_offline_is_to_be_used_now_and_then() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t AS SELECT 1 AS id");
    let lifeboat = Lifeboat::init();
    let config = lifeboat.folder().join("lifeboat.toml");
    let unused = |limits: &str| {
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}\n{limits}")).unwrap();
        let found = findings(&lifeboat.run(["doctor"]));
        fs::write(&config, text).unwrap();
        let unused = of(&found, "break-glass").into_iter();
        unused.map(str::to_owned).collect::<Vec<_>>()
    };
    // Where there is nothing to open, nothing is asked.
    assert_eq!(unused(""), [""; 0]);
    lifeboat.export(&source.url());
    let never = unused("");
    assert_eq!(never.len(), 2, "{never:#?}");
    assert!(never.iter().all(|one| one.contains("is not known")));
    let identity = lifeboat.identity();
    let drill = ["drill", "--identity", identity.to_str().unwrap()];
    lifeboat.run(drill).ok();
    let other = unused("");
    assert_eq!(other.len(), 1, "{other:#?}");
    assert!(other[0].contains("'second'"), "{other:#?}");
    let stale = unused("[limits]\nbreak_glass_age = \"0s\"");
    assert_eq!(stale.len(), 2, "{stale:#?}");
    let last = "'break-glass' last opened a restore point at 20";
    assert!(stale.iter().any(|one| one.contains(last)), "{stale:#?}");
    // Somebody's word, where it could not be attested.
    let noted = |day: &str| unused(&format!("[limits]\nbreak_glass_opened = \"{day}\""));
    let today = jiff::Zoned::now().date();
    assert_eq!(noted(&today.to_string()), [""; 0]);
    assert!(noted("2020-02-29")[0].contains("'second' last opened a restore point at 2020-02-29"));
    let to_come = noted(&today.saturating_add(jiff::Span::new().days(3)).to_string());
    assert_eq!(to_come.len(), 2, "{to_come:#?}");
    assert!(to_come[0].contains("is still to come"), "{to_come:#?}");
    lifeboat.configure("[limits]\nbreak_glass_opened = \"2026-02-30\"");
    let ran = lifeboat.run(["doctor"]);
    ran.failed(2, "break_glass_opened");
}

#[test]
fn one_account_and_one_region_are_told() {
    let accounts = |source: (&str, &str), backup: (&str, &str)| {
        let lifeboat = configured(&format!(
            "[repository]\nurl = \"repository\"\n[source_account]\nid = \"{}\"\nregion = \"{}\"\n\
             [backup_account]\nid = \"{}\"\nregion = \"{}\"\nallow_same_account = true\n",
            source.0, source.1, backup.0, backup.1
        ));
        let found = findings(&lifeboat.run(["doctor"]));
        let both = found
            .iter()
            .filter(|(_, check, _)| check == "accounts" || check == "regions");
        let both: Vec<_> = both.cloned().collect();
        short(&both)
    };
    let (one, other) = ("111122223333", "222233334444");
    assert_eq!(accounts((one, "eu-west-1"), (other, "eu-west-2")), [""; 0]);
    assert_eq!(
        accounts((one, "eu-west-1"), (one, "eu-west-2")),
        ["critical accounts"]
    );
    assert_eq!(
        accounts((one, "eu-west-1"), (other, "eu-west-1")),
        ["warning regions"]
    );
}
