"""What must hold for every resource and every policy, whoever uses it."""

import json
import re
import unittest

import policies
from iam import NEGATIVE, listed
from policies import Document, documents
from template import AWS, BACKUP, BUCKET, PARTITIONS, REGION, SOURCE, Template, every_template, read
from test_attack import attacks
from world import MANIFEST, PARTS, RECORD, RUN, World

# Present in every request of an account's principal.
ALWAYS_THERE = {"aws:PrincipalArn", "aws:PrincipalAccount"}


class Resources(unittest.TestCase):
    def test_deleting_a_stack_deletes_nothing(self):
        for path in AWS.glob("*.yaml"):
            for key, resource in read(path.name)["Resources"].items():
                with self.subTest(f"{path.name}: {key}"):
                    self.assertEqual(resource.get("DeletionPolicy"), "Retain")
                    self.assertEqual(resource.get("UpdateReplacePolicy"), "Retain")

    def test_templates_can_be_given_without_a_bucket_to_upload_them_to(self):
        for path in AWS.glob("*.yaml"):
            self.assertLessEqual(path.stat().st_size, 51_200, path.name)

    def test_lifecycle_comes_after_the_locks_to_all_that_an_exporter_may_write(self):
        for days in read("backup-account.yaml")["Parameters"]["DailyLockDays"]["AllowedValues"]:
            tier = read("backup-account.yaml")["Mappings"]["Tier"][days]
            self.assertEqual(tier["LockCap"], int(days) + 2, days)
            self.assertGreater(tier["ExpireAfter"], tier["LockCap"], days)
            self.assertLess(tier["LockFloor"], int(days), days)
            self.assertGreater(tier["LockFloor"], 0, days)
        bucket = every_template()[0].of_type("AWS::S3::Bucket")["Bucket"]
        rules = bucket["LifecycleConfiguration"]["Rules"]
        days = {"prod/parts/": 38, "prod/manifests/": 38, "prod/runs/": 38, "prod/snapshots/": 800}
        *removing, unfinished = rules
        self.assertEqual({rule["Prefix"]: rule["ExpirationInDays"] for rule in removing}, days)
        for rule in removing:
            self.assertEqual(set(rule) - {"Id", "Status", "Prefix", "ExpirationInDays"}, {"NoncurrentVersionExpiration"})
        self.assertEqual((unfinished["Prefix"], unfinished["AbortIncompleteMultipartUpload"]), ("prod/", {"DaysAfterInitiation": 1}))
        add, = (
            statement
            for document in documents()
            if document.where == "backup-account.yaml: ExporterRole/export"
            for statement in document.statements
            if statement["Sid"] == "Add"
        )
        # Of runs its own alone.
        written = {f"arn:aws:s3:::{BUCKET}/{prefix}*".replace("/runs/", "/runs/export/") for prefix in days}
        self.assertEqual(set(add["Resource"]), written)

    def test_parts_that_are_named_again_go_after_locks_of_their_own(self):
        template = read("backup-account.yaml")
        for daily in template["Parameters"]["DailyLockDays"]["AllowedValues"]:
            for every in template["Parameters"]["FullEveryDays"]["AllowedValues"]:
                cap = int(daily) + (int(every) + 3 if every != "0" else 2)
                self.assertEqual(template["Mappings"]["Tier"][daily][every], [cap, cap + 1])
        for every, cap in (("0", 37), ("7", 45), ("14", 52)):
            days = {"parts": cap + 1, "manifests": 38, "runs": 38, "snapshots": 800}
            self.assertEqual(lifecycle(FullEveryDays=every), days)
            world = World(FullEveryDays=every)
            for who in (world.role("lifeboat-exporter"), world.widened("lifeboat-exporter")):
                self.assertTrue(world.put(who, PARTS, cap))
                self.assertFalse(world.put(who, PARTS, cap + 1))
                self.assertFalse(world.extend(who, PARTS, cap + 1))
                # All else goes with its own point.
                for key in (MANIFEST, RECORD, RUN):
                    self.assertTrue(world.put(who, key, 37))
                    self.assertFalse(world.put(who, key, 38))
                self.assertFalse(world.put(who, PARTS, 31))

    def test_what_an_hour_stores_goes_in_the_order_of_its_locks(self):
        template = read("backup-account.yaml")
        for hours in template["Parameters"]["HourlyLockDays"]["AllowedValues"][1:]:
            # A manifest's lock is of so many days, a part's four longer. A run of two days comes with what is left.
            expected = {"LockFloor": max(int(hours) - 3, 0), "Manifests": int(hours) + 1, "Parts": int(hours) + 5}
            self.assertEqual(template["Mappings"]["Hours"][hours], expected)
        hourly = {"FullEveryDays": "7", "HourlyLockDays": "5"}
        self.assertEqual(lifecycle(**hourly), {"parts": 10, "manifests": 6, "runs": 38, "snapshots": 800})
        world = World(**hourly)
        exporter = world.role("lifeboat-exporter")
        for key, days in ((MANIFEST, 5), (MANIFEST, 3), (MANIFEST, 35), (PARTS, 9), (PARTS, 45)):
            self.assertTrue(world.put(exporter, key, days), (key, days))
        for key, days in ((MANIFEST, 1.9), (MANIFEST, 38), (PARTS, 1.9), (PARTS, 46)):
            self.assertFalse(world.put(exporter, key, days), (key, days))

    def test_with_hours_a_thief_locks_his_own_points_otherwise_and_nothing_else(self):
        tried = attacks(World(FullEveryDays="7", HourlyLockDays="3"))
        shorter = {f"put a {kind} with a lock of a day" for kind in ("part", "manifest", "record", "plan")}
        dearer = {"lock for longer than the daily tier", "put a part with a longer lock"}
        self.assertEqual({what for (_, what), succeeds in tried.items() if succeeds}, shorter | dearer)
        thieves = {"lifeboat-exporter", "widened lifeboat-exporter"}
        self.assertEqual({who for (who, _), succeeds in tried.items() if succeeds}, thieves)

    def test_the_bucket_is_locked_private_and_versioned(self):
        bucket = every_template()[0].of_type("AWS::S3::Bucket")["Bucket"]
        self.assertEqual(bucket["BucketName"], BUCKET)
        self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})
        self.assertIs(bucket["ObjectLockEnabled"], True)
        retention = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        self.assertEqual(retention, {"Mode": "COMPLIANCE", "Days": "35"})
        self.assertEqual(bucket["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])
        for bucket in (one for template in every_template() for one in template.of_type("AWS::S3::Bucket").values()):
            self.assertEqual(set(bucket["PublicAccessBlockConfiguration"].values()), {True})

    def test_keys_rotate_where_kms_can_and_wait_thirty_days(self):
        for template in every_template():
            for name, key in template.of_type("AWS::KMS::Key").items():
                with self.subTest(name):
                    self.assertEqual(key["PendingWindowInDays"], 30)
                    symmetric = "KeySpec" not in key
                    self.assertEqual(key.get("EnableKeyRotation", False), symmetric)

    def test_tasks_are_pinned_unprivileged_and_hold_no_secret_in_the_clear(self):
        tasks = [one for template in every_template() for one in template.of_type("AWS::ECS::TaskDefinition").values()]
        self.assertEqual({task["Family"] for task in tasks}, {"lifeboat-nightly", "lifeboat-prove", "lifeboat-expire"})
        for task in tasks:
            for container in task["ContainerDefinitions"]:
                self.assertRegex(container["Image"], "@sha256:[0-9a-f]{64}$")
                self.assertTrue(container["ReadonlyRootFilesystem"])
                self.assertEqual(container["LinuxParameters"]["Capabilities"], {"Drop": ["ALL"]})
            container = task["ContainerDefinitions"][0]
            self.assertEqual(container["User"], "10001")
            self.assertEqual([one["Name"] for one in container["Environment"]], ["AWS_REGION"])
            self.assertIn("LIFEBOAT_TOML", [one["Name"] for one in container["Secrets"]])
        schedules = [one for template in every_template() for one in template.of_type("AWS::Scheduler::Schedule").values()]
        for schedule in (one for one in schedules if "EcsParameters" in one["Target"]):
            network = schedule["Target"]["EcsParameters"]["NetworkConfiguration"]["AwsvpcConfiguration"]
            self.assertEqual(network["AssignPublicIp"], "DISABLED")

    def test_jobs_are_pinned_unprivileged_and_hold_no_secret_in_the_clear(self):
        jobs = Template("fleet.yaml", SOURCE).of_type("AWS::Batch::JobDefinition").values()
        self.assertEqual({job["JobDefinitionName"] for job in jobs}, {"lifeboat-fleet", "lifeboat-collect"})
        task = Template("source-account.yaml", SOURCE).of_type("AWS::ECS::TaskDefinition")["NightlyTask"]
        for job in jobs:
            container = job["ContainerProperties"]
            self.assertRegex(container["Image"], "@sha256:[0-9a-f]{64}$")
            self.assertIs(container["ReadonlyRootFilesystem"], True)
            self.assertEqual(container["User"], "10001")
            self.assertEqual(container["NetworkConfiguration"], {"AssignPublicIp": "DISABLED"})
            self.assertEqual([one["Name"] for one in container["Environment"]], ["AWS_REGION"])
            # Roles and secrets are those of the task whose place they take.
            self.assertEqual(container["JobRoleArn"], task["TaskRoleArn"])
            self.assertEqual(container["ExecutionRoleArn"], task["ExecutionRoleArn"])
            secrets = task["ContainerDefinitions"][0]["Secrets"]
            self.assertEqual(container["Secrets"], [one for one in secrets if one in container["Secrets"]])
            self.assertIn("LIFEBOAT_TOML", [one["Name"] for one in container["Secrets"]])

    def test_one_of_the_two_schedules_of_nightly_can_be_switched_off(self):
        source = Template("source-account.yaml", SOURCE, NightlyState="DISABLED")
        self.assertEqual(source.of_type("AWS::Scheduler::Schedule")["EveryNight"]["State"], "DISABLED")
        self.assertIn("NightlyIsSilent", source.of_type("AWS::CloudWatch::Alarm"))

    def test_hourly_exports_are_the_night_s_task_with_another_command(self):
        self.assertEqual(set(Template("source-account.yaml", SOURCE).of_type("AWS::Scheduler::Schedule")), {"EveryNight"})
        hourly = {"HourlySchedule": "cron(5 1-23 * * ? *)"}
        night, hour = Template("source-account.yaml", SOURCE, **hourly).of_type("AWS::Scheduler::Schedule").values()
        self.assertEqual(hour["ScheduleExpression"], "cron(5 1-23 * * ? *)")
        task = Template("source-account.yaml", SOURCE).of_type("AWS::ECS::TaskDefinition")["NightlyTask"]
        override = {"name": task["ContainerDefinitions"][0]["Name"], "command": ["export"]}
        self.assertEqual(json.loads(hour["Target"]["Input"]), {"containerOverrides": [override]})
        for key in ("Arn", "RoleArn", "EcsParameters"):
            self.assertEqual(hour["Target"][key], night["Target"][key])
        # Of a task that is not there, no hour is.
        nowhere = Template("source-account.yaml", SOURCE, **hourly, Image="")
        self.assertEqual(nowhere.of_type("AWS::Scheduler::Schedule"), {})

    def test_whoever_exports_is_given_the_reuse_key(self):
        tasks = [Template("source-account.yaml", SOURCE).of_type("AWS::ECS::TaskDefinition")["NightlyTask"]["ContainerDefinitions"][0]]
        tasks.append(Template("fleet.yaml", SOURCE).of_type("AWS::Batch::JobDefinition")["Shard"]["ContainerProperties"])
        for task in tasks:
            secret, = (one["ValueFrom"] for one in task["Secrets"] if one["Name"] == "LIFEBOAT_REUSE_KEY")
            self.assertIn(":secret:lifeboat/reuse-key-", secret)
            allowed, = (
                statement["Resource"]
                for document in documents()
                if document.where == "source-account.yaml: ExecutionRole/start"
                for statement in document.statements
                if statement["Sid"] == "Secrets"
            )
            self.assertIn(secret, allowed)

    def test_an_image_by_tag_is_refused(self):
        for name in ("backup-tasks.yaml", "source-account.yaml", "fleet.yaml"):
            pattern = read(name)["Parameters"]["Image"]["AllowedPattern"]
            image = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/lifeboat"
            self.assertTrue(re.fullmatch(pattern, f"{image}@sha256:{'a' * 64}"))
            self.assertFalse(re.fullmatch(pattern, f"{image}:latest"))

    def test_silence_is_an_alarm(self):
        alarms = [one for template in every_template() for one in template.of_type("AWS::CloudWatch::Alarm").values()]
        silent = {one["MetricName"]: one for one in alarms if one["Namespace"] == "lifeboat"}
        self.assertEqual(set(silent), {"NightlySuccess", "ProveSuccess"})
        for alarm in silent.values():
            self.assertEqual(alarm["TreatMissingData"], "breaching")
            self.assertTrue(alarm["AlarmActions"])
            self.assertLessEqual(alarm["Period"] * alarm["EvaluationPeriods"], 7 * 86_400)

    def test_what_the_alarms_on_silence_wait_for_is_what_lifeboat_may_put(self):
        source = (AWS.parents[1] / "src/schedule/step.rs").read_text()
        for name, role in (("ProveSuccess", "backup-account.yaml: ProveRole"), ("NightlySuccess", "source-account.yaml: NightlyRole")):
            self.assertIn(f'"{name}"', source)
            alarms = [one for template in every_template() for one in template.of_type("AWS::CloudWatch::Alarm").values()]
            alarm, = (one for one in alarms if one["MetricName"] == name)
            self.assertNotIn("Dimensions", alarm)
            statement, = (
                statement
                for document in documents()
                if document.where.startswith(role)
                for statement in document.statements
                if statement["Action"] == "cloudwatch:PutMetricData"
            )
            self.assertEqual(statement["Condition"], {"StringEquals": {"cloudwatch:namespace": alarm["Namespace"]}})

    def test_drills_reach_nobody(self):
        group = every_template()[1].of_type("AWS::EC2::SecurityGroup")["DrillSecurityGroup"]
        self.assertEqual([one["CidrIp"] for one in group["SecurityGroupEgress"]], ["127.0.0.1/32"])

    def test_the_stack_policy_names_what_is_there(self):
        named = json.loads((AWS / "stack-policy.json").read_text())["Statement"][1]["Resource"]
        for one in named:
            self.assertIn(one.removeprefix("LogicalResourceId/"), every_template()[0].resources)


class Partitions(unittest.TestCase):
    """China and GovCloud: what is decided for `aws` is decided there, too."""

    def test_the_policies_are_the_same_but_for_the_partition(self):
        here = list(self.resolved("aws"))
        homes = read("backup-account.yaml")["Mappings"]["Partition"]
        self.assertEqual(set(homes), set(PARTITIONS))
        for partition, suffix in PARTITIONS.items():
            for (where, there), (_, wanted) in zip(self.resolved(partition), here, strict=True):
                with self.subTest(partition, where=where):
                    self.assertEqual(set(re.findall(r"arn:([a-z-]+):", there)) - {partition}, set())
                    there = there.replace(f"arn:{partition}:", "arn:aws:").replace(homes[partition]["Home"], "us-east-1")
                    self.assertEqual(there.replace(f"rds.{REGION}.{suffix}", f"rds.{REGION}.amazonaws.com"), wanted)

    @staticmethod
    def resolved(partition):
        for template in every_template(partition):
            for key, resource in template.resources.items():
                yield f"{template.name}: {key}", json.dumps(resource)

    def test_the_service_control_policy_is_of_any_partition(self):
        text = (AWS / "scp.json").read_text()
        self.assertEqual(set(re.findall(r"arn:([^:]+):", text)), {"*"})

    def test_what_is_given_may_be_of_any_partition(self):
        image = "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/lifeboat@sha256:" + "a" * 64
        key = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
        for name, parameter, value in [
            ("backup-tasks.yaml", "Image", image), ("source-account.yaml", "Image", image), ("fleet.yaml", "Image", image),
            ("source-account.yaml", "SnapshotKeyArn", key),
            ("source-account.yaml", "RunsElsewhereAs", "arn:aws-cn:iam::111122223333:role/machine"),
        ]:  # fmt: skip
            self.assertRegex(value, f"^{read(name)['Parameters'][parameter]['AllowedPattern']}$")


class Policies(unittest.TestCase):
    def for_every_statement(self, check):
        for document in documents():
            for statement in document.statements:
                with self.subTest(f"{document.where}: {statement['Sid']}"):
                    check(document, statement)

    def test_there_are_as_many_as_expected(self):
        # So that no check below passes by looking at nothing.
        kinds = [document.kind for document in documents()]
        self.assertEqual(
            {kind: kinds.count(kind) for kind in set(kinds)},
            {"trust": 14, "role": 15, "bucket": 3, "key": 4, "topic": 2, "registry": 1, "log": 1, "scp": 1},
        )

    def test_grammar(self):
        def check(document, statement):
            known = {"Sid", "Effect", "Principal", "Action", "Resource", "NotResource", "Condition"}
            self.assertLessEqual(set(statement), known)
            self.assertRegex(statement["Sid"], "^[A-Za-z0-9]{1,64}$")
            self.assertIn(statement["Effect"], {"Allow", "Deny"})
            self.assertTrue(listed(statement["Action"]))
            self.assertEqual("Principal" in statement, document.kind not in {"role", "scp"})
            on_itself = document.kind in {"trust", "registry"}
            self.assertEqual(("Resource" in statement) + ("NotResource" in statement), not on_itself)

        self.for_every_statement(check)
        for document in documents():
            self.assertEqual(document.body["Version"], "2012-10-17", document.where)
            sids = [one["Sid"] for one in document.statements]
            self.assertEqual(len(sids), len(set(sids)), document.where)

    def test_sizes(self):
        roles = {}
        for document in documents():
            if document.kind == "role":
                role = document.where.split("/")[0]
                roles[role] = roles.get(role, 0) + document.size
            else:
                self.assertLessEqual(document.size, Document.LIMITS[document.kind], document.where)
        self.assertEqual({role: size for role, size in roles.items() if size > 10_240}, {})

    def test_every_action_exists(self):
        def check(_, statement):
            for action in listed(statement["Action"]):
                self.assertTrue(policies.privileges(action), action)

        self.for_every_statement(check)

    def test_conditions_are_on_keys_that_requests_carry(self):
        self.for_every_statement(lambda _, statement: self.assertEqual(policies.unknown_keys(statement), []))

    def test_what_is_allowed_names_every_resource_that_the_action_needs(self):
        def check(document, statement):
            if statement["Effect"] != "Allow" or document.kind != "role" or statement["Resource"] == "*":
                return
            for pattern in listed(statement["Action"]):
                lacks = {one: missing(one, listed(statement["Resource"])) for one in policies.privileges(pattern)}
                # A wildcard also stands for actions that are not meant.
                self.assertIn([], lacks.values(), lacks)
                self.assertTrue("*" in pattern or not any(lacks.values()), lacks)

        self.for_every_statement(check)

    def test_bucket_policies_pair_actions_with_what_they_are_done_to(self):
        """S3 refuses a policy in which an action applies to none of the statement's resources."""

        def check(document, statement):
            if document.kind == "bucket":
                resources = listed(statement.get("Resource", statement.get("NotResource")))
                for pattern in listed(statement["Action"]):
                    self.assertIn([], [missing(one, resources) for one in policies.privileges(pattern)], pattern)

        self.for_every_statement(check)

    def test_an_absent_key_never_denies(self):
        """In a Deny, "not equal" also holds where the request does not carry the key at all."""

        def check(_, statement):
            condition = statement.get("Condition", {})
            for operator in set(condition) & set(NEGATIVE):
                for key in set(condition[operator]) - ALWAYS_THERE:
                    if statement["Effect"] == "Deny":
                        self.assertEqual(condition.get("Null", {}).get(key), "false", key)

        self.for_every_statement(check)

    def test_no_role_is_a_principal_and_no_account_without_a_condition(self):
        def check(_, statement):
            principal = statement.get("Principal", "*")
            if statement["Effect"] == "Deny" or principal == "*":
                return
            for name in listed(principal.get("AWS", [])):
                self.assertRegex(name, r"^arn:aws:iam::\d{12}:root$")
                if statement["Sid"] != "RolesOfThisAccountByTheirPolicies":
                    self.assertIn("Condition", statement)

        self.for_every_statement(check)


def lifecycle(**parameters):
    """After how many days objects are hidden, by the first folder of their keys."""
    bucket = Template("backup-account.yaml", BACKUP, **parameters).of_type("AWS::S3::Bucket")["Bucket"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    return {rule["Prefix"].split("/")[1]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


def missing(action, resources):
    """The types of resource that the action must be allowed on, and is not."""
    patterns = policies.resource_patterns(action)
    fits = {kind: any(policies.overlap(arn, one) for one in resources) for kind, _, arn in patterns}
    required = [kind for kind, needed, _ in patterns if needed and not fits[kind]]
    if patterns and not any(fits.values()):
        return required or [kind for kind, _, _ in patterns]
    return required


if __name__ == "__main__":
    unittest.main()
