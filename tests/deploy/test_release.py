"""What a release says of itself, and what its workflows call."""

import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest

import yaml

from template import ROOT

CHANGELOG = """# Changelog

## [Unreleased]

- Not yet.

## [1.2.0] - 2027-01-01

### Added

- This.

## [1.2.0-rc.1] - 2026-12-31

- That.
"""


class Notes(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        (self.folder / "deploy/release").mkdir(parents=True)
        shutil.copy(ROOT / "deploy/release/notes.sh", self.folder / "deploy/release")
        (self.folder / "CHANGELOG.md").write_text(CHANGELOG)

    def notes(self, version, *arguments):
        (self.folder / "Cargo.toml").write_text(f'[package]\nname = "lifeboat"\nversion = "{version}"\n')
        command = ["bash", self.folder / "deploy/release/notes.sh", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_they_are_the_section_of_this_version_alone(self):
        said = self.notes("1.2.0", "v1.2.0")
        self.assertEqual((said.returncode, said.stdout.strip()), (0, "### Added\n\n- This."), said.stderr)
        said = self.notes("1.2.0-rc.1", "v1.2.0-rc.1", "registry/lifeboat:1@sha256:0")
        self.assertEqual(said.stdout.strip(), "- That.\n\n**Image**: `registry/lifeboat:1@sha256:0`")

    def test_a_tag_that_is_not_the_version_or_not_in_the_changelog_fails(self):
        self.assertIn("the tag is v1.2.0, Cargo.toml says 1.1.0", self.notes("1.1.0", "v1.2.0").stderr)
        said = self.notes("1.3.0", "v1.3.0")
        self.assertEqual(said.returncode, 1)
        self.assertIn("no section '## [1.3.0]'", said.stderr)


class Workflows(unittest.TestCase):
    def test_they_call_what_is_there_with_few_rights_and_an_end(self):
        called = set()
        for path in ROOT.glob(".github/workflows/*.yml"):
            workflow = yaml.safe_load(path.read_text())
            self.assertEqual(workflow["permissions"], {"contents": "read"}, path.name)
            for name, job in workflow["jobs"].items():
                self.assertIn("timeout-minutes", job, f"{path.name}: {name}")
                for step in job["steps"]:
                    called |= set(re.findall(r"\bbash ([\w.][\w./-]*)", step.get("run", "")))
        self.assertLessEqual({".ci/run", "deploy/release/build.sh", "tests/packages/run.sh"}, called)
        for one in called:
            self.assertTrue((ROOT / one).is_file(), one)

    def test_they_have_the_compiler_of_the_image(self):
        image = re.search(r"^ARG RUST_IMAGE=rust:([\d.]+)-", (ROOT / "deploy/docker/Dockerfile").read_text(), re.M)[1]
        for path in ROOT.glob(".github/workflows/*.yml"):
            for version in re.findall(r"\brust:([\d.]+)-", path.read_text()):
                self.assertEqual(version, image, path.name)


class Package(unittest.TestCase):
    def test_it_recommends_what_drills_and_exports_call_and_starts_nothing(self):
        deb = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["metadata"]["deb"]
        self.assertEqual(set(deb["recommends"].split(", ")), {"bubblewrap", "postgresql-client"})
        units = deb["systemd-units"]
        self.assertFalse(any(units[key] for key in ("enable", "start", "restart-after-upgrade", "stop-on-upgrade")))


if __name__ == "__main__":
    unittest.main()
