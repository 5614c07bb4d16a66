"""An RDS snapshot on its way into the backup account, by the calls of `lifeboat snapshot copy`."""

from .accounts import BACKUP, MANAGED, SOURCE, copy_arn


def copy_snapshot(a, instance="prod"):
    """The newest automated snapshot, copied; the copy's name. As lifeboat-nightly, and as the roles it becomes."""
    nightly, snapshot = a.client("nightly", "rds"), a.client("snapshot", "rds")
    found = nightly.describe_db_snapshots(DBInstanceIdentifier=instance, SnapshotType="automated")["DBSnapshots"]
    newest = max(found, key=lambda one: one["SnapshotCreateTime"])
    name = f"lifeboat-{instance}-{newest['SnapshotCreateTime']:%Y%m%dT%H%M%SZ}"
    # Automated ones cannot be shared; under the backup account's key, which production cannot disable.
    nightly.copy_db_snapshot(
        SourceDBSnapshotIdentifier=newest["DBSnapshotIdentifier"],
        TargetDBSnapshotIdentifier=name,
        KmsKeyId=a.snapshot_key,
        Tags=MANAGED,
    )
    _must_be_available(nightly, name)
    sharing = {"DBSnapshotIdentifier": name, "AttributeName": "restore"}
    nightly.modify_db_snapshot_attribute(**sharing, ValuesToAdd=[BACKUP])
    snapshot.copy_db_snapshot(
        SourceDBSnapshotIdentifier=copy_arn(name, SOURCE),
        TargetDBSnapshotIdentifier=name,
        KmsKeyId=a.snapshot_key,
        Tags=MANAGED,
    )
    copied = _must_be_available(snapshot, name)
    assert copied["Encrypted"] and copied["KmsKeyId"] == a.snapshot_key
    nightly.modify_db_snapshot_attribute(**sharing, ValuesToRemove=[BACKUP])
    a.client("nightly-expire", "rds").delete_db_snapshot(DBSnapshotIdentifier=name)
    # What does not travel with it.
    a.put("exporter", f"snapshots/{instance}/{name}.json")
    return name


def _must_be_available(rds, name):
    (found,) = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
    assert found["Status"] == "available", found
    return found
