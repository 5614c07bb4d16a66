//! Snapshots of instances and clusters: described, taken, copied, shared, deleted.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;

use super::client::Rds;
use super::convert::{tags_from_sdk, tags_to_sdk, time};
use crate::aws::call_error::{Operation, code, from_sdk, if_there, unless_gone};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::snapshot::Kind;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub kind: Kind,
    pub name: String,
    pub arn: String,
    /// The instance or cluster.
    pub identifier: String,
    /// `automated`, `manual`, `awsbackup`, `shared`.
    pub snapshot_type: String,
    /// `creating`, `copying`, `available`, `failed`.
    pub status: String,
    pub percent: u8,
    /// When this one came to be; for a copy RDS says when it was copied.
    pub created_at: Option<Timestamp>,
    /// When the first of a row of copies was taken: instances only, RDS keeps none for clusters.
    pub original_at: Option<Timestamp>,
    pub encrypted: bool,
    /// The key is AWS's own, and not even in the account.
    pub owned_key: bool,
    pub kms_key: Option<String>,
    pub engine: String,
    pub engine_version: String,
    pub allocated_gib: u64,
    /// ARN of what this is a copy of, where that lies in another account or region.
    pub copied_from: Option<String>,
    pub tags: BTreeMap<String, String>,
}

impl Snapshot {
    pub(crate) fn is_available(&self) -> bool {
        self.status == "available"
    }

    /// Will not change by itself, and is not available.
    pub(crate) fn has_failed(&self) -> bool {
        self.status.starts_with("fail") || self.status.starts_with("incompatible")
    }
}

const OWNED_KEY: &str = "sse-rds";

/// Both types of the SDK have these fields; those that differ are given.
macro_rules! snapshot_from {
    ($described:ident, $($field:ident: $value:expr,)+) => {
        Snapshot {
            snapshot_type: $described.snapshot_type.unwrap_or_default(),
            status: $described.status.unwrap_or_default(),
            percent: percent($described.percent_progress),
            created_at: time($described.snapshot_create_time),
            owned_key: ($described.storage_encryption_type)
                .is_some_and(|kind| kind.as_str() == OWNED_KEY),
            engine: $described.engine.unwrap_or_default(),
            engine_version: $described.engine_version.unwrap_or_default(),
            allocated_gib: gib($described.allocated_storage),
            tags: tags_from_sdk($described.tag_list),
            $($field: $value,)+
        }
    };
}

impl From<DbSnapshot> for Snapshot {
    fn from(described: DbSnapshot) -> Self {
        let encrypted = described.encrypted.unwrap_or(false);
        snapshot_from! {
            described,
            kind: Kind::Instance,
            name: described.db_snapshot_identifier.unwrap_or_default(),
            arn: described.db_snapshot_arn.unwrap_or_default(),
            identifier: described.db_instance_identifier.unwrap_or_default(),
            original_at: time(described.original_snapshot_create_time),
            encrypted: encrypted,
            kms_key: described.kms_key_id.filter(|_| encrypted),
            copied_from: described.source_db_snapshot_identifier,
        }
    }
}

impl From<DbClusterSnapshot> for Snapshot {
    fn from(described: DbClusterSnapshot) -> Self {
        let encrypted = described.storage_encrypted.unwrap_or(false);
        snapshot_from! {
            described,
            kind: Kind::Cluster,
            name: described.db_cluster_snapshot_identifier.unwrap_or_default(),
            arn: described.db_cluster_snapshot_arn.unwrap_or_default(),
            identifier: described.db_cluster_identifier.unwrap_or_default(),
            original_at: None,
            encrypted: encrypted,
            kms_key: described.kms_key_id.filter(|_| encrypted),
            copied_from: described.source_db_cluster_snapshot_arn,
        }
    }
}

fn percent(number: Option<i32>) -> u8 {
    u8::try_from(number.unwrap_or(0).clamp(0, 100)).unwrap_or(0)
}

fn gib(number: Option<i32>) -> u64 {
    u64::try_from(number.unwrap_or(0)).unwrap_or(0)
}

/// The attribute that lists the accounts which may copy and restore.
const RESTORE: &str = "restore";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotFilter<'a> {
    /// The account's own of one instance or cluster, automated ones too.
    OwnOf(&'a str),
    /// The account's own.
    Own,
    /// The account's own, and what others share with it.
    OwnAndShared,
    /// Those that others share with the account.
    Shared,
}

impl Rds {
    /// All snapshots that pass the filter, in no order.
    pub(crate) async fn snapshots(
        &self,
        kind: Kind,
        filter: SnapshotFilter<'_>,
    ) -> Result<Vec<Snapshot>> {
        let what = format!("cannot list the {} snapshots of the {}", kind, self.side);
        let (identifier, snapshot_type, shared) = match filter {
            SnapshotFilter::OwnOf(identifier) => (Some(identifier.to_owned()), None, None),
            SnapshotFilter::Own => (None, None, None),
            SnapshotFilter::OwnAndShared => (None, None, Some(true)),
            SnapshotFilter::Shared => (None, Some("shared".to_owned()), None),
        };
        list!(self, kind, what;
            "DescribeDBSnapshots" describe_db_snapshots
                | "DescribeDBClusterSnapshots" describe_db_cluster_snapshots;
            each set_db_instance_identifier | set_db_cluster_identifier = identifier;
            both set_snapshot_type = snapshot_type, set_include_shared = shared;
            take found => Some(Snapshot::from(found)), Some(Snapshot::from(found)))
    }

    /// One of the account's own; `None` where there is none of that name.
    pub(crate) async fn snapshot(&self, kind: Kind, name: &str) -> Result<Option<Snapshot>> {
        let what = format!("cannot look at snapshot {name} in the {}", self.side);
        let found = send!(self, kind, from_sdk(what);
            "DescribeDBSnapshots" describe_db_snapshots
                | "DescribeDBClusterSnapshots" describe_db_cluster_snapshots;
            each db_snapshot_identifier | db_cluster_snapshot_identifier = name;
            take reply => first(reply.db_snapshots), first(reply.db_cluster_snapshots));
        if_there(found).map(Option::flatten)
    }

    /// Takes a snapshot of an instance or cluster: `Exists` if there is one of that name, `Unavailable`
    /// without an answer, in which case it may have been created.
    pub(crate) async fn create_snapshot(
        &self,
        kind: Kind,
        identifier: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let what = || format!("cannot take snapshot {name} of {kind} {identifier}");
        send!(self, kind, not_created(what());
            "CreateDBSnapshot" create_db_snapshot
                | "CreateDBClusterSnapshot" create_db_cluster_snapshot
                + " and rds:AddTagsToResource";
            each db_instance_identifier | db_cluster_identifier = identifier,
            db_snapshot_identifier | db_cluster_snapshot_identifier = name;
            both set_tags = tags_to_sdk(tags);
            take reply => reply.db_snapshot.map(Snapshot::from),
                reply.db_cluster_snapshot.map(Snapshot::from))
        .and_then(|created| created.ok_or_else(|| missing_in_reply(what())))
    }

    /// Starts a copy of `from`, a name or an ARN, under `key`; `None` keeps its key, or its having
    /// none. Called in the region where the copy is to lie. `Refused` while too many are under way: there
    /// is room again when one ends.
    pub(crate) async fn copy_snapshot(
        &self,
        kind: Kind,
        from: &str,
        name: &str,
        key: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let what = || format!("cannot copy {from} to {name} in the {}", self.side);
        send!(self, kind, not_created(what());
            "CopyDBSnapshot" copy_db_snapshot
                | "CopyDBClusterSnapshot" copy_db_cluster_snapshot
                + " on both snapshots, and rds:AddTagsToResource";
            each source_db_snapshot_identifier | source_db_cluster_snapshot_identifier = from,
            target_db_snapshot_identifier | target_db_cluster_snapshot_identifier = name;
            both set_kms_key_id = key.map(str::to_owned), set_tags = tags_to_sdk(tags);
            take reply => reply.db_snapshot.map(Snapshot::from),
                reply.db_cluster_snapshot.map(Snapshot::from))
        .and_then(|created| created.ok_or_else(|| missing_in_reply(what())))
    }

    pub(crate) async fn share_snapshot(&self, kind: Kind, name: &str, account: &str) -> Result<()> {
        let what = format!("cannot share snapshot {name} with account {account}");
        let account = vec![account.to_owned()];
        self.set_share(kind, name, Some(account), None, what).await
    }

    pub(crate) async fn unshare_snapshot(
        &self,
        kind: Kind,
        name: &str,
        account: &str,
    ) -> Result<()> {
        let what = format!("cannot end the sharing of snapshot {name} with account {account}");
        let account = vec![account.to_owned()];
        self.set_share(kind, name, None, Some(account), what).await
    }

    async fn set_share(
        &self,
        kind: Kind,
        name: &str,
        add: Option<Vec<String>>,
        remove: Option<Vec<String>>,
        what: String,
    ) -> Result<()> {
        send!(self, kind, from_sdk(what);
            "ModifyDBSnapshotAttribute" modify_db_snapshot_attribute
                | "ModifyDBClusterSnapshotAttribute" modify_db_cluster_snapshot_attribute;
            each db_snapshot_identifier | db_cluster_snapshot_identifier = name;
            both attribute_name = RESTORE,
                set_values_to_add = add,
                set_values_to_remove = remove;)
    }

    /// The accounts that a snapshot is shared with.
    pub(crate) async fn shared_with(&self, kind: Kind, name: &str) -> Result<Vec<String>> {
        let what = format!("cannot tell with whom snapshot {name} is shared");
        send!(self, kind, from_sdk(what);
        "DescribeDBSnapshotAttributes" describe_db_snapshot_attributes
            | "DescribeDBClusterSnapshotAttributes" describe_db_cluster_snapshot_attributes;
        each db_snapshot_identifier | db_cluster_snapshot_identifier = name;
        take reply => accounts(
            (reply.db_snapshot_attributes_result).and_then(|found| found.db_snapshot_attributes),
            |one| (one.attribute_name, one.attribute_values),
        ), accounts(
            (reply.db_cluster_snapshot_attributes_result)
                .and_then(|found| found.db_cluster_snapshot_attributes),
            |one| (one.attribute_name, one.attribute_values),
        ))
    }

    /// Deletes a snapshot of the account; one that is gone already is no error.
    pub(crate) async fn delete_snapshot(&self, kind: Kind, name: &str) -> Result<()> {
        let what = format!("cannot delete snapshot {name} in the {}", self.side);
        unless_gone(send!(self, kind, from_sdk(what);
            "DeleteDBSnapshot" delete_db_snapshot
                | "DeleteDBClusterSnapshot" delete_db_cluster_snapshot
                + "; roles of lifeboat have it for lifeboat's own snapshots only";
            each db_snapshot_identifier | db_cluster_snapshot_identifier = name;))
    }
}

fn first<T: Into<Snapshot>>(found: Option<Vec<T>>) -> Option<Snapshot> {
    found?.into_iter().next().map(Into::into)
}

/// An attribute's name and its values.
type Attribute = (Option<String>, Option<Vec<String>>);

/// Those of the attribute that lists accounts.
fn accounts<T>(attributes: Option<Vec<T>>, name_and_values: fn(T) -> Attribute) -> Vec<String> {
    let attributes = attributes.into_iter().flatten().map(name_and_values);
    let restore = attributes.filter(|(name, _)| name.as_deref() == Some(RESTORE));
    restore.filter_map(|(_, values)| values).flatten().collect()
}

/// AWS has one code for "too many at once" and for "too many in all"; its words tell them apart.
fn not_created<E>(operation: &Operation, what: String, why: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = code(&why).to_owned();
    let error = from_sdk(operation, what, why);
    match code.as_str() {
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault"
            if error.to_string().contains("Cannot copy more than") =>
        {
            Error::refused(error.to_string())
                .hint("too many copies are under way in that region: wait for one to end")
        }
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault" => error.hint(
            "the region's quota of manual snapshots is full: `lifeboat snapshot expire` shows what can go; \
             or ask AWS for a higher quota",
        ),
        "KMSKeyNotAccessibleFault" => error.hint(
            "the key must be enabled, and its policy must admit this role and RDS (kms:CreateGrant, \
             kms:Decrypt, kms:GenerateDataKey*, kms:DescribeKey): deploy/aws/backup-account.yaml shows how",
        ),
        _ => error,
    }
}

fn missing_in_reply(what: String) -> Error {
    let what = format!("{what}: AWS answered without the snapshot");
    Error::new(ErrorKind::Unavailable, what)
}
