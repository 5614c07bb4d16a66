"""Against what lies in the repository."""

from botocore.exceptions import ClientError

from .accounts import BUCKET, DAILY, PREFIX
from .attack import answered, attack, refused

KINDS = ("part", "runbook", "script", "keys", "manifest", "record", "attestation", "announcement", "marker")
# Who may add one, and is told by S3 itself that there is one.
ADDED_BY = dict.fromkeys(KINDS, "exporter") | {"attestation": "prove"} | dict.fromkeys(KINDS[-2:], "break-glass")
# Those who open backups, and the account's administrator, who reads what is sealed.
READERS = ("prove", "restore", "break-glass", "administrator")
# `hold` and promotion.
HOLDERS = ("prove", "restore", "break-glass", "administrator")


def version_of(a, kind):
    key, version = a.objects[kind]
    return {"Bucket": BUCKET, "Key": key, "VersionId": version}


def key_of(a, kind):
    return {"Bucket": BUCKET, "Key": a.objects[kind][0]}


def _on(kind):
    @attack("s3", f"delete the version of {kind}")
    def _(a, who):
        a.client(who, "s3").delete_object(**version_of(a, kind))

    @attack("s3", f"delete the version of {kind} with a bypass")
    def _(a, who):
        a.client(who, "s3").delete_object(**version_of(a, kind), BypassGovernanceRetention=True)

    @attack("s3", f"hide {kind} behind a delete marker")
    def _(a, who):
        a.client(who, "s3").delete_object(**key_of(a, kind))

    @attack("s3", f"overwrite {kind}")
    def _(a, who):
        a.put(who, a.objects[kind][0].removeprefix(PREFIX), IfNoneMatch=None)

    @attack("s3", f"replace {kind} as if it were new", codes=answered("PreconditionFailed", ADDED_BY[kind]))
    def _(a, who):
        a.put(who, a.objects[kind][0].removeprefix(PREFIX))

    @attack("s3", f"shorten the lock of {kind} to a day")
    def _(a, who):
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": a.in_days(1)}
        a.client(who, "s3").put_object_retention(**version_of(a, kind), Retention=retention)

    @attack("s3", f"take the lock of {kind} away")
    def _(a, who):
        asked = {"Retention": {}, "BypassGovernanceRetention": True}
        a.client(who, "s3").put_object_retention(**version_of(a, kind), **asked)


for _kind in KINDS:
    _on(_kind)


def _delete_many(a, who, named):
    answer = a.client(who, "s3").delete_objects(Bucket=BUCKET, Delete={"Objects": named})
    codes = {error["Code"] for error in answer.get("Errors", [])}
    if not answer.get("Deleted"):
        raise refused(*codes)


@attack("s3", "delete all versions in one call")
def _(a, who):
    _delete_many(a, who, [{"Key": key, "VersionId": version} for key, version in map(a.objects.__getitem__, KINDS)])


@attack("s3", "hide everything in one call")
def _(a, who):
    _delete_many(a, who, [{"Key": a.objects[kind][0]} for kind in KINDS])


@attack("s3", "weaken a lock to governance")
def _(a, who):
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": a.in_days(DAILY)}
    asked = {"Retention": retention, "BypassGovernanceRetention": True}
    a.client(who, "s3").put_object_retention(**version_of(a, "part"), **asked)


@attack("s3", "extend a lock beyond the daily tier", but=HOLDERS)
def _(a, who):
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": a.in_days(DAILY + 3)}
    a.client(who, "s3").put_object_retention(**version_of(a, "part"), Retention=retention)


@attack("s3", "extend a manifest's lock beyond the daily tier", but=HOLDERS)
def _(a, who):
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": a.in_days(DAILY + 3)}
    a.client(who, "s3").put_object_retention(**version_of(a, "manifest"), Retention=retention)


@attack("s3", "extend a lock to ten years")
def _(a, who):
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": a.in_days(3650)}
    a.client(who, "s3").put_object_retention(**version_of(a, "part"), Retention=retention)


@attack("s3", "turn a legal hold on")
def _(a, who):
    a.client(who, "s3").put_object_legal_hold(**version_of(a, "part"), LegalHold={"Status": "ON"})


@attack("s3", "turn a legal hold off")
def _(a, who):
    a.client(who, "s3").put_object_legal_hold(**version_of(a, "part"), LegalHold={"Status": "OFF"})


@attack("s3", "overwrite a part if it is what it was")
def _(a, who):
    tag = a.client("root", "s3").head_object(**version_of(a, "part"))["ETag"]
    a.put(who, a.objects["part"][0].removeprefix(PREFIX), IfNoneMatch=None, IfMatch=tag)


@attack("s3", "copy a part over itself under another encryption")
def _(a, who):
    asked = {"CopySource": version_of(a, "part"), "MetadataDirective": "REPLACE", "ServerSideEncryption": "aws:kms"}
    a.client(who, "s3").copy_object(**key_of(a, "part"), **asked)


@attack("s3", "begin a multipart upload over a part")
def _(a, who):
    a.client(who, "s3").create_multipart_upload(**key_of(a, "part"))


# ACLs have no effect, and S3 says so to who may write them.
@attack("s3", "make a part public by its ACL", codes=answered("AccessControlListNotSupported", "administrator"))
def _(a, who):
    a.client(who, "s3").put_object_acl(**version_of(a, "part"), ACL="public-read")


# Nothing goes by tags.
@attack("s3", "tag a part", but=("administrator",))
def _(a, who):
    tags = {"TagSet": [{"Key": "expire", "Value": "now"}]}
    a.client(who, "s3").put_object_tagging(**version_of(a, "part"), Tagging=tags)


@attack("s3", "read rows", but=READERS)
def _(a, who):
    a.client(who, "s3").get_object(**version_of(a, "part"))


@attack("s3", "speak without TLS")
def _(a, who):
    a.cloud.control("POST", "settings", {"secure_transport": False})
    try:
        a.client(who, "s3").list_object_versions(Bucket=BUCKET)
    finally:
        a.cloud.control("POST", "settings", {"secure_transport": True})


# ---------------------------------------------------------------- planting


def _plant(what, path, but=()):
    @attack("s3", f"plant {what}", but=but)
    def _(a, who):
        a.put(who, path)


# New points and copies of a thief's show as never drilled.
_plant("a part", "parts/prod/courses/20261122T020000Z-xxxxxx/16400/1.copy.zst.age", but=("exporter",))
_plant("a manifest", "manifests/prod/courses/20261122T020000Z-xxxxxx.json", but=("exporter",))
_plant("a record of a copy", "snapshots/prod/lifeboat-prod-20261122.json", but=("exporter",))
_plant("an attestation", "attestations/prod/courses/20261122T020000Z-xxxxxx/1.json", but=("prove",))
_plant("an announcement of a key", "announcements/20261122.json", but=("break-glass",))
_plant("a plan of a run", "runs/export/2026-11-22/plan.json", but=("exporter",))
_plant("a plan of prove's", "runs/prove/2026-11-22/plan.json", but=("prove",))
_plant("a note of a run", "runs/prod/20261122T020000Z-xxxxxx.json", but=("break-glass",))
_plant("a runbook at the top", "RESTORE.md", but=("break-glass",))
_plant("a script at the top", "restore.sh", but=("break-glass",))
_plant("keys at the top", "keys.json", but=("break-glass",))


def _add(what, path="parts/prod/courses/20261123T020000Z-xxxxxx/1", codes=None, **more):
    """Where the exporter may, but not so."""

    @attack("s3", f"add {what}", codes=codes)
    def _(a, who):
        a.put(who, path, **more)


_add("a part under governance", mode="GOVERNANCE")
_add("a part locked for a day", days=1)
_add("a manifest locked for a day", "manifests/prod/courses/20261123T020000Z-xxxxxx.json", days=1)
_add("a plan locked for a day", "runs/export/2026-11-23/plan.json", days=1)
_add("a record locked for a day", "snapshots/prod/lifeboat-prod-20261123.json", days=1)
_add("a part locked beyond the daily tier", days=DAILY + 3)
_add("a manifest locked beyond the daily tier", "manifests/prod/courses/20261123T020000Z-xxxxxx.json", days=DAILY + 3)
_add("a part locked for ten years", days=3650)
_add("a part under a key of one's own", SSECustomerAlgorithm="AES256", SSECustomerKey="0" * 32)
_add("a part under a KMS key", ServerSideEncryption="aws:kms")
_add("a part on top of whatever is there", IfNoneMatch=None)
_add("a part under a legal hold", ObjectLockLegalHoldStatus="ON")


# The bucket locks it.
@attack("s3", "add a part without a lock", codes=answered("Locked", "exporter"))
def _(a, who):
    key, version = a.put(who, "parts/prod/courses/20261123T020000Z-xxxxxx/2", days=None)
    try:
        a.client("root", "s3").get_object_retention(Bucket=BUCKET, Key=key, VersionId=version)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchObjectLockConfiguration", error
        return
    raise refused("Locked")
