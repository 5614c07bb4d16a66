"""RDS: snapshots of instances and clusters on their way from one account to the other."""

import pytest

from .conftest import BACKUP, REGION, SOURCE, allow
from .rds_world import ELSEWHERE, USE, Clusters, Instances, shared_snapshot, whole

# ---------------------------------------------------------------- copying


def test_a_shared_encrypted_snapshot_is_copied_under_a_key_of_the_backup_account(world, kind):
    arn = shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=world.shared_key())
    target = world.target_key()
    kind.copy(world.backup, arn, KmsKeyId=target, Tags=[{"Key": "lifeboat", "Value": "copy"}])
    copied = kind.describe(world.backup, "copied")[0]
    assert (copied["KmsKeyId"], copied["Status"], copied["SnapshotType"], kind.is_encrypted(copied)) == (
        target,
        "available",
        "manual",
        True,
    )
    assert copied["EngineVersion"] == "16.3"
    assert (copied.get("SourceDBSnapshotIdentifier") or copied.get("SourceDBClusterSnapshotArn")) == arn
    assert copied["TagList"] == [{"Key": "lifeboat", "Value": "copy"}]
    assert [snapshot["SnapshotType"] for snapshot in kind.describe(world.source)] == ["automated", "manual"]


def test_in_another_region_it_is_called_in_the_destination(world, kind):
    arn = shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=world.shared_key())
    target = world.target_key(ELSEWHERE)
    kind.copy(world.far, arn, KmsKeyId=target)
    copied = kind.describe(world.far, "copied")[0]
    assert copied["KmsKeyId"] == target and f":{ELSEWHERE}:{BACKUP}:" in kind.arn_of(copied)
    assert kind.describe(world.backup) == []


def test_an_unencrypted_snapshot_is_copied_as_it_is(world, kind):
    arn = shared_snapshot(world, kind)
    kind.copy(world.backup, arn)
    assert not kind.is_encrypted(kind.describe(world.backup, "copied")[0])


def test_a_key_on_an_unencrypted_snapshot(world, kind, code):
    arn = shared_snapshot(world, kind)
    refused = code(kind.copy, world.backup, arn, KmsKeyId=world.target_key())
    if kind is Clusters:
        assert refused == "InvalidParameterCombination"
    else:
        assert kind.describe(world.backup, "copied")[0]["Encrypted"]


def test_what_is_not_shared_is_not_found(world, kind, code):
    kind.create(world.source)
    arn = kind.snapshot(world.source)
    assert code(kind.copy, world.backup, arn) == kind.not_found
    assert code(kind.copy, world.backup, arn.replace("manual", "none")) == kind.not_found
    kind.share(world.source, "manual", "333333333333")
    assert code(kind.copy, world.backup, arn) == kind.not_found
    kind.share(world.source, "manual", BACKUP)
    assert code(kind.copy, world.backup, "manual") == kind.not_found
    kind.copy(world.backup, arn)
    kind.share(world.source, "manual", BACKUP, remove=True)
    assert code(kind.copy, world.backup, arn, "second") == kind.not_found


def test_an_encrypted_snapshot_needs_a_key_of_its_own(world, kind, code):
    arn = shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=world.shared_key())
    assert code(kind.copy, world.backup, arn) == "KMSKeyNotAccessibleFault"


def test_within_the_account_across_regions_a_key_is_needed(world, kind, code):
    kind.create(world.source, StorageEncrypted=True, KmsKeyId=world.shared_key())
    arn = kind.snapshot(world.source)
    far = world.cloud.client("rds", world.cloud.user(SOURCE, "far", allow(["rds:*", "kms:*"])), region=ELSEWHERE)
    assert code(kind.copy, far, arn) == "InvalidParameterValue"
    assert code(kind.copy, far, arn, KmsKeyId=world.shared_key()) == "KMSKeyNotAccessibleFault"


@pytest.mark.parametrize("state", ["disabled", "pending deletion", "not for the backup account", "not for this caller"])
def test_a_source_key_that_does_not_serve(world, kind, code, state):
    key = world.source_key() if state == "not for the backup account" else world.shared_key()
    arn = shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=key)
    caller = world.backup
    if state == "disabled":
        world.source_kms.disable_key(KeyId=key)
    elif state == "pending deletion":
        world.source_kms.schedule_key_deletion(KeyId=key)
    elif state == "not for this caller":
        caller = world.cloud.client(
            "rds",
            world.cloud.user(BACKUP, "other", allow("rds:*"), allow("kms:*", f"arn:aws:kms:{REGION}:{BACKUP}:key/*")),
        )
    assert code(kind.copy, caller, arn, KmsKeyId=world.target_key()) == "KMSKeyNotAccessibleFault"
    assert kind.describe(world.backup) == []


@pytest.mark.parametrize("state", ["disabled", "missing"])
def test_a_target_key_that_does_not_serve(world, kind, code, state):
    arn = shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=world.shared_key())
    key = world.target_key()
    if state == "disabled":
        world.backup_kms.disable_key(KeyId=key)
    name = key if state == "disabled" else key[:-4] + "0000"
    assert code(kind.copy, world.backup, arn, KmsKeyId=name) == "KMSKeyNotAccessibleFault"


def test_the_root_cannot_copy_what_another_account_s_key_protects(world, kind, code):
    arn = shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=world.shared_key())
    root = world.cloud.client("rds", world.cloud.roots[BACKUP])
    assert code(kind.copy, root, arn, KmsKeyId=world.target_key()) == "KMSKeyNotAccessibleFault"


def test_the_key_may_be_used_by_rds_only(world, kind):
    via = {"Condition": {"StringEquals": {"kms:ViaService": f"rds.{REGION}.amazonaws.com"}}}
    key = world.source_key(allow(USE, Principal={"AWS": BACKUP}, **via))
    kind.copy(
        world.backup, shared_snapshot(world, kind, StorageEncrypted=True, KmsKeyId=key), KmsKeyId=world.target_key()
    )


def test_a_target_that_exists(world, kind, code):
    arn = shared_snapshot(world, kind)
    kind.copy(world.backup, arn)
    assert code(kind.copy, world.backup, arn) == kind.exists


def test_a_source_that_is_not_ready(world, kind, code):
    kind.create(world.source)
    world.settings(polls=3)
    kind.snapshot(world.source)
    assert code(kind.copy, world.source, "manual") == kind.wrong_state
    assert code(kind.share, world.source, "manual", BACKUP) == kind.wrong_state


def test_automated_snapshots_become_manual_by_a_copy(world, kind):
    kind.create(world.source)
    automated = kind.describe(world.source, SnapshotType="automated")[0]
    kind.copy(world.source, kind.arn_of(automated), "manual")
    assert kind.describe(world.source, "manual")[0]["SnapshotType"] == "manual"


@pytest.mark.parametrize("copy_tags", [False, True])
def test_tags_are_copied_on_demand_only(world, kind, copy_tags):
    kind.create(world.source, CopyTagsToSnapshot=True, Tags=[{"Key": "team", "Value": "data"}])
    kind.snapshot(world.source)
    kind.copy(world.source, "manual", **({"CopyTags": True} if copy_tags else {}))
    assert kind.describe(world.source, "copied")[0].get("TagList", []) == (
        [{"Key": "team", "Value": "data"}] if copy_tags else []
    )


def test_reserved_tags_are_refused(world, kind, code):
    kind.create(world.source)
    kind.snapshot(world.source)
    assert code(kind.copy, world.source, "manual", Tags=[{"Key": "aws:x", "Value": "y"}]) == "InvalidParameterValue"


@pytest.mark.parametrize("name", ["1st", "a--b", "a-", "a_b", "x" * 256])
def test_a_name_that_is_none(world, kind, code, name):
    kind.create(world.source)
    kind.snapshot(world.source)
    assert code(kind.copy, world.source, "manual", name) == "InvalidParameterValue"


def test_a_name_s_length(world, kind, code):
    kind.create(world.source)
    kind.snapshot(world.source)
    assert code(kind.copy, world.source, "manual", "x" * 64) == ("InvalidParameterValue" if kind is Clusters else "")


# ---------------------------------------------------------------- sharing


def test_a_snapshot_under_the_default_key_cannot_be_shared(world, kind, code):
    kind.create(world.source, StorageEncrypted=True)
    kind.snapshot(world.source)
    assert code(kind.share, world.source, "manual", BACKUP) == kind.wrong_state
    kind.copy(world.source, "manual", "shareable", KmsKeyId=world.shared_key())
    assert kind.share(world.source, "shareable", BACKUP) == [BACKUP]


def test_where_it_could_be_shared_the_copy_fails(world, kind, code):
    world.settings(refuse_sharing_under_default_key=False)
    arn = shared_snapshot(world, kind, StorageEncrypted=True)
    assert code(kind.copy, world.backup, arn, KmsKeyId=world.target_key()) == "KMSKeyNotAccessibleFault"


def test_re_encryption_under_a_key_that_lives_in_the_backup_account(world, kind):
    kind.create(world.source, StorageEncrypted=True)
    kind.snapshot(world.source)
    key = world.backup_kms.create_key(Policy=whole(BACKUP, allow(USE, Principal={"AWS": SOURCE})))["KeyMetadata"]["Arn"]
    kind.copy(world.source, "manual", "between", KmsKeyId=key)
    kind.share(world.source, "between", BACKUP)
    kind.copy(world.backup, kind.arn_of(kind.describe(world.source, "between")[0]), KmsKeyId=world.target_key())


def test_a_cluster_under_aws_s_own_key_needs_re_encryption(world, code):
    world.settings(aurora_under_owned_key=True)
    Clusters.create(world.source, StorageEncrypted=True)
    Clusters.snapshot(world.source)
    shown = Clusters.describe(world.source, "manual")[0]
    assert (shown["StorageEncryptionType"], shown.get("KmsKeyId")) == ("sse-rds", None)
    assert code(Clusters.share, world.source, "manual", BACKUP) == Clusters.wrong_state
    Clusters.copy(world.source, "manual", "shareable", KmsKeyId=world.shared_key())
    assert Clusters.share(world.source, "shareable", BACKUP) == [BACKUP]


def test_an_automated_snapshot_cannot_be_shared(world, kind, code):
    kind.create(world.source)
    name = kind.arn_of(kind.describe(world.source, SnapshotType="automated")[0]).split(":", 6)[6]
    assert code(kind.share, world.source, name, BACKUP) in ("InvalidParameterValue", kind.wrong_state)


def test_an_encrypted_snapshot_is_not_for_all(world, kind, code):
    kind.create(world.source, StorageEncrypted=True, KmsKeyId=world.shared_key())
    kind.snapshot(world.source)
    assert code(kind.share, world.source, "manual", "all") == "InvalidParameterValue"
    assert code(kind.share, world.source, "manual", "someone") == "InvalidParameterValue"


def test_at_most_twenty_accounts(world, kind, code):
    kind.create(world.source)
    kind.snapshot(world.source)
    accounts = [f"{number:012}" for number in range(1, 22)]
    assert len(kind.share(world.source, "manual", *accounts[:20])) == 20
    assert code(kind.share, world.source, "manual", accounts[20]) == "SharedSnapshotQuotaExceeded"


def test_shared_snapshots_are_seen_where_asked_for(world, kind):
    arn = shared_snapshot(world, kind)
    assert kind.describe(world.backup) == []
    for asked in ({"SnapshotType": "shared"}, {"IncludeShared": True}):
        assert [kind.arn_of(snapshot) for snapshot in kind.describe(world.backup, **asked)] == [arn]
        assert [kind.arn_of(snapshot) for snapshot in kind.describe(world.backup, arn, **asked)] == [arn]


# ---------------------------------------------------------------- time and limits


def test_a_copy_takes_its_time(world, kind):
    arn = shared_snapshot(world, kind)
    world.settings(polls=3)
    assert kind.copy(world.backup, arn)["Status"] in ("creating", "copying")
    looks = [
        (shown["Status"], shown["PercentProgress"])
        for shown in (kind.describe(world.backup, "copied")[0] for _ in range(5))
    ]
    busy = looks[0][0]
    assert looks == [(busy, 25), (busy, 50), (busy, 75), ("available", 100), ("available", 100)]


def test_a_copy_may_fail_or_never_end(world, kind):
    arn = shared_snapshot(world, kind)
    world.settings(polls=1, next_copies=["failed", "stuck"])
    for name in ("first", "second", "third"):
        kind.copy(world.backup, arn, name)
    looks = [
        [kind.describe(world.backup, name)[0]["Status"] for name in ("first", "second", "third")] for _ in range(4)
    ][-1]
    assert looks[0] == "failed" and looks[1] in ("creating", "copying") and looks[2] == "available"
    kind.delete(world.backup, "first")


@pytest.mark.parametrize("lost", ["deleted", "unshared"])
def test_a_copy_fails_whose_source_is_taken_away(world, kind, lost):
    arn = shared_snapshot(world, kind)
    world.settings(polls=2)
    kind.copy(world.backup, arn)
    kind.describe(world.backup, "copied")
    if lost == "deleted":
        kind.delete(world.source, "manual")
    else:
        kind.share(world.source, "manual", BACKUP, remove=True)
    assert kind.describe(world.backup, "copied")[0]["Status"] == "failed"


def test_the_quota_and_the_copies_at_once_are_told_apart_by_their_words(world, kind):
    arn = shared_snapshot(world, kind)
    world.settings(polls=9, snapshot_quota=4, instance_copies_at_once=2, cluster_copies_at_once=2)

    def words(name):
        with pytest.raises(world.backup.exceptions.ClientError) as raised:
            kind.copy(world.backup, arn, name)
        error = raised.value.response["Error"]
        assert error["Code"] == "SnapshotQuotaExceeded"
        return error["Message"]

    kind.copy(world.backup, arn, "first")
    kind.copy(world.backup, arn, "second")
    assert words("third") == "Cannot copy more than 2 snapshots across regions"
    world.settings(polls=0)
    kind.describe(world.backup)
    kind.copy(world.backup, arn, "third")
    kind.copy(world.backup, arn, "fourth")
    assert words("fifth") == "Cannot create more than 4 manual snapshots"


def test_long_lists_come_in_pages(world, kind):
    kind.create(world.source)
    world.settings(snapshot_quota=200)
    for number in range(103):
        kind.snapshot(world.source, f"s{number}")
    operation = "describe_db_snapshots" if kind is Instances else "describe_db_cluster_snapshots"
    pages = list(world.source.get_paginator(operation).paginate())
    key = "DBSnapshots" if kind is Instances else "DBClusterSnapshots"
    assert [len(page[key]) for page in pages] == [100, 4]


def test_settings_of_one_account_leave_the_others_alone(world, kind, code):
    arn = shared_snapshot(world, kind)
    world.settings(account=SOURCE, next_copies=["stuck"], snapshot_quota=2)
    kind.copy(world.backup, arn)
    assert kind.describe(world.backup, "copied")[0]["Status"] == "available"
    kind.copy(world.source, "manual", "second")
    assert kind.describe(world.source, "second")[0]["Status"] != "available"
    assert code(kind.copy, world.source, "manual", "third") == "SnapshotQuotaExceeded"
