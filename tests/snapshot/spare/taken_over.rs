//! What people took over stays as they left it, whatever its tags say.

use aws_sdk_rds::types::Tag;
use lifeboat::testing::model::Kind;
use serde_json::json;

use super::{BOTH, Scene, spare_of};
use crate::support::program::Ran;

impl Scene {
    /// RDS changes nothing of what is stopped.
    async fn protect(&self, name: &str, on: bool) {
        self.start(name).await;
        let rds = self.world.backup.rds();
        match self.world.kind {
            Kind::Instance => {
                let modify = rds.modify_db_instance().db_instance_identifier(name);
                modify
                    .deletion_protection(on)
                    .send()
                    .await
                    .map(drop)
                    .unwrap();
            }
            Kind::Cluster => {
                let modify = rds.modify_db_cluster().db_cluster_identifier(name);
                modify
                    .deletion_protection(on)
                    .send()
                    .await
                    .map(drop)
                    .unwrap();
            }
        }
        self.until(name, "available").await;
        self.stop(name).await;
    }

    fn arn(&self, what: &str, name: &str) -> String {
        let account = &self.world.backup.id;
        format!("arn:aws:rds:{}:{account}:{what}:{name}", super::REGION)
    }

    /// All that a drill could change of a spare.
    async fn looks(&self, name: &str) -> String {
        let mut looks = String::new();
        if self.world.kind == Kind::Cluster {
            let it = self.world.cluster(name).await;
            let (status, guard) = (it.status, it.deletion_protection);
            looks += &format!("{status:?} {guard:?} {:?}\n", it.tag_list);
        }
        for part in self.parts(name) {
            let Some(it) = self.world.instance(&part).await else {
                continue;
            };
            let (status, guard) = (it.db_instance_status, it.deletion_protection);
            let groups = it.db_parameter_groups;
            looks += &format!("{part} {status:?} {guard:?} {groups:?} {:?}\n", it.tag_list);
        }
        looks
    }
}

/// The finding on an older spare; it was left alone.
fn left_alone(ran: &Ran, name: &str, says: &str) {
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let result = &ran.json()["result"];
    let findings = result["findings"].as_array().unwrap();
    let what = json!(format!("older spare {name}"));
    let found = findings.iter().find(|one| one["what"] == what);
    let why = found.unwrap_or_else(|| panic!("{result:#}"))["why"].as_str();
    assert!(why.unwrap().contains(says), "no '{says}' in {result:#}");
    assert!(why.unwrap().contains("lifeboat:drill=false"), "{result:#}");
    let removed = result["removed"].as_array().unwrap();
    assert!(!removed.contains(&json!(name)), "{result:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn deletion_protection_is_never_switched_off_and_nothing_of_it_is_touched() {
    for kind in BOTH {
        let scene = Scene::new(kind).await;
        let theirs = spare_of(&scene.drill().await.ok());
        scene.protect(&theirs, true).await;
        let before = scene.looks(&theirs).await;
        let ran = scene.drill().await;
        left_alone(&ran, &theirs, "deletion protection");
        let standing = scene.standing().await;
        for part in scene.parts(&theirs) {
            assert!(standing.contains(&part), "{part} of {standing:?}");
        }
        assert_eq!(scene.looks(&theirs).await, before);
        // Who gives it back has it removed.
        scene.protect(&theirs, false).await;
        let last = scene.drill().await.ok();
        let removed = &last.json()["result"]["removed"];
        for older in [theirs, spare_of(&ran)] {
            let removed = removed.as_array().unwrap();
            assert!(removed.contains(&json!(older)), "{removed:?}");
        }
        scene.nothing_was_denied();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn what_lost_its_tags_or_runs_with_others_is_nobodys_to_remove() {
    let scene = Scene::new(Kind::Instance).await;
    let theirs = spare_of(&scene.drill().await.ok());
    let rds = scene.world.backup.rds();
    let arn = scene.arn("db", &theirs);
    // Running, and without the tag by which a drill knows that.
    scene.start(&theirs).await;
    let untag = rds.remove_tags_from_resource().resource_name(&arn);
    let untag = untag.tag_keys("lifeboat:kept").tag_keys("lifeboat:run");
    untag.send().await.unwrap();
    let before = scene.looks(&theirs).await;
    left_alone(&scene.drill().await, &theirs, "lifeboat:run");
    assert_eq!(scene.looks(&theirs).await, before);
    // As the runbook says: no word of it any more.
    let tag = Tag::builder().key("lifeboat:drill").value("false").build();
    let tags = rds.add_tags_to_resource().resource_name(&arn).tags(tag);
    tags.send().await.unwrap();
    let before = scene.looks(&theirs).await;
    scene.drill().await.ok();
    assert_eq!(scene.looks(&theirs).await, before);
    assert!(scene.standing().await.contains(&theirs));
    scene.nothing_was_denied();
}
