"""How AWS decides, for the policies of deploy/: explicit deny first, accounts apart, conditions.

Not a simulator of AWS: an operator or a principal that it does not know is an error, so that no
test passes by misunderstanding.
"""

import functools
from fnmatch import fnmatchcase


def listed(value):
    return value if isinstance(value, list) else [value]


@functools.cache
def like(pattern, text):
    """IAM's wildcards: `*` and `?`, and nothing else."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


POSITIVE = {
    "StringEquals": lambda wanted, had: wanted == had,
    "StringLike": like,
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": lambda wanted, had: wanted.lower() == had.lower(),
    "NumericGreaterThan": lambda wanted, had: float(had) > float(wanted),
    "NumericLessThan": lambda wanted, had: float(had) < float(wanted),
}
NEGATIVE = {
    "StringNotEquals": POSITIVE["StringEquals"],
    "StringNotLike": like,
    "ArnNotEquals": like,
    "ArnNotLike": like,
}


def operator_holds(operator, wanted, had):
    """`had` is None where the request does not carry the key, else a text or a list of them."""
    wanted = [_text(one) for one in listed(wanted)]
    if operator == "Null":
        return (had is None) == (wanted == ["true"])
    values = [] if had is None else [_text(one) for one in listed(had)]
    if operator.startswith("ForAllValues:"):
        test = POSITIVE[operator.removeprefix("ForAllValues:")]
        return all(any(test(one, value) for one in wanted) for value in values)
    if operator.startswith("ForAnyValue:"):
        test = POSITIVE[operator.removeprefix("ForAnyValue:")]
        return any(any(test(one, value) for one in wanted) for value in values)
    if operator.endswith("IfExists"):
        return had is None or operator_holds(operator.removesuffix("IfExists"), wanted, had)
    if operator in NEGATIVE:
        return not any(NEGATIVE[operator](one, value) for one in wanted for value in values)
    return any(POSITIVE[operator](one, value) for one in wanted for value in values)


def condition_holds(statement, context):
    return all(
        operator_holds(operator, wanted, context.get(key))
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def action_matches(statement, action):
    assert "NotAction" not in statement, "NotAction is not used here"
    return any(like(one.lower(), action.lower()) for one in listed(statement["Action"]))


def resource_matches(statement, resource):
    if "NotResource" in statement:
        return not any(like(one, resource) for one in listed(statement["NotResource"]))
    # A trust policy and a registry's policy name no resource: it is what they are attached to.
    return any(like(one, resource) for one in listed(statement.get("Resource", "*")))


def principal_matches(statement, caller):
    """"direct" if the caller is named, "account" if its account is (its own policies decide then)."""
    principal = statement["Principal"]
    if principal == "*":
        return "direct"
    (kind, names), = principal.items()
    for name in listed(names):
        if kind == "Service":
            if name == caller.arn:
                return "direct"
        elif name == "*" or name == caller.arn:
            return "direct"
        elif name == f"arn:aws:iam::{caller.account}:root":
            return "account"
        else:
            assert name.endswith(":root"), f"unknown principal {name}"
    return None


class Caller:
    """A role's session, or a service (then `arn` is its name), with the statements of its policies."""

    def __init__(self, arn, statements):
        self.arn, self.statements = arn, statements
        self.is_service = not arn.startswith("arn:")
        self.account = None if self.is_service else arn.split(":")[4]

    def context(self):
        context = {"aws:SecureTransport": "true", "aws:PrincipalIsAWSService": _text(self.is_service)}
        if not self.is_service:
            context |= {"aws:PrincipalArn": self.arn, "aws:PrincipalAccount": self.account}
        return context


def decide(caller, action, resource, owner, guard=(), given=None):
    """Whether `caller` may do it. `owner` is the resource's account, `guard` the statements of the
    policy on the resource; an empty guard does not exist. KMS keys and roles always have one that
    must agree."""
    context = {**caller.context(), **(given or {})}

    def applies(statement):
        return (
            action_matches(statement, action)
            and resource_matches(statement, resource)
            and condition_holds(statement, context)
        )

    own = [one for one in caller.statements if applies(one)]
    others = [(one, principal_matches(one, caller)) for one in guard if applies(one)]
    others = [(one, how) for one, how in others if how]
    if any(one["Effect"] == "Deny" for one in [*own, *(one for one, _ in others)]):
        return False
    own_allows = bool(own)
    how = {how for _, how in others}
    must_agree = action.split(":")[0] in ("kms", "sts") or caller.account != owner
    if must_agree:
        return "direct" in how or ("account" in how and own_allows)
    return own_allows or "direct" in how
