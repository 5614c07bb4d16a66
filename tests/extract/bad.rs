//! Whatever is asked for wrongly: one cause, one hint, the documented exit code, and nothing left behind.

use std::fs;
use std::process::Command;

use super::{SHOP, args, exported};
use crate::bad_input::complains;
use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major};

/// Files beside the configuration, to see that none was left.
fn files(lifeboat: &Lifeboat) -> Vec<String> {
    let entries = fs::read_dir(lifeboat.folder()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_cannot_be_extracted_is_named_with_what_may_have_been_meant() {
    let source = Database::new(Major::Pg15);
    source.sql(SHOP);
    let (lifeboat, id) = exported(&source);
    let another = Lifeboat::init();
    let (identity, other) = (lifeboat.identity(), another.identity());
    let (identity, other) = (identity.to_str().unwrap(), other.to_str().unwrap());
    fs::write(lifeboat.folder().join("there.csv"), "theirs").unwrap();
    let before = files(&lifeboat);
    let file = ["-o", "new.csv"];
    for (code, more, words) in [
        (
            1,
            &["--table", "shop.sael"][..],
            &["shop.sael", "the nearest is shop.sale", "lifeboat show"][..],
        ),
        (1, &["--table", "nowhere"], &["nowhere", "lifeboat show"]),
        (
            1,
            &["--table", "shop.view"],
            &["shop.view is a view", "tables"],
        ),
        (
            1,
            &["--table", "filled"],
            &["filled is a materialized view"],
        ),
        (1, &["--table", "shop.numbers"], &["is a sequence"]),
        (2, &["--table", "a.b.c"], &["'a.b.c'", "quotes"]),
        (
            1,
            &["--table", "shop.sale", "--columns", "id,prize"],
            &["prize", "the nearest is price"],
        ),
        (
            1,
            &["--table", "shop.sale", "--columns", "twice"],
            &["twice", "not stored"],
        ),
        (
            2,
            &["--table", "shop.sale", "--columns", "id,,s"],
            &["'id,,s'"],
        ),
        (
            1,
            &["--table", "shop.sale", "--database", "other"],
            &["no restore point", "other"],
        ),
    ] {
        let ran = lifeboat.bare(args(identity, &[more, &file].concat()));
        complains(&ran, code, words);
    }
    let unopened = lifeboat.bare(args(other, &["--table", "shop.sale", "-o", "new.csv"]));
    complains(&unopened, 1, &["recipients: age1", "age-keygen -y"]);
    let without = lifeboat.bare(["extract", &id, "--table", "shop.sale", "-o", "new.csv"]);
    complains(&without, 2, &["extract needs an identity", "--identity"]);
    let sale = ["--table", "shop.sale"];
    let to = |path: &str| lifeboat.bare(args(identity, &[&sale[..], &["-o", path]].concat()));
    complains(
        &to("there.csv"),
        1,
        &["there.csv exists already", "not overwritten"],
    );
    complains(
        &to("nowhere/new.csv"),
        1,
        &["nowhere/new.csv", "is the path right"],
    );
    complains(&to("/dev/stdout"), 1, &["/dev/stdout exists already"]);
    let several = [&sale[..], &["--table", "shop.empty"]].concat();
    complains(
        &lifeboat.bare(args(identity, &several)),
        2,
        &["several tables", "-o FOLDER"],
    );
    let into = [&several[..], &["-o", "there.csv"]].concat();
    complains(
        &lifeboat.bare(args(identity, &into)),
        1,
        &["there.csv is a file", "folder"],
    );
    let documents = lifeboat.bare(args(identity, &[&sale[..], &["--json"]].concat()));
    complains(&documents, 2, &["--json", "-o FILE"]);
    assert_eq!(files(&lifeboat), before);
    assert_eq!(
        fs::read(lifeboat.folder().join("there.csv")).unwrap(),
        b"theirs"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn json_of_another_encoding_is_refused() {
    let source = Database::with(
        Major::Pg15,
        "TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
    );
    source.sql("CREATE TABLE t AS SELECT 1 AS id");
    let (lifeboat, _) = exported(&source);
    let identity = lifeboat.identity();
    let json = ["--table", "t", "--format", "jsonl"];
    let ran = lifeboat.bare(args(identity.to_str().unwrap(), &json));
    complains(&ran, 1, &["LATIN1", "--format csv"]);
    assert_eq!(ran.stdout, "");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_full_disk_is_told_and_nothing_is_left_of_the_file() {
    let source = Database::new(Major::Pg15);
    source.sql("CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)");
    let (lifeboat, _) = exported(&source);
    let identity = lifeboat.identity();
    let before = files(&lifeboat);
    let run = |redirect: &str, more: &[&str]| {
        let command = lifeboat.command(args(identity.to_str().unwrap(), more));
        let mut line: Vec<String> = vec![command.get_program().to_str().unwrap().to_owned()];
        line.extend(
            command
                .get_args()
                .map(|arg| arg.to_str().unwrap().to_owned()),
        );
        let script = format!("trap '' XFSZ; {redirect}; exec \"$@\"");
        let output = Command::new("bash")
            .args(["-c", &script, "bash"])
            .args(line)
            .current_dir(lifeboat.folder())
            .env_clear()
            .env("HOME", lifeboat.folder().join("no-home"))
            .output();
        Ran::of(&output.unwrap())
    };
    let table = ["--table", "t"];
    let full = run("exec > /dev/full", &table);
    complains(&full, 1, &["standard output", "no space"]);
    let closed = run("exec >&-", &table);
    complains(&closed, 2, &["standard output is closed", "-o FILE"]);
    let thrown_away = run("exec > /dev/null", &table);
    assert_eq!(thrown_away.code, Some(0), "{thrown_away:?}");
    let full = run("ulimit -f 1024", &[&table[..], &["-o", "t.csv"]].concat());
    complains(&full, 1, &["t.csv", "no space"]);
    assert_eq!(files(&lifeboat), before);
}
