"""CloudFormation templates with their functions resolved, as far as those in deploy/aws use them."""

import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
AWS = ROOT / "deploy/aws"
REGION = "eu-central-1"
BACKUP, SOURCE = "111122223333", "222233334444"
BUCKET = "example-backup-bucket"
# Partition, and the end of its services' names.
PARTITIONS = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
IMAGE = f"{BACKUP}.dkr.ecr.{REGION}.amazonaws.com/lifeboat@sha256:{'0' * 64}"
EXTERNAL_ID = "an-external-id-of-tests"
NODES = f"arn:aws:iam::{SOURCE}:role/eks-nodes"

GIVEN = {
    "backup-account.yaml": {"SourceAccountId": SOURCE, "ExternalId": EXTERNAL_ID, "BucketName": BUCKET, "ImagePulledBy": [NODES]},
    "backup-tasks.yaml": {"Image": IMAGE, "VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"]},
    "source-account.yaml": {
        "BackupAccountId": BACKUP,
        "ExternalId": EXTERNAL_ID,
        "SnapshotKeyArn": f"arn:aws:kms:{REGION}:{BACKUP}:key/SnapshotKey",
        "Image": IMAGE,
        "RunsElsewhereAs": f"arn:aws:iam::{SOURCE}:role/machine",
        "VpcId": "vpc-2",
        "SubnetIds": ["subnet-3", "subnet-4"],
        "DatabaseSecurityGroupId": "sg-12345678",
    },
    "fleet.yaml": {"Image": IMAGE, "SubnetIds": ["subnet-3", "subnet-4"]},
    "alarms.yaml": {
        "Account": "backup",
        "AlarmEmail": "ops@example.com",
        "CreateTrail": "true",
        "BucketName": BUCKET,
        "BackupAccountId": BACKUP,
    },
}
# Whose names others know.
STACKS = {"source-account.yaml": "lifeboat-source"}
NOTHING = object()


class Loader(yaml.SafeLoader):
    pass


def _tagged(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    return {name: value.split(".", 1) if suffix == "GetAtt" else value}


Loader.add_multi_constructor("!", _tagged)


def read(name):
    return yaml.load((AWS / name).read_text(), Loader)


def default(parameter):
    """CloudFormation calls an empty list of texts a list of one empty text."""
    return parameter["Default"].split(",") if parameter["Type"] == "CommaDelimitedList" else parameter["Default"]


class Template:
    """One template in one account. Resources and outputs are plain values."""

    def __init__(self, name, account, partition="aws", **parameters):
        self.name, self.account, self.raw = name, account, read(name)
        self.partition = partition
        declared = self.raw["Parameters"]
        defaults = {key: default(one) for key, one in declared.items() if "Default" in one}
        given = json.loads(json.dumps(GIVEN[name]).replace("arn:aws:", f"arn:{partition}:"))
        self.parameters = {**defaults, **given, **parameters}
        assert set(self.parameters) == set(declared), f"{name}: parameters"
        self.resources = {}
        for key, resource in self.raw["Resources"].items():
            if self._holds(resource.get("Condition")):
                self.resources[key] = {**resource, "Properties": self.resolve(resource.get("Properties", {}))}

    def of_type(self, kind):
        return {key: one["Properties"] for key, one in self.resources.items() if one["Type"] == kind}

    def resolve(self, value):
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), = value.items()
            if function == "Condition" and isinstance(argument, str):
                return self._holds(argument)
            if function == "Ref" or function.startswith("Fn::"):
                return self._function(function.removeprefix("Fn::"), argument)
        resolved = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not NOTHING}

    def _function(self, name, argument):
        match name:
            case "Ref":
                return self._ref(argument)
            case "GetAtt":
                return self._attribute(*argument)
            case "Sub":
                return re.sub(r"\$\{([^}]+)\}", lambda found: str(self._named(found[1])), argument)
            case "FindInMap":
                outer, first, second = self.resolve(argument)
                return self.raw["Mappings"][outer][first][second]
            case "If":
                return self.resolve(argument[1] if self._holds(argument[0]) else argument[2])
            case "ImportValue":
                return exported(self.resolve(argument), self.partition)
            case "Join":
                separator, items = self.resolve(argument)
                return separator.join(items)
            case "Equals":
                first, second = self.resolve(argument)
                return first == second
            case "Not":
                return not self.resolve(argument[0])
            case "And":
                return all(self.resolve(argument))
            case "Select":
                index, items = self.resolve(argument)
                return items[int(index)]
        raise NotImplementedError(f"{self.name}: Fn::{name}")

    def _holds(self, condition):
        return condition is None or self.resolve(self.raw["Conditions"][condition])

    def _named(self, name):
        resource, dot, attribute = name.partition(".")
        return self._attribute(resource, attribute) if dot else self._ref(name)

    def _ref(self, name):
        pseudo = {
            "AWS::AccountId": self.account, "AWS::Region": REGION, "AWS::NoValue": NOTHING,
            "AWS::Partition": self.partition, "AWS::URLSuffix": PARTITIONS[self.partition], "AWS::StackName": STACKS.get(self.name),
        }  # fmt: skip
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.raw["Resources"][name]
        properties = resource["Properties"]
        match resource["Type"]:
            case "AWS::S3::Bucket":
                return self.resolve(properties["BucketName"])
            case "AWS::Logs::LogGroup":
                return properties["LogGroupName"]
            case "AWS::Batch::JobQueue":
                return f"arn:{self.partition}:batch:{REGION}:{self.account}:job-queue/{properties['JobQueueName']}"
            case "AWS::Batch::JobDefinition":
                return f"arn:{self.partition}:batch:{REGION}:{self.account}:job-definition/{properties['JobDefinitionName']}:1"
            case "AWS::SNS::Topic":
                return f"arn:{self.partition}:sns:{REGION}:{self.account}:{properties['TopicName']}"
            case "AWS::SecretsManager::Secret":
                return f"arn:{self.partition}:secretsmanager:{REGION}:{self.account}:secret:{properties['Name']}-AbCdEf"
        return name

    def _attribute(self, name, attribute):
        resource = self.raw["Resources"][name]
        properties = resource["Properties"]
        if attribute != "Arn":
            return f"{name}.{attribute}"
        match resource["Type"]:
            case "AWS::S3::Bucket":
                return f"arn:{self.partition}:s3:::{self.resolve(properties['BucketName'])}"
            case "AWS::IAM::Role":
                return f"arn:{self.partition}:iam::{self.account}:role/{properties['RoleName']}"
            case "AWS::KMS::Key":
                return f"arn:{self.partition}:kms:{REGION}:{self.account}:key/{name}"
            case "AWS::ECS::Cluster":
                return f"arn:{self.partition}:ecs:{REGION}:{self.account}:cluster/{properties['ClusterName']}"
            case "AWS::ECR::Repository":
                return f"arn:{self.partition}:ecr:{REGION}:{self.account}:repository/{properties['RepositoryName']}"
        raise NotImplementedError(f"{self.name}: {name}.{attribute}")


def exported(name, partition):
    """What a stack of the same account exports under this name."""
    stack = Template("source-account.yaml", SOURCE, partition)
    found, = (
        stack.resolve(output["Value"])
        for output in stack.raw["Outputs"].values()
        if "Export" in output and stack.resolve(output["Export"]["Name"]) == name
    )
    return found


def every_template(partition="aws"):
    """Each template as it is meant to be used: alarms.yaml in both accounts."""
    return [
        Template("backup-account.yaml", BACKUP, partition),
        Template("backup-tasks.yaml", BACKUP, partition),
        Template("source-account.yaml", SOURCE, partition),
        Template("alarms.yaml", BACKUP, partition),
        Template("alarms.yaml", SOURCE, partition, Account="source"),
        Template("fleet.yaml", SOURCE, partition),
    ]
