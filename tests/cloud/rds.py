"""RDS: moto's store of instances and clusters, with states that take time and keys that must serve."""

import copy

from . import arn, clock, moto_parts, rds_progress, rds_snapshots
from .asks_rds import TAGGING
from .conditions import Unknown
from .errors import AwsError
from .moto_parts import rds_models
from .rds_call import CURRENT
from .rds_keys import TO_CREATE, TO_READ, check_key, check_state, default_key, fault
from .rds_snapshots import CLUSTER, INSTANCE
from .state import STATE

# What a restored instance or cluster has unless the call says otherwise: none of it travels in a snapshot.
INSTANCE_DEFAULTS = {
    "deletion_protection": False,
    "multi_az": False,
    "publicly_accessible": False,
    "copy_tags_to_snapshot": False,
    "enable_iam_database_authentication": False,
    "monitoring_interval": 0,
    "monitoring_role_arn": None,
    "enabled_cloudwatch_logs_exports": [],
}
CLUSTER_DEFAULTS = {"deletion_protection": False, "copy_tags_to_snapshot": False, "enabled_cloudwatch_logs_exports": []}


def handle(call):
    if any(tag.get("Key", "").lower().startswith("aws:") for tag in call.params.get("Tags") or []):
        raise AwsError("InvalidParameterValue", "Tag keys cannot start with the reserved prefix 'aws:'", 400)
    resource = call.params.get("ResourceName", "")
    if call.operation in TAGGING and arn.region_of(resource) != call.region:
        raise AwsError("InvalidParameterValue", f"Invalid resource name: {resource}", 400)
    if call.operation == "DescribeEngineDefaultParameters":
        raise Unknown("which parameters an engine has")
    with CURRENT.of(call):
        return moto_parts.answer(call)


def backup(account, region, instance=None, cluster=None):
    """An automated snapshot now, as RDS makes one each night; their names tell the minute, so one takes the place of
    another of the same minute."""
    backend = moto_parts.rds(account, region)
    minute = clock.now().strftime("-%Y-%m-%d-%H-%M")
    for snapshots in (backend.database_snapshots, backend.cluster_snapshots):
        snapshots.pop(f"rds:{instance or cluster}{minute}", None)
    (backend.databases[instance] if instance else backend.clusters[cluster]).save_automated_backup()


def passwords(account, region):
    """Master users' passwords as they are now; an instance of a cluster has none of its own."""
    backend = moto_parts.rds(account, region)
    alone = {name: one for name, one in backend.databases.items() if one.db_cluster_identifier is None}
    return {
        "instances": {name: one._master_user_password for name, one in alone.items()},
        "clusters": {name: one._master_user_password for name, one in backend.clusters.items()},
    }


# ---------------------------------------------------------------- checks


def _need_available(thing, code, name):
    if thing.status != "available":
        raise fault(code, f"{name} is not in the available state: it is {thing.status}.")


def _need_unused(group, used):
    if group in used:
        raise fault("InvalidDBParameterGroupState", "One or more database instances are still members of this group.")


def _check_final_snapshot(name, skipped):
    if bool(name) == bool(skipped):
        what = "cannot be specified when" if name else "is required unless"
        raise fault("InvalidParameterCombination", f"FinalDBSnapshotIdentifier {what} SkipFinalSnapshot is specified.")


def _choose_key(backend, kwargs):
    """The key of new storage: the named one, else the account's default one for RDS."""
    if CURRENT.is_key_checked:
        return
    named = kwargs.get("kms_key_id")
    if not kwargs.get("storage_encrypted"):
        if named:
            raise fault("InvalidParameterCombination", "KmsKeyId needs StorageEncrypted.")
        return
    name = named or default_key(backend.account_id, backend.region_name).arn
    kwargs["kms_key_id"] = check_key(name, TO_CREATE).arn


def _check_source(kind, snapshot, name):
    _need_available(snapshot, kind.wrong_state, name)
    if rds_snapshots.is_encrypted(snapshot) and snapshot.kms_key_id:
        check_key(snapshot.kms_key_id, TO_READ)


def _delete_automated(snapshots, attribute, name):
    for key, snapshot in list(snapshots.items()):
        if snapshot.snapshot_type == "automated" and getattr(snapshot, attribute) == name:
            del snapshots[key]


def _set_defaults(thing, defaults, overrides):
    for attribute, default in defaults.items():
        setattr(thing, attribute, overrides.get(attribute, copy.copy(default)))
    thing.tags = overrides.get("tags") or []


class Rds(rds_models.RDSBackend):
    """What one account has in one region."""

    # moto looks for it beside the class.
    _url_module = moto_parts.rds_urls

    # ------------------------------------------------------------ instances

    def create_db_instance(self, db_kwargs):
        if db_kwargs.get("db_cluster_identifier") is None:
            _choose_key(self, db_kwargs)
        else:
            # A cluster's instances lie where it lies.
            subnets = self.describe_db_clusters(db_kwargs["db_cluster_identifier"])[0].db_subnet_group_name
            db_kwargs["db_subnet_group_name"] = subnets if subnets in self.subnet_groups else None
        instance = super().create_db_instance(db_kwargs)
        if not instance.backup_retention_period:
            _delete_automated(self.database_snapshots, INSTANCE.of, instance.db_instance_identifier)
        rds_progress.start(instance, "creating")
        return instance

    def describe_db_instances(self, db_instance_identifier=None, filters=None):
        found = super().describe_db_instances(db_instance_identifier, filters)
        return rds_progress.looked_at(found) if CURRENT.is_("DescribeDBInstances") else found

    def modify_db_instance(self, db_instance_identifier, db_kwargs):
        instance = self.describe_db_instances(db_instance_identifier)[0]
        _need_available(instance, "InvalidDBInstanceState", db_instance_identifier)
        instance = super().modify_db_instance(db_instance_identifier, db_kwargs)
        if db_kwargs.get("backup_retention_period") == 0:
            _delete_automated(self.database_snapshots, INSTANCE.of, instance.db_instance_identifier)
        if db_kwargs.get("master_user_password"):
            rds_progress.start(instance, "resetting-master-credentials")
        return instance

    def stop_db_instance(self, db_instance_identifier, db_snapshot_identifier=None):
        instance = super().stop_db_instance(db_instance_identifier, db_snapshot_identifier)
        rds_progress.start(instance, "stopping", rds_progress.STOPPED)
        return instance

    def delete_db_instance(self, db_instance_identifier, final_db_snapshot_identifier=None, **more):
        instance = self.describe_db_instances(db_instance_identifier)[0]
        clustered = instance.db_cluster_identifier is not None
        if clustered and self.clusters[instance.db_cluster_identifier].status != "available":
            raise fault("InvalidDBClusterStateFault", "A stopped cluster keeps its instances.")
        _check_final_snapshot(final_db_snapshot_identifier, more.get("skip_final_snapshot") or clustered)
        return super().delete_db_instance(db_instance_identifier, final_db_snapshot_identifier, **more)

    def restore_db_instance_from_db_snapshot(self, from_snapshot_id, overrides):
        if not from_snapshot_id:
            raise AwsError(
                "InvalidParameterCombination", "the tests' AWS restores instances of DBSnapshotIdentifier only", 400
            )
        snapshot = rds_snapshots.own(self, INSTANCE, from_snapshot_id)
        _check_source(INSTANCE, snapshot, from_snapshot_id)
        kept, snapshot.database = snapshot.database, copy.copy(snapshot.database)
        snapshot.database._db_subnet_group_name = None
        try:
            with CURRENT.key_checked():
                instance = super().restore_db_instance_from_db_snapshot(snapshot.db_snapshot_identifier, overrides)
        finally:
            snapshot.database = kept
        _set_defaults(instance, INSTANCE_DEFAULTS, overrides)
        return instance

    # ------------------------------------------------------------ clusters

    def create_db_cluster(self, kwargs):
        if kwargs["db_cluster_identifier"] in self.clusters:
            raise fault("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        owned = self._is_under_owned_key(kwargs)
        if not owned:
            _choose_key(self, kwargs)
        cluster = super().create_db_cluster(kwargs)
        if owned or not cluster.storage_encrypted:
            cluster.kms_key_id = None
        cluster.storage_encryption_type = "sse-rds" if owned else "sse-kms" if cluster.storage_encrypted else "none"
        for snapshot in self.cluster_snapshots.values():
            if (
                snapshot.snapshot_type == "automated"
                and snapshot.db_cluster_identifier == cluster.db_cluster_identifier
            ):
                snapshot.kms_key_id = cluster.kms_key_id
                snapshot.storage_encryption_type = cluster.storage_encryption_type
        rds_progress.start(cluster, "creating")
        return cluster

    def _is_under_owned_key(self, kwargs):
        """Newer Aurora clusters are, where no key is named."""
        aurora = (
            kwargs["engine"].startswith("aurora") and kwargs.get("storage_encrypted") and not kwargs.get("kms_key_id")
        )
        return STATE.settings.of(self.account_id).aurora_under_owned_key and aurora

    def describe_db_clusters(self, db_cluster_identifier=None, filters=None):
        found = super().describe_db_clusters(db_cluster_identifier, filters)
        if where := STATE.settings.of(self.account_id).endpoint:
            for cluster in found:
                cluster.port = where["port"]
        return rds_progress.looked_at(found) if CURRENT.is_("DescribeDBClusters") else found

    def modify_db_cluster(self, kwargs):
        cluster = self.describe_db_clusters(kwargs["db_cluster_identifier"])[0]
        _need_available(cluster, "InvalidDBClusterStateFault", cluster.db_cluster_identifier)
        changed = super().modify_db_cluster(kwargs)
        if kwargs.get("master_user_password"):
            rds_progress.start(cluster, "resetting-master-credentials")
        return changed

    def stop_db_cluster(self, cluster_identifier):
        told = super().stop_db_cluster(cluster_identifier)
        rds_progress.start(self.clusters[cluster_identifier], "stopping", rds_progress.STOPPED)
        return told

    def start_db_cluster(self, cluster_identifier):
        told = super().start_db_cluster(cluster_identifier)
        rds_progress.start(self.clusters[cluster_identifier], "starting")
        return told

    def delete_db_cluster(self, cluster_identifier, snapshot_name=None):
        params = CURRENT.call.params
        _check_final_snapshot(snapshot_name, params.get("SkipFinalSnapshot"))
        cluster = super().delete_db_cluster(cluster_identifier, snapshot_name)
        if params.get("DeleteAutomatedBackups") is not False:
            _delete_automated(self.cluster_snapshots, CLUSTER.of, cluster.db_cluster_identifier)
        return cluster

    def restore_db_cluster_from_snapshot(self, from_snapshot_id, overrides):
        snapshot = rds_snapshots.own(self, CLUSTER, from_snapshot_id)
        _check_source(CLUSTER, snapshot, from_snapshot_id)
        kept, snapshot.cluster = snapshot.cluster, copy.copy(snapshot.cluster)
        snapshot.cluster.db_subnet_group_name = snapshot.cluster.parameter_group = None
        snapshot.cluster.vpc_security_group_ids = None
        try:
            with CURRENT.key_checked():
                name = snapshot.db_cluster_snapshot_identifier
                cluster = super().restore_db_cluster_from_snapshot(name, overrides)
        finally:
            snapshot.cluster = kept
        _set_defaults(cluster, CLUSTER_DEFAULTS, overrides)
        return cluster

    # ------------------------------------------------------------ parameter groups

    def delete_db_parameter_group(self, db_parameter_group_name):
        used = (group.name for one in self.databases.values() for group in one.db_parameter_groups())
        _need_unused(db_parameter_group_name, used)
        return super().delete_db_parameter_group(db_parameter_group_name)

    def delete_db_cluster_parameter_group(self, db_cluster_parameter_group_name):
        _need_unused(db_cluster_parameter_group_name, (one.parameter_group for one in self.clusters.values()))
        return super().delete_db_cluster_parameter_group(db_cluster_parameter_group_name)

    # ------------------------------------------------------------ snapshots

    def create_db_snapshot(self, db_instance_identifier, db_snapshot_identifier, snapshot_type="manual", **more):
        instance = self.databases.get(db_instance_identifier)
        if instance and snapshot_type == "manual":
            rds_snapshots.check_new(self, INSTANCE, db_snapshot_identifier)
            if not CURRENT.is_("DeleteDBInstance"):
                _need_available(instance, "InvalidDBInstanceState", db_instance_identifier)
            if instance.storage_encrypted:
                check_state(instance.kms_key_id)
        made = super().create_db_snapshot(db_instance_identifier, db_snapshot_identifier, snapshot_type, **more)
        return rds_snapshots.begin(made)

    def create_db_cluster_snapshot(
        self, db_cluster_identifier, db_cluster_snapshot_identifier, snapshot_type="manual", **more
    ):
        cluster = self.clusters.get(db_cluster_identifier)
        if cluster and snapshot_type == "manual":
            rds_snapshots.check_new(self, CLUSTER, db_cluster_snapshot_identifier)
            if not CURRENT.is_("DeleteDBCluster"):
                _need_available(cluster, "InvalidDBClusterStateFault", db_cluster_identifier)
            if cluster.storage_encrypted and cluster.kms_key_id:
                check_state(cluster.kms_key_id)
        made = super().create_db_cluster_snapshot(
            db_cluster_identifier, db_cluster_snapshot_identifier, snapshot_type, **more
        )
        made.storage_encryption_type = getattr(cluster, "storage_encryption_type", "none")
        return rds_snapshots.begin(made)

    def copy_db_snapshot(self, **params):
        return rds_snapshots.copy_snapshot(self, INSTANCE, **params)

    def copy_db_cluster_snapshot(self, **params):
        return rds_snapshots.copy_snapshot(self, CLUSTER, **params)

    def describe_db_snapshots(
        self, db_instance_identifier, db_snapshot_identifier=None, snapshot_type=None, filters=None
    ):
        base = super().describe_db_snapshots
        return rds_snapshots.describe(
            self, INSTANCE, base, db_instance_identifier, db_snapshot_identifier, snapshot_type, filters
        )

    def describe_db_cluster_snapshots(
        self, db_cluster_identifier, db_snapshot_identifier, snapshot_type=None, filters=None
    ):
        base = super().describe_db_cluster_snapshots
        return rds_snapshots.describe(
            self, CLUSTER, base, db_cluster_identifier, db_snapshot_identifier, snapshot_type, filters
        )

    def modify_db_snapshot_attribute(
        self, db_snapshot_identifier, attribute_name, values_to_add=None, values_to_remove=None
    ):
        added = rds_snapshots.check_sharing(self, INSTANCE, db_snapshot_identifier, values_to_add)
        return super().modify_db_snapshot_attribute(db_snapshot_identifier, attribute_name, added, values_to_remove)

    def modify_db_cluster_snapshot_attribute(
        self, db_cluster_snapshot_identifier, attribute_name, values_to_add=None, values_to_remove=None
    ):
        added = rds_snapshots.check_sharing(self, CLUSTER, db_cluster_snapshot_identifier, values_to_add)
        return super().modify_db_cluster_snapshot_attribute(
            db_cluster_snapshot_identifier, attribute_name, added, values_to_remove
        )

    def delete_db_snapshot(self, db_snapshot_identifier):
        if CURRENT.is_("DeleteDBSnapshot"):
            rds_snapshots.check_deletable(self, INSTANCE, db_snapshot_identifier)
        return super().delete_db_snapshot(db_snapshot_identifier)

    def delete_db_cluster_snapshot(self, db_snapshot_identifier):
        if CURRENT.is_("DeleteDBClusterSnapshot"):
            rds_snapshots.check_deletable(self, CLUSTER, db_snapshot_identifier)
        return super().delete_db_cluster_snapshot(db_snapshot_identifier)


# ---------------------------------------------------------------- in moto's place

rds_models.rds_backends.backend = Rds

_init = rds_models.DBInstance.__init__


def _init_with_own_resource_id(self, backend, **kwargs):
    """moto gives all instances the same."""
    _init(self, backend, **kwargs)
    self.dbi_resource_id = "db-" + moto_parts.random_upper(26)


rds_models.DBInstance.__init__ = _init_with_own_resource_id


def _in_pages(method, key):
    """moto answers with all at once, AWS with 100 at most."""

    def paged(self):
        found = list(method(self).result[key])
        size, begin = CURRENT.call.params.get("MaxRecords", 100), int(CURRENT.call.params.get("Marker") or 0)
        if not 20 <= size <= 100:
            raise fault("InvalidParameterValue", f"Invalid value {size} for MaxRecords. Must be between 20 and 100")
        marker = str(begin + size) if begin + size < len(found) else None
        return moto_parts.ActionResult({key: found[begin : begin + size], "Marker": marker})

    return paged


PAGED = {
    "describe_db_clusters": "DBClusters",
    "describe_db_snapshots": "DBSnapshots",
    "describe_db_cluster_snapshots": "DBClusterSnapshots",
}
for _name, _key in PAGED.items():
    setattr(moto_parts.RDSResponse, _name, _in_pages(getattr(moto_parts.RDSResponse, _name), _key))
