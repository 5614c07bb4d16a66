"""A restore point whose one table has very many parts, written from src/repository/FORMAT.md.

It is made from a real one with a single part: the same part again and again, under keys of its own. Rows, sizes
and digest are those of so many parts, so even `verify --data --identity` finds it sound. Only the files for
`restore.sh` are copied as they are; lifeboat does not read them.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

# One file may not have more names than this; ext4 ends at 65,000.
LINKS = 10_000


def filtered(command, data):
    return subprocess.run([str(word) for word in command], input=data, capture_output=True, check=True).stdout


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Forge:
    def __init__(self, repository, root):
        """`root` is the repository's folder or a copy of it."""
        self.root = Path(root)
        self.identity, self.signing_key = repository.identity, repository.signing_key
        self.manifest_file = next(self.root.glob("manifests/*/*/*.json"))
        envelope = json.loads(self.manifest_file.read_text())
        self.body, self.signature = envelope["body"], envelope["signature"]

    def reference(self, key, content=None):
        """Stores `content`, if any; returns what a manifest says of the object."""
        path = self.root / key
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        content = path.read_bytes()
        return {"key": key, "version": "file", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def point(self, parts):
        """Adds the restore point; returns its id."""
        manifest = json.loads(self.body)
        old = manifest["id"]
        new = f"{old[:-6]}zzzzzz"
        table = next(table for table in manifest["tables"] if table["parts"] == 1)
        manifest["previous"] = {"id": old, "sha256": hashlib.sha256(self.body.encode()).hexdigest()}
        manifest["id"] = new
        manifest["objects"] = [self.copied(one, old, new, table["oid"], parts) for one in manifest["objects"]]
        table["list"] = self.list_of_parts(table["list"]["key"], old, new, parts)
        for field in "rows", "parts", "stored_bytes", "copy_bytes":
            table[field] *= parts
        self.sign(compact(manifest), self.manifest_file.with_name(f"{new}.json"))
        return new

    def copied(self, reference, old, new, oid, parts):
        key = reference["key"].replace(old, new)
        content = (self.root / reference["key"]).read_bytes()
        if key.endswith("/catalog.json.zst.age"):
            content = self.catalog(content, oid, parts)
        return self.reference(key, content)

    def catalog(self, sealed, oid, parts):
        """The digest is a sum over rows, so that of `parts` equal parts is a multiple."""
        plain = filtered(["zstd", "-dcq"], filtered(["age", "-d", "-i", self.identity], sealed))
        catalog = json.loads(plain)
        digest = next(table for table in catalog["tables"] if table["oid"] == oid)["digest"]
        digest["rows"] *= parts
        digest["digest"] = f"{int(digest['digest'], 16) * parts % 2**128:032x}"
        recipient = filtered(["age-keygen", "-y", self.identity], None).decode().strip()
        return filtered(["age", "-r", recipient], filtered(["zstd", "-cq"], compact(catalog).encode()))

    def list_of_parts(self, list_key, old, new, parts):
        line = json.loads(filtered(["zstd", "-dcq"], (self.root / list_key).read_bytes()))
        source = self.root / line["key"]
        folder = list_key.rpartition("/")[0].replace(old, new)
        (self.root / folder).mkdir(parents=True)
        lines = []
        for n in range(parts):
            line["key"] = f"{folder}/{n}.copy.zst.age"
            path = self.root / line["key"]
            if n % LINKS == 0:
                shutil.copy(source, path)
                linked = path
            else:
                os.link(linked, path)
            lines.append(compact(line))
        packed = filtered(["zstd", "-cq"], ("\n".join(lines) + "\n").encode())
        return self.reference(f"{folder}/parts.jsonl.zst", packed)

    def sign(self, body, path):
        key, message = self.signing_key.with_name("key.der"), self.signing_key.with_name("message")
        key.write_bytes(plain_private_key(self.signing_key.read_text()))
        message.write_text(f"lifeboat-manifest-v1\n{hashlib.sha256(body.encode()).hexdigest()}\n")
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key, "-in", message]
        signature = {**self.signature, "signature": base64.b64encode(filtered(command, None)).decode()}
        path.write_text(compact({"format": 1, "body": body, "signature": signature}))


def plain_private_key(pem):
    """OpenSSL 3 reads no PKCS #8 version 2, which holds the public key as well; version 1 has the same 32 bytes."""
    der = base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))
    seed = der[der.index(b"\x04\x22\x04\x20") + 4 :][:32]
    return bytes.fromhex("302e020100300506032b657004220420") + seed
