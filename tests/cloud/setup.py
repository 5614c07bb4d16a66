"""Accounts, users and roles that are there before anyone may make them."""

import json
import re
import secrets
import string

from . import asks_iam, authorise, clock, moto_parts, policy, sts
from .state import STATE, Root

# The managed policies of AWS itself that tests and templates may attach.
MANAGED = {
    "AdministratorAccess": ("/", [{"Effect": "Allow", "Action": "*", "Resource": "*"}]),
    "AmazonECSTaskExecutionRolePolicy": (
        "/service-role/",
        [
            {
                "Effect": "Allow",
                "Resource": "*",
                "Action": [
                    "ecr:GetAuthorizationToken",
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                ],
            }
        ],
    ),
}


def apply(body):
    """{"accounts": [{"id", "name", "users": […], "roles": […]}]}; answers with the keys that were made."""
    _check(body, {"accounts"})
    return {"accounts": {entry["id"]: _account(entry) for entry in body.get("accounts", [])}}


def _check(entry, known):
    if not set(entry) <= known:
        raise ValueError(f"unknown: {sorted(set(entry) - known)}")


def _account(entry):
    _check(entry, {"id", "name", "users", "roles"})
    account = entry["id"]
    if not re.fullmatch(r"\d{12}", account):
        raise ValueError(f"account {account} is no number of twelve digits")
    if account not in STATE.accounts:
        STATE.accounts[account] = entry.get("name", account)
        _add_managed_policies(account)
    found = {"root": _root_key(account), "users": {}, "roles": {}}
    for user in entry.get("users", []):
        found["users"][user["name"]] = _user(account, user)
    for role in entry.get("roles", []):
        found["roles"][role["name"]] = _role(account, role)
    return found


def _add_managed_policies(account):
    backend = moto_parts.iam(account)
    for name, (path, statements) in MANAGED.items():
        data = {
            "Path": path,
            "DefaultVersionId": "v1",
            "Document": {"Version": "2012-10-17", "Statement": statements},
            "CreateDate": "2015-02-06T18:39:46+00:00",
            "UpdateDate": "2015-02-06T18:39:46+00:00",
        }
        made = moto_parts.AWSManagedPolicy.from_data(name, account, "us-east-1", data)
        backend.managed_policies[made.arn] = made


def _root_key(account):
    """One key for each account, the same each time."""
    for key, root in STATE.roots.items():
        if root.account == account:
            break
    else:
        key = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
        STATE.roots[key] = root = Root(account, secrets.token_urlsafe(30))
    return {"access_key_id": key, "secret_access_key": root.secret}


def _text(document, kind):
    text = document if isinstance(document, str) else json.dumps(document)
    policy.parse(text, kind)
    return text


def _give(holder, entry, backend):
    for name, document in entry.get("policies", {}).items():
        holder.put_policy(name, _text(document, policy.IDENTITY))
    for arn in entry.get("managed", []):
        backend.managed_policies[arn].attach_to(holder)


def _user(account, entry):
    _check(entry, {"name", "policies", "managed", "path"})
    backend = moto_parts.iam(account)
    user = backend.create_user("us-east-1", entry["name"], entry.get("path", "/"), [])
    user = user[0] if isinstance(user, tuple) else user
    _give(user, entry, backend)
    key = backend.create_access_key(entry["name"], prefix="AKIA")
    return {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key, "arn": user.arn}


def _role(account, entry):
    _check(entry, {"name", "trust", "policies", "managed", "path", "max_session_seconds"})
    backend = moto_parts.iam(account)
    seconds = str(entry.get("max_session_seconds", 3600))
    trust = _text(entry["trust"], policy.TRUST)
    role = backend.create_role(entry["name"], trust, entry.get("path", "/"), None, "", [], seconds)
    _give(role, entry, backend)
    return {"arn": role.arn}


def session(body):
    """The credentials that a service gets for a role that trusts it, such as an ECS task's."""
    _check(body, {"role", "service", "name", "source_account", "source_arn", "seconds"})
    role = asks_iam.find_role(body["role"])
    if not role:
        raise ValueError(f"no role {body['role']}")
    guard = policy.parse(role.assume_role_policy_document, policy.TRUST)
    caller = authorise.service(body["service"], body.get("source_account", ""), body.get("source_arn", ""))
    ask = authorise.Ask("sts:AssumeRole", role.arn, role.account_id, {}, guard, authorise.TRUST)
    decision = authorise.decide(caller, ask)
    if not decision:
        raise ValueError(f"{role.arn} does not trust {body['service']}: {decision.reason}")
    made = sts.begin_session(role, body.get("name", "task"), body.get("seconds", 3600))
    return {
        "access_key_id": made.access_key,
        "secret_access_key": made.secret,
        "session_token": made.token,
        "expires": clock.iso(made.expires),
        "arn": made.arn,
    }


def network(account, region):
    """The account's default VPC in a region, for subnet groups."""
    backend = moto_parts.ec2(account, region)
    vpc = backend.get_default_vpc()
    return {
        "vpc": vpc.id,
        "subnets": sorted(
            subnet.id for zones in backend.subnets.values() for subnet in zones.values() if subnet.vpc_id == vpc.id
        ),
        "security_group": backend.get_default_security_group(vpc.id).id,
    }
