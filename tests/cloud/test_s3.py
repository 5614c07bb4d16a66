"""S3 as lifeboat and its adversaries meet it: locks, checksums, conditions, who owns what."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

import pytest

from .conftest import BACKUP, REGION, SOURCE, allow, deny, document

BUCKET, KEY = "backups", "parts/1"
DAY = 86400


def in_days(days):
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=days)


def policy_of(*statements):
    return json.dumps(document(*statements))


@pytest.fixture
def root(cloud):
    """The backup account's root with a bucket that has Object Lock."""
    s3 = cloud.client("s3", cloud.roots[BACKUP])
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}, ObjectLockEnabledForBucket=True)
    return s3


def put(s3, key=KEY, body=b"rows", **more):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="SHA256", **more)["VersionId"]


def locked(s3, mode, days=10, **more):
    return put(s3, ObjectLockMode=mode, ObjectLockRetainUntilDate=in_days(days), **more)


def retention(mode, days):
    return {"Mode": mode, "RetainUntilDate": in_days(days)}


# ---------------------------------------------------------------- bodies and checksums


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_an_object_comes_back_as_it_was(root, size):
    body = (b"0123456789" * (size // 10 + 1))[:size]
    version = put(root, "parts/ä b+c/%41", body)
    assert root.get_object(Bucket=BUCKET, Key="parts/ä b+c/%41", VersionId=version)["Body"].read() == body


def test_a_right_sha256_is_kept_and_returned(root):
    digest = base64.b64encode(hashlib.sha256(b"rows").digest()).decode()
    root.put_object(Bucket=BUCKET, Key=KEY, Body=b"rows", ChecksumSHA256=digest)
    assert root.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")["ChecksumSHA256"] == digest
    assert "ChecksumSHA256" not in root.head_object(Bucket=BUCKET, Key=KEY)


@pytest.mark.parametrize("name", ["ChecksumSHA256", "ChecksumSHA1", "ChecksumCRC32", "ContentMD5"])
def test_a_wrong_checksum_stores_nothing(root, code, name):
    sizes = {"ChecksumSHA256": 32, "ChecksumSHA1": 20, "ChecksumCRC32": 4, "ContentMD5": 16}
    wrong = base64.b64encode(bytes(sizes[name])).decode()
    assert code(root.put_object, Bucket=BUCKET, Key=KEY, Body=b"rows", **{name: wrong}) == "BadDigest"
    assert code(root.head_object, Bucket=BUCKET, Key=KEY) == "404"


def test_a_streamed_body_loses_its_frames(root, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"x" * 200_000)
    with file.open("rb") as body:
        root.put_object(Bucket=BUCKET, Key=KEY, Body=body, ChecksumAlgorithm="SHA256")
    assert root.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"x" * 200_000


def test_a_range_is_a_part_of_it(root):
    put(root, body=b"0123456789")
    assert root.get_object(Bucket=BUCKET, Key=KEY, Range="bytes=2-4")["Body"].read() == b"234"


# ---------------------------------------------------------------- conditional writes


def test_nothing_is_written_over_a_current_version(root, code):
    put(root, IfNoneMatch="*")
    assert code(put, root, IfNoneMatch="*") == "PreconditionFailed"


def test_a_delete_marker_is_no_current_version(root):
    first = put(root, IfNoneMatch="*")
    root.delete_object(Bucket=BUCKET, Key=KEY)
    second = put(root, IfNoneMatch="*")
    assert first != second
    assert root.get_object(Bucket=BUCKET, Key=KEY, VersionId=first)["Body"].read() == b"rows"


# ---------------------------------------------------------------- whose bucket


def test_the_owner_is_checked_where_it_is_named(root, code):
    put(root, ExpectedBucketOwner=BACKUP)
    for call in (root.get_object, root.head_object, root.delete_object):
        assert code(call, Bucket=BUCKET, Key=KEY, ExpectedBucketOwner=SOURCE) in ("AccessDenied", "403")
    assert code(put, root, ExpectedBucketOwner=SOURCE) == "AccessDenied"
    assert code(root.list_objects_v2, Bucket=BUCKET, ExpectedBucketOwner=SOURCE) == "AccessDenied"


def test_a_bucket_s_name_is_taken_in_all_accounts(cloud, root, code):
    other = cloud.client("s3", cloud.roots[SOURCE])
    where = {"LocationConstraint": REGION}
    assert code(other.create_bucket, Bucket=BUCKET, CreateBucketConfiguration=where) == "BucketAlreadyExists"
    assert other.list_buckets()["Buckets"] == []
    assert [bucket["Name"] for bucket in root.list_buckets()["Buckets"]] == [BUCKET]


def test_a_bucket_that_is_not_there(root, code):
    assert code(root.get_object, Bucket="no-such-bucket", Key=KEY) == "NoSuchBucket"


def test_another_account_needs_both_policies(cloud, root, code):
    key = cloud.user(SOURCE, "exporter", allow("s3:PutObject", f"arn:aws:s3:::{BUCKET}/*"))
    exporter = cloud.client("s3", key)
    assert code(put, exporter) == "AccessDenied"
    grant = allow("s3:*", f"arn:aws:s3:::{BUCKET}/*", Principal={"AWS": f"arn:aws:iam::{SOURCE}:user/exporter"})
    root.put_bucket_policy(Bucket=BUCKET, Policy=policy_of(grant))
    put(exporter)
    assert code(exporter.get_object, Bucket=BUCKET, Key=KEY) == "AccessDenied"


def test_even_another_account_s_root_needs_the_bucket_s_policy(cloud, root, code):
    put(root)
    other = cloud.client("s3", cloud.roots[SOURCE])
    assert code(other.get_object, Bucket=BUCKET, Key=KEY) == "AccessDenied"
    assert code(other.delete_bucket, Bucket=BUCKET) == "AccessDenied"


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
    without = _raw_put(cloud, {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2090-01-01T00:00:00Z"})
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
    assert code(root.put_object, Bucket="plain-bucket", Key=KEY, Body=b"", ChecksumAlgorithm="SHA256", **lock) == "InvalidRequest"


def test_compliance_is_never_weakened_by_anyone(root, code):
    version = locked(root, "COMPLIANCE")
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    for asked in (retention("COMPLIANCE", 9), retention("GOVERNANCE", 20), {}):
        for bypass in (False, True):
            assert code(root.put_object_retention, **where, Retention=asked, BypassGovernanceRetention=bypass) == "AccessDenied"
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
    assert code(admin.put_object_retention, **where, Retention=retention("GOVERNANCE", 1), BypassGovernanceRetention=True) == "AccessDenied"


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
    root.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
    put(root)
    shown = root.head_object(Bucket=BUCKET, Key=KEY)
    assert shown["ObjectLockMode"] == "COMPLIANCE"
    assert timedelta(days=4.9) < shown["ObjectLockRetainUntilDate"] - in_days(0) < timedelta(days=5.1)
    locked(root, "COMPLIANCE", days=2)
    assert root.head_object(Bucket=BUCKET, Key=KEY)["ObjectLockRetainUntilDate"] <= in_days(2)
    assert root.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]["Rule"] == rule


def test_a_multipart_upload_is_locked_as_asked_for(root, code):
    until = in_days(3)
    upload = root.create_multipart_upload(Bucket=BUCKET, Key=KEY, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["UploadId"]
    part = root.upload_part(Bucket=BUCKET, Key=KEY, UploadId=upload, PartNumber=1, Body=b"rows")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    version = root.complete_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=upload, MultipartUpload=parts)["VersionId"]
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
    wanted = [{"Key": "parts/a", "VersionId": kept}, {"Key": "parts/b", "VersionId": gone}, {"Key": "manifests/c"}, {"Key": "parts/a"}]
    answer = cloud.client("s3", admin).delete_objects(Bucket=BUCKET, Delete={"Objects": wanted})
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("parts/a", "AccessDenied"), ("manifests/c", "AccessDenied")]
    assert [done["Key"] for done in answer["Deleted"]] == ["parts/b", "parts/a"]
    assert answer["Deleted"][1]["DeleteMarker"] is True
    versions = root.list_object_versions(Bucket=BUCKET)
    assert {version["Key"] for version in versions["Versions"]} == {"parts/a", "manifests/c"}


# ---------------------------------------------------------------- what a caller gets to see


def test_without_the_right_to_list_a_missing_key_is_denied(cloud, root, code):
    reader = cloud.client("s3", cloud.user(BACKUP, "reader", allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")))
    lister = cloud.client("s3", cloud.user(BACKUP, "lister", allow("s3:GetObject"), allow("s3:ListBucket")))
    assert code(reader.get_object, Bucket=BUCKET, Key="none") == "AccessDenied"
    assert code(reader.head_object, Bucket=BUCKET, Key="none") == "403"
    assert code(lister.get_object, Bucket=BUCKET, Key="none") == "NoSuchKey"
    assert code(lister.head_object, Bucket=BUCKET, Key="none") == "404"


def test_without_the_right_to_them_locks_are_not_shown(cloud, root):
    locked(root, "COMPLIANCE")
    reader = cloud.client("s3", cloud.user(BACKUP, "reader", allow("s3:GetObject")))
    prover = cloud.client("s3", cloud.user(BACKUP, "prover", allow(["s3:GetObject", "s3:GetObjectRetention"])))
    assert "ObjectLockMode" not in reader.head_object(Bucket=BUCKET, Key=KEY)
    assert prover.head_object(Bucket=BUCKET, Key=KEY)["ObjectLockMode"] == "COMPLIANCE"


# ---------------------------------------------------------------- credentials


def test_credentials_that_are_none(cloud, root, code):
    wrong = {**cloud.roots[BACKUP], "secret_access_key": "wrong"}
    unknown = {"access_key_id": "AKIAQQQQQQQQQQQQQQQQ", "secret_access_key": "x"}
    assert code(cloud.client("s3", wrong).list_buckets) == "SignatureDoesNotMatch"
    assert code(cloud.client("s3", unknown).list_buckets) == "InvalidAccessKeyId"


def test_a_key_that_was_made_inactive(cloud, root, code):
    key = cloud.user(BACKUP, "reader", allow("s3:*"))
    cloud.client("s3", key).list_buckets()
    cloud.client("iam", cloud.roots[BACKUP]).update_access_key(UserName="reader", AccessKeyId=key["access_key_id"], Status="Inactive")
    assert code(cloud.client("s3", key).list_buckets) == "InvalidAccessKeyId"


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_clock_far_off(cloud, root, code, skew):
    cloud.control("POST", "clock", {"skew_seconds": skew})
    # Without a retry, as the SDK would correct its clock by the answer's date.
    client = cloud.client("s3", cloud.roots[BACKUP])
    assert code(client.list_buckets) == "RequestTimeTooSkewed"


def _get(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_nobody_is_denied(cloud, root):
    put(root)
    assert _get(f"{cloud.url}/{BUCKET}/{KEY}") == 403


def test_a_presigned_url_is_its_signer(cloud, root):
    put(root)
    reader = cloud.client("s3", cloud.user(BACKUP, "reader", allow("s3:GetObject")), signature_version="s3v4")
    other = cloud.client("s3", cloud.user(BACKUP, "other"), signature_version="s3v4")
    url = reader.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": KEY}, ExpiresIn=60)
    assert _get(url) == 200
    assert _get(url.replace("parts/1", "parts/2")) == 403
    assert _get(other.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": KEY})) == 403


# ---------------------------------------------------------------- policies of buckets


def test_a_policy_s_conditions_hold(cloud, root, code):
    everyone, objects = {"Principal": "*"}, f"arn:aws:s3:::{BUCKET}/*"
    root.put_bucket_policy(
        Bucket=BUCKET,
        Policy=policy_of(
            deny("s3:*", [objects, f"arn:aws:s3:::{BUCKET}"], **everyone, Condition={"Bool": {"aws:SecureTransport": "false"}}),
            deny("s3:PutObject", objects, **everyone, Condition={"StringNotEquals": {"s3:object-lock-mode": "COMPLIANCE"}}),
            deny("s3:PutObject", objects, **everyone, Condition={"NumericLessThan": {"s3:object-lock-remaining-retention-days": "5"}}),
            deny("s3:PutObjectRetention", objects, **everyone, Condition={"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "30"}}),
            deny("s3:PutObject", objects, **everyone, Condition={"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}),
        ),
    )
    assert code(put, root) == "AccessDenied"
    assert code(locked, root, "GOVERNANCE") == "AccessDenied"
    assert code(locked, root, "COMPLIANCE", days=4) == "AccessDenied"
    assert code(locked, root, "COMPLIANCE", days=40) == "AccessDenied"
    version = locked(root, "COMPLIANCE", days=10)
    where = {"Bucket": BUCKET, "Key": KEY, "VersionId": version}
    assert code(root.put_object_retention, **where, Retention=retention("COMPLIANCE", 40)) == "AccessDenied"
    root.put_object_retention(**where, Retention=retention("COMPLIANCE", 20))
    cloud.control("POST", "settings", {"secure_transport": False})
    assert code(root.get_object, **where) == "AccessDenied"


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        (allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal="*"), "AccessDenied"),
        (allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal={"AWS": f"arn:aws:iam::{SOURCE}:user/nobody"}), "MalformedPolicy"),
        (allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal={"AWS": "333333333333"}), "MalformedPolicy"),
        (allow("s3:GetObject", "arn:aws:s3:::other/*", Principal={"AWS": SOURCE}), "MalformedPolicy"),
        (allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}/*", Principal={"AWS": SOURCE}), "MalformedPolicy"),
        (allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"), "MalformedPolicy"),
    ],
    ids=["public", "unknown user", "unknown account", "another bucket", "bucket's action on objects", "no principal"],
)
def test_a_policy_that_s3_refuses(root, code, statement, refused):
    assert code(root.put_bucket_policy, Bucket=BUCKET, Policy=policy_of(statement)) == refused


def test_a_policy_with_an_unknown_condition_fails_loudly(cloud, root, code):
    cloud.expect_unknown = True
    statement = deny("s3:*", f"arn:aws:s3:::{BUCKET}/*", Principal="*", Condition={"StringEquals": {"s3:no-such-key": "x"}})
    assert code(root.put_bucket_policy, Bucket=BUCKET, Policy=policy_of(statement)) == "TestsAwsDoesNotKnow"


@pytest.mark.parametrize("call", ["list_bucket_metrics_configurations", "get_bucket_request_payment"])
def test_a_call_that_nothing_here_does_fails_loudly(cloud, root, code, call):
    cloud.expect_unknown = True
    assert code(getattr(root, call), Bucket=BUCKET) == "TestsAwsDoesNotKnow"


def test_access_lists_are_off(root, code):
    assert code(root.put_bucket_acl, Bucket=BUCKET, ACL="public-read") == "AccessControlListNotSupported"
    assert code(put, root, ACL="public-read") == "AccessControlListNotSupported"


# ---------------------------------------------------------------- actions

OBJECT = f"arn:aws:s3:::{BUCKET}/{KEY}"
BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
LOCK = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": in_days(1), "ChecksumAlgorithm": "SHA256"}
VERSION = {"VersionId": "VERSION"}

# A client's call, its arguments beside bucket and key, and what it must be allowed to do.
ACTIONS = [
    ("put_object", {}, ["PutObject"]),
    ("put_object", LOCK, ["PutObject", "PutObjectRetention"]),
    ("put_object", {"ObjectLockLegalHoldStatus": "ON", "ChecksumAlgorithm": "SHA256"}, ["PutObject", "PutObjectLegalHold"]),
    ("put_object", {"Tagging": "a=b"}, ["PutObject", "PutObjectTagging"]),
    ("put_object", {"ACL": "bucket-owner-full-control"}, ["PutObject", "PutObjectAcl"]),
    ("get_object", {}, ["GetObject"]),
    ("get_object", VERSION, ["GetObjectVersion"]),
    ("head_object", {}, ["GetObject"]),
    ("head_object", VERSION, ["GetObjectVersion"]),
    ("get_object_attributes", {"ObjectAttributes": ["ETag"]}, ["GetObject", "GetObjectAttributes"]),
    ("delete_object", {}, ["DeleteObject"]),
    ("delete_object", VERSION, ["DeleteObjectVersion"]),
    ("delete_object", {**VERSION, "BypassGovernanceRetention": True}, ["DeleteObjectVersion", "BypassGovernanceRetention"]),
    ("put_object_retention", {**VERSION, "Retention": retention("COMPLIANCE", 1)}, ["PutObjectRetention"]),
    ("put_object_retention", {"Retention": retention("COMPLIANCE", 1), "BypassGovernanceRetention": True}, ["PutObjectRetention", "BypassGovernanceRetention"]),
    ("get_object_retention", VERSION, ["GetObjectRetention"]),
    ("put_object_legal_hold", {"LegalHold": {"Status": "OFF"}}, ["PutObjectLegalHold"]),
    ("put_object_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}, ["PutObjectTagging"]),
    ("delete_object_tagging", VERSION, ["DeleteObjectVersionTagging"]),
    ("put_object_acl", {"ACL": "private"}, ["PutObjectAcl"]),
    ("copy_object", {"CopySource": f"{BUCKET}/{KEY}", "MetadataDirective": "REPLACE"}, ["PutObject", "GetObject"]),
    ("copy_object", {"CopySource": {"Bucket": BUCKET, "Key": KEY, "VersionId": "VERSION"}, "MetadataDirective": "REPLACE"}, ["PutObject", "GetObjectVersion"]),
    ("create_multipart_upload", LOCK, ["PutObject", "PutObjectRetention"]),
]  # fmt: skip
BUCKET_ACTIONS = [
    ("list_objects_v2", {}, "ListBucket"),
    ("list_object_versions", {}, "ListBucketVersions"),
    ("head_bucket", {}, "ListBucket"),
    ("get_bucket_versioning", {}, "GetBucketVersioning"),
    ("get_object_lock_configuration", {}, "GetBucketObjectLockConfiguration"),
    ("get_public_access_block", {}, "GetBucketPublicAccessBlock"),
    ("get_bucket_encryption", {}, "GetEncryptionConfiguration"),
    ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}, "PutBucketVersioning"),
    ("put_object_lock_configuration", {"ObjectLockConfiguration": {}}, "PutBucketObjectLockConfiguration"),
    ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}, "PutLifecycleConfiguration"),
    ("delete_bucket_lifecycle", {}, "PutLifecycleConfiguration"),
    ("put_bucket_policy", {"Policy": "{}"}, "PutBucketPolicy"),
    ("delete_bucket_policy", {}, "DeleteBucketPolicy"),
    ("delete_public_access_block", {}, "PutBucketPublicAccessBlock"),
    ("delete_bucket_encryption", {}, "PutEncryptionConfiguration"),
    ("delete_bucket_replication", {}, "PutReplicationConfiguration"),
    ("delete_bucket_ownership_controls", {}, "PutBucketOwnershipControls"),
    ("put_bucket_acl", {"ACL": "private"}, "PutBucketAcl"),
    ("delete_bucket", {}, "DeleteBucket"),
]  # fmt: skip


def asked(cloud):
    return [(ask["action"], ask["resource"]) for ask in cloud.control("GET", "calls")[-1]["asked"]]


def name_of(case):
    return f"{case[0]} {'+'.join(case[1])}"


@pytest.mark.parametrize("case", ACTIONS, ids=name_of)
def test_an_object_s_call_asks_for_the_documented_actions(cloud, root, code, case):
    call, arguments, actions = case
    version = put(root)
    filled = json.loads(json.dumps(arguments, default=str).replace('"VERSION"', f'"{version}"')) if "VERSION" in str(arguments) else arguments
    code(getattr(root, call), Bucket=BUCKET, Key=KEY, **filled)
    assert asked(cloud) == [(f"s3:{action}", OBJECT) for action in actions]


@pytest.mark.parametrize("case", BUCKET_ACTIONS, ids=lambda case: case[0])
def test_a_bucket_s_call_asks_for_the_documented_action(cloud, root, code, case):
    call, arguments, action = case
    code(getattr(root, call), Bucket=BUCKET, **arguments)
    assert asked(cloud) == [(f"s3:{action}", BUCKET_ARN)]


def test_a_bucket_with_lock_asks_for_the_lock_s_rights(cloud, root):
    assert [action for action, _ in asked(cloud)] == ["s3:CreateBucket", "s3:PutBucketVersioning", "s3:PutBucketObjectLockConfiguration"]
