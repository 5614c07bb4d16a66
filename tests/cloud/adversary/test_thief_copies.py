"""Copies that a thief of the source's rights has made: which ones `snapshot expire` then deletes."""

from datetime import datetime, timedelta, timezone

from .. import clock
from .accounts import BACKUP, MANAGED, copy_arn
from .thief import set_clock

CONFIG = """[snapshot]
kms_key = "{key}"
expire = true
keep_days = 3
keep_weeks = 1
keep_months = 1
keep_verified = 2
"""
AT_MOST = 5
NIGHTS = 17
# From then on the source is not ours alone.
STOLEN = 15
TODAY = NIGHTS - 1


def test_no_true_copy_goes(exported):
    accounts, lifeboat = exported.accounts, exported.lifeboat
    lifeboat.configure(CONFIG.format(key=accounts.snapshot_key))
    copies = Copies(accounts)
    true, false = [], []
    for night in range(NIGHTS):
        copies.at(night, 2)
        true.append(copies.make(f"lifeboat-prod-{night:02}"))
        copies.drill(true[-1])
        if night == STOLEN:
            kept = copies.kept(lifeboat)
            assert 0 < len(kept) < len(true)
        if night < STOLEN:
            continue
        # Earlier and later than they were; of another snapshot; and the newest of the night is drilled.
        for number, taken in enumerate(("2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z", copies.moment(night))):
            copies.at(night, 3 + number)
            false.append(copies.make(f"lifeboat-prod-{night:02}-{number}", taken))
        copies.drill(false[-1])
    false.append(copies.make_unencrypted("lifeboat-prod-plain", copies.moment(TODAY)))
    copies.at(TODAY, 12)
    false.append(copies.make_of_cluster("lifeboat-prod-cluster", "2099-01-01T00:00:00Z"))

    deleted = []
    for _ in range(3):
        before = copies.there()
        report = lifeboat.run("expire", "snapshot", "expire", "--backup-account", "--config", "backup.toml", code=3)
        gone = before - copies.there()
        assert len(gone) == report["deleted"] <= AT_MOST
        deleted.append(len(gone))
        # What went would have gone without the thief as well.
        assert gone <= set(true) - kept
        assert copies.there() >= kept | set(true[STOLEN:]) | set(false)
        told = "\n".join(report["findings"])
        for night in range(STOLEN, NIGHTS):
            assert f"copies of prod are of {copies.moment(night):.10}, and a day should have 1" in told
        assert "lifeboat-prod-cluster say that it was taken at 2099-01-01T00:00:00Z" in told
    # There was more to delete than one run may.
    assert deleted[0] == AT_MOST and 0 < deleted[1] and deleted[2] == 0

    # Nor is it the newest for a drill or a restore.
    listed = lifeboat.run("restore", "snapshot", "list", "--config", "backup.toml")["copies"]
    assert len(listed) == len(copies.there())
    assert all(one["taken_at"] <= clock.iso(clock.now()) for one in listed)


class Copies:
    """Made in the backup account by the snapshot role, of an instance of production's."""

    def __init__(self, accounts):
        self.accounts = accounts
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=NIGHTS)
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
