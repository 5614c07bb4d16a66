//! Buckets that cannot lock, cannot be reached or do not let us in; disks that are full or closed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat::testing::store::StaticCredentials;

use super::complains;
use crate::support::faulty::{Fate, Faulty, Seen};
use crate::support::program::{Ran, second_recipient};
use crate::support::servers::Server;
use crate::support::{Database, Lifeboat, Major, unique};

/// A desk, and a command with a server's address and credentials.
fn at(lifeboat: &Lifeboat, server: &Server, args: &[&str]) -> Ran {
    let StaticCredentials {
        access_key,
        secret_key,
        ..
    } = &server.credentials;
    let output = lifeboat
        .command(args)
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", secret_key)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output();
    Ran::of(&output.unwrap())
}

fn init(lifeboat: &Lifeboat, server: &Server, place: &str) -> Ran {
    let args = [
        "init",
        "--repository",
        &format!("s3://{place}"),
        "--endpoint",
        &server.endpoint,
        "--region",
        "us-east-1",
        "--config",
        "bucket/lifeboat.toml",
    ];
    at(lifeboat, server, &args)
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_bucket_that_cannot_lock_is_refused_with_the_way_to_turn_it_on() {
    for server in [Server::ceph(), Server::moto()] {
        let client = server.attacker(&server.options()).client;
        let lifeboat = Lifeboat::init();
        let bucket = unique("lbt").replace('_', "-");
        client.create_bucket().bucket(&bucket).send().await.unwrap();
        let place = format!("{bucket}/prefix");
        complains(
            &init(&lifeboat, &server, &place),
            1,
            &[&bucket, "Object Lock"],
        );
        let listed = client
            .list_objects_v2()
            .bucket(&bucket)
            .send()
            .await
            .unwrap();
        assert_eq!(listed.key_count().unwrap_or(0), 0, "nothing is stored");
        assert!(!lifeboat.folder().join("bucket/break-glass.key").exists());
        client.delete_bucket().bucket(&bucket).send().await.unwrap();
        let ran = init(&lifeboat, &server, &place);
        complains(&ran, 1, &[&bucket, "bucket's name"]);
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn credentials_and_endpoints_that_do_not_fit_are_named() {
    let lifeboat = Lifeboat::init();
    let good = Server::ceph();
    let place = format!("{}/{}", good.bucket, unique("bad"));
    let with = |access_key: &str, secret_key: &str| StaticCredentials {
        access_key: access_key.to_owned(),
        secret_key: secret_key.to_owned(),
        session_token: None,
    };
    let StaticCredentials { access_key, .. } = &good.credentials;
    for credentials in [
        with("AKIANOBODY", "nothing"),
        with(access_key, "wrong-secret-0815"),
    ] {
        let server = Server {
            credentials,
            ..Server::ceph()
        };
        let ran = init(&lifeboat, &server, &place);
        complains(&ran, 1, &[&good.bucket, "credentials"]);
        assert!(!format!("{ran:?}").contains("wrong-secret-0815"), "{ran:?}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://127.0.0.1:{}", free.local_addr().unwrap().port());
    drop(free);
    let dead = Server {
        endpoint,
        ..Server::ceph()
    };
    complains(
        &init(&lifeboat, &dead, &place),
        1,
        &[&good.bucket, "endpoint"],
    );
    let none = [
        "list",
        "--repository",
        "s3://some-bucket/x",
        "--region",
        "us-east-1",
    ];
    let bare = lifeboat
        .command(none)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output();
    complains(&Ran::of(&bare.unwrap()), 1, &["some-bucket", "credentials"]);
    assert!(
        !lifeboat.folder().join("bucket").exists(),
        "nothing is written before all is well"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_lock_that_is_too_short_too_long_or_past_is_refused() {
    let lifeboat = Lifeboat::init();
    let server = Server::ceph();
    let place = format!("{}/{}", server.bucket, unique("locks"));
    let repository = format!("s3://{place}");
    init(&lifeboat, &server, &place).ok();
    let config = lifeboat.folder().join("bucket/lifeboat.toml");
    let good = fs::read_to_string(&config).unwrap();
    let database = Database::new(Major::Pg15);
    let url = database.url();
    let export = [
        "export",
        "--config",
        "bucket/lifeboat.toml",
        "--source",
        &url,
    ];
    let lines = |changes: &[(&str, &str)]| -> String {
        let changed = good.lines().map(|line| {
            let key = line.split(" =").next().unwrap();
            let change = changes.iter().find(|(changed, _)| *changed == key);
            change.map_or_else(|| line.to_owned(), |(_, to)| format!("{key} = {to}"))
        });
        changed.collect::<Vec<_>>().join("\n")
    };
    for (changes, words) in [
        (
            &[("daily_days", "5000")][..],
            &["max_lock_days", "5000"][..],
        ),
        (&[("daily_days", "0")], &["daily_days"]),
        (
            &[("daily_days", "39000"), ("max_lock_days", "40000")],
            &["2100"],
        ),
        (&[("mode", "'compliant'")], &["mode", "compliance"]),
    ] {
        let changed = lines(changes);
        for (key, to) in changes {
            assert!(
                changed.contains(&format!("{key} = {to}")),
                "no line {key} in {good}"
            );
        }
        fs::write(&config, changed).unwrap();
        complains(&at(&lifeboat, &server, &export), 2, words);
    }
    fs::write(&config, &good).unwrap();
    lifeboat.configure_in("bucket/lifeboat.toml", &second_recipient());
    let list = ["list", "--config", "bucket/lifeboat.toml", "--json"];
    let listed = at(&lifeboat, &server, &list).ok().json();
    assert_eq!(
        listed["result"]["points"],
        serde_json::json!([]),
        "{listed}"
    );
    assert_eq!(
        listed["result"]["leftovers"],
        serde_json::json!([]),
        "{listed}"
    );
    at(&lifeboat, &server, &export).ok();
    for (until, code, words) in [
        ("2020-01-01", 2, &["past"][..]),
        ("2101-01-01", 2, &["2100"]),
        ("2099-01-01", 2, &["max_lock_days"]),
    ] {
        let hold = [
            "hold",
            "latest",
            "--config",
            "bucket/lifeboat.toml",
            "--until",
            until,
        ];
        complains(&at(&lifeboat, &server, &hold), code, words);
    }
    let trust = lifeboat.fingerprint();
    let stranger = [
        "verify",
        "latest",
        "--repository",
        &repository,
        "--endpoint",
        &server.endpoint,
        "--region",
        "us-east-1",
        "--trust",
        &trust,
    ];
    complains(
        &at(&lifeboat, &server, &stranger),
        1,
        &["manifests/", "--trust"],
    );
}

/// The same server behind a proxy.
async fn behind(
    server: Server,
    rule: impl Fn(usize, &Seen) -> Fate + Send + Sync + 'static,
) -> Server {
    let proxy = Faulty::before(&server.endpoint, rule).await;
    Server {
        endpoint: proxy.endpoint,
        ..server
    }
}

/// An export to a new repository there, of one table.
fn export_to(server: &Server) -> (Ran, Ran) {
    let lifeboat = Lifeboat::init();
    let place = format!("{}/{}", server.bucket, unique("sent"));
    init(&lifeboat, server, &place).ok();
    lifeboat.configure_in("bucket/lifeboat.toml", &second_recipient());
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 1000) g");
    let config = ["--config", "bucket/lifeboat.toml"];
    let url = database.url();
    let export = [&["export", "--source", &url][..], &config].concat();
    let exported = at(&lifeboat, server, &export);
    let list = [&["list", "--json"][..], &config].concat();
    (exported, at(&lifeboat, server, &list))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_damaged_on_its_way_is_no_restore_point_whether_the_store_compares_or_not() {
    for (server, words) in [
        (Server::moto(), "were sent"),
        (Server::ceph(), "changed on their way"),
    ] {
        let server = behind(server, |_, seen| {
            match seen.method == "PUT" && seen.target.contains(".copy.zst.age") {
                true => Fate::Damage,
                false => Fate::Pass,
            }
        });
        let server = server.await;
        let (exported, listed) = export_to(&server);
        complains(&exported, 1, &[".copy.zst.age", words]);
        assert_eq!(
            listed.ok().json()["result"]["points"],
            serde_json::json!([])
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_that_compares_nothing_needs_a_writer_that_reads() {
    let takes_all = |seen: &Seen| seen.is_trial().then_some(Fate::Refuse(200, ""));
    let server = behind(Server::ceph(), move |_, seen| {
        takes_all(seen).unwrap_or(Fate::Pass)
    });
    let (exported, listed) = export_to(&server.await);
    exported.ok();
    let points = &listed.ok().json()["result"]["points"];
    assert_eq!(points.as_array().unwrap().len(), 1);

    let server = behind(Server::ceph(), move |_, seen| {
        let reads = matches!(seen.method.as_str(), "GET" | "HEAD");
        let part = seen.target.contains(".copy.zst.age?") && !seen.target.contains("retention");
        match takes_all(seen) {
            Some(fate) => fate,
            None if reads && part => Fate::Refuse(403, "AccessDenied"),
            None => Fate::Pass,
        }
    });
    let (exported, listed) = export_to(&server.await);
    complains(
        &exported,
        1,
        &["is not confirmed", "announced SHA-256", "s3:GetObject"],
    );
    assert_eq!(
        listed.ok().json()["result"]["points"],
        serde_json::json!([])
    );
}

/// What an init there says.
fn said(server: &Server) -> String {
    let place = format!("{}/{}", server.bucket, unique("lock"));
    let ran = init(&Lifeboat::init(), server, &place).ok();
    assert!(ran.stdout.contains("is ready"), "{ran:?}");
    ran.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn init_proves_that_a_lock_holds_or_says_what_that_takes() {
    let proven = said(&Server::ceph());
    assert!(proven.contains("lock of a canary held"), "{proven}");
    assert!(!proven.contains("note:"), "{proven}");
    // Rights refuse before the lock does; moto does not say which of them refuses.
    for (server, compares) in [(Server::ceph_as_exporter(), true), (Server::moto(), false)] {
        let said = said(&server);
        assert!(!said.contains("lock of a canary held"), "{said}");
        for words in ["not proven", "s3:DeleteObjectVersion", "lifeboat.canary/*"] {
            assert!(said.contains(words), "no '{words}' in {said}");
        }
        assert_eq!(said.contains("announced SHA-256"), !compares, "{said}");
    }
    // A store whose locks hold nothing.
    let server = behind(Server::ceph(), |_, seen| match seen.method.as_str() {
        "DELETE" => Fate::Refuse(204, ""),
        _ => Fate::Pass,
    });
    let server = server.await;
    let lifeboat = Lifeboat::init();
    let place = format!("{}/{}", server.bucket, unique("lock"));
    let ran = init(&lifeboat, &server, &place);
    complains(
        &ran,
        1,
        &["delete a locked version succeeded", "another store"],
    );
    assert!(!lifeboat.folder().join("bucket").exists());
}

/// A disk of few bytes where we may mount one, else a limit of what a file may grow to.
struct SmallDisk {
    folder: PathBuf,
    mounted: bool,
}

impl SmallDisk {
    fn at(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=600k", "lifeboat-test"])
            .arg(&folder)
            .output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        Self { folder, mounted }
    }

    fn run(&self, lifeboat: &Lifeboat, args: &[&str]) -> Ran {
        let command = lifeboat.command(args);
        // In units of 1024 bytes; without the trap the signal would end the process.
        let limit = if self.mounted { "unlimited" } else { "100" };
        let mut limited = Command::new("bash");
        limited
            .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", limit])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(lifeboat.folder())
            .env_clear();
        for (name, value) in command.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        Ran::of(&limited.output().unwrap())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new("umount").arg(&self.folder).status();
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_full_disk_fails_the_export_and_leaves_no_restore_point() {
    let lifeboat = Lifeboat::init();
    let disk = SmallDisk::at(lifeboat.folder().join("small"));
    fs::copy(
        lifeboat.repository().join("lifeboat.json"),
        disk.folder.join("lifeboat.json"),
    )
    .unwrap();
    let database = Database::new(Major::Pg15);
    // Bytes that nothing compresses.
    database.sql("CREATE TABLE t AS SELECT gen_random_uuid(), gen_random_uuid() AS b FROM generate_series(1, 60000)");
    let url = database.url();
    let ran = disk.run(
        &lifeboat,
        &["export", "--source", &url, "--repository", "small"],
    );
    complains(&ran, 1, &["small/parts/", "space"]);
    let trust = lifeboat.fingerprint();
    let list = ["list", "--repository", "small", "--trust", &trust, "--json"];
    let listed = lifeboat.bare(list).ok().json();
    assert_eq!(
        listed["result"]["points"],
        serde_json::json!([]),
        "{listed}"
    );
    let mut walk = vec![disk.folder.clone()];
    while let Some(folder) = walk.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                !name.contains("tmp") && !name.starts_with('.'),
                "{name} is left behind"
            );
            if path.is_dir() {
                walk.push(path);
            }
        }
    }
    lifeboat.export(&url);
}

/// Runs as a user whom modes of files concern.
fn as_nobody(lifeboat: &Lifeboat, program: &Path, args: &[&str]) -> Ran {
    let command = lifeboat.command(args);
    let mut other = Command::new(program);
    other
        .args(command.get_args())
        .current_dir(lifeboat.folder())
        .env_clear();
    for (name, value) in command.get_envs() {
        other.env(name, value.unwrap_or_default());
    }
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        const NOBODY: u32 = 65_534;
        other.uid(NOBODY).gid(NOBODY);
    }
    Ran::of(&other.output().unwrap())
}

fn open_to_all(folder: &Path) {
    let is_folder = folder.is_dir();
    let mode = if is_folder { 0o777 } else { 0o666 };
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    if is_folder {
        for entry in fs::read_dir(folder).unwrap() {
            open_to_all(&entry.unwrap().path());
        }
    }
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_folder_that_may_not_be_read_or_written_is_named() {
    let lifeboat = Lifeboat::init();
    let database = Database::new(Major::Pg15);
    database.sql("CREATE TABLE t AS SELECT 1 AS id");
    lifeboat.export(&database.url());
    open_to_all(lifeboat.folder());
    let program = lifeboat.folder().join("lifeboat");
    let built = env!("CARGO_BIN_EXE_lifeboat");
    if fs::hard_link(built, &program).is_err() {
        fs::copy(built, &program).unwrap();
    }
    let parts = lifeboat.repository().join("parts");
    let closed = |mode| fs::set_permissions(&parts, Permissions::from_mode(mode)).unwrap();
    let (url, identity) = (database.url(), lifeboat.identity());
    let export = ["export", "--source", &url];
    let verify = [
        "verify",
        "latest",
        "--data",
        "--identity",
        identity.to_str().unwrap(),
    ];
    as_nobody(&lifeboat, &program, &verify).ok();
    closed(0o000);
    complains(
        &as_nobody(&lifeboat, &program, &export),
        1,
        &["parts", "owner and mode"],
    );
    let ran = as_nobody(&lifeboat, &program, &verify);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!format!("{ran:?}").contains("panicked"), "{ran:?}");
    closed(0o755);
    let listed = lifeboat.run(["list"]).json();
    assert_eq!(
        listed["result"]["points"].as_array().unwrap().len(),
        1,
        "{listed}"
    );
}
