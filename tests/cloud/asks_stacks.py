"""CloudFormation and Organizations: the actions of their operations."""

from .authorise import Ask


def asks(call):
    name, account = call.params.get("StackName"), call.principal.account
    of_stacks = call.service == "cloudformation" and name
    resource = f"arn:aws:cloudformation:{call.region}:{account}:stack/{name}/1" if of_stacks else "*"
    return [Ask(call.action, resource, account)]
