"""Applies buckets' lifecycle rules at the world's time, as S3 does once a day. A locked version is passed over."""

from datetime import timedelta, timezone

from . import clock, moto_parts, s3_locks
from .conditions import Unknown
from .moto_parts import s3_models


def run():
    """How many delete markers were set, and how many versions and markers deleted."""
    done = {"hidden": 0, "deleted": 0, "markers_deleted": 0}
    for account in moto_parts.accounts("s3"):
        for bucket in moto_parts.s3(account).buckets.values():
            for rule in bucket.rules:
                if rule.status == "Enabled":
                    for key in list(bucket.keys):
                        if key.startswith(_prefix(rule)):
                            _apply(bucket, key, rule, done)
    return done


def _prefix(rule):
    if rule.transitions or rule.noncurrent_version_transitions or rule.expiration_date:
        raise Unknown(f"lifecycle rule {rule.id} with transitions or dates")
    if rule.filter and (rule.filter.tag_key or rule.filter.and_filter):
        raise Unknown(f"lifecycle rule {rule.id} with tags")
    return (rule.filter.prefix if rule.filter else rule.prefix) or ""


def _is_marker(version):
    return isinstance(version, s3_models.FakeDeleteMarker)


def _older(moment, days):
    return clock.now() - moment.replace(tzinfo=timezone.utc) >= timedelta(days=int(days))


def _apply(bucket, key, rule, done):
    versions = bucket.keys.getlist(key)  # the oldest first
    current = versions[-1]
    if rule.expiration_days and not _is_marker(current) and _older(current.last_modified, rule.expiration_days):
        moto_parts.s3(bucket.account_id).delete_object(bucket.name, key)
        done["hidden"] += 1
    if rule.nve_noncurrent_days:
        _delete_noncurrent(bucket, key, rule, done)
    versions = bucket.keys.getlist(key, [])
    if (rule.expiration_days or rule.expired_object_delete_marker) and len(versions) == 1 and _is_marker(versions[0]):
        _delete(bucket, key, versions[0])
        done["markers_deleted"] += 1


def _delete_noncurrent(bucket, key, rule, done):
    versions = list(bucket.keys.getlist(key))
    # A version is noncurrent since the one that came after it.
    for version, next_one in zip(versions, versions[1:]):
        protected = not _is_marker(version) and (s3_locks.is_held(version) or s3_locks.is_locked(version))
        if not protected and _older(next_one.last_modified, rule.nve_noncurrent_days):
            _delete(bucket, key, version)
            done["deleted"] += 1


def _delete(bucket, key, version):
    moto_parts.s3(bucket.account_id).delete_object(bucket.name, key, version_id=version.version_id)
