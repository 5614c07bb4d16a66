"""The loader of templates: what it makes, what it refuses, and that it leaves no guard out."""

import json
import urllib.error
from pathlib import Path

import pytest

from .conftest import BACKUP, REGION, SOURCE, allow, deny, document
from .template import (
    Evaluator,
    TemplateError,
    in_order,
    needs,
    parameters,
    parse,
    parts,
    remove,
)

REPOSITORY = Path(__file__).resolve().parents[2]

TEMPLATE = """
AWSTemplateFormatVersion: '2010-09-09'
Parameters:
  Name: {Type: String, AllowedPattern: '[a-z-]+'}
  Days: {Type: Number, Default: 35, MinValue: 1, MaxValue: 90}
  Zones: {Type: CommaDelimitedList, Default: 'a,b'}
Mappings:
  Tier: {'35': {ExpireAfter: 38}, '7': {ExpireAfter: 10}}
Conditions:
  IsLong: !Equals [!Ref Days, '35']
Resources:
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
        - Sid: OnlyTls
          Effect: Deny
          Principal: '*'
          Action: s3:*
          Resource: [!GetAtt Bucket.Arn, !Sub '${Bucket.Arn}/*']
          Condition: {Bool: {aws:SecureTransport: 'false'}}
        - Sid: NobodyDeletes
          Effect: Deny
          Principal: '*'
          Action: s3:DeleteObject
          Resource: !Sub '${Bucket.Arn}/*'
        - Sid: OnlyKeeperConfigures
          Effect: Deny
          Principal: '*'
          Action: s3:PutBucket*
          Resource: !GetAtt Bucket.Arn
          Condition: {ArnNotEquals: {aws:PrincipalArn: !Sub 'arn:aws:iam::${AWS::AccountId}:role/keeper'}}
  Bucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties:
      BucketName: !Ref Name
      ObjectLockEnabled: true
      ObjectLockConfiguration:
        ObjectLockEnabled: Enabled
        Rule: {DefaultRetention: {Mode: COMPLIANCE, Days: !Ref Days}}
      VersioningConfiguration: {Status: Enabled}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
      PublicAccessBlockConfiguration:
        {BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}
      BucketEncryption:
        ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]
      LifecycleConfiguration:
        Rules:
        - Id: parts
          Status: Enabled
          Prefix: parts/
          ExpirationInDays: !FindInMap [Tier, !Ref Days, ExpireAfter]
          NoncurrentVersionExpiration: {NoncurrentDays: 1}
  Key:
    Type: AWS::KMS::Key
    Properties:
      Description: signs
      KeySpec: ECC_NIST_P256
      KeyUsage: SIGN_VERIFY
      PendingWindowInDays: 30
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
        - {Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}, Action: 'kms:*', Resource: '*'}
  KeyAlias:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/signing, TargetKeyId: !Ref Key}
  Keeper:
    Type: AWS::IAM::Role
    Properties:
      RoleName: keeper
      Description: keeps
      MaxSessionDuration: 3600
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
        - {Effect: Allow, Principal: {Service: cloudformation.amazonaws.com}, Action: 'sts:AssumeRole'}
        - !If
          - IsLong
          - {Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: 'sts:AssumeRole', Condition: {StringEquals: {'aws:SourceAccount': !Ref 'AWS::AccountId'}}}
          - !Ref AWS::NoValue
      Policies:
      - PolicyName: keep
        PolicyDocument:
          Version: '2012-10-17'
          Statement: [{Effect: Allow, Action: ['s3:*', 'kms:*', 'iam:*'], Resource: '*'}]
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: alarms}
Outputs:
  KeyArn: {Value: !GetAtt Key.Arn}
  Topic: {Value: !Ref Topic}
  Joined: {Value: !Join ['-', [!Select [1, !Ref Zones], x]]}
"""


def apply(cloud, text=TEMPLATE, **more):
    body = {
        "account": BACKUP,
        "region": REGION,
        "stack": "lifeboat",
        "template": text,
        "parameters": {"Name": "backups"},
        **more,
    }
    return cloud.control("POST", "stacks", body)


def refusal(cloud, text=TEMPLATE, **more):
    """The words with which the loader refuses."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        apply(cloud, text, **more)
    return json.load(raised.value)["error"]


def test_a_template_becomes_what_it_says(cloud, code):
    answer = apply(cloud)
    assert answer["outputs"]["Topic"] == f"arn:aws:sns:{REGION}:{BACKUP}:alarms"
    assert answer["outputs"]["Joined"] == "b-x"
    s3 = cloud.client("s3", cloud.roots[BACKUP])
    assert (
        s3.get_object_lock_configuration(Bucket="backups")["ObjectLockConfiguration"]["Rule"]["DefaultRetention"][
            "Days"
        ]
        == 35
    )
    assert s3.get_bucket_lifecycle_configuration(Bucket="backups")["Rules"][0]["Expiration"]["Days"] == 38
    s3.put_object(Bucket="backups", Key="parts/1", ChecksumAlgorithm="SHA256")
    assert code(s3.delete_object, Bucket="backups", Key="parts/1") == "AccessDenied"
    kms = cloud.client("kms", cloud.roots[BACKUP])
    assert kms.describe_key(KeyId="alias/signing")["KeyMetadata"]["Arn"] == answer["outputs"]["KeyArn"]


def test_applied_again_nothing_is_called_to_change(cloud):
    apply(cloud)
    cloud.control("DELETE", "calls")
    apply(cloud)
    operations = {call["operation"].split(":")[1] for call in cloud.control("GET", "calls")}
    assert all(name.startswith(("Get", "Head", "List", "Describe")) for name in operations), operations


def test_a_stack_is_updated_by_whom_its_policies_let(cloud):
    apply(cloud)
    other = TEMPLATE.replace("s3:DeleteObject\n", "[s3:DeleteObject, s3:DeleteObjectVersion]\n")
    admin = cloud.user(BACKUP, "admin", allow("*"))
    assert "AccessDenied" in refusal(cloud, other, **{"as": admin})
    apply(cloud, other, role=f"arn:aws:iam::{BACKUP}:role/keeper")
    assert (
        "DeleteObjectVersion" in cloud.client("s3", cloud.roots[BACKUP]).get_bucket_policy(Bucket="backups")["Policy"]
    )


def test_a_guard_is_taken_out_by_its_name(cloud, code):
    names = cloud.control("POST", "stacks/parts", {"template": TEMPLATE})
    assert {"Policy/NobodyDeletes", "Policy/OnlyTls", "Bucket/LifecycleConfiguration"} <= set(names)
    apply(cloud, remove=["Policy/NobodyDeletes", "Bucket/LifecycleConfiguration"])
    s3 = cloud.client("s3", cloud.roots[BACKUP])
    s3.put_object(Bucket="backups", Key="parts/1", ChecksumAlgorithm="SHA256")
    assert code(s3.delete_object, Bucket="backups", Key="parts/1") == ""
    assert code(s3.get_bucket_lifecycle_configuration, Bucket="backups") == "NoSuchLifecycleConfiguration"


def test_a_task_gets_its_role_s_credentials(cloud):
    apply(cloud)
    asked = {"role": f"arn:aws:iam::{BACKUP}:role/keeper", "service": "ecs-tasks.amazonaws.com"}
    key = cloud.control("POST", "session", {**asked, "source_account": BACKUP})
    assert cloud.client("sts", key).get_caller_identity()["Arn"] == f"arn:aws:sts::{BACKUP}:assumed-role/keeper/task"
    for wrong in ({}, {"source_account": SOURCE}, {"service": "lambda.amazonaws.com", "source_account": BACKUP}):
        with pytest.raises(urllib.error.HTTPError):
            cloud.control("POST", "session", asked | wrong)


REFUSED = [
    ("an unknown type", ("AWS::SNS::Topic", "AWS::SQS::Queue"), "unknown type AWS::SQS::Queue"),
    ("an unknown property", ("TopicName: alarms}", "TopicName: alarms}\n  X: {Type: AWS::KMS::Alias, Properties: {AliasNam: x}}"), "unknown properties ['AliasNam']"),
    ("an unknown part of a property", ("Prefix: parts/", "PrefixX: parts/"), "unknown ['PrefixX']"),
    ("an unknown function", ("!FindInMap [Tier, !Ref Days, ExpireAfter]", "!GetAZs ''"), "unknown function Fn::GetAZs"),
    ("an unknown reference", ("!Ref Key}", "!Ref Kee}"), "unknown Kee"),
    ("an unknown attribute", ("!GetAtt Key.Arn", "!GetAtt Key.Name"), "unknown attribute Name"),
    ("an unknown section", ("Mappings:", "Mapings:"), "unknown ['Mapings']"),
    ("an unknown element of a resource", ("DeletionPolicy: Retain", "DeletePolicy: Retain"), "unknown ['DeletePolicy']"),
    ("a map without the key", ("'35': {ExpireAfter", "'36': {ExpireAfter"), "FindInMap Tier"),
    ("what AWS refuses", ("Mode: COMPLIANCE", "Mode: STRICT"), "InvalidArgument"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_it_does_not_know_fails(cloud, change, words):
    assert words in refusal(cloud, TEMPLATE.replace(*change))


def test_a_policy_s_unknown_condition_fails(cloud):
    cloud.expect_unknown = True
    assert "TestsAwsDoesNotKnow" in refusal(cloud, TEMPLATE.replace("aws:SecureTransport", "aws:SecureTransprt"))


def test_a_property_that_reads_back_otherwise_fails(cloud, monkeypatch):
    from .template_types import Role

    monkeypatch.setitem(Role.writers, "Policies", lambda *_: None)
    assert "Policies was to be" in refusal(cloud)


@pytest.mark.parametrize(
    "given", [{"Name": "BACKUPS"}, {"Name": "backups", "Days": "91"}, {"Name": "backups", "Other": "x"}, {}]
)
def test_parameters_are_checked(cloud, given):
    assert "parameter" in refusal(cloud, parameters=given)


def test_what_would_be_replaced_fails(cloud):
    apply(cloud)
    assert "cannot be changed" in refusal(cloud, parameters={"Name": "other-backups"})


# ---------------------------------------------------------------- security groups

GROUPS = """
Resources:
  Alone:
    Type: AWS::EC2::SecurityGroupEgress
    Properties: {GroupId: !Ref Task, IpProtocol: tcp, FromPort: 5432, ToPort: 5432, DestinationSecurityGroupId: !Ref Drill}
  Task:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: tasks
      SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/8, Description: AWS}]
  Drill: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: drills}}
Outputs:
  Task: {Value: !GetAtt Task.GroupId}
  Drill: {Value: !Ref Drill}
"""


def lets_out(cloud, group):
    """By EC2: each rule's protocol, first port and target."""
    ec2 = cloud.client("ec2", cloud.roots[BACKUP])
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [
        (rule["IpProtocol"], rule.get("FromPort"), target)
        for rule in found["IpPermissionsEgress"]
        for target in [one["CidrIp"] for one in rule["IpRanges"]] + [one["GroupId"] for one in rule["UserIdGroupPairs"]]
    ]


def test_a_template_s_groups_let_out_what_it_says(cloud):
    made = apply(cloud, GROUPS, parameters={})["outputs"]
    told = [("tcp", 443, "10.0.0.0/8"), ("tcp", 5432, made["Drill"])]
    assert lets_out(cloud, made["Task"]) == told
    # Without rules AWS's own stays, under CloudFormation too.
    assert lets_out(cloud, made["Drill"]) == [("-1", None, "0.0.0.0/0")]
    assert apply(cloud, GROUPS, parameters={})["outputs"] == made
    assert lets_out(cloud, made["Task"]) == told


def test_a_group_s_rules_change_with_the_template(cloud):
    made = apply(cloud, GROUPS, parameters={})["outputs"]
    other = GROUPS.replace("10.0.0.0/8", "192.168.0.0/16").replace("ToPort: 5432", "ToPort: 5433")
    assert apply(cloud, other, parameters={})["outputs"] == made
    assert lets_out(cloud, made["Task"]) == [("tcp", 443, "192.168.0.0/16"), ("tcp", 5432, made["Drill"])]
    apply(cloud, other, parameters={}, remove=["Task/SecurityGroupEgress"])
    assert lets_out(cloud, made["Task"]) == [("-1", None, "0.0.0.0/0"), ("tcp", 5432, made["Drill"])]


def test_a_rule_of_a_group_that_is_another_s(cloud):
    body = {"account": BACKUP, "region": REGION, "egress": [{"protocol": "-1", "cidr": "10.0.0.0/8"}]}
    group = cloud.control("POST", "security-group", body)["security_group"]
    rule = {"GroupId": group, "IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIp": "0.0.0.0/0"}
    for port in (53, 53, 54):
        properties = rule | {"FromPort": port, "ToPort": port}
        resource = {"Type": "AWS::EC2::SecurityGroupEgress", "Properties": properties}
        apply(cloud, json.dumps({"Resources": {"Rule": resource}}), parameters={})
        assert lets_out(cloud, group) == [("-1", None, "10.0.0.0/8"), ("udp", port, "0.0.0.0/0")]


def test_an_unknown_part_of_a_rule_fails(cloud):
    assert "CidrIpv4" in refusal(cloud, GROUPS.replace("CidrIp:", "CidrIpv4:"), parameters={})


def test_instances_of_drills_reach_nobody(cloud):
    network = cloud.control("GET", f"network?account={BACKUP}&region={REGION}")
    text = (REPOSITORY / "deploy/aws/backup-tasks.yaml").read_text()
    image = f"{BACKUP}.dkr.ecr.{REGION}.amazonaws.com/lifeboat@sha256:{'a' * 64}"
    parameters = {"Image": image, "VpcId": network["vpc"], "SubnetIds": network["subnets"]}
    made = apply(cloud, text, parameters=parameters)["outputs"]
    assert lets_out(cloud, made["DrillSecurityGroupId"]) == [("icmp", -1, "127.0.0.1/32")]


# ---------------------------------------------------------------- pieces


def evaluator(text, **values):
    document_ = parse(text)
    return Evaluator(
        document_,
        parameters(document_, values),
        {"AWS::Region": REGION},
        lambda name: f"id-of-{name}",
        lambda *pair: "-".join(pair),
    )


def test_functions_give_what_cloudformation_gives():
    found = evaluator(
        """
        Parameters: {P: {Type: String, Default: x}}
        Conditions: {Is: !Equals [!Ref P, x], Not: !Not [!Condition Is], Both: !And [!Condition Is, !Condition Not], One: !Or [!Condition Is, !Condition Not]}
        Resources: {R: {Type: T}}
        """
    )
    fill = found.fill
    assert fill({"Fn::Sub": "${P} ${R} ${R.Arn} ${AWS::Region} ${!P}"}) == f"x id-of-R R-Arn {REGION} ${{P}}"
    assert fill({"Fn::Sub": ["${A}${P}", {"A": {"Ref": "P"}}]}) == "xx"
    assert [found.holds(name) for name in ("Is", "Not", "Both", "One")] == [True, False, False, True]
    assert fill([{"Fn::If": ["Not", 1, {"Ref": "AWS::NoValue"}]}, 2]) == [2]
    assert fill({"a": {"Ref": "AWS::NoValue"}, "b": {"Fn::Split": [",", "c,d"]}}) == {"b": ["c", "d"]}


def test_each_comes_after_what_it_needs():
    resources = parse(
        "Resources: {A: {Type: T, Properties: {x: !Sub 'a${C.Arn}'}}, B: {Type: T, DependsOn: A}, C: {Type: T}}"
    )["Resources"]
    assert needs(resources["A"]) == {"C"}
    assert in_order(resources) == ["C", "A", "B"]
    with pytest.raises(TemplateError):
        in_order(parse("Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, DependsOn: A}}")["Resources"])


def test_rules_hold_or_the_template_fails(cloud):
    rule = "Rules: {R: {RuleCondition: !Equals [!Ref Name, backups], Assertions: [{Assert: !Not [!Equals [!Ref Days, '35']], AssertDescription: not 35}]}}\n"
    assert "not 35" in refusal(cloud, TEMPLATE.replace("Resources:\n", rule + "Resources:\n"))


def test_a_part_that_is_not_there():
    guard = deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}}) | {"Sid": "S"}
    text = json.dumps({"Resources": {"P": {"Type": "T", "Properties": {"D": document(guard)}}}})
    parsed = parse(text)
    assert parts(parsed) == ["P/D", "P/S", "P/S/Bool"]
    remove(parsed, "P/S/Bool")
    assert parts(parsed) == ["P/D", "P/S"]
    for part in ("P/S/Bool", "P/D/Bool", "Q/S"):
        with pytest.raises(TemplateError):
            remove(parsed, part)
    remove(parsed, "P/S")
    with pytest.raises(TemplateError):
        remove(parsed, "P/S")
