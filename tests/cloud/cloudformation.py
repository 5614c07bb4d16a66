"""CloudFormation: stacks of templates, made and deleted by the calls of who asked for it, behind his back as on AWS."""

import threading
from xml.sax.saxutils import escape

import yaml

from . import clients, identity, template
from .conditions import Unknown
from .errors import AwsError
from .stack import Stack
from .state import STATE

NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
KNOWN = {
    "CreateStack": {"StackName", "TemplateBody", "Parameters", "Capabilities", "OnFailure"},
    "DeleteStack": {"StackName"},
    "DescribeStacks": {"StackName"},
    "DescribeStackEvents": {"StackName"},
    "DescribeStackResources": {"StackName"},
}
# AWS takes no longer one but from S3.
LONGEST = 51_200


def handle(call):
    unknown = set(call.params) - KNOWN.get(call.operation, set())
    if call.operation not in KNOWN or unknown:
        raise Unknown(f"{call.action} with {sorted(unknown)}")
    inner = HANDLERS[call.operation](call, STATE.stacks[call.principal.account, call.region])
    body = f'<{call.operation}Response xmlns="{NAMESPACE}"><{call.operation}Result>{inner}</{call.operation}Result>'
    return 200, {"Content-Type": "text/xml"}, f"{body}</{call.operation}Response>".encode()


def _invalid(message):
    return AwsError("ValidationError", message, 400)


def _named(call, stacks):
    name = call.params["StackName"]
    if name not in stacks:
        raise _invalid(f"Stack with id {name} does not exist")
    return stacks[name]


# ---------------------------------------------------------------- making, deleting


def _create(call, stacks):
    params, name = call.params, call.params["StackName"]
    if name in stacks:
        raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists", 400)
    if params.get("OnFailure") != "DO_NOTHING":
        raise Unknown("CreateStack that rolls back")
    if len(params["TemplateBody"].encode()) > LONGEST:
        raise _invalid("'templateBody' failed to satisfy constraint: Member must have length <= 51200")
    try:
        document = template.parse(params["TemplateBody"])
        given = {one["ParameterKey"]: one["ParameterValue"] for one in params.get("Parameters", [])}
        template.parameters(document, given)
    except (template.TemplateError, yaml.YAMLError) as error:
        raise _invalid(str(error)) from error
    _need_capability(params, document)
    stack = stacks[name] = Stack(name, call.principal.account, call.region)
    stack.document = document
    made_by = _clients_of(call)
    # Whether each property reads back, other tests ask of the same templates.
    _behind(stack, "CREATE", lambda: stack.apply(document, given, made_by, made_by, read_back=False))
    return f"<StackId>{stack.id}</StackId>"


def _need_capability(params, document):
    types = {resource["Type"] for resource in document["Resources"].values()}
    if "AWS::IAM::Role" in types and "CAPABILITY_NAMED_IAM" not in params.get("Capabilities", []):
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]", 400)


def _delete(call, stacks):
    """Without a word where there is none."""
    name = call.params["StackName"]
    if name in stacks:
        stack, deleted_by = stacks[name], _clients_of(call)

        def delete():
            stack.delete(deleted_by)
            with STATE.lock:
                del stacks[name]

        _behind(stack, "DELETE", delete)
    return ""


def _clients_of(call):
    secret, _ = identity.secret_and_principal(call.signed)
    key = {"access_key_id": call.signed.access_key, "secret_access_key": secret, "session_token": call.signed.token}
    return clients.of(key, call.region)


def _behind(stack, what, action):
    """In a thread: the calls that it makes need the lock that this one holds."""
    stack.status = f"{what}_IN_PROGRESS"

    def run():
        try:
            action()
            stack.status = f"{what}_COMPLETE"
        except Exception as error:  # whatever it is, a stack tells it as its reason
            stack.reason = str(error)
            stack.status = f"{what}_FAILED"

    threading.Thread(target=run, daemon=True).start()


# ---------------------------------------------------------------- telling


def _members(name, items):
    return f"<{name}>{''.join(f'<member>{item}</member>' for item in items)}</{name}>"


def _describe(call, stacks):
    found = [_named(call, stacks)] if "StackName" in call.params else list(stacks.values())
    return _members("Stacks", map(_told, found))


def _told(stack):
    outputs = (
        f"<OutputKey>{name}</OutputKey><OutputValue>{escape(str(value))}</OutputValue>"
        for name, value in stack.outputs.items()
    )
    return (
        f"<StackId>{stack.id}</StackId><StackName>{stack.name}</StackName><StackStatus>{stack.status}</StackStatus>"
        f"<CreationTime>2026-01-01T00:00:00Z</CreationTime>{_members('Outputs', outputs)}"
    )


def _events(call, stacks):
    """The one that says why, where there is one."""
    stack = _named(call, stacks)
    if not stack.status.endswith("_FAILED"):
        return _members("StackEvents", [])
    told = (
        f"<StackId>{stack.id}</StackId><EventId>1</EventId><StackName>{stack.name}</StackName>"
        f"<LogicalResourceId>{stack.at}</LogicalResourceId><Timestamp>2026-01-01T00:00:00Z</Timestamp>"
        f"<ResourceStatus>{stack.status}</ResourceStatus><ResourceStatusReason>{escape(stack.reason)}</ResourceStatusReason>"
    )
    return _members("StackEvents", [told])


def _resources(call, stacks):
    stack = _named(call, stacks)
    told = (
        f"<StackName>{stack.name}</StackName><LogicalResourceId>{name}</LogicalResourceId>"
        f"<PhysicalResourceId>{escape(made.reference)}</PhysicalResourceId><ResourceType>{made.type}</ResourceType>"
        "<Timestamp>2026-01-01T00:00:00Z</Timestamp><ResourceStatus>CREATE_COMPLETE</ResourceStatus>"
        for name, made in dict(stack.made).items()
    )
    return _members("StackResources", told)


HANDLERS = {
    "CreateStack": _create,
    "DeleteStack": _delete,
    "DescribeStacks": _describe,
    "DescribeStackEvents": _events,
    "DescribeStackResources": _resources,
}
