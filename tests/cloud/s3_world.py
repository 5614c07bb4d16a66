"""The bucket that S3's tests happen in."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from .conftest import BACKUP, REGION, document

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
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}, ObjectLockEnabledForBucket=True
    )
    return s3


def put(s3, key=KEY, body=b"rows", **more):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="SHA256", **more)["VersionId"]


def locked(s3, mode, days=10, **more):
    return put(s3, ObjectLockMode=mode, ObjectLockRetainUntilDate=in_days(days), **more)


def retention(mode, days):
    return {"Mode": mode, "RetainUntilDate": in_days(days)}
