"""The two accounts as the templates make them, who acts in them, and what there is to destroy."""

import functools
import json
from datetime import timedelta
from pathlib import Path

from .. import clock, template
from ..conftest import allow, document

REPOSITORY = Path(__file__).resolve().parents[3]
BACKUP_TEMPLATE, SOURCE_TEMPLATE = (REPOSITORY / f"deploy/aws/{name}-account.yaml" for name in ("backup", "source"))
BACKUP, SOURCE, STRANGER = "111122223333", "222233334444", "333344445555"
REGION = "eu-central-1"
BUCKET, PREFIX = "example-backup-bucket", "prod/"
EXTERNAL_ID = "an-external-id-of-tests"
DAILY = 35  # DailyLockDays, and lock.daily_days
ROLES = ("exporter", "snapshot", "prove", "expire", "restore", "break-glass")
POINT = "prod/courses/20261121T020000Z-k3v9q2"
# What AWS documents for the account that copies a snapshot under one's key.
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"]
MANAGED = [{"Key": "lifeboat:managed", "Value": "true"}, {"Key": "lifeboat:source", "Value": "prod"}]


def role_arn(name, account=BACKUP):
    return f"arn:aws:iam::{account}:role/{name}"


def copy_arn(name, account=BACKUP):
    return f"arn:aws:rds:{REGION}:{account}:snapshot:{name}"


class Accounts:
    """Fresh ones. `remove` takes parts out of the templates, as (template, part); `add` puts statements in, as
    (resource, statement), into the last policy of a resource of the backup account. `parameters` are more of the backup
    account's. Without `read_back` it takes half the time."""

    def __init__(self, cloud, remove=(), add=(), read_back=True, **parameters):
        self.cloud, self.clients = cloud, {}
        cloud.control("POST", "reset")
        cloud.control("POST", "settings", {"polls": 0})
        everything = {"policies": {"all": document(allow("*"))}}
        person = {"name": "person", "policies": {"enter": document(allow("sts:AssumeRole"))}}
        made = cloud.setup(
            {"id": BACKUP, "users": [{"name": "administrator", **everything}, person]},
            {"id": SOURCE, "users": [{"name": "administrator", **everything}]},
            {"id": STRANGER, "users": [{"name": "administrator", **everything}]},
        )
        self.keys = {
            "administrator": made[BACKUP]["users"]["administrator"],
            "person": made[BACKUP]["users"]["person"],
            "production": made[SOURCE]["users"]["administrator"],
            "stranger": made[STRANGER]["users"]["administrator"],
            "root": made[BACKUP]["root"],
        }
        taken = [{part for file, part in remove if file == path.stem} for path in (BACKUP_TEMPLATE, SOURCE_TEMPLATE)]
        self.stack = {
            "account": BACKUP,
            "region": REGION,
            "stack": "lifeboat-backup",
            "template": _with(BACKUP_TEMPLATE, add),
            "parameters": {
                "SourceAccountId": SOURCE,
                "ExternalId": EXTERNAL_ID,
                "BucketName": BUCKET,
                "Prefix": PREFIX,
                "DailyLockDays": str(DAILY),
                **parameters,
            },
            "remove": sorted(taken[0]),
            "read_back": read_back,
        }
        self.outputs = cloud.control("POST", "stacks", self.stack)["outputs"]
        self.snapshot_key, self.identity_key, self.attestation_key = (
            self.outputs[f"{name}KeyArn"] for name in ("Snapshot", "Identity", "Attestation")
        )
        self.source_remove = sorted(taken[1])
        self.shared = None

    @functools.cached_property
    def source_outputs(self):
        """Of the source account's stack, which is made when somebody first needs it."""
        network = self.cloud.control("GET", f"network?account={SOURCE}&region={REGION}")
        parameters = {
            "BackupAccountId": BACKUP,
            "ExternalId": EXTERNAL_ID,
            "SnapshotKeyArn": self.snapshot_key,
            "VpcId": network["vpc"],
            "SubnetIds": network["subnets"],
        }
        stack = {"account": SOURCE, "region": REGION, "stack": "lifeboat-source", "file": str(SOURCE_TEMPLATE)}
        how = {"remove": self.source_remove, "read_back": self.stack["read_back"]}
        asked = {**stack, **how, "parameters": parameters}
        return self.cloud.control("POST", "stacks", asked)["outputs"]

    # ------------------------------------------------------------ who

    def key(self, who):
        """The credentials of whoever is named, as they come by them."""
        if who not in self.keys:
            self.keys[who] = getattr(self, "_become_" + who.replace("-", "_"))()
        return self.keys[who]

    def client(self, who, service):
        if (who, service) not in self.clients:
            self.clients[who, service] = self.cloud.client(service, self.key(who), region=REGION)
        return self.clients[who, service]

    def forget(self, who):
        """Somebody comes anew."""
        self.keys.pop(who, None)
        self.clients = {(other, service): client for (other, service), client in self.clients.items() if other != who}

    def task(self, name, account, service="ecs-tasks.amazonaws.com", **other):
        """What a task of the account gets; `other` are the account or the ARN of somebody else's task."""
        cluster = f"arn:aws:ecs:{REGION}:{account}:task/lifeboat/1"
        asked = {"role": role_arn(name, account), "service": service, "source_account": account, "source_arn": cluster}
        return self.cloud.control("POST", "session", {**asked, **other})

    def assume(self, who, name, account=BACKUP, **more):
        return self.cloud.assume(self.key(who), role_arn(name, account), **{"region": REGION, **more})

    def _become_nightly(self):
        assert self.source_outputs
        return self.task("lifeboat-nightly", SOURCE)

    def _become_owned(self):
        """lifeboat-nightly with every right that production has to give: its administrator rewrites the role."""
        assert self.source_outputs
        iam = self.client("production", "iam")
        trust = document({"Effect": "Allow", "Principal": {"AWS": SOURCE}, "Action": "sts:AssumeRole"})
        iam.update_assume_role_policy(RoleName="lifeboat-nightly", PolicyDocument=json.dumps(trust))
        rights = json.dumps(document(allow("*")))
        iam.put_role_policy(RoleName="lifeboat-nightly", PolicyName="all", PolicyDocument=rights)
        return self.assume("production", "lifeboat-nightly", SOURCE)

    def _become_nightly_expire(self):
        return self.assume("nightly", "lifeboat-nightly-expire", SOURCE)

    def _become_exporter(self):
        return self.assume("nightly", "lifeboat-exporter", ExternalId=EXTERNAL_ID)

    def _become_snapshot(self):
        return self.assume("nightly", "lifeboat-snapshot", ExternalId=EXTERNAL_ID)

    def _become_prove(self):
        return self.task("lifeboat-prove", BACKUP)

    def _become_expire(self):
        return self.task("lifeboat-expire", BACKUP)

    def _become_restore(self):
        return self.with_mfa("person", "lifeboat-restore")

    def _become_break_glass(self):
        return self.with_mfa("person", "lifeboat-break-glass")

    def with_mfa(self, who, name, **more):
        user = self.client(who, "sts").get_caller_identity()["Arn"]
        return self.assume(who, name, SerialNumber=user.replace(":user/", ":mfa/"), TokenCode="123456", **more)

    # ------------------------------------------------------------ what there is

    @functools.cached_property
    def objects(self):
        """Key and version of one of each kind, put by whom it belongs to; the real ones take their place."""
        return _Objects(self)

    @functools.cached_property
    def copy(self):
        return self.plant_copy("lifeboat-prod-20261121")

    @functools.cached_property
    def held_copy(self):
        name = self.plant_copy("lifeboat-prod-20261120")
        hold = [{"Key": "lifeboat:hold", "Value": "2027-01-01"}]
        self.client("restore", "rds").add_tags_to_resource(ResourceName=copy_arn(name), Tags=hold)
        return name

    def plant_copy(self, name, tags=MANAGED):
        """A snapshot in the backup account, made on the spot under the snapshot key."""
        rds = self.client("administrator", "rds")
        self.instance(rds, "planted", KmsKeyId=self.snapshot_key)
        rds.create_db_snapshot(DBInstanceIdentifier="planted", DBSnapshotIdentifier=name, Tags=tags)
        return name

    @staticmethod
    def instance(rds, name, **more):
        if any(one["DBInstanceIdentifier"] == name for one in rds.describe_db_instances()["DBInstances"]):
            return
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            EngineVersion="16.3",
            MasterUsername="postgres",
            MasterUserPassword="password",
            AllocatedStorage=20,
            StorageEncrypted=True,
            **more,
        )

    @functools.cached_property
    def production_key(self):
        """Under which production's storage lies; the backup account may use it, so that only its roles decide."""
        statements = [allow("kms:*", Principal={"AWS": SOURCE}), allow(USE, Principal={"AWS": BACKUP})]
        kms = self.client("production", "kms")
        return kms.create_key(Policy=json.dumps(document(*statements)))["KeyMetadata"]["Arn"]

    @functools.cached_property
    def wrapped_identity(self):
        kms = self.client("break-glass", "kms")
        return kms.encrypt(KeyId=self.identity_key, Plaintext=b"an age identity")["CiphertextBlob"]

    def put(self, who, path, days=DAILY, mode="COMPLIANCE", **more):
        """PutObject as lifeboat sends it; what differs is said."""
        asked = {"IfNoneMatch": "*", "Body": b"x", "ChecksumAlgorithm": "SHA256"}
        if days is not None:
            asked |= {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": self.in_days(days)}
        asked = {name: value for name, value in (asked | more).items() if value is not None}
        made = self.client(who, "s3").put_object(Bucket=BUCKET, Key=PREFIX + path, **asked)
        return PREFIX + path, made["VersionId"]

    @staticmethod
    def in_days(days):
        return (clock.now() + timedelta(days=days)).replace(microsecond=0)


class _Objects:
    """Planted when they are first asked for."""

    WHERE = {
        "part": ("exporter", f"parts/{POINT}/16400/1.copy.zst.age"),
        "runbook": ("exporter", f"parts/{POINT}/RESTORE.md"),
        "script": ("exporter", f"parts/{POINT}/restore.sh"),
        "keys": ("exporter", f"parts/{POINT}/keys.json"),
        "manifest": ("exporter", f"manifests/{POINT}.json"),
        "record": ("exporter", "snapshots/prod/lifeboat-prod-20261121.json"),
        "attestation": ("prove", f"attestations/{POINT}/1.json"),
        "announcement": ("break-glass", "announcements/20261121.json"),
        "marker": ("break-glass", "lifeboat.json"),
    }

    def __init__(self, accounts):
        self._accounts = accounts
        self._known = {}

    def __getitem__(self, kind):
        if kind not in self._known:
            who, path = self.WHERE[kind]
            self._known[kind] = self._accounts.put(who, path)
        return self._known[kind]

    def __setitem__(self, kind, key_and_version):
        self._known[kind] = key_and_version


def _with(path, additions):
    """The template's text, with statements added."""
    if not additions:
        return path.read_text()
    parsed = template.parse(path.read_text())
    for resource, statement in additions:
        *_, last = template.statement_lists(parsed["Resources"][resource]["Properties"])
        last.append(statement)
    return json.dumps(parsed)
