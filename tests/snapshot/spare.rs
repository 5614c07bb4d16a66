//! `drill --snapshot` as lifeboat-prove: a copy answers, is isolated, and stays as the warm spare;
//! nobody else's instance is touched. Behind the endpoint of the tests' AWS is a real PostgreSQL that
//! takes the password that was set last.

mod compared;
mod egress;
mod taken_over;

use std::process::{Child, Stdio};

use aws_sdk_rds::types::{DbInstance, Tag};
use lifeboat::testing::model::Kind;
use serde_json::{Value, json};

use super::BOTH;
use super::world::{World, assume_task};
use crate::support::certificates::Authority;
use crate::support::cloud::{self, Key, REGION};
use crate::support::cluster::{Cluster, ClusterOptions};
use crate::support::program::Ran;
use crate::support::rds::Rds;
use crate::support::{Major, variable};

const HOST: &str = "localhost";
const TRUST: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
const HOLDS: &str =
    "[[drill.assert]]\nname = 'users'\nsql = 'SELECT count(*) FROM users'\nequals = 3\n";
const FAILS: &str =
    "[[drill.assert]]\nname = 'users'\nsql = 'SELECT count(*) FROM users'\nequals = 4\n";
const STUCK: &str =
    "[[drill.assert]]\nname = 'stuck'\nsql = 'SELECT pg_sleep(1000)'\nequals = ''\n";

/// A copy in the backup account, and what its instances answer.
struct Scene {
    world: World,
    prove: Key,
    server: Cluster,
    rds: Rds,
    security_group: String,
}

fn inert() -> Vec<(&'static str, &'static str)> {
    vec![("max_logical_replication_workers", "0")]
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        Self::with(kind, &inert()).await
    }

    /// With settings of the server.
    async fn with(kind: Kind, settings: &[(&str, &str)]) -> Self {
        let server = Cluster::start(
            &variable("LIFEBOAT_TEST_PG15_BIN"),
            &ClusterOptions {
                settings,
                hba: Some(TRUST),
                ..ClusterOptions::default()
            },
        );
        server.sql("CREATE DATABASE courses");
        let users = "CREATE TABLE users AS SELECT generate_series(1, 3) AS id";
        server.sql_in("courses", users);
        let world = World::empty(kind).await;
        world.create_tuned().await;
        let copied = world.copy().await;
        assert_eq!(copied.findings.len(), 0, "{copied:#?}");
        let prove = assume_task(&world.backup, "lifeboat-prove");
        let (authority, account) = (Authority::new("RDS"), world.backup.id.clone());
        authority.save(world.folder.path());
        let is_right = move |password: &str| {
            let asked = || {
                let path = format!("passwords?account={account}&region={REGION}");
                cloud::control("GET", &path, &json!({}))
            };
            let told = tokio::task::block_in_place(asked);
            let drills = ["instances", "clusters"].into_iter().flat_map(|kind| {
                let all = told[kind].as_object().unwrap().iter();
                all.filter(|(name, _)| name.starts_with("lifeboat-drill-"))
            });
            drills.into_iter().any(|(_, one)| one == password)
        };
        let address = format!("127.0.0.1:{}", server.port);
        let rds = Rds::with_passwords(address, &authority, (HOST, "postgres"), is_right).await;
        let endpoint = json!({"endpoint": {"address": HOST, "port": rds.port}, "polls": 1});
        world.settings(&world.backup, endpoint);
        let security_group = place(&world);
        let scene = Self {
            world,
            prove,
            server,
            rds,
            security_group,
        };
        scene.configure(HOLDS);
        scene
    }

    /// The configuration of the backup account's task.
    fn configure(&self, more: &str) {
        let world = &self.world;
        let text = format!(
            r#"[repository]
url = "s3://{bucket}/prod"
endpoint = "{endpoint}"
trust = ["{trust}"]

[backup_account]
id = "{backup}"
region = "{REGION}"

[snapshot]
poll = "1ms"

[drill]
subnet_group = "lifeboat-drill"
security_group = "{security_group}"

[[source]]
name = "prod"
host = "prod.example.com"
{kind} = "{identifier}"
databases = ["courses"]

{more}
"#,
            bucket = world.bucket,
            endpoint = cloud::endpoint(),
            trust = world.signer.fingerprint(),
            backup = world.backup.id,
            security_group = self.security_group,
            kind = world.kind,
            identifier = world.identifier,
        );
        std::fs::write(world.folder.path().join("lifeboat.toml"), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.world.command(&self.prove, args);
        command.env("SSL_CERT_FILE", self.world.folder.path().join("RDS.pem"));
        command
    }

    async fn run(&self, args: &[&str]) -> Ran {
        // Names tell the second.
        self.world.settle_a_second().await;
        let mut command = self.command(args);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
        let ran = Ran::of(&ran.await.unwrap());
        for login in self.rds.logins() {
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!all.contains(&login.token), "a password is shown: {all}");
        }
        ran
    }

    async fn drill(&self) -> Ran {
        self.run(&["drill", "--snapshot", "--source", "prod", "--json"])
            .await
    }

    /// Names of instances and clusters of the backup account.
    async fn standing(&self) -> Vec<String> {
        let rds = self.world.backup.rds();
        let instances = rds.describe_db_instances().send().await.unwrap();
        let instances = instances.db_instances.unwrap_or_default().into_iter();
        let clusters = rds.describe_db_clusters().send().await.unwrap();
        let clusters = clusters.db_clusters.unwrap_or_default().into_iter();
        let mut names: Vec<String> = instances
            .map(|one| one.db_instance_identifier.unwrap())
            .chain(clusters.map(|one| one.db_cluster_identifier.unwrap()))
            .collect();
        names.sort();
        names
    }

    /// Names of parameter groups that are not RDS's own.
    async fn groups(&self) -> Vec<String> {
        let rds = self.world.backup.rds();
        let told = rds.describe_db_parameter_groups().send().await.unwrap();
        let instances = told.db_parameter_groups.unwrap_or_default().into_iter();
        let told = rds.describe_db_cluster_parameter_groups().send().await;
        let clusters = told.unwrap().db_cluster_parameter_groups;
        let clusters = clusters.unwrap_or_default().into_iter();
        let mut names: Vec<String> = instances
            .map(|one| one.db_parameter_group_name.unwrap())
            .chain(clusters.map(|one| one.db_cluster_parameter_group_name.unwrap()))
            .filter(|name| !name.starts_with("default."))
            .collect();
        names.sort();
        names
    }

    async fn is_verified(&self) -> bool {
        let copies = self.world.copies().await;
        assert_eq!(copies.len(), 1);
        copies[0].tags.contains_key("lifeboat:verified")
    }

    /// What a spare of this name consists of.
    fn parts(&self, name: &str) -> Vec<String> {
        match self.world.kind {
            Kind::Instance => vec![name.to_owned()],
            Kind::Cluster => vec![name.to_owned(), format!("{name}-1")],
        }
    }

    /// What its parameter groups are called.
    fn groups_of(&self, name: &str) -> Vec<String> {
        match self.world.kind {
            Kind::Instance => vec![name.to_owned()],
            Kind::Cluster => vec![name.to_owned(); 2],
        }
    }

    /// No call was denied: the role's rights suffice.
    fn nothing_was_denied(&self) {
        let denied = self.world.calls().into_iter();
        let denied: Vec<_> = denied
            .filter(|call| ["AccessDenied", "UnauthorizedOperation"].contains(&call.code.as_str()))
            .collect();
        assert!(denied.is_empty(), "{denied:#?}");
        self.world.nothing_unknown();
    }

    /// Somebody's instance in the backup account.
    async fn foreign(&self, name: &str, tags: &[(&str, &str)]) {
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(*key).value(*value).build());
        let call = self.world.backup.rds().create_db_instance();
        let call = call
            .db_instance_identifier(name)
            .db_instance_class("db.t4g.micro")
            .engine("postgres")
            .engine_version("16.3")
            .master_username("postgres")
            .master_user_password("password")
            .allocated_storage(20)
            .set_tags(Some(tags.collect()));
        call.send().await.unwrap();
    }

    /// As a person would.
    async fn start(&self, name: &str) {
        let rds = self.world.backup.rds();
        match self.world.kind {
            Kind::Instance => {
                let start = rds.start_db_instance().db_instance_identifier(name);
                start.send().await.map(drop).unwrap();
            }
            Kind::Cluster => {
                let start = rds.start_db_cluster().db_cluster_identifier(name);
                start.send().await.map(drop).unwrap();
            }
        }
        self.until(name, "available").await;
    }

    async fn stop(&self, name: &str) {
        let rds = self.world.backup.rds();
        match self.world.kind {
            Kind::Instance => {
                let stop = rds.stop_db_instance().db_instance_identifier(name);
                stop.send().await.map(drop).unwrap();
            }
            Kind::Cluster => {
                let stop = rds.stop_db_cluster().db_cluster_identifier(name);
                stop.send().await.map(drop).unwrap();
            }
        }
        self.until(name, "stopped").await;
    }

    /// Each look brings it nearer.
    async fn until(&self, name: &str, wanted: &str) {
        let rds = self.world.backup.rds();
        for _ in 0..10 {
            let status = match self.world.kind {
                Kind::Instance => {
                    let look = rds.describe_db_instances().db_instance_identifier(name);
                    let told = look.send().await.unwrap();
                    told.db_instances()[0]
                        .db_instance_status()
                        .unwrap()
                        .to_owned()
                }
                Kind::Cluster => {
                    let look = rds.describe_db_clusters().db_cluster_identifier(name);
                    let told = look.send().await.unwrap();
                    told.db_clusters()[0].status().unwrap().to_owned()
                }
            };
            if status == wanted {
                return;
            }
        }
        panic!("{name} is never {wanted}");
    }

    /// A drill that is at its assertions, and stays there.
    async fn stuck(&self) -> Child {
        self.configure(STUCK);
        self.world.settle_a_second().await;
        let child = self
            .command(&["drill", "--snapshot", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let asks = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
        while self.server.sql(asks) != "1" {
            tokio::task::yield_now().await;
        }
        child
    }
}

/// The stack's place for drills; its security group.
fn place(world: &World) -> String {
    let path = format!("network?account={}&region={REGION}", world.backup.id);
    let network = cloud::control("GET", &path, &json!({}));
    let image = format!(
        "{}.dkr.ecr.{REGION}.amazonaws.com/lifeboat@sha256:{}",
        world.backup.id,
        "a".repeat(64)
    );
    let parameters = json!({
        "Image": image, "VpcId": network["vpc"], "SubnetIds": network["subnets"],
    });
    let tasks = "deploy/aws/backup-tasks.yaml";
    let outputs = world.backup.stack("lifeboat-tasks", tasks, &parameters);
    assert_eq!(outputs["DrillSubnetGroup"], "lifeboat-drill");
    outputs["DrillSecurityGroupId"].as_str().unwrap().to_owned()
}

fn interrupt(child: Child) -> Ran {
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    Ran::of(&child.wait_with_output().unwrap())
}

fn spare_of(ran: &Ran) -> String {
    let document = ran.json();
    document["result"]["spare"].as_str().unwrap().to_owned()
}

fn security_groups(of: &DbInstance) -> Vec<&str> {
    let groups = of.vpc_security_groups.as_ref().unwrap().iter();
    groups
        .map(|one| one.vpc_security_group_id.as_deref().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_sound_copy_stays_as_the_warm_spare_in_the_place_of_yesterdays() {
    for kind in BOTH {
        let scene = Scene::new(kind).await;
        let first = scene.drill().await.ok();
        let yesterday = spare_of(&first);
        assert_eq!(scene.standing().await, scene.parts(&yesterday));
        let ours = [("lifeboat:drill", "true"), ("lifeboat:managed", "true")];
        let of = |source| [ours[0], ours[1], ("lifeboat:source", source)];
        scene
            .foreign("lifeboat-drill-prod-20200101t000000z", &[])
            .await;
        scene
            .foreign("lifeboat-drill-prod-20200101t000001z", &ours[1..])
            .await;
        scene
            .foreign("lifeboat-drill-prod-x-20200101t000000z", &of("prod-x"))
            .await;
        scene
            .foreign("lifeboat-drill-prod-29990101t000000z", &of("prod"))
            .await;
        scene.foreign("prod-again", &of("prod")).await;
        let before = scene.standing().await;

        let second = scene.drill().await.ok();
        let spare = spare_of(&second);
        assert_ne!(spare, yesterday);
        let result = &second.json()["result"];
        assert_eq!(result["removed"], json!([yesterday]), "{result:#}");
        let mut expected = before;
        expected.retain(|name| !scene.parts(&yesterday).contains(name));
        expected.extend(scene.parts(&spare));
        expected.sort();
        assert_eq!(scene.standing().await, expected);
        assert_eq!(scene.groups().await, scene.groups_of(&spare));
        assert!(scene.is_verified().await);
        let asked = &result["assertions"][0];
        assert_eq!(
            (&asked["database"], &asked["value"]),
            (&json!("courses"), &json!("3"))
        );
        assert_eq!(
            (&result["databases"], &result["recorded"]),
            (&json!(["courses"]), &json!(true))
        );
        is_isolated(&scene, &spare).await;
        scene.nothing_was_denied();
    }
}

async fn is_isolated(scene: &Scene, spare: &str) {
    let world = &scene.world;
    let group = [scene.security_group.as_str()];
    let values = match world.kind {
        Kind::Instance => {
            let made = world.instance(spare).await.unwrap();
            assert_eq!(made.db_instance_status.as_deref(), Some("stopped"));
            assert_eq!(made.publicly_accessible, Some(false));
            assert_eq!(made.deletion_protection, Some(false));
            assert_eq!(made.multi_az, Some(false));
            assert_eq!(made.db_instance_class.as_deref(), Some("db.m6g.large"));
            let subnets = made.db_subnet_group.as_ref().unwrap();
            assert_eq!(
                subnets.db_subnet_group_name.as_deref(),
                Some("lifeboat-drill")
            );
            assert_eq!(security_groups(&made), group);
            world.parameters(spare).await
        }
        Kind::Cluster => {
            let made = world.cluster(spare).await;
            assert_eq!(made.status.as_deref(), Some("stopped"));
            assert_eq!(made.db_subnet_group.as_deref(), Some("lifeboat-drill"));
            assert_eq!(made.deletion_protection, Some(false));
            let member = world.instance(&format!("{spare}-1")).await.unwrap();
            assert_eq!(member.publicly_accessible, Some(false));
            world.cluster_parameters(spare).await
        }
    };
    assert_eq!(values["max_logical_replication_workers"], "0");
    assert_eq!(values["work_mem"], "65536");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_copy_that_fails_is_removed_and_yesterdays_spare_stays() {
    for kind in BOTH {
        let scene = Scene::new(kind).await;
        scene.configure(FAILS);
        let ran = scene.drill().await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(scene.standing().await, [""; 0]);
        assert!(!scene.is_verified().await);

        scene.configure(HOLDS);
        let yesterday = spare_of(&scene.drill().await.ok());
        let copies = scene.world.copies().await;
        let verified = copies[0].tags["lifeboat:verified"].clone();
        let missing =
            "[[drill.assert]]\nname = 'x'\nsql = 'SELECT count(*) FROM nowhere'\nequals = 0\n";
        for more in [FAILS, missing] {
            scene.configure(more);
            let ran = scene.drill().await;
            assert_eq!(ran.code, Some(1), "{ran:?}");
            let result = &ran.json()["result"];
            assert_eq!(result["assertions"][0]["ok"], json!(false), "{result:#}");
            assert_eq!(
                (&result["spare"], &result["verified_at"]),
                (&json!(null), &json!(null))
            );
            assert_eq!(scene.standing().await, scene.parts(&yesterday));
            assert_eq!(scene.groups().await, scene.groups_of(&yesterday));
            let copies = scene.world.copies().await;
            assert_eq!(copies[0].tags["lifeboat:verified"], verified);
        }
        scene.nothing_was_denied();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_database_that_is_not_in_the_copy_fails_the_drill() {
    let scene = Scene::new(Kind::Instance).await;
    scene.server.sql("DROP DATABASE courses WITH (FORCE)");
    let ran = scene.drill().await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.json()["result"]["failures"][0]["what"],
        "database courses"
    );
    assert_eq!(scene.standing().await, [""; 0]);
}

/// A library that does nothing, under the name of one that starts jobs.
fn as_pg_cron(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = Major::Pg15.bin();
    let from = bin.parent().unwrap().join("lib/auto_explain.so");
    std::fs::copy(from, folder.join("pg_cron.so")).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_server_that_would_act_by_itself_is_refused_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    as_pg_cron(folder.path());
    let path = format!("{}:$libdir", folder.path().display());
    let cron = [
        ("max_logical_replication_workers", "0"),
        ("dynamic_library_path", path.as_str()),
        ("shared_preload_libraries", "pg_cron"),
    ];
    let workers = [("max_logical_replication_workers", "4")];
    for (settings, says) in [
        (&cron[..], "pg_cron is preloaded"),
        (&workers[..], "max_logical_replication_workers is 4"),
    ] {
        let scene = Scene::with(Kind::Instance, settings).await;
        let ran = scene.drill().await;
        ran.failed(1, says);
        assert_eq!(scene.standing().await, [""; 0]);
        assert_eq!(scene.groups().await, [""; 0]);
        assert!(!scene.is_verified().await);
        scene.nothing_was_denied();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_instance_that_stands_elsewhere_is_refused_and_removed() {
    let scene = Scene::new(Kind::Instance).await;
    let file = scene.world.folder.path().join("lifeboat.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    for (is, says, code) in [
        ("security_group = \"\"", "no id of a security group", 2),
        (
            "security_group = \"default\"",
            "no id of a security group",
            2,
        ),
        (
            "security_group = \"sg-1&Action=x\"",
            "no id of a security group",
            2,
        ),
        ("", "comes without `security_group`", 2),
    ] {
        let line = format!("security_group = \"{}\"", scene.security_group);
        std::fs::write(&file, config.replace(&line, is)).unwrap();
        scene.drill().await.failed(code, says);
    }
    for (size, code, says) in [
        ("medium", 1, "larger than medium"),
        ("huge", 2, "no size of a class"),
    ] {
        let limit = format!("[drill]\nlargest_size = \"{size}\"\n");
        std::fs::write(&file, config.replace("[drill]\n", &limit)).unwrap();
        scene.drill().await.failed(code, says);
    }
    let without = config.replace("[drill]\nsubnet_group = \"lifeboat-drill\"\n", "[drill]\n");
    let without = without.replace(
        &format!("security_group = \"{}\"\n", scene.security_group),
        "",
    );
    std::fs::write(&file, without).unwrap();
    scene.drill().await.failed(2, "no drill.subnet_group");
    // A role that may, a subnet group that is another's.
    std::fs::write(&file, config.replace("\"lifeboat-drill\"", "\"default\"")).unwrap();
    scene.drill().await.failed(1, "");
    assert_eq!(scene.standing().await, [""; 0]);
    assert_eq!(scene.groups().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_interrupted_drill_leaves_nothing() {
    for kind in BOTH {
        let scene = Scene::new(kind).await;
        let yesterday = spare_of(&scene.drill().await.ok());
        let asking = scene.stuck().await;
        assert!(scene.standing().await.len() > scene.parts(&yesterday).len());
        let ran = tokio::task::spawn_blocking(move || interrupt(asking))
            .await
            .unwrap();
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert_eq!(scene.standing().await, scene.parts(&yesterday), "{ran:?}");
        assert_eq!(scene.groups().await, scene.groups_of(&yesterday), "{ran:?}");
        // In the making, which it is for ever.
        scene
            .world
            .settings(&scene.world.backup, json!({"polls": 1_000_000_000}));
        scene.world.settle_a_second().await;
        let mut command = scene.command(&["drill", "--snapshot"]);
        let making = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let making = making.spawn().unwrap();
        while scene.standing().await.len() == scene.parts(&yesterday).len() {
            tokio::task::yield_now().await;
        }
        let ran = tokio::task::spawn_blocking(move || interrupt(making))
            .await
            .unwrap();
        assert_eq!(scene.standing().await, scene.parts(&yesterday), "{ran:?}");
        assert_eq!(scene.groups().await, scene.groups_of(&yesterday), "{ran:?}");
        scene.nothing_was_denied();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn every_change_may_lose_its_reply() {
    for kind in BOTH {
        let scene = Scene::new(kind).await;
        scene.drill().await.ok();
        let before = scene.world.calls().len();
        scene.drill().await.ok();
        let calls = scene.world.calls().split_off(before);
        let looks = ["Describe", "List", "Get", "s3:", "sts:", "kms:"];
        let changing = calls
            .iter()
            .filter(|call| !looks.iter().any(|word| call.operation.contains(word)));
        let mut operations: Vec<&str> = changing.map(|call| call.operation.as_str()).collect();
        operations.sort_unstable();
        operations.dedup();
        assert!(operations.len() >= 8, "{operations:?}");
        for operation in operations {
            let lost = json!({"kind": "reset", "when": "after"});
            let rule = scene
                .world
                .fault(&scene.world.backup.id, operation, 0, lost);
            let ran = scene.drill().await;
            scene.world.end_fault(rule);
            assert_eq!(ran.code, Some(0), "{kind}, {operation}: {ran:?}");
            assert_eq!(
                scene.standing().await,
                scene.parts(&spare_of(&ran)),
                "{operation}"
            );
        }
        scene.world.nothing_unknown();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_is_left_of_a_drill_that_was_killed_goes_with_the_next_sound_one() {
    let scene = Scene::new(Kind::Instance).await;
    let mut killed = scene.stuck().await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(scene.standing().await.len(), 1);
    scene.configure(HOLDS);
    let spare = spare_of(&scene.drill().await.ok());
    assert_eq!(scene.standing().await, scene.parts(&spare));
    assert_eq!(scene.groups().await, scene.groups_of(&spare));
}

/// On the worst day the last spare may be what everybody works on, while prove goes on drilling the
/// last copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_spare_that_somebody_started_stays_until_it_is_stopped() {
    for kind in BOTH {
        let scene = Scene::new(kind).await;
        let used = spare_of(&scene.drill().await.ok());
        scene.start(&used).await;
        let ran = scene.drill().await;
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let result = &ran.json()["result"];
        assert_eq!(result["removed"], json!([]), "{result:#}");
        let finding = &result["findings"][0];
        assert_eq!(finding["what"], format!("older spare {used}"), "{result:#}");
        assert!(finding["why"].as_str().unwrap().contains("it runs"));
        let other = spare_of(&ran);
        let mut both = [scene.parts(&used), scene.parts(&other)].concat();
        both.sort();
        assert_eq!(scene.standing().await, both);
        scene.stop(&used).await;
        let last = scene.drill().await.ok();
        assert_eq!(last.json()["result"]["removed"], json!([used, other]));
        assert_eq!(scene.standing().await, scene.parts(&spare_of(&last)));
        scene.nothing_was_denied();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn prove_drills_the_newest_copy_where_there_is_a_place() {
    let scene = Scene::new(Kind::Instance).await;
    let ran = scene.run(&["prove", "--json"]).await;
    let document = ran.json();
    let steps = document["result"]["steps"].as_array().unwrap();
    let drill = |step: &&Value| step["name"] == "drill --snapshot prod";
    let step = steps
        .iter()
        .find(drill)
        .unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!(step["exit_code"], 0, "{step:#}");
    assert!(step["result"]["spare"].is_string(), "{step:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn the_page_names_every_field_of_the_result() {
    let scene = Scene::new(Kind::Instance).await;
    scene.drill().await.ok();
    // Nothing is said of it, which is a finding; a database is missing, which is a failure.
    let mut printed = std::collections::BTreeSet::new();
    let sound = scene.drill().await.ok();
    crate::json_page::fields(&sound.json()["result"], "", &mut printed);
    scene.configure("");
    let bare = scene.drill().await;
    assert_eq!(bare.code, Some(3), "{bare:?}");
    crate::json_page::fields(&bare.json()["result"], "", &mut printed);
    scene.server.sql("DROP DATABASE courses WITH (FORCE)");
    let failed = scene.drill().await;
    crate::json_page::fields(&failed.json()["result"], "", &mut printed);
    assert_eq!(printed, crate::json_page::documented("drill --snapshot"));
}
