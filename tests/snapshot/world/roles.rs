//! Who else there is: those who delete, and people.

use lifeboat::testing::model::Kind;

use super::{World, assume, session};
use crate::support::cloud::{self, Key, REGION};

impl World {
    pub async fn nightly_expire(&self) -> Key {
        assume(
            &self.nightly,
            &self.source.role_arn("lifeboat-nightly-expire"),
            None,
        )
        .await
    }

    pub fn expire_role(&self) -> Key {
        let role = self.backup.role_arn("lifeboat-expire");
        session(&role, "ecs-tasks.amazonaws.com", &self.backup.id)
    }

    /// A person with MFA.
    pub async fn restore_role(&self) -> Key {
        let role = self.backup.role_arn("lifeboat-restore");
        let person = self
            .backup
            .user("person", &[cloud::allow("sts:AssumeRole", &*role)]);
        let sts = aws_sdk_sts::Client::new(&person.sdk(REGION));
        let assumed = sts
            .assume_role()
            .role_arn(&role)
            .role_session_name("person")
            .serial_number(format!("arn:aws:iam::{}:mfa/person", self.backup.id))
            .token_code("123456")
            .send()
            .await
            .unwrap();
        let made = assumed.credentials.unwrap();
        Key {
            access_key_id: made.access_key_id,
            secret_access_key: made.secret_access_key,
            session_token: Some(made.session_token),
        }
    }

    pub async fn tag_copy(&self, name: &str, key: &str, value: &str) {
        let copies = self.copies().await;
        let copy = copies.iter().find(|one| one.name == name).unwrap();
        let tag = aws_sdk_rds::types::Tag::builder()
            .key(key)
            .value(value)
            .build();
        let call = self.backup.rds().add_tags_to_resource();
        call.resource_name(&copy.arn)
            .tags(tag)
            .send()
            .await
            .unwrap();
    }

    pub async fn delete_copy(&self, name: &str) {
        let rds = self.backup.rds();
        match self.kind {
            Kind::Instance => {
                let call = rds.delete_db_snapshot().db_snapshot_identifier(name);
                call.send().await.map(drop).unwrap();
            }
            Kind::Cluster => {
                let call = rds
                    .delete_db_cluster_snapshot()
                    .db_cluster_snapshot_identifier(name);
                call.send().await.map(drop).unwrap();
            }
        }
    }
}
