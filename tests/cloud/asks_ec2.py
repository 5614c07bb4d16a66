"""EC2: the actions of its operations, of which one is known here."""

from .authorise import Ask
from .conditions import Unknown


def asks(call):
    if call.operation != "DescribeSecurityGroups":
        raise Unknown(f"the permissions of ec2:{call.operation}")
    # For all groups or none: the action has no resources.
    return [Ask("ec2:DescribeSecurityGroups", "*", call.principal.account)]
