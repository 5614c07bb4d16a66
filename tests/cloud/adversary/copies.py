"""Copies in the backup account that the snapshot role makes, of an instance of production's."""

from datetime import datetime, timedelta, timezone

from .. import clock
from .accounts import BACKUP, MANAGED, copy_arn
from .thief import set_clock


class Copies:
    """Of so many nights, the last one yesterday's."""

    def __init__(self, accounts, nights):
        self.accounts = accounts
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=nights)
        accounts.instance(accounts.client("production", "rds"), "prod", KmsKeyId=accounts.production_key)

    def at(self, night, hour):
        moment = self.begin + timedelta(days=night, hours=hour)
        set_clock(self.accounts, (moment - datetime.now(timezone.utc)).total_seconds())

    def moment(self, night):
        return f"{self.begin + timedelta(days=night, hours=2):%Y-%m-%dT%H:%M:%SZ}"

    def make(self, name, taken=None, **under):
        """`taken`: what the tag says; else the truth."""
        rds = self.accounts.client("production", "rds")
        made = rds.create_db_snapshot(DBInstanceIdentifier="prod", DBSnapshotIdentifier=name)["DBSnapshot"]
        sharing = {"AttributeName": "restore", "ValuesToAdd": [BACKUP]}
        rds.modify_db_snapshot_attribute(DBSnapshotIdentifier=name, **sharing)
        self.accounts.client("snapshot", "rds").copy_db_snapshot(
            SourceDBSnapshotIdentifier=made["DBSnapshotArn"],
            TargetDBSnapshotIdentifier=name,
            Tags=_tags(made["DBSnapshotArn"], taken or f"{made['SnapshotCreateTime']:%Y-%m-%dT%H:%M:%SZ}"),
            **(under or {"KmsKeyId": self.accounts.snapshot_key}),
        )
        return name

    def make_unencrypted(self, name, taken):
        """Of an instance of that name which whoever rules the source made in the place of the true one."""
        rds = self.accounts.client("production", "rds")
        rds.delete_db_instance(DBInstanceIdentifier="prod", SkipFinalSnapshot=True)
        rds.create_db_instance(
            DBInstanceIdentifier="prod",
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion="16.3",
            MasterUsername="postgres",
            MasterUserPassword="password",
            AllocatedStorage=20,
        )
        return self.make(name, taken, CopyTags=False)

    def make_of_cluster(self, name, taken):
        rds = self.accounts.client("production", "rds")
        rds.create_db_cluster(
            DBClusterIdentifier="prod",
            Engine="aurora-postgresql",
            EngineVersion="16.3",
            MasterUsername="postgres",
            MasterUserPassword="password",
            StorageEncrypted=True,
            KmsKeyId=self.accounts.production_key,
        )
        of = {"DBClusterIdentifier": "prod", "DBClusterSnapshotIdentifier": name}
        made = rds.create_db_cluster_snapshot(**of)["DBClusterSnapshot"]["DBClusterSnapshotArn"]
        sharing = {"AttributeName": "restore", "ValuesToAdd": [BACKUP]}
        rds.modify_db_cluster_snapshot_attribute(DBClusterSnapshotIdentifier=name, **sharing)
        self.accounts.client("snapshot", "rds").copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=made,
            TargetDBClusterSnapshotIdentifier=name,
            KmsKeyId=self.accounts.snapshot_key,
            Tags=_tags(made, taken),
        )
        return name

    def drill(self, name):
        """What `prove` says of the newest copy that restores, whosever it is."""
        verified = [{"Key": "lifeboat:verified", "Value": clock.iso(clock.now())}]
        self.accounts.client("prove", "rds").add_tags_to_resource(ResourceName=copy_arn(name), Tags=verified)

    def kept(self, lifeboat):
        """Those that the rules keep now."""
        expire = ("snapshot", "expire", "--backup-account", "--dry-run", "--config", "backup.toml")
        listed = lifeboat.run("expire", *expire)["snapshots"]
        return {one["name"] for one in listed if not one["goes"]}

    def there(self):
        rds = self.accounts.client("root", "rds")
        found = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        of_clusters = rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
        names = {one["DBClusterSnapshotIdentifier"] for one in of_clusters}
        return names | {one["DBSnapshotIdentifier"] for one in found}


def _tags(origin, taken):
    own = {"lifeboat:from": origin, "lifeboat:taken": taken}
    return [*MANAGED, *({"Key": key, "Value": value} for key, value in own.items())]
