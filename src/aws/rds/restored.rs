//! New instances and clusters of snapshots.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbCluster, DbInstance, ServerlessV2ScalingConfiguration};

use super::settings::security_groups;
use super::{Rds, sent, size, told};
use crate::aws::fault::{Operation, error};
use crate::error::{Kind as ErrorKind, Result};
use crate::model::snapshot::{Kind, Serverless, Storage};

const RESTORE: Operation = Operation {
    name: "RestoreDBInstanceFromDBSnapshot",
    rights: "rds:RestoreDBInstanceFromDBSnapshot, rds:AddTagsToResource, and the snapshot's key by RDS",
};
const RESTORE_CLUSTER: Operation = Operation {
    name: "RestoreDBClusterFromSnapshot",
    rights: "rds:RestoreDBClusterFromSnapshot, rds:AddTagsToResource, and the snapshot's key by RDS",
};
const CREATE_MEMBER: Operation = Operation {
    name: "CreateDBInstance",
    rights: "rds:CreateDBInstance and rds:AddTagsToResource",
};

/// An instance to make of a snapshot; never publicly accessible.
#[derive(Debug, Clone, Default)]
pub struct NewInstance {
    pub identifier: String,
    pub snapshot: String,
    pub class: Option<String>,
    pub storage: Storage,
    pub multi_az: bool,
    pub port: Option<u32>,
    pub iam_authentication: bool,
    pub parameter_group: Option<String>,
    pub option_group: Option<String>,
    /// `None`: the default VPC's.
    pub subnet_group: Option<String>,
    /// Empty: the VPC's default one.
    pub security_groups: Vec<String>,
    /// From deletion.
    pub protected: bool,
    pub tags: BTreeMap<String, String>,
}

/// A cluster to make of a snapshot, without instances.
#[derive(Debug, Clone, Default)]
pub struct NewCluster {
    pub identifier: String,
    pub snapshot: String,
    pub engine: String,
    pub engine_version: String,
    /// Multi-AZ clusters only: Aurora's instances have the class.
    pub class: Option<String>,
    pub storage: Storage,
    pub port: Option<u32>,
    pub iam_authentication: bool,
    pub parameter_group: Option<String>,
    pub serverless: Option<Serverless>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    /// From deletion.
    pub protected: bool,
    pub tags: BTreeMap<String, String>,
}

/// An instance to make in an Aurora cluster.
#[derive(Debug, Clone, Default)]
pub struct NewMember {
    pub identifier: String,
    pub cluster: String,
    pub class: String,
    pub engine: String,
    pub parameter_group: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// How an instance or cluster stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    pub arn: String,
    pub status: String,
    pub address: Option<String>,
    pub port: Option<u32>,
    pub tags: BTreeMap<String, String>,
    /// Of instances; clusters have none of their own.
    pub is_public: bool,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub parameter_groups: Vec<String>,
    /// The master user.
    pub user: Option<String>,
    /// A new password is not in force yet.
    pub awaits_password: bool,
}

impl From<DbInstance> for Restored {
    fn from(it: DbInstance) -> Self {
        let (address, port) = it
            .endpoint
            .map_or((None, None), |endpoint| (endpoint.address, endpoint.port));
        let pending = it.pending_modified_values;
        Self {
            arn: it.db_instance_arn.unwrap_or_default(),
            status: it.db_instance_status.unwrap_or_default(),
            address,
            port: size(port),
            tags: told(it.tag_list),
            is_public: it.publicly_accessible.unwrap_or(false),
            subnet_group: it
                .db_subnet_group
                .and_then(|group| group.db_subnet_group_name),
            security_groups: security_groups(it.vpc_security_groups),
            parameter_groups: it
                .db_parameter_groups
                .into_iter()
                .flatten()
                .filter_map(|group| group.db_parameter_group_name)
                .collect(),
            user: it.master_username,
            awaits_password: pending.is_some_and(|pending| pending.master_user_password.is_some()),
        }
    }
}

impl From<DbCluster> for Restored {
    fn from(it: DbCluster) -> Self {
        let pending = it.pending_modified_values;
        Self {
            arn: it.db_cluster_arn.unwrap_or_default(),
            status: it.status.unwrap_or_default(),
            address: it.endpoint,
            port: size(it.port),
            tags: told(it.tag_list),
            is_public: it.publicly_accessible.unwrap_or(false),
            subnet_group: it.db_subnet_group,
            security_groups: security_groups(it.vpc_security_groups),
            parameter_groups: it.db_cluster_parameter_group.into_iter().collect(),
            user: it.master_username,
            awaits_password: pending.is_some_and(|pending| pending.master_user_password.is_some()),
        }
    }
}

impl Rds {
    /// How an instance or cluster stands; `None` where there is none of that identifier.
    pub async fn standing(&self, kind: Kind, identifier: &str) -> Result<Option<Restored>> {
        let found = match kind {
            Kind::Instance => self.describe_instance(identifier).await.map(Into::into),
            Kind::Cluster => self.describe_cluster(identifier).await.map(Into::into),
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to make an instance.
    pub async fn restore_instance(&self, new: &NewInstance) -> Result<()> {
        self.client
            .restore_db_instance_from_db_snapshot()
            .db_instance_identifier(&new.identifier)
            .db_snapshot_identifier(&new.snapshot)
            .set_db_instance_class(new.class.clone())
            .set_storage_type(new.storage.kind.clone())
            .set_iops(sdk(new.storage.iops))
            .set_storage_throughput(sdk(new.storage.throughput))
            .multi_az(new.multi_az)
            .set_port(sdk(new.port))
            .publicly_accessible(false)
            .deletion_protection(new.protected)
            .enable_iam_database_authentication(new.iam_authentication)
            .set_db_parameter_group_name(new.parameter_group.clone())
            .set_option_group_name(new.option_group.clone())
            .set_db_subnet_group_name(new.subnet_group.clone())
            .set_vpc_security_group_ids(some(&new.security_groups))
            .set_tags(sent(&new.tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let what = format!(
                    "cannot make instance {} of snapshot {}",
                    new.identifier, new.snapshot
                );
                error(&RESTORE, what, why)
            })
    }

    /// Begins to make a cluster.
    pub async fn restore_cluster(&self, new: &NewCluster) -> Result<()> {
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
            .set_iops(sdk(new.storage.iops))
            .set_port(sdk(new.port))
            .deletion_protection(new.protected)
            .enable_iam_database_authentication(new.iam_authentication)
            .set_db_cluster_parameter_group_name(new.parameter_group.clone())
            .set_serverless_v2_scaling_configuration(scaling)
            .set_db_subnet_group_name(new.subnet_group.clone())
            .set_vpc_security_group_ids(some(&new.security_groups))
            .set_tags(sent(&new.tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let what = format!(
                    "cannot make cluster {} of snapshot {}",
                    new.identifier, new.snapshot
                );
                error(&RESTORE_CLUSTER, what, why)
            })
    }

    /// Begins to make an instance in an Aurora cluster.
    pub async fn add_member(&self, new: &NewMember) -> Result<()> {
        self.client
            .create_db_instance()
            .db_instance_identifier(&new.identifier)
            .db_cluster_identifier(&new.cluster)
            .db_instance_class(&new.class)
            .engine(&new.engine)
            .publicly_accessible(false)
            .set_db_parameter_group_name(new.parameter_group.clone())
            .set_tags(sent(&new.tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let what = format!(
                    "cannot make instance {} in cluster {}",
                    new.identifier, new.cluster
                );
                error(&CREATE_MEMBER, what, why)
            })
    }
}

fn sdk(number: Option<u32>) -> Option<i32> {
    i32::try_from(number?).ok()
}

fn some(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}
