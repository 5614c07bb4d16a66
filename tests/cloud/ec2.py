"""EC2: what security groups let in and out, the default VPC and its subnets. moto answers; what it does not look at is
looked at here."""

import re

from . import call as calls
from . import moto_parts
from .conditions import Unknown
from .errors import AwsError

VERSION = "2016-11-15"


# The one filter that each of these may have.
FILTERS = {"DescribeVpcs": "is-default", "DescribeSubnets": "vpc-id"}


def handle(call):
    if call.operation in FILTERS:
        _check_filters(call)
        return moto_parts.answer(call)
    groups = call.params.get("GroupIds", [])
    _check_arguments(call, groups)
    _check_forms(groups)
    _check_existence(call, groups)
    return moto_parts.answer(call)


def _check_arguments(call, groups):
    """A misspelt one would be passed over, and all groups told."""
    values = calls.query_values(call)
    if values.get("Version") != VERSION:
        raise Unknown(f"version {values.get('Version')} of {call.action}")
    understood = {"Action", "Version"} | {f"GroupId.{number}" for number in range(1, len(groups) + 1)}
    if not set(values) <= understood:
        raise Unknown(f"arguments {sorted(set(values) - understood)} of {call.action}")


def _check_filters(call):
    names = [one["Name"] for one in call.params.get("Filters", [])]
    if set(call.params) - {"Filters"} or names != [FILTERS[call.operation]]:
        raise Unknown(f"{call.action} with {call.params}")


def _check_forms(groups):
    """As callers saw it: aws/aws-cdk#20800, and ingenieux/beanstalker#126 of what begins as an id."""
    for group in groups:
        if not re.fullmatch(r"sg-([0-9a-f]{8}|[0-9a-f]{17})", group):
            wanted = "" if group.startswith("sg-") else ' (expecting "sg-...")'
            raise AwsError("InvalidGroupId.Malformed", f'Invalid id: "{group}"{wanted}', 400)


def _check_existence(call, groups):
    backend = moto_parts.ec2(call.principal.account, call.region)
    for group in groups:
        if not backend.get_security_group_from_id(group):
            raise AwsError("InvalidGroup.NotFound", f"The security group '{group}' does not exist", 400)
