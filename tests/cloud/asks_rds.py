"""RDS: the actions, resources and condition keys of each operation.

What kinds of resources an action has is in the service authorization reference; here is which parameter names them.
"""

from . import arn, moto_parts
from .asks_iam import tag_context
from .authorise import Ask
from .conditions import Unknown
from .policy import reference

PARAMETERS = {
    "DBInstanceIdentifier": "db",
    "SourceDBInstanceIdentifier": "db",
    "TargetDBInstanceIdentifier": "db",
    "DBClusterIdentifier": "cluster",
    "SourceDBClusterIdentifier": "cluster",
    "DBSnapshotIdentifier": "snapshot",
    "SourceDBSnapshotIdentifier": "snapshot",
    "TargetDBSnapshotIdentifier": "snapshot",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "SourceDBClusterSnapshotIdentifier": "cluster-snapshot",
    "TargetDBClusterSnapshotIdentifier": "cluster-snapshot",
    "DBParameterGroupName": "pg",
    "SourceDBParameterGroupIdentifier": "pg",
    "TargetDBParameterGroupIdentifier": "pg",
    "DBClusterParameterGroupName": "cluster-pg",
    "SourceDBClusterParameterGroupIdentifier": "cluster-pg",
    "TargetDBClusterParameterGroupIdentifier": "cluster-pg",
    "OptionGroupName": "og",
    "DBSubnetGroupName": "subgrp",
    "DBSecurityGroupName": "secgrp",
    "SubscriptionName": "es",
    "GlobalClusterIdentifier": "global-cluster",
}
# Of these the reference names two kinds, and either may stand alone.
ABOUT = {
    "DescribeDBSnapshots": "snapshot",
    "DescribeDBClusterSnapshots": "cluster-snapshot",
    "DescribeDBInstanceAutomatedBackups": "auto-backup",
    "DescribeDBClusterAutomatedBackups": "cluster-auto-backup",
}
TAGGING = {"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"}
# Operations on another account's snapshot that its sharing allows; rds.py looks whether it is shared.
OF_SHARED = {
    "CopyDBSnapshot", "CopyDBClusterSnapshot", "DescribeDBSnapshots", "DescribeDBClusterSnapshots",
    "RestoreDBInstanceFromDBSnapshot", "RestoreDBClusterFromSnapshot",
}  # fmt: skip
# What a new thing gets where none is named, and what must be allowed as well.
DEFAULTS = {"og": "default:{engine}-{major}", "pg": "default.{engine}{major}", "subgrp": "default"}
MAKING_INSTANCES = {"CreateDBInstance", "RestoreDBInstanceFromDBSnapshot", "RestoreDBInstanceToPointInTime"}


def asks(call):
    found = []
    for kind, name in _resources(call):
        found.append(_ask(call, call.operation, kind, name))
    if not found:
        found = [Ask(f"rds:{call.operation}", "*", call.principal.account, tag_context(call.params))]
    return found + _tagging(call, found) + _pass_role(call)


def _kinds(operation):
    actions = reference()["rds"]
    if operation.lower() not in actions:
        raise Unknown(f"the permissions of rds:{operation}")
    return actions[operation.lower()].get("Resources", [])


def _resources(call):
    """Kind and name of all that the call is about."""
    operation, params = call.operation, call.params
    if operation in TAGGING:
        name = params.get("ResourceName", "")
        return [(_kind_of(name), name)]
    kinds = _kinds(operation)
    found = [(kind, params[name]) for name, kind in PARAMETERS.items() if kind in kinds and params.get(name)]
    if operation == "RestoreDBClusterFromSnapshot":
        found.append((_snapshot_kind(call, params["SnapshotIdentifier"]), params["SnapshotIdentifier"]))
    if operation == "DeleteDBCluster" and params.get("FinalDBSnapshotIdentifier"):
        found.append(("cluster-snapshot", params["FinalDBSnapshotIdentifier"]))
    if operation in MAKING_INSTANCES:
        found += _defaults(call, {kind for kind, _ in found})
    if operation.startswith("Describe"):
        about = ABOUT.get(operation, kinds[0] if kinds else None)
        if about and about not in {kind for kind, _ in found}:
            found.append((about, "*"))
    return found


def _kind_of(name):
    parts = arn.split(name)
    if len(parts) != arn.SEGMENTS:
        raise Unknown(f"the RDS resource {name}")
    return parts[5].partition(":")[0]


def _snapshot_kind(call, name):
    if name.startswith("arn:"):
        return _kind_of(name)
    clusters = moto_parts.rds(call.principal.account, call.region).cluster_snapshots
    return "cluster-snapshot" if name in clusters else "snapshot"


def _defaults(call, named):
    if call.params.get("DBClusterIdentifier"):
        return []
    engine, version = _engine(call)
    major = version.split(".")[0]
    return [
        (kind, pattern.format(engine=engine, major=major)) for kind, pattern in DEFAULTS.items() if kind not in named
    ]


def _engine(call):
    """Engine and version of an instance to be made, as far as the call or its source says."""
    source = call.params.get("DBSnapshotIdentifier") or call.params.get("SourceDBInstanceIdentifier")
    thing = stored(call, "snapshot" if "DBSnapshotIdentifier" in call.params else "db", source) if source else None
    engine = call.params.get("Engine") or getattr(thing, "engine", "postgres")
    return engine, call.params.get("EngineVersion") or getattr(thing, "engine_version", "") or ""


# ---------------------------------------------------------------- asking


def stored(call, kind, name):
    """moto's resource of a name or ARN, or None."""
    account, region = call.principal.account, call.region
    if name.startswith("arn:"):
        parts = arn.split(name)
        if len(parts) != arn.SEGMENTS:
            return None
        region, account, name = parts[3], parts[4], parts[5].partition(":")[2]
    try:
        backend = moto_parts.rds(account, region)
    except KeyError:
        return None
    return backend._find_resource(kind, name)


def _ask(call, operation, kind, name, with_request_tags=True):
    account = call.principal.account
    full = name if name.startswith("arn:") else f"arn:aws:rds:{call.region}:{account}:{kind}:{name.lower()}"
    owner = arn.account_of(full)
    if owner != account and operation in OF_SHARED:
        owner = account
    context = tag_context(call.params) if with_request_tags else {}
    for key in [key for key in context if key.startswith("aws:requesttag/")]:
        context[key.replace("aws:requesttag/", "rds:req-tag/")] = context[key]
    return Ask(
        f"rds:{operation}", full, owner, context | _of_stored(stored(call, kind, name), kind) | _of_request(call)
    )


def _of_stored(thing, kind):
    if thing is None:
        return {}
    found = {}
    for tag in getattr(thing, "tags", None) or []:
        found[f"aws:resourcetag/{tag['Key'].lower()}"] = found[f"rds:{kind}-tag/{tag['Key'].lower()}"] = [tag["Value"]]
    if kind == "db":
        found |= {
            "rds:databaseengine": [thing.engine],
            "rds:databaseclass": [thing.db_instance_class],
            "rds:databasename": [thing.db_name or ""],
            "rds:multiaz": [str(bool(thing.multi_az)).lower()],
            "rds:storageencrypted": [str(bool(thing.storage_encrypted)).lower()],
            "rds:storagesize": [str(thing.allocated_storage)],
            "rds:vpc": ["true"],
        }
    return found


# Parameters that are condition keys as they are, and on which operations; of the instances and clusters that
# they make, these say what is asked for.
OF_NEW_INSTANCE = {
    "Engine": "rds:databaseengine",
    "DBInstanceClass": "rds:databaseclass",
    "DBName": "rds:databasename",
    "MultiAZ": "rds:multiaz",
    "StorageEncrypted": "rds:storageencrypted",
    "AllocatedStorage": "rds:storagesize",
    "Iops": "rds:piops",
    "PubliclyAccessible": "rds:publiclyaccessible",
    "ManageMasterUserPassword": "rds:managemasteruserpassword",
}
OF_RESTORED_CLUSTER = {
    "DBClusterInstanceClass": "rds:databaseclass",
    "Iops": "rds:piops",
    "AllocatedStorage": "rds:storagesize",
}
OF_NEW_CLUSTER = OF_RESTORED_CLUSTER | {
    "Engine": "rds:databaseengine",
    "DatabaseName": "rds:databasename",
    "StorageEncrypted": "rds:storageencrypted",
    "ManageMasterUserPassword": "rds:managemasteruserpassword",
}
REQUEST_KEYS = {
    "CreateDBInstance": OF_NEW_INSTANCE,
    "CreateDBInstanceReadReplica": OF_NEW_INSTANCE,
    "RestoreDBInstanceFromDBSnapshot": OF_NEW_INSTANCE,
    "RestoreDBInstanceToPointInTime": OF_NEW_INSTANCE,
    "ModifyDBInstance": {"ManageMasterUserPassword": "rds:managemasteruserpassword"},
    "CreateDBCluster": OF_NEW_CLUSTER,
    "RestoreDBClusterFromSnapshot": OF_RESTORED_CLUSTER,
    "RestoreDBClusterToPointInTime": OF_RESTORED_CLUSTER,
    "ModifyDBCluster": OF_RESTORED_CLUSTER | {"ManageMasterUserPassword": "rds:managemasteruserpassword"},
}


def _of_request(call):
    found = {}
    for name, key in REQUEST_KEYS.get(call.operation, {}).items():
        if name in call.params:
            value = call.params[name]
            found[key] = [str(value).lower() if isinstance(value, bool) else str(value)]
    return found


# The parameter that names what an operation makes, where it names others too.
MADE = {
    "CopyDBClusterSnapshot": "TargetDBClusterSnapshotIdentifier",
    "CopyDBSnapshot": "TargetDBSnapshotIdentifier",
    "CreateDBCluster": "DBClusterIdentifier",
    "CreateDBClusterSnapshot": "DBClusterSnapshotIdentifier",
    "CreateDBInstance": "DBInstanceIdentifier",
    "CreateDBSnapshot": "DBSnapshotIdentifier",
    "RestoreDBClusterFromSnapshot": "DBClusterIdentifier",
    "RestoreDBInstanceFromDBSnapshot": "DBInstanceIdentifier",
    "RestoreDBInstanceToPointInTime": "TargetDBInstanceIdentifier",
}


def _tagging(call, found):
    """Tags on a new thing need the right to tag it, and CopyTags counts as tags."""
    if call.operation in TAGGING or not (call.params.get("Tags") or call.params.get("CopyTags")):
        return []
    name = MADE.get(call.operation)
    if name:
        return [_ask(call, "AddTagsToResource", PARAMETERS[name], call.params.get(name, ""))]
    return [Ask("rds:AddTagsToResource", ask.resource, ask.account, dict(ask.context)) for ask in found[:1]]


def _pass_role(call):
    roles = {"MonitoringRoleArn": "monitoring.rds.amazonaws.com", "IamRoleArn": "export.rds.amazonaws.com"}
    return [
        Ask("iam:PassRole", call.params[name], arn.account_of(call.params[name]), {"iam:passedtoservice": [service]})
        for name, service in roles.items()
        if call.params.get(name)
    ]
