//! Every command that reads rows follows the names of a point to where they lie, in a bucket with real locks.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::TABLES;
use crate::support::program::{Ran, second_recipient};
use crate::support::servers::Server;
use crate::support::{Database, Lifeboat, Major, unique};

/// A bucket with two points, the second of which names parts of the first.
struct Bucket {
    lifeboat: Lifeboat,
    server: Server,
    source: Database,
    first: String,
    second: String,
}

impl Bucket {
    fn new() -> Self {
        let server = Server::ceph();
        let url = format!("s3://{}/{}", server.bucket, unique("readers"));
        let mut bucket = Self {
            lifeboat: Lifeboat::init(),
            server,
            source: Database::new(Major::Pg15),
            first: String::new(),
            second: String::new(),
        };
        bucket.source.sql(TABLES);
        let lock = ["--lock", "governance", "--days", "1"];
        let init = [
            "init",
            "--repository",
            &url,
            "--config",
            "bucket/lifeboat.toml",
        ];
        bucket.run(0, &[&init[..], &lock].concat());
        (bucket.lifeboat).configure_in("bucket/lifeboat.toml", &second_recipient());
        bucket.first = bucket.export()["id"].as_str().unwrap().to_owned();
        bucket
            .source
            .sql("UPDATE answer SET text = 'another' WHERE id = 150000");
        let second = bucket.export();
        let named = second["parts_named"].as_u64().unwrap();
        assert!(named > 5 && named < second["parts"].as_u64().unwrap());
        bucket.second = second["id"].as_str().unwrap().to_owned();
        bucket
    }

    fn run(&self, code: i32, args: &[&str]) -> Value {
        let credentials = &self.server.credentials;
        let output = self
            .lifeboat
            .command(args)
            .arg("--json")
            .env("LIFEBOAT_CONFIG", "bucket/lifeboat.toml")
            .env("LIFEBOAT_REUSE_KEY", "4".repeat(64))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", &self.server.endpoint)
            .env("AWS_ACCESS_KEY_ID", &credentials.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &credentials.secret_key)
            .output();
        let ran = Ran::of(&output.unwrap());
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran.json()["result"].clone()
    }

    fn export(&self) -> Value {
        self.run(0, &["export", "--source", &self.source.url()])["databases"][0].clone()
    }

    fn identity(&self) -> String {
        let file: PathBuf = self.lifeboat.folder().join("bucket/break-glass.key");
        file.to_str().unwrap().to_owned()
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn verify_restore_drill_extract_diff_and_hold_follow_named_parts() {
    let bucket = Bucket::new();
    let (second, identity) = (bucket.second.as_str(), bucket.identity());
    let open = ["--identity", identity.as_str()];
    let verified = bucket.run(0, &[&["verify", second, "--data"], &open[..]].concat());
    assert_eq!(verified["problems_in_all"], 0);
    let digests = "SELECT count(*), sum(hashtext(t::text)) FROM answer t";

    let target = Database::reserve(Major::Pg15);
    let url = target.url();
    let restore = ["restore", second, "--verify", "--create", "--target", &url];
    let restored = bucket.run(0, &[&restore[..], &open].concat());
    assert_eq!(restored["failures"], serde_json::json!([]));
    assert_eq!(target.sql(digests), bucket.source.sql(digests));

    let rows = bucket.lifeboat.folder().join("answer.csv");
    let extract = [
        "extract",
        second,
        "--table",
        "answer",
        "--output",
        rows.to_str().unwrap(),
    ];
    bucket.run(0, &[&extract[..], &open].concat());
    let extracted = fs::read_to_string(&rows).unwrap();
    assert_eq!(extracted.lines().count(), 300_001);
    assert_eq!(
        extracted
            .lines()
            .filter(|row| row.contains(",another,"))
            .count(),
        1
    );

    let diff = ["diff", &bucket.first, second, "--rows", "--table", "answer"];
    let differs = bucket.run(3, &[&diff[..], &open].concat());
    assert_eq!(differs["rows"]["same"], 299_999);

    let held = bucket.run(0, &["hold", second, "--until", "20d"]);
    assert_eq!(held["failures"], serde_json::json!([]));
    // What is held is named on by what its state says, and everything is sound.
    let third = bucket.export()["id"].as_str().unwrap().to_owned();
    for id in [&bucket.first, &bucket.second, &third] {
        bucket.run(0, &[&["verify", id, "--data"], &open[..]].concat());
    }
    let listed = bucket.run(0, &["list"]);
    assert_eq!(listed["leftovers"], serde_json::json!([]));
}
