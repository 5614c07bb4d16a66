"""KMS: key states, uses of keys, policies that do not lock out; the cryptography is moto's."""

import base64
import json
from datetime import timezone

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from . import asks, asks_kms, identity, moto_parts, policy
from .authorise import KEY, Ask
from .errors import AwsError

ENCRYPTING = {
    "Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
}  # fmt: skip
SIGNING = {"Sign", "Verify"}
# What a disabled key refuses, and what one refuses whose deletion is pending.
NEED_ENABLED = ENCRYPTING | SIGNING | {"CreateGrant", "DisableKeyRotation", "EnableKeyRotation", "GenerateMac", "GetPublicKey", "RotateKeyOnDemand", "VerifyMac"}  # fmt: skip
NOT_WHILE_PENDING = NEED_ENABLED | {
    "CreateAlias", "DisableKey", "EnableKey", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateAlias",
    "UpdateKeyDescription",
}  # fmt: skip
LONGEST_RAW, DIGEST = 4096, {"ECC_NIST_P256": (hashes.SHA256(), 32), "ECC_NIST_P384": (hashes.SHA384(), 48), "ECC_NIST_P521": (hashes.SHA512(), 64)}  # fmt: skip


def handle(call):
    if call.operation in asks_kms.WITHOUT_RESOURCE:
        return _create_key(call) if call.operation == "CreateKey" else moto_parts.answer(call)
    keys = _keys(call)
    for key in keys:
        _check_state(call, key)
        _check_usage(call, key)
    handler = HANDLERS.get(call.operation)
    if handler:
        return handler(call, keys[-1])
    return _forward(call, keys[-1])


def _keys(call):
    """The keys that the call uses, the one that it is about last."""
    params = call.params
    if call.operation == "Decrypt":
        return [asks_kms.ciphertext_key(call, "KeyId", "CiphertextBlob")]
    if call.operation == "ReEncrypt":
        return [
            asks_kms.ciphertext_key(call, "SourceKeyId", "CiphertextBlob"),
            asks_kms.find(call, params["DestinationKeyId"]),
        ]
    if call.operation == "RetireGrant" and "GrantToken" in params:
        return [asks_kms.key_of_token(params["GrantToken"])]
    name = params.get("KeyId") or params.get("TargetKeyId") or params.get("AliasName")
    return [asks_kms.find(call, name)]


def _forward(call, key):
    """To moto, which knows keys in their own account only and takes most of them by their bare id."""
    for name in ("KeyId", "TargetKeyId", "DestinationKeyId", "SourceKeyId"):
        if name in call.params:
            of = key if name != "SourceKeyId" else asks_kms.find(call, call.params[name])
            call.params[name] = of.id
    call.body = json.dumps(call.params).encode()
    status, headers, body = moto_parts.answer(call, key.account_id)
    if status == 200 and body.startswith(b'{"') and b'"KeyId"' in body:
        answer = json.loads(body)
        if "KeyId" in answer:
            answer["KeyId"] = key.arn
            body = json.dumps(answer).encode()
    return status, headers, body


def _answer(values):
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(values).encode()


# ---------------------------------------------------------------- states and uses


def check_usable(key):
    """Raises where nothing can be encrypted or decrypted with it."""
    if key.key_state == "PendingDeletion":
        raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.", 400)
    if key.key_state != "Enabled":
        raise AwsError("DisabledException", f"{key.arn} is disabled.", 400)


def _check_state(call, key):
    if call.operation in NEED_ENABLED or (call.operation in NOT_WHILE_PENDING and key.key_state == "PendingDeletion"):
        check_usable(key)
    if call.operation == "CancelKeyDeletion" and key.key_state != "PendingDeletion":
        raise AwsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.", 400)


def _check_usage(call, key):
    wanted = "ENCRYPT_DECRYPT" if call.operation in ENCRYPTING else "SIGN_VERIFY" if call.operation in SIGNING else None
    if wanted and key.key_usage != wanted:
        message = f"{key.arn} key usage is {key.key_usage} which is not valid for {call.operation}."
        raise AwsError("InvalidKeyUsageException", message, 400)


# ---------------------------------------------------------------- signing


def _message(call, key):
    """The message and what it is hashed with, or was already."""
    try:
        message = base64.b64decode(call.params["Message"], validate=True)
    except (KeyError, ValueError):
        raise AwsError("ValidationException", "Message must be base64", 400) from None
    algorithm, length = DIGEST.get(key.key_spec, (None, 0))
    if not algorithm or call.params.get("SigningAlgorithm") not in key.signing_algorithms:
        raise AwsError(
            "ValidationException", f"SigningAlgorithm must be one of {key.signing_algorithms} for {key.key_spec}", 400
        )
    kind = call.params.get("MessageType", "RAW")
    if kind == "DIGEST":
        if len(message) != length:
            raise AwsError(
                "ValidationException", f"Digest is invalid length for algorithm {call.params['SigningAlgorithm']}.", 400
            )
        return message, ec.ECDSA(utils.Prehashed(algorithm))
    if kind != "RAW" or not 0 < len(message) <= LONGEST_RAW:
        raise AwsError("ValidationException", f"A RAW message has 1 to {LONGEST_RAW} bytes", 400)
    return message, ec.ECDSA(algorithm)


def _sign(call, key):
    signature = key.private_key.private_key.sign(*_message(call, key))
    found = base64.b64encode(signature).decode()
    return _answer({"KeyId": key.arn, "Signature": found, "SigningAlgorithm": call.params["SigningAlgorithm"]})


def _verify(call, key):
    message, algorithm = _message(call, key)
    try:
        key.private_key.private_key.public_key().verify(base64.b64decode(call.params["Signature"]), message, algorithm)
    except InvalidSignature:
        raise AwsError("KMSInvalidSignatureException", "", 400) from None
    return _answer({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": call.params["SigningAlgorithm"]})


def _public_key(call, key):
    """moto names the spec by its old name alone."""
    if key.key_spec == "SYMMETRIC_DEFAULT":
        raise AwsError(
            "UnsupportedOperationException",
            f"{key.arn} key spec is {key.key_spec} which is not valid for GetPublicKey.",
            400,
        )
    status, headers, body = _forward(call, key)
    if status == 200:
        body = json.dumps(json.loads(body) | {"KeySpec": key.key_spec}).encode()
    return status, headers, body


# ---------------------------------------------------------------- policies


def _checked_policy(call, text, resource):
    """Refuses what AWS would, and a policy under which the caller could never change it again."""
    try:
        parsed = policy.parse(text, policy.RESOURCE)
        identity.check_principals(parsed)
    except policy.Malformed as error:
        raise AwsError("MalformedPolicyDocumentException", str(error), 400) from None
    if call.params.get("BypassPolicyLockoutSafetyCheck"):
        return
    later = Ask("kms:PutKeyPolicy", resource, call.principal.account, asks_kms.context(call), parsed, KEY)
    if not asks.would(call, later):
        message = "The new key policy will not allow you to update the key policy in the future."
        raise AwsError("MalformedPolicyDocumentException", message, 400)


def _create_key(call):
    if call.params.get("Policy"):
        _checked_policy(call, call.params["Policy"], f"arn:aws:kms:{call.region}:{call.principal.account}:key/new")
    call.params.setdefault("KeyUsage", "ENCRYPT_DECRYPT")
    call.body = json.dumps(call.params).encode()
    return moto_parts.answer(call)


def _put_policy(call, key):
    _checked_policy(call, call.params.get("Policy", ""), key.arn)
    return _default_policy(call, key)


def _default_policy(call, key):
    call.params.setdefault("PolicyName", "default")
    return _forward(call, key)


# ---------------------------------------------------------------- deletion and rotation


def _schedule_deletion(call, key):
    days = call.params.get("PendingWindowInDays", 30)
    if not 7 <= days <= 30:
        raise AwsError("ValidationException", "PendingWindowInDays must be from 7 to 30", 400)
    moto_parts.kms(key.account_id, key.region).schedule_key_deletion(key.id, days)
    date = key.deletion_date.replace(tzinfo=timezone.utc).timestamp()
    return _answer({"KeyId": key.arn, "DeletionDate": date, "KeyState": key.key_state, "PendingWindowInDays": days})


def _delete_material(call, key):
    raise AwsError(
        "UnsupportedOperationException", f"{key.arn} origin is {key.origin} which is not valid for this operation.", 400
    )


def _enable_rotation(call, key):
    if key.key_spec != "SYMMETRIC_DEFAULT":
        raise AwsError("UnsupportedOperationException", "", 400)
    key.rotation_period = call.params.get("RotationPeriodInDays", 365)
    return _forward(call, key)


def _rotation_status(call, key):
    found = {"KeyId": key.arn, "KeyRotationEnabled": key.key_rotation_status}
    if key.key_rotation_status:
        found["RotationPeriodInDays"] = getattr(key, "rotation_period", 365)
    return _answer(found)


HANDLERS = {
    "Sign": _sign,
    "Verify": _verify,
    "GetPublicKey": _public_key,
    "PutKeyPolicy": _put_policy,
    "GetKeyPolicy": _default_policy,
    "ScheduleKeyDeletion": _schedule_deletion,
    "DeleteImportedKeyMaterial": _delete_material,
    "EnableKeyRotation": _enable_rotation,
    "GetKeyRotationStatus": _rotation_status,
}
