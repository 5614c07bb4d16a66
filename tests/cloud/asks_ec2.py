"""EC2: the actions of its operations, of which three are known here."""

from .authorise import Ask
from .conditions import Unknown


def asks(call):
    if call.operation not in ("DescribeSecurityGroups", "DescribeVpcs", "DescribeSubnets"):
        raise Unknown(f"the permissions of ec2:{call.operation}")
    # For all or none: these actions have no resources.
    return [Ask(call.action, "*", call.principal.account)]
