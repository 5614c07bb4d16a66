"""Against snapshot copies, and instances made of them."""

from .accounts import BACKUP, MANAGED, REGION, SOURCE, STRANGER, copy_arn, role_arn
from .attack import INSIDE, MASTERS, answered, attack
from .on_bucket import FOREIGN_KEY

# No snapshot can be locked: the administrator of its own account can do all of this, and docs/access.md says so.
KEEPERS = ("administrator",)


def _named(a, who, name):
    """In one's own account by its name, elsewhere by its ARN."""
    return name if who in (*INSIDE, "exporter", "snapshot") else copy_arn(name)


def _copy(a, who):
    return _named(a, who, a.copy)


def _arn(a, who):
    return copy_arn(a.copy)


def _to(what, method, but=KEEPERS, codes=None, **asked):
    """Arguments that are functions are of the accounts and of who asks."""

    @attack("rds", what, but=but, codes=codes)
    def _(a, who):
        filled = {name: value(a, who) if callable(value) else value for name, value in asked.items()}
        getattr(a.client(who, "rds"), method)(**filled)


def _tags(key):
    return [{"Key": key, "Value": "x"}]


_to("delete a copy", "delete_db_snapshot", but=(*KEEPERS, "expire"), DBSnapshotIdentifier=_copy)
_to("delete a copy that is held", "delete_db_snapshot", DBSnapshotIdentifier=lambda a, who: _named(a, who, a.held_copy))
_to(
    "delete a cluster's copy",
    "delete_db_cluster_snapshot",
    DBClusterSnapshotIdentifier=f"arn:aws:rds:{REGION}:{BACKUP}:cluster-snapshot:lifeboat-prod-20261121",
)
for _whom, _account in (("production", SOURCE), ("a stranger", STRANGER), ("everybody", "all")):
    _to(
        f"share a copy with {_whom}",
        "modify_db_snapshot_attribute",
        DBSnapshotIdentifier=_copy,
        AttributeName="restore",
        ValuesToAdd=[_account],
    )
_to("upgrade a copy", "modify_db_snapshot", DBSnapshotIdentifier=_copy, EngineVersion="17.1")
_to(
    "export a copy",
    "start_export_task",
    ExportTaskIdentifier="x",
    SourceArn=_arn,
    S3BucketName="elsewhere",
    IamRoleArn=role_arn("lifeboat-prove"),
    KmsKeyId=FOREIGN_KEY,
)
# Whose tag it is, may.
TAGGED_BY = {"lifeboat:verified": ("prove",), "lifeboat:hold": ("restore",)}
for _key in ("lifeboat:managed", "lifeboat:source", "lifeboat:drill", "lifeboat:verified", "lifeboat:hold", "owner"):
    _to(
        f"tag a copy {_key}",
        "add_tags_to_resource",
        but=KEEPERS + TAGGED_BY.get(_key, ()),
        ResourceName=_arn,
        Tags=_tags(_key),
    )
for _key in ("lifeboat:managed", "lifeboat:verified", "lifeboat:hold"):
    _to(f"untag a copy {_key}", "remove_tags_from_resource", ResourceName=_arn, TagKeys=[_key])
_to(
    "restore a copy for oneself",
    "restore_db_instance_from_db_snapshot",
    but=(*KEEPERS, "restore"),
    codes=answered("DBSnapshotNotFound", *MASTERS),
    DBInstanceIdentifier="mine",
    DBSnapshotIdentifier=_copy,
)


def _restored(a, who):
    """An instance that people made of a copy; drills are others."""
    rds = a.client("restore", "rds")
    if not any(one["DBInstanceIdentifier"] == "restored" for one in rds.describe_db_instances()["DBInstances"]):
        rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="restored", DBSnapshotIdentifier=a.copy)
    return _named(a, who, "restored").replace(":snapshot:", ":db:")


_to("delete an instance", "delete_db_instance", DBInstanceIdentifier=_restored, SkipFinalSnapshot=True)
_to(
    "change an instance's password",
    "modify_db_instance",
    but=(*KEEPERS, "restore"),
    DBInstanceIdentifier=_restored,
    MasterUserPassword="password2",
)


@attack("rds", "delete an instance that only has a drill's name", by=("prove",))
def _(a, who):
    rds, name = a.client("administrator", "rds"), "lifeboat-drill-of-people"
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=a.copy)
    a.client(who, "rds").delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)


@attack("rds", "restore a copy under a drill's name", by=("restore",))
def _(a, who):
    name = "lifeboat-drill-of-people"
    a.client(who, "rds").restore_db_instance_from_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=a.copy)


def _spare(a, taken):
    """What a drill kept; `taken`: people have said that it is theirs."""
    name = "lifeboat-drill-prod-20261121t090000z"
    tags = [*MANAGED, {"Key": "lifeboat:drill", "Value": "true"}, {"Key": "lifeboat:kept", "Value": "2026-11-21"}]
    a.instance(a.client("administrator", "rds"), name, KmsKeyId=a.snapshot_key, Tags=tags)
    arn = copy_arn(name).replace(":snapshot:", ":db:")
    if taken:
        theirs = [{"Key": "lifeboat:drill", "Value": "false"}]
        a.client("restore", "rds").add_tags_to_resource(ResourceName=arn, Tags=theirs)
    return name, arn


@attack("rds", "take back an instance that people took over", by=("prove",))
def _(a, who):
    _, arn = _spare(a, taken=True)
    again = [{"Key": "lifeboat:drill", "Value": "true"}]
    a.client(who, "rds").add_tags_to_resource(ResourceName=arn, Tags=again)


def _to_what_people_took(what, method, **asked):
    """Of an instance that was a drill's, until people said that it is theirs."""

    @attack("rds", f"{what} an instance that people took over", by=("prove",))
    def _(a, who):
        name, arn = _spare(a, taken=True)
        named = {"ResourceName": arn} if "tags" in method else {"DBInstanceIdentifier": name}
        getattr(a.client(who, "rds"), method)(**named, **asked)


_to_what_people_took("delete", "delete_db_instance", SkipFinalSnapshot=True)
_to_what_people_took("stop", "stop_db_instance")
_to_what_people_took("change the password of", "modify_db_instance", MasterUserPassword="password2")
_to_what_people_took("switch off the protection of", "modify_db_instance", DeletionProtection=False)
_to_what_people_took("switch off the backups of", "modify_db_instance", BackupRetentionPeriod=0)
_to_what_people_took("open to the public", "modify_db_instance", PubliclyAccessible=True)
_to_what_people_took("untag", "remove_tags_from_resource", TagKeys=["lifeboat:drill"])
_to_what_people_took("say that a drill kept", "add_tags_to_resource", Tags=_tags("lifeboat:kept"))


@attack("rds", "untag a spare", by=("prove",))
def _(a, who):
    _, arn = _spare(a, taken=False)
    a.client(who, "rds").remove_tags_from_resource(ResourceName=arn, TagKeys=["lifeboat:kept"])


@attack("rds", "open a spare to the public", by=("prove",))
def _(a, who):
    name, _ = _spare(a, taken=False)
    a.client(who, "rds").modify_db_instance(DBInstanceIdentifier=name, PubliclyAccessible=True)


def _cluster(a, taken):
    """A cluster that a drill kept, or that people took over."""
    rds, name = a.client("administrator", "rds"), "lifeboat-drill-prod-20261122t090000z"
    if not any(one["DBClusterIdentifier"] == name for one in rds.describe_db_clusters()["DBClusters"]):
        rds.create_db_cluster(
            DBClusterIdentifier=name,
            Engine="aurora-postgresql",
            EngineVersion="16.3",
            MasterUsername="postgres",
            MasterUserPassword="password",
            StorageEncrypted=True,
            KmsKeyId=a.snapshot_key,
            Tags=[*MANAGED, {"Key": "lifeboat:kept", "Value": "2026-11-22"}],
        )
    arn = copy_arn(name).replace(":snapshot:", ":cluster:")
    whose = [{"Key": "lifeboat:drill", "Value": "false" if taken else "true"}]
    rds.add_tags_to_resource(ResourceName=arn, Tags=whose)
    return name, arn


def _to_a_cluster(what, method, taken=True, **asked):
    @attack("rds", what, by=("prove",))
    def _(a, who):
        name, arn = _cluster(a, taken)
        named = {"ResourceName": arn} if "tags" in method else {"DBClusterIdentifier": name}
        getattr(a.client(who, "rds"), method)(**named, **asked)


_to_a_cluster("delete a cluster that people took over", "delete_db_cluster", SkipFinalSnapshot=True)
_to_a_cluster("stop a cluster that people took over", "stop_db_cluster")
_to_a_cluster("change a cluster that people took over", "modify_db_cluster", MasterUserPassword="password2")
_to_a_cluster(
    "take back a cluster that people took over",
    "add_tags_to_resource",
    Tags=[{"Key": "lifeboat:drill", "Value": "true"}],
)
_to_a_cluster(
    "switch off a kept cluster's protection", "modify_db_cluster", taken=False, DeletionProtection=False
)


@attack("rds", "give a spare a tag of people's", by=("prove",))
def _(a, who):
    _, arn = _spare(a, taken=False)
    a.client(who, "rds").add_tags_to_resource(ResourceName=arn, Tags=_tags("owner"))


@attack("rds", "switch off a spare's protection", by=("prove",))
def _(a, who):
    name, _ = _spare(a, taken=False)
    a.client("restore", "rds").modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=True)
    a.client(who, "rds").modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)


@attack("rds", "drill in public", by=("prove",))
def _(a, who):
    network = a.cloud.control("GET", f"network?account={BACKUP}&region={REGION}")
    keeper = a.client("administrator", "rds")
    if not keeper.describe_db_subnet_groups()["DBSubnetGroups"]:
        keeper.create_db_subnet_group(
            DBSubnetGroupName="lifeboat-drill", DBSubnetGroupDescription="drills", SubnetIds=network["subnets"]
        )
    if not keeper.describe_db_parameter_groups()["DBParameterGroups"]:
        keeper.create_db_parameter_group(
            DBParameterGroupName="lifeboat-drill-16", DBParameterGroupFamily="postgres16", Description="drills"
        )
    a.client(who, "rds").restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="lifeboat-drill-1",
        DBSnapshotIdentifier=a.copy,
        DBSubnetGroupName="lifeboat-drill",
        DBParameterGroupName="lifeboat-drill-16",
        PubliclyAccessible=True,
    )


@attack("rds", "delete a snapshot that lifeboat did not tag", by=("expire",))
def _(a, who):
    a.client(who, "rds").delete_db_snapshot(DBSnapshotIdentifier=a.plant_copy("lifeboat-by-hand", tags=[]))


# ---------------------------------------------------------------- copying


def shared(a):
    """A snapshot of production's that is shared with the backup account; its ARN."""
    rds = a.client("production", "rds")
    if not a.shared:
        a.instance(rds, "prod", KmsKeyId=a.production_key)
        rds.create_db_snapshot(DBInstanceIdentifier="prod", DBSnapshotIdentifier="lifeboat-shared", Tags=MANAGED)
        rds.modify_db_snapshot_attribute(
            DBSnapshotIdentifier="lifeboat-shared", AttributeName="restore", ValuesToAdd=[BACKUP]
        )
        a.shared = copy_arn("lifeboat-shared", SOURCE)
    return a.shared


def _copying(what, name="lifeboat-prod-20261122", tags=()):
    @attack("rds", what, by=("snapshot",))
    def _(a, who):
        a.client(who, "rds").copy_db_snapshot(
            SourceDBSnapshotIdentifier=shared(a),
            TargetDBSnapshotIdentifier=name or a.copy,
            KmsKeyId=a.snapshot_key,
            Tags=[*MANAGED, *tags],
        )


for _key in ("lifeboat:verified", "lifeboat:hold", "lifeboat:drill", "owner"):
    _copying(f"copy with the tag {_key}", tags=_tags(_key))
_copying("copy under another's name", name="prod-by-hand")


@attack("rds", "copy under production's key", by=("snapshot",), codes=answered("KMSKeyNotAccessibleFault", "snapshot"))
def _(a, who):
    a.client(who, "rds").copy_db_snapshot(
        SourceDBSnapshotIdentifier=shared(a),
        TargetDBSnapshotIdentifier="lifeboat-prod-20261122",
        KmsKeyId=a.production_key,
        Tags=MANAGED,
    )


_copying("copy over a copy", name=None)


# ---------------------------------------------------------------- the source account's intermediates


@attack("rds", "tag an intermediate with something else", by=("nightly",))
def _(a, who):
    a.client(who, "rds").add_tags_to_resource(ResourceName=shared(a), Tags=_tags("owner"))


@attack("rds", "delete a snapshot of production's that lifeboat did not tag", by=("nightly-expire",))
def _(a, who):
    shared(a)
    a.client("production", "rds").create_db_snapshot(DBInstanceIdentifier="prod", DBSnapshotIdentifier="lifeboat-hand")
    a.client(who, "rds").delete_db_snapshot(DBSnapshotIdentifier="lifeboat-hand")


# Beside RDS.
@attack("kms", "encrypt under production's key", by=("exporter", "snapshot", "nightly"))
def _(a, who):
    a.client(who, "kms").encrypt(KeyId=a.production_key, Plaintext=b"mine")


@attack("kms", "open with production's key", by=("exporter", "snapshot", "nightly"))
def _(a, who):
    sealed = a.client("production", "kms").encrypt(KeyId=a.production_key, Plaintext=b"theirs")["CiphertextBlob"]
    a.client(who, "kms").decrypt(CiphertextBlob=sealed, KeyId=a.production_key)


@attack("kms", "grant production's key to oneself", by=("exporter", "snapshot", "nightly"))
def _(a, who):
    asked = {"GranteePrincipal": f"arn:aws:iam::{SOURCE}:root", "Operations": ["Decrypt"]}
    a.client(who, "kms").create_grant(KeyId=a.production_key, **asked)
