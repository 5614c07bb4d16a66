//! Databases and snapshots as people make them.

use std::collections::BTreeMap;
use std::time::Duration;

use lifeboat::testing::model::Kind;
use serde_json::json;

use super::{Under, World, now};
use crate::support::cloud::{self, Account, REGION};

impl World {
    pub async fn create(&self, under: Under) {
        let identifier = &self.identifier;
        let key = match under {
            Under::Customer => Some(self.customer_key().await),
            _ => None,
        };
        if under == Under::Owned {
            self.settings(&self.source, json!({"aurora_under_owned_key": true}));
        }
        let encrypted = under != Under::Nothing;
        let rds = self.source.rds();
        match self.kind {
            Kind::Instance => {
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier(identifier)
                    .db_instance_class("db.t4g.micro")
                    .engine("postgres")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .allocated_storage(20)
                    .storage_encrypted(encrypted)
                    .set_kms_key_id(key);
                call.send().await.unwrap();
            }
            Kind::Cluster => {
                let call = rds
                    .create_db_cluster()
                    .db_cluster_identifier(identifier)
                    .engine("aurora-postgresql")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .storage_encrypted(encrypted)
                    .set_kms_key_id(key);
                call.send().await.unwrap();
            }
        }
        self.settle().await;
    }

    /// Looks at it until it is available: snapshots can be taken of it then.
    async fn settle(&self) {
        let identifier = &self.identifier;
        let rds = self.source.rds();
        for _ in 0..4 {
            match self.kind {
                Kind::Instance => {
                    let call = rds
                        .describe_db_instances()
                        .db_instance_identifier(identifier);
                    call.send().await.map(drop).unwrap();
                }
                Kind::Cluster => {
                    let call = rds.describe_db_clusters().db_cluster_identifier(identifier);
                    call.send().await.map(drop).unwrap();
                }
            }
        }
    }

    /// A key of the source account that lets the backup account's role copy.
    async fn customer_key(&self) -> String {
        let actions = [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:DescribeKey",
            "kms:CreateGrant",
        ];
        let mut whole = cloud::allow("kms:*", "*");
        whole["Principal"] = json!({"AWS": self.source.root_arn()});
        let mut theirs = cloud::allow(json!(actions), "*");
        theirs["Principal"] = json!({"AWS": self.backup.root_arn()});
        let policy = cloud::document(&[whole, theirs]).to_string();
        let made = self.source.kms().create_key().policy(policy).send().await;
        made.unwrap().key_metadata.unwrap().arn.unwrap()
    }

    /// An automated snapshot now.
    pub fn backup_now(&self) {
        let of = self.kind.to_string();
        let asked = json!({"account": self.source.id, "region": REGION, of: self.identifier});
        cloud::control("POST", "backup", &asked);
    }

    /// Names and tags tell whole seconds: waits for the next one.
    pub async fn settle_a_second(&self) {
        let began = now().as_second();
        while now().as_second() == began {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A snapshot of somebody else's database, under this name, without tags.
    pub async fn foreign_snapshot(&self, account: &Account, name: &str) {
        self.tagged_snapshot(account, name, &[]).await;
    }

    /// The same with tags.
    pub async fn tagged_snapshot(&self, account: &Account, name: &str, tags: &[(&str, &str)]) {
        let rds = account.rds();
        let tags = tags.iter().map(|(key, value)| {
            aws_sdk_rds::types::Tag::builder()
                .key(*key)
                .value(*value)
                .build()
        });
        let tags = Some(tags.collect::<Vec<_>>());
        self.settings(account, json!({"polls": 0}));
        match self.kind {
            Kind::Instance => {
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier("foreign")
                    .db_instance_class("db.t4g.micro")
                    .engine("postgres")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .allocated_storage(20);
                let _ = call.send().await;
                let call = rds.create_db_snapshot().db_instance_identifier("foreign");
                let call = call.db_snapshot_identifier(name).set_tags(tags);
                call.send().await.map(drop).unwrap();
            }
            Kind::Cluster => {
                let call = rds
                    .create_db_cluster()
                    .db_cluster_identifier("foreign")
                    .engine("aurora-postgresql")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password");
                let _ = call.send().await;
                let call = rds
                    .create_db_cluster_snapshot()
                    .db_cluster_identifier("foreign");
                let call = call.db_cluster_snapshot_identifier(name).set_tags(tags);
                call.send().await.map(drop).unwrap();
            }
        }
        self.settings(account, json!({"polls": 1}));
    }

    /// Restarts from a database with settings of its own: parameters, a class, a member.
    pub async fn create_tuned(&self) {
        let rds = self.source.rds();
        let parameters = [("work_mem", "65536"), ("log_min_duration_statement", "250")];
        let parameters = parameters.map(|(name, value)| {
            aws_sdk_rds::types::Parameter::builder()
                .parameter_name(name)
                .parameter_value(value)
                .apply_method(aws_sdk_rds::types::ApplyMethod::PendingReboot)
                .build()
        });
        let identifier = &self.identifier;
        match self.kind {
            Kind::Instance => {
                let group = rds
                    .create_db_parameter_group()
                    .db_parameter_group_name("tuned");
                let group = group
                    .db_parameter_group_family("postgres16")
                    .description("tuned");
                group.send().await.unwrap();
                let set = rds
                    .modify_db_parameter_group()
                    .db_parameter_group_name("tuned");
                set.set_parameters(Some(parameters.to_vec()))
                    .send()
                    .await
                    .unwrap();
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier(identifier)
                    .db_instance_class("db.m6g.large")
                    .engine("postgres")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .allocated_storage(20)
                    .storage_encrypted(true)
                    .multi_az(true)
                    .enable_iam_database_authentication(true)
                    .db_parameter_group_name("tuned");
                call.send().await.unwrap();
            }
            Kind::Cluster => {
                let group = rds.create_db_cluster_parameter_group();
                let group = group.db_cluster_parameter_group_name("tuned");
                let group = group
                    .db_parameter_group_family("aurora-postgresql16")
                    .description("tuned");
                group.send().await.unwrap();
                let set = rds.modify_db_cluster_parameter_group();
                let set = set.db_cluster_parameter_group_name("tuned");
                set.set_parameters(Some(parameters.to_vec()))
                    .send()
                    .await
                    .unwrap();
                let call = rds
                    .create_db_cluster()
                    .db_cluster_identifier(identifier)
                    .engine("aurora-postgresql")
                    .engine_version("16.3")
                    .master_username("postgres")
                    .master_user_password("password")
                    .storage_encrypted(true)
                    .db_cluster_parameter_group_name("tuned");
                call.send().await.unwrap();
                let call = rds
                    .create_db_instance()
                    .db_instance_identifier("prod-writer")
                    .db_instance_class("db.r6g.large")
                    .engine("aurora-postgresql")
                    .db_cluster_identifier(identifier);
                call.send().await.unwrap();
            }
        }
        self.settle().await;
    }

    /// `terraform destroy`: the instance, and its automated snapshots with it.
    pub async fn destroy(&self) {
        let call = self.source.rds().delete_db_instance();
        let call = call
            .db_instance_identifier(&self.identifier)
            .skip_final_snapshot(true);
        call.send().await.unwrap();
    }

    pub async fn instance(&self, name: &str) -> Option<aws_sdk_rds::types::DbInstance> {
        let call = self.backup.rds().describe_db_instances();
        let told = call.db_instance_identifier(name).send().await.ok()?;
        told.db_instances?.into_iter().next()
    }

    pub async fn cluster(&self, name: &str) -> aws_sdk_rds::types::DbCluster {
        let call = self.backup.rds().describe_db_clusters();
        let told = call.db_cluster_identifier(name).send().await.unwrap();
        told.db_clusters.unwrap().into_iter().next().unwrap()
    }

    /// Of a parameter group of the backup account.
    pub async fn parameters(&self, group: &str) -> BTreeMap<String, String> {
        let call = self.backup.rds().describe_db_parameters();
        let told = call.db_parameter_group_name(group).send().await.unwrap();
        let all = told.parameters.unwrap().into_iter();
        all.map(|one| (one.parameter_name.unwrap(), one.parameter_value.unwrap()))
            .collect()
    }

    /// Of a cluster's parameter group there.
    pub async fn cluster_parameters(&self, group: &str) -> BTreeMap<String, String> {
        let call = self.backup.rds().describe_db_cluster_parameters();
        let call = call.db_cluster_parameter_group_name(group);
        let all = call.send().await.unwrap().parameters.unwrap().into_iter();
        all.map(|one| (one.parameter_name.unwrap(), one.parameter_value.unwrap()))
            .collect()
    }
}
