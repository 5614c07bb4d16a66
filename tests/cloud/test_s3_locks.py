"""Object Lock, for everybody and against everybody."""

import base64
import hashlib
import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from .conftest import BACKUP, REGION, allow, deny
from .s3_world import BUCKET, DAY, KEY, in_days, locked, put, retention, root  # noqa: F401

# ---------------------------------------------------------------- locks


@pytest.mark.parametrize(
    ("lock", "refused"),
    [
        ({"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": in_days(-1)}, "InvalidArgument"),
        ({"ObjectLockMode": "COMPLIANCE"}, "InvalidArgument"),
        ({"ObjectLockRetainUntilDate": in_days(1)}, "InvalidArgument"),
        ({"ObjectLockMode": "STRICT", "ObjectLockRetainUntilDate": in_days(1)}, "InvalidArgument"),
    ],
    ids=["past", "without date", "without mode", "unknown mode"],
)
def test_a_lock_that_makes_no_sense_is_refused(root, code, lock, refused):
    assert code(put, root, **lock) == refused
    assert code(root.head_object, Bucket=BUCKET, Key=KEY) == "404"


def test_a_locked_object_needs_a_checksum(cloud, root, code):
    s3 = cloud.client("s3", cloud.roots[BACKUP], request_checksum_calculation="when_required")
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": in_days(1)}
    digest = base64.b64encode(hashlib.sha256(b"rows").digest()).decode()
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"rows", ChecksumSHA256=digest, **lock)
    without = _raw_put(
        cloud, {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2090-01-01T00:00:00Z"}
    )
    assert without == 400


def _raw_put(cloud, headers):
    """A signed PUT without any checksum; its status."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    key = cloud.roots[BACKUP]
    request = AWSRequest("PUT", f"{cloud.url}/{BUCKET}/raw", headers=headers, data=b"rows")
    request.context["client_config"] = None
    S3SigV4Auth(Credentials(key["access_key_id"], key["secret_access_key"]), "s3", REGION).add_auth(request)
    sent = urllib.request.Request(request.url, data=b"rows", method="PUT", headers=dict(request.headers))
    sent.add_unredirected_header("Content-Type", "")
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_bucket_without_object_lock_takes_no_lock(cloud, root, code):
    root.create_bucket(Bucket="plain-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": in_days(1)}
    assert (
        code(root.put_object, Bucket="plain-bucket", Key=KEY, Body=b"", ChecksumAlgorithm="SHA256", **lock)
        == "InvalidRequest"
    )


def test_compliance_is_never_weakened_by_anyone(root, code):
    version = locked(root, "COMPLIANCE")
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    for asked in (retention("COMPLIANCE", 9), retention("GOVERNANCE", 20), {}):
        for bypass in (False, True):
            assert (
                code(root.put_object_retention, **where, Retention=asked, BypassGovernanceRetention=bypass)
                == "AccessDenied"
            )
    for bypass in (False, True):
        assert code(root.delete_object, **where, BypassGovernanceRetention=bypass) == "AccessDenied"
    assert root.get_object(**where)["Body"].read() == b"rows"


def test_compliance_may_be_prolonged(root):
    version = locked(root, "COMPLIANCE")
    until = in_days(20)
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    root.put_object_retention(**where, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    assert root.get_object_retention(**where)["Retention"] == {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    assert root.head_object(**where)["ObjectLockRetainUntilDate"] == until


def test_a_lock_ends_when_its_time_has_come(cloud, root, code):
    version = locked(root, "COMPLIANCE")
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    cloud.control("POST", "clock", {"advance_seconds": 9 * DAY})
    assert code(root.delete_object, **where) == "AccessDenied"
    cloud.control("POST", "clock", {"advance_seconds": 2 * DAY})
    root.delete_object(**where)
    assert code(root.head_object, **where) == "404"


def test_governance_yields_to_the_bypass_only(root, code):
    version = locked(root, "GOVERNANCE")
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    assert code(root.put_object_retention, **where, Retention=retention("GOVERNANCE", 1)) == "AccessDenied"
    root.put_object_retention(**where, Retention=retention("GOVERNANCE", 20))
    root.put_object_retention(**where, Retention=retention("GOVERNANCE", 1), BypassGovernanceRetention=True)
    assert code(root.delete_object, **where) == "AccessDenied"
    root.delete_object(**where, BypassGovernanceRetention=True)


def test_the_bypass_is_a_right_of_its_own(cloud, root, code):
    version = locked(root, "GOVERNANCE")
    admin = cloud.client("s3", cloud.user(BACKUP, "admin", allow("s3:*"), deny("s3:BypassGovernanceRetention")))
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    assert code(admin.delete_object, **where, BypassGovernanceRetention=True) == "AccessDenied"
    assert (
        code(admin.put_object_retention, **where, Retention=retention("GOVERNANCE", 1), BypassGovernanceRetention=True)
        == "AccessDenied"
    )


def test_a_legal_hold_keeps_an_unlocked_version(root, code):
    version = put(root)
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    root.put_object_legal_hold(**where, LegalHold={"Status": "ON"})
    assert root.get_object_legal_hold(**where)["LegalHold"]["Status"] == "ON"
    assert code(root.delete_object, **where, BypassGovernanceRetention=True) == "AccessDenied"
    root.put_object_legal_hold(**where, LegalHold={"Status": "OFF"})
    root.delete_object(**where)


def test_the_bucket_s_default_locks_what_asks_for_none(root):
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 5}}
    root.put_object_lock_configuration(
        Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    put(root)
    shown = root.head_object(Bucket=BUCKET, Key=KEY)
    assert shown["ObjectLockMode"] == "COMPLIANCE"
    assert timedelta(days=4.9) < shown["ObjectLockRetainUntilDate"] - in_days(0) < timedelta(days=5.1)
    locked(root, "COMPLIANCE", days=2)
    assert root.head_object(Bucket=BUCKET, Key=KEY)["ObjectLockRetainUntilDate"] <= in_days(2)
    assert root.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]["Rule"] == rule


def test_a_multipart_upload_is_locked_as_asked_for(root, code):
    until = in_days(3)
    upload = root.create_multipart_upload(
        Bucket=BUCKET, Key=KEY, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["UploadId"]
    part = root.upload_part(Bucket=BUCKET, Key=KEY, UploadId=upload, PartNumber=1, Body=b"rows")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    version = root.complete_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=upload, MultipartUpload=parts)[
        "VersionId"
    ]
    assert root.head_object(Bucket=BUCKET, Key=KEY)["ObjectLockRetainUntilDate"] == until
    assert code(root.delete_object, Bucket=BUCKET, Key=KEY, VersionId=version) == "AccessDenied"


def test_neither_lock_nor_versioning_is_turned_off_again(root, code):
    suspended = {"Status": "Suspended"}
    assert code(root.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration=suspended) == "InvalidBucketState"
    assert code(root.put_object_lock_configuration, Bucket=BUCKET, ObjectLockConfiguration={}) == "MalformedXML"
    assert root.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def test_a_bucket_with_versions_stays(root, code):
    put(root)
    root.delete_object(Bucket=BUCKET, Key=KEY)
    assert code(root.delete_bucket, Bucket=BUCKET) == "BucketNotEmpty"


def test_many_are_deleted_one_by_one(cloud, root):
    kept = locked(root, "COMPLIANCE", key="parts/a")
    gone = put(root, "parts/b")
    put(root, "manifests/c")
    admin = cloud.user(BACKUP, "admin", allow("s3:*"), deny("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/manifests/*"))
    wanted = [
        {"Key": "parts/a", "VersionId": kept},
        {"Key": "parts/b", "VersionId": gone},
        {"Key": "manifests/c"},
        {"Key": "parts/a"},
    ]
    answer = cloud.client("s3", admin).delete_objects(Bucket=BUCKET, Delete={"Objects": wanted})
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [
        ("parts/a", "AccessDenied"),
        ("manifests/c", "AccessDenied"),
    ]
    assert [done["Key"] for done in answer["Deleted"]] == ["parts/b", "parts/a"]
    assert answer["Deleted"][1]["DeleteMarker"] is True
    versions = root.list_object_versions(Bucket=BUCKET)
    assert {version["Key"] for version in versions["Versions"]} == {"parts/a", "manifests/c"}
