//! New instances and clusters, restored from snapshots.

use std::collections::BTreeMap;

use aws_sdk_rds::types::ServerlessV2ScalingConfiguration;

use super::client::Rds;
use super::convert::{number_to_sdk, tags_to_sdk};
use crate::aws::call_error::from_sdk;
use crate::error::Result;
use crate::model::snapshot::{Kind, Serverless, Storage};

/// An instance to restore from a snapshot, never publicly accessible, or a cluster without instances.
#[derive(Debug, Clone)]
pub(crate) struct NewDb {
    pub kind: Kind,
    pub identifier: String,
    pub snapshot: String,
    /// RDS takes engine and version for clusters only.
    pub engine: String,
    pub engine_version: String,
    /// Of instances and Multi-AZ clusters: Aurora's instances have the class.
    pub class: Option<String>,
    pub storage: Storage,
    /// Instances only.
    pub multi_az: bool,
    pub port: Option<u32>,
    pub iam_authentication: bool,
    pub parameter_group: Option<String>,
    /// Instances only.
    pub option_group: Option<String>,
    /// Clusters only.
    pub serverless: Option<Serverless>,
    /// `None`: the default VPC's.
    pub subnet_group: Option<String>,
    /// Empty: the VPC's default one.
    pub security_groups: Vec<String>,
    pub deletion_protection: bool,
    pub tags: BTreeMap<String, String>,
}

/// An instance to add to an Aurora cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewMember {
    pub identifier: String,
    pub cluster: String,
    pub class: String,
    pub engine: String,
    pub parameter_group: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl NewDb {
    fn failed(&self) -> String {
        let Self {
            kind,
            identifier,
            snapshot,
            ..
        } = self;
        format!("cannot make {kind} {identifier} of snapshot {snapshot}")
    }
}

impl Rds {
    /// Starts the restore of an instance or cluster.
    pub(crate) async fn restore(&self, new: &NewDb) -> Result<()> {
        match new.kind {
            Kind::Instance => self.restore_instance(new).await,
            Kind::Cluster => self.restore_cluster(new).await,
        }
    }

    async fn restore_instance(&self, new: &NewDb) -> Result<()> {
        self.client
            .restore_db_instance_from_db_snapshot()
            .db_instance_identifier(&new.identifier)
            .db_snapshot_identifier(&new.snapshot)
            .set_db_instance_class(new.class.clone())
            .set_storage_type(new.storage.kind.clone())
            .set_iops(number_to_sdk(new.storage.iops))
            .set_storage_throughput(number_to_sdk(new.storage.throughput))
            .multi_az(new.multi_az)
            .set_port(number_to_sdk(new.port))
            .publicly_accessible(false)
            .deletion_protection(new.deletion_protection)
            .enable_iam_database_authentication(new.iam_authentication)
            .set_db_parameter_group_name(new.parameter_group.clone())
            .set_option_group_name(new.option_group.clone())
            .set_db_subnet_group_name(new.subnet_group.clone())
            .set_vpc_security_group_ids(unless_empty(&new.security_groups))
            .set_tags(tags_to_sdk(&new.tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let operation = operation!(
                    "RestoreDBInstanceFromDBSnapshot",
                    ", rds:AddTagsToResource, and the snapshot's key by RDS"
                );
                from_sdk(operation, new.failed(), why)
            })
    }

    async fn restore_cluster(&self, new: &NewDb) -> Result<()> {
        let scaling = new.serverless.as_ref().map(|serverless| {
            let units = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
            ServerlessV2ScalingConfiguration::builder()
                .set_min_capacity(units(&serverless.min))
                .set_max_capacity(units(&serverless.max))
                .build()
        });
        self.client
            .restore_db_cluster_from_snapshot()
            .db_cluster_identifier(&new.identifier)
            .snapshot_identifier(&new.snapshot)
            .engine(&new.engine)
            .engine_version(&new.engine_version)
            .set_db_cluster_instance_class(new.class.clone())
            .set_storage_type(new.storage.kind.clone())
            .set_iops(number_to_sdk(new.storage.iops))
            .set_port(number_to_sdk(new.port))
            .deletion_protection(new.deletion_protection)
            .enable_iam_database_authentication(new.iam_authentication)
            .set_db_cluster_parameter_group_name(new.parameter_group.clone())
            .set_serverless_v2_scaling_configuration(scaling)
            .set_db_subnet_group_name(new.subnet_group.clone())
            .set_vpc_security_group_ids(unless_empty(&new.security_groups))
            .set_tags(tags_to_sdk(&new.tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let operation = operation!(
                    "RestoreDBClusterFromSnapshot",
                    ", rds:AddTagsToResource, and the snapshot's key by RDS"
                );
                from_sdk(operation, new.failed(), why)
            })
    }

    /// Starts to add an instance to an Aurora cluster.
    pub(crate) async fn add_member(&self, new: &NewMember) -> Result<()> {
        self.client
            .create_db_instance()
            .db_instance_identifier(&new.identifier)
            .db_cluster_identifier(&new.cluster)
            .db_instance_class(&new.class)
            .engine(&new.engine)
            .publicly_accessible(false)
            .set_db_parameter_group_name(new.parameter_group.clone())
            .set_tags(tags_to_sdk(&new.tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let what = format!(
                    "cannot make instance {} in cluster {}",
                    new.identifier, new.cluster
                );
                let operation = operation!("CreateDBInstance", " and rds:AddTagsToResource");
                from_sdk(operation, what, why)
            })
    }
}

fn unless_empty(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}
