//! The tests' own AWS (`tests/cloud`): accounts apart, policies enforced. One server for the test
//! binary, started by the first test that asks; each test takes accounts of its own.
//!
//! ```ignore
//! let (source, backup) = (cloud::account(), cloud::account());
//! let exporter = source.user("exporter", &[allow("sts:AssumeRole", &role)]);
//! program.envs(exporter.env("eu-west-1"));
//! cloud::nothing_unknown(&[&source, &backup]);
//! ```
#![allow(dead_code)]

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectLockConfiguration, ObjectLockEnabled, VersioningConfiguration,
};
use serde_json::{Value, json};

pub const REGION: &str = "eu-west-1";

/// An access key of a user, of the root, or of a session.
#[derive(Debug, Clone)]
pub struct Key {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

/// An account that nobody else uses, with its root's key.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: String,
    pub root: Key,
}

thread_local! {
    static OWN: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// `http://127.0.0.1:PORT`; starts the server where none runs yet.
pub fn endpoint() -> &'static str {
    static SERVER: OnceLock<&str> = OnceLock::new();
    OWN.get().unwrap_or_else(|| {
        SERVER.get_or_init(|| {
            let (server, endpoint) = start();
            // It ends with this process, which has no moment to end it.
            std::mem::forget(server);
            endpoint
        })
    })
}

/// A server that only this test, on its own thread, asks: for what strikes every caller, such as
/// clocks, settings, and the end of all sessions. It ends with this value.
pub struct Own(Child);

pub fn own() -> Own {
    let (server, endpoint) = start();
    OWN.set(Some(endpoint));
    Own(server)
}

impl Drop for Own {
    fn drop(&mut self) {
        OWN.set(None);
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start() -> (Child, &'static str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud/serve.sh");
    let mut server = Command::new("bash")
        .arg(script)
        .arg("--with-parent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut port).unwrap();
    let port: u16 = port
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("tests/cloud/serve.sh did not start: {port:?}"));
    // Closed, it could not write any more.
    std::mem::forget(stdout);
    (server, format!("http://127.0.0.1:{port}").leak())
}

/// A call to the server's control; see tests/cloud/README.md.
pub fn control(method: &str, path: &str, body: &Value) -> Value {
    let host = endpoint().strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{method} /__control/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, answer) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{method} {path}: {reply}");
    serde_json::from_str(answer).unwrap()
}

/// A new account, its number drawn at random.
pub fn account() -> Account {
    let random = getrandom::u64().unwrap() % 900_000_000_000;
    let id = (100_000_000_000 + random).to_string();
    let made = control("POST", "setup", &json!({"accounts": [{"id": id}]}));
    Account {
        root: key(&made["accounts"][&id]["root"]),
        id,
    }
}

/// What a task of ECS in this account gets for a role that trusts it.
pub fn task(account: &Account, role: &str) -> Key {
    let cluster = format!("arn:aws:ecs:{REGION}:{}:task/lifeboat/1", account.id);
    let asked = json!({
        "role": account.role_arn(role), "service": "ecs-tasks.amazonaws.com",
        "source_account": account.id, "source_arn": cluster,
    });
    key(&control("POST", "session", &asked))
}

/// Fails where one of these accounts, or a caller whom nobody knows, asked for what the tests' AWS
/// cannot judge: what passed there proves nothing.
#[track_caller]
pub fn nothing_unknown(accounts: &[&Account]) {
    let all = control("GET", "unknown", &json!({}));
    let ours = |one: &&Value| {
        let account = one["account"].as_str().unwrap_or_default();
        account.is_empty() || accounts.iter().any(|ours| ours.id == account)
    };
    let unknown: Vec<&Value> = all.as_array().unwrap().iter().filter(ours).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// The operations that an account's callers asked for so far, such as `kms:Decrypt`, oldest first.
pub fn calls(account: &Account) -> Vec<String> {
    let all = control("GET", "calls", &json!({}));
    let ours = |one: &&Value| one["account"] == *account.id;
    let all = all.as_array().unwrap().iter().filter(ours);
    all.map(|one| one["operation"].as_str().unwrap().to_owned())
        .collect()
}

/// Namespace, name and value of the metrics that were put into an account, oldest first.
pub fn metrics(account: &Account) -> Vec<(String, String, f64)> {
    let all = control(
        "GET",
        &format!("metrics?account={}", account.id),
        &json!({}),
    );
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let all = all.as_array().unwrap().iter();
    all.map(|one| {
        let value = one["value"].as_f64().unwrap();
        (text(one, "namespace"), text(one, "name"), value)
    })
    .collect()
}

fn key(json: &Value) -> Key {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    Key {
        access_key_id: text("access_key_id").unwrap(),
        secret_access_key: text("secret_access_key").unwrap(),
        session_token: text("session_token"),
    }
}

// ---- policies -----------------------------------------------------------------------------------

/// `action` and `resource`: a text or an array of texts.
pub fn allow(action: impl Into<Value>, resource: impl Into<Value>) -> Value {
    json!({"Effect": "Allow", "Action": action.into(), "Resource": resource.into()})
}

pub fn deny(action: impl Into<Value>, resource: impl Into<Value>) -> Value {
    json!({"Effect": "Deny", "Action": action.into(), "Resource": resource.into()})
}

pub fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A role's trust in principals: ARNs of users, roles or accounts' roots.
pub fn trusts(principals: &[&str]) -> Value {
    document(&[json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": principals},
    })])
}

/// The same with an external id.
pub fn trusts_with(principals: &[&str], external_id: &str) -> Value {
    let mut trust = trusts(principals);
    trust["Statement"][0]["Condition"] = json!({"StringEquals": {"sts:ExternalId": external_id}});
    trust
}

// ---- accounts -----------------------------------------------------------------------------------

impl Account {
    /// `arn:aws:iam::ID:root`
    pub fn root_arn(&self) -> String {
        format!("arn:aws:iam::{}:root", self.id)
    }

    pub fn user_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:user/{name}", self.id)
    }

    pub fn role_arn(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}", self.id)
    }

    /// A new user with these statements as its policy.
    pub fn user(&self, name: &str, statements: &[Value]) -> Key {
        let user = json!({"name": name, "policies": policies(statements)});
        let made = self.setup(&json!({"id": self.id, "users": [user]}));
        key(&made["users"][name])
    }

    /// A new role; its ARN.
    pub fn role(&self, name: &str, trust: &Value, statements: &[Value]) -> String {
        let role = json!({"name": name, "trust": trust, "policies": policies(statements)});
        let made = self.setup(&json!({"id": self.id, "roles": [role]}));
        made["roles"][name]["arn"].as_str().unwrap().to_owned()
    }

    fn setup(&self, account: &Value) -> Value {
        let made = control("POST", "setup", &json!({"accounts": [account]}));
        made["accounts"][&self.id].clone()
    }

    /// Applies a template of `deploy/` as the root; the stack's outputs.
    pub fn stack(&self, name: &str, file: &str, parameters: &Value) -> Value {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let stack = json!({
            "account": self.id, "region": REGION, "stack": name,
            "file": file.to_str().unwrap(), "parameters": parameters,
            // tests/cloud itself reads every property back.
            "read_back": false,
        });
        control("POST", "stacks", &stack)["outputs"].clone()
    }

    /// Clients with the root's rights.
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.root.sdk(REGION))
    }

    pub fn rds(&self) -> aws_sdk_rds::Client {
        aws_sdk_rds::Client::new(&self.root.sdk(REGION))
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        self.root.s3(REGION)
    }

    /// A bucket with versioning and Object Lock; its name.
    pub async fn bucket(&self) -> String {
        let name = super::unique("lifeboat").replace('_', "-");
        let s3 = self.s3();
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
            .location_constraint(REGION.into())
            .build();
        s3.create_bucket()
            .bucket(&name)
            .create_bucket_configuration(place)
            .object_lock_enabled_for_bucket(true)
            .send()
            .await
            .unwrap();
        let versioned = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        s3.put_bucket_versioning()
            .bucket(&name)
            .versioning_configuration(versioned)
            .send()
            .await
            .unwrap();
        let locked = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .build();
        s3.put_object_lock_configuration()
            .bucket(&name)
            .object_lock_configuration(locked)
            .send()
            .await
            .unwrap();
        name
    }

    /// Lets others in by the bucket's policy.
    pub async fn bucket_policy(&self, bucket: &str, statements: &[Value]) {
        self.s3()
            .put_bucket_policy()
            .bucket(bucket)
            .policy(document(statements).to_string())
            .send()
            .await
            .unwrap();
    }

    /// A symmetric key whose account's policies decide; its ARN.
    pub async fn wrapping_key(&self) -> String {
        let made = self.kms().create_key().send().await.unwrap();
        made.key_metadata.unwrap().arn.unwrap()
    }

    /// A key that signs, ECC_NIST_P256; its ARN.
    pub async fn signing_key(&self) -> String {
        let key = self
            .kms()
            .create_key()
            .key_spec(aws_sdk_kms::types::KeySpec::EccNistP256)
            .key_usage(aws_sdk_kms::types::KeyUsageType::SignVerify);
        let made = key.send().await.unwrap();
        made.key_metadata.unwrap().arn.unwrap()
    }
}

fn policies(statements: &[Value]) -> Value {
    if statements.is_empty() {
        return json!({});
    }
    json!({"inline": document(statements)})
}

impl Key {
    /// For a program: this key, the server, and nothing of this machine's own settings.
    pub fn env(&self, region: &str) -> Vec<(String, String)> {
        let mut env = machine(region);
        env.push(("AWS_ACCESS_KEY_ID".into(), self.access_key_id.clone()));
        env.push((
            "AWS_SECRET_ACCESS_KEY".into(),
            self.secret_access_key.clone(),
        ));
        if let Some(token) = &self.session_token {
            env.push(("AWS_SESSION_TOKEN".into(), token.clone()));
        }
        env
    }

    pub fn sdk(&self, region: &str) -> SdkConfig {
        let credentials = Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            self.session_token.clone(),
            None,
            "tests",
        );
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(endpoint())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    pub fn s3(&self, region: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk(region)).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// For a program that has several keys, as profiles: writes the file of credentials into `folder`.
pub fn profiles(folder: &Path, region: &str, keys: &[(&str, &Key)]) -> Vec<(String, String)> {
    let mut text = String::new();
    for (name, key) in keys {
        text += &format!(
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            key.access_key_id, key.secret_access_key
        );
        if let Some(token) = &key.session_token {
            text += &format!("aws_session_token = {token}\n");
        }
    }
    let file = folder.join("aws-credentials");
    std::fs::write(&file, text).unwrap();
    let mut env = machine(region);
    env.push((
        "AWS_SHARED_CREDENTIALS_FILE".into(),
        file.to_str().unwrap().to_owned(),
    ));
    env
}

fn machine(region: &str) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint()),
        ("AWS_REGION", region),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
