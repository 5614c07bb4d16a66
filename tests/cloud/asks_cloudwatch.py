"""CloudWatch: the actions of its operations, of which one is known here."""

from .authorise import Ask
from .conditions import Unknown


def asks(call):
    if call.operation != "PutMetricData":
        raise Unknown(f"the permissions of cloudwatch:{call.operation}")
    # Metrics have no ARNs: the namespace is all that tells them apart.
    context = {"cloudwatch:namespace": [call.params.get("Namespace", "")]}
    return [Ask("cloudwatch:PutMetricData", "*", call.principal.account, context)]
