//! What is typed wrong or left out is answered with what would be right.

use super::{Desk, ID, TRUST, ran, understood, usage_error};

#[test]
fn what_is_misspelt_is_answered_with_what_was_meant() {
    let desk = Desk::new();
    for (args, meant) in [
        (&["restroe"][..], "'restore'"),
        (&["list", "--databse", "x"], "'--database'"),
        (&["init", "--lock", "complience"], "'compliance'"),
    ] {
        let ran = desk.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(meant), "{}", ran.err);
    }
}

#[test]
fn without_a_configuration_it_says_where_it_looked_and_what_to_do() {
    let desk = Desk::new();
    for args in [
        &["export"][..],
        &["list"],
        &["show", "latest"],
        &["verify", ID],
        &["hold", ID, "--until", "9d"],
        &[
            "restore",
            ID,
            "--target",
            "postgresql:///x",
            "--identity",
            "k",
        ],
    ] {
        let ran = desk.run(args);
        usage_error(
            &ran,
            &[
                "/etc/lifeboat/lifeboat.toml",
                "--config",
                "lifeboat init",
                "--trust",
            ],
        );
    }
    let ran = desk.run(&["list", "--config", "nowhere.toml"]);
    usage_error(&ran, &["nowhere.toml", "No such file"]);
}

#[test]
fn reading_commands_need_no_configuration_beside_their_flags() {
    let desk = Desk::new();
    // A broken file that happens to lie here must not stand in the way.
    desk.write("lifeboat.toml", "broken");
    let given = ["--repository", "store", "--trust", TRUST];
    for args in [
        &["list"][..],
        &["show", "latest"],
        &["verify", ID, "--data"],
        &["hold", "latest", "--until", "9d"],
        &[
            "restore",
            "latest",
            "--target",
            "postgresql:///x",
            "--identity",
            "k",
        ],
    ] {
        understood(&desk.run(&[args, &given].concat()));
    }
    understood(&desk.run(&["list", "--repository", "store"]));
    let ran = desk.run(&["verify", ID, "--repository", "store"]);
    usage_error(&ran, &["--trust FINGERPRINT"]);
}

#[test]
fn the_configuration_is_found_in_its_usual_places() {
    let desk = Desk::new();
    let folder = desk.path().join(".config/lifeboat");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("lifeboat.toml"), "in = 'home'").unwrap();
    usage_error(
        &desk.run(&["list"]),
        &[".config/lifeboat/lifeboat.toml:1", "unknown key 'in'"],
    );
    desk.write("lifeboat.toml", "here = 1");
    usage_error(
        &desk.run(&["list"]),
        &["lifeboat.toml:1", "unknown key 'here'"],
    );
    desk.write("other.toml", "other = 1");
    let output = desk
        .command(&["list"])
        .env("LIFEBOAT_CONFIG", "other.toml")
        .output();
    usage_error(
        &ran(output.unwrap()),
        &["other.toml:1", "unknown key 'other'"],
    );
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    let desk = Desk::new();
    desk.write(
        "lifeboat.toml",
        "[repository]\nurl = 'x'\n\n[lock]\ndayly_days = 3\n",
    );
    let ran = desk.run(&["list"]);
    usage_error(
        &ran,
        &["lifeboat.toml:5", "'lock.dayly_days'", "'lock.daily_days'"],
    );
}

#[test]
fn bad_values_are_named_with_what_would_be_right() {
    let desk = Desk::new().with_config();
    for (args, words) in [
        (
            &["export", "--rate-limit", "fast"][..],
            &["--rate-limit", "MiB/s"][..],
        ),
        (&["export", "--rate-limit", "-1MiB/s"], &["--rate-limit"]),
        (
            &["export", "--source", "prd"],
            &["--source", "'prd'", "'prod'"],
        ),
        (
            &["export", "--source", "mysql://me:hunter2@x/y"],
            &["--source", "postgresql://"],
        ),
        (
            &["export", "--source", "prod", "--source", "prod"],
            &["given twice"],
        ),
        (
            &["nightly", "--source", "prd"],
            &["--source", "'prd'", "'prod'"],
        ),
        (
            &["export", "--source", "x*"],
            &["--source", "'x*'", "there is: prod"],
        ),
        (
            &["verify", "latest", "--database", "x", "--database", "x"],
            &["--database", "given twice"],
        ),
        (
            &["drill", "--snapshot", "--source", "p*"],
            &["--source", "copy of one source"],
        ),
        (
            &["hold", ID, "--until", "soon"],
            &["--until", "'soon'", "90d"],
        ),
        (&["hold", ID, "--until", "2020-01-01"], &["in the past"]),
        (&["hold", ID, "--until", "2099-12-01"], &["max_lock_days"]),
        (&["hold", ID, "--until", "9999-01-01"], &["after 2100"]),
        (&["show", "yesterday"], &["'yesterday'", "lifeboat list"]),
        (&["verify", "../../etc/passwd"], &["not an id"]),
        (&["list", "--source", "a/b"], &["--source", "letters"]),
        (&["list", "--trust", "abc"], &["--trust", "64 hex digits"]),
        (
            &["list", "--repository", "gs://x"],
            &["--repository", "s3://bucket/prefix"],
        ),
        (
            &["list", "--repository", "s3://B"],
            &["--repository", "bucket name"],
        ),
        (
            &["list", "--region", "eu-central-1"],
            &["--region", "directory"],
        ),
        (
            &["list", "--repository", "s3://bucket", "--bucket-owner", "7"],
            &["--bucket-owner"],
        ),
        (
            &["restore", ID, "--target", "x", "--identity", "k"],
            &["--target", "postgresql://"],
        ),
        (
            &[
                "restore",
                ID,
                "--target",
                "postgresql:///x",
                "--identity",
                "k",
                "--table",
                "a.b.c",
            ],
            &["--table", "schema.table"],
        ),
        (&["init", "--config", "new.toml"], &["--repository"]),
        (&["init", "--repository", "x"], &["--config"]),
        (
            &[
                "init",
                "--config",
                "n.toml",
                "--repository",
                "x",
                "--lock",
                "compliance",
            ],
            &["--lock", "no locks"],
        ),
        (
            &[
                "init",
                "--config",
                "n",
                "--repository",
                "x",
                "--source-url",
                "postgres://a:hunter2@b/c",
            ],
            &["--source-url", "password"],
        ),
    ] {
        let ran = desk.run(args);
        usage_error(&ran, words);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    assert_eq!(desk.run(&["list", "--database", ""]).code, 2);
    for jobs in ["0", "129", "many", "-1"] {
        assert_eq!(desk.run(&["export", "--jobs", jobs]).code, 2);
    }
}

#[test]
fn good_lines_are_understood() {
    let desk = Desk::new().with_config();
    for args in [
        &["export"][..],
        &[
            "export",
            "--source",
            "prod",
            "--database",
            "a",
            "--database",
            "b",
            "--jobs",
            "3",
        ],
        &[
            "export",
            "--source",
            "postgresql://me@127.0.0.1:1/x",
            "--rate-limit",
            "none",
            "--dry-run",
        ],
        &["--json", "list", "--source", "prod"],
        &["hold", "latest", "--until", "9d", "--database", "a"],
    ] {
        understood(&desk.run(args));
    }
}

#[test]
fn an_example_key_never_seals_a_backup() {
    let desk = Desk::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/local.toml");
    let ran = desk.run(&["export", "--config", example]);
    usage_error(&ran, &["key of an example", "age-keygen"]);
}

#[test]
fn arguments_that_are_not_text_are_refused_without_panic() {
    use std::os::unix::ffi::OsStrExt as _;
    let desk = Desk::new();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for args in [
        &["show"][..],
        &["list", "--source"],
        &["export", "--source"],
        &[],
    ] {
        let output = desk.command(args).arg(odd).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    }
}
