//! Servers that are not there, not PostgreSQL, or do not let us in.

use std::net::TcpListener;

use super::{complains, export_complains, no_points, restoring};
use crate::support::cluster::{Cluster, ClusterOptions, bench};
use crate::support::{Database, Lifeboat, Major};

/// Wrong addresses, and the words of each that its error must name.
fn wrong_addresses() -> Vec<(String, Vec<String>)> {
    let words = |all: &[&str]| {
        all.iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("127.0.0.1:{}", free.local_addr().unwrap().port());
    drop(free);
    let http = bench("LIFEBOAT_TEST_MOTO_ENDPOINT").replace("http://", "");
    let server = Major::Pg15.url_of("postgres", "no_such_database");
    let stranger = Major::Pg15.url_of("no_such_role", "postgres");
    vec![
        (
            "postgresql://postgres@no-such-host.invalid/x".to_owned(),
            words(&["no-such-host.invalid"]),
        ),
        (format!("postgresql://postgres@{dead}/x"), words(&[&dead])),
        (
            format!("postgresql://postgres@{http}/x?sslmode=disable"),
            words(&[&http]),
        ),
        (
            "postgresql:///x?host=/no/such/folder".to_owned(),
            words(&["/no/such/folder"]),
        ),
        (server, words(&["no_such_database"])),
        (stranger, words(&["no_such_role"])),
    ]
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_server_that_cannot_be_reached_is_named() {
    let lifeboat = Lifeboat::init();
    for (url, words) in wrong_addresses() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        export_complains(&lifeboat, &url, &words);
    }
    let database = Database::new(Major::Pg15);
    lifeboat.export(&database.url());
    for (url, words) in wrong_addresses() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        complains(&lifeboat.bare(restoring(&lifeboat, &url, &[])), 1, &words);
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let lifeboat = Lifeboat::init();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("127.0.0.1:{}", silent.local_addr().unwrap().port());
    let url = format!("postgresql://postgres@{at}/x?connect_timeout=2");
    export_complains(&lifeboat, &url, &[&at]);
}

#[test]
fn a_url_that_cannot_be_meant_is_a_usage_error() {
    let lifeboat = Lifeboat::init();
    for (url, word) in [
        ("postgresql://h:99999/x", "99999"),
        ("postgresql://h/x?sslmode=verify", "verify"),
        ("postgresql://h/x?sslmod=require", "sslmod"),
        ("postgresql://h/x?connect_timeout=soon", "soon"),
        ("postgresql://[::1/x", "IPv6"),
        ("postgresql://h/%zz", "%25"),
    ] {
        let ran = lifeboat.bare(["export", "--source", url]);
        complains(&ran, 2, &[word]);
        let ran = lifeboat.bare(restoring(&lifeboat, url, &[]));
        complains(&ran, 2, &[word]);
    }
    no_points(&lifeboat);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_wrong_password_is_said_without_showing_it() {
    let lifeboat = Lifeboat::init();
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    let at = |user: &str| format!("postgresql://{user}@127.0.0.1:{}/postgres", cluster.port);
    export_complains(
        &lifeboat,
        &at("postgres:hunter2"),
        &["password authentication failed", "postgres"],
    );
    let ran = lifeboat.bare(["export", "--source", &at("postgres:hunter2")]);
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    export_complains(&lifeboat, &at("postgres"), &["password", ".pgpass"]);
    export_complains(&lifeboat, &at("nobody:hunter2"), &["nobody"]);
    lifeboat.export(&cluster.url());
}
