//! TLS: every sslmode against every certificate.

use std::fs;
use std::path::Path;

use lifeboat::testing::Kind;
use lifeboat::testing::pg::SslMode;

use super::certificates::{self, Authority, Span};
use super::cluster::{Cluster, ClusterOptions, PASSWORD, bench};
use super::{HOST, ask, complaint, connect, is_encrypted, over_tls, refusal, resolve};

struct Case<'a> {
    host: &'a str,
    root: Option<&'a Path>,
    /// For disable, allow, prefer, require, verify-ca, verify-full: "plain", "tls", or a word of
    /// the error.
    expect: [&'a str; 6],
}

async fn try_modes(cluster: &Cluster, case: &Case<'_>) {
    let modes = [
        "disable",
        "allow",
        "prefer",
        "require",
        "verify-ca",
        "verify-full",
    ];
    for (mode, expect) in modes.into_iter().zip(case.expect) {
        let server = over_tls(cluster, case.host, mode, case.root);
        match connect(&server).await {
            Ok(session) => {
                let got = if is_encrypted(&session).await {
                    "tls"
                } else {
                    "plain"
                };
                assert_eq!(got, expect, "{mode} to {}", case.host);
                session.close().await;
            }
            Err(error) => {
                let text = complaint(&error);
                assert!(text.contains(expect), "{mode}: {expect:?} not in {text}");
                assert!(text.contains(case.host), "no host in {text}");
                assert!(text.contains(mode), "no sslmode in {text}");
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_sslmode_means_what_libpq_says() {
    let ours = Authority::new("Ours");
    let folder = tempfile::tempdir().unwrap();
    let root = ours.save(folder.path());
    let foreign = Authority::new("Foreign").save(folder.path());
    let good = ours.issue(&[HOST], Span::Now);
    let cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            tls: Some((&good.0, &good.1)),
            ..ClusterOptions::default()
        },
    );
    let (root, foreign) = (Some(root.as_path()), Some(foreign.as_path()));
    let unknown = "unknown authority, \"CN=Ours\"";
    let case = |host, root, expect| Case { host, root, expect };
    let not_named = "not for this host, but for \"db.example.test\"";
    for case in [
        case(HOST, root, ["plain", "plain", "tls", "tls", "tls", "tls"]),
        case(
            "other.example.test",
            root,
            ["plain", "plain", "tls", "tls", "tls", not_named],
        ),
        case(
            HOST,
            foreign,
            ["plain", "plain", "tls", unknown, unknown, unknown],
        ),
        case(
            HOST,
            None,
            ["plain", "plain", "tls", "tls", unknown, unknown],
        ),
    ] {
        try_modes(&cluster, &case).await;
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_certificate_counts_only_within_its_dates() {
    let ours = Authority::new("Ours");
    let folder = tempfile::tempdir().unwrap();
    let root = ours.save(folder.path());
    let root = Some(root.as_path());
    let expired = ours.issue(&[HOST], Span::Past);
    let mut cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            tls: Some((&expired.0, &expired.1)),
            ..ClusterOptions::default()
        },
    );
    let case = |host, root, expect| Case { host, root, expect };
    let old = "a certificate has expired (the server's is valid until 2021-01-01";
    try_modes(
        &cluster,
        &case(HOST, root, ["plain", "plain", "tls", old, old, old]),
    )
    .await;

    let early = ours.issue(&[HOST], Span::Future);
    cluster.serve(&early.0, &early.1);
    let early = "not valid yet";
    try_modes(
        &cluster,
        &case(HOST, root, ["plain", "plain", "tls", early, early, early]),
    )
    .await;
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn certificates_as_the_postgresql_manual_makes_them_verify() {
    let folder = tempfile::tempdir().unwrap();
    let alone = certificates::self_signed(HOST);
    let alone_file = folder.path().join("alone.crt");
    fs::write(&alone_file, &alone.0).unwrap();
    let mut cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            tls: Some((&alone.0, &alone.1)),
            ..ClusterOptions::default()
        },
    );
    let server = over_tls(&cluster, HOST, "verify-full", Some(&alone_file));
    assert!(is_encrypted(&connect(&server).await.unwrap()).await);
    let other = over_tls(&cluster, "x.example.test", "verify-full", Some(&alone_file));
    assert!(refusal(&other).await.1.contains("not for this host"));

    // Only a common name, no alternative names.
    let ours = Authority::new("Ours");
    let root = ours.save(folder.path());
    let named = ours.issue_common_name("*.example.test");
    cluster.serve(&named.0, &named.1);
    for (host, fits) in [
        (HOST, true),
        ("a.b.example.test", false),
        ("example.test", false),
    ] {
        let server = over_tls(&cluster, host, "verify-full", Some(&root));
        assert_eq!(connect(&server).await.is_ok(), fits, "{host}");
    }

    // An address among the alternative names.
    let address = ours.issue(&["127.0.0.1"], Span::Now);
    cluster.serve(&address.0, &address.1);
    let server = over_tls(&cluster, "127.0.0.1", "verify-full", Some(&root));
    assert!(is_encrypted(&connect(&server).await.unwrap()).await);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_server_elsewhere_must_prove_its_name_unless_told_otherwise() {
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &ClusterOptions::default());
    let far = format!(
        "postgresql://postgres:{PASSWORD}@{HOST}:{}/postgres?hostaddr=127.0.0.1",
        cluster.port
    );
    let server = resolve(&far);
    assert_eq!(server.ssl, SslMode::VerifyFull);
    let (kind, text) = refusal(&server).await;
    assert_eq!(kind, Kind::Refused);
    assert!(
        text.contains("offers no TLS, and sslmode is verify-full"),
        "{text}"
    );

    for near in [
        cluster.url(),
        format!(
            "postgresql://postgres:{PASSWORD}@localhost:{}/postgres",
            cluster.port
        ),
    ] {
        let server = resolve(&near);
        assert_eq!(server.ssl, SslMode::Prefer);
        assert!(!is_encrypted(&connect(&server).await.unwrap()).await);
    }
    let socket = format!(
        "host={} port={} user=postgres",
        cluster.socket().display(),
        cluster.port
    );
    let session = connect(&resolve(&socket)).await.unwrap();
    assert_eq!(ask(&session, "SELECT current_user::text").await, "postgres");
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn tls_is_tried_both_ways_where_pg_hba_wants_one() {
    let ours = Authority::new("Ours");
    let (cert, key) = ours.issue(&[HOST], Span::Now);
    let hba = "local all all trust\n\
               hostssl postgres postgres all scram-sha-256\n\
               hostnossl template1 postgres all scram-sha-256\n";
    let cluster = Cluster::start(
        &bench("LIFEBOAT_TEST_PG15_BIN"),
        &ClusterOptions {
            hba: Some(hba),
            tls: Some((&cert, &key)),
            ..ClusterOptions::default()
        },
    );
    let with = |mode, database| over_tls(&cluster, HOST, mode, None).with_database(database);
    for (mode, database, encrypted) in [
        ("allow", "postgres", true),
        ("prefer", "postgres", true),
        ("allow", "template1", false),
        ("prefer", "template1", false),
    ] {
        let session = connect(&with(mode, database)).await.unwrap();
        assert_eq!(is_encrypted(&session).await, encrypted, "{mode} {database}");
    }
    for (mode, database) in [("disable", "postgres"), ("require", "template1")] {
        let (kind, text) = refusal(&with(mode, database)).await;
        assert_eq!(kind, Kind::Denied);
        assert!(text.contains("FATAL 28000: no pg_hba.conf entry"), "{text}");
    }
}
