"""S3 as lifeboat and its adversaries meet it: locks, checksums, conditions, who owns what."""

import base64
import hashlib
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import BACKUP, REGION, SOURCE, allow, deny
from .s3_world import BUCKET, DAY, KEY, locked, policy_of, put, retention, root  # noqa: F401

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
    cloud.client("iam", cloud.roots[BACKUP]).update_access_key(
        UserName="reader", AccessKeyId=key["access_key_id"], Status="Inactive"
    )
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
            deny(
                "s3:*",
                [objects, f"arn:aws:s3:::{BUCKET}"],
                **everyone,
                Condition={"Bool": {"aws:SecureTransport": "false"}},
            ),
            deny(
                "s3:PutObject",
                objects,
                **everyone,
                Condition={"StringNotEquals": {"s3:object-lock-mode": "COMPLIANCE"}},
            ),
            deny(
                "s3:PutObject",
                objects,
                **everyone,
                Condition={"NumericLessThan": {"s3:object-lock-remaining-retention-days": "5"}},
            ),
            deny(
                "s3:PutObjectRetention",
                objects,
                **everyone,
                Condition={"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "30"}},
            ),
            deny(
                "s3:PutObject",
                objects,
                **everyone,
                Condition={"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}},
            ),
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
        (
            allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Principal={"AWS": f"arn:aws:iam::{SOURCE}:user/nobody"}),
            "MalformedPolicy",
        ),
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
    statement = deny(
        "s3:*", f"arn:aws:s3:::{BUCKET}/*", Principal="*", Condition={"StringEquals": {"s3:no-such-key": "x"}}
    )
    assert code(root.put_bucket_policy, Bucket=BUCKET, Policy=policy_of(statement)) == "TestsAwsDoesNotKnow"


@pytest.mark.parametrize("call", ["list_bucket_metrics_configurations", "get_bucket_request_payment"])
def test_a_call_that_nothing_here_does_fails_loudly(cloud, root, code, call):
    cloud.expect_unknown = True
    assert code(getattr(root, call), Bucket=BUCKET) == "TestsAwsDoesNotKnow"


def test_access_lists_are_off(root, code):
    assert code(root.put_bucket_acl, Bucket=BUCKET, ACL="public-read") == "AccessControlListNotSupported"
    assert code(put, root, ACL="public-read") == "AccessControlListNotSupported"


# ---------------------------------------------------------------- KMS, lifecycle, races


def test_an_object_under_a_kms_key_needs_a_data_key(cloud, root, code):
    key = cloud.client("kms", cloud.roots[BACKUP]).create_key()["KeyMetadata"]["Arn"]
    sse = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    without = cloud.client("s3", cloud.user(BACKUP, "without", allow("s3:*")))
    by_s3 = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    having = cloud.client(
        "s3", cloud.user(BACKUP, "having", allow("s3:*"), allow("kms:GenerateDataKey", key, Condition=by_s3))
    )
    assert code(put, without, **sse) == "AccessDenied"
    put(having, **sse)


def test_lifecycle_hides_and_then_deletes_what_no_lock_holds(cloud, root):
    rule = {
        "ID": "r",
        "Status": "Enabled",
        "Filter": {"Prefix": "parts/"},
        "Expiration": {"Days": 3},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    root.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    locked(root, "COMPLIANCE", days=2, key="parts/daily")
    promoted = locked(root, "COMPLIANCE", days=20, key="parts/weekly")
    put(root, "lifeboat.json")

    def after(days):
        cloud.control("POST", "clock", {"advance_seconds": days * DAY})
        return cloud.control("POST", "lifecycle")

    assert after(2) == {"hidden": 0, "deleted": 0, "markers_deleted": 0}
    assert after(2) == {"hidden": 2, "deleted": 0, "markers_deleted": 0}
    assert after(2) == {"hidden": 0, "deleted": 1, "markers_deleted": 1}
    assert root.get_object(Bucket=BUCKET, Key="parts/weekly", VersionId=promoted)["Body"].read() == b"rows"
    assert after(20) == {"hidden": 0, "deleted": 1, "markers_deleted": 1}
    assert [version["Key"] for version in root.list_object_versions(Bucket=BUCKET)["Versions"]] == ["lifeboat.json"]


def test_of_many_who_write_at_once_one_wins(cloud, root, code):
    clients = [cloud.client("s3", cloud.roots[BACKUP]) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda client: code(put, client, IfNoneMatch="*"), clients))
    assert sorted(codes) == [""] + ["PreconditionFailed"] * 7
    assert len(root.list_object_versions(Bucket=BUCKET)["Versions"]) == 1
