"""Snapshots of instances and of clusters: made, copied, shared, deleted. Both kinds obey the same rules."""

import copy
import re
from dataclasses import dataclass

from . import arn, moto_parts, rds_progress
from .moto_parts import rds_models
from .rds_call import CURRENT
from .rds_keys import TO_READ, TO_WRITE, check_key, fault, is_default, not_accessible
from .state import STATE


@dataclass(frozen=True)
class Kind:
    resource: str  # in ARNs
    store: str  # the backend's attribute
    of: str  # the snapshot's copy of what it is a snapshot of
    source: str  # parameters of the copying call
    target: str
    describe: str  # operations
    longest_name: int
    copying: str  # status of a copy that is under way
    not_found: str  # codes
    exists: str
    wrong_state: str

    def snapshots(self, backend):
        return getattr(backend, self.store)


INSTANCE = Kind(
    resource="snapshot",
    store="database_snapshots",
    of="db_instance_identifier",
    source="source_db_snapshot_identifier",
    target="target_db_snapshot_identifier",
    describe="DescribeDBSnapshots",
    longest_name=255,
    copying="creating",
    not_found="DBSnapshotNotFoundFault",
    exists="DBSnapshotAlreadyExists",
    wrong_state="InvalidDBSnapshotState",
)
CLUSTER = Kind(
    resource="cluster-snapshot",
    store="cluster_snapshots",
    of="db_cluster_identifier",
    source="source_db_cluster_snapshot_identifier",
    target="target_db_cluster_snapshot_identifier",
    describe="DescribeDBClusterSnapshots",
    longest_name=63,
    copying="copying",
    not_found="DBClusterSnapshotNotFoundFault",
    exists="DBClusterSnapshotAlreadyExistsFault",
    wrong_state="InvalidDBClusterSnapshotStateFault",
)


def is_encrypted(snapshot):
    return bool(snapshot.storage_encrypted)


def bare(backend, kind, name):
    """The identifier of an own snapshot that may be named by its ARN; another's ARN stays."""
    parts = arn.split(name)
    if len(parts) == arn.SEGMENTS and (parts[3], parts[4]) == (backend.region_name, backend.account_id):
        return parts[5].removeprefix(f"{kind.resource}:")
    return name


def own(backend, kind, name):
    found = kind.snapshots(backend).get(bare(backend, kind, name))
    if not found:
        raise fault(kind.not_found, f"{name} not found.")
    return found


# ---------------------------------------------------------------- making


def check_new(backend, kind, name):
    if not re.fullmatch(r"[A-Za-z](-?[A-Za-z0-9])*", name) or len(name) > kind.longest_name:
        raise fault(
            "InvalidParameterValue",
            f"{name} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, "
            "digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.",
        )
    if name in kind.snapshots(backend):
        raise fault(
            kind.exists, f"Cannot create the snapshot because a snapshot with the identifier {name} already exists."
        )
    quota = STATE.settings.of(backend.account_id).snapshot_quota
    if sum(snapshot.snapshot_type == "manual" for snapshot in kind.snapshots(backend).values()) >= quota:
        raise fault("SnapshotQuotaExceeded", f"Cannot create more than {quota} manual snapshots")


def begin(snapshot):
    """A manual snapshot takes its time, an automated one was made before anyone looks."""
    snapshot.percent_progress = 100
    if not hasattr(snapshot, "storage_encryption_type"):
        snapshot.storage_encryption_type = "sse-kms" if is_encrypted(snapshot) else "none"
    if snapshot.snapshot_type == "manual":
        rds_progress.start(snapshot, "creating")
    return snapshot


# ---------------------------------------------------------------- copying


def copy_snapshot(backend, kind, **params):
    target = params[kind.target]
    check_new(backend, kind, target)
    _check_copies_under_way(backend, kind)
    source = _source(backend, kind, params[kind.source])
    if source.status != "available":
        raise fault(kind.wrong_state, f"The snapshot {params[kind.source]} is in the state {source.status}.")
    key = _keys(backend, kind, source, params.get("kms_key_id"))
    tags = _tags(backend, source, params)
    made = (_copy_of_instance if kind is INSTANCE else _copy_of_cluster)(backend, source, target, key)
    made.tags, made.is_copy = tags, True
    kind.snapshots(backend)[target] = made
    next_copies = STATE.settings.of(backend.account_id).next_copies
    outcome = next_copies.pop(0) if next_copies else rds_progress.AVAILABLE
    rds_progress.start(made, kind.copying, outcome, lambda: _may_read(backend, kind, source))
    return made


def _check_copies_under_way(backend, kind):
    settings = STATE.settings.of(backend.account_id)
    limit = settings.instance_copies_at_once if kind is INSTANCE else settings.cluster_copies_at_once
    under_way = [snapshot for snapshot in kind.snapshots(backend).values() if getattr(snapshot, "is_copy", False)]
    if sum(rds_progress.is_under_way(snapshot) for snapshot in under_way) >= limit:
        raise fault("SnapshotQuotaExceeded", f"Cannot copy more than {limit} snapshots across regions")


def _source(backend, kind, name):
    if not name.startswith("arn:"):
        return own(backend, kind, name)
    parts = arn.split(name)
    if len(parts) != arn.SEGMENTS or not parts[5].startswith(f"{kind.resource}:"):
        raise fault("InvalidParameterValue", f"{name} is not a valid identifier of a {kind.resource}.")
    try:
        found = kind.snapshots(moto_parts.rds(parts[4], parts[3])).get(parts[5].removeprefix(f"{kind.resource}:"))
    except KeyError:
        found = None
    if not found or not _may_read(backend, kind, found):
        # Whether it exists is none of a stranger's business.
        raise fault(kind.not_found, f"{name} not found.")
    return found


def is_shared_with(snapshot, account):
    return snapshot.snapshot_type == "manual" and bool({account, "all"} & set(snapshot.attributes["restore"]))


def _may_read(backend, kind, snapshot):
    """It still exists, and is the account's own or shared with it."""
    if kind.snapshots(snapshot.backend).get(snapshot.resource_id) is not snapshot:
        return False
    return snapshot.account_id == backend.account_id or is_shared_with(snapshot, backend.account_id)


def _keys(backend, kind, source, named):
    """Checks the source's key and the copy's; the copy's ARN, or None where nothing is encrypted."""
    foreign, elsewhere = source.account_id != backend.account_id, source.region != backend.region_name
    if not is_encrypted(source):
        if named and kind is CLUSTER:
            raise fault(
                "InvalidParameterCombination", "KmsKeyId cannot be specified for an unencrypted DB cluster snapshot."
            )
        return check_key(named, TO_WRITE, "The target KMS key").arn if named else None
    if foreign and not named:
        raise not_accessible("None", "The target KMS key")
    if elsewhere and not named:
        raise fault("InvalidParameterValue", "Must specify new KMS key for cross region encrypted snapshot copy.")
    if source.kms_key_id:
        check_key(source.kms_key_id, TO_READ, "The source snapshot KMS key")
    elif foreign:
        raise not_accessible("AWS owned", "The source snapshot KMS key")
    if not named:
        return source.kms_key_id
    if arn.region_of(named) not in ("", backend.region_name):
        raise not_accessible(named, "The target KMS key")
    return check_key(named, TO_WRITE, "The target KMS key").arn


def _tags(backend, source, params):
    """Its own, or its source's where that is asked for; another account's tags cannot be read."""
    if params.get("tags"):
        return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in params["tags"]]
    if not params.get("copy_tags") or source.account_id != backend.account_id:
        return []
    if any(tag["Key"].startswith("aws:") for tag in source.tags):
        raise fault("InvalidParameterValue", "Tag keys cannot start with the reserved prefix 'aws:'")
    return list(source.tags)


def _copy_of_instance(backend, source, target, key):
    database = copy.copy(source.database)
    if source.backend is not backend:
        database.option_group_supplied = False
        database._db_subnet_group_name = None
    if key:
        database.storage_encrypted, database.kms_key_id = True, key
    made = rds_models.DBSnapshot(
        backend, database, target, kms_key_id=key, original_created_at=source.original_snapshot_create_time
    )
    if source.backend is not backend:
        made.source_db_snapshot_identifier = source.arn
        made.source_region = source.region
    made.storage_encryption_type = "sse-kms" if key else "none"
    return made


def _copy_of_cluster(backend, source, target, key):
    cluster = copy.copy(source.cluster)
    if source.backend is not backend:
        cluster.db_subnet_group_name, cluster.parameter_group = None, None
    made = rds_models.DBClusterSnapshot(backend, cluster, target, tags=[], kms_key_id=key)
    made.source_db_cluster_snapshot_arn = source.arn
    made.storage_encryption_type = "sse-kms" if key else source.storage_encryption_type
    return made


# ---------------------------------------------------------------- looking


def describe(backend, kind, base, of, name, snapshot_type, filters):
    """Own snapshots, and those of other accounts that are shared where the call asks for them."""
    name = bare(backend, kind, name) if name else name
    if not CURRENT.is_(kind.describe):
        return base(of, name, snapshot_type, filters)
    with_shared = snapshot_type == "shared" or CURRENT.call.params.get("IncludeShared")
    mine = []
    if snapshot_type != "shared" and not (name or "").startswith("arn:"):
        try:
            mine = base(of, name, snapshot_type, filters)
        except rds_models.RDSClientError:
            if not with_shared:
                raise
    found = mine + (_shared(backend, kind, of, name) if with_shared else [])
    if name and not found:
        raise fault(kind.not_found, f"{name} not found.")
    rds_progress.looked_at(mine)
    return found


def _shared(backend, kind, of, name):
    return [
        snapshot
        for account in moto_parts.accounts("rds")
        if account != backend.account_id
        for snapshot in kind.snapshots(moto_parts.rds(account, backend.region_name)).values()
        if is_shared_with(snapshot, backend.account_id)
        and name in (None, snapshot.arn)
        and of in (None, getattr(snapshot, kind.of))
    ]


# ---------------------------------------------------------------- sharing and deleting


def check_sharing(backend, kind, name, added):
    """The values to add, once each; raises where this snapshot may not be shared so."""
    snapshot = own(backend, kind, name)
    if not added:
        return added
    if snapshot.snapshot_type != "manual":
        code = "InvalidParameterValue" if kind is INSTANCE else kind.wrong_state
        raise fault(code, f"{name} is not a valid identifier of a manual snapshot.")
    if snapshot.status != "available":
        raise fault(kind.wrong_state, f"The snapshot {name} is in the state {snapshot.status}.")
    for value in added:
        if value == "all" and is_encrypted(snapshot):
            raise fault("InvalidParameterValue", "Encrypted snapshots cannot be shared with all accounts.")
        if value != "all" and not re.fullmatch(r"\d{12}", value):
            raise fault("InvalidParameterValue", f"{value} is not an account.")
    refused = STATE.settings.of(backend.account_id).refuse_sharing_under_default_key
    if is_encrypted(snapshot) and refused and _under_default_key(snapshot):
        # AWS documents the refusal, not its code.
        raise fault(
            kind.wrong_state,
            "Sharing snapshots encrypted with the default service key for RDS is currently not supported.",
        )
    return [value for value in dict.fromkeys(added) if value not in snapshot.attributes["restore"]]


def _under_default_key(snapshot):
    return not snapshot.kms_key_id or is_default(snapshot.kms_key_id)


def check_deletable(backend, kind, name):
    snapshot = own(backend, kind, name)
    if snapshot.snapshot_type != "manual":
        raise fault(kind.wrong_state, "Only manual snapshots may be deleted.")
    if snapshot.status not in ("available", "failed"):
        raise fault(kind.wrong_state, f"The snapshot {name} is in the state {snapshot.status}.")
