"""KMS: who may use a key, in which state it serves, and what it signs."""

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import BACKUP, REGION, SOURCE, allow, deny, document

CONTEXT = {"lifeboat": "identity"}
DAY = 86400


@pytest.fixture
def root(cloud):
    return cloud.client("kms", cloud.roots[BACKUP])


@pytest.fixture
def key(root):
    return root.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def signing_key(root):
    return root.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]


def encrypt(kms, key, **more):
    return kms.encrypt(KeyId=key, Plaintext=b"identity", EncryptionContext=CONTEXT, **more)["CiphertextBlob"]


def whole(account, *more):
    """A key policy for the account, as the console makes it, and more."""
    return json.dumps(document(allow("kms:*", Principal={"AWS": account}), *more))


def test_what_was_encrypted_opens_under_the_same_context_only(root, key, code):
    blob = encrypt(root, key)
    assert root.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"identity"
    assert root.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId=key)["KeyId"] == key
    for wrong in ({}, {"lifeboat": "other"}, {**CONTEXT, "more": "x"}):
        assert code(root.decrypt, CiphertextBlob=blob, EncryptionContext=wrong) == "InvalidCiphertextException"
    assert code(root.decrypt, CiphertextBlob=b"x" * 100, EncryptionContext=CONTEXT) in (
        "InvalidCiphertextException",
        "AccessDeniedException",
    )


def test_another_key_does_not_open_it(root, key, code):
    other = root.create_key()["KeyMetadata"]["Arn"]
    assert (
        code(root.decrypt, CiphertextBlob=encrypt(root, key), EncryptionContext=CONTEXT, KeyId=other)
        == "IncorrectKeyException"
    )


def uses(root, key, signing_key, blob):
    sign = {"KeyId": signing_key, "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    return [
        (root.encrypt, {"KeyId": key, "Plaintext": b"x"}),
        (root.decrypt, {"CiphertextBlob": blob, "EncryptionContext": CONTEXT}),
        (root.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        (root.sign, sign),
        (root.get_public_key, {"KeyId": signing_key}),
    ]


def test_a_disabled_key_serves_nothing_until_enabled(root, key, signing_key, code):
    blob = encrypt(root, key)
    for each in (key, signing_key):
        root.disable_key(KeyId=each)
    for call, arguments in uses(root, key, signing_key, blob):
        assert code(call, **arguments) == "DisabledException"
    assert root.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    for each in (key, signing_key):
        root.enable_key(KeyId=each)
    for call, arguments in uses(root, key, signing_key, blob):
        assert code(call, **arguments) == ""


def test_a_key_that_waits_for_deletion_serves_nothing_and_then_is_gone(cloud, root, key, signing_key, code):
    blob = encrypt(root, key)
    for each in (key, signing_key):
        assert root.schedule_key_deletion(KeyId=each, PendingWindowInDays=7)["KeyState"] == "PendingDeletion"
    for call, arguments in uses(root, key, signing_key, blob):
        assert code(call, **arguments) == "KMSInvalidStateException"
    assert code(root.enable_key, KeyId=key) == "KMSInvalidStateException"
    root.cancel_key_deletion(KeyId=key)
    root.enable_key(KeyId=key)
    assert root.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"identity"
    cloud.control("POST", "clock", {"advance_seconds": 8 * DAY})
    assert code(root.describe_key, KeyId=signing_key) == "NotFoundException"


@pytest.mark.parametrize("days", [6, 31])
def test_a_waiting_period_out_of_bounds(root, key, code, days):
    assert code(root.schedule_key_deletion, KeyId=key, PendingWindowInDays=days) == "ValidationException"


# ---------------------------------------------------------------- signing


def test_a_signature_verifies_outside(root, signing_key):
    message = b"lifeboat-manifest-v1\n0123\n"
    answer = root.sign(KeyId=signing_key, Message=message, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")
    answered = root.get_public_key(KeyId=signing_key)
    assert (answered["KeySpec"], answered["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    public = serialization.load_der_public_key(answered["PublicKey"])
    public.verify(answer["Signature"], message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(answer["Signature"], message + b"x", ec.ECDSA(hashes.SHA256()))


def test_a_symmetric_key_has_no_public_half(root, key, code):
    assert code(root.get_public_key, KeyId=key) == "UnsupportedOperationException"


def test_a_digest_is_not_hashed_again(root, signing_key, code):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"message")
    hashed = digest.finalize()
    made = root.sign(KeyId=signing_key, Message=hashed, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")[
        "Signature"
    ]
    public = serialization.load_der_public_key(root.get_public_key(KeyId=signing_key)["PublicKey"])
    public.verify(made, b"message", ec.ECDSA(hashes.SHA256()))
    assert root.verify(KeyId=signing_key, Message=b"message", Signature=made, SigningAlgorithm="ECDSA_SHA_256")[
        "SignatureValid"
    ]
    assert (
        code(root.sign, KeyId=signing_key, Message=b"short", MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")
        == "ValidationException"
    )


def test_a_raw_message_ends_at_4096_bytes(root, signing_key, code):
    sign = {"KeyId": signing_key, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert code(root.sign, **sign, Message=b"x" * 4096) == ""
    assert code(root.sign, **sign, Message=b"x" * 4097) == "ValidationException"


def test_a_wrong_signature_is_an_error(root, signing_key, code):
    made = root.sign(KeyId=signing_key, Message=b"a", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    wrong = {"KeyId": signing_key, "Message": b"b", "Signature": made, "SigningAlgorithm": "ECDSA_SHA_256"}
    assert code(root.verify, **wrong) == "KMSInvalidSignatureException"


def test_each_key_serves_its_own_purpose(root, key, signing_key, code):
    assert code(root.sign, KeyId=key, Message=b"m", SigningAlgorithm="ECDSA_SHA_256") == "InvalidKeyUsageException"
    assert code(root.encrypt, KeyId=signing_key, Plaintext=b"m") == "InvalidKeyUsageException"


# ---------------------------------------------------------------- policies


def test_another_account_needs_key_policy_and_identity(cloud, root, key, code):
    exporter = cloud.client("kms", cloud.user(SOURCE, "exporter", allow(["kms:Encrypt", "kms:DisableKey"], key)))
    assert code(encrypt, exporter, key) == "AccessDeniedException"
    root.put_key_policy(KeyId=key, Policy=whole(BACKUP, allow("kms:*", Principal={"AWS": SOURCE})))
    blob = encrypt(exporter, key)
    assert root.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"identity"
    assert code(exporter.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == "AccessDeniedException"
    # No policy can give these away.
    assert code(exporter.disable_key, KeyId=key) == "AccessDeniedException"


def test_administrators_are_bound_by_the_key_policy(cloud, root, code):
    iam = cloud.client("iam", cloud.roots[BACKUP])
    admin = cloud.user(BACKUP, "admin", allow("*"))
    iam.create_role(
        RoleName="Keeper",
        AssumeRolePolicyDocument=json.dumps(
            document({"Effect": "Allow", "Principal": {"AWS": BACKUP}, "Action": "sts:AssumeRole"})
        ),
    )
    only = json.dumps(document(allow("kms:*", Principal={"AWS": f"arn:aws:iam::{BACKUP}:role/Keeper"})))
    key = cloud.client("kms", cloud.roots[BACKUP]).create_key(Policy=only, BypassPolicyLockoutSafetyCheck=True)[
        "KeyMetadata"
    ]["Arn"]
    for caller in (cloud.client("kms", admin), root):
        assert code(caller.put_key_policy, KeyId=key, Policy=whole(BACKUP)) == "AccessDeniedException"
        assert code(caller.schedule_key_deletion, KeyId=key) == "AccessDeniedException"


def test_a_policy_that_locks_its_author_out_is_refused(cloud, root, key, code):
    other = json.dumps(document(allow("kms:*", Principal={"AWS": SOURCE})))
    assert code(root.put_key_policy, KeyId=key, Policy=other) == "MalformedPolicyDocumentException"
    assert code(root.create_key, Policy=other) == "MalformedPolicyDocumentException"


def test_a_policy_that_names_nobody_is_refused(root, key, code):
    nobody = whole(BACKUP, allow("kms:Sign", Principal={"AWS": f"arn:aws:iam::{BACKUP}:role/none"}))
    assert code(root.put_key_policy, KeyId=key, Policy=nobody) == "MalformedPolicyDocumentException"


CONDITIONS = [
    ("kms:EncryptionContext:lifeboat", {"StringEquals": {"kms:EncryptionContext:lifeboat": "identity"}}, True),
    ("another context", {"StringEquals": {"kms:EncryptionContext:lifeboat": "x"}}, False),
    ("kms:EncryptionContextKeys", {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["lifeboat"]}}, True),
    ("kms:ViaService", {"StringEquals": {"kms:ViaService": "rds.eu-west-1.amazonaws.com"}}, False),
    ("kms:CallerAccount", {"StringEquals": {"kms:CallerAccount": BACKUP}}, True),
    ("kms:ResourceAliases", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/lifeboat"}}, True),
    ("kms:RequestAlias", {"StringEquals": {"kms:RequestAlias": "alias/lifeboat"}}, False),
]


@pytest.mark.parametrize(("block", "allowed"), [case[1:] for case in CONDITIONS], ids=[case[0] for case in CONDITIONS])
def test_a_key_s_condition_keys(cloud, root, key, code, block, allowed):
    root.create_alias(AliasName="alias/lifeboat", TargetKeyId=key)
    ann = cloud.client("kms", cloud.user(BACKUP, "ann", allow("kms:Encrypt", Condition=block)))
    assert code(encrypt, ann, key) == ("" if allowed else "AccessDeniedException")


def test_a_key_by_its_alias(cloud, root, key, code):
    root.create_alias(AliasName="alias/lifeboat", TargetKeyId=key)
    by_alias = {"StringEquals": {"kms:RequestAlias": "alias/lifeboat"}}
    ann = cloud.client("kms", cloud.user(BACKUP, "ann", allow("kms:Encrypt", Condition=by_alias)))
    encrypt(ann, "alias/lifeboat")
    assert code(encrypt, ann, key) == "AccessDeniedException"
    assert code(encrypt, ann, "alias/none") == "NotFoundException"


def test_a_grant_allows_what_it_names(cloud, root, key, code):
    ann_key = cloud.user(BACKUP, "ann")
    ann = cloud.client("kms", ann_key)
    assert code(encrypt, ann, key) == "AccessDeniedException"
    grant = {"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{BACKUP}:user/ann", "Operations": ["Encrypt"]}
    made = root.create_grant(**grant, Constraints={"EncryptionContextEquals": CONTEXT})
    blob = encrypt(ann, key)
    assert code(ann.encrypt, KeyId=key, Plaintext=b"x") == "AccessDeniedException"
    assert code(ann.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == "AccessDeniedException"
    root.revoke_grant(KeyId=key, GrantId=made["GrantId"])
    assert code(encrypt, ann, key) == "AccessDeniedException"


def test_an_alias_is_a_resource_beside_its_key(cloud, root, key, code):
    root.create_alias(AliasName="alias/lifeboat", TargetKeyId=key)
    on_alias = allow("kms:*", f"arn:aws:kms:{REGION}:{BACKUP}:alias/*")
    ann = cloud.client("kms", cloud.user(BACKUP, "ann", on_alias))
    assert code(ann.delete_alias, AliasName="alias/lifeboat") == "AccessDeniedException"
    bob = cloud.client("kms", cloud.user(BACKUP, "bob", on_alias, allow("kms:DeleteAlias", key)))
    bob.delete_alias(AliasName="alias/lifeboat")


def test_a_service_s_own_key_is_for_its_service(cloud, root, code):
    metadata = root.describe_key(KeyId="alias/aws/rds")["KeyMetadata"]
    assert metadata["KeyManager"] == "AWS"
    assert code(encrypt, root, metadata["Arn"]) == "AccessDeniedException"
    assert code(root.disable_key, KeyId=metadata["Arn"]) == "AccessDeniedException"


def test_keys_are_their_account_s_and_region_s(cloud, root, key, code):
    other = cloud.client("kms", cloud.roots[SOURCE])
    assert other.list_keys()["Keys"] == []
    assert code(other.describe_key, KeyId=key.rpartition("/")[2]) == "NotFoundException"
    assert code(other.describe_key, KeyId=key) == "AccessDeniedException"
    elsewhere = cloud.client("kms", cloud.roots[BACKUP], region="eu-central-1")
    assert code(elsewhere.describe_key, KeyId=key) == "NotFoundException"


def test_a_deny_on_the_key_stops_the_root(root, key, code):
    guarded = whole(BACKUP, deny(["kms:ScheduleKeyDeletion", "kms:DisableKey"], Principal="*"))
    root.put_key_policy(KeyId=key, Policy=guarded)
    assert code(root.schedule_key_deletion, KeyId=key) == "AccessDeniedException"
    assert code(root.disable_key, KeyId=key) == "AccessDeniedException"


def test_rotation_is_read_back(root, key):
    assert root.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    root.enable_key_rotation(KeyId=key, RotationPeriodInDays=200)
    status = root.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 200)
