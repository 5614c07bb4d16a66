"""A forged record of a copy: what a drill then makes of the copy."""

import pytest

from .accounts import BACKUP, REGION
from .copies import Copies
from .thief import RECORD, Thief, set_clock

CONFIG = """[drill]
subnet_group = "lifeboat-drill"
security_group = "{group}"

[snapshot]
poll = "1ms"

[[source]]
name = "prod"
host = "prod.example.com"
instance = "prod"
databases = ["courses"]
"""
DRILL = ("drill", "--snapshot", "--source", "prod", "--config", "backup.toml")
# As lax and as expensive as a record can be.
FORGED = {
    "engine": "postgres",
    "engine_version": "16.3",
    "copy_tags_to_snapshot": True,
    "monitoring": {"interval_seconds": 0, "performance_insights": False, "log_exports": []},
    "roles": [],
    "tags": {},
    "members": [],
    "publicly_accessible": True,
    "deletion_protection": False,
    "iam_authentication": True,
    "multi_az": True,
    "port": 1433,
    "storage": {"kind": "io2", "gib": 20, "max_gib": 64000, "iops": 256000, "throughput": 4000},
    "subnet_group": {"name": "default", "vpc": "vpc-1", "subnets": []},
    "security_groups": ["sg-0open"],
    "parameter_group": {
        "name": "weak",
        "values": [
            {"name": "rds.force_ssl", "value": "0"},
            {"name": "password_encryption", "value": "md5"},
            {"name": "max_logical_replication_workers", "value": "8"},
            {"name": "shared_preload_libraries", "value": "pg_cron"},
            {"name": "work_mem", "value": "8192"},
        ],
    },
}


@pytest.fixture
def drill(exported):
    """The copy of a snapshot, and the place where prove drills it; gives a function that forges its record."""
    accounts, lifeboat = exported.accounts, exported.lifeboat
    network = accounts.cloud.control("GET", f"network?account={BACKUP}&region={REGION}")
    accounts.client("administrator", "rds").create_db_subnet_group(
        DBSubnetGroupName="lifeboat-drill", DBSubnetGroupDescription="drills", SubnetIds=network["subnets"]
    )
    group = accounts.cloud.control("POST", "security-group", {"account": BACKUP, "region": REGION, "egress": []})
    lifeboat.configure(CONFIG.format(group=group["security_group"]))
    copies = Copies(accounts, 1)
    copies.at(0, 2)
    copies.make("lifeboat-prod-1")
    set_clock(accounts, 0)
    (copy,) = lifeboat.run("prove", "snapshot", "list", "--config", "backup.toml")["copies"]
    # A drill ends when it would log in, and what was made stays to be looked at.
    for operation in ("rds:ModifyDBInstance", "rds:DeleteDBInstance", "rds:DeleteDBParameterGroup"):
        fault = {"kind": "error", "operation": operation, "code": "AccessDenied", "status": 403}
        accounts.cloud.control("POST", "faults", {**fault, "when": "before", "times": 99})
    thief = Thief(accounts, lifeboat.folder)

    def forge(**settings):
        body = {
            "format": 1,
            "repository": thief.manifest(exported.point)["repository"],
            "id": copy["id"],
            "source": "prod",
            "tool": "lifeboat",
            "kind": "instance",
            "identifier": "prod",
            "taken_at": copy["taken_at"],
            "from": copy["copy_arn"],
            "copy": copy["copy_arn"],
            "kms_key": copy["kms_key"],
            "engine": copy["engine"],
            "engine_version": copy["engine_version"],
            "allocated_gib": copy["allocated_gib"],
            "recorded_at": copy["taken_at"],
            "settings": {**FORGED, **settings},
        }
        accounts.put("exporter", f"snapshots/prod/{copy['id']}.json", Body=thief.sign(RECORD, body))

    forge.group = group["security_group"]
    return forge


def standing(accounts):
    return accounts.client("root", "rds").describe_db_instances()["DBInstances"]


def test_a_drill_takes_no_large_class_from_a_record(exported, drill):
    drill(**{"class": "db.r6g.48xlarge"})
    error = exported.lifeboat.run("prove", *DRILL, code=1)
    assert "class db.r6g.48xlarge" in error["message"] and "larger than 4xlarge" in error["message"]
    assert standing(exported.accounts) == []


def test_a_drill_takes_nothing_weak_from_a_record(exported, drill):
    accounts = exported.accounts
    drill(**{"class": "db.m6g.large"})
    exported.lifeboat.run("prove", *DRILL, code=1)
    (made,) = standing(accounts)
    assert made["DBInstanceIdentifier"].startswith("lifeboat-drill-prod-")
    assert made["DBInstanceClass"] == "db.m6g.large"
    assert made["PubliclyAccessible"] is False
    assert (made["StorageEncrypted"], made["KmsKeyId"]) == (True, accounts.snapshot_key)
    assert [one["VpcSecurityGroupId"] for one in made["VpcSecurityGroups"]] == [drill.group]
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "lifeboat-drill"
    assert (made["MultiAZ"], made["IAMDatabaseAuthenticationEnabled"]) == (False, False)
    assert made["StorageType"] in ("gp2", "gp3") and not made.get("Iops")
    (group,) = made["DBParameterGroups"]
    rds = accounts.client("root", "rds")
    values = rds.describe_db_parameters(DBParameterGroupName=group["DBParameterGroupName"])["Parameters"]
    values = {one["ParameterName"]: one.get("ParameterValue") for one in values}
    assert values["max_logical_replication_workers"] == "0"
    assert values["work_mem"] == "8192"
    assert not {"rds.force_ssl", "password_encryption", "shared_preload_libraries"} & set(values)
