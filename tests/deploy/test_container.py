"""The image and those who run it agree, and keep it small in rights."""

import re
import unittest

import yaml

from template import BACKUP, SOURCE, ROOT, Template

DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
DOCUMENTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/cronjob.yaml").read_text()))
UID = 10001
WRITTEN_TO = {"/run/lifeboat", "/tmp"}


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
        self.assertEqual(set(re.findall(r'"(/[^"]+)"', re.search(r"^VOLUME .*$", DOCKERFILE, re.M)[0])), WRITTEN_TO)
        for template in (Template("backup-tasks.yaml", BACKUP), Template("source-account.yaml", SOURCE)):
            for task in template.of_type("AWS::ECS::TaskDefinition").values():
                container, = task["ContainerDefinitions"]
                self.assertEqual({one["ContainerPath"] for one in container["MountPoints"]}, WRITTEN_TO)
                self.assertEqual(container["User"], str(UID))


class CronJob(unittest.TestCase):
    def setUp(self):
        found, = (one for one in DOCUMENTS if one["kind"] == "CronJob")
        self.cronjob = found["spec"]
        self.job = self.cronjob["jobTemplate"]["spec"]
        self.pod = self.job["template"]["spec"]
        self.container, = self.pod["containers"]

    def test_a_failed_run_is_not_repeated_and_no_two_run_at_once(self):
        self.assertEqual(self.job["backoffLimit"], 0)
        self.assertEqual(self.pod["restartPolicy"], "Never")
        self.assertEqual(self.cronjob["concurrencyPolicy"], "Forbid")

    def test_it_has_no_rights_on_its_machine_or_cluster(self):
        self.assertEqual(self.pod["securityContext"]["runAsUser"], UID)
        self.assertTrue(self.pod["securityContext"]["runAsNonRoot"])
        self.assertFalse(self.pod["automountServiceAccountToken"])
        rights = self.container["securityContext"]
        self.assertTrue(rights["readOnlyRootFilesystem"])
        self.assertFalse(rights["allowPrivilegeEscalation"])
        self.assertEqual(rights["capabilities"], {"drop": ["ALL"]})
        self.assertEqual({one["mountPath"] for one in self.container["volumeMounts"]}, WRITTEN_TO)

    def test_secrets_are_not_on_a_disk(self):
        volumes = {one["name"]: one for one in self.pod["volumes"]}
        self.assertEqual(volumes["run"]["emptyDir"]["medium"], "Memory")
        for one in self.container["env"]:
            if one["name"] != "AWS_REGION":
                self.assertIn("secretKeyRef", one["valueFrom"])

    def test_memory_has_a_limit_and_the_image_a_digest(self):
        self.assertIn("memory", self.container["resources"]["limits"])
        self.assertRegex(self.container["image"], "@sha256:[0-9a-f]{64}$")

    def test_it_hands_over_what_the_entry_point_reads(self):
        entrypoint = (ROOT / "deploy/docker/entrypoint.sh").read_text()
        for one in self.container["env"]:
            if one["name"].startswith("LIFEBOAT_"):
                self.assertIn(f"${{{one['name']}:-}}", entrypoint)


if __name__ == "__main__":
    unittest.main()
