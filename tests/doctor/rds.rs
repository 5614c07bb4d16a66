//! Keys in KMS and instances in RDS.

use super::{configured, of, posture, short};
use crate::support::cloud::{self, Account, REGION, allow};
use crate::support::program::Ran;

struct Scene {
    source: Account,
    backup: Account,
}

impl Scene {
    fn new() -> Self {
        Self {
            source: cloud::account(),
            backup: cloud::account(),
        }
    }

    /// Doctor by a user of the source account with these rights, on more lines of configuration.
    fn doctor(&self, rights: &[serde_json::Value], lines: &str) -> Ran {
        let lifeboat = configured(&format!(
            "[repository]\nurl = \"repository\"\n[source_account]\nid = \"{}\"\nregion = \"{REGION}\"\n\
             [backup_account]\nid = \"{}\"\nregion = \"{REGION}\"\nprofile = \"backup\"\n{lines}\n",
            self.source.id, self.backup.id
        ));
        let user = self.source.user(&crate::support::unique("user"), rights);
        let keys = [("default", &user), ("backup", &self.backup.root)];
        let env = cloud::profiles(lifeboat.folder(), REGION, &keys);
        let mut command = lifeboat.command(["doctor", "--json"]);
        Ran::of(&command.envs(env).output().unwrap())
    }
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_key_that_is_disabled_or_to_be_deleted_is_critical_and_so_is_one_of_the_source_account() {
    let scene = Scene::new();
    let key = scene.backup.wrapping_key().await;
    let looks = [allow("kms:DescribeKey", "*")];
    let copies = |key: &str| {
        let ran = scene.doctor(&looks, &format!("[snapshot]\nkms_key = \"{key}\""));
        let mut found = posture(&ran);
        found.retain(|(_, check, _)| check.starts_with("kms"));
        found
    };
    assert_eq!(copies(&key), []);
    let kms = scene.backup.kms();
    kms.disable_key().key_id(&key).send().await.unwrap();
    let found = copies(&key);
    assert_eq!(short(&found), ["critical kms-key"]);
    assert!(found[0].2.contains("Disabled"), "{found:?}");
    let delete = kms
        .schedule_key_deletion()
        .key_id(&key)
        .pending_window_in_days(7);
    delete.send().await.unwrap();
    let found = copies(&key);
    assert_eq!(short(&found), ["critical kms-key"]);
    assert!(found[0].2.contains("DELETED on 2"), "{found:?}");
    let (before, _) = key.rsplit_once('/').unwrap();
    let absent = format!("{before}/00000000-0000-0000-0000-000000000000");
    assert!(copies(&absent)[0].2.contains("does not exist"));
    let of_source = scene.source.wrapping_key().await;
    assert_eq!(short(&copies(&of_source)), ["critical kms-owner"]);
    // Who may not ask says nothing.
    let signs = scene.source.signing_key().await;
    let lines = format!("[keys]\nsigning_key = \"{signs}\"");
    let found = posture(&scene.doctor(&[], &lines));
    assert_eq!(of(&found, "kms-key"), [""; 0]);
    let kms = scene.source.kms();
    kms.disable_key().key_id(&signs).send().await.unwrap();
    let found = posture(&scene.doctor(&looks, &lines));
    assert!(
        of(&found, "kms-key")[0].contains("which signs"),
        "{found:?}"
    );
    cloud::nothing_unknown(&[&scene.source, &scene.backup]);
}

#[tokio::test]
#[ignore = "needs servers: bash tests/run.sh"]
async fn an_instance_without_its_guards_is_told_and_one_with_them_is_not() {
    let scene = Scene::new();
    let key = scene.source.wrapping_key().await;
    let rds = scene.source.rds();
    let make = |name: &str, encrypted: bool| {
        rds.create_db_instance()
            .db_instance_identifier(name)
            .db_instance_class("db.t4g.micro")
            .engine("postgres")
            .engine_version("16.3")
            .master_username("postgres")
            .master_user_password("password")
            .allocated_storage(20)
            .storage_encrypted(encrypted)
    };
    let guarded = make("guarded", true).kms_key_id(&key);
    let guarded = guarded.deletion_protection(true).backup_retention_period(7);
    guarded.send().await.unwrap();
    let bare = make("bare", false).deletion_protection(false);
    bare.backup_retention_period(0).send().await.unwrap();
    let of_aws = make("of-aws", true).deletion_protection(true);
    of_aws.backup_retention_period(7).send().await.unwrap();
    let rights = [allow(vec!["rds:Describe*", "kms:DescribeKey"], "*")];
    let found = |rights: &[serde_json::Value], instance: &str| {
        let source = format!(
            "[[source]]\nname = \"prod\"\nurl = \"postgresql://u@127.0.0.1:1/d\"\ninstance = \"{instance}\""
        );
        let mut found = posture(&scene.doctor(rights, &source));
        found.retain(|(_, check, _)| check == "rds");
        found
    };
    assert_eq!(found(&rights, "guarded"), []);
    let bare = found(&rights, "bare");
    assert_eq!(short(&bare), ["critical rds", "warning rds", "warning rds"]);
    for (one, word) in bare.iter().zip(["protection", "retention", "encrypted"]) {
        assert!(one.2.contains(word), "{one:?}");
    }
    assert_eq!(short(&found(&rights, "of-aws")), ["info rds"]);
    assert_eq!(short(&found(&rights, "absent")), ["warning rds"]);
    assert_eq!(found(&[], "bare"), []);
    cloud::nothing_unknown(&[&scene.source, &scene.backup]);
}
