//! IAM database authentication: a fresh token for every login, for the source account's region, that
//! an endpoint which judges them as RDS does lets in.

use std::collections::BTreeMap;

use crate::support::certificates::Authority;
use crate::support::program::Ran;
use crate::support::rds::{Login, Rds, Rules};
use crate::support::{Database, Lifeboat, Major, variable};

const HOST: &str = "prod.example.eu-central-1.rds.amazonaws.com";
const REGION: &str = "eu-central-1";
/// moto's, whoever asks.
const ACCOUNT: &str = "123456789012";
const KEY: &str = "AKIDEXPORTER";
const SECRET: &str = "exporter/secret+of=tests";

struct Scene {
    rds: Rds,
    source: Database,
    lifeboat: Lifeboat,
}

impl Scene {
    async fn new() -> Self {
        Self::with("exporter", REGION, |_| {}).await
    }

    /// A configuration for this user and region, and an endpoint with rules of its own.
    async fn with(user: &str, region: &str, change: impl FnOnce(&mut Rules)) -> Self {
        let lifeboat = Lifeboat::init();
        let authority = Authority::new("RDS");
        let root = authority.save(lifeboat.folder());
        let source = Database::new(Major::Pg15);
        source.sql(
            "CREATE TABLE answer AS SELECT g AS id, repeat(g::text, 9) AS said
               FROM generate_series(1, 20000) g;
             CREATE TABLE question (id int PRIMARY KEY, asked text);
             INSERT INTO question VALUES (1, 'why'), (2, 'how')",
        );
        let mut rules = Rules {
            host: HOST,
            region: REGION,
            secrets: BTreeMap::from([(KEY.to_owned(), SECRET.to_owned())]),
            without_role: None,
        };
        change(&mut rules);
        let server = Major::Pg15.url_of("postgres", "postgres");
        let server = server.split(['@', '/']).nth(3).unwrap().to_owned();
        let rds = Rds::before(server, &authority, rules).await;
        lifeboat.configure(&format!(
            "[source_account]\nid = \"{ACCOUNT}\"\nregion = \"{region}\"\n\
             [[source]]\nname = \"prod\"\nauth = \"iam\"\nsslrootcert = {root:?}\n\
             url = \"postgresql://{user}@{HOST}:{}/{}?hostaddr=127.0.0.1\"\n\
             databases = [\"{}\"]\n[export]\npg_bin = [{:?}]",
            rds.port,
            source.name,
            source.name,
            source.major.bin(),
        ));
        Self {
            rds,
            source,
            lifeboat,
        }
    }

    /// With the exporter's keys, in a machine that believes to be elsewhere; more variables win.
    async fn export(&self, more: &[(&str, &str)]) -> Ran {
        let args = ["export", "--jobs", "2", "--database", &self.source.name];
        let mut command = self.lifeboat.command(args);
        command
            .env("AWS_ENDPOINT_URL", variable("LIFEBOAT_TEST_MOTO_ENDPOINT"))
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-west-2")
            .env("AWS_DEFAULT_REGION", "us-west-1")
            .env("PGPASSWORD", "not-this-one")
            .envs(more.iter().copied());
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
        let ran = Ran::of(&ran.await.unwrap());
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!all.contains("X-Amz"), "a token is shown: {all}");
        assert!(!all.contains(SECRET), "a secret is shown: {all}");
        ran
    }

    fn refusals(&self) -> Vec<String> {
        let refused = |login: Login| login.refused;
        self.rds.logins().into_iter().filter_map(refused).collect()
    }

    fn assert_nothing_stored(&self) {
        assert!(!self.lifeboat.repository().join("parts").exists());
        assert!(!self.lifeboat.repository().join("manifests").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_export_logs_in_with_tokens_alone_and_restores_equal() {
    let scene = Scene::new().await;
    scene.export(&[]).await.ok();
    assert_eq!(scene.refusals(), [""; 0]);
    let logins = scene.rds.logins();
    let options = |login: &&Login| login.parameters.contains_key("options");
    assert_eq!(logins.iter().filter(options).count(), 1, "pg_dump");
    assert!(
        logins.len() >= 4,
        "coordinator, watchdog, two workers: {logins:?}"
    );
    assert!(
        logins
            .iter()
            .all(|login| login.parameters["user"] == "exporter")
    );

    let target = Database::new(Major::Pg15);
    let (identity, url, bin) = (scene.lifeboat.identity(), target.url(), target.major.bin());
    let restored = scene.lifeboat.run([
        "restore",
        "latest",
        "--verify",
        "--identity",
        identity.to_str().unwrap(),
        "--target",
        &url,
        "--pg-bin",
        bin.to_str().unwrap(),
    ]);
    restored.ok();
    let sum = "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM answer t";
    assert_eq!(target.sql(sum), scene.source.sql(sum));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_session_token_and_a_users_odd_name_are_signed_too() {
    // In the URL of the configuration, and in the token's, percent-encoded.
    let scene = Scene::with("a%26b%20%25%2B%C3%BC", REGION, |_| {}).await;
    let session = [("AWS_SESSION_TOKEN", "session/token+with=signs")];
    scene.export(&session).await.ok();
    let logins = scene.rds.logins();
    assert!(
        logins
            .iter()
            .all(|login| login.parameters["user"] == "a&b %+ü")
    );
    assert!(
        logins
            .iter()
            .all(|login| login.token.contains("X-Amz-Security-Token"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_rds_does_not_say_the_hint_does() {
    let scene = Scene::with("exporter", "us-west-2", |_| {}).await;
    let ran = scene.export(&[("AWS_REGION", REGION)]).await;
    ran.failed(1, "PAM authentication failed for user");
    assert_eq!(scene.refusals(), ["region is us-west-2, not eu-central-1"]);
    scene.assert_nothing_stored();

    let scene = Scene::new().await;
    let ran = scene.export(&[("AWS_SECRET_ACCESS_KEY", "another")]).await;
    let all = format!("{ran:?}");
    ran.failed(1, "PAM authentication failed for user");
    for part in [
        "GRANT rds_iam TO exporter",
        "IAM authentication",
        &format!("{HOST} its own endpoint in {REGION}"),
        &format!("rds-db:connect on arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:*/exporter"),
    ] {
        assert!(all.contains(part), "no '{part}' in {all}");
    }
    assert!(scene.refusals()[0].starts_with("signature is "));
    scene.assert_nothing_stored();

    let role = |rules: &mut Rules| rules.without_role = Some("exporter");
    let scene = Scene::with("exporter", REGION, role).await;
    let ran = scene.export(&[]).await;
    assert!(format!("{ran:?}").contains("GRANT rds_iam TO exporter"));
    ran.failed(1, "password authentication failed");
    scene.assert_nothing_stored();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_token_travels_only_to_a_server_that_proved_its_name() {
    for (url, says) in [
        (format!("{HOST}:1/d?sslmode=prefer"), "whoever answers"),
        (format!("{HOST}:1/d?sslmode=allow"), "whoever answers"),
        (format!("{HOST}:1/d?sslmode=disable"), "whoever answers"),
        (format!("{HOST}:1/d?sslmode=require"), "whoever answers"),
        (format!("{HOST}:1/d?sslmode=verify-ca"), "whoever answers"),
        ("localhost:1/d".to_owned(), "whoever answers"),
        ("127.0.0.1:1/d?sslmode=require".to_owned(), "name"),
        ("%2Frun/d".to_owned(), "name"),
    ] {
        let scene = Scene::new().await;
        let config = scene.lifeboat.folder().join("lifeboat.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let (before, rest) = text.split_once("url = \"postgresql://exporter@").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        let text = format!("{before}url = \"postgresql://exporter@{url}\"{after}");
        std::fs::write(&config, text).unwrap();
        scene.export(&[]).await.failed(2, says);
        scene.assert_nothing_stored();
    }
    // The endpoint's certificate must prove its name before anything is sent.
    let scene = Scene::with("exporter", REGION, |_| {}).await;
    let config = scene.lifeboat.folder().join("lifeboat.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(HOST, "other.example.com")).unwrap();
    scene.export(&[]).await.failed(1, "not for this host");
    assert!(scene.rds.logins().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn without_credentials_nothing_is_tried() {
    let scene = Scene::new().await;
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let ran = scene.export(&none).await;
    assert!(format!("{ran:?}").contains("source account"), "{ran:?}");
    ran.failed(1, "redentials");
    assert!(scene.rds.logins().is_empty());
}
