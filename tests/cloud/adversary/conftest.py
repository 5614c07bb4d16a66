"""Clients of the server that all tests share, and nothing in it; both backups of a database, really made."""

from dataclasses import dataclass

import pytest

from ..conftest import Cloud
from .accounts import BUCKET, PREFIX, Accounts
from .program import Databases, Program
from .snapshot_copy import copy_snapshot


@pytest.fixture
def aws(server):
    """The tests' AWS; a test that asked for what it lacks fails."""
    found = Cloud(server.url)
    yield found
    unknown = found.control("GET", "unknown")
    found.control("POST", "reset")
    assert unknown == []


@dataclass
class Backups:
    """One night's: a restore point, and the copy of a snapshot."""

    accounts: Accounts
    databases: Databases
    lifeboat: Program
    point: str
    before: list  # the database's rows

    def assert_the_export_restores(self):
        self.lifeboat.restore(self.point)
        assert self.databases.rows(self.databases.restored) == self.before

    def assert_the_copy_restores(self):
        rds, copy = self.accounts.client("restore", "rds"), self.accounts.copy
        rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="courses", DBSnapshotIdentifier=copy)
        (found,) = rds.describe_db_instances(DBInstanceIdentifier="courses")["DBInstances"]
        assert (found["DBInstanceStatus"], found["KmsKeyId"]) == ("available", self.accounts.snapshot_key)
        assert (found["Engine"], found["EngineVersion"], found["AllocatedStorage"]) == ("postgres", "16.3", 20)


@pytest.fixture
def exported(aws, tmp_path):
    """A restore point, made by lifeboat's roles, as their templates let them."""
    accounts, databases = Accounts(aws), Databases()
    try:
        lifeboat = Program(accounts, databases, tmp_path)
        lifeboat.init()
        point = lifeboat.export()
        name_the_objects(accounts, point)
        yield Backups(accounts, databases, lifeboat, point, databases.rows(databases.name))
    finally:
        databases.drop()


@pytest.fixture
def backups(exported):
    """With the copy of a snapshot."""
    accounts = exported.accounts
    # With its first automated snapshot.
    accounts.instance(accounts.client("production", "rds"), "prod", KmsKeyId=accounts.production_key)
    accounts.copy = copy_snapshot(accounts)
    return exported


ENDS = {
    "part": ".copy.zst.age",
    "runbook": "/RESTORE.md",
    "script": "/restore.sh",
    "keys": "/keys.json",
    "marker": f"{PREFIX}lifeboat.json",
}


def name_the_objects(accounts, point):
    """Those of the export are what is attacked."""
    found = accounts.client("root", "s3").list_object_versions(Bucket=BUCKET)["Versions"]
    for kind, end in {**ENDS, "manifest": f"/{point}.json"}.items():
        accounts.objects[kind] = next((one["Key"], one["VersionId"]) for one in found if one["Key"].endswith(end))
