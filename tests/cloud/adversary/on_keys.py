"""Against the keys."""

import json

from ..conftest import allow, document
from .accounts import SOURCE
from .attack import INSIDE, MASTERS, answered, attack

KEYS = ("snapshot", "identity", "attestation")
TO_ALL = json.dumps(document(allow("kms:*", Principal={"AWS": "*"})))


def arn(a, key):
    return getattr(a, f"{key}_key")


def _to(key, what, method, but=(), **asked):
    @attack("kms", f"{what} the {key} key", but=but)
    def _(a, who):
        getattr(a.client(who, "kms"), method)(KeyId=arn(a, key), **asked)


for _key in KEYS:
    _to(_key, "disable", "disable_key")
    _to(_key, "schedule the deletion of", "schedule_key_deletion", PendingWindowInDays=7)
    _to(_key, "rewrite the policy of", "put_key_policy", but=("break-glass",), Policy=TO_ALL)
    _to(_key, "grant production", "create_grant", GranteePrincipal=f"arn:aws:iam::{SOURCE}:root", Operations=["DescribeKey"])  # fmt: skip
    # Nothing goes by tags.
    _to(_key, "tag", "tag_resource", but=("break-glass", "administrator"), Tags=[{"TagKey": "x", "TagValue": "y"}])
for _key in ("snapshot", "identity"):
    _to(_key, "delete the material of", "delete_imported_key_material")
    _to(_key, "end the rotation of", "disable_key_rotation")
    _to(_key, "replicate", "replicate_key", ReplicaRegion="us-east-1")
    _to(_key, "move to another region", "update_primary_region", PrimaryRegion="us-east-1")


def _to_alias(key, other):
    missing = answered("NotFoundException", "nightly", *MASTERS)

    # Keys are named by their ARNs, so that an alias leads nobody astray: its own account's administrator may.
    @attack("kms", f"delete the alias of the {key} key", but=("administrator",), codes=missing)
    def _(a, who):
        a.client(who, "kms").delete_alias(AliasName=f"alias/lifeboat-{key}")

    @attack("kms", f"turn the alias of the {key} key", but=("administrator", "break-glass"), codes=missing)
    def _(a, who):
        a.client(who, "kms").update_alias(AliasName=f"alias/lifeboat-{key}", TargetKeyId=arn(a, other))


_to_alias("snapshot", "identity")
_to_alias("identity", "snapshot")


@attack("kms", "open an identity", but=("prove", "restore"))
def _(a, who):
    a.client(who, "kms").decrypt(KeyId=a.identity_key, CiphertextBlob=a.wrapped_identity)


@attack("kms", "open an identity without naming its key", but=("prove", "restore"))
def _(a, who):
    a.client(who, "kms").decrypt(CiphertextBlob=a.wrapped_identity)


@attack("kms", "re-encrypt an identity under the snapshot key")
def _(a, who):
    asked = {"SourceKeyId": a.identity_key, "DestinationKeyId": a.snapshot_key}
    a.client(who, "kms").re_encrypt(CiphertextBlob=a.wrapped_identity, **asked)


_to("identity", "wrap an identity of one's own under", "encrypt", but=("break-glass",), Plaintext=b"mine")
_to("identity", "take a data key of", "generate_data_key", KeySpec="AES_256")
_to("attestation", "sign with", "sign", but=("prove",), Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
# Beside RDS. Of who has all rights in the account itself, nothing but its own policy could keep it.
_to("snapshot", "encrypt under", "encrypt", but=("administrator", "break-glass"), Plaintext=b"mine")
_to("snapshot", "look at", "describe_key", but=("snapshot", "nightly", "owned", *INSIDE))


FOREIGN = ("production", "stranger")


@attack("rds", "use the snapshot key for storage", by=FOREIGN, codes=answered("KMSKeyNotAccessibleFault", *FOREIGN))
def _(a, who):
    a.instance(a.client(who, "rds"), "mine", KmsKeyId=a.snapshot_key)


# ---------------------------------------------------------------- production's own key


@attack("kms", "sign manifests", by=("production",))
def _(a, who):
    key = a.source_outputs["SigningKeyArn"]
    a.client(who, "kms").sign(KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")


@attack("kms", "grant the signing key to oneself", by=("nightly", "production", "owned"))
def _(a, who):
    key, grantee = a.source_outputs["SigningKeyArn"], f"arn:aws:iam::{SOURCE}:root"
    a.client(who, "kms").create_grant(KeyId=key, GranteePrincipal=grantee, Operations=["Sign"])
