//! What a drill does to instances and clusters of its own: a new password, a stop, a start, an end.

use super::{Rds, Restored, sent};
use crate::aws::fault::{Operation, error};
use crate::error::{Kind as ErrorKind, Result};
use crate::model::snapshot::Kind;

/// Of an instance, and of a cluster.
type Both = [Operation; 2];

const MODIFY: Both = [
    Operation {
        name: "ModifyDBInstance",
        rights: "rds:ModifyDBInstance",
    },
    Operation {
        name: "ModifyDBCluster",
        rights: "rds:ModifyDBCluster",
    },
];
const STOP: Both = [
    Operation {
        name: "StopDBInstance",
        rights: "rds:StopDBInstance",
    },
    Operation {
        name: "StopDBCluster",
        rights: "rds:StopDBCluster",
    },
];
const DELETE: Both = [
    Operation {
        name: "DeleteDBInstance",
        rights: "rds:DeleteDBInstance",
    },
    Operation {
        name: "DeleteDBCluster",
        rights: "rds:DeleteDBCluster",
    },
];
const LIST: Both = [
    Operation {
        name: "DescribeDBInstances",
        rights: "rds:DescribeDBInstances",
    },
    Operation {
        name: "DescribeDBClusters",
        rights: "rds:DescribeDBClusters",
    },
];
const LIST_GROUPS: Both = [
    Operation {
        name: "DescribeDBParameterGroups",
        rights: "rds:DescribeDBParameterGroups",
    },
    Operation {
        name: "DescribeDBClusterParameterGroups",
        rights: "rds:DescribeDBClusterParameterGroups",
    },
];
const DELETE_GROUP: Both = [
    Operation {
        name: "DeleteDBParameterGroup",
        rights: "rds:DeleteDBParameterGroup",
    },
    Operation {
        name: "DeleteDBClusterParameterGroup",
        rights: "rds:DeleteDBClusterParameterGroup",
    },
];
const START: Operation = Operation {
    name: "StartDBCluster",
    rights: "rds:StartDBCluster",
};
const TAG: Operation = Operation {
    name: "AddTagsToResource",
    rights: "rds:AddTagsToResource",
};

fn of(both: &'static Both, kind: Kind) -> &'static Operation {
    match kind {
        Kind::Instance => &both[0],
        Kind::Cluster => &both[1],
    }
}

impl Rds {
    /// All instances or clusters of the account in the region: identifier, and how it stands.
    pub async fn all_standing(&self, kind: Kind) -> Result<Vec<(String, Restored)>> {
        let what = || format!("cannot list the {kind}s of the {}", self.side);
        Ok(match kind {
            Kind::Instance => self
                .client
                .describe_db_instances()
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map_err(|why| error(of(&LIST, kind), what(), why))?
                .into_iter()
                .filter_map(|one| Some((one.db_instance_identifier.clone()?, one.into())))
                .collect(),
            Kind::Cluster => self
                .client
                .describe_db_clusters()
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map_err(|why| error(of(&LIST, kind), what(), why))?
                .into_iter()
                .filter_map(|one| Some((one.db_cluster_identifier.clone()?, one.into())))
                .collect(),
        })
    }

    /// Gives the master user this password, at once; RDS needs a while for it.
    pub async fn set_password(&self, kind: Kind, identifier: &str, password: &str) -> Result<()> {
        let what = || format!("cannot set the password of {kind} {identifier}");
        match kind {
            Kind::Instance => self
                .client
                .modify_db_instance()
                .db_instance_identifier(identifier)
                .master_user_password(password)
                .apply_immediately(true)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&MODIFY, kind), what(), why)),
            Kind::Cluster => self
                .client
                .modify_db_cluster()
                .db_cluster_identifier(identifier)
                .master_user_password(password)
                .apply_immediately(true)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&MODIFY, kind), what(), why)),
        }
    }

    /// Begins to stop it: its storage stays, its compute is not paid for.
    pub async fn stop(&self, kind: Kind, identifier: &str) -> Result<()> {
        let what = || format!("cannot stop {kind} {identifier}");
        match kind {
            Kind::Instance => self
                .client
                .stop_db_instance()
                .db_instance_identifier(identifier)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&STOP, kind), what(), why)),
            Kind::Cluster => self
                .client
                .stop_db_cluster()
                .db_cluster_identifier(identifier)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&STOP, kind), what(), why)),
        }
    }

    /// Begins to start a stopped cluster: it cannot be deleted otherwise.
    pub async fn start_cluster(&self, identifier: &str) -> Result<()> {
        self.client
            .start_db_cluster()
            .db_cluster_identifier(identifier)
            .send()
            .await
            .map(drop)
            .map_err(|why| {
                let what = format!("cannot start cluster {identifier}");
                error(&START, what, why)
            })
    }

    /// Begins to delete it, without a last snapshot, its automated backups with it; one that is gone
    /// already is no error.
    pub async fn delete_standing(&self, kind: Kind, identifier: &str) -> Result<()> {
        let what = || format!("cannot delete {kind} {identifier}");
        let deleted = match kind {
            Kind::Instance => self
                .client
                .delete_db_instance()
                .db_instance_identifier(identifier)
                .skip_final_snapshot(true)
                .delete_automated_backups(true)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&DELETE, kind), what(), why)),
            Kind::Cluster => self
                .client
                .delete_db_cluster()
                .db_cluster_identifier(identifier)
                .skip_final_snapshot(true)
                .delete_automated_backups(true)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&DELETE, kind), what(), why)),
        };
        or_gone(deleted)
    }

    /// The names of all parameter groups, of instances or of clusters.
    pub async fn parameter_groups(&self, kind: Kind) -> Result<Vec<String>> {
        let what = || format!("cannot list the parameter groups of {kind}s");
        Ok(match kind {
            Kind::Instance => self
                .client
                .describe_db_parameter_groups()
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map_err(|why| error(of(&LIST_GROUPS, kind), what(), why))?
                .into_iter()
                .filter_map(|one| one.db_parameter_group_name)
                .collect(),
            Kind::Cluster => self
                .client
                .describe_db_cluster_parameter_groups()
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map_err(|why| error(of(&LIST_GROUPS, kind), what(), why))?
                .into_iter()
                .filter_map(|one| one.db_cluster_parameter_group_name)
                .collect(),
        })
    }

    /// Deletes a parameter group that nothing uses; one that is gone already is no error.
    pub async fn delete_parameter_group(&self, kind: Kind, name: &str) -> Result<()> {
        let what = || format!("cannot delete parameter group {name}");
        let deleted = match kind {
            Kind::Instance => self
                .client
                .delete_db_parameter_group()
                .db_parameter_group_name(name)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&DELETE_GROUP, kind), what(), why)),
            Kind::Cluster => self
                .client
                .delete_db_cluster_parameter_group()
                .db_cluster_parameter_group_name(name)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&DELETE_GROUP, kind), what(), why)),
        };
        or_gone(deleted)
    }

    /// Sets one tag.
    pub async fn tag(&self, arn: &str, key: &str, value: &str) -> Result<()> {
        let tags = [(key.to_owned(), value.to_owned())].into();
        self.client
            .add_tags_to_resource()
            .resource_name(arn)
            .set_tags(sent(&tags))
            .send()
            .await
            .map(drop)
            .map_err(|why| error(&TAG, format!("cannot tag {arn} {key}"), why))
    }
}

/// The reply to an earlier attempt may have been lost.
fn or_gone(deleted: Result<()>) -> Result<()> {
    match deleted {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        deleted => deleted,
    }
}
