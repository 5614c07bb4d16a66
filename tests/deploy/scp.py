"""The service control policy: what an administrator of the backup account must not do beside it, and what is harmless."""

from iam import Caller, decide
from policies import dictionary
from template import BACKUP, REGION
from world import EVERYTHING

PREFIX = f"arn:aws:{{}}:{REGION}:{BACKUP}:"
# Service, kind of resource in AWS's dictionary, one of lifeboat's.
GUARDED = [
    ("cloudformation", "stack", PREFIX.format("cloudformation") + "stack/lifeboat-backup/0a1b"),
    ("secretsmanager", "Secret", PREFIX.format("secretsmanager") + "secret:lifeboat/config-AbCdEf"),
    ("scheduler", "schedule", PREFIX.format("scheduler") + "schedule/default/lifeboat-prove"),
    ("ecr", "repository", PREFIX.format("ecr") + "repository/lifeboat"),
    ("events", "rule-on-default-event-bus", PREFIX.format("events") + "rule/lifeboat-entry"),
    ("sns", "topic", PREFIX.format("sns") + "lifeboat-alarms"),
    ("cloudwatch", "alarm", PREFIX.format("cloudwatch") + "alarm:lifeboat-prove-is-silent"),
    ("cloudtrail", "trail", PREFIX.format("cloudtrail") + "trail/lifeboat"),
    ("iam", "role", f"arn:aws:iam::{BACKUP}:role/lifeboat-expire"),
]
# Of all that changes one of these, what the policy leaves to an administrator, and why it may.
HARMLESS = {
    "cloudformation": {
        # Asked of a handler's own token; tags decide nothing here.
        "RecordHandlerProgress", "TagResource", "UntagResource",
    },
    "secretsmanager": {
        # Refused by AWS where there is one; a check; tags.
        "CreateSecret", "ValidateResourcePolicy", "TagResource", "UntagResource",
    },
    "scheduler": set(),
    "ecr": {
        # Layers are no image, which PutImage makes of them; tasks name theirs by digest.
        "CompleteLayerUpload", "InitiateLayerUpload", "UploadLayerPart", "CreateRepository", "ReplicateImage",
        "StartImageScan", "StartLifecyclePolicyPreview", "TagResource", "UntagResource",
    },
    "events": {"EnableRule", "TagResource", "UntagResource"},
    "sns": {
        # More mails, never fewer. A subscription of one's own takes away nobody else's.
        "ConfirmSubscription", "CreateTopic", "Publish", "Subscribe", "TagResource", "UntagResource",
    },
    "cloudwatch": {"EnableAlarmActions", "TagResource", "UntagResource"},
    "cloudtrail": {"AddTags", "CreateTrail", "RemoveTags", "StartLogging"},
    "iam": {
        # Service-linked roles are named by AWS; tags and texts decide nothing.
        "CreateServiceLinkedRole", "DeleteServiceLinkedRole", "TagRole", "UntagRole", "UpdateRoleDescription",
    },
}  # fmt: skip
READING = ("Read", "List")
# What the dictionary gives no resource, so that the policy says it of all.
OF_ALL = ["sns:Unsubscribe", "ecs:RegisterTaskDefinition", "cloudwatch:PutAlarmMuteRule"]
METRIC = {"cloudwatch:namespace": "lifeboat"}


def changes():
    """Every call that changes something of lifeboat's, with its resource, but the harmless ones."""
    for service, kind, resource in GUARDED:
        for name, one in dictionary()[service]["privileges"].items():
            if kind in one["resource_types"] and one["access_level"] not in READING and name not in HARMLESS[service]:
                yield f"{service}:{name}", resource


def reads():
    for service, kind, resource in GUARDED:
        for name, one in dictionary()[service]["privileges"].items():
            if kind in one["resource_types"] and one["access_level"] in READING:
                yield f"{service}:{name}", resource


def may(statements, name, action, resource, given=None, account=BACKUP):
    """Whether it is allowed to whom the account itself allows all: as if no bucket, key or trust policy were in the
    way."""
    open_door = [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "*", "Resource": "*"}]
    caller = Caller(f"arn:aws:iam::{account}:{name}", EVERYTHING + statements)
    return decide(caller, action, resource, account, open_door, given)


ANYBODY = [
    "role/Administrator", "role/OrganizationAccountAccessRole", "user/somebody", "root", "role/lifeboat-prove",
    # Somebody else's role of that name.
    "role/path/lifeboat-break-glass",
]  # fmt: skip


def only_break_glass(bucket, key, copy):
    """(action, resource) that break-glass may, and nobody else."""
    yield from changes()
    yield from ((action, "*") for action in OF_ALL)
    for action in ("PutBucketPolicy", "DeleteBucketPolicy", "PutLifecycleConfiguration", "PutReplicationConfiguration", "PutEncryptionConfiguration"):
        yield f"s3:{action}", bucket
    yield "kms:PutKeyPolicy", key
    for action in ("ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute", "RemoveTagsFromResource"):
        yield f"rds:{action}", copy


def nobodys(part, key, copy):
    for action in ("BypassGovernanceRetention", "DeleteObjectVersion", "PutObjectLegalHold"):
        yield f"s3:{action}", part
    for action in ("ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial"):
        yield f"kms:{action}", key
    for action in ("account:CloseAccount", "account:DisableRegion", "organizations:LeaveOrganization"):
        yield action, "*"
    for action in ("DeleteDBSnapshot", "DeleteDBClusterSnapshot"):
        yield f"rds:{action}", copy


def attacks(statements, part, bucket, key, copy, anybody=ANYBODY):
    """Those that succeed beside these statements, as (who, action)."""
    found = set()
    for action, resource in only_break_glass(bucket, key, copy):
        found.update((who, action) for who in anybody if may(statements, who, action, resource))
    for action, resource in nobodys(part, key, copy):
        everybody = [*anybody, "role/lifeboat-break-glass", "role/path/lifeboat-expire"]
        found.update((who, action) for who in everybody if may(statements, who, action, resource))
    speakers = [who for who in anybody if who != "role/lifeboat-prove"] + ["role/lifeboat-break-glass"]
    found.update((who, "PutMetricData") for who in speakers if may(statements, who, "cloudwatch:PutMetricData", "*", METRIC))
    return found


def needs(bucket, key, copy):
    """What must stay possible: who, what, to what, with which keys of the request."""
    for action, resource in only_break_glass(bucket, key, copy):
        yield "role/lifeboat-break-glass", action, resource, None
    for action, resource in reads():
        yield "role/Administrator", action, resource, None
    role = f"arn:aws:iam::{BACKUP}:role/lifeboat-{{}}"
    yield "role/lifeboat-expire", "rds:DeleteDBSnapshot", copy, None
    yield "role/lifeboat-scheduler", "iam:PassRole", role.format("prove"), None
    yield "user/somebody", "sts:AssumeRole", role.format("break-glass"), None
    yield "role/lifeboat-prove", "cloudwatch:PutMetricData", "*", METRIC
    yield "role/Administrator", "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "web"}
    # Nothing of theirs, though it is in the same account.
    for service, resource in [
        ("cloudformation:UpdateStack", "stack/StackSet-landing-zone/1"), ("events:DisableRule", "rule/landing-zone"),
        ("secretsmanager:PutSecretValue", "secret:other"), ("sns:SetTopicAttributes", "other"),
        ("cloudwatch:DeleteAlarms", "alarm:other"), ("ecr:PutImage", "repository/other"),
        ("scheduler:UpdateSchedule", "schedule/default/other"),
    ]:  # fmt: skip
        yield "role/Administrator", service, PREFIX.format(service.split(":")[0]) + resource, None


