//! Which resources of Terraform are protected.

use super::read::Resource;

/// What the configuration protects, by its own names. All empty: everything of a protected kind is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Protected {
    /// Instances' and clusters' identifiers.
    pub databases: Vec<String>,
    pub bucket: Option<String>,
    /// ARNs of KMS keys.
    pub keys: Vec<String>,
    /// ARNs of roles.
    pub roles: Vec<String>,
}

/// Kinds of resources that databases and backups depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Database,
    Snapshot,
    Key,
    Role,
    Bucket,
    Stack,
}

impl Kind {
    /// `None`: neither databases nor backups depend on it.
    pub(crate) fn from_type(resource_type: &str) -> Option<Self> {
        Some(match resource_type {
            "aws_db_instance"
            | "aws_rds_cluster"
            | "aws_rds_cluster_instance"
            | "aws_rds_global_cluster"
            | "aws_db_instance_automated_backups_replication" => Self::Database,
            "aws_db_snapshot"
            | "aws_db_snapshot_copy"
            | "aws_db_cluster_snapshot"
            | "aws_rds_cluster_snapshot_copy"
            | "aws_backup_vault"
            | "aws_backup_vault_lock_configuration"
            | "aws_backup_plan" => Self::Snapshot,
            "aws_kms_key"
            | "aws_kms_replica_key"
            | "aws_kms_external_key"
            | "aws_kms_key_policy" => Self::Key,
            "aws_iam_role" | "aws_iam_role_policy" | "aws_iam_role_policy_attachment" => Self::Role,
            "aws_s3_bucket"
            | "aws_s3_bucket_policy"
            | "aws_s3_bucket_versioning"
            | "aws_s3_bucket_object_lock_configuration"
            | "aws_s3_bucket_lifecycle_configuration"
            | "aws_s3_bucket_public_access_block"
            | "aws_s3_object" => Self::Bucket,
            "aws_cloudformation_stack" => Self::Stack,
            _ => return None,
        })
    }

    /// The word for it in a sentence.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Snapshot => "snapshot",
            Self::Key => "key",
            Self::Role => "role",
            Self::Bucket => "bucket",
            Self::Stack => "stack",
        }
    }
}

impl Protected {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it contains this resource. One whose names the document does not show counts as
    /// protected: the gate must not let through what it cannot see.
    pub(crate) fn contains(&self, kind: Kind, resource: &Resource) -> bool {
        match kind {
            Kind::Database => self.databases.is_empty() || self.contains_database(resource),
            // Any snapshot may be the last one.
            Kind::Snapshot => true,
            Kind::Key => {
                self.is_empty() || is_among(&self.keys, resource, &["arn", "key_id", "id"])
            }
            Kind::Role if self.roles.is_empty() => has_lifeboat_name(resource),
            Kind::Role => is_among(&self.roles, resource, &["arn", "name", "role"]),
            Kind::Bucket => match &self.bucket {
                Some(bucket) => is_among(std::slice::from_ref(bucket), resource, &["bucket", "id"]),
                None => self.is_empty(),
            },
            Kind::Stack => has_lifeboat_name(resource),
        }
    }

    fn contains_database(&self, resource: &Resource) -> bool {
        // It does not name its members.
        resource.kind == "aws_rds_global_cluster"
            || is_among(
                &self.databases,
                resource,
                &["identifier", "cluster_identifier", "source_db_instance_arn"],
            )
    }

    /// Adds the KMS keys of protected databases, as far as the document shows them.
    #[must_use]
    pub(crate) fn with_keys_of<'a>(&self, resources: impl Iterator<Item = &'a Resource>) -> Self {
        let databases = resources.filter(|one| {
            Kind::from_type(&one.kind) == Some(Kind::Database) && self.contains(Kind::Database, one)
        });
        let keys = databases.flat_map(|one| one.names(&["kms_key_id"]));
        let mut all = self.clone();
        all.keys.extend(keys.map(str::to_owned));
        all
    }
}

/// Whether one of its names is wanted, or none is known. Either may be the end of the other's ARN.
fn is_among(wanted: &[String], resource: &Resource, attributes: &[&str]) -> bool {
    let names = resource.names(attributes);
    let end_of = |arn: &str, name: &str| {
        let before = arn.strip_suffix(name);
        before.is_some_and(|before| before.is_empty() || before.ends_with(['/', ':']))
    };
    let is = |name: &&str| {
        let mut wanted = wanted.iter();
        wanted.any(|one| end_of(one, name) || end_of(name, one))
    };
    names.is_empty() || names.iter().any(is)
}

fn has_lifeboat_name(resource: &Resource) -> bool {
    let names = resource.names(&["name", "role", "arn"]);
    names.iter().any(|name| name.contains("lifeboat"))
}
