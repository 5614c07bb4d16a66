"""The policy engine against what IAM's user guide says of evaluation, case by case."""

import json

import pytest

from . import policy
from .authorise import (
    BUCKET,
    KEY,
    NOBODY,
    ROOT,
    SESSION,
    TRUST,
    USER,
    Ask,
    Principal,
    decide,
)
from .conditions import Unknown
from .policy import Malformed

A, B = "111111111111", "222222222222"
OBJECT, PART = "arn:aws:s3:::bucket/parts/1", "arn:aws:s3:::bucket/parts/*"
ROLE = f"arn:aws:iam::{A}:role/team/Exporter"
SESSION_ARN = f"arn:aws:sts::{A}:assumed-role/Exporter/nightly"
USER_ARN = f"arn:aws:iam::{A}:user/Ann"
KEY_ARN = f"arn:aws:kms:eu-west-1:{A}:key/1"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action="s3:*", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="s3:*", resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


def identity(*statements):
    return policy.parse(document(*statements), policy.IDENTITY, "identity policy")


def guard(*statements):
    return policy.parse(document(*statements), policy.RESOURCE)


def trust(*statements):
    for statement in statements:
        statement.pop("Resource", None)
    return policy.parse(document(*statements), policy.TRUST)


def to(*names):
    return {"Principal": {"AWS": list(names)}}


def user(*statements, account=A, **more):
    arn = f"arn:aws:iam::{account}:user/Ann"
    context = {"aws:username": ["Ann"], "aws:principalarn": [arn], "aws:principalaccount": [account]}
    return Principal(
        USER, account, arn, identity=(identity(*statements),) if statements else (), context=context, **more
    )


def session(*statements, account=A, **more):
    role = f"arn:aws:iam::{account}:role/team/Exporter"
    context = {"aws:principalarn": [role], "aws:principalaccount": [account], "aws:principaltag/team": ["data"]}
    return Principal(
        SESSION,
        account,
        f"arn:aws:sts::{account}:assumed-role/Exporter/nightly",
        role_arn=role,
        identity=(identity(*statements),) if statements else (),
        context=context,
        **more,
    )


def root(account=A):
    return Principal(
        ROOT, account, f"arn:aws:iam::{account}:root", context={"aws:principalarn": [f"arn:aws:iam::{account}:root"]}
    )


def ask(action="s3:PutObject", resource=OBJECT, account=A, policy_of=None, kind=BUCKET, granted=False, **context):
    found = {
        key.replace("__", ":").replace("_", "-"): [value] if isinstance(value, str) else value
        for key, value in context.items()
    }
    return Ask(action, resource, account, found, policy_of, kind if policy_of else "", granted)


def key_ask(policy_of, action="kms:Decrypt", **more):
    return ask(action, KEY_ARN, policy_of=policy_of, kind=KEY, **more)


def role_ask(policy_of, **more):
    return ask("sts:AssumeRole", ROLE, policy_of=policy_of, kind=TRUST, **more)


BOUNDARY = identity(allow("s3:GetObject"))
FOR_ALL = {"Principal": "*"}
NOT_LOCKED = {"Condition": {"StringNotEquals": {"s3:object-lock-mode": "COMPLIANCE"}}}

# What the guide says, the caller, the question, whether it is allowed.
CASES = [
    # Within one account
    ("nothing is allowed by default", user(), ask(), False),
    ("identity alone allows", user(allow()), ask(), True),
    ("another action is not covered", user(allow("s3:GetObject")), ask(), False),
    ("another resource is not covered", user(allow(resource="arn:aws:s3:::bucket/manifests/*")), ask(), False),
    ("resource alone allows a user of the account", user(), ask(policy_of=guard(allow(**to(USER_ARN)))), True),
    ("resource alone allows a role of the account", session(), ask(policy_of=guard(allow(**to(ROLE)))), True),
    ("resource alone allows a session of the account", session(), ask(policy_of=guard(allow(**to(SESSION_ARN)))), True),
    ("a policy for everyone allows in the account", user(), ask(policy_of=guard(allow(**FOR_ALL))), True),
    ("naming the account only delegates", user(), ask(policy_of=guard(allow(**to(f"arn:aws:iam::{A}:root")))), False),
    ("naming the account by number only delegates", user(), ask(policy_of=guard(allow(**to(A)))), False),
    ("naming the account and identity allow", user(allow()), ask(policy_of=guard(allow(**to(A)))), True),
    ("another user's grant does not help", user(), ask(policy_of=guard(allow(**to(f"arn:aws:iam::{A}:user/Bob")))), False),
    ("the root is allowed", root(), ask(), True),
    # Explicit deny
    ("deny in identity wins over its allow", user(allow(), deny("s3:PutObject")), ask(), False),
    ("deny in identity wins over the resource's allow", user(deny("s3:PutObject")), ask(policy_of=guard(allow(**to(USER_ARN)))), False),
    ("deny in the resource's policy wins over identity", user(allow()), ask(policy_of=guard(deny(**FOR_ALL))), False),
    ("deny in the resource's policy holds for the root", root(), ask(policy_of=guard(deny(**FOR_ALL))), False),
    ("the owner's root may always change a bucket's policy", root(), ask("s3:PutBucketPolicy", "arn:aws:s3:::bucket", policy_of=guard(deny(**FOR_ALL))), True),
    ("another account's root may not", root(B), ask("s3:PutBucketPolicy", "arn:aws:s3:::bucket", policy_of=guard(deny(**FOR_ALL))), False),
    ("nor where the policy allows it before it denies", root(B), ask("s3:PutBucketPolicy", "arn:aws:s3:::bucket", policy_of=guard(allow(**to(B)), deny(**FOR_ALL))), False),
    ("deny for the account holds for all in it", session(allow()), ask(policy_of=guard(deny(**to(A)))), False),
    ("deny for the role holds for its session", session(allow()), ask(policy_of=guard(deny(**to(ROLE)))), False),
    ("deny for another role does not hold", session(allow()), ask(policy_of=guard(deny(**to(f"arn:aws:iam::{A}:role/Other")))), True),
    ("deny in the session policy wins", session(allow(), session=(identity(allow(), deny("s3:PutObject")),)), ask(), False),
    # Across accounts
    ("across accounts identity alone is not enough", user(allow(), account=B), ask(), False),
    ("across accounts the resource alone is not enough", user(account=B), ask(policy_of=guard(allow(**to(B)))), False),
    ("across accounts both allow", user(allow(), account=B), ask(policy_of=guard(allow(**to(B)))), True),
    ("across accounts both allow by user", user(allow(), account=B), ask(policy_of=guard(allow(**to(f"arn:aws:iam::{B}:user/Ann")))), True),
    ("across accounts a policy for everyone needs identity too", user(account=B), ask(policy_of=guard(allow(**FOR_ALL))), False),
    ("across accounts deny wins", user(allow(), account=B), ask(policy_of=guard(allow(**to(B)), deny(**to(B)))), False),
    ("a resource without policy is its account's", root(B), ask("rds:DeleteDBSnapshot", f"arn:aws:rds:eu-west-1:{A}:snapshot:s"), False),
    ("the root of another account needs the resource's policy", root(B), ask(policy_of=guard(allow(**to(B)))), True),
    # Anonymous
    ("nobody needs a policy for everyone", NOBODY, ask(policy_of=guard(allow(**to(A)))), False),
    ("nobody is allowed by a policy for everyone", NOBODY, ask(policy_of=guard(allow(**FOR_ALL))), True),
    # Boundaries and session policies
    ("a boundary narrows identity", user(allow(), boundary=BOUNDARY), ask(), False),
    ("a boundary allows what both allow", user(allow(), boundary=BOUNDARY), ask("s3:GetObject"), True),
    ("a boundary does not narrow a grant to the user", user(boundary=BOUNDARY), ask(policy_of=guard(allow(**to(USER_ARN)))), True),
    ("a boundary narrows a grant to the role", session(boundary=BOUNDARY), ask(policy_of=guard(allow(**to(ROLE)))), False),
    ("a boundary does not narrow a grant to the session", session(boundary=BOUNDARY), ask(policy_of=guard(allow(**to(SESSION_ARN)))), True),
    ("a session policy narrows identity", session(allow(), session=(BOUNDARY,)), ask(), False),
    ("a session policy alone allows nothing", session(session=(BOUNDARY,)), ask("s3:GetObject"), False),
    # NotPrincipal, NotAction, NotResource
    ("NotPrincipal spares account, role and session together", session(allow()), ask(policy_of=guard({"Effect": "Deny", "NotPrincipal": {"AWS": [A, ROLE, SESSION_ARN]}, "Action": "s3:*", "Resource": "*"})), True),
    ("NotPrincipal without the account denies", session(allow()), ask(policy_of=guard({"Effect": "Deny", "NotPrincipal": {"AWS": [ROLE, SESSION_ARN]}, "Action": "s3:*", "Resource": "*"})), False),
    ("NotPrincipal denies everyone else", user(allow()), ask(policy_of=guard({"Effect": "Deny", "NotPrincipal": {"AWS": [A, ROLE]}, "Action": "s3:*", "Resource": "*"})), False),
    ("NotPrincipal always denies who has a boundary", user(allow(), boundary=identity(allow())), ask(policy_of=guard({"Effect": "Deny", "NotPrincipal": {"AWS": [A, USER_ARN]}, "Action": "s3:*", "Resource": "*"})), False),
    ("NotAction allows the rest", user({"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"}), ask(), True),
    ("NotAction does not allow what it names", user({"Effect": "Allow", "NotAction": "s3:Put*", "Resource": "*"}), ask(), False),
    ("NotAction in a deny spares what it names", user(allow(), {"Effect": "Deny", "NotAction": "s3:PutObject", "Resource": "*"}), ask(), True),
    ("NotResource allows the rest", user({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}), ask(), True),
    ("NotResource in a deny", user(allow(), {"Effect": "Deny", "Action": "s3:*", "NotResource": PART}), ask(resource="arn:aws:s3:::bucket/lifeboat.json"), False),
    # Wildcards
    ("actions match in any case", user(allow("S3:putobject")), ask(), True),
    ("an action's ? is one letter", user(allow("s3:?utObject")), ask(), True),
    ("an action's * spans words", user(allow("s3:*Object")), ask("s3:GetObject"), True),
    ("resources match by case", user(allow(resource="arn:aws:s3:::bucket/Parts/*")), ask(), False),
    ("a resource's * spans slashes", user(allow(resource=PART)), ask(resource="arn:aws:s3:::bucket/parts/a/b"), True),
    ("a resource's * stays in its segment", user(allow("rds:*", f"arn:aws:rds:*:{B}:snapshot:x")), ask("rds:DeleteDBSnapshot", f"arn:aws:rds:eu:{A}:{B}:snapshot:x"), False),
    ("a bucket's policy for objects is not for the bucket", user(allow(resource="arn:aws:s3:::bucket/*")), ask("s3:ListBucket", "arn:aws:s3:::bucket"), False),
    ("an action without resource needs *", user(allow("kms:ListKeys", "arn:aws:kms:*:*:key/*")), ask("kms:ListKeys", "*"), False),
    # Policy variables
    ("a variable is filled in", user(allow(resource="arn:aws:s3:::bucket/${aws:username}/*")), ask(resource="arn:aws:s3:::bucket/Ann/x"), True),
    ("a variable's other value", user(allow(resource="arn:aws:s3:::bucket/${aws:username}/*")), ask(resource="arn:aws:s3:::bucket/Bob/x"), False),
    ("a variable without value matches nothing", session(allow(resource="arn:aws:s3:::bucket/${aws:username}*")), ask(resource="arn:aws:s3:::bucket/"), False),
    ("a variable's default", session(allow(resource="arn:aws:s3:::bucket/${aws:username, 'all'}/*")), ask(resource="arn:aws:s3:::bucket/all/x"), True),
    ("a literal star", user(allow(resource="arn:aws:s3:::bucket/${*}")), ask(resource="arn:aws:s3:::bucket/x"), False),
    ("a literal star matches a star", user(allow(resource="arn:aws:s3:::bucket/${*}")), ask(resource="arn:aws:s3:::bucket/*"), True),
    # Keys
    ("a key's policy must allow, identity is not enough", user(allow("kms:*")), key_ask(guard(allow("kms:*", **to(f"arn:aws:iam::{A}:role/Other")))), False),
    ("not even the root without its key policy", root(), key_ask(guard(allow("kms:*", **to(ROLE)))), False),
    ("a key's policy for the root lets identity decide", user(allow("kms:Decrypt")), key_ask(guard(allow("kms:*", **to(A)))), True),
    ("a key's policy for the root alone is not enough", user(), key_ask(guard(allow("kms:*", **to(A)))), False),
    ("a key's policy for the role is enough", session(), key_ask(guard(allow("kms:Decrypt", **to(ROLE)))), True),
    ("a key of another account needs identity too", session(account=B), key_ask(guard(allow("kms:*", **to(B)))), False),
    ("a key of another account with both", session(allow("kms:Decrypt", KEY_ARN), account=B), key_ask(guard(allow("kms:*", **to(B)))), True),
    ("a grant allows in the account", session(), key_ask(guard(allow("kms:*", **to(USER_ARN))), granted=True), True),
    ("a grant does not overrule a deny", session(), key_ask(guard(deny("kms:*", **FOR_ALL)), granted=True), False),
    # Roles
    ("a trust policy for the account lets identity decide", user(allow("sts:AssumeRole", ROLE)), role_ask(trust(allow("sts:AssumeRole", **to(A)))), True),
    ("a trust policy for the account alone is not enough", user(), role_ask(trust(allow("sts:AssumeRole", **to(A)))), False),
    ("a trust policy for the user is enough in the account", user(), role_ask(trust(allow("sts:AssumeRole", **to(USER_ARN)))), True),
    ("a trust policy that names nobody of ours", user(allow("sts:*")), role_ask(trust(allow("sts:AssumeRole", **to(B)))), False),
    ("another account's role needs identity too", user(account=B), role_ask(trust(allow("sts:AssumeRole", **to(B)))), False),
    ("a root cannot assume roles", root(), role_ask(trust(allow("sts:AssumeRole", **to(A)))), False),
    ("the external id must match", user(allow("sts:*"), account=B), role_ask(trust(allow("sts:AssumeRole", **to(B), Condition={"StringEquals": {"sts:ExternalId": "x"}})), sts__externalid="y"), False),
    ("the external id must be there", user(allow("sts:*"), account=B), role_ask(trust(allow("sts:AssumeRole", **to(B), Condition={"StringEquals": {"sts:ExternalId": "x"}}))), False),
    ("the external id matches", user(allow("sts:*"), account=B), role_ask(trust(allow("sts:AssumeRole", **to(B), Condition={"StringEquals": {"sts:ExternalId": "x"}})), sts__externalid="x"), True),
    # Deny with a condition
    ("a lock's absence counts as not equal", user(allow()), ask(policy_of=guard(deny(**FOR_ALL, **NOT_LOCKED))), False),
    ("another lock mode", user(allow()), ask(policy_of=guard(deny(**FOR_ALL, **NOT_LOCKED)), s3__object_lock_mode="GOVERNANCE"), False),
    ("the demanded lock mode", user(allow()), ask(policy_of=guard(deny(**FOR_ALL, **NOT_LOCKED)), s3__object_lock_mode="COMPLIANCE"), True),
    ("all but the break-glass role are denied", session(allow()), ask(policy_of=guard(deny(**FOR_ALL, Condition={"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:role/BreakGlass"}}))), False),
    ("a session goes by its role's name with the path", session(allow()), ask(policy_of=guard(deny(**FOR_ALL, Condition={"ArnNotEquals": {"aws:PrincipalArn": ROLE}}))), True),
    ("a caller without aws:PrincipalArn is denied too", NOBODY, ask(policy_of=guard(allow(**FOR_ALL), deny(**FOR_ALL, Condition={"ArnNotLike": {"aws:PrincipalArn": ROLE}}))), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "question", "allowed"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_documented_evaluation(caller, question, allowed):
    decision = decide(caller, question)
    assert decision.allowed is allowed, decision.reason


def condition(block):
    return user(allow(Condition=block))


DAYS, PREFIX, TAGS = "s3:object-lock-remaining-retention-days", "s3:prefix", "aws:TagKeys"

# An allow under one condition block: the block, the request's context, whether it is met.
CONDITIONS = [
    ("StringEquals by case", {"StringEquals": {PREFIX: "Home"}}, {"s3__prefix": "home"}, False),
    ("StringEqualsIgnoreCase", {"StringEqualsIgnoreCase": {PREFIX: "Home"}}, {"s3__prefix": "home"}, True),
    ("StringNotEqualsIgnoreCase", {"StringNotEqualsIgnoreCase": {PREFIX: "Home"}}, {"s3__prefix": "home"}, False),
    ("StringEquals takes * literally", {"StringEquals": {PREFIX: "h*"}}, {"s3__prefix": "home"}, False),
    ("StringLike takes * as wildcard", {"StringLike": {PREFIX: "h*"}}, {"s3__prefix": "home/a"}, True),
    ("StringLike takes ? as one character", {"StringLike": {PREFIX: "h?me"}}, {"s3__prefix": "home"}, True),
    ("StringLike must match it all", {"StringLike": {PREFIX: "om"}}, {"s3__prefix": "home"}, False),
    ("StringNotLike", {"StringNotLike": {PREFIX: "h*"}}, {"s3__prefix": "home"}, False),
    ("several values: any", {"StringEquals": {PREFIX: ["a", "b"]}}, {"s3__prefix": "b"}, True),
    ("several values negated: none", {"StringNotEquals": {PREFIX: ["a", "b"]}}, {"s3__prefix": "b"}, False),
    ("several keys: all", {"StringEquals": {PREFIX: "a", "s3:delimiter": "/"}}, {"s3__prefix": "a"}, False),
    ("several operators: all", {"StringEquals": {PREFIX: "a"}, "Bool": {"aws:SecureTransport": "true"}}, {"s3__prefix": "a", "aws__securetransport": "false"}, False),
    ("key names in any case", {"StringEquals": {"S3:Prefix": "a"}}, {"s3__prefix": "a"}, True),
    ("a missing key does not equal", {"StringEquals": {PREFIX: "a"}}, {}, False),
    ("a missing key does not equal, negated", {"StringNotEquals": {PREFIX: "a"}}, {}, True),
    ("a missing key and StringNotLike", {"StringNotLike": {PREFIX: "*"}}, {}, True),
    ("a missing key and a number", {"NumericLessThanEquals": {DAYS: "10"}}, {}, False),
    ("a missing key and Bool", {"Bool": {"aws:SecureTransport": "false"}}, {}, False),
    ("IfExists without the key", {"StringEqualsIfExists": {PREFIX: "a"}}, {}, True),
    ("IfExists with the key", {"StringEqualsIfExists": {PREFIX: "a"}}, {"s3__prefix": "b"}, False),
    ("BoolIfExists without the key", {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, {}, True),
    ("Null true: missing", {"Null": {PREFIX: "true"}}, {}, True),
    ("Null true: there", {"Null": {PREFIX: "true"}}, {"s3__prefix": ""}, False),
    ("Null false: there", {"Null": {PREFIX: "false"}}, {"s3__prefix": "a"}, True),
    ("Null false: missing", {"Null": {PREFIX: "false"}}, {}, False),
    ("Null takes JSON's booleans", {"Null": {PREFIX: True}}, {}, True),
    ("Bool", {"Bool": {"aws:SecureTransport": "true"}}, {"aws__securetransport": "true"}, True),
    ("Bool takes JSON's booleans", {"Bool": {"aws:SecureTransport": False}}, {"aws__securetransport": "true"}, False),
    ("NumericLessThanEquals at the limit", {"NumericLessThanEquals": {DAYS: "10"}}, {"s3__object_lock_remaining_retention_days": "10"}, True),
    ("NumericLessThanEquals above it", {"NumericLessThanEquals": {DAYS: 10}}, {"s3__object_lock_remaining_retention_days": "11"}, False),
    ("numbers are not texts", {"NumericLessThan": {DAYS: "10"}}, {"s3__object_lock_remaining_retention_days": "9"}, True),
    ("NumericGreaterThan", {"NumericGreaterThan": {DAYS: "10"}}, {"s3__object_lock_remaining_retention_days": "11"}, True),
    ("NumericNotEquals", {"NumericNotEquals": {DAYS: "10"}}, {"s3__object_lock_remaining_retention_days": "10"}, False),
    ("DateLessThan", {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, {"aws__currenttime": "2025-12-31T23:59:59Z"}, True),
    ("DateGreaterThan with seconds", {"DateGreaterThan": {"aws:CurrentTime": "1767225600"}}, {"aws__currenttime": "2025-12-31T23:59:59Z"}, False),
    ("IpAddress in a network", {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, {"aws__sourceip": "203.0.113.9"}, True),
    ("NotIpAddress", {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, {"aws__sourceip": "203.0.113.9"}, False),
    ("ArnLike by segment", {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:bucket"}}, {"aws__sourcearn": "arn:aws:s3:::bucket"}, True),
    ("ArnLike's * stays in its segment", {"ArnLike": {"aws:SourceArn": "arn:aws:iam:*:role/x"}}, {"aws__sourcearn": f"arn:aws:iam::{A}:role/x"}, False),
    ("ArnEquals takes wildcards too", {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:user/*"}}, {}, True),
    ("StringEquals of an ARN takes none", {"StringEquals": {"aws:PrincipalArn": f"arn:aws:iam::{A}:user/*"}}, {}, False),
    ("ForAllValues: all in the list", {"ForAllValues:StringEquals": {TAGS: ["a", "b"]}}, {"aws__tagkeys": ["a"]}, True),
    ("ForAllValues: one is not", {"ForAllValues:StringEquals": {TAGS: ["a", "b"]}}, {"aws__tagkeys": ["a", "c"]}, False),
    ("ForAllValues: no values", {"ForAllValues:StringEquals": {TAGS: ["a"]}}, {}, True),
    ("ForAllValues with Null asks for values", {"ForAllValues:StringEquals": {TAGS: ["a"]}, "Null": {TAGS: "false"}}, {}, False),
    ("ForAnyValue: one in the list", {"ForAnyValue:StringEquals": {TAGS: ["a", "b"]}}, {"aws__tagkeys": ["c", "a"]}, True),
    ("ForAnyValue: none", {"ForAnyValue:StringEquals": {TAGS: ["a"]}}, {"aws__tagkeys": ["c"]}, False),
    ("ForAnyValue: no values", {"ForAnyValue:StringEquals": {TAGS: ["a"]}}, {}, False),
    ("ForAnyValue negated: no values", {"ForAnyValue:StringNotEquals": {TAGS: ["a"]}}, {}, False),
    ("ForAnyValue negated: one is another", {"ForAnyValue:StringNotEquals": {TAGS: ["a"]}}, {"aws__tagkeys": ["a", "c"]}, True),
    ("ForAllValues negated: none of them", {"ForAllValues:StringNotEquals": {TAGS: ["a"]}}, {"aws__tagkeys": ["a", "c"]}, False),
    ("a variable as value", {"StringLike": {PREFIX: "home/${aws:username}/*"}}, {"s3__prefix": "home/Ann/x"}, True),
    ("a variable's value is no wildcard", {"StringLike": {PREFIX: "${s3:delimiter}"}}, {"s3__prefix": "abc", "s3__delimiter": "*"}, False),
    ("a literal star", {"StringLike": {PREFIX: "${*}"}}, {"s3__prefix": "x"}, False),
    ("a literal star matches a star", {"StringLike": {PREFIX: "a${*}?"}}, {"s3__prefix": "a*b"}, True),
    ("a variable without value", {"StringEquals": {PREFIX: "${aws:PrincipalTag/team}"}}, {"s3__prefix": ""}, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("block", "context", "met"), [case[1:] for case in CONDITIONS], ids=[case[0] for case in CONDITIONS]
)
def test_documented_conditions(block, context, met):
    assert decide(condition(block), ask(**context)).allowed is met


UNKNOWN = [
    ("a key nobody knows", {"StringEquals": {"s3:no-such-key": "x"}}),
    ("a key of another service", {"StringEquals": {"sns:Protocol": "x"}}),
    ("a tag key without a name", {"StringEquals": {"aws:RequestTag/": "x"}}),
    ("an operator nobody knows", {"StringMatches": {PREFIX: "x"}}),
    ("NullIfExists", {"NullIfExists": {PREFIX: "true"}}),
    ("a number's operator on a text", {"NumericEquals": {PREFIX: "1"}}),
    ("a text's operator on a number", {"StringEquals": {DAYS: "1"}}),
    ("many values without ForAnyValue or ForAllValues", {"StringEquals": {TAGS: "a"}}),
    ("a variable nobody knows", {"StringEquals": {PREFIX: "${aws:NoSuch}"}}),
]


@pytest.mark.parametrize("block", [case[1] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN])
def test_an_unknown_condition_is_never_passed_over(block):
    with pytest.raises(Unknown):
        identity(allow(Condition=block))


def test_conditions_on_services_that_are_not_here_need_not_be_known():
    block = {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:eu-west-1:111111111111:cluster/x"}}
    runner = user(allow("ecs:RunTask", Condition=block))
    assert not decide(runner, ask())
    for actions in (["ecs:RunTask", "s3:PutObject"], "*"):
        with pytest.raises(Unknown):
            identity(allow(actions, Condition=block))


@pytest.mark.parametrize("action", ["s3:PutObjekt", "s3:PutBucketLifecycle", "nosuch:Do", "rds:Destroy*"])
def test_an_action_that_does_not_exist_is_never_passed_over(action):
    with pytest.raises(Unknown):
        identity(deny(action))


MALFORMED = [
    ("no effect", {"Action": "s3:*", "Resource": "*"}),
    ("both Action and NotAction", {**allow(), "NotAction": "s3:*"}),
    ("no resource", {"Effect": "Allow", "Action": "s3:*"}),
    ("a resource that is no ARN", allow(resource="bucket/*")),
    ("a principal in an identity policy", allow(**FOR_ALL)),
    ("an element nobody knows", {**allow(), "Conditions": {}}),
    ("an action without a service", allow("PutObject")),
]


@pytest.mark.parametrize("statement", [case[1] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_a_malformed_identity_policy_is_refused(statement):
    with pytest.raises(Malformed):
        identity(statement)


@pytest.mark.parametrize(
    "names",
    [{"AWS": f"arn:aws:iam::{A}:role/*"}, {"AWS": "Ann"}, {}, "Ann"],
    ids=["a wildcard in an ARN", "a bare name", "no name", "a bare text"],
)
def test_a_malformed_principal_is_refused(names):
    with pytest.raises(Malformed):
        guard({**allow(), "Principal": names})


def test_a_principal_type_nobody_knows_is_never_passed_over():
    with pytest.raises(Unknown):
        guard({**allow(), "Principal": {"CanonicalUser": "x"}})


def test_an_allow_with_not_principal_is_refused():
    with pytest.raises(Malformed):
        guard({**allow(), "NotPrincipal": {"AWS": A}})
