"""S3: the actions, resources and condition keys of each operation."""

import re
from datetime import timezone
from urllib.parse import parse_qsl, unquote

from . import asks_kms, clock, moto_parts, policy
from .authorise import BUCKET, Ask
from .conditions import Unknown, moment
from .errors import AwsError

# Operations on a bucket, with the one action that each needs.
BUCKET_ACTIONS = {
    "DeleteBucket": "DeleteBucket",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketPolicy": "DeleteBucketPolicy",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteBucketWebsite": "DeleteBucketWebsite",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAcl": "GetBucketAcl",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketLogging": "GetBucketLogging",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketOwnershipControls": "GetBucketOwnershipControls",
    "GetBucketPolicy": "GetBucketPolicy",
    "GetBucketPolicyStatus": "GetBucketPolicyStatus",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetBucketRequestPayment": "GetBucketRequestPayment",
    "GetBucketTagging": "GetBucketTagging",
    "GetBucketVersioning": "GetBucketVersioning",
    "GetBucketWebsite": "GetBucketWebsite",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketAcl": "PutBucketAcl",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketLogging": "PutBucketLogging",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotification": "PutBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketOwnershipControls": "PutBucketOwnershipControls",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutBucketPolicy": "PutBucketPolicy",
    "PutBucketRequestPayment": "PutBucketRequestPayment",
    "PutBucketTagging": "PutBucketTagging",
    "PutBucketVersioning": "PutBucketVersioning",
    "PutBucketWebsite": "PutBucketWebsite",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}

# Operations on an object: the actions without and with a version id.
OBJECT_ACTIONS = {
    "AbortMultipartUpload": (["AbortMultipartUpload"], None),
    "CompleteMultipartUpload": (["PutObject"], None),
    "DeleteObject": (["DeleteObject"], ["DeleteObjectVersion"]),
    "DeleteObjectTagging": (["DeleteObjectTagging"], ["DeleteObjectVersionTagging"]),
    "GetObject": (["GetObject"], ["GetObjectVersion"]),
    "GetObjectAcl": (["GetObjectAcl"], ["GetObjectVersionAcl"]),
    "GetObjectAttributes": (["GetObject", "GetObjectAttributes"], ["GetObjectVersion", "GetObjectVersionAttributes"]),
    "GetObjectLegalHold": (["GetObjectLegalHold"], ["GetObjectLegalHold"]),
    "GetObjectRetention": (["GetObjectRetention"], ["GetObjectRetention"]),
    "GetObjectTagging": (["GetObjectTagging"], ["GetObjectVersionTagging"]),
    "HeadObject": (["GetObject"], ["GetObjectVersion"]),
    "ListParts": (["ListMultipartUploadParts"], None),
    "PutObjectAcl": (["PutObjectAcl"], ["PutObjectVersionAcl"]),
    "PutObjectLegalHold": (["PutObjectLegalHold"], ["PutObjectLegalHold"]),
    "PutObjectRetention": (["PutObjectRetention"], ["PutObjectRetention"]),
    "PutObjectTagging": (["PutObjectTagging"], ["PutObjectVersionTagging"]),
    "RestoreObject": (["RestoreObject"], ["RestoreObject"]),
    "SelectObjectContent": (["GetObject"], None),
    "UploadPart": (["PutObject"], None),
}

# Operations that make an object; what else they need depends on their headers.
MAKING = ("PutObject", "CopyObject", "CreateMultipartUpload", "UploadPartCopy")

# Headers that are condition keys as they are.
HEADER_KEYS = (
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "if-match",
    "if-none-match",
)
WITH_HEADERS = (*MAKING, "CompleteMultipartUpload", "UploadPart", "PutObjectAcl", "PutBucketAcl", "CreateBucket")
RETAIN_UNTIL = "x-amz-object-lock-retain-until-date"
BYPASS = "x-amz-bypass-governance-retention"


def asks(call):
    if call.operation == "ListBuckets":
        return [Ask("s3:ListAllMyBuckets", "arn:aws:s3:::*", call.principal.account, context(call))]
    if call.operation == "CreateBucket":
        return _create_bucket(call)
    if call.operation in BUCKET_ACTIONS:
        return [bucket_ask(call, BUCKET_ACTIONS[call.operation])] + _pass_role(call)
    if call.operation == "DeleteObjects":
        return []  # each of its objects is asked for by itself, see s3.py
    if call.operation in MAKING:
        return _making(call)
    if call.operation in OBJECT_ACTIONS:
        plain, versioned = OBJECT_ACTIONS[call.operation]
        actions = versioned if call.version and versioned else plain
        return [object_ask(call, action) for action in actions] + _bypass(call)
    raise Unknown(f"the permissions of s3:{call.operation}")


def delete_asks(call, key, version):
    """One object of a DeleteObjects call."""
    action = "DeleteObjectVersion" if version else "DeleteObject"
    found = [object_ask(call, action, key=key, version=version)]
    return found + (
        [object_ask(call, "BypassGovernanceRetention", key=key, version=version)] if call.flag(BYPASS) else []
    )


# ---------------------------------------------------------------- asking of a bucket or an object


def owned(name):
    """moto's bucket; raises where there is none."""
    found = moto_parts.bucket(name)
    if not found:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    return found


def guard_of(bucket):
    return policy.parse(bucket.policy.decode(), policy.RESOURCE) if bucket.policy else None


def bucket_ask(call, action, name=None):
    bucket = owned(name or call.bucket)
    return Ask(
        f"s3:{action}", f"arn:aws:s3:::{bucket.name}", bucket.account_id, context(call), guard_of(bucket), BUCKET
    )


def object_ask(call, action, bucket=None, key=None, version=None, extra=None):
    found = owned(bucket or call.bucket)
    key = call.key if key is None else key
    keys = context(call) | _of_object(found, key, version or call.version) | (extra or {})
    return Ask(f"s3:{action}", f"arn:aws:s3:::{found.name}/{key}", found.account_id, keys, guard_of(found), BUCKET)


def _of_object(bucket, key, version):
    found = {"s3:versionid": [version]} if version else {}
    stored = moto_parts.s3(bucket.account_id).get_object(bucket.name, key, version_id=version)
    if stored:
        tags = moto_parts.s3(bucket.account_id).tagger.get_tag_dict_for_resource(stored.arn)
        found |= {f"s3:existingobjecttag/{name.lower()}": [value] for name, value in tags.items()}
    return found


# ---------------------------------------------------------------- what needs more than one action


def _create_bucket(call):
    account = call.principal.account
    actions = ["CreateBucket"]
    if call.flag("x-amz-bucket-object-lock-enabled"):
        actions += ["PutBucketVersioning", "PutBucketObjectLockConfiguration"]
    if call.header("x-amz-object-ownership"):
        actions.append("PutBucketOwnershipControls")
    if call.header("x-amz-acl") or any(name.startswith("x-amz-grant-") for name in call.headers):
        actions.append("PutBucketAcl")
    return [Ask(f"s3:{action}", f"arn:aws:s3:::{call.bucket}", account, context(call)) for action in actions]


def _pass_role(call):
    """Replication hands a role to S3."""
    if call.operation not in ("PutBucketReplication",):
        return []
    match = re.search(rb"<Role>([^<]+)</Role>", call.body)
    if not match:
        return []
    role = match.group(1).decode()
    keys = {"iam:passedtoservice": ["s3.amazonaws.com"]}
    return [Ask("iam:PassRole", role, role.split(":")[4], keys)]


def _making(call):
    actions = ["PutObject"]
    if call.header("x-amz-acl") or any(name.startswith("x-amz-grant-") for name in call.headers):
        actions.append("PutObjectAcl")
    if call.header("x-amz-tagging"):
        actions.append("PutObjectTagging")
    if call.header("x-amz-object-lock-mode") or call.header(RETAIN_UNTIL):
        actions.append("PutObjectRetention")
    if call.header("x-amz-object-lock-legal-hold"):
        actions.append("PutObjectLegalHold")
    return [object_ask(call, action) for action in actions] + _source(call) + _data_key(call)


def copy_source(call):
    """Bucket, key and version of what is copied."""
    path, _, query = call.header("x-amz-copy-source").partition("?")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return bucket, key, dict(parse_qsl(query)).get("versionId")


def _source(call):
    if call.operation not in ("CopyObject", "UploadPartCopy"):
        return []
    bucket, key, version = copy_source(call)
    found = [object_ask(call, "GetObjectVersion" if version else "GetObject", bucket, key, version)]
    tagged = any(name.startswith("s3:existingobjecttag/") for name in found[0].context)
    if tagged and call.header("x-amz-tagging-directive") != "REPLACE":
        found.append(
            object_ask(call, "GetObjectVersionTagging" if version else "GetObjectTagging", bucket, key, version)
        )
        found.append(object_ask(call, "PutObjectTagging"))
    return found


def _data_key(call):
    """Under a KMS key an object needs a data key of it, by S3 on the caller's behalf."""
    bucket = owned(call.bucket)
    default = (bucket.encryption or {}).get("Rule", {}).get("ApplyServerSideEncryptionByDefault", {})
    if not (call.header("x-amz-server-side-encryption") or default.get("SSEAlgorithm", "")).startswith("aws:kms"):
        return []
    key = call.header("x-amz-server-side-encryption-aws-kms-key-id") or default.get("KMSMasterKeyID")
    return asks_kms.by_service(
        "s3", bucket.region_name, call, key or "alias/aws/s3", ["GenerateDataKey"], bucket.account_id
    )


def _bypass(call):
    return [object_ask(call, "BypassGovernanceRetention")] if call.flag(BYPASS) else []


# ---------------------------------------------------------------- keys for conditions


def context(call):
    bucket = moto_parts.bucket(call.bucket) if call.bucket else None
    signed = call.signed
    found = {
        "s3:resourceaccount": bucket and bucket.account_id,
        "s3:authtype": signed and ("REST-QUERY-STRING" if signed.presigned else "REST-HEADER"),
        "s3:signatureversion": signed and "AWS4-HMAC-SHA256",
        "s3:tlsversion": "1.3",
    }
    found["s3:x-amz-content-sha256"] = call.headers.get("x-amz-content-sha256")
    if call.operation in WITH_HEADERS:
        found |= {f"s3:{name}": call.headers.get(name) for name in HEADER_KEYS}
    if call.operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        # Without a prefix the key is there and empty.
        found |= {"s3:prefix": call.query.get("prefix", ""), "s3:delimiter": call.query.get("delimiter", ""), "s3:max-keys": call.query.get("max-keys", "1000")}  # fmt: skip
    if call.operation in (*MAKING, "UploadPart", "CompleteMultipartUpload"):
        whole = call.operation in ("PutObject", "CopyObject", "CompleteMultipartUpload")
        found["s3:objectcreationoperation"] = str(whole).lower()
    if call.operation == "CreateBucket":
        found["s3:locationconstraint"] = _in_body(call, "LocationConstraint")
    return {key: [value] for key, value in found.items() if value is not None} | _lock_keys(call) | _tag_keys(call)


def _in_body(call, name):
    match = re.search(rf"<{name}>([^<]*)</{name}>".encode(), call.body)
    return match.group(1).decode() if match else None


def asked_lock(call):
    """Mode, date and legal hold that the call asks for, by header or by body."""
    if call.operation == "PutObjectRetention":
        return _in_body(call, "Mode"), _in_body(call, "RetainUntilDate"), None
    if call.operation == "PutObjectLegalHold":
        return None, None, _in_body(call, "Status")
    names = ("x-amz-object-lock-mode", RETAIN_UNTIL, "x-amz-object-lock-legal-hold")
    return tuple(call.headers.get(name) for name in names)


def lock_date(text):
    try:
        return moment(text)
    except ValueError:
        raise AwsError("InvalidArgument", "The retain until date must be provided in ISO 8601 format", 400) from None


def _lock_keys(call):
    mode, date, hold = asked_lock(call)
    found = {}
    if mode:
        found["s3:object-lock-mode"] = [mode]
    if hold:
        found["s3:object-lock-legal-hold"] = [hold]
    if date:
        until = lock_date(date)
        # With its fraction, as AWS documents no rounding: neither limit may depend on it.
        days = (until - clock.now()).total_seconds() / 86400
        found["s3:object-lock-retain-until-date"] = [until.astimezone(timezone.utc).isoformat()]
        found["s3:object-lock-remaining-retention-days"] = [repr(days)]
    return found


def _tag_keys(call):
    tags = parse_qsl(call.header("x-amz-tagging"), keep_blank_values=True)
    if call.operation == "PutObjectTagging":
        names = re.findall(rb"<Key>([^<]*)</Key>\s*<Value>([^<]*)</Value>", call.body)
        tags = [(name.decode(), value.decode()) for name, value in names]
    found = {f"s3:requestobjecttag/{name.lower()}": [value] for name, value in tags}
    return found | ({"s3:requestobjecttagkeys": [name for name, _ in tags]} if tags else {})
