//! Who is told, of what, and of what not.

use std::time::Duration;

use lifeboat::testing::RetryPolicy;
use lifeboat::testing::notify::{self, DeliveryOptions, Format, Message, Outcome};
use serde_json::json;

use super::*;
use crate::support::certificates::Authority;
use crate::support::cloud::{REGION, control};
use crate::support::listener::{Listener, SECRET};
use crate::support::tls;

/// A repository with a source, and `[notify]`.
struct Scene {
    lifeboat: Lifeboat,
    cluster: Cluster,
    /// Where metrics go, by whom.
    account: cloud::Account,
    key: cloud::Key,
}

impl Scene {
    /// What is told, and where.
    fn new(lines: &str, listeners: &[(&str, &Listener)]) -> Self {
        let (lifeboat, cluster) = (Lifeboat::init(), cluster());
        lifeboat.source("prod", &cluster);
        let account = cloud::account();
        let mut notify = format!("[notify]\n{lines}\n");
        for (name, listener) in listeners {
            let file = format!("{name}.url");
            fs::write(
                lifeboat.folder().join(&file),
                format!("{}\n", listener.url()),
            )
            .unwrap();
            notify += &format!("{name}_file = \"{file}\"\n");
        }
        lifeboat.configure(&notify);
        Self {
            lifeboat,
            cluster,
            key: account.user("nightly", &[puts_metrics()]),
            account,
        }
    }

    /// No URL of a listener, and no password, is in any output.
    fn nightly(&self) -> Ran {
        let mut command = self.lifeboat.command(["nightly", "--json"]);
        let ran = Ran::of(&command.envs(self.key.env(REGION)).output().unwrap());
        let all = format!("{ran:?}");
        assert!(!all.contains(SECRET) && !all.contains(PASSWORD), "{all}");
        assert!(
            !all.contains("_aws"),
            "no metric is a line of the log: {all}"
        );
        ran
    }

    /// All that CloudWatch was told so far.
    fn metrics(&self) -> Vec<f64> {
        let told = cloud::metrics(&self.account).into_iter();
        let value = |(namespace, name, value): (String, String, f64)| {
            assert_eq!((&*namespace, &*name), ("lifeboat", "NightlySuccess"));
            value
        };
        told.map(value).collect()
    }

    /// A source that nobody can reach, with a password.
    fn break_it(&self) {
        self.lifeboat.configure(
            "[[source]]\nname = \"gone\"\nurl = \"postgresql://u@127.0.0.1:1/d\"\n\
             password_file = \"prod.password\"",
        );
    }
}

/// As the templates allow it.
fn puts_metrics() -> Value {
    let mut allowed = cloud::allow("cloudwatch:PutMetricData", "*");
    allowed["Condition"] = json!({"StringEquals": {"cloudwatch:namespace": "lifeboat"}});
    allowed
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_webhook_hears_of_trouble_and_a_dead_mans_switch_of_success() {
    let (webhook, ping) = (Listener::answering(&[200]), Listener::answering(&[204]));
    let scene = Scene::new("metrics = true", &[("webhook", &webhook), ("ping", &ping)]);
    let ran = scene.nightly();
    ended(&ran, 0, &NIGHT);
    assert_eq!(scene.metrics(), [1.0]);
    assert_eq!(webhook.asked(), []);
    assert_eq!(ping.asked().len(), 1);
    assert_eq!(ping.asked()[0].line, format!("GET /{SECRET}"));

    scene.break_it();
    let ran = scene.nightly();
    assert_eq!(ran.code, Some(1));
    assert_eq!(scene.metrics(), [1.0, 0.0]);
    assert_eq!(ping.asked().len(), 1, "silence is the alarm");
    let asked = webhook.asked();
    assert_eq!(
        (asked.len(), asked[0].line.clone()),
        (1, format!("POST /{SECRET}"))
    );
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let text = body["text"].as_str().unwrap();
    assert!(
        text.starts_with("lifeboat nightly: FAILED\n*export gone*: FAILED\n"),
        "{text}"
    );
    assert!(text.contains("\n> FAILED gone"), "{text}");
    assert!(
        !text.contains("verify"),
        "what went well is not told: {text}"
    );
    assert!(!text.contains(PASSWORD), "{text}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn always_is_at_success_too() {
    let webhook = Listener::answering(&[200]);
    let scene = Scene::new("webhook_on = \"always\"", &[("webhook", &webhook)]);
    ended(&scene.nightly(), 0, &NIGHT);
    let body: Value = serde_json::from_str(&webhook.asked()[0].body).unwrap();
    assert_eq!(body["text"], "lifeboat nightly: done");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn each_service_is_told_in_its_own_form() {
    let webhook = Listener::answering(&[202]);
    let scene = Scene::new("webhook_format = \"teams\"", &[("webhook", &webhook)]);
    scene.cluster.sql("CREATE DATABASE \"*bold*\"");
    ended(&scene.nightly(), 3, &[("export prod", 3), NIGHT[1]]);
    let body: Value = serde_json::from_str(&webhook.asked()[0].body).unwrap();
    let card = &body["attachments"][0]["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    assert!(card["body"].to_string().contains("*bold*"), "{card}");

    let webhook = Listener::answering(&[202]);
    let scene = Scene::new("webhook_format = \"pagerduty\"", &[("webhook", &webhook)]);
    let file = scene.lifeboat.folder().join("webhook.url");
    fs::write(&file, format!("{} R0KEY\n", webhook.url())).unwrap();
    ended(&scene.nightly(), 0, &NIGHT);
    scene.break_it();
    assert_eq!(scene.nightly().code, Some(1));
    let asked = webhook.asked().into_iter();
    let events: Vec<Value> = asked
        .map(|asked| serde_json::from_str(&asked.body).unwrap())
        .collect();
    let actions: Vec<&Value> = events.iter().map(|event| &event["event_action"]).collect();
    assert_eq!(actions, ["resolve", "trigger"]);
    assert_eq!(events[0]["dedup_key"], events[1]["dedup_key"]);
    assert_eq!(events[1]["routing_key"], "R0KEY");
    assert_eq!(events[1]["payload"]["severity"], "critical");
    let summary = events[1]["payload"]["summary"].as_str().unwrap();
    assert_eq!(summary, "lifeboat nightly: FAILED: export gone");

    fs::write(&file, "").unwrap();
    let ran = scene.nightly();
    assert!(ran.stdout.contains("holds no integration key"), "{ran:?}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn findings_are_no_success() {
    let (webhook, ping) = (Listener::answering(&[200]), Listener::answering(&[200]));
    let scene = Scene::new("metrics = true", &[("webhook", &webhook), ("ping", &ping)]);
    // A name that Slack would take for a command.
    scene.cluster.sql("CREATE DATABASE \"<!channel>\"");
    let ran = scene.nightly();
    ended(&ran, 3, &[("export prod", 3), NIGHT[1]]);
    assert_eq!(scene.metrics(), [0.0]);
    assert_eq!((webhook.asked().len(), ping.asked().len()), (1, 0));
    let body = &webhook.asked()[0].body;
    assert!(
        body.contains("&lt;!channel&gt;") && !body.contains("<!"),
        "{body}"
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn who_is_busy_is_told_again_and_who_cannot_be_told_is_a_finding() {
    let busy = Listener::answering(&[500, 503, 200]);
    let scene = Scene::new("", &[("ping", &busy)]);
    ended(&scene.nightly(), 0, &NIGHT);
    assert_eq!(busy.asked().len(), 3);

    for (statuses, times, says) in [
        (&[500][..], 4, "HTTP 500"),
        (&[404], 1, "HTTP 404"),
        (&[302], 1, "HTTP 302"),
    ] {
        let listener = Listener::answering(statuses);
        let scene = Scene::new("metrics = true", &[("ping", &listener)]);
        let ran = scene.nightly();
        ended(&ran, 3, &NIGHT);
        let told = ran.json()["result"]["notifications"].clone();
        assert_eq!(told.as_array().unwrap().len(), 1);
        assert!(told[0].as_str().unwrap().contains(says), "{told}");
        assert_eq!(listener.asked().len(), times, "{says}");
        assert_eq!(scene.metrics(), [0.0]);
    }
    let scene = Scene::new("ping_file = \"absent\"", &[]);
    let ran = scene.nightly();
    ended(&ran, 3, &NIGHT);
    for text in ["", "not a url", "ftp://example.com", "http://", "http:// /"] {
        fs::write(scene.lifeboat.folder().join("absent"), text).unwrap();
        let ran = scene.nightly();
        ended(&ran, 3, &NIGHT);
        assert!(ran.stdout.contains("URL is none"), "{text}: {ran:?}");
    }
}

/// A metric that cannot be put is a finding: its silence is an alarm, but not at once.
#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_metric_is_put_again_while_cloudwatch_is_busy_and_one_that_is_not_put_is_a_finding() {
    let mut scene = Scene::new("metrics = true", &[]);
    let fault = |more: Value| {
        let mut fault = json!({
            "kind": "error", "operation": "cloudwatch:PutMetricData", "account": scene.account.id,
        });
        let fault_fields = fault.as_object_mut().unwrap();
        fault_fields.extend(more.as_object().unwrap().clone());
        control("POST", "faults", &fault)
    };
    fault(json!({"code": "InternalError", "times": 2}));
    ended(&scene.nightly(), 0, &NIGHT);
    assert_eq!(scene.metrics(), [1.0]);

    fault(json!({"code": "AccessDenied", "times": 1}));
    let untold = |ran: &Ran| {
        ended(ran, 3, &NIGHT);
        let untold = ran.json()["result"]["notifications"].clone();
        assert_eq!(untold.as_array().unwrap().len(), 1, "{untold}");
        untold[0].as_str().unwrap().to_owned()
    };
    assert!(untold(&scene.nightly()).starts_with("the metric could not be sent: cannot put"));
    scene.key = scene.account.user("nobody", &[]);
    assert!(untold(&scene.nightly()).contains("AccessDenied"));
    scene.key.secret_access_key = "another".to_owned();
    assert!(untold(&scene.nightly()).contains("SignatureDoesNotMatch"));
    assert_eq!(scene.metrics(), [1.0]);

    // Whatever answers in CloudWatch's place.
    let portal = Listener::answering(&[200]);
    let at = format!("http://127.0.0.1:{}", portal.port);
    let mut command = scene.lifeboat.command(["nightly", "--json"]);
    command
        .envs(scene.key.env(REGION))
        .env("AWS_ENDPOINT_URL", at);
    let ran = Ran::of(&command.output().unwrap());
    assert!(untold(&ran).contains("not CloudWatch's"), "{ran:?}");
    assert_eq!(portal.asked().len(), 1);
    cloud::nothing_unknown(&[&scene.account]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_metric_goes_to_the_configured_account_and_where_none_is_needs_a_region() {
    let mut scene = Scene::new("metrics = true", &[]);
    let mut command = scene.lifeboat.command(["nightly", "--json"]);
    command
        .envs(scene.key.env(REGION))
        .env_remove("AWS_REGION")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let ran = Ran::of(&command.output().unwrap());
    ended(&ran, 3, &NIGHT);
    assert!(ran.stdout.contains("in which region?"), "{ran:?}");

    let role = scene.account.role(
        "nights",
        &cloud::trusts(&[&scene.account.root_arn()]),
        &[puts_metrics()],
    );
    let entry = format!(
        "[source_account]\nid = \"{}\"\nregion = \"us-east-1\"\nrole_arn = \"{role}\"",
        scene.account.id
    );
    scene.lifeboat.configure(&entry);
    scene.key = scene
        .account
        .user("runner", &[cloud::allow("sts:AssumeRole", role.as_str())]);
    ended(&scene.nightly(), 0, &NIGHT);
    let told = control(
        "GET",
        &format!("metrics?account={}", scene.account.id),
        &json!({}),
    );
    assert_eq!(told[0]["region"], "us-east-1");
    assert!(
        told[0]["principal"]
            .as_str()
            .unwrap()
            .contains(":assumed-role/nights/"),
        "{told}"
    );
    cloud::nothing_unknown(&[&scene.account]);
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for_without_end() {
    let silent = Listener::answering(&[0]);
    let options = DeliveryOptions {
        attempt_timeout: Duration::from_millis(200),
        retry: RetryPolicy {
            attempts: 4,
            first_pause: Duration::from_millis(1),
        },
    };
    let message = Message {
        title: "a night".to_owned(),
        parts: Vec::new(),
        outcome: Outcome::Failed,
        about: "nights".to_owned(),
    };
    let told = notify::webhook(&silent.url(), Format::Slack, &message, options).await;
    let error = told.unwrap_err().chain();
    assert!(
        error.contains("too long") && !error.contains(SECRET),
        "{error}"
    );
    assert_eq!(silent.asked().len(), 4);
    let nobody = format!("http://127.0.0.1:1/{SECRET}");
    let error = notify::ping(&nobody, options).await.unwrap_err().chain();
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn a_password_in_the_configuration_is_refused_and_repeated_nowhere() {
    let webhook = Listener::answering(&[200]);
    let scene = Scene::new("webhook_on = \"always\"", &[("webhook", &webhook)]);
    let config = scene.lifeboat.folder().join("lifeboat.toml");
    let text = fs::read_to_string(&config).unwrap();
    let with = format!("postgresql://postgres:{PASSWORD}@");
    fs::write(&config, text.replace("postgresql://postgres@", &with)).unwrap();
    scene.nightly().failed(2, "holds a password");
    assert_eq!(webhook.asked(), []);
    assert!(scene.cluster.port > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_webhook_over_tls_hears_where_the_system_trusts_its_authority() {
    let (webhook, authority) = (Listener::answering(&[200]), Authority::new("house"));
    let scene = Scene::new("webhook_on = \"always\"", &[("webhook", &webhook)]);
    let server = format!("127.0.0.1:{}", webhook.port);
    let url = format!("{}/{SECRET}", tls::before(&server, &authority).await);
    fs::write(scene.lifeboat.folder().join("webhook.url"), url).unwrap();
    let certificate = authority.save(scene.lifeboat.folder());
    let nightly = || scene.lifeboat.command(["nightly", "--json"]);
    let ran = Ran::of(
        &nightly()
            .env("SSL_CERT_FILE", certificate)
            .output()
            .unwrap(),
    );
    assert_eq!(webhook.asked().len(), 1, "{ran:?}");
    let ran = Ran::of(&nightly().output().unwrap());
    assert_eq!((ran.code, webhook.asked().len()), (Some(3), 1), "{ran:?}");
}
