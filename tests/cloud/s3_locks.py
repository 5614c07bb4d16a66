"""Object Lock as AWS documents it: what may be asked for, what may be changed, what may be deleted."""

from datetime import timedelta

from . import asks_s3, clock
from .errors import AwsError
from .moto_parts import s3_models
from .state import STATE

MODES = ("COMPLIANCE", "GOVERNANCE")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def _denied():
    return AwsError("AccessDenied", "Access Denied because object protected by object lock.")


def _as_text(until):
    """As S3 shows it, whole seconds without a fraction."""
    text = clock.iso(until)
    return text if not until.microsecond else f"{text[:-1]}.{until.microsecond // 1000:03}Z"


def until_of(stored):
    return asks_s3.lock_date(stored.lock_until) if stored.lock_mode and stored.lock_until else None


def is_held(stored):
    return stored.lock_legal_status == "ON"


def is_locked(stored):
    until = until_of(stored)
    return until is not None and until > clock.now()


# ---------------------------------------------------------------- asking for a lock


def check_asked(call):
    """The lock that the headers ask for: mode, date as text, legal hold; raises where AWS would."""
    mode, date, hold = asks_s3.asked_lock(call)
    if hold not in (None, "ON", "OFF"):
        raise AwsError("MalformedXML", "Legal Hold must be either of 'ON' or 'OFF'", 400)
    if bool(mode) != bool(date):
        message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        raise AwsError("InvalidArgument", message, 400)
    if mode:
        date = _as_text(_future(mode, date))
        call.set_header(asks_s3.RETAIN_UNTIL, date)
    return mode, date, hold


def _future(mode, date):
    if mode not in MODES:
        raise AwsError("InvalidArgument", "Unknown wormMode directive.", 400)
    until = asks_s3.lock_date(date)
    if until <= clock.now():
        raise AwsError("InvalidArgument", "The retain until date must be in the future!", 400)
    return until


# ---------------------------------------------------------------- multipart uploads


def remember(upload, lock):
    STATE.uploads[upload] = lock


def apply_remembered(upload, bucket, stored):
    """moto makes objects of uploads without any lock."""
    mode, date, hold = STATE.uploads.pop(upload, (None, None, None))
    if not mode and bucket.has_default_lock:
        mode, date = bucket.default_lock_mode, bucket.default_retention()
    stored.lock_mode, stored.lock_until, stored.lock_legal_status = mode, date, hold


# ---------------------------------------------------------------- a version's lock


def _version(stored):
    if stored is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    if isinstance(stored, s3_models.FakeDeleteMarker):
        raise AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    return stored


def _check_enabled(bucket):
    if not bucket.object_lock_enabled:
        raise AwsError("InvalidRequest", "Bucket is missing Object Lock Configuration", 400)


def put_retention(call, bucket, stored):
    _check_enabled(bucket)
    stored = _version(stored)
    mode, date, _ = asks_s3.asked_lock(call)
    if bool(mode) != bool(date):
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            400,
        )
    until = _future(mode, date) if mode else None
    if is_locked(stored) and _weakens(stored, mode, until):
        # Of compliance nothing is ever taken, of governance only with the bypass that was authorised before.
        if stored.lock_mode == "COMPLIANCE" or not call.flag(asks_s3.BYPASS):
            raise _denied()
    stored.lock_mode, stored.lock_until = mode, _as_text(until) if until else None


def _weakens(stored, mode, until):
    return mode != stored.lock_mode or until is None or until < until_of(stored)


def get_retention(bucket, stored):
    _check_enabled(bucket)
    stored = _version(stored)
    if not stored.lock_mode:
        raise AwsError(
            "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration", 404
        )
    inner = f"<Mode>{stored.lock_mode}</Mode><RetainUntilDate>{stored.lock_until}</RetainUntilDate>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Retention xmlns="{NAMESPACE}">{inner}</Retention>'
    return 200, {"Content-Type": "application/xml"}, body.encode()


def check_deletable(stored, bypass):
    if stored is None or isinstance(stored, s3_models.FakeDeleteMarker):
        return
    if is_held(stored):
        raise _denied()
    if is_locked(stored) and not (stored.lock_mode == "GOVERNANCE" and bypass):
        raise _denied()


# ---------------------------------------------------------------- a bucket's default


def put_configuration(bucket, mode, days, years, enabled):
    if not enabled or (bool(mode) != bool(days or years)) or (days and years):
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            400,
        )
    if not bucket.is_versioned:
        raise AwsError(
            "InvalidBucketState", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration", 409
        )
    if mode and (mode not in MODES or timedelta(days=(days or 0) + 365 * (years or 0)).days < 1):
        raise AwsError("InvalidArgument", "Default retention period must be a positive integer value.", 400)
    bucket.object_lock_enabled = True
    bucket.default_lock_mode, bucket.default_lock_days, bucket.default_lock_years = mode or "", days or 0, years or 0
