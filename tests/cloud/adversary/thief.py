"""What a thief of the source's rights makes: points and records that are signed like the true ones, and junk."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .accounts import BUCKET, PREFIX

MANIFEST, RECORD = "lifeboat-manifest-v1", "lifeboat-snapshot-v1"
DAY = 24 * 3600
SEED = bytes.fromhex("04220420")


class Thief:
    """Who has the exporter's credentials, and the signing key that `init` made."""

    def __init__(self, accounts, folder):
        self.accounts = accounts
        lines = (folder / "manifest-signing.pem").read_text().splitlines()
        der = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
        # Of PKCS #8 with the public key behind it, which the library does not read.
        seed = der.index(SEED) + len(SEED)
        self.key = Ed25519PrivateKey.from_private_bytes(der[seed : seed + 32])

    def sign(self, statement, body):
        """The envelope around a body, as FORMAT.md has it."""
        text = json.dumps(body, separators=(",", ":"))
        signed = f"{statement}\n{hashlib.sha256(text.encode()).hexdigest()}\n".encode()
        der, info = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        signature = {
            "algorithm": "ed25519",
            "public_key": _base64(self.key.public_key().public_bytes(der, info)),
            "signature": _base64(self.key.sign(signed)),
        }
        return json.dumps({"format": 1, "body": text, "signature": signature}, separators=(",", ":")).encode()

    def manifest(self, point):
        """The body of a point's manifest."""
        key, version = self.accounts.objects["manifest"]
        assert key.endswith(f"/{point}.json")
        stored = self.accounts.client("exporter", "s3").get_object(Bucket=BUCKET, Key=key, VersionId=version)
        return json.loads(json.loads(stored["Body"].read())["body"])

    def add_point(self, like, point, **changes):
        """One more point of the same database, of whatever its id says; its parts are those of `like`."""
        body = {**like, "id": point, "previous": None, **changes}
        path = self.accounts.objects["manifest"][0].removeprefix(PREFIX).rpartition("/")[0]
        self.accounts.put("exporter", f"{path}/{point}.json", Body=self.sign(MANIFEST, body))
        return point


def point_id(moment, number):
    """Of a moment, `20261121T020000Z`, and a number below 32³."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    return f"{moment}-zz" + "".join(digits[(number >> shift) & 31] for shift in (15, 10, 5, 0))


def set_clock(accounts, seconds):
    """The world's time, so far from ours. Everybody comes anew: sessions are of their time."""
    accounts.cloud.control("POST", "clock", {"offset_seconds": seconds})
    for who in [who for who in accounts.keys if who not in PERMANENT]:
        accounts.forget(who)


PERMANENT = ("administrator", "person", "production", "stranger", "root")


def _base64(data):
    return base64.b64encode(data).decode()
