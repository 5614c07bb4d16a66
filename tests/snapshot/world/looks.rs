//! What is there, asked as the root.

use std::collections::BTreeMap;

use lifeboat::testing::model::Kind;

use super::World;
use crate::support::cloud::{self, Account, REGION};

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub name: String,
    pub arn: String,
    pub made: String,
    pub status: String,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub copied_from: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl World {
    pub async fn snapshots_of(&self, account: &Account, region: &str) -> Vec<Snapshot> {
        let rds = aws_sdk_rds::Client::new(&account.root.sdk(region));
        match self.kind {
            Kind::Instance => {
                let told = rds.describe_db_snapshots().into_paginator().items().send();
                let all: Result<Vec<_>, _> = told.collect().await;
                let all = all.unwrap().into_iter();
                all.map(|one| Snapshot {
                    name: one.db_snapshot_identifier.unwrap(),
                    arn: one.db_snapshot_arn.unwrap(),
                    made: one.snapshot_type.unwrap(),
                    status: one.status.unwrap(),
                    encrypted: one.encrypted.unwrap_or(false),
                    kms_key: one.kms_key_id,
                    copied_from: one.source_db_snapshot_identifier,
                    tags: tags(one.tag_list),
                })
                .collect()
            }
            Kind::Cluster => {
                let told = rds
                    .describe_db_cluster_snapshots()
                    .into_paginator()
                    .items()
                    .send();
                let all: Result<Vec<_>, _> = told.collect().await;
                let all = all.unwrap().into_iter();
                all.map(|one| Snapshot {
                    name: one.db_cluster_snapshot_identifier.unwrap(),
                    arn: one.db_cluster_snapshot_arn.unwrap(),
                    made: one.snapshot_type.unwrap(),
                    status: one.status.unwrap(),
                    encrypted: one.storage_encrypted.unwrap_or(false),
                    kms_key: one.kms_key_id,
                    copied_from: one.source_db_cluster_snapshot_arn,
                    tags: tags(one.tag_list),
                })
                .collect()
            }
        }
    }

    /// Manual ones of the backup account.
    pub async fn copies(&self) -> Vec<Snapshot> {
        let mut all = self.snapshots_of(&self.backup, REGION).await;
        all.retain(|one| one.made == "manual");
        all
    }

    /// Manual ones of the source account.
    pub async fn intermediates(&self) -> Vec<Snapshot> {
        let mut all = self.snapshots_of(&self.source, REGION).await;
        all.retain(|one| one.made == "manual");
        all
    }

    /// Names and accounts of everything in the source account that is shared.
    pub async fn shared(&self) -> Vec<(String, String)> {
        let rds = self.source.rds();
        let mut found = Vec::new();
        for one in self.intermediates().await {
            let values: Vec<String> = match self.kind {
                Kind::Instance => {
                    let call = rds
                        .describe_db_snapshot_attributes()
                        .db_snapshot_identifier(&one.name);
                    let told = call
                        .send()
                        .await
                        .unwrap()
                        .db_snapshot_attributes_result
                        .unwrap();
                    let all = told.db_snapshot_attributes.unwrap_or_default().into_iter();
                    all.flat_map(|one| one.attribute_values.unwrap_or_default())
                        .collect()
                }
                Kind::Cluster => {
                    let call = rds
                        .describe_db_cluster_snapshot_attributes()
                        .db_cluster_snapshot_identifier(&one.name);
                    let told = call
                        .send()
                        .await
                        .unwrap()
                        .db_cluster_snapshot_attributes_result
                        .unwrap();
                    let all = told
                        .db_cluster_snapshot_attributes
                        .unwrap_or_default()
                        .into_iter();
                    all.flat_map(|one| one.attribute_values.unwrap_or_default())
                        .collect()
                }
            };
            found.extend(
                values
                    .into_iter()
                    .map(|account| (one.name.clone(), account)),
            );
        }
        found
    }

    /// One available copy, and nothing shared.
    pub async fn assert_one(&self, label: &str) -> Snapshot {
        let copies = self.copies().await;
        let available = copies.iter().filter(|one| one.status == "available");
        assert_eq!(
            (copies.len(), available.count()),
            (1, 1),
            "{label}: {copies:#?}"
        );
        assert_eq!(self.shared().await, [], "{label}");
        copies[0].clone()
    }

    pub fn nothing_unknown(&self) {
        cloud::nothing_unknown(&[&self.source, &self.backup]);
    }
}

fn tags(told: Option<Vec<aws_sdk_rds::types::Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: aws_sdk_rds::types::Tag| (tag.key.unwrap(), tag.value.unwrap_or_default());
    told.unwrap_or_default().into_iter().map(pair).collect()
}
