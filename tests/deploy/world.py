"""The two accounts as the templates make them: who can do what to what."""

import copy

from iam import Caller, decide
from policies import documents
from template import BACKUP, BUCKET, EXTERNAL_ID, REGION, SOURCE, Template

EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
PARTS = f"arn:aws:s3:::{BUCKET}/prod/parts/prod/courses/20261121T020000Z-k3v9q2/16400/1.copy.zst.age"
MANIFEST = f"arn:aws:s3:::{BUCKET}/prod/manifests/prod/courses/20261121T020000Z-k3v9q2.json"
ATTESTATION = f"arn:aws:s3:::{BUCKET}/prod/attestations/prod/courses/20261121T020000Z-k3v9q2/1.json"
RECORD = f"arn:aws:s3:::{BUCKET}/prod/snapshots/prod/20261121T020000Z-k3v9q2.json"
ANNOUNCEMENT = f"arn:aws:s3:::{BUCKET}/prod/announcements/20261121T020000Z-k3v9q2.json"
RUN, PROOF_RUN = (f"arn:aws:s3:::{BUCKET}/prod/runs/{kind}/2026-11-21/plan.json" for kind in ("export", "prove"))
MARKER = f"arn:aws:s3:::{BUCKET}/prod/lifeboat.json"
BY_RDS = {"kms:ViaService": f"rds.{REGION}.amazonaws.com"}
TAGGED = {"aws:ResourceTag/lifeboat:managed": "true"}


def role_arn(account, name):
    return f"arn:aws:iam::{account}:role/{name}"


class World:
    """`without` leaves out one thing: (document, Sid), or (document, Sid, operator of its condition). `parameters` are
    of backup-account.yaml."""

    def __init__(self, without=None, **parameters):
        self.documents, self.roles = {}, {}
        templates = [Template("backup-account.yaml", BACKUP, **parameters)]
        templates += [Template(f"{name}.yaml", BACKUP) for name in ("backup-tasks", "alarms")]
        templates += [Template(f"{name}.yaml", SOURCE) for name in ("source-account", "fleet")]
        for document in documents(templates):
            self.documents[document.where, document.kind] = copy.deepcopy(document.statements)
        _, writes, tls, _ = self.documents["alarms.yaml: TrailBucketPolicy", "bucket"]
        self.trail_bucket = tls["Resource"][0], writes["Resource"].replace("*", "x")
        for template in templates:
            for key, role in template.of_type("AWS::IAM::Role").items():
                self.roles[template.account, role["RoleName"]] = f"{template.name}: {key}"
        if without:
            self._leave_out(*without)

    def _leave_out(self, document, sid, operator=None):
        statements = self.documents[document]
        found, = (one for one in statements if one["Sid"] == sid)
        if operator:
            del found["Condition"][operator]
        else:
            statements.remove(found)

    def guards(self):
        """Everything that stands between an attacker and a backup, as `without` takes it: each Deny of the backup
        account, each condition of what its roles are allowed, of who becomes them, and of who tells people. Of the
        source account only what hands roles to tasks or starts them; calls take out the others, in
        tests/cloud/adversary."""
        for document, statements in self.documents.items():
            if document[0].startswith("source-account") and ": SchedulerRole" not in document[0]:
                continue
            for statement in statements:
                if statement["Effect"] == "Deny":
                    yield document, statement["Sid"]
                else:
                    for operator in statement.get("Condition", {}):
                        yield document, statement["Sid"], operator

    # ---- Who ----

    def role(self, name, account=BACKUP):
        statements = [
            statement
            for (where, kind), document in self.documents.items()
            if kind == "role" and where.startswith(self.roles[account, name] + "/")
            for statement in document
        ]
        assert statements, name
        return Caller(role_arn(account, name), statements)

    @staticmethod
    def widened(name, account=BACKUP):
        """The role, had somebody given it all rights in its own policy."""
        return Caller(role_arn(account, name), EVERYTHING)

    admin = Caller(role_arn(BACKUP, "Administrator"), EVERYTHING)
    production = Caller(role_arn(SOURCE, "Administrator"), EVERYTHING)
    stranger = Caller(role_arn("999988887777", "Administrator"), EVERYTHING)

    # ---- What ----

    def s3(self, caller, action, resource=f"arn:aws:s3:::{BUCKET}", **given):
        guard = self.documents["backup-account.yaml: BucketPolicy", "bucket"]
        return decide(caller, f"s3:{action}", resource, BACKUP, guard, given.get("given"))

    def put(self, caller, resource, days=None, mode="COMPLIANCE", **given):
        """PutObject as lifeboat sends it; what differs is given with `_` for `:` of its key."""
        context = {"s3:if-none-match": "*"}
        if days is not None:
            context |= {"s3:object-lock-remaining-retention-days": days, "s3:object-lock-mode": mode}
        context |= given.get("given", {})
        context = {key: value for key, value in context.items() if value is not None}
        actions = ["PutObject"] + ["PutObjectRetention"] * (days is not None)
        return all(self.s3(caller, action, resource, given=context) for action in actions)

    def extend(self, caller, resource, days, mode="COMPLIANCE"):
        given = {"s3:object-lock-remaining-retention-days": days, "s3:object-lock-mode": mode}
        return self.s3(caller, "PutObjectRetention", resource, given=given)

    def kms(self, caller, action, key, owner=BACKUP, **given):
        template = "backup-account.yaml" if owner == BACKUP else "source-account.yaml"
        guard = self.documents[f"{template}: {key}", "key"]
        return decide(caller, f"kms:{action}", f"arn:aws:kms:{REGION}:{owner}:key/{key}", owner, guard, given.get("given"))

    @staticmethod
    def foreign_key(caller, action, owner=SOURCE, **given):
        """A key of another account's, which lets this one in: only its roles' policies decide."""
        guard = [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{BACKUP}:root"}, "Action": "kms:*", "Resource": "*"}]
        return decide(caller, f"kms:{action}", f"arn:aws:kms:{REGION}:{owner}:key/theirs", owner, guard, given.get("given"))

    @staticmethod
    def rds(caller, action, kind_and_name, owner=BACKUP, **given):
        resource = f"arn:aws:rds:{REGION}:{owner}:{kind_and_name}"
        # Another account's resources have no policy that could let anybody in.
        return caller.account == owner and decide(caller, f"rds:{action}", resource, owner, (), given.get("given"))

    def ecr(self, caller, action):
        guard = self.documents["backup-account.yaml: Repository", "registry"]
        return decide(caller, f"ecr:{action}", f"arn:aws:ecr:{REGION}:{BACKUP}:repository/lifeboat", BACKUP, guard)

    def trail(self, caller, action, given=None):
        """On the bucket of CloudTrail's log, or on an object in it."""
        name = "alarms.yaml: TrailBucketPolicy"
        whole, inside = self.trail_bucket
        resource = whole if action in ("GetBucketAcl", "DeleteBucket") else inside
        return decide(caller, f"s3:{action}", resource, BACKUP, self.documents[name, "bucket"], given)

    def publish(self, caller, given=None):
        """To the topic that mails people."""
        guard = self.documents["alarms.yaml: TopicPolicy", "topic"]
        return decide(caller, "sns:Publish", guard[0]["Resource"], BACKUP, guard, given)

    @staticmethod
    def put_metric(caller, namespace):
        return decide(caller, "cloudwatch:PutMetricData", "*", caller.account, (), {"cloudwatch:namespace": namespace})

    @staticmethod
    def hand_over(caller, name, service):
        """A role of its own account, to a service that then acts with it."""
        role = role_arn(caller.account, name)
        return decide(caller, "iam:PassRole", role, caller.account, (), {"iam:PassedToService": service})

    @staticmethod
    def run_task(caller, family, cluster="lifeboat"):
        task = f"arn:aws:ecs:{REGION}:{caller.account}:task-definition/{family}:1"
        given = {"ecs:cluster": f"arn:aws:ecs:{REGION}:{caller.account}:cluster/{cluster}"}
        return decide(caller, "ecs:RunTask", task, caller.account, (), given)

    @staticmethod
    def submit(caller, definition, queue="lifeboat-fleet"):
        """A job of AWS Batch, which the roles of its definition then run as. Each resource must be allowed."""
        batch = f"arn:aws:batch:{REGION}:{caller.account}:"
        names = ("job/1", f"job-queue/{queue}", f"job-definition/{definition}:1")
        return all(decide(caller, "batch:SubmitJob", batch + name, caller.account) for name in names)

    def assume(self, caller, name, owner=BACKUP, **given):
        guard = self.documents[self.roles[owner, name], "trust"]
        context = {"aws:RequestedRegion": REGION, **given.get("given", {})}
        return decide(caller, "sts:AssumeRole", role_arn(owner, name), owner, guard, context)

    def assume_by_nightly(self, name, external_id=EXTERNAL_ID):
        return self.assume(self.role("lifeboat-nightly", SOURCE), name, given={"sts:ExternalId": external_id})
