"""Calls that threaten backups, as CloudTrail records them, raise an alarm; lifeboat's own do not."""

import json
import unittest

from events import matches
from template import BACKUP, BUCKET, SOURCE, Template


def call(service, name, account, /, by="Administrator", **parameters):
    """An event. `by` is a role's name, or None for a user without a session."""
    identity = {"type": "IAMUser", "arn": f"arn:aws:iam::{account}:user/somebody"}
    if by:
        issuer = {"type": "Role", "userName": by, "arn": f"arn:aws:iam::{account}:role/{by}"}
        identity = {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}
    return {
        "detail-type": "AWS API Call via CloudTrail",
        "account": account,
        "detail": {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "userIdentity": identity,
            "requestParameters": parameters,
        },
    }


def rds(name, account, /, by="Administrator", **parameters):
    return call("rds", name, account, by, **parameters)


COPY = {"dBSnapshotIdentifier": "lifeboat-prod-20261121"}
BREAK_GLASS = f"arn:aws:iam::{BACKUP}:role/lifeboat-break-glass"

IN_BACKUP = {
    "lifeboat-copies": [
        rds("DeleteDBSnapshot", BACKUP, **COPY),
        rds("DeleteDBClusterSnapshot", BACKUP, by=None),
        rds("DeleteDBSnapshot", BACKUP, by="lifeboat-break-glass"),
        rds("ModifyDBSnapshotAttribute", BACKUP, by="lifeboat-expire", valuesToAdd=["all"]),
        rds("RemoveTagsFromResource", BACKUP),
        rds("StartExportTask", BACKUP),
    ],
    "lifeboat-keys": [
        call("kms", name, BACKUP, keyId="1") for name in ("ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy", "DisableKeyRotation")
    ],
    "lifeboat-bucket": [
        call("s3", name, BACKUP, bucketName=BUCKET)
        for name in (
            "PutBucketPolicy", "DeleteBucketPolicy", "PutBucketLifecycle", "PutBucketVersioning", "DeleteBucket",
            "PutBucketObjectLockConfiguration", "PutObjectLockConfiguration", "PutBucketReplication",
            "PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock", "PutBucketEncryption",
        )
    ] + [call("s3", "DeleteBucketPolicy", BACKUP, bucketName=f"lifeboat-trail-{BACKUP}")],
    "lifeboat-rights": [
        call("iam", "UpdateAssumeRolePolicy", BACKUP, roleName="lifeboat-exporter"),
        call("iam", "PutRolePolicy", BACKUP, by=None, roleName="lifeboat-expire"),
        call("iam", "CreateUser", BACKUP, userName="mallory"),
        call("iam", "CreateAccessKey", BACKUP, by=None),
    ],
    "lifeboat-entry": [
        call("sts", "AssumeRole", BACKUP, by=None, roleArn=BREAK_GLASS),
        call("sts", "AssumeRole", BACKUP, roleArn=f"arn:aws:iam::{BACKUP}:role/lifeboat-restore"),
    ],
    "lifeboat-guards": [
        call("events", "DisableRule", BACKUP, name="lifeboat-copies"),
        call("events", "RemoveTargets", BACKUP, rule="lifeboat-copies"),
        call("sns", "DeleteTopic", BACKUP, topicArn=f"arn:aws:sns:eu-central-1:{BACKUP}:lifeboat-alarms"),
        call("sns", "Unsubscribe", BACKUP, subscriptionArn=f"arn:aws:sns:eu-central-1:{BACKUP}:lifeboat-alarms:1"),
        call("monitoring", "DeleteAlarms", BACKUP, alarmNames=["x", "lifeboat-prove-is-silent"]),
        call("monitoring", "PutMetricAlarm", BACKUP, alarmName="lifeboat-prove-is-silent"),
        call("cloudtrail", "StopLogging", BACKUP, name="any"),
        call("scheduler", "DeleteSchedule", BACKUP, name="lifeboat-prove"),
        call("ecs", "RegisterTaskDefinition", BACKUP, family="lifeboat-prove"),
        call("ecs", "RunTask", BACKUP, taskDefinition="lifeboat-expire:3"),
        call("ecs", "RunTask", BACKUP, by=None, taskDefinition=f"arn:aws:ecs:eu-central-1:{BACKUP}:task-definition/lifeboat-prove:3"),
        call("ecs", "RegisterTaskDefinition", BACKUP, family="x", taskRoleArn=f"arn:aws:iam::{BACKUP}:role/lifeboat-prove"),
        # lifeboat has no Batch there.
        call("ecs", "RegisterTaskDefinition", BACKUP, by="AWSServiceRoleForBatch", family="x", taskRoleArn=f"arn:aws:iam::{BACKUP}:role/lifeboat-prove"),
        call("ecs", "RunTask", BACKUP, taskDefinition="x:1", overrides={"taskRoleArn": f"arn:aws:iam::{BACKUP}:role/lifeboat-prove"}),
        call("secretsmanager", "PutSecretValue", BACKUP, secretId="lifeboat/config"),
        call("secretsmanager", "DeleteSecret", BACKUP, secretId=f"arn:aws:secretsmanager:eu-central-1:{BACKUP}:secret:lifeboat/config-AbCdEf"),
        call("cloudformation", "DeleteStack", BACKUP, stackName=f"arn:aws:cloudformation:eu-central-1:{BACKUP}:stack/lifeboat-backup/1"),
        call("cloudformation", "UpdateStack", BACKUP, stackName="lifeboat-backup"),
        call("ecr", "PutImage", BACKUP, repositoryName="lifeboat"),
        call("logs", "DeleteLogGroup", BACKUP, logGroupName="/lifeboat/backup-account"),
    ],
    "lifeboat-account": [call("account", "CloseAccount", BACKUP), call("organizations", "LeaveOrganization", BACKUP, by=None)],
    "lifeboat-root-sign-in": [
        {"detail-type": text, "account": BACKUP, "detail": {"eventName": "ConsoleLogin", "userIdentity": {"type": "Root"}}}
        for text in ("AWS Console Sign In via CloudTrail", "AWS Console Signin via CloudTrail")
    ],
}

IN_SOURCE = {
    "lifeboat-databases": [
        rds("DeleteDBInstance", SOURCE, skipFinalSnapshot=True),
        rds("DeleteDBCluster", SOURCE, by=None),
        rds("DeleteDBInstanceAutomatedBackup", SOURCE),
        rds("ModifyDBInstance", SOURCE, deletionProtection=False),
        rds("ModifyDBInstance", SOURCE, backupRetentionPeriod=0),
        rds("ModifyDBCluster", SOURCE, deletionProtection=False),
    ],
    "lifeboat-snapshots": [
        rds("DeleteDBSnapshot", SOURCE),
        rds("DeleteDBClusterSnapshot", SOURCE, by=None),
        rds("DeleteDBSnapshot", SOURCE, by="lifeboat-nightly"),
    ],
    "lifeboat-shares": [
        rds("ModifyDBSnapshotAttribute", SOURCE, by="lifeboat-nightly", valuesToAdd=["999988887777"]),
        rds("ModifyDBSnapshotAttribute", SOURCE, by="lifeboat-nightly", valuesToAdd=[BACKUP, "999988887777"]),
        rds("ModifyDBClusterSnapshotAttribute", SOURCE, valuesToAdd=["all"]),
    ],
    "lifeboat-keys": [call("kms", "ScheduleKeyDeletion", SOURCE), call("kms", "DisableKey", SOURCE)],
    "lifeboat-roles": [call("iam", "UpdateAssumeRolePolicy", SOURCE, roleName="lifeboat-nightly")],
    "lifeboat-guards": [call("scheduler", "UpdateSchedule", SOURCE, name="lifeboat-nightly")],
    "lifeboat-tasks": [
        call("ecs", "RunTask", SOURCE, taskDefinition="lifeboat-nightly:3"),
        call("ecs", "RegisterTaskDefinition", SOURCE, by=None, family="lifeboat-nightly"),
        call("ecs", "RegisterTaskDefinition", SOURCE, family="x", taskRoleArn=f"arn:aws:iam::{SOURCE}:role/lifeboat-nightly"),
        call("ecs", "RunTask", SOURCE, taskDefinition="x:1", overrides={"taskRoleArn": f"arn:aws:iam::{SOURCE}:role/lifeboat-nightly"}),
        call("batch", "SubmitJob", SOURCE, jobName="x", jobDefinition="lifeboat-fleet"),
        call("batch", "SubmitJob", SOURCE, by=None, jobName="x", jobDefinition=f"arn:aws:batch:eu-central-1:{SOURCE}:job-definition/lifeboat-fleet:3"),
        call("batch", "RegisterJobDefinition", SOURCE, jobDefinitionName="lifeboat-fleet"),
        call("batch", "RegisterJobDefinition", SOURCE, jobDefinitionName="x", containerProperties={"jobRoleArn": f"arn:aws:iam::{SOURCE}:role/lifeboat-nightly"}),
    ],
    "lifeboat-account": [call("account", "CloseAccount", SOURCE)],
}

# A night without incident.
QUIET_IN_BACKUP = [
    rds("CopyDBSnapshot", BACKUP, by="lifeboat-snapshot", **COPY),
    rds("AddTagsToResource", BACKUP, by="lifeboat-prove"),
    rds("DeleteDBSnapshot", BACKUP, by="lifeboat-expire", **COPY),
    rds("DeleteDBInstance", BACKUP, by="lifeboat-prove"),
    call("ecs", "RunTask", BACKUP, by="lifeboat-scheduler", taskDefinition="lifeboat-prove:3"),
    call("sts", "AssumeRole", BACKUP, roleArn=f"arn:aws:iam::{BACKUP}:role/lifeboat-prove"),
    call("kms", "CreateGrant", BACKUP, by="lifeboat-prove"),
    call("logs", "CreateLogStream", BACKUP, by="lifeboat-prove-execution", logGroupName="/lifeboat/backup-account"),
]
QUIET_IN_SOURCE = [
    rds("CreateDBSnapshot", SOURCE, by="lifeboat-nightly", **COPY),
    rds("ModifyDBSnapshotAttribute", SOURCE, by="lifeboat-nightly", valuesToAdd=[BACKUP]),
    rds("ModifyDBSnapshotAttribute", SOURCE, by="lifeboat-nightly", valuesToRemove=[BACKUP]),
    rds("DeleteDBSnapshot", SOURCE, by="lifeboat-nightly-expire", **COPY),
    rds("ModifyDBInstance", SOURCE, dBInstanceClass="db.m7g.large"),
    call("monitoring", "PutMetricAlarm", SOURCE, alarmName="web-latency"),
    call("iam", "PutRolePolicy", SOURCE, roleName="web"),
    call("ecs", "RunTask", SOURCE, taskDefinition="web:7", overrides={"taskRoleArn": f"arn:aws:iam::{SOURCE}:role/web"}),
    call("batch", "SubmitJob", SOURCE, by="lifeboat-fleet-scheduler", jobName="lifeboat-fleet", jobDefinition="lifeboat-fleet:3"),
    call("batch", "SubmitJob", SOURCE, by="lifeboat-fleet-events", jobName="lifeboat-collect", jobDefinition="lifeboat-collect:3"),
    call("batch", "SubmitJob", SOURCE, jobName="web", jobDefinition="web"),
    call("ecs", "RunTask", SOURCE, by="lifeboat-scheduler", taskDefinition="lifeboat-nightly:3"),
    # Whatever Batch calls the task definitions that it makes of job definitions.
    call("ecs", "RegisterTaskDefinition", SOURCE, by="AWSServiceRoleForBatch", family="lifeboat-fleet", taskRoleArn=f"arn:aws:iam::{SOURCE}:role/lifeboat-nightly"),
    call("ecs", "RunTask", SOURCE, by="AWSServiceRoleForBatch", taskDefinition=f"arn:aws:ecs:eu-central-1:{SOURCE}:task-definition/lifeboat-fleet:3"),
    call("ecs", "RegisterTaskDefinition", SOURCE, family="web", taskRoleArn=f"arn:aws:iam::{SOURCE}:role/web"),
]


class Alarms(unittest.TestCase):
    def setUp(self):
        self.rules = {}
        for name, account in (("backup", BACKUP), ("source", SOURCE)):
            rules = Template("alarms.yaml", account, Account=name).of_type("AWS::Events::Rule").values()
            self.rules[account] = {rule["Name"]: rule for rule in rules}

    def raised(self, event):
        rules = self.rules[event["account"]]
        return {name for name, rule in rules.items() if matches(rule["EventPattern"], event)}

    def test_what_threatens_backups_raises_its_alarm(self):
        for expected in (IN_BACKUP, IN_SOURCE):
            for rule, threats in expected.items():
                for event in threats:
                    with self.subTest(event=event["detail"]):
                        self.assertIn(rule, self.raised(event))

    def test_every_rule_has_a_threat_that_raises_it(self):
        self.assertEqual(set(self.rules[BACKUP]), set(IN_BACKUP))
        self.assertEqual(set(self.rules[SOURCE]), set(IN_SOURCE) | {"lifeboat-root-sign-in"})

    def test_a_quiet_night_raises_none(self):
        for event in QUIET_IN_BACKUP + QUIET_IN_SOURCE:
            with self.subTest(event=event["detail"]):
                self.assertEqual(self.raised(event), set())

    def test_expired_copies_are_counted(self):
        rule = Template("backup-tasks.yaml", BACKUP).of_type("AWS::Events::Rule")["ExpiredCopies"]
        self.assertTrue(matches(rule["EventPattern"], rds("DeleteDBSnapshot", BACKUP, by="lifeboat-expire")))
        self.assertFalse(matches(rule["EventPattern"], rds("DeleteDBSnapshot", BACKUP)))

    def test_patterns_fit(self):
        for rules in self.rules.values():
            for name, rule in rules.items():
                self.assertLessEqual(len(json.dumps(rule["EventPattern"], separators=(",", ":"))), 2048, name)

    def test_read_only_calls_reach_the_rule_that_waits_for_them(self):
        for name, rule in self.rules[BACKUP].items():
            wanted = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" if name == "lifeboat-entry" else None
            self.assertEqual(rule.get("State"), wanted, name)


if __name__ == "__main__":
    unittest.main()
