"""The image and those who run it agree, and keep it small in rights."""

import re
import unittest

import yaml

from template import BACKUP, SOURCE, ROOT, Template

DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
UID = 10001
WRITTEN_TO = {"/run/lifeboat", "/tmp"}
# Of the container in which drills have their server.
DRILL_UID = 10002
DRILL_SERVER = ["drill-server", "--folder", "/drill"]
DRILL_WRITES_TO = {"/drill", "/tmp"}
# Read by lifeboat itself.
OF_A_SHARD = ("LIFEBOAT_SHARDS", "LIFEBOAT_RUN")


def cronjobs(name):
    """What a file schedules, by name."""
    documents = yaml.safe_load_all((ROOT / "deploy/kubernetes" / name).read_text())
    return {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == "CronJob"}


def cronjob(name):
    found, = cronjobs(name).values()
    return found


class Image(unittest.TestCase):
    def test_it_runs_as_a_number_that_is_not_root(self):
        # A number: Kubernetes cannot tell whether a name is root.
        self.assertEqual(re.findall(r"^USER (.*)$", DOCKERFILE, re.M), [f"{UID}:{UID}"])

    def test_base_images_are_named_by_tag(self):
        images = re.findall(r"^ARG \w+_IMAGE=(.*)$", DOCKERFILE, re.M)
        self.assertEqual(len(images), 2)
        for image in images:
            self.assertRegex(image, r":[a-z0-9.-]*trixie[a-z-]*$")
        self.assertEqual(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M), ["${RUST_IMAGE}", "${DEBIAN_IMAGE}"])

    def test_the_compiler_is_new_enough(self):
        wanted = re.search(r'^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        self.assertIn(f"=rust:{wanted}.", DOCKERFILE)

    def test_nothing_but_what_the_build_reads_reaches_it(self):
        lines = (ROOT / "deploy/docker/Dockerfile.dockerignore").read_text().splitlines()
        rules = [line for line in lines if line and not line.startswith("#")]
        self.assertEqual(rules[0], "*")
        let_in = {rule.removeprefix("!") for rule in rules[1:]}
        copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.*) \S+$", DOCKERFILE, re.M)
        self.assertEqual(let_in, {path for line in copied for path in line.split()})

    def test_volumes_are_those_that_are_mounted(self):
        volumes = set(re.findall(r'"(/[^"]+)"', re.search(r"^VOLUME .*$", DOCKERFILE, re.M)[0]))
        self.assertEqual(volumes, WRITTEN_TO | DRILL_WRITES_TO)
        for template in (Template("backup-tasks.yaml", BACKUP), Template("source-account.yaml", SOURCE)):
            for task in template.of_type("AWS::ECS::TaskDefinition").values():
                container = task["ContainerDefinitions"][0]
                written = {one["ContainerPath"] for one in container["MountPoints"] if not one.get("ReadOnly")}
                self.assertEqual(written, WRITTEN_TO)
                self.assertEqual(container["User"], str(UID))
        for job in Template("fleet.yaml", SOURCE).of_type("AWS::Batch::JobDefinition").values():
            container = job["ContainerProperties"]
            self.assertEqual({one["ContainerPath"] for one in container["MountPoints"]}, WRITTEN_TO)
            names = [{one["Name"] for one in container["Volumes"]}, {one["SourceVolume"] for one in container["MountPoints"]}]
            self.assertEqual(*names)
            # "This parameter isn't applicable to jobs that are running on Fargate resources and shouldn't be provided."
            # https://docs.aws.amazon.com/batch/latest/APIReference/API_Volume.html
            self.assertFalse(any("Host" in one for one in container["Volumes"]))

    def test_both_users_are_known_by_name_and_only_one_owns_what_holds_secrets(self):
        # initdb asks for the name.
        self.assertEqual(re.findall(r"useradd --uid (\d+)", DOCKERFILE), [str(UID), str(DRILL_UID)])
        self.assertIn("--owner=lifeboat --group=lifeboat --mode=0700 /run/lifeboat", DOCKERFILE)
        self.assertIn("--mode=1777 /drill", DOCKERFILE)

    def test_drills_have_a_wall_where_namespaces_are_allowed(self):
        self.assertRegex(DOCKERFILE, r"apt-get install .*\bbubblewrap\b")

    def test_nothing_stands_before_the_entry_point_with_its_environment(self):
        self.assertIn('\nENTRYPOINT ["/usr/local/bin/lifeboat-entrypoint"]\n', DOCKERFILE)
        self.assertRegex(DOCKERFILE, r"apt-get install .*\btini\b")


class SecondContainer(unittest.TestCase):
    """Strangers' code runs there: it has nothing to lose, and nothing in common but one folder."""

    def test_of_the_task(self):
        task, = (
            one
            for one in Template("backup-tasks.yaml", BACKUP).of_type("AWS::ECS::TaskDefinition").values()
            if one["Family"] == "lifeboat-prove"
        )
        main, drills = task["ContainerDefinitions"]
        self.assertEqual(drills["Command"], DRILL_SERVER)
        self.assertEqual(drills["User"], str(DRILL_UID))
        self.assertEqual(drills["Image"], main["Image"])
        self.assertNotIn("Secrets", drills)
        self.assertNotIn("Environment", drills)
        self.assertNotIn("PidMode", task)
        self.assertEqual({one["ContainerPath"] for one in drills["MountPoints"]}, DRILL_WRITES_TO)
        volumes = [{one["SourceVolume"] for one in container["MountPoints"]} for container in (main, drills)]
        self.assertEqual(volumes[0] & volumes[1], {"drill"})
        self.assertEqual([one["ContainerPath"] for one in main["MountPoints"] if one.get("ReadOnly")], ["/drill"])
        self.assertIn({"ContainerName": drills["Name"], "Condition": "START"}, main["DependsOn"])
        # A drill server that died is prove's to tell: its verification, promotion and status go on.
        self.assertEqual([one["Essential"] for one in (main, drills)], [True, False])

    def test_of_the_pod(self):
        template = cronjob("prove.yaml")["jobTemplate"]["spec"]["template"]
        pod = template["spec"]
        (main,), (drills,) = pod["containers"], pod["initContainers"]
        # A sidecar: without this the pod would wait for its end, and with it among `containers` never end.
        self.assertEqual(drills["restartPolicy"], "Always")
        self.assertEqual(drills["args"], DRILL_SERVER)
        self.assertEqual(drills["image"], main["image"])
        self.assertNotIn("env", drills)
        self.assertNotIn("envFrom", drills)
        self.assertEqual({one["mountPath"] for one in drills["volumeMounts"]}, DRILL_WRITES_TO)
        volumes = [{one["name"] for one in container["volumeMounts"]} for container in (main, drills)]
        self.assertEqual(volumes[0] & volumes[1], {"drill"})
        ids = [container["securityContext"] for container in (main, drills)]
        self.assertEqual([one["runAsUser"] for one in ids], [UID, DRILL_UID])
        self.assertEqual([one["runAsGroup"] for one in ids], [UID, DRILL_UID])
        # Each would put something of the one into the hands of the other.
        for key in ("fsGroup", "supplementalGroups"):
            self.assertNotIn(key, pod["securityContext"])
        for key in ("shareProcessNamespace", "hostPID", "hostNetwork", "hostIPC"):
            self.assertNotIn(key, pod)
        skipped = template["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"]
        self.assertEqual(skipped, drills["name"])

    def test_the_pod_pins_the_keys_that_it_believes(self):
        (main,) = cronjob("prove.yaml")["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        command, *pinned = main["args"]
        self.assertEqual(command, "prove")
        self.assertEqual(len(pinned), 2)
        for one in pinned:
            self.assertRegex(one, "^--trust=[0-9a-f]{64}$")

    def test_both_deployments_name_the_socket_that_it_makes(self):
        for name in ("docs/accounts.md", "docs/drills.md", "deploy/kubernetes/prove.yaml"):
            self.assertIn('server_socket = "/drill/lifeboat.sock"', (ROOT / name).read_text(), name)


class CronJobs(unittest.TestCase):
    def setUp(self):
        self.cronjobs = [one for name in ("cronjob.yaml", "hourly.yaml", "prove.yaml", "fleet.yaml") for one in cronjobs(name).values()]
        self.jobs = [one["jobTemplate"]["spec"] for one in self.cronjobs]
        self.pods = [one["template"]["spec"] for one in self.jobs]
        self.containers = [one for pod in self.pods for one in pod["containers"]]
        self.all_containers = self.containers + [one for pod in self.pods for one in pod.get("initContainers", [])]

    def test_a_failed_run_is_not_repeated_and_no_two_run_at_once(self):
        for spec, job, pod in zip(self.cronjobs, self.jobs, self.pods):
            # Shards do start again, and pass over what is done: see test_engines.py.
            if job.get("completionMode") != "Indexed":
                self.assertEqual(job["backoffLimit"], 0)
            self.assertEqual(pod["restartPolicy"], "Never")
            self.assertEqual(spec["concurrencyPolicy"], "Forbid")

    def test_they_have_no_rights_on_their_machine_or_cluster(self):
        for pod in self.pods:
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(pod["automountServiceAccountToken"])
            for container in pod["containers"]:
                user = container["securityContext"].get("runAsUser", pod["securityContext"].get("runAsUser"))
                self.assertEqual(user, UID)
                written = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
                self.assertEqual(written, WRITTEN_TO)
        for container in self.all_containers:
            rights = container["securityContext"]
            self.assertTrue(rights["readOnlyRootFilesystem"])
            self.assertFalse(rights["allowPrivilegeEscalation"])
            self.assertEqual(rights["capabilities"], {"drop": ["ALL"]})

    def test_secrets_are_not_on_a_disk(self):
        for pod in self.pods:
            volumes = {one["name"]: one for one in pod["volumes"]}
            self.assertEqual(volumes["run"]["emptyDir"]["medium"], "Memory")
        for one in (one for container in self.containers for one in container["env"]):
            if one["name"] not in ("AWS_REGION", *OF_A_SHARD):
                self.assertIn("secretKeyRef", one["valueFrom"])

    def test_memory_has_a_limit_and_the_image_a_digest(self):
        for container in self.all_containers:
            self.assertIn("memory", container["resources"]["limits"])
            self.assertRegex(container["image"], "@sha256:[0-9a-f]{64}$")

    def test_they_hand_over_what_the_entry_point_reads(self):
        entrypoint = (ROOT / "deploy/docker/entrypoint.sh").read_text()
        for one in (one for container in self.containers for one in container["env"]):
            if one["name"].startswith("LIFEBOAT_") and one["name"] not in OF_A_SHARD:
                self.assertIn(f"${{{one['name']}:-}}", entrypoint)

    def test_the_fleet_takes_the_place_of_the_one_task_and_has_all_that_it_has(self):
        single, fleet = cronjob("cronjob.yaml"), cronjobs("fleet.yaml")["lifeboat-nightly"]
        self.assertIn("lifeboat-nightly", cronjobs("cronjob.yaml"))
        pods = [one["jobTemplate"]["spec"]["template"]["spec"] for one in (single, fleet)]
        for pod in pods:
            del pod["containers"][0]["args"], pod["containers"][0]["resources"]
            pod["containers"][0]["env"] = [one for one in pod["containers"][0]["env"] if one["name"] not in OF_A_SHARD]
            pod.pop("topologySpreadConstraints", None)
        self.assertEqual(*pods)

    def test_the_hours_have_all_that_the_night_has(self):
        night, hour = (cronjob(name)["jobTemplate"]["spec"]["template"] for name in ("cronjob.yaml", "hourly.yaml"))
        commands = [one["spec"]["containers"][0].pop("args") for one in (night, hour)]
        self.assertEqual(commands, [["nightly"], ["export"]])
        self.assertEqual(night, hour)


class Units(unittest.TestCase):
    def test_the_hours_have_all_that_the_night_has(self):
        night, hour = ((ROOT / f"deploy/systemd/lifeboat-{name}.service").read_text() for name in ("nightly", "hourly"))
        lines = [[one for one in text.splitlines() if one and not one.startswith(("#", "Description="))] for text in (night, hour)]
        self.assertEqual([one.replace("=lifeboat nightly", "=lifeboat export") for one in lines[0]], lines[1])
        self.assertIn("ExecStart=lifeboat export", lines[1])


if __name__ == "__main__":
    unittest.main()
