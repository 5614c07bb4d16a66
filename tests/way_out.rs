//! The way out of this machine: proxies, and authorities of one's own. Needs the servers that
//! `bash tests/run.sh` starts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lifeboat::testing::store::StaticCredentials;
use serde_json::Value;

use crate::support::certificates::Authority;
use crate::support::listener::{Listener, SECRET};
use crate::support::program::Ran;
use crate::support::servers::Server;
use crate::support::tunnel::Tunnel;
use crate::support::{Lifeboat, tls, unique};

/// Known to no resolver.
const HOST: &str = "s3.lifeboat.test";
const ENDPOINT: &str = "https://s3.lifeboat.test";

/// A real store behind TLS under a name that only a proxy knows.
struct Scene {
    store: Server,
    authority: Authority,
    lifeboat: Lifeboat,
    /// Before TLS, and before the store itself.
    tunnel: Tunnel,
    plain: Tunnel,
}

impl Scene {
    async fn new() -> Self {
        let (store, authority) = (Server::ceph(), Authority::new("ours"));
        let address = store.endpoint.trim_start_matches("http://").to_owned();
        let address = address.trim_end_matches('/');
        let over_tls = tls::before_as(HOST, address, &authority).await;
        Self {
            tunnel: Tunnel::to(&over_tls),
            plain: Tunnel::to(address),
            store,
            authority,
            lifeboat: Lifeboat::empty(),
        }
    }

    fn bundle(&self) -> PathBuf {
        self.authority.save(self.lifeboat.folder())
    }

    /// `lifeboat init` there: it asks, stores, lists and reads.
    async fn init(&self, endpoint: &str, environment: &[(&str, &str)]) -> Ran {
        let place = format!("s3://{}/{}", self.store.bucket, unique("way"));
        let config = format!("{}.toml", unique("config"));
        let folder = unique("keys");
        let args = [
            "init",
            "--repository",
            &place,
            "--endpoint",
            endpoint,
            "--region",
            "us-east-1",
            "--config",
            &config,
            "--keys-dir",
            &folder,
        ];
        let mut command = self.lifeboat.command(args);
        command.envs(environment.iter().copied());
        run(self.with_keys(command)).await
    }

    fn with_keys(&self, mut command: Command) -> Command {
        let StaticCredentials {
            access_key,
            secret_key,
            ..
        } = &self.store.credentials;
        command
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }
}

async fn run(mut command: Command) -> Ran {
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    Ran::of(&ran.await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_store_is_reached_through_the_proxy_over_tls_to_its_end() {
    let scene = Scene::new().await;
    let (bundle, proxy) = (scene.bundle(), scene.tunnel.url());
    let bundle = ("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let before = scene.tunnel.seen().len();
        scene.init(ENDPOINT, &[(name, &proxy), bundle]).await.ok();
        let asked = scene.tunnel.asked_for(&format!("{HOST}:443"));
        assert!(asked > before, "{name}");
    }
    // Nobody else's certificate will do: without the authority it is refused.
    let ran = scene.init(ENDPOINT, &[("HTTPS_PROXY", &proxy)]).await;
    ran.failed(1, "UnknownIssuer").failed(1, "AWS_CA_BUNDLE");
    // A bundle is believed instead of the system's authorities.
    let stranger = Authority::new("stranger").save(scene.lifeboat.folder());
    let set = [
        ("HTTPS_PROXY", &*proxy),
        ("AWS_CA_BUNDLE", stranger.to_str().unwrap()),
        ("SSL_CERT_FILE", bundle.1),
    ];
    let ran = scene.init(ENDPOINT, &set).await;
    ran.failed(1, "UnknownIssuer");
    // And no proxy knows the name.
    let before = scene.tunnel.seen().len();
    let ran = scene
        .init(ENDPOINT, &[("HTTP_PROXY", &proxy), bundle])
        .await;
    ran.failed(1, "network");
    for list in [HOST, "lifeboat.test", "*.lifeboat.test", "*"] {
        let set = [("HTTPS_PROXY", &*proxy), ("NO_PROXY", list), bundle];
        scene.init(ENDPOINT, &set).await.failed(1, "network");
    }
    assert_eq!(scene.tunnel.seen().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn plain_http_has_a_variable_of_its_own_and_this_machine_none() {
    let scene = Scene::new().await;
    let (http, proxy) = (format!("http://{HOST}:8080"), scene.plain.url());
    scene.init(&http, &[("http_proxy", &proxy)]).await.ok();
    let asked = scene.plain.asked_for(&format!("{HOST}:8080/"));
    assert!(asked > 0);
    for name in ["HTTP_PROXY", "https_proxy", "ALL_PROXY"] {
        let ran = scene.init(&http, &[(name, &proxy)]).await;
        ran.failed(1, "network");
    }
    let all = [("http_proxy", &*proxy), ("https_proxy", &*proxy)];
    scene.init(&scene.store.endpoint, &all).await.ok();
    assert_eq!(scene.plain.seen().len(), asked);
}

/// Answers as ECS does.
fn credentials_of_a_container(store: &Server) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = serde_json::json!({
        "AccessKeyId": store.credentials.access_key,
        "SecretAccessKey": store.credentials.secret_key,
        "Token": "", "Expiration": "2999-01-01T00:00:00Z",
    });
    let body = body.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines
                .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
                .count();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    format!("http://{address}/credentials")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_hands_out_credentials_on_this_machine_is_asked_past_the_proxy() {
    let scene = Scene::new().await;
    let place = format!("s3://{}/{}", scene.store.bucket, unique("way"));
    let endpoint = format!("http://{HOST}");
    let args = [
        "init",
        "--repository",
        &place,
        "--endpoint",
        &endpoint,
        "--region",
        "us-east-1",
        "--config",
        "lifeboat.toml",
    ];
    let mut command = scene.lifeboat.command(args);
    command
        .env("http_proxy", scene.plain.url())
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            credentials_of_a_container(&scene.store),
        )
        .env("AWS_EC2_METADATA_DISABLED", "true");
    run(command).await.ok();
    assert!(scene.plain.asked_for(&format!("{HOST}/")) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_proxy_that_asks_for_a_password_gets_it_and_nobody_else_sees_it() {
    let scene = Scene::new().await;
    let over_tls = tls::before_as(
        HOST,
        scene
            .store
            .endpoint
            .trim_start_matches("http://")
            .trim_end_matches('/'),
        &scene.authority,
    );
    let tunnel = Tunnel::asking_for(&over_tls.await, "me:p@ss-word");
    let bundle = scene.bundle();
    let bundle = ("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    let with = |who: &str| format!("http://{who}@{}", tunnel.address());
    let right = with("me:p%40ss-word");
    scene
        .init(ENDPOINT, &[("HTTPS_PROXY", &right), bundle])
        .await
        .ok();
    let wrong = with("me:wrong-word");
    let ran = scene
        .init(ENDPOINT, &[("HTTPS_PROXY", &wrong), bundle])
        .await;
    let ran = ran.failed(1, "the proxy that HTTPS_PROXY names");
    assert!(!format!("{ran:?}").contains("wrong-word"), "{ran:?}");
    for unusable in [
        "socks5://me:p@ss-word@127.0.0.1:1",
        "http://",
        "http://me:p@ss-word@:1",
    ] {
        let ran = scene
            .init(ENDPOINT, &[("HTTPS_PROXY", unusable), bundle])
            .await;
        let ran = ran.failed(2, "HTTPS_PROXY names no proxy");
        assert!(!format!("{ran:?}").contains("ss-word"), "{ran:?}");
    }
    for (file, says) in [
        ("no-such.pem", "no-such.pem"),
        ("empty.pem", "no certificate"),
    ] {
        fs::write(scene.lifeboat.folder().join("empty.pem"), "").unwrap();
        let ran = scene.init(ENDPOINT, &[("AWS_CA_BUNDLE", file)]).await;
        assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
        let code = ran.code.unwrap();
        ran.failed(code, "AWS_CA_BUNDLE").failed(code, says);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn doctor_names_the_proxy() {
    let scene = Scene::new().await;
    let (bundle, proxy) = (scene.bundle(), scene.tunnel.url());
    let config = format!(
        "[repository]\nurl = \"s3://{}/{}\"\nregion = \"us-east-1\"\nendpoint = \"{ENDPOINT}\"\n",
        scene.store.bucket,
        unique("way")
    );
    fs::write(scene.lifeboat.folder().join("lifeboat.toml"), config).unwrap();
    let doctor = async |proxied: bool| {
        let mut command = scene.lifeboat.command(["doctor", "--no-try", "--json"]);
        command.env("AWS_CA_BUNDLE", &bundle);
        if proxied {
            command.env("HTTPS_PROXY", &proxy);
        }
        let ran = run(scene.with_keys(command)).await;
        let found: Value = ran.json()["result"]["findings"].clone();
        let found = found.as_array().unwrap().iter();
        let found = found.filter(|one| one["check"] == "proxy");
        found.map(|one| one["what"].to_string()).collect::<Vec<_>>()
    };
    let found = doctor(true).await;
    let named = format!("the proxy {} (HTTPS_PROXY)", scene.tunnel.address());
    assert!(found.len() == 1 && found[0].contains(&named), "{found:?}");
    assert!(doctor(false).await.is_empty());
}

/// A webhook over https at a name that only the proxy knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_webhook_is_called_through_the_proxy_by_the_bundles_authorities() {
    let lifeboat = Lifeboat::init();
    let (authority, listener) = (Authority::new("ours"), Listener::answering(&[200]));
    let address = format!("127.0.0.1:{}", listener.port);
    let tunnel = Tunnel::to(&tls::before_as("hooks.lifeboat.test", &address, &authority).await);
    let hook = format!("https://hooks.lifeboat.test/{SECRET}");
    fs::write(lifeboat.folder().join("hook.url"), hook).unwrap();
    lifeboat.configure(
        "[notify]\nwebhook_file = \"hook.url\"\n[[source]]\nname = \"gone\"\n\
         url = \"postgresql://u@127.0.0.1:1/d\"\ndatabases = [\"d\"]",
    );
    let nightly = async |proxy: &str| {
        let mut command = lifeboat.command(["nightly", "--json"]);
        command
            .env("AWS_CA_BUNDLE", authority.save(lifeboat.folder()))
            .env("https_proxy", proxy);
        let ran = run(command).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(!format!("{ran:?}").contains(SECRET), "{ran:?}");
    };
    nightly(&tunnel.url()).await;
    assert_eq!(tunnel.asked_for("hooks.lifeboat.test:443"), 1);
    assert_eq!(listener.asked().len(), 1);
    assert!(listener.asked()[0].body.contains("gone"));
}
