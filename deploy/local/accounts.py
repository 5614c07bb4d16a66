"""Two accounts in the tests' AWS, made by the templates of deploy/aws: `accounts.py ENDPOINT CREDENTIALS`.

Writes a credentials file of the AWS CLI with a profile for everybody who acts, and prints the outputs of both stacks as
shell variables. Runs with the Python of tests/cloud.
"""

import json
import secrets
import shlex
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3

TEMPLATES = Path(__file__).resolve().parents[1] / "aws"
SOURCE, BACKUP = "222233334444", "111122223333"
REGION = "eu-central-1"
BUCKET = "example-backup-bucket"
DAILY_LOCK_DAYS = 35
# What AWS documents for an account that copies a snapshot under another one's key.
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"]


class Aws:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def control(self, path, **asked):
        """What no AWS can be asked: accounts out of nothing, a template applied, the credentials of a task."""
        request = urllib.request.Request(f"{self.endpoint}/__control/{path}", json.dumps(asked).encode())
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{path}: {error.read().decode()}")

    def client(self, service, key):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            aws_session_token=key.get("session_token"),
        )

    def stack(self, account, name, template, **parameters):
        asked = {"account": account, "region": REGION, "stack": name, "file": str(TEMPLATES / template)}
        return self.control("stacks", **asked, parameters=parameters)["outputs"]

    def task(self, account, role):
        """Credentials as an ECS task gets them."""
        origin = {"source_account": account, "source_arn": f"arn:aws:ecs:{REGION}:{account}:task/lifeboat/1"}
        return self.control("session", role=role_arn(account, role), service="ecs-tasks.amazonaws.com", **origin)

    def assume(self, key, role, **more):
        asked = {"RoleArn": role_arn(BACKUP, role), "RoleSessionName": "demo", **more}
        made = self.client("sts", key).assume_role(**asked)["Credentials"]
        return {
            "access_key_id": made["AccessKeyId"],
            "secret_access_key": made["SecretAccessKey"],
            "session_token": made["SessionToken"],
        }


def role_arn(account, name):
    return f"arn:aws:iam::{account}:role/lifeboat-{name}"


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def make(aws):
    """Everybody's credentials, and what the stacks put out."""
    administrator = {"name": "administrator", "policies": {"all": document(allow("*"))}}
    person = {"name": "person", "policies": {"enter": document(allow("sts:AssumeRole"))}}
    made = aws.control(
        "setup",
        accounts=[{"id": SOURCE, "users": [administrator]}, {"id": BACKUP, "users": [administrator, person]}],
    )["accounts"]
    external_id = secrets.token_hex(16)
    backup = aws.stack(
        BACKUP,
        "lifeboat-backup",
        "backup-account.yaml",
        SourceAccountId=SOURCE,
        ExternalId=external_id,
        BucketName=BUCKET,
        DailyLockDays=str(DAILY_LOCK_DAYS),
    )
    source = aws.stack(
        SOURCE,
        "lifeboat-source",
        "source-account.yaml",
        BackupAccountId=BACKUP,
        ExternalId=external_id,
        SnapshotKeyArn=backup["SnapshotKeyArn"],
        VpcId="vpc-1",
        SubnetIds=["subnet-1", "subnet-2"],
    )
    person = made[BACKUP]["users"]["person"]
    mfa = {"SerialNumber": person["arn"].replace(":user/", ":mfa/"), "TokenCode": "123456"}
    people = {
        "production": made[SOURCE]["users"]["administrator"],
        "production-root": made[SOURCE]["root"],
        "backup-admin": made[BACKUP]["users"]["administrator"],
        "nightly": aws.task(SOURCE, "nightly"),
        "prove": aws.task(BACKUP, "prove"),
        "break-glass": aws.assume(person, "break-glass", **mfa),
        "restore": aws.assume(person, "restore", **mfa),
    }
    people["exporter"] = aws.assume(people["nightly"], "exporter", ExternalId=external_id)
    outputs = {**backup, **source, "ExternalId": external_id}
    return people, outputs


def make_instance(aws, production):
    """The database's instance; the ARN of its key, which is production's and which the backup account may use."""
    policy = document(
        allow("kms:*", Principal={"AWS": SOURCE}),
        allow(USE, Principal={"AWS": BACKUP}),
    )
    kms, rds = aws.client("kms", production), aws.client("rds", production)
    key = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    rds.create_db_instance(
        DBInstanceIdentifier="prod",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        EngineVersion="15.13",
        MasterUsername="postgres",
        MasterUserPassword=secrets.token_hex(16),
        AllocatedStorage=20,
        StorageEncrypted=True,
        KmsKeyId=key,
    )
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="prod", WaiterConfig={"Delay": 0})
    return key


def profiles(people):
    for name, key in people.items():
        yield f"[{name}]"
        for field in ("access_key_id", "secret_access_key", "session_token"):
            if key.get(field):
                yield f"aws_{field} = {key[field]}"


def main():
    endpoint, credentials = sys.argv[1:]
    aws = Aws(endpoint)
    people, outputs = make(aws)
    file = Path(credentials)
    file.touch(mode=0o600)
    file.write_text("\n".join(profiles(people)) + "\n")
    said = {
        "SOURCE_ACCOUNT": SOURCE,
        "BACKUP_ACCOUNT": BACKUP,
        "REGION": REGION,
        "BUCKET": BUCKET,
        "DATABASE_KEY": make_instance(aws, people["production"]),
        "EXTERNAL_ID": outputs["ExternalId"],
        "SIGNING_KEY": outputs["SigningKeyArn"],
        **{f"{name.upper()}_KEY": outputs[f"{name}KeyArn"] for name in ("Identity", "Snapshot", "Attestation")},
    }
    for name, value in said.items():
        print(f"{name}={shlex.quote(value)}")


main()
