"""S3: what moto lacks. Permissions were checked before; locks and checksums are checked here."""

import base64
import hashlib
import re
import zlib
from xml.sax.saxutils import escape, unescape

from . import asks, asks_s3, moto_parts, s3_buckets, s3_locks
from .conditions import Unknown
from .errors import AwsError

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# Refused rather than done wrong: moto would take them for something else.
LACKING = re.compile(r"Analytics|Metrics|IntelligentTiering|RequestPayment|DeleteBucketInventory|SelectObject|Torrent")
LOCK_HEADERS = {
    "GetObjectRetention": ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"),
    "GetObjectLegalHold": ("x-amz-object-lock-legal-hold",),
}
READING = (
    "GetObject",
    "HeadObject",
    "GetObjectAttributes",
    "GetObjectTagging",
    "GetObjectRetention",
    "GetObjectLegalHold",
)


def handle(call):
    if LACKING.search(call.operation):
        raise Unknown(f"the behaviour of s3:{call.operation}")
    if call.operation in ("ListBuckets", "CreateBucket"):
        return s3_buckets.create(call) if call.operation == "CreateBucket" else moto_parts.answer(call)
    bucket = asks_s3.owned(call.bucket)
    _check_owner(call, "x-amz-expected-bucket-owner", bucket)
    handler = HANDLERS.get(call.operation) or s3_buckets.HANDLERS.get(call.operation)
    answer = handler(call, bucket) if handler else moto_parts.answer(call, bucket.account_id)
    return _as_seen_by(call, bucket, answer) if call.operation in READING else answer


def _check_owner(call, header, bucket):
    expected = call.header(header)
    if expected and expected != bucket.account_id:
        raise AwsError("AccessDenied", f"Access Denied: the bucket's owner is not {expected}")


def stored(bucket, key, version):
    """moto's version of an object, also a delete marker, or None."""
    return moto_parts.s3(bucket.account_id).get_object(bucket.name, key, version_id=version, return_delete_marker=True)


# ---------------------------------------------------------------- reading


def _as_seen_by(call, bucket, answer):
    """Without the right to list, what is missing is denied; without the right to them, locks are not shown."""
    status, headers, body = answer
    if status == 404 and not asks.would(call, asks_s3.bucket_ask(call, "ListBucket")):
        raise AwsError("AccessDenied", "Access Denied")
    for action, names in LOCK_HEADERS.items():
        if action != call.operation and not asks.would(call, asks_s3.object_ask(call, action)):
            headers = {name: value for name, value in headers.items() if name.lower() not in names}
    return status, headers, body


# ---------------------------------------------------------------- writing


def check_payload(call):
    """Refuses a body that is not the one its checksums were made of."""
    md5 = call.header("content-md5")
    if md5 and md5 != base64.b64encode(hashlib.md5(call.body).digest()).decode():
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.", 400)
    given = {
        name: value
        for name, value in call.headers.items()
        if re.fullmatch("x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)", name)
    }
    if len(given) > 1:
        raise AwsError(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.", 400
        )
    for name, value in given.items():
        algorithm = name.rpartition("-")[2]
        _check_sum(algorithm, value, call.body)
        call.set_header("x-amz-sdk-checksum-algorithm", algorithm.upper())


def _check_sum(algorithm, value, body):
    lengths = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
    try:
        right_form = len(base64.b64decode(value, validate=True)) == lengths[algorithm]
    except ValueError:
        right_form = False
    if not right_form:
        raise AwsError("InvalidRequest", f"Value for x-amz-checksum-{algorithm} header is invalid.", 400)
    if algorithm in ("crc32c", "crc64nvme"):  # Python has neither; they are taken as they are
        return
    raw = zlib.crc32(body).to_bytes(4, "big") if algorithm == "crc32" else hashlib.new(algorithm, body).digest()
    if value != base64.b64encode(raw).decode():
        raise AwsError(
            "BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.", 400
        )


def _put(call, bucket):
    check_payload(call)
    s3_locks.check_asked(call)
    s3_buckets.check_acl(call, bucket)
    if call.operation == "CopyObject":
        source = asks_s3.owned(asks_s3.copy_source(call)[0])
        _check_owner(call, "x-amz-source-expected-bucket-owner", source)
    return moto_parts.answer(call, bucket.account_id)


def _upload_part(call, bucket):
    check_payload(call)
    return moto_parts.answer(call, bucket.account_id)


def _create_upload(call, bucket):
    lock = s3_locks.check_asked(call)
    s3_buckets.check_acl(call, bucket)
    answer = moto_parts.answer(call, bucket.account_id)
    found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer[2])
    if found:
        s3_locks.remember(found.group(1).decode(), lock)
    return answer


def _complete_upload(call, bucket):
    if call.header("if-none-match") == "*" and moto_parts.s3(bucket.account_id).get_object(bucket.name, call.key):
        raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
    answer = moto_parts.answer(call, bucket.account_id)
    if answer[0] == 200:
        s3_locks.apply_remembered(call.query.get("uploadId"), bucket, stored(bucket, call.key, None))
    return answer


# ---------------------------------------------------------------- deleting


def _delete(call, bucket):
    if call.version:
        s3_locks.check_deletable(stored(bucket, call.key, call.version), call.flag(asks_s3.BYPASS))
    return moto_parts.answer(call, bucket.account_id)


def _delete_many(call, bucket):
    """Each object is authorised and done by itself; the answer lists what became of them."""
    check_payload(call)
    wanted = re.findall(rb"<Object\b[^>]*>(.*?)</Object>", call.body, re.DOTALL)
    if not 0 < len(wanted) <= 1000:
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            400,
        )
    quiet = b"<Quiet>true</Quiet>" in call.body
    pieces = []
    for text in wanted:
        key, version = (_text(text, name) for name in ("Key", "VersionId"))
        try:
            done = _delete_one(call, bucket, key, version)
            pieces += [] if quiet else [f"<Deleted><Key>{escape(key)}</Key>{done}</Deleted>"]
        except AwsError as error:
            of = f"<VersionId>{escape(version)}</VersionId>" if version else ""
            pieces.append(
                f"<Error><Key>{escape(key)}</Key>{of}<Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="{NAMESPACE}">{"".join(pieces)}</DeleteResult>'
    return 200, {"Content-Type": "application/xml"}, body.encode()


def _text(xml, name):
    found = re.search(f"<{name}>([^<]*)</{name}>".encode(), xml)
    return unescape(found.group(1).decode(), {"&quot;": '"', "&apos;": "'"}) if found else None


def _delete_one(call, bucket, key, version):
    for ask in asks_s3.delete_asks(call, key, version):
        asks.require(call, ask)
    bypass = call.flag(asks_s3.BYPASS)
    if version:
        s3_locks.check_deletable(stored(bucket, key, version), bypass)
    _, what = moto_parts.s3(bucket.account_id).delete_object(bucket.name, key, version_id=version, bypass=bypass)
    marker = what.get("version-id") if what.get("delete-marker") else None
    return (f"<VersionId>{escape(version)}</VersionId>" if version else "") + (
        f"<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId>" if marker else ""
    )


def _put_retention(call, bucket):
    s3_locks.put_retention(call, bucket, stored(bucket, call.key, call.version))
    return 200, {}, b""


def _get_retention(call, bucket):
    return s3_locks.get_retention(bucket, stored(bucket, call.key, call.version))


HANDLERS = {
    "PutObject": _put,
    "CopyObject": _put,
    "UploadPart": _upload_part,
    "CreateMultipartUpload": _create_upload,
    "CompleteMultipartUpload": _complete_upload,
    "DeleteObject": _delete,
    "DeleteObjects": _delete_many,
    "PutObjectRetention": _put_retention,
    "GetObjectRetention": _get_retention,
}
