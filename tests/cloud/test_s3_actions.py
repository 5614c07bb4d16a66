"""What each of S3's calls must be allowed to do."""

import json

import pytest

from .conftest import BACKUP
from .s3_world import BUCKET, KEY, in_days, put, retention, root  # noqa: F401

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
    filled = (
        json.loads(json.dumps(arguments, default=str).replace('"VERSION"', f'"{version}"'))
        if "VERSION" in str(arguments)
        else arguments
    )
    code(getattr(root, call), Bucket=BUCKET, Key=KEY, **filled)
    assert asked(cloud) == [(f"s3:{action}", OBJECT) for action in actions]


@pytest.mark.parametrize("case", BUCKET_ACTIONS, ids=lambda case: case[0])
def test_a_bucket_s_call_asks_for_the_documented_action(cloud, root, code, case):
    call, arguments, action = case
    code(getattr(root, call), Bucket=BUCKET, **arguments)
    assert asked(cloud) == [(f"s3:{action}", BUCKET_ARN)]


def test_replication_asks_for_the_right_to_hand_the_role_over(cloud, root, code):
    role = f"arn:aws:iam::{BACKUP}:role/replicator"
    rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::elsewhere"}}
    configuration = {"Role": role, "Rules": [rule]}
    code(root.put_bucket_replication, Bucket=BUCKET, ReplicationConfiguration=configuration)
    assert asked(cloud) == [("s3:PutReplicationConfiguration", BUCKET_ARN), ("iam:PassRole", role)]


def test_a_bucket_with_lock_asks_for_the_lock_s_rights(cloud, root):
    assert [action for action, _ in asked(cloud)] == [
        "s3:CreateBucket",
        "s3:PutBucketVersioning",
        "s3:PutBucketObjectLockConfiguration",
    ]
