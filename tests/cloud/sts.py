"""STS: sessions of roles, and who one is. Permissions were checked before."""

import re
import secrets
import string
import uuid
from datetime import timedelta
from xml.sax.saxutils import escape

from . import asks_iam, clock, policy
from .authorise import SESSION
from .conditions import Unknown
from .errors import AwsError
from .state import STATE, Session

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
SHORTEST, LONGEST, LONGEST_CHAINED = 900, 43200, 3600


def handle(call):
    """Status, headers and body."""
    handler = {"AssumeRole": _assume_role, "GetCallerIdentity": _caller_identity}.get(call.operation)
    if not handler:
        raise Unknown(f"the behaviour of sts:{call.operation}")
    result = "".join(_element(name, value) for name, value in handler(call).items())
    body = (
        f'<{call.operation}Response xmlns="{NAMESPACE}"><{call.operation}Result>{result}</{call.operation}Result>'
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{call.operation}Response>"
    )
    return 200, {"Content-Type": "text/xml"}, body.encode()


def _element(name, value):
    inner = "".join(_element(*pair) for pair in value.items()) if isinstance(value, dict) else escape(str(value))
    return f"<{name}>{inner}</{name}>"


def _caller_identity(call):
    principal = call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def _assume_role(call):
    params = call.params
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", params.get("RoleSessionName", ""), re.ASCII):
        raise AwsError("ValidationError", "RoleSessionName must have 2 to 64 characters of [A-Za-z0-9_+=,.@-]", 400)
    role = asks_iam.find_role(params["RoleArn"])
    _check_session_policies(params)
    session = begin_session(
        role,
        params.get("RoleSessionName", ""),
        _duration(call, role),
        policies=tuple([params["Policy"]] if params.get("Policy") else ()),
        tags=tuple((tag["Key"], tag["Value"]) for tag in params.get("Tags") or []),
        source_identity=params.get("SourceIdentity", ""),
    )
    return {
        "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{session.name}", "Arn": session.arn},
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": clock.iso(session.expires),
        },
    }


def begin_session(role, name, seconds, **more):
    issued = clock.now()
    session = Session(
        access_key="ASIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16)),
        secret=secrets.token_urlsafe(30),
        token=secrets.token_urlsafe(90),
        account=role.account_id,
        role_name=role.name,
        role_id=role.id,
        role_arn=role.arn,
        name=name,
        issued=issued,
        expires=issued + timedelta(seconds=STATE.settings.session_seconds or seconds),
        **more,
    )
    STATE.sessions[session.access_key] = session
    return session


def _check_session_policies(params):
    if params.get("PolicyArns"):
        raise Unknown("AssumeRole with PolicyArns")
    if params.get("Policy"):
        try:
            policy.parse(params["Policy"], policy.IDENTITY, "session policy")
        except policy.Malformed as error:
            raise AwsError("MalformedPolicyDocument", str(error), 400) from None


def _duration(call, role):
    asked = int(call.params.get("DurationSeconds") or 3600)
    if not SHORTEST <= asked <= LONGEST:
        raise AwsError("ValidationError", f"DurationSeconds must be from {SHORTEST} to {LONGEST}", 400)
    if asked > int(role.max_session_duration or 3600):
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", 400
        )
    if call.principal.kind == SESSION and asked > LONGEST_CHAINED:
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        raise AwsError("ValidationError", message, 400)
    return asked
