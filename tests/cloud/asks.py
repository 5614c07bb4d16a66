"""What a call must be allowed to do: its actions on its resources, with the keys for conditions.

One module for each service names them as AWS's service authorization reference does.
"""

from . import asks_cloudwatch, asks_ec2, asks_iam, asks_kms, asks_rds, asks_s3, asks_stacks, clock
from .authorise import decide
from .errors import AwsError
from .state import STATE

ASKS = {
    "s3": asks_s3.asks,
    "rds": asks_rds.asks,
    "kms": asks_kms.asks,
    "ec2": asks_ec2.asks,
    "cloudwatch": asks_cloudwatch.asks,
    "cloudformation": asks_stacks.asks,
    "organizations": asks_stacks.asks,
    "iam": asks_iam.asks,
    "sts": asks_iam.sts_asks,
}


def authorise(call):
    """Raises unless the caller may do all that the call does."""
    for ask in ASKS[call.service](call):
        require(call, ask)


def require(call, ask):
    decision = permitted(call, ask)
    if not decision:
        raise AwsError(
            "AccessDenied",
            f"User: {call.principal.arn} is not authorized to perform: {ask.action} "
            f"on resource: {ask.resource} because {decision.reason}",
        )


def permitted(call, ask):
    """The decision, noted for the log."""
    decision = would(call, ask)
    call.asked.append(
        {"action": ask.action, "resource": ask.resource, "allowed": decision.allowed, "reason": decision.reason}
    )
    return decision


def would(call, ask):
    """The decision alone."""
    ask.context.update(_common(call, ask))
    return decide(call.principal, ask)


def _common(call, ask):
    now = clock.now()
    found = {
        "aws:currenttime": [clock.iso(now)],
        "aws:epochtime": [str(int(now.timestamp()))],
        "aws:securetransport": [str(STATE.settings.secure_transport).lower()],
        "aws:sourceip": [call.environ.get("REMOTE_ADDR", "127.0.0.1")],
        "aws:requestedregion": [call.region],
        "aws:resourceaccount": [ask.account],
    }
    if call.header("user-agent"):
        found["aws:useragent"] = [call.header("user-agent")]
    if call.header("referer"):
        found["aws:referer"] = [call.header("referer")]
    found["aws:viaawsservice"] = ["true" if "kms:viaservice" in ask.context else "false"]
    return found
