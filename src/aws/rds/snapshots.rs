//! Snapshots of instances and clusters: described, taken, copied, shared, deleted.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::described::Snapshot;
use super::{Rds, sent};
use crate::aws::fault::{Operation, code, error};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::Kind;

const DESCRIBE: [Operation; 2] = [
    Operation {
        name: "DescribeDBSnapshots",
        rights: "rds:DescribeDBSnapshots",
    },
    Operation {
        name: "DescribeDBClusterSnapshots",
        rights: "rds:DescribeDBClusterSnapshots",
    },
];
const CREATE: [Operation; 2] = [
    Operation {
        name: "CreateDBSnapshot",
        rights: "rds:CreateDBSnapshot and rds:AddTagsToResource",
    },
    Operation {
        name: "CreateDBClusterSnapshot",
        rights: "rds:CreateDBClusterSnapshot and rds:AddTagsToResource",
    },
];
const COPY: [Operation; 2] = [
    Operation {
        name: "CopyDBSnapshot",
        rights: "rds:CopyDBSnapshot on both snapshots, and rds:AddTagsToResource",
    },
    Operation {
        name: "CopyDBClusterSnapshot",
        rights: "rds:CopyDBClusterSnapshot on both snapshots, and rds:AddTagsToResource",
    },
];
const SHARE: [Operation; 2] = [
    Operation {
        name: "ModifyDBSnapshotAttribute",
        rights: "rds:ModifyDBSnapshotAttribute",
    },
    Operation {
        name: "ModifyDBClusterSnapshotAttribute",
        rights: "rds:ModifyDBClusterSnapshotAttribute",
    },
];
const SHARES: [Operation; 2] = [
    Operation {
        name: "DescribeDBSnapshotAttributes",
        rights: "rds:DescribeDBSnapshotAttributes",
    },
    Operation {
        name: "DescribeDBClusterSnapshotAttributes",
        rights: "rds:DescribeDBClusterSnapshotAttributes",
    },
];
const DELETE: [Operation; 2] = [
    Operation {
        name: "DeleteDBSnapshot",
        rights: "rds:DeleteDBSnapshot; roles of lifeboat have it for lifeboat's own snapshots only",
    },
    Operation {
        name: "DeleteDBClusterSnapshot",
        rights: "rds:DeleteDBClusterSnapshot; roles of lifeboat have it for lifeboat's own snapshots only",
    },
];

/// The attribute that lists the accounts which may copy and restore.
const RESTORE: &str = "restore";

fn of(operations: &'static [Operation; 2], kind: Kind) -> &'static Operation {
    match kind {
        Kind::Instance => &operations[0],
        Kind::Cluster => &operations[1],
    }
}

/// Which snapshots are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// The account's own of one instance or cluster, automated ones too.
    Of(&'a str),
    /// The account's own.
    Own,
    /// Those, and what others share with it.
    OwnAndShared,
    /// Those that others share with the account.
    Shared,
}

/// Why a snapshot was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// One of that name exists.
    Exists,
    /// What was to be copied is not there, or not shared.
    NotFound,
    /// Too many copies under way: there is room again when one ends.
    Busy,
    /// No answer: it may have been made.
    Unanswered,
    Other,
}

/// A snapshot that was not made.
#[derive(Debug)]
pub struct Refused {
    pub why: Why,
    pub error: Error,
}

impl Rds {
    /// All snapshots that are meant, in no order.
    pub async fn snapshots(&self, kind: Kind, which: Which<'_>) -> Result<Vec<Snapshot>> {
        let what = || format!("cannot list the {} snapshots of the {}", kind, self.side);
        let (identifier, made, shared) = match which {
            Which::Of(identifier) => (Some(identifier.to_owned()), None, None),
            Which::Own => (None, None, None),
            Which::OwnAndShared => (None, None, Some(true)),
            Which::Shared => (None, Some("shared".to_owned()), None),
        };
        match kind {
            Kind::Instance => self
                .client
                .describe_db_snapshots()
                .set_db_instance_identifier(identifier)
                .set_snapshot_type(made)
                .set_include_shared(shared)
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map(|all| all.into_iter().map(Snapshot::from).collect())
                .map_err(|why| error(of(&DESCRIBE, kind), what(), why)),
            Kind::Cluster => self
                .client
                .describe_db_cluster_snapshots()
                .set_db_cluster_identifier(identifier)
                .set_snapshot_type(made)
                .set_include_shared(shared)
                .into_paginator()
                .items()
                .send()
                .collect::<std::result::Result<Vec<_>, _>>()
                .await
                .map(|all| all.into_iter().map(Snapshot::from).collect())
                .map_err(|why| error(of(&DESCRIBE, kind), what(), why)),
        }
    }

    /// One of the account's own; `None` where there is none of that name.
    pub async fn snapshot(&self, kind: Kind, name: &str) -> Result<Option<Snapshot>> {
        let what = || format!("cannot look at snapshot {name} in the {}", self.side);
        let found = match kind {
            Kind::Instance => {
                let call = self
                    .client
                    .describe_db_snapshots()
                    .db_snapshot_identifier(name);
                call.send()
                    .await
                    .map(|told| told.db_snapshots.into_iter().flatten().next())
                    .map(|found| found.map(Snapshot::from))
                    .map_err(|why| error(of(&DESCRIBE, kind), what(), why))
            }
            Kind::Cluster => {
                let call = self
                    .client
                    .describe_db_cluster_snapshots()
                    .db_cluster_snapshot_identifier(name);
                call.send()
                    .await
                    .map(|told| told.db_cluster_snapshots.into_iter().flatten().next())
                    .map(|found| found.map(Snapshot::from))
                    .map_err(|why| error(of(&DESCRIBE, kind), what(), why))
            }
        };
        match found {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }

    /// Takes a snapshot of an instance or cluster.
    pub async fn take(
        &self,
        kind: Kind,
        identifier: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Snapshot, Refused> {
        let what = || format!("cannot take snapshot {name} of {kind} {identifier}");
        match kind {
            Kind::Instance => self
                .client
                .create_db_snapshot()
                .db_instance_identifier(identifier)
                .db_snapshot_identifier(name)
                .set_tags(sent(tags))
                .send()
                .await
                .map(|made| made.db_snapshot.map(Snapshot::from))
                .map_err(|why| refused(of(&CREATE, kind), what(), why)),
            Kind::Cluster => self
                .client
                .create_db_cluster_snapshot()
                .db_cluster_identifier(identifier)
                .db_cluster_snapshot_identifier(name)
                .set_tags(sent(tags))
                .send()
                .await
                .map(|made| made.db_cluster_snapshot.map(Snapshot::from))
                .map_err(|why| refused(of(&CREATE, kind), what(), why)),
        }
        .and_then(|made| made.ok_or_else(|| silent(what())))
    }

    /// Begins a copy of `from`, a name or an ARN, under `key`; `None` keeps its key, or its having
    /// none. Called in the region where the copy is to lie.
    pub async fn copy(
        &self,
        kind: Kind,
        from: &str,
        name: &str,
        key: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Snapshot, Refused> {
        let what = || format!("cannot copy {from} to {name} in the {}", self.side);
        match kind {
            Kind::Instance => self
                .client
                .copy_db_snapshot()
                .source_db_snapshot_identifier(from)
                .target_db_snapshot_identifier(name)
                .set_kms_key_id(key.map(str::to_owned))
                .set_tags(sent(tags))
                .send()
                .await
                .map(|made| made.db_snapshot.map(Snapshot::from))
                .map_err(|why| refused(of(&COPY, kind), what(), why)),
            Kind::Cluster => self
                .client
                .copy_db_cluster_snapshot()
                .source_db_cluster_snapshot_identifier(from)
                .target_db_cluster_snapshot_identifier(name)
                .set_kms_key_id(key.map(str::to_owned))
                .set_tags(sent(tags))
                .send()
                .await
                .map(|made| made.db_cluster_snapshot.map(Snapshot::from))
                .map_err(|why| refused(of(&COPY, kind), what(), why)),
        }
        .and_then(|made| made.ok_or_else(|| silent(what())))
    }

    /// Lets another account copy a snapshot.
    pub async fn share(&self, kind: Kind, name: &str, account: &str) -> Result<()> {
        let what = format!("cannot share snapshot {name} with account {account}");
        self.set_share(kind, name, account, true, what).await
    }

    /// Takes that back.
    pub async fn unshare(&self, kind: Kind, name: &str, account: &str) -> Result<()> {
        let what = format!("cannot end the sharing of snapshot {name} with account {account}");
        self.set_share(kind, name, account, false, what).await
    }

    async fn set_share(
        &self,
        kind: Kind,
        name: &str,
        account: &str,
        shared: bool,
        what: String,
    ) -> Result<()> {
        let account = Some(vec![account.to_owned()]);
        let (add, remove) = if shared {
            (account, None)
        } else {
            (None, account)
        };
        match kind {
            Kind::Instance => self
                .client
                .modify_db_snapshot_attribute()
                .db_snapshot_identifier(name)
                .attribute_name(RESTORE)
                .set_values_to_add(add)
                .set_values_to_remove(remove)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&SHARE, kind), what, why)),
            Kind::Cluster => self
                .client
                .modify_db_cluster_snapshot_attribute()
                .db_cluster_snapshot_identifier(name)
                .attribute_name(RESTORE)
                .set_values_to_add(add)
                .set_values_to_remove(remove)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&SHARE, kind), what, why)),
        }
    }

    /// The accounts that a snapshot is shared with.
    pub async fn shared_with(&self, kind: Kind, name: &str) -> Result<Vec<String>> {
        let what = || format!("cannot tell with whom snapshot {name} is shared");
        let attributes = match kind {
            Kind::Instance => self
                .client
                .describe_db_snapshot_attributes()
                .db_snapshot_identifier(name)
                .send()
                .await
                .map_err(|why| error(of(&SHARES, kind), what(), why))?
                .db_snapshot_attributes_result
                .and_then(|told| told.db_snapshot_attributes)
                .into_iter()
                .flatten()
                .map(|one| (one.attribute_name, one.attribute_values))
                .collect::<Vec<_>>(),
            Kind::Cluster => self
                .client
                .describe_db_cluster_snapshot_attributes()
                .db_cluster_snapshot_identifier(name)
                .send()
                .await
                .map_err(|why| error(of(&SHARES, kind), what(), why))?
                .db_cluster_snapshot_attributes_result
                .and_then(|told| told.db_cluster_snapshot_attributes)
                .into_iter()
                .flatten()
                .map(|one| (one.attribute_name, one.attribute_values))
                .collect(),
        };
        let restore = attributes
            .into_iter()
            .filter(|(name, _)| name.as_deref() == Some(RESTORE));
        Ok(restore.filter_map(|(_, values)| values).flatten().collect())
    }

    /// Deletes a snapshot of the account; one that is gone already is no error.
    pub async fn delete(&self, kind: Kind, name: &str) -> Result<()> {
        let what = format!("cannot delete snapshot {name} in the {}", self.side);
        let deleted = match kind {
            Kind::Instance => self
                .client
                .delete_db_snapshot()
                .db_snapshot_identifier(name)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&DELETE, kind), what, why)),
            Kind::Cluster => self
                .client
                .delete_db_cluster_snapshot()
                .db_cluster_snapshot_identifier(name)
                .send()
                .await
                .map(drop)
                .map_err(|why| error(of(&DELETE, kind), what, why)),
        };
        match deleted {
            // The reply to an earlier attempt may have been lost.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }
}

/// AWS has one code for "too many at once" and for "too many in all"; its words tell them apart.
fn refused<E>(operation: &Operation, what: String, why: SdkError<E, HttpResponse>) -> Refused
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = code(&why).to_owned();
    let words = why
        .as_service_error()
        .and_then(ProvideErrorMetadata::message)
        .unwrap_or_default()
        .to_owned();
    let error = error(operation, what, why);
    let (why, hint) = match code.as_str() {
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault"
            if words.contains("Cannot copy more than") =>
        {
            (
                Why::Busy,
                "so many copies are under way in that region: wait for one of them",
            )
        }
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault" => (
            Why::Other,
            "the region's quota of manual snapshots is full: `lifeboat snapshot expire` shows what can go; \
             or ask AWS for a higher quota",
        ),
        "KMSKeyNotAccessibleFault" => (
            Why::Other,
            "the key must be enabled, and its policy must admit this role and RDS (kms:CreateGrant, \
             kms:Decrypt, kms:GenerateDataKey*, kms:DescribeKey): deploy/aws/backup-account.yaml shows how",
        ),
        code if code.contains("AlreadyExists") => (Why::Exists, ""),
        code if code.contains("NotFound") => (Why::NotFound, ""),
        _ if error.kind() == ErrorKind::Unavailable => (Why::Unanswered, ""),
        _ => (Why::Other, ""),
    };
    let error = if hint.is_empty() {
        error
    } else {
        error.hint(hint)
    };
    Refused { why, error }
}

fn silent(what: String) -> Refused {
    Refused {
        why: Why::Unanswered,
        error: Error::failed(format!("{what}: AWS answered without the snapshot")),
    }
}
