//! TLS: every sslmode against every certificate.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lifeboat::testing::Kind;
use lifeboat::testing::pg::SslMode;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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

/// A server that shows this certificate without holding its key: what it signs is signed by another one.
async fn without_the_key(cert: &str) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let other = rcgen::KeyPair::generate().unwrap();
    let key = PrivateKeyDer::try_from(other.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(shown);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"S").await.unwrap();
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn who_shows_a_certificate_without_its_key_is_refused_in_every_sslmode() {
    let ours = Authority::new("Ours");
    let (cert, _) = ours.issue(&[HOST], Span::Now);
    let folder = tempfile::tempdir().unwrap();
    let root = ours.save(folder.path());
    let port = without_the_key(&cert).await;
    for mode in ["require", "verify-full"] {
        let root = match mode {
            "require" => String::new(),
            _ => format!("&sslrootcert={}", root.display()),
        };
        let server = resolve(&format!(
            "postgresql://postgres:{PASSWORD}@{HOST}:{port}/postgres?hostaddr=127.0.0.1&sslmode={mode}{root}"
        ));
        let (kind, text) = refusal(&server).await;
        assert_eq!(kind, Kind::Untrusted, "{text}");
        assert!(text.contains("somebody may sit between"), "{text}");
    }
}

/// `openssl x509 -req` without a file of extensions, as the PostgreSQL manual has it, makes version 1, which
/// nothing here can check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_certificate_of_version_1_is_enough_where_nothing_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |args: &str| {
        let mut command = std::process::Command::new("openssl");
        command.args(args.split(' ')).current_dir(folder.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    openssl("req -new -nodes -newkey rsa:2048 -keyout key -out request -subj /CN=db.example.test");
    openssl("x509 -req -in request -signkey key -out cert -days 100");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (cert, key) = (read("cert"), read("key"));
    let options = ClusterOptions {
        tls: Some((&cert, &key)),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(&bench("LIFEBOAT_TEST_PG15_BIN"), &options);
    let session = connect(&over_tls(&cluster, HOST, "require", None)).await;
    assert!(is_encrypted(&session.unwrap()).await);
}
