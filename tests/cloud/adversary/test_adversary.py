"""Everybody who may hold rights in either account tries everything; afterwards both backups restore."""

from .accounts import BUCKET, ROLES
from .attack import EVERYBODY, MASTERS, OUTSIDE
from .attacks import ATTACKS
from .on_objects import KINDS

# Who tries only what is against them alone.
ALSO = ("person", "nightly-expire")
# The only call of all that leaves something: the bucket's default locks it.
LEFT = "parts/prod/courses/20261123T020000Z-xxxxxx/2"


def test_nothing_succeeds_and_both_backups_restore(backups):
    accounts = backups.accounts
    prepare(accounts)
    before = everything(accounts)
    tried, otherwise = 0, []
    for who in EVERYBODY + ALSO:
        for attack in ATTACKS.values():
            if who in attack.by:
                tried += 1
                code = attack.outcome(accounts, who)
                if code != attack.refusal(who):
                    otherwise.append((who, attack.what, code))
    assert otherwise == []
    assert tried > 2000
    after = everything(accounts)
    left = [one for one in after["versions"] if one not in before["versions"]]
    assert [one["Key"].partition("/")[2] for one in left] == [LEFT]
    after["versions"] = [one for one in after["versions"] if one not in left]
    assert after == before
    backups.assert_the_export_restores()
    backups.assert_the_copy_restores()


def test_there_are_enough_of_them():
    for who in OUTSIDE:
        assert sum(who in attack.by for attack in ATTACKS.values()) > 200, who
    # Production's masters are refused all but what is in their own account.
    taken_over = {what for what in ATTACKS if "that people took over" in what}
    alone = {attack.what for attack in ATTACKS.values() if set(attack.by).isdisjoint(MASTERS)}
    assert len(taken_over) == 13 and taken_over < alone
    assert alone - taken_over == {
        "copy over a copy", "copy under another's name", "copy under production's key",
        "copy with the tag lifeboat:drill",
        "copy with the tag lifeboat:hold", "copy with the tag lifeboat:verified", "copy with the tag owner",
        "delete a snapshot of production's that lifeboat did not tag", "delete a snapshot that lifeboat did not tag",
        "delete an instance that only has a drill's name", "drill in public", "encrypt under production's key",
        "give a spare a tag of people's", "grant production's key to oneself", "make oneself a user",
        "open with production's key", "put a metric that is not lifeboat's", "restore a copy under a drill's name",
        "say that prove went well", "switch off a spare's protection", "tag an intermediate with something else",
        "open a spare to the public", "switch off a kept cluster's protection", "untag a spare",
    }  # fmt: skip


def prepare(accounts):
    """What is made when it is first asked for is there before everything is noted."""
    assert accounts.held_copy and accounts.wrapped_identity and accounts.production_key
    assert all(accounts.objects[kind] for kind in KINDS)


def everything(accounts):
    """What a backup consists of and what protects it, as the backup account's root sees it."""
    s3, kms, rds, iam = (accounts.client("root", service) for service in ("s3", "kms", "rds", "iam"))
    listed = s3.list_object_versions(Bucket=BUCKET)
    assert not listed.get("DeleteMarkers") and not listed["IsTruncated"]
    return {
        "versions": [_version(s3, one) for one in listed["Versions"]],
        "bucket": [_plain(getattr(s3, f"get_{what}")(Bucket=BUCKET)) for what in SETTINGS],
        "keys": [_key(kms, key) for key in (accounts.snapshot_key, accounts.identity_key, accounts.attestation_key)],
        "copies": [_copy(rds, name) for name in (accounts.copy, accounts.held_copy)],
        "roles": [_role(iam, f"lifeboat-{name}") for name in ROLES],
    }


SETTINGS = (
    "bucket_policy", "bucket_versioning", "object_lock_configuration", "bucket_lifecycle_configuration",
    "bucket_encryption", "bucket_ownership_controls", "public_access_block",
)  # fmt: skip


LOOKS_AT_KEYS = ("describe_key", "get_key_policy", "list_grants", "get_key_rotation_status")


def _plain(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def _version(s3, one):
    named = {"Bucket": BUCKET, "Key": one["Key"], "VersionId": one["VersionId"]}
    lock = s3.get_object_retention(**named)["Retention"]
    return {name: one[name] for name in ("Key", "VersionId", "ETag", "Size", "IsLatest")} | lock


def _key(kms, key):
    return [_plain(getattr(kms, ask)(KeyId=key)) for ask in LOOKS_AT_KEYS]


def _copy(rds, name):
    (found,) = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
    return found, _plain(rds.describe_db_snapshot_attributes(DBSnapshotIdentifier=name))


def _role(iam, name):
    role = iam.get_role(RoleName=name)["Role"]
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    policies = [iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in names]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return role["AssumeRolePolicyDocument"], role["MaxSessionDuration"], policies, attached, role.get("Tags")
