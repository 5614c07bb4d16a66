"""Every role of lifeboat in the wrong hands, and the administrators of both accounts."""

import re
import unittest

import scp
from iam import Caller, decide, listed
from policies import dictionary, documents
from template import AWS, BACKUP, BUCKET, REGION, SOURCE
from world import (
    ANNOUNCEMENT, ATTESTATION, BY_RDS, EVERYTHING, MANIFEST, MARKER, PARTS, PROOF_RUN, RECORD, RUN, TAGGED, World, role_arn,
)

COPY, CLUSTER_COPY = "snapshot:lifeboat-prod-20261121", "cluster-snapshot:lifeboat-prod-20261121"
OTHER = "snapshot:made-by-hand"
TASK = {"aws:SourceAccount": BACKUP, "aws:SourceArn": f"arn:aws:ecs:{REGION}:{BACKUP}:task/lifeboat/1"}
FOREIGN_TASK = {"aws:SourceAccount": "999988887777", "aws:SourceArn": f"arn:aws:ecs:{REGION}:999988887777:task/x/1"}
FLEET_RULE = f"arn:aws:events:{REGION}:{SOURCE}:rule/lifeboat-fleet-ended"
MFA, NO_MFA = {"aws:MultiFactorAuthPresent": "true"}, {"aws:MultiFactorAuthPresent": "false"}
KEYS = ["SnapshotKey", "IdentityKey", "AttestationKey"]

# What takes a role from who hands it over.
SERVICES = [
    f"{name}.amazonaws.com"
    for name in ("batch", "cloudformation", "ec2", "ecs-tasks", "events", "lambda", "monitoring.rds", "s3", "scheduler")
]
# The only roles that anybody of lifeboat's hands over: as the table in docs/access.md says.
HANDED_OVER = {
    ("lifeboat-break-glass", "lifeboat-break-glass", "cloudformation.amazonaws.com"),
    ("lifeboat-break-glass", "lifeboat-scheduler", "scheduler.amazonaws.com"),
    *(
        (who, role, "ecs-tasks.amazonaws.com")
        for who in ("lifeboat-break-glass", "lifeboat-scheduler")
        for role in ("lifeboat-prove", "lifeboat-expire", "lifeboat-prove-execution")
    ),
}
# Of the source account, by its own scheduler.
HANDED_OVER_IN_SOURCE = {
    ("lifeboat-scheduler", role, "ecs-tasks.amazonaws.com")
    for role in ("lifeboat-nightly", "lifeboat-nightly-execution")
}

TO_OBJECTS = ["DeleteObject", "DeleteObjectVersion", "BypassGovernanceRetention", "PutObjectLegalHold", "UpdateObjectEncryption"]
TO_BUCKETS = [
    "PutBucketPolicy", "DeleteBucketPolicy", "PutLifecycleConfiguration", "PutBucketVersioning",
    "PutBucketObjectLockConfiguration", "PutReplicationConfiguration", "PutEncryptionConfiguration",
    "PutBucketPublicAccessBlock", "PutBucketOwnershipControls", "PutBucketAcl", "PutBucketRequestPayment",
    "PutBucketLogging", "PutBucketNotification", "PutBucketWebsite", "PutBucketTagging", "PutInventoryConfiguration",
    "PutIntelligentTieringConfiguration", "DeleteBucket",
]
TO_KEYS = ["ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy", "DisableKeyRotation", "UpdatePrimaryRegion"]
TO_COPIES = [
    "DeleteDBSnapshot", "DeleteDBClusterSnapshot", "ModifyDBSnapshotAttribute", "ModifyDBClusterSnapshotAttribute",
    "ModifyDBSnapshot", "RemoveTagsFromResource", "StartExportTask",
]


def attacks(world):
    """What must not succeed: a description, and whether it does."""
    found = {}

    def attack(who, what, succeeds):
        name = who if isinstance(who, str) else who.arn.split(":")[4] + " " + who.arn.split("/")[-1]
        if not isinstance(who, str) and who.statements is EVERYTHING:
            name += " with all rights"
        assert (name, what) not in found, (name, what)
        found[name, what] = succeeds

    roles = [world.role(f"lifeboat-{name}") for name in ("exporter", "snapshot", "prove", "expire", "restore", "break-glass")]
    exporter, snapshot, prove, expire, restore, break_glass = roles
    nightly = world.role("lifeboat-nightly", SOURCE)
    # Production's administrator can give nightly every right that production has to give.
    owned = world.widened("lifeboat-nightly", SOURCE)
    outside = [nightly, owned, world.production, world.stranger]

    # Objects and the bucket: nobody, not even with all rights in their own policies.
    for who in [*roles, *outside, world.admin]:
        for action in TO_OBJECTS:
            attack(who, f"{action} of a part", world.s3(who, action, PARTS))
        for action in ("ReplicateObject", "ReplicateDelete", "ObjectOwnerOverrideToBucketOwner"):
            attack(who, action, world.s3(who, action, PARTS))
        attack(who, "overwrite a part", world.put(who, PARTS, 35, given={"s3:if-none-match": None}))
        attack(who, "overwrite the runbook's marker", world.put(who, MARKER, 35, given={"s3:if-none-match": None}))
        attack(who, "governance lock on a part", world.extend(who, PARTS, 35, "GOVERNANCE"))
        attack(who, "lock for a hundred years", world.extend(who, PARTS, 36_500))
    for who in [*roles[:-1], *outside, world.admin]:
        for action in TO_BUCKETS:
            attack(who, action, world.s3(who, action))
        attack(who, "plant lifeboat.json", world.put(who, MARKER, 35))
        attack(who, "announce a key", world.put(who, ANNOUNCEMENT, 35))
    for who in [*roles[1:], *outside, world.admin]:
        attack(who, "plant a manifest", world.put(who, MANIFEST, 35))
        attack(who, "plant a record of a copy", world.put(who, RECORD, 35))
        attack(who, "plant the plan of a run", world.put(who, RUN, 35))
    for who in [exporter, snapshot, expire, restore, break_glass, *outside, world.admin]:
        attack(who, "plant an attestation", world.put(who, ATTESTATION, 35))
        attack(who, "plant the plan of a run of prove", world.put(who, PROOF_RUN, 35))
    attack(break_glass, "DeleteBucket", world.s3(break_glass, "DeleteBucket"))

    # The exporter, also with a policy that somebody widened.
    for who, label in [(exporter, "lifeboat-exporter"), (world.widened("lifeboat-exporter"), "widened lifeboat-exporter")]:
        attack(label, "lock for longer than the daily tier", world.extend(who, PARTS, 38))
        for kind, key in [("part", PARTS), ("manifest", MANIFEST), ("record", RECORD), ("plan", RUN)]:
            attack(label, f"put a {kind} with a longer lock", world.put(who, key, 38))
        attack(label, "lock a manifest for longer than the daily tier", world.extend(who, MANIFEST, 38))
        for kind, key in [("part", PARTS), ("manifest", MANIFEST), ("record", RECORD), ("plan", RUN)]:
            attack(label, f"put a {kind} with a lock of a day", world.put(who, key, 1))
        attack(label, "put under governance", world.put(who, PARTS, 35, "GOVERNANCE"))
        attack(label, "put under a key of its own", world.put(who, PARTS, 35, given={"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}))
        attack(label, "put under a KMS key", world.put(who, PARTS, 35, given={"s3:x-amz-server-side-encryption": "aws:kms"}))
        attack(label, "put without TLS", world.put(who, PARTS, 35, given={"aws:SecureTransport": "false"}))
        attack(label, "put elsewhere", world.put(who, f"arn:aws:s3:::{BUCKET}/prod/RESTORE.md", 35))
    attack(exporter, "read rows", world.s3(exporter, "GetObjectVersion", PARTS))
    for action in ("GetObject", "GetObjectVersion", "GetObjectRetention"):
        attack(exporter, f"{action} of prove's plan", world.s3(exporter, action, PROOF_RUN))
    attack(exporter, "open an identity", world.kms(exporter, "Decrypt", "IdentityKey"))
    for who in (snapshot, expire):
        attack(who, "read rows", world.s3(who, "GetObjectVersion", PARTS))
    # Another account, should a policy of it and one here both allow.
    outsider = Caller(role_arn(SOURCE, "lifeboat-exporter"), EVERYTHING)
    attack("source account's lifeboat-exporter", "put", world.put(outsider, PARTS, 35))

    # Keys.
    for who in [*roles[:-1], *outside, world.admin]:
        for key in KEYS:
            for action in TO_KEYS:
                if key != "AttestationKey" or action in ("ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy"):
                    attack(who, f"{action} of {key}", world.kms(who, action, key))
    for who in [break_glass, world.widened("lifeboat-break-glass")]:
        for key in KEYS:
            for action in ("ScheduleKeyDeletion", "DisableKey"):
                label = "break-glass" if who is break_glass else "widened break-glass"
                attack(label, f"{action} of {key}", world.kms(who, action, key))
    for who in [snapshot, expire, break_glass, *outside, world.admin]:
        attack(who, "Decrypt by IdentityKey", world.kms(who, "Decrypt", "IdentityKey"))
        attack(who, "ReEncryptFrom IdentityKey", world.kms(who, "ReEncryptFrom", "IdentityKey"))
        attack(who, "Sign by AttestationKey", world.kms(who, "Sign", "AttestationKey"))
    for who in [exporter, snapshot, prove, expire, restore, *outside, world.admin]:
        attack(who, "wrap an identity of its own", world.kms(who, "Encrypt", "IdentityKey"))
    for who in [*roles, *outside, world.admin]:
        for key in KEYS:
            attack(who, f"CreateGrant on {key} for itself", world.kms(who, "CreateGrant", key, given={"kms:GrantIsForAWSResource": "false"}))
            attack(who, f"CreateGrant on {key} unasked", world.kms(who, "CreateGrant", key))
        attack(who, "RevokeGrant of SnapshotKey", world.kms(who, "RevokeGrant", "SnapshotKey", given={"kms:GrantIsForAWSResource": "false"}))
        by_service = {**BY_RDS, "kms:GrantIsForAWSResource": "true"}
        for key in ("IdentityKey", "AttestationKey"):
            attack(who, f"CreateGrant on {key} through RDS", world.kms(who, "CreateGrant", key, given=by_service))
    for who in [exporter, snapshot, prove, expire, restore, *outside]:
        # Beside RDS: the key would open whatever volume they can copy.
        attack(who, "Decrypt by SnapshotKey itself", world.kms(who, "Decrypt", "SnapshotKey"))
        other = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com", "kms:GrantIsForAWSResource": "true"}
        attack(who, "CreateGrant on SnapshotKey through EC2", world.kms(who, "CreateGrant", "SnapshotKey", given=other))
    for who in (world.production, world.stranger):
        for action in ("Decrypt", "DescribeKey"):
            attack(who, f"{action} by SnapshotKey through RDS", world.kms(who, action, "SnapshotKey", given=BY_RDS))
        attack(who, "CreateGrant on SnapshotKey through RDS", world.kms(who, "CreateGrant", "SnapshotKey", given=by_service))

    # A copy under a key that somebody else can disable is none.
    for action in ("Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo"):
        attack(snapshot, f"{action} under a key of the source, through RDS", world.foreign_key(snapshot, action, given=BY_RDS))
        attack(snapshot, f"{action} under a stranger's key, through RDS", world.foreign_key(snapshot, action, "999988887777", given=BY_RDS))
    attack(snapshot, "Decrypt by a key of the source beside RDS", world.foreign_key(snapshot, "Decrypt"))

    # Snapshot copies. The account's own administrator can delete them: docs/access.md says so.
    for who in [exporter, snapshot, prove, restore, break_glass, *outside]:
        for action in TO_COPIES:
            attack(who, f"{action} of a copy", world.rds(who, action, COPY, given=TAGGED))
    for action in TO_COPIES[2:]:
        attack(expire, f"{action} of a copy", world.rds(expire, action, COPY, given=TAGGED))
    for copy in (COPY, CLUSTER_COPY):
        action = "DeleteDBSnapshot" if copy is COPY else "DeleteDBClusterSnapshot"
        attack(expire, f"{action} without the tag", world.rds(expire, action, copy))
        held = {**TAGGED, "aws:ResourceTag/lifeboat:hold": "2026"}
        attack(expire, f"{action} of one that is held", world.rds(expire, action, copy, given=held))
    attack(expire, "delete what lifeboat did not make", world.rds(expire, "DeleteDBSnapshot", OTHER, given=TAGGED))
    attack(expire, "give itself the tag", world.rds(expire, "AddTagsToResource", OTHER, given={"aws:TagKeys": ["lifeboat:managed"]}))

    def tag(who, *keys, of=COPY, **given):
        return world.rds(who, "AddTagsToResource", of, given={"aws:TagKeys": list(keys), **given})

    for key in ("lifeboat:verified", "lifeboat:hold", "lifeboat:drill"):
        attack(snapshot, f"copy with {key}", world.rds(snapshot, "CopyDBSnapshot", COPY, given={"aws:TagKeys": ["lifeboat:managed", key]}))
        attack(snapshot, f"add {key}", tag(snapshot, key))
    attack(snapshot, "add a foreign tag", tag(snapshot, "owner"))
    attack(snapshot, "retag a copy", tag(snapshot, "lifeboat:source", **TAGGED))
    attack(snapshot, "tag what lifeboat did not make", tag(snapshot, "lifeboat:managed", of=OTHER))
    attack(prove, "retag a copy", tag(prove, "lifeboat:source"))
    attack(prove, "make another snapshot expire", tag(prove, "lifeboat:managed", of=OTHER))
    attack(restore, "call a copy verified", tag(restore, "lifeboat:verified"))
    attack(restore, "retag a copy", tag(restore, "lifeboat:managed"))

    # Instances: prove has its own, and no others.
    for action in ("DeleteDBInstance", "ModifyDBInstance", "StopDBInstance"):
        attack(prove, f"{action} of an instance that people restored", world.rds(prove, action, "db:courses", given={"aws:ResourceTag/lifeboat:drill": "true"}))
        attack(prove, f"{action} of one that only has the name", world.rds(prove, action, "db:lifeboat-drill-x"))
    # What people took over, or only began to: the drill was over, and they switched protections on.
    spare, taken = "db:lifeboat-drill-prod-20261121t090000z", {"aws:ResourceTag/lifeboat:drill": "false"}
    kept = {"aws:ResourceTag/lifeboat:drill": "true", "aws:ResourceTag/lifeboat:kept": "2026-11-21T09:30:00Z"}
    for thing in (spare, spare.replace("db:", "cluster:")):
        for key in ("lifeboat:drill", "lifeboat:kept", "lifeboat:source"):
            attack(prove, f"tag {thing} {key} again", tag(prove, key, of=thing, **taken))
        attack(prove, f"give {thing} a tag of people's", tag(prove, "owner", of=thing, **kept))
        attack(prove, f"untag {thing}", world.rds(prove, "RemoveTagsFromResource", thing, given=kept))
        kind = "DBInstance" if thing == spare else "DBCluster"
        for action in (f"Delete{kind}", f"Modify{kind}", f"Stop{kind}"):
            attack(prove, f"{action} of one that people took over", world.rds(prove, action, thing, given=taken))
        attack(prove, f"switch protections of {thing} off", world.rds(prove, f"Modify{kind}", thing, given=kept))
    for group, kind in (("pg:lifeboat-drill-prod-x", "DBParameterGroup"), ("cluster-pg:lifeboat-drill-prod-x", "DBClusterParameterGroup")):
        for action in (f"Modify{kind}", f"Delete{kind}"):
            attack(prove, f"{action} that people took over", world.rds(prove, action, group, given=taken))
    # It would be prove's to tag, and then to remove.
    for action, thing in (("RestoreDBInstanceFromDBSnapshot", spare), ("CreateDBInstance", spare), ("RestoreDBClusterFromSnapshot", spare.replace("db:", "cluster:"))):
        attack(restore, f"{action} under a drill's name", world.rds(restore, action, thing))
    public = {"rds:PubliclyAccessible": "true"}
    # The alarms on silence: nobody else speaks for prove, and it for nobody else.
    for who in (exporter, snapshot, expire, restore):
        attack(who, "say that prove went well", world.put_metric(who, "lifeboat"))
    for who in (prove, nightly):
        attack(who, "put another's metric", world.put_metric(who, "production"))

    attack(prove, "a drill in public", world.rds(prove, "RestoreDBInstanceFromDBSnapshot", "db:lifeboat-drill-1", given=public))
    for who in (exporter, snapshot, expire):
        attack(who, "restore a copy", world.rds(who, "RestoreDBInstanceFromDBSnapshot", "db:x"))
    for action in ("DeleteDBInstance", "DeleteDBCluster"):
        attack(restore, action, world.rds(restore, action, "db:courses"))

    # Becoming somebody else.
    for name in ("exporter", "snapshot"):
        attack(nightly, f"become {name} with a wrong ExternalId", world.assume_by_nightly(f"lifeboat-{name}", "wrong"))
        attack(world.production, f"become {name}", world.assume(world.production, f"lifeboat-{name}", given={"sts:ExternalId": "an-external-id-of-tests"}))
        attack(world.stranger, f"become {name}", world.assume(world.stranger, f"lifeboat-{name}", given={"sts:ExternalId": "an-external-id-of-tests"}))
        attack(world.admin, f"become {name}", world.assume(world.admin, f"lifeboat-{name}", given={"sts:ExternalId": "an-external-id-of-tests"}))
    for name in ("prove", "expire", "restore", "break-glass"):
        for who in [exporter, snapshot, *outside]:
            attack(who, f"become {name}", world.assume(who, f"lifeboat-{name}", given=MFA))
    for name in ("prove", "expire", "prove-execution"):
        attack(world.admin, f"become {name}", world.assume(world.admin, f"lifeboat-{name}"))
        ecs = Caller("ecs-tasks.amazonaws.com", [])
        attack("a task of another account", f"become {name}", world.assume(ecs, f"lifeboat-{name}", given=FOREIGN_TASK))
        for key in TASK:
            attack(f"a task whose {key} is another's", f"become {name}", world.assume(ecs, f"lifeboat-{name}", given={**TASK, key: FOREIGN_TASK[key]}))
    for name in ("restore", "break-glass"):
        attack(world.admin, f"become {name} without MFA", world.assume(world.admin, f"lifeboat-{name}", given=NO_MFA))
        # No rule sees it there.
        elsewhere = {**MFA, "aws:RequestedRegion": "eu-west-1"}
        attack(world.admin, f"become {name} through another region", world.assume(world.admin, f"lifeboat-{name}", given=elsewhere))
        for who in (prove, expire):
            attack(who, f"become {name}", world.assume(who, f"lifeboat-{name}", given=NO_MFA))

    # Handing roles over, and what tasks then run with them.
    scheduler, starter = world.role("lifeboat-scheduler"), world.role("lifeboat-prove-execution")
    schedules = Caller("scheduler.amazonaws.com", [])
    attack("a schedule of another account", "become scheduler", world.assume(schedules, "lifeboat-scheduler", given={"aws:SourceAccount": "999988887777"}))
    attack("a schedule of another account", "become the source's scheduler", world.assume(schedules, "lifeboat-scheduler", SOURCE, given={"aws:SourceAccount": "999988887777"}))
    in_source = world.role("lifeboat-scheduler", SOURCE)
    fleet, ended = (world.role(f"lifeboat-fleet-{name}", SOURCE) for name in ("scheduler", "events"))
    attack("a schedule of another account", "become the fleet's scheduler", world.assume(schedules, "lifeboat-fleet-scheduler", SOURCE, given={"aws:SourceAccount": "999988887777"}))
    rules, own_rule = Caller("events.amazonaws.com", []), {"aws:SourceAccount": SOURCE, "aws:SourceArn": FLEET_RULE}
    for key, other in [("aws:SourceAccount", "999988887777"), ("aws:SourceArn", FLEET_RULE.replace("fleet-ended", "other"))]:
        attack(f"a rule whose {key} is another's", "become the fleet's events", world.assume(rules, "lifeboat-fleet-events", SOURCE, given={**own_rule, key: other}))
    for who in (*roles, nightly, in_source, fleet, ended):
        for definition in ("lifeboat-fleet", "lifeboat-collect", "other"):
            if (who, definition) not in ((fleet, "lifeboat-fleet"), (fleet, "lifeboat-collect"), (ended, "lifeboat-collect")):
                attack(who, f"submit {definition}", world.submit(who, definition))
        attack(who, "submit lifeboat-collect to another queue", world.submit(who, "lifeboat-collect", "other"))
        attack(who, "define a job", decide(who, "batch:RegisterJobDefinition", f"arn:aws:batch:{REGION}:{who.account}:job-definition/lifeboat-fleet", who.account))
    for family in ("lifeboat-prove", "other"):
        attack(in_source, f"start {family}", world.run_task(in_source, family))
    attack(in_source, "start nightly elsewhere", world.run_task(in_source, "lifeboat-nightly", "other"))
    for who in (*roles, scheduler, starter, nightly, in_source, fleet, ended):
        for account, name in world.roles:
            for service in SERVICES if account == who.account else ():
                handed = HANDED_OVER if account == BACKUP else HANDED_OVER_IN_SOURCE
                if (who.arn.split("/")[-1], name, service) not in handed:
                    attack(who, f"hand {name} to {service}", world.hand_over(who, name, service))
    for who in (*roles[:-1], starter, scheduler):
        for family in ("lifeboat-prove", "lifeboat-expire", "other"):
            if who is not scheduler or family == "other":
                attack(who, f"start {family}", world.run_task(who, family))
        attack(who, "start prove elsewhere", world.run_task(who, "lifeboat-prove", "other"))

    # Who tells people, and the log of what was done.
    alarm, trail = Caller("cloudwatch.amazonaws.com", []), Caller("cloudtrail.amazonaws.com", [])
    attack("an alarm of another account", "mail people", world.publish(alarm, {"aws:SourceAccount": "999988887777"}))
    for who in (exporter, snapshot, expire, restore, nightly, world.stranger):
        attack(who, "mail people", world.publish(who))
    foreign = {"aws:SourceArn": f"arn:aws:cloudtrail:{REGION}:999988887777:trail/lifeboat"}
    for action in ("GetBucketAcl", "PutObject"):
        given = {**foreign, "s3:x-amz-acl": "bucket-owner-full-control"}
        attack("a trail of another account", f"{action} of the log", world.trail(trail, action, given))
    for who in [*roles, *outside, world.admin]:
        for action in ("DeleteObject", "DeleteObjectVersion", "DeleteBucket"):
            attack(who, f"{action} of the log", world.trail(who, action))
        attack(who, "read the log without TLS", world.trail(who, "GetObject", {"aws:SecureTransport": "false"}))

    # The image runs with prove's rights.
    for who in outside:
        for action in ("PutImage", "BatchDeleteImage", "SetRepositoryPolicy", "BatchGetImage"):
            attack(who, action, world.ecr(who, action))
    nodes = world.widened("eks-nodes", SOURCE)
    for action in ("PutImage", "BatchDeleteImage", "SetRepositoryPolicy"):
        attack(nodes, action, world.ecr(nodes, action))
    return found


def needs(world):
    """What must succeed, or lifeboat does not work."""
    exporter, snapshot, prove = (world.role(f"lifeboat-{name}") for name in ("exporter", "snapshot", "prove"))
    expire, restore, break_glass = (world.role(f"lifeboat-{name}") for name in ("expire", "restore", "break-glass"))
    nightly, nightly_expire = world.role("lifeboat-nightly", SOURCE), world.role("lifeboat-nightly-expire", SOURCE)
    grant = {**BY_RDS, "kms:GrantIsForAWSResource": "true"}
    at_creation = {"aws:TagKeys": ["lifeboat:managed", "lifeboat:source"]}
    drill = {"aws:ResourceTag/lifeboat:drill": "true"}
    ecs = Caller("ecs-tasks.amazonaws.com", [])
    yield "exporter: part", world.put(exporter, PARTS, 36.99)
    yield "exporter: part, days counted up", world.put(exporter, PARTS, 37)
    yield "exporter: manifest", world.put(exporter, MANIFEST, 34)
    yield "exporter: manifest after a run of two days", world.put(exporter, MANIFEST, 32)
    yield "exporter: record of a copy", world.put(exporter, RECORD, 35)
    yield "exporter: plan of a run", world.put(exporter, RUN, 35)
    yield "exporter: read it", world.s3(exporter, "GetObjectVersion", RUN)
    yield "exporter: read its lock back", world.s3(exporter, "GetObjectRetention", RUN)
    yield "exporter: read the record's lock back", world.s3(exporter, "GetObjectRetention", RECORD)
    yield "exporter: mode = bucket-default", world.put(exporter, PARTS)
    yield "exporter: SSE-S3 said aloud", world.put(exporter, PARTS, 35, given={"s3:x-amz-server-side-encryption": "AES256"})
    for action in ("ListBucket", "ListBucketVersions", "GetBucketVersioning", "GetBucketObjectLockConfiguration"):
        yield f"exporter: {action}", world.s3(exporter, action)
    yield "exporter: read a lock back", world.s3(exporter, "GetObjectRetention", PARTS)
    yield "exporter: read a manifest", world.s3(exporter, "GetObjectVersion", MANIFEST)
    yield "exporter: read what a drill says", world.s3(exporter, "GetObject", ATTESTATION)
    yield "exporter: read that version of it", world.s3(exporter, "GetObjectVersion", ATTESTATION)
    for name in ("exporter", "snapshot"):
        yield f"nightly: become {name}", world.assume_by_nightly(f"lifeboat-{name}")
    yield "nightly: become nightly-expire", world.assume(nightly, "lifeboat-nightly-expire", SOURCE)
    yield "nightly: metric", world.put_metric(nightly, "lifeboat")
    yield "nightly: sign", world.kms(nightly, "Sign", "SigningKey", SOURCE)
    yield "nightly: re-encrypt", world.kms(nightly, "GenerateDataKeyWithoutPlaintext", "SnapshotKey", given=BY_RDS)
    yield "nightly: grant to RDS", world.kms(nightly, "CreateGrant", "SnapshotKey", given=grant)
    yield "nightly: look at the key", world.kms(nightly, "DescribeKey", "SnapshotKey")
    yield "nightly: copy an automated snapshot", world.rds(nightly, "CopyDBSnapshot", "snapshot:rds:prod-2026-11-21", SOURCE)
    yield "nightly: snapshot", world.rds(nightly, "CreateDBClusterSnapshot", CLUSTER_COPY, SOURCE)
    yield "nightly: share", world.rds(nightly, "ModifyDBSnapshotAttribute", COPY, SOURCE)
    yield "nightly: pull the image", world.ecr(world.widened("lifeboat-nightly-execution", SOURCE), "BatchGetImage")
    yield "Kubernetes' nodes: pull the image", world.ecr(world.widened("eks-nodes", SOURCE), "BatchGetImage")
    yield "nightly-expire: delete", world.rds(nightly_expire, "DeleteDBSnapshot", COPY, SOURCE, given=TAGGED)
    for kind in (COPY, CLUSTER_COPY):
        action = "CopyDBSnapshot" if kind is COPY else "CopyDBClusterSnapshot"
        yield f"snapshot: {action}", world.rds(snapshot, action, kind, given=at_creation)
        yield f"snapshot: tag by {action}", world.rds(snapshot, "AddTagsToResource", kind, given=at_creation)
    for action in ("Decrypt", "ReEncryptFrom"):
        yield f"snapshot: {action} what is shared", world.foreign_key(snapshot, action, given=BY_RDS)
    yield "snapshot: grant the source's key to RDS", world.foreign_key(snapshot, "CreateGrant", given=grant)
    yield "snapshot: encrypt", world.kms(snapshot, "ReEncryptTo", "SnapshotKey", given=BY_RDS)
    yield "snapshot: grant to RDS", world.kms(snapshot, "CreateGrant", "SnapshotKey", given=grant)
    for name in ("prove", "expire", "prove-execution"):
        yield f"{name}: run as a task", world.assume(ecs, f"lifeboat-{name}", given=TASK)
    schedules = Caller("scheduler.amazonaws.com", [])
    yield "scheduler: by a schedule", world.assume(schedules, "lifeboat-scheduler", given={"aws:SourceAccount": BACKUP})
    for family in ("lifeboat-prove", "lifeboat-expire"):
        yield f"scheduler: start {family}", world.run_task(world.role("lifeboat-scheduler"), family)
        yield f"break-glass: start {family}", world.run_task(break_glass, family)
    in_source = world.role("lifeboat-scheduler", SOURCE)
    yield "source's scheduler: by a schedule", world.assume(schedules, "lifeboat-scheduler", SOURCE, given={"aws:SourceAccount": SOURCE})
    yield "source's scheduler: start nightly", world.run_task(in_source, "lifeboat-nightly")
    for role in ("lifeboat-nightly", "lifeboat-nightly-execution"):
        yield f"source's scheduler: hand {role} over", world.hand_over(in_source, role, "ecs-tasks.amazonaws.com")
    tasks = {"aws:SourceAccount": SOURCE, "aws:SourceArn": f"arn:aws:ecs:{REGION}:{SOURCE}:task/AWSBatch-lifeboat-fleet-1/1"}
    for name in ("nightly", "nightly-execution"):
        yield f"{name}: run as a task of Batch", world.assume(ecs, f"lifeboat-{name}", SOURCE, given=tasks)
    yield "fleet's scheduler: by a schedule", world.assume(schedules, "lifeboat-fleet-scheduler", SOURCE, given={"aws:SourceAccount": SOURCE})
    events = Caller("events.amazonaws.com", [])
    yield "fleet's events: by the rule", world.assume(events, "lifeboat-fleet-events", SOURCE, given={"aws:SourceAccount": SOURCE, "aws:SourceArn": FLEET_RULE})
    for who, definition in [("scheduler", "lifeboat-fleet"), ("scheduler", "lifeboat-collect"), ("events", "lifeboat-collect")]:
        yield f"fleet's {who}: submit {definition}", world.submit(world.role(f"lifeboat-fleet-{who}", SOURCE), definition)
    own_trail = {"aws:SourceArn": f"arn:aws:cloudtrail:{REGION}:{BACKUP}:trail/lifeboat", "s3:x-amz-acl": "bucket-owner-full-control"}
    for action in ("GetBucketAcl", "PutObject"):
        yield f"trail: {action}", world.trail(Caller("cloudtrail.amazonaws.com", []), action, own_trail)
    yield "alarms: mail people", world.publish(Caller("cloudwatch.amazonaws.com", []), {"aws:SourceAccount": BACKUP})
    yield "rules: mail people", world.publish(Caller("events.amazonaws.com", []))
    for who, role, service in HANDED_OVER:
        yield f"{who}: hand {role} to {service}", world.hand_over(world.role(who), role, service)
    yield "prove: read rows", world.s3(prove, "GetObjectVersion", PARTS)
    yield "prove: open", world.kms(prove, "Decrypt", "IdentityKey")
    yield "prove: promote", world.extend(prove, PARTS, 402)
    yield "prove: attest", world.put(prove, ATTESTATION, 400)
    yield "prove: plan of a run", world.put(prove, PROOF_RUN, 35)
    yield "prove: read it", world.s3(prove, "GetObjectVersion", PROOF_RUN)
    yield "prove: read its lock back", world.s3(prove, "GetObjectRetention", PROOF_RUN)
    yield "prove: sign", world.kms(prove, "Sign", "AttestationKey")
    yield "prove: metric", world.put_metric(prove, "lifeboat")
    yield "prove: restore", world.rds(prove, "RestoreDBInstanceFromDBSnapshot", "db:lifeboat-drill-1", given={"rds:PubliclyAccessible": "false"})
    yield "prove: grant to RDS", world.kms(prove, "CreateGrant", "SnapshotKey", given=grant)
    yield "prove: remove a drill", world.rds(prove, "DeleteDBInstance", "db:lifeboat-drill-1", given=drill)
    # Whether or not RDS counts the tags of the request as those of the new instance.
    made = {"aws:TagKeys": ["lifeboat:drill", "lifeboat:managed", "lifeboat:source", "lifeboat:run"]}
    for there in ({}, drill):
        yield "prove: tag a new drill", world.rds(prove, "AddTagsToResource", "db:lifeboat-drill-1", given={**made, **there})
    yield "prove: set its password", world.rds(prove, "ModifyDBInstance", "db:lifeboat-drill-1", given=drill)
    yield "prove: set a cluster's password", world.rds(prove, "ModifyDBCluster", "cluster:lifeboat-drill-1", given=drill)
    yield "prove: keep it", world.rds(prove, "AddTagsToResource", "db:lifeboat-drill-1", given={"aws:TagKeys": ["lifeboat:kept"], **drill})
    kept = {**drill, "aws:ResourceTag/lifeboat:kept": "2026-11-21T09:30:00Z"}
    yield "prove: remove an older spare", world.rds(prove, "DeleteDBInstance", "db:lifeboat-drill-1", given=kept)
    for action in ("StartDBCluster", "DeleteDBCluster"):
        yield f"prove: {action} of an older spare", world.rds(prove, action, "cluster:lifeboat-drill-1", given=kept)
    yield "prove: say that it is being removed", world.rds(prove, "AddTagsToResource", "cluster:lifeboat-drill-1", given={"aws:TagKeys": ["lifeboat:kept"], **kept})
    yield "prove: set parameters", world.rds(prove, "ModifyDBParameterGroup", "pg:lifeboat-drill-1", given=drill)
    yield "restore: take a spare over", world.rds(restore, "AddTagsToResource", "db:lifeboat-drill-1", given={"aws:TagKeys": ["lifeboat:drill"], **kept})
    yield "restore: protect it", world.rds(restore, "ModifyDBInstance", "db:lifeboat-drill-1", given=kept)
    yield "prove: verified", world.rds(prove, "AddTagsToResource", COPY, given={"aws:TagKeys": ["lifeboat:verified"], **TAGGED})
    yield "expire: delete", world.rds(expire, "DeleteDBSnapshot", COPY, given=TAGGED)
    # There, and by the endpoint of no region.
    for region in (REGION, "us-east-1"):
        for name in ("restore", "break-glass"):
            here = {**MFA, "aws:RequestedRegion": region}
            yield f"{name}: become it through {region}", world.assume(world.admin, f"lifeboat-{name}", given=here)
    yield "restore: read rows", world.s3(restore, "GetObjectVersion", PARTS)
    yield "restore: open", world.kms(restore, "Decrypt", "IdentityKey")
    yield "restore: hold", world.extend(restore, PARTS, 92)
    yield "restore: hold for a few days", world.extend(restore, PARTS, 3)
    yield "restore: hold a copy", world.rds(restore, "AddTagsToResource", COPY, given={"aws:TagKeys": ["lifeboat:hold"], **TAGGED})
    yield "restore: make a cluster", world.rds(restore, "RestoreDBClusterFromSnapshot", "cluster:courses")
    yield "restore: grant to RDS", world.kms(restore, "CreateGrant", "SnapshotKey", given=grant)
    yield "break-glass: by CloudFormation", world.assume(Caller("cloudformation.amazonaws.com", []), "lifeboat-break-glass")
    yield "break-glass: init", world.put(break_glass, MARKER, 35)
    yield "break-glass: announce a key", world.put(break_glass, ANNOUNCEMENT, 400)
    readers = {"exporter": exporter, "prove": prove, "restore": restore, "break-glass": break_glass, "expire": expire}
    for name, who in readers.items():
        for kind, key in [("record of a copy", RECORD), ("announcement", ANNOUNCEMENT), ("lifeboat.json", MARKER)]:
            for action in ("GetObject", "GetObjectVersion"):
                yield f"{name}: {action} of {kind}", world.s3(who, action, key)
        yield f"{name}: GetObjectRetention of a record", world.s3(who, "GetObjectRetention", RECORD)
    yield "break-glass: keys add", world.kms(break_glass, "Encrypt", "IdentityKey")
    for action in ("PutBucketPolicy", "PutLifecycleConfiguration", "PutBucketVersioning", "PutBucketObjectLockConfiguration"):
        yield f"break-glass: {action}", world.s3(break_glass, action)
    for key in KEYS:
        yield f"break-glass: PutKeyPolicy of {key}", world.kms(break_glass, "PutKeyPolicy", key)
        # Whoever makes the first stack is an administrator, not break-glass.
        yield f"administrator: EnableKeyRotation of {key}", world.kms(world.admin, "EnableKeyRotation", key)
    root = Caller(f"arn:aws:iam::{BACKUP}:root", EVERYTHING)
    yield "root user: PutKeyPolicy, should break-glass be lost", world.kms(root, "PutKeyPolicy", "SnapshotKey")


# Guards whose absence no single call shows, because another one says the same.
SECOND_WALLS = {
    # The exporter's cap, which the bucket policy has, too.
    ("backup-account.yaml: ExporterRole/export", "LockDailyOnly"),
    # What bucket and key policies refuse, before break-glass comes to change those by mistake.
    ("backup-account.yaml: BreakGlassRole/stack", "NotByAccident"),
    # Nothing in the bucket policy lets another account in; this holds should somebody add it.
    ("backup-account.yaml: BucketPolicy", "OnlyThisAccount"),
    # That grants go to AWS services only: in the key's Deny OnlyAwsServicesAreGranted for everybody.
    ("backup-account.yaml: SnapshotKey", "TheSourceLetsRdsGrantItself", "Bool"),
    ("backup-account.yaml: SnapshotRole/copy", "LetRdsGrantItself", "Bool"),
    ("backup-account.yaml: ProveRole/drill", "LetRdsGrantItself", "Bool"),
    ("backup-account.yaml: RestoreRole/restore", "LetRdsGrantItself", "Bool"),
}


# What the bucket policy leaves to an administrator of the backup account, of all that S3 can do to
# a bucket and its objects: nothing of it removes, opens, hides or replaces a version.
HARMLESS = {
    "AbortMultipartUpload", "CreateBucket", "RestoreObject",
    # Lifecycle goes by prefix, not by tags.
    "PutObjectTagging", "PutObjectVersionTagging", "DeleteObjectTagging", "DeleteObjectVersionTagging",
    "TagResource", "UntagResource",
    # Without effect: the bucket owner is enforced, and there is no replication.
    "PutObjectAcl", "PutObjectVersionAcl", "InitiateReplication", "PauseReplication",
    # Only ever longer, and in compliance mode, and no longer than LongestLockDays.
    "PutObjectRetention",
}


class Attack(unittest.TestCase):
    maxDiff = None

    def test_nothing_succeeds(self):
        tried = attacks(World())
        self.assertGreater(len(tried), 500)
        self.assertEqual([what for what, succeeds in tried.items() if succeeds], [])

    def test_no_other_action_of_s3_is_left_to_the_administrator(self):
        world, left = World(), set()
        for name, one in dictionary()["s3"]["privileges"].items():
            for kind, resource in (("object", PARTS), ("bucket", f"arn:aws:s3:::{BUCKET}")):
                if kind in one["resource_types"] and one["access_level"] not in ("Read", "List"):
                    if world.s3(world.admin, name, resource, given={"s3:if-none-match": "*"}):
                        left.add(name)
        self.assertEqual(left, HARMLESS)

    def test_lifeboat_works(self):
        self.assertEqual([what for what, succeeds in needs(World()) if not succeeds], [])

    def test_each_guard_counts(self):
        """Taken out alone, it lets some attack through."""
        idle = []
        for guard in World().guards():
            if not any(attacks(World(without=guard)).values()):
                (document, _), *rest = guard
                idle.append((document, *rest))
        self.assertEqual(set(idle), SECOND_WALLS)


class ServiceControlPolicy(unittest.TestCase):
    """Where the account itself would allow everything."""

    maxDiff = None
    bucket, key = f"arn:aws:s3:::{BUCKET}", f"arn:aws:kms:{REGION}:{BACKUP}:key/SnapshotKey"
    copy = f"arn:aws:rds:{REGION}:{BACKUP}:{COPY}"

    def setUp(self):
        document, = (document for document in documents() if document.kind == "scp")
        self.statements = document.statements

    def attacks(self, statements, **who):
        return scp.attacks(statements, PARTS, self.bucket, self.key, self.copy, **who)

    def test_nothing_succeeds(self):
        self.assertGreater(len(list(scp.changes())), 70)
        self.assertEqual(self.attacks(self.statements), set())

    def test_lifeboat_and_the_rest_of_the_account_work(self):
        for who, action, resource, given in scp.needs(self.bucket, self.key, self.copy):
            self.assertTrue(scp.may(self.statements, who, action, resource, given), (who, action, resource))

    def test_each_deny_counts(self):
        """Each statement, each of its actions, each resource and each condition, taken out alone, lets an attack
        through, or closes what must stay open."""
        for number, statement in enumerate(self.statements):
            for part in ("Action", "Resource"):
                for one in listed(statement[part]):
                    left = [other for other in listed(statement[part]) if other != one]
                    changed = [{**statement, part: left}] if left else []
                    beside = [*self.statements[:number], *changed, *self.statements[number + 1:]]
                    with self.subTest(statement["Sid"], without=one):
                        self.assertTrue(self.attacks(beside, anybody=["role/Administrator"]))
            for operator in statement.get("Condition", {}):
                condition = {key: one for key, one in statement["Condition"].items() if key != operator}
                changed = [*self.statements[:number], {**statement, "Condition": condition}, *self.statements[number + 1:]]
                needed = scp.needs(self.bucket, self.key, self.copy)
                with self.subTest(statement["Sid"], without=operator):
                    self.assertFalse(all(scp.may(changed, *one) for one in needed))

    def test_the_page_says_of_each_whether_it_is_proven(self):
        page = (AWS.parent / "README.md").read_text()
        table = page[page.index("## The service control policy"):]
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", table, re.M), [one["Sid"] for one in self.statements])


if __name__ == "__main__":
    unittest.main()
