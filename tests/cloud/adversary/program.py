"""The real lifeboat and a real PostgreSQL, for the accounts of a test."""

import json
import os
import secrets
import subprocess
from pathlib import Path

import pytest

from .accounts import BACKUP, BUCKET, PREFIX, REGION, REPOSITORY

# Seconds, of one call.
LONGEST = 300
NEEDED = ("LIFEBOAT_TEST_PG15", "LIFEBOAT_TEST_PG15_BIN")
SCHEMA = """
CREATE TABLE answer (id bigint PRIMARY KEY, student text NOT NULL, score numeric, handed_in timestamptz);
INSERT INTO answer SELECT i, 'student ' || i % 97, i * 0.25, '2026-02-26'::timestamptz + i * interval '1 minute'
    FROM generate_series(1, 5000) i;
CREATE TABLE course (id int PRIMARY KEY, name text UNIQUE);
INSERT INTO course VALUES (1, 'Databases'), (2, 'Backups');
ALTER TABLE answer ADD course int DEFAULT 2 REFERENCES course;
CREATE INDEX ON answer (student);
"""
ROWS = "SELECT count(*) || ' ' || md5(string_agg(t::text, '|' ORDER BY id)) FROM {} t"


def binary():
    found = Path(os.environ.get("LIFEBOAT_BIN") or REPOSITORY / "target/debug/lifeboat").absolute()
    if not found.exists():
        pytest.fail(f"{found} is missing: `cargo build`, or set LIFEBOAT_BIN")
    return found


class Databases:
    """Of this test on the server, dropped at its end."""

    def __init__(self):
        missing = [name for name in NEEDED if name not in os.environ]
        if missing:
            pytest.fail(f"{missing} are not set: deploy/local/servers.sh start pg15, then eval its `env pg15`")
        server, self.tools = (os.environ[name] for name in NEEDED)
        self.server = server.rpartition("/")[0]
        self.name = f"adversary_{secrets.token_hex(4)}"
        self.restored = f"{self.name}_restored"
        self.sql("postgres", f"CREATE DATABASE {self.name}")
        self.sql(self.name, SCHEMA)

    def url(self, name):
        return f"{self.server}/{name}"

    def sql(self, database, text):
        command = [f"{self.tools}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-f", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, database):
        return [self.sql(database, ROWS.format(table)) for table in ("answer", "course")]

    def drop(self):
        for name in (self.name, self.restored):
            self.sql("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Program:
    """lifeboat, called with the credentials of one of the accounts' roles."""

    def __init__(self, accounts, databases, folder):
        self.accounts, self.databases, self.folder = accounts, databases, folder
        self.repository = f"s3://{BUCKET}/{PREFIX.rstrip('/')}"

    def run(self, who, *arguments, code=0):
        """The result of a call that must end with this code: 0 is success, 3 success with findings."""
        key = self.accounts.key(who)
        environment = {
            "PATH": f"{self.databases.tools}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.accounts.cloud.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
            "AWS_SESSION_TOKEN": key["session_token"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [binary(), *arguments, "--json", "--quiet"]
        how = {"capture_output": True, "text": True, "check": False, "timeout": LONGEST}
        done = subprocess.run(command, env=environment, cwd=self.folder, **how)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        answer = json.loads(done.stdout)
        # One that fails as a whole has an error; of several databases each has its own, in the result.
        return answer["error"] if code == 1 and "error" in answer else answer["result"]

    def init(self):
        """By break-glass, which is the administrator of the design."""
        where = ("--repository", self.repository, "--region", REGION, "--bucket-owner", BACKUP)
        made = self.run("break-glass", "init", *where, "--config", "lifeboat.toml")
        self.trust = made["fingerprint"]
        # Not where exports are made.
        Path(made["identity"]).rename(self.folder / "offline.key")
        key = self.accounts.outputs["IdentityKeyArn"]
        self.run("break-glass", "keys", "add", "--config", "lifeboat.toml", "--kms", key)

    def export(self):
        """By the exporter; the id of the restore point."""
        source = ("--source", self.databases.url(self.databases.name))
        (exported,) = self.run("exporter", "export", "--config", "lifeboat.toml", *source)["databases"]
        return exported["id"]

    def configure(self, more):
        """What the backup account's tasks are told."""
        config = f"""[repository]
url = "{self.repository}"
trust = ["{self.trust}"]

[keys]
signing_key = "manifest-signing.pem"

[backup_account]
id = "{BACKUP}"
region = "{REGION}"

{more}
"""
        (self.folder / "backup.toml").write_text(config)

    def restore(self, point):
        """By the restore role, on a machine without configuration; KMS opens it."""
        where = ("--repository", self.repository, "--region", REGION, "--trust", self.trust)
        how = ("--create", "--verify")
        target = ("--target", self.databases.url(self.databases.restored))
        return self.run("restore", "restore", point, *where, *how, *target)
