"""Organizations: whether an account is in one, and whose it is. There are no service control policies here."""

import json

from .conditions import Unknown
from .errors import AwsError
from .state import STATE


def handle(call):
    if call.operation != "DescribeOrganization" or call.params:
        raise Unknown(f"{call.action} with {sorted(call.params)}")
    master = STATE.settings.management_account
    if not master:
        raise AwsError(
            "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400
        )
    told = {"Organization": {"Id": "o-exampleorgid", "MasterAccountId": master}}
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(told).encode()
