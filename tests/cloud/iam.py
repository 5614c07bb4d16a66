"""IAM: policies are read when they are given, so that what nobody knows fails there; all else is moto's."""

from . import identity, moto_parts, policy
from .conditions import Unknown
from .errors import AwsError

IDENTITY_POLICIES = {"PutRolePolicy", "PutUserPolicy", "PutGroupPolicy", "CreatePolicy", "CreatePolicyVersion"}
# moto takes these parameters and forgets them.
FORGOTTEN = {("CreateUser", "PermissionsBoundary")}


def handle(call):
    for operation, parameter in FORGOTTEN:
        if call.operation == operation and call.params.get(parameter):
            raise Unknown(f"the behaviour of iam:{operation} with {parameter}")
    try:
        if call.operation in IDENTITY_POLICIES:
            policy.parse(call.params.get("PolicyDocument", ""), policy.IDENTITY)
        if call.operation in ("CreateRole", "UpdateAssumeRolePolicy"):
            text = call.params.get("AssumeRolePolicyDocument") or call.params.get("PolicyDocument", "")
            identity.check_principals(policy.parse(text, policy.TRUST))
    except policy.Malformed as error:
        raise AwsError("MalformedPolicyDocument", str(error), 400) from None
    return moto_parts.answer(call)
