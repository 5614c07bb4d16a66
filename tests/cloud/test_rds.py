"""RDS: what is deleted, what is restored, and who may."""

from .conftest import BACKUP, REGION, SOURCE, allow
from .rds_world import Clusters, Instances, shared_snapshot

# ---------------------------------------------------------------- deleting


def test_a_deleted_instance_takes_its_automated_snapshots_along(world, code):
    Instances.create(world.source)
    Instances.snapshot(world.source)
    assert code(world.source.delete_db_instance, DBInstanceIdentifier="prod-db") == "InvalidParameterCombination"
    world.source.delete_db_instance(DBInstanceIdentifier="prod-db", SkipFinalSnapshot=True)
    assert [shown["DBSnapshotIdentifier"] for shown in Instances.describe(world.source)] == ["manual"]


def test_a_deleted_cluster_does_too(world, code):
    Clusters.create(world.source)
    Clusters.snapshot(world.source)
    world.source.delete_db_cluster(DBClusterIdentifier="prod-db", SkipFinalSnapshot=True)
    assert [shown["DBClusterSnapshotIdentifier"] for shown in Clusters.describe(world.source)] == ["manual"]


def test_automated_backups_may_be_kept_and_a_final_snapshot_made(world):
    Instances.create(world.source)
    world.source.delete_db_instance(
        DBInstanceIdentifier="prod-db", FinalDBSnapshotIdentifier="final", DeleteAutomatedBackups=False
    )
    assert sorted(shown["SnapshotType"] for shown in Instances.describe(world.source)) == ["automated", "manual"]


def test_no_retention_deletes_automated_snapshots(world):
    Instances.create(world.source)
    world.source.modify_db_instance(DBInstanceIdentifier="prod-db", BackupRetentionPeriod=0)
    assert Instances.describe(world.source) == []


def test_a_protected_instance_stays(world, code):
    Instances.create(world.source, DeletionProtection=True)
    delete = {"DBInstanceIdentifier": "prod-db", "SkipFinalSnapshot": True}
    assert code(world.source.delete_db_instance, **delete) == "InvalidParameterCombination"
    world.source.modify_db_instance(DBInstanceIdentifier="prod-db", DeletionProtection=False)
    world.source.delete_db_instance(**delete)


def test_only_manual_snapshots_that_are_done_are_deleted(world, kind, code):
    kind.create(world.source)
    automated = kind.arn_of(kind.describe(world.source)[0]).split(":", 6)[6]
    assert code(kind.delete, world.source, automated) == kind.wrong_state
    world.settings(polls=1)
    kind.snapshot(world.source)
    assert code(kind.delete, world.source, "manual") == kind.wrong_state


def test_the_newest_automated_snapshot(world, kind):
    kind.create(world.source)
    world.cloud.control("POST", "clock", {"advance_seconds": 86400})
    name = "instance" if kind is Instances else "cluster"
    world.cloud.control("POST", "backup", {"account": SOURCE, "region": REGION, name: "prod-db"})
    first, second = kind.describe(world.source, SnapshotType="automated")
    assert (second["SnapshotCreateTime"] - first["SnapshotCreateTime"]).days in (0, 1)
    assert first["Status"] == second["Status"] == "available"


# ---------------------------------------------------------------- restoring


def test_a_copy_is_restored_in_the_backup_account(world, kind):
    arn = shared_snapshot(
        world,
        kind,
        StorageEncrypted=True,
        KmsKeyId=world.shared_key(),
        DeletionProtection=True,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    target = world.target_key()
    kind.copy(world.backup, arn, KmsKeyId=target)
    world.settings(polls=2)
    made = kind.restore(world.backup, "copied", "restored")
    assert (made["KmsKeyId"], made["EngineVersion"], made["DeletionProtection"], made.get("TagList", [])) == (
        target,
        "16.3",
        False,
        [],
    )
    assert [kind.status(world.backup, "restored") for _ in range(4)] == [
        "creating",
        "creating",
        "available",
        "available",
    ]


def test_an_instance_has_its_endpoint_when_it_is_ready(world):
    arn = shared_snapshot(world, Instances)
    Instances.copy(world.backup, arn)
    world.settings(polls=1)
    assert "Endpoint" not in Instances.restore(world.backup, "copied", "restored")
    shown = [world.backup.describe_db_instances(DBInstanceIdentifier="restored")["DBInstances"][0] for _ in range(2)]
    assert "Endpoint" not in shown[0] and shown[1]["Endpoint"]["Port"] == 5432


def test_a_restore_with_settings_of_its_own(world):
    arn = shared_snapshot(world, Instances)
    Instances.copy(world.backup, arn)
    net = world.cloud.control("GET", f"network?account={BACKUP}&region={REGION}")
    world.backup.create_db_subnet_group(
        DBSubnetGroupName="nets", DBSubnetGroupDescription="d", SubnetIds=net["subnets"]
    )
    world.backup.create_db_parameter_group(
        DBParameterGroupName="params", DBParameterGroupFamily="postgres16", Description="d"
    )
    made = Instances.restore(
        world.backup,
        "copied",
        "restored",
        DBInstanceClass="db.m6g.large",
        DBSubnetGroupName="nets",
        DBParameterGroupName="params",
        VpcSecurityGroupIds=[net["security_group"]],
        MultiAZ=True,
        DeletionProtection=True,
    )
    assert (made["DBInstanceClass"], made["MultiAZ"], made["DeletionProtection"]) == ("db.m6g.large", True, True)
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "nets"
    assert made["DBParameterGroups"][0]["DBParameterGroupName"] == "params"


def test_what_exists_is_not_restored_over(world, kind, code):
    kind.create(world.source)
    kind.snapshot(world.source)
    assert code(kind.restore, world.source, "manual", "prod-db") in (
        "DBInstanceAlreadyExists",
        "DBClusterAlreadyExistsFault",
    )


def test_a_restore_needs_its_key(world, kind, code):
    key = world.shared_key()
    kind.create(world.source, StorageEncrypted=True, KmsKeyId=key)
    kind.snapshot(world.source)
    world.source_kms.disable_key(KeyId=key)
    assert code(kind.restore, world.source, "manual", "restored") == "KMSKeyNotAccessibleFault"
    assert code(kind.snapshot, world.source, "second") == "KMSKeyNotAccessibleFault"


# ---------------------------------------------------------------- accounts, regions, rights


def test_accounts_and_regions_are_apart(world, kind, code):
    kind.create(world.source)
    arn = kind.snapshot(world.source)
    for other in (world.backup, world.far):
        assert kind.describe(other) == []
    assert code(kind.delete, world.backup, "manual") == kind.not_found
    assert (
        code(world.backup.add_tags_to_resource, ResourceName=arn, Tags=[{"Key": "a", "Value": "b"}]) == "AccessDenied"
    )
    assert code(world.backup.list_tags_for_resource, ResourceName=arn) == "AccessDenied"


def test_copying_is_a_right_on_source_and_target(world, kind, code):
    arn = shared_snapshot(world, kind)
    action = "rds:CopyDBSnapshot" if kind is Instances else "rds:CopyDBClusterSnapshot"
    target = f"arn:aws:rds:{REGION}:{BACKUP}:{kind.resource}:copied"
    rights = {"source": [arn], "target": [target], "both": [arn, target]}
    codes = {}
    for name, resources in rights.items():
        caller = world.cloud.client("rds", world.cloud.user(BACKUP, name, allow(action, resources)))
        codes[name] = code(kind.copy, caller, arn)
    assert codes == {"source": "AccessDenied", "target": "AccessDenied", "both": ""}


def test_tags_on_a_copy_are_a_right_of_their_own(world, kind, code):
    arn = shared_snapshot(world, kind)
    action = "rds:CopyDBSnapshot" if kind is Instances else "rds:CopyDBClusterSnapshot"
    tags = [{"Key": "lifeboat", "Value": "x"}]
    without = world.cloud.client("rds", world.cloud.user(BACKUP, "without", allow(action)))
    tagged = {"StringEquals": {"aws:RequestTag/lifeboat": "x"}}
    tagger = world.cloud.client(
        "rds", world.cloud.user(BACKUP, "tagger", allow([action, "rds:AddTagsToResource"], Condition=tagged))
    )
    assert code(kind.copy, without, arn, Tags=tags) == "AccessDenied"
    assert code(kind.copy, tagger, arn) == "AccessDenied"
    assert code(kind.copy, tagger, arn, Tags=tags) == ""


def test_deletion_goes_by_the_snapshot_s_tags(world, kind, code):
    kind.create(world.source)
    kind.snapshot(world.source, "mine", Tags=[{"Key": "lifeboat", "Value": "x"}])
    kind.snapshot(world.source, "theirs")
    action = "rds:DeleteDBSnapshot" if kind is Instances else "rds:DeleteDBClusterSnapshot"
    tagged = {"StringEquals": {f"rds:{kind.resource}-tag/lifeboat": "x"}}
    expirer = world.cloud.client("rds", world.cloud.user(SOURCE, "expirer", allow(action, Condition=tagged)))
    assert code(kind.delete, expirer, "theirs") == "AccessDenied"
    assert code(kind.delete, expirer, "mine") == ""


def test_describing_is_a_right_on_all_or_one(world, code):
    Instances.create(world.source)
    one = world.cloud.client(
        "rds",
        world.cloud.user(SOURCE, "one", allow("rds:DescribeDBInstances", f"arn:aws:rds:{REGION}:{SOURCE}:db:prod-db")),
    )
    assert code(one.describe_db_instances, DBInstanceIdentifier="prod-db") == ""
    assert code(one.describe_db_instances) == "AccessDenied"


def test_a_new_instance_needs_the_right_to_its_default_groups(world, code):
    on_db = allow("rds:CreateDBInstance", f"arn:aws:rds:{REGION}:{SOURCE}:db:*")
    on_groups = allow("rds:CreateDBInstance", [f"arn:aws:rds:*:*:{group}:default*" for group in ("og", "pg", "subgrp")])
    without = world.cloud.client("rds", world.cloud.user(SOURCE, "without", on_db))
    with_groups = world.cloud.client("rds", world.cloud.user(SOURCE, "with", on_db, on_groups))
    assert code(Instances.create, without, "x") == "AccessDenied"
    assert code(Instances.create, with_groups, "x") == ""


# ---------------------------------------------------------------- stopping, passwords, endpoints


def test_an_endpoint_of_the_tests_own(world, kind):
    world.settings(endpoint={"address": "localhost", "port": 15432})
    kind.create(world.source)
    if kind is Instances:
        shown = world.source.describe_db_instances()["DBInstances"][0]["Endpoint"]
        assert (shown["Address"], shown["Port"]) == ("localhost", 15432)
    else:
        shown = world.source.describe_db_clusters()["DBClusters"][0]
        assert (shown["Endpoint"], shown["Port"]) == ("localhost", 15432)


def test_a_new_password_takes_a_while(world, kind):
    kind.create(world.source)
    world.settings(polls=1)
    name = "instance" if kind is Instances else "cluster"
    modify = world.source.modify_db_instance if kind is Instances else world.source.modify_db_cluster
    modify(**{f"DB{name.title()}Identifier": "prod-db", "MasterUserPassword": "another-one", "ApplyImmediately": True})
    assert kind.status(world.source, "prod-db") == "resetting-master-credentials"
    assert kind.status(world.source, "prod-db") == "available"
    told = world.cloud.control("GET", f"passwords?account={SOURCE}&region={REGION}")
    assert told[f"{name}s"] == {"prod-db": "another-one"}


def test_stopping_takes_a_while_too(world, kind, code):
    kind.create(world.source)
    world.settings(polls=1)
    name = "DBInstanceIdentifier" if kind is Instances else "DBClusterIdentifier"
    stop = world.source.stop_db_instance if kind is Instances else world.source.stop_db_cluster
    stop(**{name: "prod-db"})
    assert [kind.status(world.source, "prod-db") for _ in range(2)] == ["stopping", "stopped"]
    assert code(stop, **{name: "prod-db"}) == (
        "InvalidDBInstanceState" if kind is Instances else "InvalidDBClusterStateFault"
    )


def test_a_stopped_cluster_keeps_its_instances(world, code):
    Clusters.create(world.source)
    member = {"DBInstanceIdentifier": "writer", "DBInstanceClass": "db.r6g.large", "Engine": "aurora-postgresql"}
    world.source.create_db_instance(DBClusterIdentifier="prod-db", **member)
    world.source.stop_db_cluster(DBClusterIdentifier="prod-db")
    delete = {"DBInstanceIdentifier": "writer", "SkipFinalSnapshot": True}
    assert code(world.source.delete_db_instance, **delete) == "InvalidDBClusterStateFault"
    world.source.start_db_cluster(DBClusterIdentifier="prod-db")
    assert Clusters.status(world.source, "prod-db") == "available"
    world.source.delete_db_instance(**delete)


def test_a_parameter_group_in_use_stays(world, code):
    world.source.create_db_parameter_group(
        DBParameterGroupName="mine", DBParameterGroupFamily="postgres16", Description="mine"
    )
    Instances.create(world.source, DBParameterGroupName="mine")
    delete = {"DBParameterGroupName": "mine"}
    assert code(world.source.delete_db_parameter_group, **delete) == "InvalidDBParameterGroupState"
    world.source.delete_db_instance(DBInstanceIdentifier="prod-db", SkipFinalSnapshot=True)
    world.source.delete_db_parameter_group(**delete)
