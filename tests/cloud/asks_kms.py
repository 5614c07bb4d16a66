"""KMS: the actions, keys and condition keys of each operation, and grants."""

import base64
import binascii
import struct
from datetime import timezone

from . import arn, clock, moto_parts, policy
from .authorise import KEY, Ask
from .conditions import Unknown
from .errors import AwsError

# Operations on the key that KeyId names; the action has the operation's name.
ON_KEY = {
    "CancelKeyDeletion", "CreateGrant", "DeleteImportedKeyMaterial", "DescribeKey", "DisableKey", "DisableKeyRotation",
    "EnableKey", "EnableKeyRotation", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetKeyPolicy",
    "GetKeyRotationStatus", "GetParametersForImport", "GetPublicKey", "ImportKeyMaterial", "ListGrants",
    "ListKeyPolicies", "ListKeyRotations", "ListResourceTags", "PutKeyPolicy", "ReplicateKey", "RetireGrant",
    "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion", "Sign", "TagResource", "UntagResource",
    "UpdateKeyDescription", "UpdatePrimaryRegion", "Verify", "VerifyMac",
}  # fmt: skip
WITHOUT_RESOURCE = {"CreateKey", "GenerateRandom", "ListAliases", "ListKeys", "ListRetirableGrants"}
# Those that another account may do at all, with the key's ARN.
ACROSS_ACCOUNTS = {
    "CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetKeyRotationStatus",
    "GetPublicKey", "ListGrants", "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "RevokeGrant", "Sign", "Verify",
    "VerifyMac",
}  # fmt: skip
KEY_ID_LENGTH = 36


def asks(call):
    operation, params = call.operation, call.params
    if operation in WITHOUT_RESOURCE:
        found = [Ask(f"kms:{operation}", "*", call.principal.account, context(call))]
        if operation == "CreateKey" and params.get("Tags"):
            found.append(Ask("kms:TagResource", "*", call.principal.account, context(call)))
        return found
    if operation == "Decrypt":
        return [key_ask(call, ciphertext_key(call, "KeyId", "CiphertextBlob"), "Decrypt")]
    if operation == "ReEncrypt":
        return _re_encrypt(call)
    if operation in ("CreateAlias", "UpdateAlias", "DeleteAlias"):
        return _alias(call)
    if operation == "RetireGrant" and "GrantToken" in params:
        return [key_ask(call, key_of_token(params["GrantToken"]), operation)]
    if operation in ON_KEY:
        return [key_ask(call, find(call, params.get("KeyId", "")), operation)]
    raise Unknown(f"the permissions of kms:{operation}")


# ---------------------------------------------------------------- finding keys


def not_found(name):
    return AwsError("NotFoundException", f"Key '{name}' does not exist", 400)


def find(call, name, account=None, region=None):
    """moto's key of an id, ARN, alias or alias' ARN."""
    account, region = account or call.principal.account, region or call.region
    if name.startswith("arn:"):
        parts = arn.split(name)
        if len(parts) != arn.SEGMENTS or parts[3] != region:
            raise AwsError("NotFoundException", f"Invalid arn {parts[3] if len(parts) > 3 else name}", 400)
        account, name = parts[4], parts[5].removeprefix("key/")
    backend = moto_parts.kms(account, region)
    if name.startswith("alias/"):
        name = backend.get_key_id_from_alias(name) or name
    key = _unless_deleted(backend, backend.keys.get(name))
    if not key:
        raise not_found(name)
    return mark_default(key)


def _unless_deleted(backend, key):
    """A key whose waiting period is over is gone."""
    if key and key.key_state == "PendingDeletion" and clock.now() >= key.deletion_date.replace(tzinfo=timezone.utc):
        backend.delete_key(key.id)
        return None
    return key


def mark_default(key):
    """moto makes a service's default key when it is first asked for, as if it were a customer's."""
    if any(alias.startswith("alias/aws/") for alias in key.aliases) and key.key_manager != "AWS":
        key.key_manager = "AWS"
        key.policy = DEFAULT_KEY_POLICY % {"account": key.account_id, "service": next(iter(key.aliases)).rsplit("/", 1)[1], "region": key.region}  # fmt: skip
    return key


# A default key may be used through its service by its own account only, and be looked at.
DEFAULT_KEY_POLICY = """{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*",
   "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:ListGrants", "kms:DescribeKey"],
   "Condition": {"StringEquals": {"kms:CallerAccount": "%(account)s", "kms:ViaService": "%(service)s.%(region)s.amazonaws.com"}}},
  {"Effect": "Allow", "Principal": {"AWS": "%(account)s"}, "Resource": "*",
   "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]}]}"""


def ciphertext_key(call, id_name, blob_name):
    """The key that a ciphertext was made with; its id stands at its beginning."""
    try:
        blob = base64.b64decode(call.params.get(blob_name, ""), validate=True)
        key_id = struct.unpack_from(f"{KEY_ID_LENGTH}s", blob)[0].decode()
    except (binascii.Error, struct.error, UnicodeDecodeError):
        raise AwsError("InvalidCiphertextException", "", 400) from None
    named = call.params.get(id_name)
    key = find(call, named) if named else _anywhere(key_id, call.region)
    if not key or key.id != key_id:
        message = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
        raise AwsError("IncorrectKeyException" if key else "AccessDenied", message, 400)
    return key


def _anywhere(key_id, region):
    for account in moto_parts.accounts("kms"):
        backend = moto_parts.kms(account, region)
        key = _unless_deleted(backend, backend.keys.get(key_id))
        if key:
            return key
    return None


def key_of_token(token):
    for account in moto_parts.accounts("kms"):
        for backend in moto_parts.regions("kms", account).values():
            for key in backend.keys.values():
                if any(grant.token == token for grant in key.grants.values()):
                    return key
    raise AwsError("InvalidGrantTokenException", "", 400)


# ---------------------------------------------------------------- asking


def key_ask(call, key, action, extra=None):
    keys = context(call) | _of_key(key) | (extra or {})
    if key.account_id != call.principal.account and action not in ACROSS_ACCOUNTS:
        # No policy can allow it to another account.
        return Ask(f"kms:{action}", key.arn, key.account_id, keys)
    granted = any(_grants(grant, call.principal, action, call.params) for grant in key.grants.values())
    return Ask(f"kms:{action}", key.arn, key.account_id, keys, policy.parse(key.policy, policy.RESOURCE), KEY, granted)


def _of_key(key):
    return {
        "kms:keyspec": [key.key_spec],
        "kms:keyusage": [key.key_usage],
        "kms:keyorigin": [key.origin],
        "kms:multiregion": [str(bool(key.multi_region)).lower()],
        "kms:resourcealiases": list(key.aliases),
    } | {f"aws:resourcetag/{tag['TagKey'].lower()}": [tag["TagValue"]] for tag in _tags(key)}


def _tags(key):
    return moto_parts.kms(key.account_id, key.region).tagger.list_tags_for_resource(key.id)["Tags"]


def _grants(grant, principal, action, params):
    if action == "RetireGrant":
        asked = grant.id == params.get("GrantId") or grant.token == params.get("GrantToken")
        return asked and grant.retiring_principal in (principal.arn, principal.role_arn or None)
    if action not in grant.operations or grant.grantee_principal not in (principal.arn, principal.role_arn or None):
        return False
    asked = params.get("EncryptionContext") or params.get("SourceEncryptionContext") or {}
    constraints = grant.constraints or {}
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    return (equals is None or equals == asked) and (subset is None or subset.items() <= asked.items())


def _re_encrypt(call):
    source = ciphertext_key(call, "SourceKeyId", "CiphertextBlob")
    target = find(call, call.params.get("DestinationKeyId", ""))
    same = {"kms:reencryptonsamekey": [str(source.arn == target.arn).lower()]}
    return [
        key_ask(call, source, "ReEncryptFrom", same | _encryption_context(call.params.get("SourceEncryptionContext"))),
        key_ask(
            call, target, "ReEncryptTo", same | _encryption_context(call.params.get("DestinationEncryptionContext"))
        ),
    ]


def _alias(call):
    """An alias and the keys that it names, named or will name: each must allow it."""
    name = call.params.get("AliasName", "")
    account = call.principal.account
    alias = Ask(f"kms:{call.operation}", f"arn:aws:kms:{call.region}:{account}:{name}", account, context(call))
    keys = []
    if call.operation != "CreateAlias":
        keys.append(find(call, name))
    if call.operation != "DeleteAlias":
        keys.append(find(call, call.params.get("TargetKeyId", "")))
    return [alias] + [key_ask(call, key, call.operation) for key in keys]


def by_service(service, region, call, name, actions, account=None):
    """What a service asks of a key on the caller's behalf, e.g. RDS of a snapshot's key."""
    key = find(call, name, account, region)
    extra = {"kms:viaservice": [f"{service}.{region}.amazonaws.com"]}
    found = []
    for action in actions:
        own = {"kms:grantisforawsresource": ["true"]} if action == "CreateGrant" else {}
        found.append(key_ask(call, key, action, extra | own))
    return found


# ---------------------------------------------------------------- keys for conditions

# Parameters that are condition keys as they are.
PARAMETER_KEYS = {
    "KeySpec": "kms:keyspec",
    "KeyUsage": "kms:keyusage",
    "Origin": "kms:keyorigin",
    "MultiRegion": "kms:multiregion",
    "BypassPolicyLockoutSafetyCheck": "kms:bypasspolicylockoutsafetycheck",
    "EncryptionAlgorithm": "kms:encryptionalgorithm",
    "SigningAlgorithm": "kms:signingalgorithm",
    "MessageType": "kms:messagetype",
    "PendingWindowInDays": "kms:schedulekeydeletionpendingwindowindays",
    "GranteePrincipal": "kms:granteeprincipal",
    "RetiringPrincipal": "kms:retiringprincipal",
}


# What the call has where the parameter is left out.
SYMMETRIC = {"kms:encryptionalgorithm": "SYMMETRIC_DEFAULT"}
DEFAULTS = {
    "Encrypt": SYMMETRIC,
    "Decrypt": SYMMETRIC,
    "Sign": {"kms:messagetype": "RAW"},
    "Verify": {"kms:messagetype": "RAW"},
    "ScheduleKeyDeletion": {"kms:schedulekeydeletionpendingwindowindays": "30"},
}


def _encryption_context(pairs):
    if not pairs:
        return {}
    found = {f"kms:encryptioncontext:{name.lower()}": [value] for name, value in pairs.items()}
    return found | {"kms:encryptioncontextkeys": list(pairs)}


def context(call):
    if call.service != "kms":  # a service asks on the caller's behalf
        return {"kms:calleraccount": [call.principal.account]}
    params = call.params
    found = {"kms:calleraccount": [call.principal.account]}
    for name, key in PARAMETER_KEYS.items():
        if name in params and not (name == "KeySpec" and call.operation.startswith("GenerateDataKey")):
            value = params[name]
            found[key] = [str(value).lower() if isinstance(value, bool) else str(value)]
    for key, value in DEFAULTS.get(call.operation, {}).items():
        found.setdefault(key, [value])
    if call.operation == "CreateGrant":
        found["kms:grantisforawsresource"] = ["false"]
        found["kms:grantoperations"] = list(params.get("Operations", []))
        if params.get("Constraints"):
            found["kms:grantconstrainttype"] = [next(iter(params["Constraints"]))]
    if params.get("KeyId", "").startswith("alias/"):
        found["kms:requestalias"] = [params["KeyId"]]
    tags = {tag["TagKey"]: tag["TagValue"] for tag in params.get("Tags", [])}
    found |= {f"aws:requesttag/{name.lower()}": [value] for name, value in tags.items()}
    if tags or params.get("TagKeys"):
        found["aws:tagkeys"] = list(tags) + params.get("TagKeys", [])
    return found | _encryption_context(params.get("EncryptionContext"))
