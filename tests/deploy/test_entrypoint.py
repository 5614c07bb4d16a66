"""The container's entry point, with a lifeboat in its place that says what it was given."""

import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

from template import ROOT

ENTRYPOINT = ROOT / "deploy/docker/entrypoint.sh"
TOML = '[repository]\nurl = "s3://b/prod"\n# a \\n and a $HOME and a `date`\n'


class Entrypoint(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name, "run")
        self.folder.mkdir()
        binaries = pathlib.Path(temporary.name, "bin")
        binaries.mkdir()
        lifeboat = binaries / "lifeboat"
        lifeboat.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv\n')
        lifeboat.chmod(0o755)
        self.path = f"{binaries}:{os.environ['PATH']}"

    def start(self, *arguments, **variables):
        environment = {"PATH": self.path, "LIFEBOAT_RUN": str(self.folder), **variables}
        command = ["sh", str(ENTRYPOINT), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def files(self):
        return {one.name: one.read_text() for one in self.folder.iterdir()}

    def test_variables_become_files_that_only_lifeboat_reads(self):
        done = self.start("nightly", "--json", LIFEBOAT_TOML=TOML, LIFEBOAT_SIGNING_PEM="pem", LIFEBOAT_PGPASS="h:*:*:u:p")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.files(), {"lifeboat.toml": TOML + "\n", "manifest-signing.pem": "pem\n", "pgpass": "h:*:*:u:p\n"})
        for one in self.folder.iterdir():
            self.assertEqual(stat.S_IMODE(one.stat().st_mode), 0o600, one.name)
        said = done.stdout.splitlines()
        self.assertEqual(said[:2], ["nightly", "--json"])
        self.assertIn(f"LIFEBOAT_CONFIG={self.folder}/lifeboat.toml", said)
        self.assertIn(f"PGPASSFILE={self.folder}/pgpass", said)

    def test_children_do_not_inherit_the_secrets(self):
        done = self.start("nightly", LIFEBOAT_TOML=TOML, LIFEBOAT_SIGNING_PEM="pem", LIFEBOAT_PGPASS="h:*:*:u:p")
        for name in ("LIFEBOAT_TOML", "LIFEBOAT_SIGNING_PEM", "LIFEBOAT_PGPASS"):
            self.assertNotIn(name, done.stdout)

    def test_a_placeholder_is_no_value(self):
        done = self.start("nightly", LIFEBOAT_TOML=TOML, LIFEBOAT_SIGNING_PEM="-", LIFEBOAT_PGPASS="-")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(set(self.files()), {"lifeboat.toml"})
        self.assertNotIn("PGPASSFILE", done.stdout)

    def test_a_configuration_without_a_value_is_said(self):
        done = self.start("nightly", LIFEBOAT_TOML="-")
        self.assertEqual(done.returncode, 2)
        self.assertIn("lifeboat/config", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_a_mounted_configuration_wins(self):
        done = self.start("nightly", LIFEBOAT_TOML=TOML, LIFEBOAT_CONFIG="/etc/lifeboat/lifeboat.toml")
        self.assertIn("LIFEBOAT_CONFIG=/etc/lifeboat/lifeboat.toml", done.stdout)
        self.assertEqual(self.files(), {})

    def test_the_exit_code_is_lifeboats(self):
        (self.folder.parent / "bin/lifeboat").write_text("#!/bin/sh\nexit 3\n")
        self.assertEqual(self.start("prove").returncode, 3)


if __name__ == "__main__":
    unittest.main()
