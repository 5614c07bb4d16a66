"""IAM and STS: the actions, resources and condition keys of each operation."""

import re

from . import moto_parts, policy
from .authorise import TRUST, Ask
from .conditions import Unknown
from .errors import AwsError
from .policy import reference

# The parameter that names what an IAM operation is about, and the kind of it in the ARN.
NAMED = (
    ("RoleName", "role"),
    ("UserName", "user"),
    ("GroupName", "group"),
    ("PolicyArn", None),
    ("PolicyName", "policy"),
    ("InstanceProfileName", "instance-profile"),
    ("SerialNumber", None),
    ("OpenIDConnectProviderArn", None),
    ("SAMLProviderArn", None),
)
# Callers need no permission to ask who they are.
FREE = {"GetCallerIdentity", "GetSessionToken"}


def asks(call):
    if call.operation.lower() not in reference()["iam"]:
        raise Unknown(f"the permissions of iam:{call.operation}")
    account, keys = call.principal.account, _context(call)
    main = Ask(f"iam:{call.operation}", resource(call), account, keys)
    more = []
    if call.operation == "AddRoleToInstanceProfile":
        more.append(Ask("iam:PassRole", _named("role", call.params["RoleName"], account), account, {}))
    if call.operation in ("CreateRole", "CreateUser", "CreatePolicy") and call.params.get("Tags"):
        more.append(Ask(call.operation.replace("Create", "iam:Tag"), main.resource, account, dict(keys)))
    return [main, *more]


def resource(call):
    account, kinds = call.principal.account, _kinds(call.operation)
    if not kinds:
        return "*"
    for parameter, kind in NAMED:
        value = call.params.get(parameter)
        if value and kind is None:
            return value
        if value and (kind in kinds or kind == "role" and "assumed-role" in kinds):
            return _named(kind, value, account, call.params.get("Path"))
    if "user" in kinds:  # without a name it is the caller
        return call.principal.arn
    raise Unknown(f"the resource of iam:{call.operation}")


def _kinds(operation):
    return reference()["iam"][operation.lower()].get("Resources", [])


def _named(kind, name, account, path=None):
    stored = _stored(kind, name, account)
    return stored.arn if stored else f"arn:aws:iam::{account}:{kind}{path or '/'}{name}"


def _stored(kind, name, account):
    backend = moto_parts.iam(account)
    things = {"role": backend.roles.values(), "user": backend.users.values(), "group": backend.groups.values()}
    return next((thing for thing in things.get(kind, ()) if thing.name == name), None)


def _mfa(call):
    """Users have a device of their own name, which shows any six digits but 000000."""
    serial, code = call.params.get("SerialNumber"), call.params.get("TokenCode", "")
    if not serial:
        return {}
    own = call.principal.arn.replace(":user/", ":mfa/")
    if serial != own or not re.fullmatch(r"\d{6}", code) or code == "000000":
        raise AwsError("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
    return {"aws:multifactorauthpresent": ["true"], "aws:multifactorauthage": ["0"]}


def _context(call):
    params, found = call.params, {}
    if params.get("PermissionsBoundary"):
        found["iam:permissionsboundary"] = [params["PermissionsBoundary"]]
    if params.get("PolicyArn"):
        found["iam:policyarn"] = [params["PolicyArn"]]
    if params.get("AWSServiceName"):
        found["iam:awsservicename"] = [params["AWSServiceName"]]
    stored = next(
        (_stored(kind, params[name], call.principal.account) for name, kind in NAMED[:2] if params.get(name)), None
    )
    if getattr(stored, "permissions_boundary_arn", None):
        found.setdefault("iam:permissionsboundary", [stored.permissions_boundary_arn])
    return found | _resource_tags(stored) | tag_context(params)


def _resource_tags(stored):
    found = {}
    for tag in getattr(stored, "tags", None) or []:
        found[f"aws:resourcetag/{tag['Key'].lower()}"] = found[f"iam:resourcetag/{tag['Key'].lower()}"] = [tag["Value"]]
    return found


def tag_context(params):
    tags = {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags") or []}
    found = {f"aws:requesttag/{name.lower()}": [value] for name, value in tags.items()}
    names = list(tags) + list(params.get("TagKeys") or [])
    return found | ({"aws:tagkeys": names} if names else {})


# ---------------------------------------------------------------- STS


def find_role(arn):
    """moto's role of an ARN, or None."""
    parts = arn.split(":")
    if len(parts) != 6 or not parts[5].startswith("role/"):
        raise AwsError("ValidationError", f"{arn} is invalid", 400)
    if parts[4] not in moto_parts.accounts("iam"):
        return None
    return next((role for role in moto_parts.iam(parts[4]).roles.values() if role.arn == arn), None)


def sts_asks(call):
    if call.operation in FREE:
        return []
    if call.operation == "AssumeRole":
        return _assume_role(call)
    if call.operation == "GetFederationToken":
        account = call.principal.account
        return [
            Ask(
                "sts:GetFederationToken",
                f"arn:aws:sts::{account}:federated-user/{call.params.get('Name', '')}",
                account,
            )
        ]
    raise Unknown(f"the permissions of sts:{call.operation}")


def _assume_role(call):
    params = call.params
    arn = params.get("RoleArn", "")
    role = find_role(arn)
    if not role:
        message = f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise AwsError("AccessDenied", message)
    guard = policy.parse(role.assume_role_policy_document, policy.TRUST)
    keys = {"sts:rolesessionname": [params.get("RoleSessionName", "")]} | tag_context(params)
    for name, key in (("ExternalId", "sts:externalid"), ("SourceIdentity", "sts:sourceidentity")):
        if params.get(name):
            keys[key] = [params[name]]
    keys |= _mfa(call)
    if params.get("TransitiveTagKeys"):
        keys["sts:transitivetagkeys"] = list(params["TransitiveTagKeys"])
    keys |= _resource_tags(role)
    actions = (
        ["AssumeRole"]
        + ["TagSession"] * bool(params.get("Tags"))
        + ["SetSourceIdentity"] * bool(params.get("SourceIdentity"))
    )
    return [Ask(f"sts:{action}", arn, role.account_id, dict(keys), guard, TRUST) for action in actions]
