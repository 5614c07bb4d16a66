"""How instances and clusters are called, and the two accounts that RDS's tests happen in."""

import json

from .conftest import BACKUP, REGION, SOURCE, allow, document

ELSEWHERE = "eu-central-1"


class Instances:
    """How instances are called."""

    engine, name = "postgres", "prod-db"
    resource, exists, wrong_state, not_found = (
        "snapshot",
        "DBSnapshotAlreadyExists",
        "InvalidDBSnapshotState",
        "DBSnapshotNotFound",
    )

    @staticmethod
    def create(rds, name="prod-db", **more):
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion="16.3",
            MasterUsername="postgres",
            MasterUserPassword="password",
            AllocatedStorage=20,
            **more,
        )

    @staticmethod
    def snapshot(rds, name="manual", of="prod-db", **more):
        return rds.create_db_snapshot(DBInstanceIdentifier=of, DBSnapshotIdentifier=name, **more)["DBSnapshot"][
            "DBSnapshotArn"
        ]

    @staticmethod
    def copy(rds, source, target="copied", **more):
        return rds.copy_db_snapshot(SourceDBSnapshotIdentifier=source, TargetDBSnapshotIdentifier=target, **more)[
            "DBSnapshot"
        ]

    @staticmethod
    def share(rds, name="manual", *accounts, remove=False):
        values = {"ValuesToRemove" if remove else "ValuesToAdd": list(accounts)}
        answer = rds.modify_db_snapshot_attribute(DBSnapshotIdentifier=name, AttributeName="restore", **values)
        return answer["DBSnapshotAttributesResult"]["DBSnapshotAttributes"][0]["AttributeValues"]

    @staticmethod
    def describe(rds, name=None, **more):
        named = {"DBSnapshotIdentifier": name} if name else {}
        return rds.describe_db_snapshots(**named, **more)["DBSnapshots"]

    @staticmethod
    def delete(rds, name):
        rds.delete_db_snapshot(DBSnapshotIdentifier=name)

    @staticmethod
    def arn_of(snapshot):
        return snapshot["DBSnapshotArn"]

    @staticmethod
    def is_encrypted(snapshot):
        return snapshot["Encrypted"]

    @staticmethod
    def restore(rds, snapshot, name, **more):
        return rds.restore_db_instance_from_db_snapshot(
            DBInstanceIdentifier=name, DBSnapshotIdentifier=snapshot, **more
        )["DBInstance"]

    @staticmethod
    def status(rds, name):
        return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"]


class Clusters:
    """How clusters are called."""

    engine, name = "aurora-postgresql", "prod-db"
    resource, exists, wrong_state, not_found = (
        "cluster-snapshot",
        "DBClusterSnapshotAlreadyExistsFault",
        "InvalidDBClusterSnapshotStateFault",
        "DBClusterSnapshotNotFoundFault",
    )

    @staticmethod
    def create(rds, name="prod-db", **more):
        rds.create_db_cluster(
            DBClusterIdentifier=name,
            Engine="aurora-postgresql",
            EngineVersion="16.3",
            MasterUsername="postgres",
            MasterUserPassword="password",
            **more,
        )

    @staticmethod
    def snapshot(rds, name="manual", of="prod-db", **more):
        return rds.create_db_cluster_snapshot(DBClusterIdentifier=of, DBClusterSnapshotIdentifier=name, **more)[
            "DBClusterSnapshot"
        ]["DBClusterSnapshotArn"]

    @staticmethod
    def copy(rds, source, target="copied", **more):
        return rds.copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=source, TargetDBClusterSnapshotIdentifier=target, **more
        )["DBClusterSnapshot"]

    @staticmethod
    def share(rds, name="manual", *accounts, remove=False):
        values = {"ValuesToRemove" if remove else "ValuesToAdd": list(accounts)}
        answer = rds.modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=name, AttributeName="restore", **values
        )
        return answer["DBClusterSnapshotAttributesResult"]["DBClusterSnapshotAttributes"][0]["AttributeValues"]

    @staticmethod
    def describe(rds, name=None, **more):
        named = {"DBClusterSnapshotIdentifier": name} if name else {}
        return rds.describe_db_cluster_snapshots(**named, **more)["DBClusterSnapshots"]

    @staticmethod
    def delete(rds, name):
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=name)

    @staticmethod
    def arn_of(snapshot):
        return snapshot["DBClusterSnapshotArn"]

    @staticmethod
    def is_encrypted(snapshot):
        return snapshot["StorageEncrypted"]

    @staticmethod
    def restore(rds, snapshot, name, **more):
        return rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier=name, SnapshotIdentifier=snapshot, Engine="aurora-postgresql", **more
        )["DBCluster"]

    @staticmethod
    def status(rds, name):
        return rds.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"]


# ---------------------------------------------------------------- the two accounts


def whole(account, *more):
    return json.dumps(document(allow("kms:*", Principal={"AWS": account}), *more))


# What AWS documents for the account that copies a shared encrypted snapshot.
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"]


class World:
    def __init__(self, cloud):
        self.cloud = cloud
        # Instances are there at once; a test that cares says otherwise.
        cloud.control("POST", "settings", {"polls": 0})
        self.source = cloud.client("rds", cloud.user(SOURCE, "admin", allow(["rds:*", "kms:*"])))
        self.backup_key = cloud.user(BACKUP, "copier", allow(["rds:*", "kms:*"]))
        self.backup = cloud.client("rds", self.backup_key)
        self.far = cloud.client("rds", self.backup_key, region=ELSEWHERE)
        self.source_kms = cloud.client("kms", cloud.roots[SOURCE])
        self.backup_kms = cloud.client("kms", cloud.roots[BACKUP])

    def settings(self, **values):
        self.cloud.control("POST", "settings", values)

    def source_key(self, *statements):
        return self.source_kms.create_key(Policy=whole(SOURCE, *statements))["KeyMetadata"]["Arn"]

    def shared_key(self):
        return self.source_key(allow(USE, Principal={"AWS": BACKUP}))

    def target_key(self, region=REGION):
        return self.cloud.client("kms", self.cloud.roots[BACKUP], region=region).create_key()["KeyMetadata"]["Arn"]


def shared_snapshot(world, kind, **encryption):
    """A manual snapshot that the backup account may copy; its ARN."""
    kind.create(world.source, **encryption)
    arn = kind.snapshot(world.source)
    kind.share(world.source, "manual", BACKUP)
    return arn
