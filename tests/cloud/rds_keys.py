"""The KMS keys of storage: RDS uses them on the caller's behalf, so the caller must be allowed to."""

from . import arn, asks, asks_kms, kms, moto_parts
from .authorise import ROOT
from .errors import AwsError
from .moto_parts import rds_models
from .rds_call import CURRENT

# What RDS asks KMS for the caller: to read what a key protects, and to protect with one.
TO_READ = ("DescribeKey", "Decrypt", "CreateGrant")
TO_WRITE = ("DescribeKey", "GenerateDataKey", "CreateGrant")
TO_CREATE = ("DescribeKey", "CreateGrant")


def fault(code, message):
    return rds_models.RDSClientError(code, message)


def not_accessible(name, which):
    message = f"{which} [{name}] does not exist, is not enabled or you do not have permissions to access it."
    return fault("KMSKeyNotAccessibleFault", message)


def default_key(account, region):
    """The account's key aws/rds."""
    backend = moto_parts.kms(account, region)
    return asks_kms.mark_default(backend.keys[backend.get_key_id_from_alias("alias/aws/rds")])


def stored_key(name):
    """moto's key of an ARN, or None."""
    parts = arn.split(name)
    if len(parts) != arn.SEGMENTS:
        return None
    return moto_parts.kms(parts[4], parts[3]).keys.get(parts[5].removeprefix("key/"))


def is_default(name):
    key = stored_key(name)
    return key is not None and key.key_manager == "AWS"


def check_key(name, actions, which="The specified KMS key"):
    """The key, or KMSKeyNotAccessibleFault where it cannot serve this caller now."""
    call = CURRENT.call
    region = arn.region_of(name) if name.startswith("arn:") else call.region
    try:
        if not all([asks.permitted(call, ask) for ask in asks_kms.by_service("rds", region, call, name, actions)]):
            raise not_accessible(name, which)
        key = asks_kms.find(call, name, region=region)
        kms.check_usable(key)
    except AwsError:
        raise not_accessible(name, which) from None
    if call.principal.kind == ROOT and key.account_id != call.principal.account:
        # Documented: the root of an account cannot copy what another account's key protects.
        raise not_accessible(name, which)
    return key


def check_state(name):
    """The key of existing storage must serve; RDS holds a grant of it, whoever calls."""
    key = stored_key(name)
    try:
        if key is None:
            raise AwsError("NotFoundException", name)
        kms.check_usable(key)
    except AwsError:
        raise not_accessible(name, "The specified KMS key") from None
