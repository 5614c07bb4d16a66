"""Reads policy documents. What AWS would refuse is Malformed, what this AWS does not know is Unknown."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from . import arn
from .conditions import (
    Condition,
    Unknown,
    expand,
    key_type,
    mask_like,
    mask_wildcards,
    variables_in,
)

IDENTITY, RESOURCE, TRUST = "identity", "resource", "trust"
STATEMENT_KEYS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
EVERYONE = ("*", "*")
# The services whose calls are judged here.
SERVED = ("s3", "sts", "rds", "kms", "iam", "ec2", "cloudwatch", "cloudformation", "organizations")


class Malformed(Exception):
    """AWS refuses such a document (MalformedPolicy, MalformedPolicyDocument)."""


@dataclass(frozen=True)
class Statement:
    sid: str
    allow: bool
    principals: tuple  # of (kind, value), kind AWS, Service, Federated or *
    not_principals: tuple
    actions: tuple
    not_actions: tuple
    resources: tuple
    not_resources: tuple
    conditions: tuple

    def covers_action(self, action):
        if self.not_actions:
            return not any(_action_like(pattern, action) for pattern in self.not_actions)
        return any(_action_like(pattern, action) for pattern in self.actions)

    def covers_resource(self, resource, context):
        if self.not_resources:
            return not any(_resource_like(pattern, resource, context) for pattern in self.not_resources)
        if not self.resources:  # a trust policy's statement
            return True
        return any(_resource_like(pattern, resource, context) for pattern in self.resources)

    def applies(self, action, resource, context):
        return (
            self.covers_action(action)
            and self.covers_resource(resource, context)
            and all(condition.holds(context) for condition in self.conditions)
        )


@dataclass(frozen=True)
class Policy:
    name: str
    statements: tuple


def _action_like(pattern, action):
    return arn.like(pattern.lower(), action.lower())


def _resource_like(pattern, resource, context):
    if "${" in pattern:
        pattern = expand(pattern, context, mask_wildcards)
        if pattern is None:
            return False
        resource = mask_like(pattern, resource)
    return arn.arn_like(pattern, resource)


def _listed(value):
    return value if isinstance(value, list) else [value]


def _texts(value, where):
    values = _listed(value)
    if not values or not all(isinstance(text, str) for text in values):
        raise Malformed(f"{where} must be text or a list of texts")
    return tuple(values)


# ---------------------------------------------------------------- actions that exist


@lru_cache(maxsize=1)
def reference():
    """AWS's service authorization reference as cfn-lint carries it: service to lower-case action to its entry."""
    import cfnlint

    path = Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json"
    return {service: entry["Actions"] for service, entry in json.loads(path.read_text()).items()}


@lru_cache(maxsize=4096)
def check_action(pattern):
    """A misspelt action in a Deny would guard nothing, so it is an error here."""
    if pattern == "*":
        return
    service, separator, name = pattern.partition(":")
    if not separator:
        raise Malformed(f"action {pattern} names no service")
    actions = reference().get(service.lower())
    if actions is None:
        raise Unknown(f"service of action {pattern}")
    if not any(arn.like(name.lower(), known) for known in actions):
        raise Unknown(f"action {pattern}")


# ---------------------------------------------------------------- principals


def _principals(value, where):
    if value == "*":
        return (EVERYONE,)
    if not isinstance(value, dict) or not value:
        raise Malformed(f"{where} must be * or an object")
    found = []
    for kind, names in value.items():
        if kind not in ("AWS", "Service", "Federated"):
            raise Unknown(f"principal type {kind}")
        found += [_principal(kind, name) for name in _texts(names, where)]
    return tuple(found)


def _principal(kind, name):
    if name == "*":
        return EVERYONE
    if kind != "AWS":
        return (kind, name)
    if re.fullmatch(r"\d{12}", name):
        return (kind, f"arn:aws:iam::{name}:root")
    if not re.fullmatch(r"arn:aws:(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)/[^*?]+)", name):
        raise Malformed(f"invalid principal in policy: {name}")
    return (kind, name)


# ---------------------------------------------------------------- documents


@lru_cache(maxsize=1024)
def parse(text, kind, name="policy"):
    """The policy of a JSON document; `kind` is IDENTITY, RESOURCE or TRUST, `name` is for messages."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from None
    if not isinstance(document, dict) or not set(document) <= {"Version", "Id", "Statement"}:
        raise Malformed("a policy is an object of Version, Id and Statement")
    version = document.get("Version", "2008-10-17")
    if version not in ("2012-10-17", "2008-10-17"):
        raise Malformed(f"policy version {version}")
    if version == "2008-10-17" and "${" in text:
        raise Unknown("policy variables need Version 2012-10-17")
    statements = [_statement(entry, kind) for entry in _listed(document.get("Statement", []))]
    sids = [statement.sid for statement in statements if statement.sid]
    if len(sids) != len(set(sids)):
        raise Malformed("statement ids must be unique")
    return Policy(name, tuple(statements))


def _statement(entry, kind):
    if not isinstance(entry, dict) or not set(entry) <= STATEMENT_KEYS:
        raise Malformed(f"statement elements {sorted(entry)}")
    if entry.get("Effect") not in ("Allow", "Deny"):
        raise Malformed("Effect must be Allow or Deny")
    _check_elements(entry, kind)
    actions, not_actions = _pair(entry, "Action")
    for pattern in actions + not_actions:
        check_action(pattern)
    resources, not_resources = _pair(entry, "Resource")
    for pattern in resources + not_resources:
        _check_resource(pattern)
    return Statement(
        sid=entry.get("Sid", ""),
        allow=entry["Effect"] == "Allow",
        principals=_principals(entry["Principal"], "Principal") if "Principal" in entry else (),
        not_principals=_principals(entry["NotPrincipal"], "NotPrincipal") if "NotPrincipal" in entry else (),
        actions=actions,
        not_actions=not_actions,
        resources=resources,
        not_resources=not_resources,
        conditions=() if _is_of_others(actions) else _conditions(entry.get("Condition", {})),
    )


def _is_of_others(actions):
    """About services only that are not here: no call can meet it, and its conditions need not be known."""
    return bool(actions) and not any(
        arn.like(pattern.partition(":")[0].lower(), name) for pattern in actions for name in SERVED
    )


def _pair(entry, name):
    both = ((name, entry.get(name)), (f"Not{name}", entry.get(f"Not{name}")))
    return tuple(() if value is None else _texts(value, key) for key, value in both)


def _check_elements(entry, kind):
    if ("Action" in entry) == ("NotAction" in entry):
        raise Malformed("a statement needs one of Action and NotAction")
    named = ("Principal" in entry) + ("NotPrincipal" in entry)
    if named != (0 if kind == IDENTITY else 1):
        raise Malformed(f"Principal in a policy of kind {kind}")
    if "NotPrincipal" in entry and (kind == TRUST or entry["Effect"] == "Allow"):
        raise Malformed("NotPrincipal is for Deny in a resource's policy only")
    placed = ("Resource" in entry) + ("NotResource" in entry)
    if placed != (0 if kind == TRUST else 1):
        raise Malformed(f"Resource in a policy of kind {kind}")


def _check_resource(pattern):
    for name in variables_in(pattern):
        key_type(name)
    if pattern != "*" and not pattern.startswith("arn:aws:"):
        raise Malformed(f"resource {pattern} must be an ARN or *")


def _conditions(block):
    if not isinstance(block, dict):
        raise Malformed("Condition must be an object")
    found = []
    for operator, keys in block.items():
        if not isinstance(keys, dict):
            raise Malformed(f"condition {operator} must be an object")
        for key, values in keys.items():
            listed = _listed(values)
            if not listed or any(isinstance(value, (dict, list)) or value is None for value in listed):
                raise Malformed(f"values of {operator} {key}")
            found.append(Condition.parse(operator, key, listed))
    return tuple(found)
