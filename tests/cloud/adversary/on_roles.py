"""Against roles, trust and stacks: becoming somebody else."""

import json
import urllib.error

from ..conftest import allow, document
from .accounts import BACKUP, EXTERNAL_ID, REGION, ROLES, SOURCE, STRANGER, role_arn
from .attack import EVERYBODY, MASTERS, REFUSED, answered, attack, refused

# An administrator changes roles of the account; the service control policy leaves it to break-glass.
KEEPERS = ("administrator", "break-glass")
FREE = json.dumps(document(allow("*")))
TRUSTING = json.dumps(document({"Effect": "Allow", "Principal": {"AWS": SOURCE}, "Action": "sts:AssumeRole"}))
MANAGED_POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"


def _to(what, method, name="lifeboat-prove", **asked):
    @attack("iam", what, but=KEEPERS, codes=answered("NoSuchEntity", *MASTERS))
    def _(a, who):
        getattr(a.client(who, "iam"), method)(RoleName=name, **asked)


for _name in ROLES:
    _to(f"let production become {_name}", "update_assume_role_policy", f"lifeboat-{_name}", PolicyDocument=TRUSTING)
    _to(f"give {_name} all rights", "put_role_policy", f"lifeboat-{_name}", PolicyName="x", PolicyDocument=FREE)
    _to(f"delete the role {_name}", "delete_role", f"lifeboat-{_name}")
_to("attach all rights to a role", "attach_role_policy", PolicyArn=MANAGED_POLICY)
_to("delete a role's policy", "delete_role_policy", PolicyName="drill")
_to("lengthen a role's sessions", "update_role", MaxSessionDuration=43200)
_to("bound a role", "put_role_permissions_boundary", PermissionsBoundary=MANAGED_POLICY)
_to("tag a role", "tag_role", Tags=[{"Key": "x", "Value": "y"}])


# In an account of one's own it is allowed, and gives nothing in the other.
@attack("iam", "make oneself a user", but=(*MASTERS, "administrator"))
def _(a, who):
    a.client(who, "iam").create_user(UserName="mine")


@attack("iam", "take a key of a user", but=("administrator",), codes=answered("NoSuchEntity", *MASTERS))
def _(a, who):
    a.client(who, "iam").create_access_key(UserName="person")


@attack("rds", "hand prove to an instance", but=("administrator",))
def _(a, who):
    a.instance(a.client(who, "rds"), "mine", MonitoringInterval=60, MonitoringRoleArn=role_arn("lifeboat-prove"))


# ---------------------------------------------------------------- becoming somebody else

# nightly becomes two of them, which is its work.
BECOMES = {"exporter": ("nightly", "owned"), "snapshot": ("nightly", "owned")}
# The person of the backup account has no right but to become these two.
WITH_MFA = ("restore", "break-glass")
PEOPLE = ("production", "stranger", "administrator", "person")

for _name in ROLES:
    for _how, _asked, _but in (
        ("plainly", {}, ()),
        ("with a wrong ExternalId", {"ExternalId": "a-wrong-external-id"}, ()),
        ("with the right ExternalId", {"ExternalId": EXTERNAL_ID}, BECOMES.get(_name, ())),
    ):

        @attack("sts", f"become {_name} {_how}", but=_but, by=(*EVERYBODY, "person"))
        def _(a, who, name=_name, asked=_asked):
            a.assume(who, f"lifeboat-{name}", **asked)

    # The backup account's own people come in so.
    @attack("sts", f"become {_name} with MFA", but=("administrator", "person") if _name in WITH_MFA else (), by=PEOPLE)
    def _(a, who, name=_name):
        a.with_mfa(who, f"lifeboat-{name}")

    # Where no rule of alarms.yaml would see it.
    @attack("sts", f"become {_name} with MFA through another region", by=PEOPLE)
    def _(a, who, name=_name):
        a.with_mfa(who, f"lifeboat-{name}", region="ap-south-1")


@attack("sts", "become nightly-expire", by=("exporter", "snapshot", "production", "stranger", "administrator"))
def _(a, who):
    assert a.source_outputs
    a.assume(who, "lifeboat-nightly-expire", SOURCE)


def _as_task(name, account, what, service="ecs-tasks.amazonaws.com", **other):
    """A service acts for whoever gave it the role; it says of which account, and of what."""

    @attack("sts", f"become {name} by a task {what}", by=("stranger",))
    def _(a, who):
        if account == SOURCE:
            assert a.source_outputs
        try:
            a.task(f"lifeboat-{name}", account, service, **other)
        except urllib.error.HTTPError as error:
            assert b"does not trust" in error.read()
            raise refused(REFUSED["sts"]) from None


ANOTHERS = {
    "of another account": {"source_account": STRANGER},
    "whose ARN is another account's": {"source_arn": f"arn:aws:ecs:{REGION}:{STRANGER}:task/x/1"},
    "without any origin": {"source_account": "", "source_arn": ""},
}
for _what, _other in ANOTHERS.items():
    for _name in ("prove", "expire"):
        _as_task(_name, BACKUP, _what, **_other)
    for _name in ("nightly", "nightly-execution"):
        _as_task(_name, SOURCE, _what, **_other)
_as_task("scheduler", SOURCE, "of another account", "scheduler.amazonaws.com", **ANOTHERS["of another account"])


# ---------------------------------------------------------------- the stack


# What the account's other administrators change is the bucket's policy, and that is refused.
@attack("s3", "update the stack without a guard", but=("break-glass",))
def _(a, who):
    key = {name: text for name, text in a.key(who).items() if name != "expires"}
    stack = {**a.stack, "remove": [*a.stack["remove"], "BucketPolicy/NobodyDeletesOrUnlocks"], "as": key}
    try:
        a.cloud.control("POST", "stacks", stack)
    except urllib.error.HTTPError as error:
        said = error.read()
        assert b"AccessDenied" in said, said
        raise refused("AccessDenied") from None
