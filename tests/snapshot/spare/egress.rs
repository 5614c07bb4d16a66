//! From its security group a drill's instance reaches nobody, or there is none.

use lifeboat::testing::model::Kind;
use serde_json::{Value, json};

use super::{HOLDS, REGION, Scene, spare_of};
use crate::support::certificates::Authority;
use crate::support::program::Ran;
use crate::support::tunnel::Tunnel;
use crate::support::{cloud, tls};

/// A security group of the backup account with these egress rules.
fn group(scene: &Scene, egress: &Value) -> String {
    let asked = json!({"account": scene.world.backup.id, "region": REGION, "egress": egress});
    let made = cloud::control("POST", "security-group", &asked);
    made["security_group"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_security_group_that_lets_something_out_is_refused_before_anything_is_made() {
    let mut scene = Scene::new(Kind::Instance).await;
    let path = format!("network?account={}&region={REGION}", scene.world.backup.id);
    let network = cloud::control("GET", &path, &json!({}));
    let default = network["security_group"].as_str().unwrap().to_owned();
    let one = |rule: Value| group(&scene, &json!([rule]));
    let (to_https, to_one) = (json!(443), "sg-0123456789abcdef0".to_owned());
    let groups = [
        (default, "lets out anything to 0.0.0.0/0"),
        (
            one(json!({"protocol": "tcp", "from": to_https, "to": to_https, "ipv6": "::/0"})),
            "lets out tcp to ::/0",
        ),
        (
            one(json!({"protocol": "-1", "group": scene.security_group})),
            &format!("lets out anything to {}", scene.security_group),
        ),
        (to_one, "InvalidGroup.NotFound"),
    ];
    let before = cloud::calls(&scene.world.backup).len();
    for (group, says) in groups {
        scene.security_group = group;
        scene.configure("");
        scene.drill().await.failed(1, says);
    }
    let calls = cloud::calls(&scene.world.backup).split_off(before);
    let made = calls.iter().filter(|call| call.starts_with("rds:Create"));
    assert_eq!(made.count(), 0, "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("rds:Restore")));
    assert!(!scene.is_verified().await);
    scene.nothing_was_denied();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_ec2_does_not_tell_is_asked_again_and_then_refused() {
    let mut scene = Scene::new(Kind::Instance).await;
    // Loopback is how a template says "nothing": without any rule EC2 would add one that allows all.
    scene.security_group = group(
        &scene,
        &json!([{"protocol": "-1", "cidr": "127.0.0.1/32"}, {"protocol": "-1", "ipv6": "::1/128"}]),
    );
    scene.configure(HOLDS);
    let account = scene.world.backup.id.clone();
    let fault_at = |nth: usize, what: Value| {
        let operation = "ec2:DescribeSecurityGroups";
        scene.world.fault(&account, operation, nth, what)
    };
    let fault = |what: Value| fault_at(0, what);
    let throttled = fault(json!({"kind": "error", "code": "Throttling", "times": 2}));
    let ran = scene.drill().await.ok();
    assert!(spare_of(&ran).starts_with("lifeboat-drill-prod-"));
    scene.world.end_fault(throttled);
    let before = scene.standing().await;
    for (what, says) in [
        (
            json!({"kind": "error", "code": "InternalError", "times": null}),
            "InternalError",
        ),
        (
            json!({"kind": "error", "code": "AccessDenied", "times": null}),
            "ec2:DescribeSecurityGroups",
        ),
        (
            json!({"kind": "reset", "when": "before", "times": null}),
            "cannot tell what security group",
        ),
    ] {
        let fault = fault(what);
        scene.drill().await.failed(1, says);
        scene.world.end_fault(fault);
        assert_eq!(scene.standing().await, before);
    }
    // It is asked again once the instance stands, which goes where the answer is not "nothing".
    fault_at(
        1,
        json!({"kind": "error", "code": "AccessDenied", "times": null}),
    );
    let ran = scene.drill().await;
    ran.failed(1, "ec2:DescribeSecurityGroups");
    assert_eq!(scene.standing().await, before);
    let calls = cloud::calls(&scene.world.backup);
    let restored = calls.iter().filter(|call| call.starts_with("rds:Restore"));
    assert_eq!(restored.count(), 2, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn all_of_aws_is_asked_through_the_proxy_over_tls_by_the_bundles_authorities() {
    let scene = Scene::new(Kind::Instance).await;
    let folder = scene.world.folder.path();
    let authority = Authority::new("AWS");
    let aws = cloud::endpoint().trim_start_matches("http://");
    let over_tls = tls::before_as("aws.lifeboat.test", aws.trim_end_matches('/'), &authority);
    let tunnel = Tunnel::to(&over_tls.await);
    let before = cloud::calls(&scene.world.backup).len();
    // STS, RDS and EC2; the store and the databases are on this machine.
    let mut command = scene.command(&["drill", "--snapshot", "--source", "prod", "--json"]);
    command.env("AWS_ENDPOINT_URL", "https://aws.lifeboat.test");
    command.env("AWS_CA_BUNDLE", authority.save(folder));
    command.env("HTTPS_PROXY", tunnel.url());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    let ran = Ran::of(&ran.await.unwrap()).ok();
    assert!(spare_of(&ran).starts_with("lifeboat-drill-prod-"));
    scene.nothing_was_denied();
    assert!(tunnel.asked_for("aws.lifeboat.test:443") > 0);
    let calls = cloud::calls(&scene.world.backup).split_off(before);
    for service in ["sts:", "rds:", "ec2:"] {
        let asked = calls.iter().any(|call| call.starts_with(service));
        assert!(asked, "{service} {calls:?}");
    }
}
