"""The resource types that templates may have: how each is made, changed and read back.

A property that is not listed here fails, and so does one that reads back as something else.
"""

import json

# Whose properties are filled in and kept, and whose references work, but which nothing here enforces.
RECORDED_NOT_ENFORCED = {
    # type: (what Ref gives, attributes); {id} is a name made up or a security group's, {name} the one of the property.
    "AWS::CloudTrail::Trail": ("{TrailName}", {"Arn": "arn:aws:cloudtrail:{region}:{account}:trail/{TrailName}"}),
    "AWS::CloudWatch::Alarm": ("{AlarmName}", {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{AlarmName}"}),
    "AWS::EC2::SecurityGroup": ("{id}", {"GroupId": "{id}"}),
    "AWS::EC2::SecurityGroupEgress": ("{id}", {}),
    "AWS::EC2::SecurityGroupIngress": ("{id}", {}),
    "AWS::ECR::Repository": (
        "{RepositoryName}",
        {
            "Arn": "arn:aws:ecr:{region}:{account}:repository/{RepositoryName}",
            "RepositoryUri": "{account}.dkr.ecr.{region}.amazonaws.com/{RepositoryName}",
        },
    ),
    "AWS::ECS::Cluster": ("{ClusterName}", {"Arn": "arn:aws:ecs:{region}:{account}:cluster/{ClusterName}"}),
    "AWS::ECS::TaskDefinition": ("arn:aws:ecs:{region}:{account}:task-definition/{Family}:1", {}),
    "AWS::Events::Rule": ("{Name}", {"Arn": "arn:aws:events:{region}:{account}:rule/{Name}"}),
    "AWS::Logs::LogGroup": ("{LogGroupName}", {"Arn": "arn:aws:logs:{region}:{account}:log-group:{LogGroupName}:*"}),
    "AWS::Logs::MetricFilter": ("{FilterName}", {}),
    "AWS::Logs::ResourcePolicy": ("{PolicyName}", {}),
    "AWS::Scheduler::Schedule": ("{Name}", {"Arn": "arn:aws:scheduler:{region}:{account}:schedule/default/{Name}"}),
    "AWS::SecretsManager::Secret": ("arn:aws:secretsmanager:{region}:{account}:secret:{Name}-{id}", {}),
    "AWS::SNS::Subscription": ("arn:aws:sns:{region}:{account}:subscription-{id}", {}),
    "AWS::SNS::Topic": ("arn:aws:sns:{region}:{account}:{TopicName}", {"TopicName": "{TopicName}"}),
    "AWS::SNS::TopicPolicy": ("{id}", {}),
}


class Type:
    """`writers` change one property each, `readers` read one back in the template's form."""

    service = ""
    # Given when it is made; a change would replace the resource, which no stack here may do.
    fixed = ()
    # Part of a call or of a later deletion; AWS does not tell them afterwards.
    not_told = ()
    writers = {}
    readers = {}

    def known(self):
        return set(self.fixed) | set(self.not_told) | set(self.writers) | set(self.readers)

    def reference(self, client, identifier):
        return identifier

    def attributes(self, client, identifier):
        return {}

    def delete(self, client, identifier, properties):
        raise ValueError(f"{type(self).__name__} is never deleted here")


def tags_of(items):
    return sorted(({"Key": tag["Key"], "Value": tag["Value"]} for tag in items), key=lambda tag: tag["Key"])


# ---------------------------------------------------------------- S3

BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def _pick(entry, known, where):
    if not set(entry) <= set(known):
        raise ValueError(f"{where}: unknown {sorted(set(entry) - set(known))}")
    return entry


def _put_lock(s3, name, value):
    _pick(value, ("ObjectLockEnabled", "Rule"), "ObjectLockConfiguration")
    configuration = {"ObjectLockEnabled": value.get("ObjectLockEnabled")}
    if "Rule" in value:
        retention = dict(_pick(value["Rule"], ("DefaultRetention",), "Rule")["DefaultRetention"])
        _pick(retention, ("Mode", "Days", "Years"), "DefaultRetention")
        configuration["Rule"] = {
            "DefaultRetention": {key: item if key == "Mode" else int(item) for key, item in retention.items()}
        }
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=configuration)


def _put_encryption(s3, name, value):
    (rule,) = _pick(value, ("ServerSideEncryptionConfiguration",), "BucketEncryption")[
        "ServerSideEncryptionConfiguration"
    ]
    _pick(rule, ("ServerSideEncryptionByDefault", "BucketKeyEnabled"), "BucketEncryption")
    default = _pick(rule["ServerSideEncryptionByDefault"], ("SSEAlgorithm", "KMSMasterKeyID"), "BucketEncryption")
    made = {"ApplyServerSideEncryptionByDefault": default}
    if "BucketKeyEnabled" in rule:
        made["BucketKeyEnabled"] = rule["BucketKeyEnabled"]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [made]})


def _get_encryption(s3, name, wanted):
    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    found = {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
    if "BucketKeyEnabled" in wanted["ServerSideEncryptionConfiguration"][0]:
        found["BucketKeyEnabled"] = rule.get("BucketKeyEnabled", False)
    return {"ServerSideEncryptionConfiguration": [found]}


RULE_KEYS = ("Id", "Status", "Prefix", "ExpirationInDays", "ExpiredObjectDeleteMarker", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")  # fmt: skip


def _lifecycle_rule(rule):
    _pick(rule, RULE_KEYS, "lifecycle rule")
    made = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "ExpiredObjectDeleteMarker" in rule:
        made["Expiration"] = {"ExpiredObjectDeleteMarker": bool(rule["ExpiredObjectDeleteMarker"])}
    if "NoncurrentVersionExpiration" in rule:
        noncurrent = _pick(rule["NoncurrentVersionExpiration"], ("NoncurrentDays",), "NoncurrentVersionExpiration")
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(noncurrent["NoncurrentDays"])}
    if "AbortIncompleteMultipartUpload" in rule:
        abort = _pick(
            rule["AbortIncompleteMultipartUpload"], ("DaysAfterInitiation",), "AbortIncompleteMultipartUpload"
        )
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": int(abort["DaysAfterInitiation"])}
    return made


def _put_lifecycle(s3, name, value):
    rules = [_lifecycle_rule(rule) for rule in _pick(value, ("Rules",), "LifecycleConfiguration")["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})


def _get_lifecycle(s3, name, _):
    found = []
    for rule in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]:
        told = {"Id": rule["ID"], "Status": rule["Status"]}
        if rule.get("Filter", {}).get("Prefix"):
            told["Prefix"] = rule["Filter"]["Prefix"]
        if "Days" in rule.get("Expiration", {}):
            told["ExpirationInDays"] = rule["Expiration"]["Days"]
        if "ExpiredObjectDeleteMarker" in rule.get("Expiration", {}):
            told["ExpiredObjectDeleteMarker"] = rule["Expiration"]["ExpiredObjectDeleteMarker"]
        for key in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
            if key in rule:
                told[key] = rule[key]
        found.append(told)
    return {"Rules": found}


class Bucket(Type):
    service = "s3"
    fixed = ("BucketName", "ObjectLockEnabled")
    writers = {
        "VersioningConfiguration": lambda s3, name, value: s3.put_bucket_versioning(
            Bucket=name, VersioningConfiguration=value
        ),
        "ObjectLockConfiguration": _put_lock,
        "OwnershipControls": lambda s3, name, value: s3.put_bucket_ownership_controls(
            Bucket=name, OwnershipControls=value
        ),
        "PublicAccessBlockConfiguration": lambda s3, name, value: s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=_pick(value, BLOCKS, "PublicAccessBlockConfiguration")
        ),
        "BucketEncryption": _put_encryption,
        "LifecycleConfiguration": _put_lifecycle,
        "Tags": lambda s3, name, value: s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": value}),
    }
    readers = {
        "BucketName": lambda s3, name, _: name if s3.head_bucket(Bucket=name) else None,
        "ObjectLockEnabled": lambda s3, name, _: s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled",
        "VersioningConfiguration": lambda s3, name, _: {"Status": s3.get_bucket_versioning(Bucket=name).get("Status")},
        "ObjectLockConfiguration": lambda s3, name, _: s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"],
        "OwnershipControls": lambda s3, name, _: s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
        "PublicAccessBlockConfiguration": lambda s3, name, _: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        "BucketEncryption": _get_encryption,
        "LifecycleConfiguration": _get_lifecycle,
        "Tags": lambda s3, name, _: tags_of(s3.get_bucket_tagging(Bucket=name)["TagSet"]),
    }  # fmt: skip

    def create(self, s3, properties):
        where = (
            {}
            if s3.meta.region_name == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": s3.meta.region_name}}
        )
        s3.create_bucket(
            Bucket=properties["BucketName"],
            ObjectLockEnabledForBucket=properties.get("ObjectLockEnabled", False),
            **where,
        )
        return properties["BucketName"]

    def attributes(self, s3, name):
        return {"Arn": f"arn:aws:s3:::{name}", "DomainName": f"{name}.s3.amazonaws.com"}

    def delete(self, s3, name, _):
        s3.delete_bucket(Bucket=name)


class BucketPolicy(Type):
    service = "s3"
    fixed = ("Bucket",)
    writers = {"PolicyDocument": lambda s3, name, value: s3.put_bucket_policy(Bucket=name, Policy=json.dumps(value))}
    readers = {
        "Bucket": lambda s3, name, _: name,
        "PolicyDocument": lambda s3, name, _: json.loads(s3.get_bucket_policy(Bucket=name)["Policy"]),
    }

    def create(self, s3, properties):
        return properties["Bucket"]

    def delete(self, s3, name, _):
        s3.delete_bucket_policy(Bucket=name)


# ---------------------------------------------------------------- KMS


def _describe(kms, key):
    return kms.describe_key(KeyId=key)["KeyMetadata"]


def _enable_rotation(kms, key, value):
    (kms.enable_key_rotation if value else kms.disable_key_rotation)(KeyId=key)


class Key(Type):
    service = "kms"
    fixed = ("KeySpec", "KeyUsage", "MultiRegion")
    not_told = ("PendingWindowInDays", "BypassPolicyLockoutSafetyCheck")
    writers = {
        "KeyPolicy": lambda kms, key, value: kms.put_key_policy(KeyId=key, Policy=json.dumps(value)),
        "Description": lambda kms, key, value: kms.update_key_description(KeyId=key, Description=value),
        "EnableKeyRotation": _enable_rotation,
        "RotationPeriodInDays": lambda kms, key, value: kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=int(value)),
        "Enabled": lambda kms, key, value: (kms.enable_key if value else kms.disable_key)(KeyId=key),
        "Tags": lambda kms, key, value: kms.tag_resource(KeyId=key, Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in value]),
    }  # fmt: skip
    readers = {
        "KeySpec": lambda kms, key, _: _describe(kms, key)["KeySpec"],
        "KeyUsage": lambda kms, key, _: _describe(kms, key)["KeyUsage"],
        "MultiRegion": lambda kms, key, _: _describe(kms, key)["MultiRegion"],
        "Description": lambda kms, key, _: _describe(kms, key)["Description"],
        "Enabled": lambda kms, key, _: _describe(kms, key)["Enabled"],
        "KeyPolicy": lambda kms, key, _: json.loads(kms.get_key_policy(KeyId=key)["Policy"]),
        "EnableKeyRotation": lambda kms, key, _: kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
        "RotationPeriodInDays": lambda kms, key, _: kms.get_key_rotation_status(KeyId=key).get("RotationPeriodInDays"),
        "Tags": lambda kms, key, _: tags_of({"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in kms.list_resource_tags(KeyId=key)["Tags"]),
    }  # fmt: skip
    # Given with the key itself, so that it never is without its policy.
    at_creation = ("KeyPolicy", "Description")

    def create(self, kms, properties):
        more = {
            name: properties[name]
            for name in ("KeySpec", "KeyUsage", "MultiRegion", "Description")
            if name in properties
        }
        if "KeyPolicy" in properties:
            more["Policy"] = json.dumps(properties["KeyPolicy"])
        bypass = properties.get("BypassPolicyLockoutSafetyCheck", False)
        return kms.create_key(BypassPolicyLockoutSafetyCheck=bypass, **more)["KeyMetadata"]["KeyId"]

    def attributes(self, kms, key):
        return {"Arn": _describe(kms, key)["Arn"], "KeyId": key}

    def delete(self, kms, key, properties):
        days = int(properties.get("PendingWindowInDays", 30))
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=days)


def _aliases(kms, name):
    return [alias for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == name]


class Alias(Type):
    service = "kms"
    fixed = ("AliasName",)
    writers = {"TargetKeyId": lambda kms, name, value: kms.update_alias(AliasName=name, TargetKeyId=value)}
    readers = {
        "AliasName": lambda kms, name, _: _aliases(kms, name)[0]["AliasName"],
        "TargetKeyId": lambda kms, name, _: _aliases(kms, name)[0]["TargetKeyId"],
    }
    at_creation = ("TargetKeyId",)

    def create(self, kms, properties):
        kms.create_alias(AliasName=properties["AliasName"], TargetKeyId=properties["TargetKeyId"])
        return properties["AliasName"]

    def delete(self, kms, name, _):
        kms.delete_alias(AliasName=name)


# ---------------------------------------------------------------- IAM


def _put_policies(iam, role, value):
    wanted = {policy["PolicyName"]: _pick(policy, ("PolicyName", "PolicyDocument"), "Policies") for policy in value}
    for name in set(iam.list_role_policies(RoleName=role)["PolicyNames"]) - set(wanted):
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    for name, policy in wanted.items():
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy["PolicyDocument"]))


def _get_policies(iam, role, wanted):
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    order = [policy["PolicyName"] for policy in wanted]
    return [
        {"PolicyName": name, "PolicyDocument": iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]}
        for name in sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    ]


def _attached(iam, role):
    return [policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]


def _attach(iam, role, value):
    for arn in set(_attached(iam, role)) - set(value):
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    for arn in value:
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)


def _role(iam, name):
    return iam.get_role(RoleName=name)["Role"]


class Role(Type):
    service = "iam"
    fixed = ("RoleName", "Path")
    writers = {
        "AssumeRolePolicyDocument": lambda iam, role, value: iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(value)),
        "Description": lambda iam, role, value: iam.update_role_description(RoleName=role, Description=value),
        "MaxSessionDuration": lambda iam, role, value: iam.update_role(RoleName=role, MaxSessionDuration=int(value), Description=_role(iam, role).get("Description", "")),
        "PermissionsBoundary": lambda iam, role, value: iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=value),
        "Policies": _put_policies,
        "ManagedPolicyArns": _attach,
        "Tags": lambda iam, role, value: iam.tag_role(RoleName=role, Tags=value),
    }  # fmt: skip
    readers = {
        "RoleName": lambda iam, role, _: _role(iam, role)["RoleName"],
        "Path": lambda iam, role, _: _role(iam, role)["Path"],
        "AssumeRolePolicyDocument": lambda iam, role, _: _role(iam, role)["AssumeRolePolicyDocument"],
        "Description": lambda iam, role, _: _role(iam, role)["Description"],
        "MaxSessionDuration": lambda iam, role, _: _role(iam, role)["MaxSessionDuration"],
        "PermissionsBoundary": lambda iam, role, _: _role(iam, role)["PermissionsBoundary"]["PermissionsBoundaryArn"],
        "Policies": _get_policies,
        "ManagedPolicyArns": lambda iam, role, _: _attached(iam, role),
        "Tags": lambda iam, role, _: tags_of(_role(iam, role)["Tags"]),
    }
    at_creation = ("AssumeRolePolicyDocument", "Description", "MaxSessionDuration", "PermissionsBoundary")

    def create(self, iam, properties):
        trust = json.dumps(properties["AssumeRolePolicyDocument"])
        more = {name: properties[name] for name in ("Description", "Path", "PermissionsBoundary") if name in properties}
        if "MaxSessionDuration" in properties:
            more["MaxSessionDuration"] = int(properties["MaxSessionDuration"])
        iam.create_role(RoleName=properties["RoleName"], AssumeRolePolicyDocument=trust, **more)
        return properties["RoleName"]

    def attributes(self, iam, role):
        return {"Arn": _role(iam, role)["Arn"], "RoleId": _role(iam, role)["RoleId"]}

    def delete(self, iam, role, _):
        _put_policies(iam, role, [])
        _attach(iam, role, [])
        iam.delete_role(RoleName=role)


# ---------------------------------------------------------------- RDS


def _subnet_group(rds, name):
    return rds.describe_db_subnet_groups(DBSubnetGroupName=name)["DBSubnetGroups"][0]


class SubnetGroup(Type):
    service = "rds"
    fixed = ("DBSubnetGroupName", "DBSubnetGroupDescription", "SubnetIds")
    readers = {
        "DBSubnetGroupName": lambda rds, name, _: _subnet_group(rds, name)["DBSubnetGroupName"],
        "DBSubnetGroupDescription": lambda rds, name, _: _subnet_group(rds, name)["DBSubnetGroupDescription"],
        "SubnetIds": lambda rds, name, _: [
            subnet["SubnetIdentifier"] for subnet in _subnet_group(rds, name)["Subnets"]
        ],
    }

    def create(self, rds, properties):
        rds.create_db_subnet_group(**properties)
        return properties["DBSubnetGroupName"]

    def delete(self, rds, name, _):
        rds.delete_db_subnet_group(DBSubnetGroupName=name)


def _instance(rds, name):
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


class Instance(Type):
    service = "rds"
    fixed = ("DBInstanceIdentifier", "DBInstanceClass", "Engine", "EngineVersion", "MasterUsername", "StorageEncrypted")
    # moto keeps no storage type and no security groups as they were given.
    not_told = (
        "MasterUserPassword", "StorageType", "VPCSecurityGroups", "PubliclyAccessible", "AllocatedStorage",
        "BackupRetentionPeriod",
    )  # fmt: skip
    readers = {key: lambda rds, name, _, key=key: _instance(rds, name)[key] for key in fixed}

    def create(self, rds, properties):
        asked = {("VpcSecurityGroupIds" if key == "VPCSecurityGroups" else key): value for key, value in properties.items()}
        for key in ("AllocatedStorage", "BackupRetentionPeriod"):
            asked[key] = int(asked[key])
        rds.create_db_instance(**asked)
        name = properties["DBInstanceIdentifier"]
        rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 0})
        return name

    def delete(self, rds, name, _):
        """Under DeletionPolicy Delete, without a last snapshot."""
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)



TYPES = {
    "AWS::IAM::Role": Role(),
    "AWS::KMS::Alias": Alias(),
    "AWS::KMS::Key": Key(),
    "AWS::RDS::DBInstance": Instance(),
    "AWS::RDS::DBSubnetGroup": SubnetGroup(),
    "AWS::S3::Bucket": Bucket(),
    "AWS::S3::BucketPolicy": BucketPolicy(),
}
