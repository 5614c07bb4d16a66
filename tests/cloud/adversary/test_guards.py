"""Each guard of the templates, taken out: an attack that was refused succeeds."""

from dataclasses import dataclass

import pytest

from .. import template
from ..conftest import allow
from .accounts import BACKUP_TEMPLATE, SOURCE, SOURCE_TEMPLATE, Accounts, copy_arn
from .attacks import ATTACKS

TEMPLATES = {"backup": BACKUP_TEMPLATE, "source": SOURCE_TEMPLATE}


@dataclass
class Shows:
    """The attack that succeeds without the guard, and who makes it. `behind` are guards that would stand in its way as
    well: with them taken out it is this one alone that refuses. `add` are statements that somebody may add."""

    what: str
    who: str
    behind: tuple = ()
    add: tuple = ()


@dataclass
class Default:
    """AWS does the same where nothing is said: the attack fails without it, too. Said for who reads the template."""

    what: str
    who: str


@dataclass
class NoCall:
    """Nothing here can meet it."""

    why: str


def grants(role, who):
    """RDS makes grants for itself on the role's behalf. Against all others are three, each of which suffices."""
    through_rds, to_services = f"{role}/StringEquals", f"{role}/Bool"
    of_the_key = "backup:SnapshotKey/OnlyAwsServicesAreGranted"
    return {
        through_rds: Shows("grant production the snapshot key", who, (to_services, of_the_key)),
        to_services: Shows("grant production the snapshot key", who, (through_rds, of_the_key)),
    }


def trusts_tasks(role, name):
    guard, by_task = f"{role}/TasksOfThisAccount", f"become {name} by a task"
    return {
        f"{guard}/StringEquals": Shows(f"{by_task} of another account", "stranger"),
        f"{guard}/ArnLike": Shows(f"{by_task} whose ARN is another account's", "stranger"),
    }


def trusts_nightly(role, name):
    return {
        f"backup:{role}/TheSourcesNightly/ArnEquals": Shows(f"become {name} with the right ExternalId", "production"),
        f"backup:{role}/TheSourcesNightly/StringEquals": Shows(f"become {name} with a wrong ExternalId", "nightly"),
    }


def key(resource, name):
    return {
        f"backup:{resource}/OnlyBreakGlassChangesTheKey": Shows(f"rewrite the policy of the {name} key", "administrator"),
        f"backup:{resource}/NobodyDeletesTheKey": Shows(f"schedule the deletion of the {name} key", "administrator"),
    }  # fmt: skip


ANYBODY_MAY_READ = allow("s3:GetObject*", "arn:aws:s3:::example-backup-bucket/*", Principal={"AWS": SOURCE})
BREAK_GLASS_MAY_DELETE = allow("rds:DeleteDBSnapshot", copy_arn("*"))
GRANT_OF_NIGHTLY = ("source:NightlyRole/LetRdsGrantItself/StringEquals", "source:NightlyRole/LetRdsGrantItself/Bool")

GUARDS = {
    # ---- the bucket
    "backup:Bucket/ObjectLockConfiguration": Shows("add a part without a lock", "exporter"),
    # Either of the two switches Object Lock on, and with it versioning.
    "backup:Bucket/ObjectLockEnabled": Shows("suspend versioning", "break-glass", ("backup:Bucket/ObjectLockConfiguration",)),
    "backup:Bucket/VersioningConfiguration": Default("suspend versioning", "break-glass"),
    "backup:Bucket/OwnershipControls": Default("make the bucket public by its ACL", "break-glass"),
    "backup:Bucket/PublicAccessBlockConfiguration": Default("let everybody in", "break-glass"),
    "backup:Bucket/BucketEncryption": NoCall("SSE-S3 is what S3 does; it keeps a default under a KMS key out"),
    # ---- its policy
    "backup:BucketPolicy/OnlyTls": Shows("speak without TLS", "exporter"),
    # Nothing lets another account in: it holds should somebody add that.
    "backup:BucketPolicy/OnlyThisAccount": Shows("read rows", "production", add=(("BucketPolicy", ANYBODY_MAY_READ),)),
    "backup:BucketPolicy/NobodyDeletesOrUnlocks": Shows("hide manifest behind a delete marker", "administrator"),
    "backup:BucketPolicy/NobodyReplicatesInto": NoCall("only S3's replication asks; judged in tests/deploy"),
    "backup:BucketPolicy/NothingOnTopOfAnObject": Shows("overwrite manifest", "exporter"),
    "backup:BucketPolicy/NoCustomerKeys": Shows("add a part under a key of one's own", "exporter"),
    "backup:BucketPolicy/NoKmsKeys": Shows("add a part under a KMS key", "exporter"),
    "backup:BucketPolicy/OnlyComplianceLocks": Shows("add a part under governance", "exporter"),
    "backup:BucketPolicy/NoShortLocks": Shows("add a record locked for a day", "exporter"),
    "backup:BucketPolicy/NoEndlessLocks": Shows("extend a lock to ten years", "prove"),
    # The exporter's cap stands in its own policy and in the bucket's.
    "backup:BucketPolicy/TheExporterLocksDailyOnly": Shows("extend a manifest's lock beyond the daily tier", "exporter", ("backup:ExporterRole/LockDailyOnly",)),
    "backup:BucketPolicy/TheExporterLocksPartsForReuse": Shows("extend a lock beyond the daily tier", "exporter", ("backup:ExporterRole/LockDailyOnly",)),
    "backup:ExporterRole/LockDailyOnly": Shows("add a part locked beyond the daily tier", "exporter", ("backup:BucketPolicy/TheExporterLocksPartsForReuse",)),
    "backup:BucketPolicy/OnlyTheExporterExports": Shows("plant a record of a copy", "break-glass"),
    "backup:BucketPolicy/OnlyProveAttests": Shows("plant an attestation", "break-glass"),
    "backup:BucketPolicy/OnlyBreakGlassAddsElse": Shows("plant an announcement of a key", "administrator"),
    "backup:BucketPolicy/OnlyBreakGlassConfigures": Shows("let everything expire tomorrow", "administrator"),
    # ---- keys
    **key("SnapshotKey", "snapshot"),
    **key("IdentityKey", "identity"),
    **key("AttestationKey", "attestation"),
    "backup:SnapshotKey/OnlyAwsServicesAreGranted": Shows("grant production the snapshot key", "administrator"),
    "backup:SnapshotKey/TheSourceLooks/ArnEquals": Shows("look at the snapshot key", "production"),
    "backup:SnapshotKey/TheSourceReencrypts/StringEquals": Shows("encrypt under the snapshot key", "owned"),
    "backup:SnapshotKey/TheSourceReencrypts/ArnEquals": Shows("encrypt under the snapshot key", "production", ("backup:SnapshotKey/TheSourceReencrypts/StringEquals",)),
    "backup:SnapshotKey/TheSourceLetsRdsGrantItself/ArnEquals": Shows("use the snapshot key for storage", "production", ("backup:SnapshotKey/TheSourceLooks/ArnEquals",)),
    **grants("backup:SnapshotKey/TheSourceLetsRdsGrantItself", "owned"),
    "backup:IdentityKey/OnlyProveAndRestoreOpen": Shows("open an identity", "administrator"),
    "backup:IdentityKey/OnlyBreakGlassWraps": Shows("wrap an identity of one's own under the identity key", "administrator"),
    "backup:IdentityKey/NobodyGrants": Shows("grant production the identity key", "administrator"),
    "backup:AttestationKey/OnlyProveSigns": Shows("sign with the attestation key", "administrator"),
    "backup:AttestationKey/NobodyGrants": Shows("grant production the attestation key", "administrator"),
    # ---- roles that the source account assumes
    **trusts_nightly("ExporterRole", "exporter"),
    **trusts_nightly("SnapshotRole", "snapshot"),
    "backup:SnapshotRole/Tag/ForAllValues:StringLike": Shows("copy with the tag owner", "snapshot"),
    "backup:SnapshotRole/NotTheTagsOfOthers": Shows("copy with the tag lifeboat:verified", "snapshot"),
    "backup:SnapshotRole/OnlyAtCreation": Shows("tag a copy lifeboat:source", "snapshot"),
    "backup:SnapshotRole/EncryptByRds/StringEquals": Shows("encrypt under the snapshot key", "snapshot"),
    "backup:SnapshotRole/DecryptByRds/StringEquals": Shows("open with production's key", "snapshot"),
    **grants("backup:SnapshotRole/LetRdsGrantItself", "snapshot"),
    # ---- roles of schedules and of people
    **trusts_tasks("backup:ProveRole", "prove"),
    **trusts_tasks("backup:ExpireRole", "expire"),
    "backup:ProveRole/SayThatACopyIsSound/ForAllValues:StringEquals": Shows("tag a copy lifeboat:managed", "prove"),
    "backup:ProveRole/Metric/StringEquals": Shows("put a metric that is not lifeboat's", "prove"),
    "backup:ProveRole/NeverInPublic": Shows("drill in public", "prove"),
    "backup:ProveRole/RunAndRemoveDrills/StringEquals": Shows("delete an instance that only has a drill's name", "prove"),
    "backup:ProveRole/TagDrills/ForAllValues:StringLike": Shows("give a spare a tag of people's", "prove"),
    "backup:ProveRole/NotWhatPeopleTookOver": Shows("take back an instance that people took over", "prove"),
    "backup:ProveRole/NotWhatIsKept": Shows("switch off a spare's protection", "prove"),
    "backup:ProveRole/DecryptByRds/StringEquals": Shows("encrypt under the snapshot key", "prove"),
    **grants("backup:ProveRole/LetRdsGrantItself", "prove"),
    "backup:ExpireRole/Delete/StringEquals": Shows("delete a snapshot that lifeboat did not tag", "expire"),
    "backup:ExpireRole/ButNothingHeld": Shows("delete a copy that is held", "expire"),
    "backup:RestoreRole/PeopleWithMfa/Bool": Shows("become restore plainly", "person"),
    "backup:RestoreRole/PeopleWithMfa/StringEquals": Shows("become restore with MFA through another region", "person"),
    "backup:RestoreRole/NotByTheNamesOfDrills": Shows("restore a copy under a drill's name", "restore"),
    "backup:RestoreRole/HoldCopies/ForAllValues:StringEquals": Shows("tag a copy lifeboat:verified", "restore"),
    "backup:RestoreRole/DecryptByRds/StringEquals": Shows("encrypt under the snapshot key", "restore"),
    **grants("backup:RestoreRole/LetRdsGrantItself", "restore"),
    "backup:BreakGlassRole/PeopleWithMfa/Bool": Shows("become break-glass plainly", "person"),
    "backup:BreakGlassRole/PeopleWithMfa/StringEquals": Shows("become break-glass with MFA through another region", "person"),
    "backup:BreakGlassRole/PassItself/StringEquals": Shows("replicate elsewhere as break-glass", "break-glass"),
    "backup:BreakGlassRole/PassTasksTheirRoles/StringEquals": Shows("replicate elsewhere as prove", "break-glass"),
    "backup:BreakGlassRole/PassSchedulesTheirRole/StringEquals": Shows("replicate elsewhere as scheduler", "break-glass"),
    # Nothing allows it what this denies: it holds when somebody comes to allow that.
    "backup:BreakGlassRole/NotByAccident": Shows("delete a copy", "break-glass", add=(("BreakGlassRole", BREAK_GLASS_MAY_DELETE),)),
    # ---- the source account: against mistakes, and thieves of less than everything
    "source:SigningKey/OnlyNightlySigns": Shows("sign manifests", "production"),
    "source:SigningKey/NobodyGrants": Shows("grant the signing key to oneself", "production"),
    **trusts_tasks("source:NightlyRole", "nightly"),
    **trusts_tasks("source:ExecutionRole", "nightly-execution"),
    "source:NightlyRole/Tag/ForAllValues:StringLike": Shows("tag an intermediate with something else", "nightly"),
    "source:NightlyRole/Metric/StringEquals": Shows("put a metric that is not lifeboat's", "nightly"),
    "source:NightlyRole/ReencryptByRds/StringEquals": Shows("encrypt under production's key", "nightly"),
    GRANT_OF_NIGHTLY[0]: Shows("grant production's key to oneself", "nightly", GRANT_OF_NIGHTLY[1:]),
    GRANT_OF_NIGHTLY[1]: Shows("grant production's key to oneself", "nightly", GRANT_OF_NIGHTLY[:1]),
    "source:NightlyExpireRole/Nightly/ArnEquals": Shows("become nightly-expire", "production"),
    "source:NightlyExpireRole/Delete/StringEquals": Shows("delete a snapshot of production's that lifeboat did not tag", "nightly-expire"),
    "source:SchedulerRole/SchedulesOfThisAccount/StringEquals": Shows("become scheduler by a task of another account", "stranger"),
    "source:SchedulerRole/Run/ArnEquals": NoCall("ECS is not served here; judged in tests/deploy"),
    "source:SchedulerRole/PassTheTasksRoles/StringEquals": NoCall("ECS is not served here; judged in tests/deploy"),
}  # fmt: skip

# Of a bucket; its lifecycle is no guard but the one thing that deletes.
GUARDING = (
    "ObjectLockConfiguration", "ObjectLockEnabled", "VersioningConfiguration", "OwnershipControls",
    "PublicAccessBlockConfiguration", "BucketEncryption",
)  # fmt: skip
WITH_POLICIES = ("AWS::S3::BucketPolicy", "AWS::KMS::Key", "AWS::IAM::Role")


def guards_of(name, path):
    """Each Deny, each operator of a condition under which something is allowed, each setting of the bucket."""
    for resource, entry in template.parse(path.read_text())["Resources"].items():
        if entry["Type"] == "AWS::S3::Bucket":
            yield from (f"{name}:{resource}/{key}" for key in entry["Properties"] if key in GUARDING)
        if entry["Type"] not in WITH_POLICIES:
            continue
        for statement in template.statements(entry):
            if statement["Effect"] == "Deny":
                yield f"{name}:{resource}/{statement['Sid']}"
            else:
                yield from (f"{name}:{resource}/{statement['Sid']}/{op}" for op in statement.get("Condition", {}))


def test_no_guard_is_without_its_attack():
    assert sorted(GUARDS) == sorted(guard for name, path in TEMPLATES.items() for guard in guards_of(name, path))
    for proof in GUARDS.values():
        if not isinstance(proof, NoCall):
            # With all guards in place it is refused: test_adversary.py.
            assert proof.who in ATTACKS[proof.what].by or proof.add, proof


def outcome(aws, proof, *removed):
    """How the attack ends in fresh accounts."""
    taken = [(f"{name}-account", part) for name, _, part in (guard.partition(":") for guard in removed)]
    accounts = Accounts(aws, taken, getattr(proof, "add", ()), read_back=False)
    return ATTACKS[proof.what].outcome(accounts, proof.who)


@pytest.mark.parametrize("guard", [guard for guard, proof in GUARDS.items() if isinstance(proof, Shows)])
def test_without_it_an_attack_succeeds(aws, guard):
    proof = GUARDS[guard]
    if proof.behind or proof.add:
        assert outcome(aws, proof, *proof.behind) == ATTACKS[proof.what].refusal(proof.who)
    assert outcome(aws, proof, guard, *proof.behind) == ""


@pytest.mark.parametrize("guard", [guard for guard, proof in GUARDS.items() if isinstance(proof, Default)])
def test_without_it_aws_does_the_same(aws, guard):
    proof = GUARDS[guard]
    assert outcome(aws, proof, guard) == ATTACKS[proof.what].refusal(proof.who)
