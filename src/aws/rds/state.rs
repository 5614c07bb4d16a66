//! The state of an instance or cluster, what RDS itself does to keep it from being lost, and how a drill
//! changes it: a new password, stop, start, deletion.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbCluster, DbInstance};
use jiff::Timestamp;

use super::client::Rds;
use super::convert::{number_from_sdk, security_group_ids, tags_from_sdk, tags_to_sdk, time};
use crate::aws::call_error::{from_sdk, if_there, unless_gone};
use crate::error::{Error, Result};
use crate::model::snapshot::Kind;

/// An instance or cluster as RDS describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DbState {
    pub identifier: String,
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
    pub master_user: Option<String>,
    /// A new password is not in force yet.
    pub awaits_password: bool,
    pub deletion_protection: bool,
    /// By RDS's clock.
    pub created_at: Option<Timestamp>,
}

/// Both types of the SDK have these fields; those that differ are given.
macro_rules! state_from {
    ($described:ident, $($field:ident: $value:expr,)+) => {
        DbState {
            tags: tags_from_sdk($described.tag_list),
            is_public: $described.publicly_accessible.unwrap_or(false),
            security_groups: security_group_ids($described.vpc_security_groups),
            master_user: $described.master_username,
            deletion_protection: $described.deletion_protection.unwrap_or(false),
            awaits_password: ($described.pending_modified_values)
                .is_some_and(|pending| pending.master_user_password.is_some()),
            $($field: $value,)+
        }
    };
}

impl From<DbInstance> for DbState {
    fn from(described: DbInstance) -> Self {
        let (address, port) = described
            .endpoint
            .map_or((None, None), |endpoint| (endpoint.address, endpoint.port));
        let parameter_groups = described.db_parameter_groups.into_iter().flatten();
        let subnet_group = described.db_subnet_group;
        state_from! {
            described,
            identifier: described.db_instance_identifier.unwrap_or_default(),
            arn: described.db_instance_arn.unwrap_or_default(),
            status: described.db_instance_status.unwrap_or_default(),
            address: address,
            port: number_from_sdk(port),
            subnet_group: subnet_group.and_then(|group| group.db_subnet_group_name),
            created_at: time(described.instance_create_time),
            parameter_groups: parameter_groups
                .filter_map(|group| group.db_parameter_group_name)
                .collect(),
        }
    }
}

impl From<DbCluster> for DbState {
    fn from(described: DbCluster) -> Self {
        state_from! {
            described,
            identifier: described.db_cluster_identifier.unwrap_or_default(),
            arn: described.db_cluster_arn.unwrap_or_default(),
            status: described.status.unwrap_or_default(),
            address: described.endpoint,
            port: number_from_sdk(described.port),
            subnet_group: described.db_subnet_group,
            created_at: time(described.cluster_create_time),
            parameter_groups: described.db_cluster_parameter_group.into_iter().collect(),
        }
    }
}

/// The settings of an instance or cluster that guard it. RDS does not say whether automated backups
/// would be deleted with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guards {
    pub deletion_protection: bool,
    /// Days that automated backups are kept; 0: there are none.
    pub backup_retention_days: i32,
    pub encrypted: bool,
    /// ARN of the key that encrypts it; `None`: not encrypted, or by a key of AWS's that has none.
    pub kms_key: Option<String>,
}

macro_rules! guards_from {
    ($described:ty) => {
        impl From<$described> for Guards {
            fn from(described: $described) -> Self {
                Self {
                    deletion_protection: described.deletion_protection.unwrap_or(false),
                    backup_retention_days: described.backup_retention_period.unwrap_or(0),
                    encrypted: described.storage_encrypted.unwrap_or(false),
                    kms_key: described.kms_key_id,
                }
            }
        }
    };
}

guards_from!(DbInstance);
guards_from!(DbCluster);

impl Rds {
    /// The state of an instance or cluster; `None` where there is none of that identifier.
    pub(crate) async fn state(&self, kind: Kind, identifier: &str) -> Result<Option<DbState>> {
        let found = match kind {
            Kind::Instance => self.describe_instance(identifier).await.map(Into::into),
            Kind::Cluster => self.describe_cluster(identifier).await.map(Into::into),
        };
        if_there(found)
    }

    /// Reads the guards of an instance or cluster. One that RDS does not know is `NotFound`.
    pub(crate) async fn guards(&self, kind: Kind, identifier: &str) -> Result<Guards> {
        Ok(match kind {
            Kind::Instance => self.describe_instance(identifier).await?.into(),
            Kind::Cluster => self.describe_cluster(identifier).await?.into(),
        })
    }

    /// All instances or clusters of the account in the region.
    pub(crate) async fn states(&self, kind: Kind) -> Result<Vec<DbState>> {
        let what = format!("cannot list the {kind}s of the {}", self.side);
        list!(self, kind, what;
            "DescribeDBInstances" describe_db_instances
                | "DescribeDBClusters" describe_db_clusters;
            take found => Some(DbState::from(found)), Some(DbState::from(found)))
    }

    pub(super) async fn describe_instance(&self, identifier: &str) -> Result<DbInstance> {
        let what = || format!("cannot describe instance {identifier} of the {}", self.side);
        let call = self.client.describe_db_instances();
        let reply = call.db_instance_identifier(identifier).send().await;
        reply
            .map_err(|why| from_sdk(operation!("DescribeDBInstances"), what(), why))?
            .db_instances
            .and_then(|found| found.into_iter().next())
            .ok_or_else(|| Error::failed(format!("{}: no answer", what())))
    }

    pub(super) async fn describe_cluster(&self, identifier: &str) -> Result<DbCluster> {
        let what = || format!("cannot describe cluster {identifier} of the {}", self.side);
        let call = self.client.describe_db_clusters();
        let reply = call.db_cluster_identifier(identifier).send().await;
        reply
            .map_err(|why| from_sdk(operation!("DescribeDBClusters"), what(), why))?
            .db_clusters
            .and_then(|found| found.into_iter().next())
            .ok_or_else(|| Error::failed(format!("{}: no answer", what())))
    }
}

/// What a drill does to instances and clusters of its own.
impl Rds {
    /// Gives the master user this password, at once; RDS needs a while for it.
    pub(crate) async fn set_password(
        &self,
        kind: Kind,
        identifier: &str,
        password: &str,
    ) -> Result<()> {
        let what = format!("cannot set the password of {kind} {identifier}");
        send!(self, kind, from_sdk(what);
            "ModifyDBInstance" modify_db_instance | "ModifyDBCluster" modify_db_cluster;
            each db_instance_identifier | db_cluster_identifier = identifier;
            both master_user_password = password, apply_immediately = true;)
    }

    /// Starts to stop it: its storage stays, its compute is not paid for.
    pub(crate) async fn stop_db(&self, kind: Kind, identifier: &str) -> Result<()> {
        let what = format!("cannot stop {kind} {identifier}");
        send!(self, kind, from_sdk(what);
            "StopDBInstance" stop_db_instance | "StopDBCluster" stop_db_cluster;
            each db_instance_identifier | db_cluster_identifier = identifier;)
    }

    /// Starts a stopped cluster: it cannot be deleted otherwise.
    pub(crate) async fn start_cluster(&self, identifier: &str) -> Result<()> {
        let call = self.client.start_db_cluster();
        let reply = call.db_cluster_identifier(identifier).send().await;
        reply.map(drop).map_err(|why| {
            let what = format!("cannot start cluster {identifier}");
            from_sdk(operation!("StartDBCluster"), what, why)
        })
    }

    /// Starts to delete it, without a last snapshot, its automated backups with it; one that is gone
    /// already is no error.
    pub(crate) async fn delete_db(&self, kind: Kind, identifier: &str) -> Result<()> {
        let what = format!("cannot delete {kind} {identifier}");
        unless_gone(send!(self, kind, from_sdk(what);
            "DeleteDBInstance" delete_db_instance | "DeleteDBCluster" delete_db_cluster;
            each db_instance_identifier | db_cluster_identifier = identifier;
            both skip_final_snapshot = true, delete_automated_backups = true;))
    }

    pub(crate) async fn tag(&self, arn: &str, key: &str, value: &str) -> Result<()> {
        let tags = [(key.to_owned(), value.to_owned())].into();
        let call = self.client.add_tags_to_resource().resource_name(arn);
        let reply = call.set_tags(tags_to_sdk(&tags)).send().await;
        reply.map(drop).map_err(|why| {
            let what = format!("cannot tag {arn} {key}");
            from_sdk(operation!("AddTagsToResource"), what, why)
        })
    }
}
