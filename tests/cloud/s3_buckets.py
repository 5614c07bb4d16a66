"""Buckets: what AWS refuses of their settings, and with what a new one begins."""

import re

from . import arn, identity, moto_parts, policy, s3_locks
from .errors import AwsError

OWNER_ENFORCED = "BucketOwnerEnforced"
# Under these a statement for everyone is not public.
LIMITING_KEYS = {
    "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:sourceaccount", "aws:sourcearn",
    "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:userid",
}  # fmt: skip
DEFAULT_ENCRYPTION = {
    "Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}
}


def create(call):
    """Since 2023 a new bucket is encrypted, has no ACLs and nothing public."""
    existed = moto_parts.bucket(call.bucket) is not None
    answer = moto_parts.answer(call)
    bucket = moto_parts.bucket(call.bucket)
    if answer[0] == 200 and not existed:
        bucket.encryption = DEFAULT_ENCRYPTION
        bucket.ownership_rule = bucket.ownership_rule or OWNER_ENFORCED
        block = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), "true"
        )
        moto_parts.s3(bucket.account_id).put_public_access_block(bucket.name, block)
    return answer


def check_acl(call, bucket):
    if (bucket.ownership_rule or OWNER_ENFORCED) != OWNER_ENFORCED:
        return
    granting = any(name.startswith("x-amz-grant-") for name in call.headers)
    if granting or call.header("x-amz-acl") not in ("", "bucket-owner-full-control"):
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)


def _put_acl(call, bucket):
    if (bucket.ownership_rule or OWNER_ENFORCED) == OWNER_ENFORCED:
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)
    return moto_parts.answer(call, bucket.account_id)


def _put_versioning(call, bucket):
    if bucket.object_lock_enabled and b"<Status>Enabled</Status>" not in call.body:
        message = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        raise AwsError("InvalidBucketState", message, 409)
    return moto_parts.answer(call, bucket.account_id)


def _get_versioning(_, bucket):
    """moto's answer has a root element of its own. AWS names no status where there never was versioning."""
    status = f"<Status>{bucket.versioning_status}</Status>" if bucket.versioning_status else ""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<VersioningConfiguration xmlns="{s3_locks.NAMESPACE}">{status}</VersioningConfiguration>'
    return 200, {"Content-Type": "application/xml"}, body.encode()


def _in_body(call, name):
    found = re.search(f"<{name}>([^<]*)</{name}>".encode(), call.body)
    return found.group(1).decode() if found else None


def _put_lock(call, bucket):
    days, years = (int(_in_body(call, name) or 0) for name in ("Days", "Years"))
    s3_locks.put_configuration(
        bucket, _in_body(call, "Mode"), days, years, _in_body(call, "ObjectLockEnabled") == "Enabled"
    )
    return 200, {}, b""


def _get_lock(_, bucket):
    """moto would show the unit that was not given as 0."""
    if not bucket.object_lock_enabled:
        message = "Object Lock configuration does not exist for this bucket"
        raise AwsError("ObjectLockConfigurationNotFoundError", message, 404)
    rule = ""
    if bucket.default_lock_mode:
        unit, count = (
            ("Days", bucket.default_lock_days) if bucket.default_lock_days else ("Years", bucket.default_lock_years)
        )
        rule = f"<Rule><DefaultRetention><Mode>{bucket.default_lock_mode}</Mode><{unit}>{count}</{unit}></DefaultRetention></Rule>"
    inner = f"<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<ObjectLockConfiguration xmlns="{s3_locks.NAMESPACE}">{inner}</ObjectLockConfiguration>'
    return 200, {"Content-Type": "application/xml"}, body.encode()


def _delete_encryption(_, bucket):
    bucket.encryption = DEFAULT_ENCRYPTION
    return 204, {}, b""


# ---------------------------------------------------------------- policies


def _put_policy(call, bucket):
    text = call.body.decode()
    try:
        parsed = policy.parse(text, policy.RESOURCE)
        identity.check_principals(parsed)
        _check_resources(parsed, bucket)
    except policy.Malformed as error:
        raise AwsError("MalformedPolicy", str(error), 400) from None
    block = bucket.public_access_block
    if block and str(block.block_public_policy).lower() == "true" and is_public(parsed):
        raise AwsError("AccessDenied", "Access Denied: public policies are prevented by the BlockPublicPolicy setting")
    bucket.policy = call.body
    return 204, {}, b""


def _check_resources(parsed, bucket):
    """Only the bucket and its objects, and each action must fit one of them."""
    own = f"arn:aws:s3:::{bucket.name}"
    for statement in parsed.statements:
        kinds = set()
        for name in statement.resources + statement.not_resources:
            if name != own and not name.startswith(f"{own}/"):
                raise policy.Malformed(f"Policy has invalid resource: {name}")
            kinds.add("object" if name.startswith(f"{own}/") else "bucket")
        for pattern in statement.actions:
            if pattern != "*" and not _fits(pattern, kinds):
                raise policy.Malformed(f"Action does not apply to any resource(s) in statement: {pattern}")


def _fits(pattern, kinds):
    name = pattern.partition(":")[2].lower()
    actions = policy.reference()["s3"].items()
    return any(kinds & set(entry.get("Resources", [])) for action, entry in actions if arn.like(name, action))


def is_public(parsed):
    return any(
        statement.allow
        and policy.EVERYONE in statement.principals
        and not any(condition.key in LIMITING_KEYS for condition in statement.conditions)
        for statement in parsed.statements
    )


HANDLERS = {
    "PutBucketAcl": _put_acl,
    "PutObjectAcl": _put_acl,
    "PutBucketVersioning": _put_versioning,
    "GetBucketVersioning": _get_versioning,
    "PutObjectLockConfiguration": _put_lock,
    "GetObjectLockConfiguration": _get_lock,
    "DeleteBucketEncryption": _delete_encryption,
    "PutBucketPolicy": _put_policy,
}
