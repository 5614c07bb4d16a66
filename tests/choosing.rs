//! `--source` and `--database`, each with `*` and repeated, of two servers with a database of one name.

use serde_json::Value;

use crate::support::program::Ran;
use crate::support::{Database, Lifeboat, Major, unique};

/// `p15` has the databases a and b of the stem, `p16` a and c.
struct Bench {
    lifeboat: Lifeboat,
    stem: String,
    _databases: Vec<Database>,
}

impl Bench {
    fn new() -> Self {
        let (lifeboat, stem) = (Lifeboat::init(), unique("chosen"));
        let (old, new) = (Major::Pg15, Major::Pg16);
        lifeboat.configure(&format!("[export]\npg_bin = [{:?}]", new.bin()));
        for (name, major) in [("p15", old), ("p16", new)] {
            let url = major.url();
            lifeboat.configure(&format!("[[source]]\nname = '{name}'\nurl = '{url}'"));
        }
        let databases = [(old, "a"), (old, "b"), (new, "a"), (new, "c")];
        let databases = databases.map(|(major, letter)| {
            let database = Database::existing(major, &format!("{stem}_{letter}"));
            major.sql("postgres", &format!("CREATE DATABASE {}", database.name));
            database.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)");
            database
        });
        Self {
            lifeboat,
            stem,
            _databases: databases.into(),
        }
    }

    /// `%` stands for the stem.
    fn run(&self, args: &[&str]) -> Ran {
        let args = args.iter().map(|arg| arg.replace('%', &self.stem));
        self.lifeboat.run(args)
    }

    /// `source/letter` of each database that was exported.
    fn exported(&self, args: &[&str]) -> Vec<String> {
        let ran = self.run(args).ok();
        let document = ran.json();
        let databases = document["result"]["databases"].as_array().unwrap();
        let name = |one: &Value| {
            let database = one["database"].as_str().unwrap();
            let letter = database.strip_prefix(&format!("{}_", self.stem)).unwrap();
            format!("{}/{letter}", one["source"].as_str().unwrap())
        };
        databases.iter().map(name).collect()
    }

    /// Names of the steps, without the stem.
    fn steps(&self, ran: &Ran) -> Vec<String> {
        let document = ran.json();
        let steps = document["result"]["steps"].as_array();
        let steps = steps.unwrap_or_else(|| panic!("{ran:?}")).iter();
        let name = |step: &Value| step["name"].as_str().unwrap().to_owned();
        steps
            .map(|step| name(step).replace(&format!("{}_", self.stem), ""))
            .collect()
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn an_export_covers_what_is_chosen_and_refuses_what_is_nowhere() {
    let bench = Bench::new();
    for (chosen, expected) in [
        (
            &["--source", "p*", "--database", "%_a"][..],
            &["p15/a", "p16/a"][..],
        ),
        (
            &["--database", "%_*"],
            &["p15/a", "p15/b", "p16/a", "p16/c"],
        ),
        (
            &["--database", "%_b", "--database", "%_c"],
            &["p15/b", "p16/c"],
        ),
        (&["--source", "*6", "--database", "%*c"], &["p16/c"]),
    ] {
        let args = [&["export", "--dry-run"], chosen].concat();
        assert_eq!(bench.exported(&args), expected, "{chosen:?}");
    }
    for (chosen, cause) in [
        (&["--database", "%_b", "--database", "%_x"][..], "_x'"),
        (&["--source", "p15", "--database", "%_c*"], "_c*'"),
        (&["--source", "q*"], "'q*'"),
    ] {
        for command in ["export", "nightly"] {
            bench.run(&[&[command], chosen].concat()).failed(2, cause);
        }
    }
    // Of one source, by its full name: the export itself says it.
    for command in ["export", "nightly"] {
        let ran = bench.run(&[command, "--source", "p15", "--database", "%_c"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("does not exist"), "{ran:?}");
    }
    // Nothing was stored by any of them.
    let listed = bench.run(&["list"]).json();
    assert_eq!(
        listed["result"]["points"],
        Value::Array(Vec::new()),
        "{listed}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn what_is_configured_to_be_left_out_is_exported_by_its_full_name_alone() {
    let bench = Bench::new();
    let config = bench.lifeboat.folder().join("lifeboat.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let except = format!("name = 'p15'\nexclude_databases = ['{}_a']", bench.stem);
    std::fs::write(&config, text.replace("name = 'p15'", &except)).unwrap();
    let of = |database| {
        bench.exported(&[
            "export",
            "--dry-run",
            "--source",
            "p15",
            "--database",
            database,
        ])
    };
    assert_eq!(of("%_*"), ["p15/b"]);
    assert_eq!(of("%_a"), ["p15/a"]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn points_of_several_databases_are_verified_and_drilled_each() {
    let bench = Bench::new();
    let night = bench
        .run(&["nightly", "--database", "%_a", "--database", "%_c"])
        .ok();
    let expected = [
        "export p15",
        "export p16",
        "verify p15/a",
        "verify p16/a",
        "verify p16/c",
    ];
    assert_eq!(bench.steps(&night), expected);

    let all = bench.run(&["verify", "latest", "--database", "%_*"]).ok();
    assert_eq!(
        bench.steps(&all),
        ["verify p15/a", "verify p16/a", "verify p16/c"]
    );
    // The arguments alone decide how it is answered: a plain name means one place.
    let alone = bench.run(&["verify", "latest", "--database", "%_c*"]).ok();
    assert_eq!(bench.steps(&alone), ["verify p16/c"]);
    let verify = |args: &[&str]| bench.run(&[&["verify"], args].concat());
    verify(&["latest", "--database", "%_a"]).failed(2, "--source p16");
    let one = verify(&["latest", "--database", "%_c"]).ok().json();
    assert_eq!(one["result"]["source"], "p16");
    let id = one["result"]["id"].as_str().unwrap();
    verify(&[id, "--database", "%_*", "--source", "p16"]).failed(2, "an id is one point");
    bench.run(&["verify", id, "--database", "%_c"]).ok();
    for command in ["verify", "drill"] {
        bench
            .run(&[command, "latest", "--database", "%_x*"])
            .failed(2, "_x*'");
    }

    let identity = bench.lifeboat.identity();
    let by = ["--identity", identity.to_str().unwrap()];
    let drill = ["drill", "latest", "--source", "p16", "--database", "%_*"];
    let drilled = bench.run(&[&drill[..], &by].concat()).ok();
    assert_eq!(bench.steps(&drilled), ["drill p16/a", "drill p16/c"]);
    let proof = bench.run(&[&["prove", "--database", "%_c"][..], &by].concat());
    let steps = bench.steps(&proof);
    assert_eq!(steps[..2], ["verify p16/c", "drill p16/c"], "{proof:?}");
    let others = steps[2..].iter().filter(|name| name.contains('/'));
    assert_eq!(others.count(), 0, "{proof:?}");
    bench.run(&["prove", "--source", "p17"]).failed(2, "'p17'");
}
