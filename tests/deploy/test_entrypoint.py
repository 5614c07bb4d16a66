"""The container's entry point, with a tini and a lifeboat in their places that say what they were given."""

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
        tini = binaries / "tini"
        tini.write_text('#!/bin/sh\nenv >"$0.environment"\n[ "$1" = -- ] || exit 9\nshift\nexec "$@"\n')
        tini.chmod(0o755)
        self.seen_by_tini = binaries / "tini.environment"
        self.path = f"{binaries}:{os.environ['PATH']}"

    def start(self, *arguments, **variables):
        environment = {"PATH": self.path, "LIFEBOAT_FOLDER": str(self.folder), **variables}
        command = ["sh", str(ENTRYPOINT), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def files(self):
        return {one.name: one.read_text() for one in self.folder.iterdir()}

    def test_variables_become_files_that_only_lifeboat_reads(self):
        secrets = {"LIFEBOAT_TOML": TOML, "LIFEBOAT_SIGNING_PEM": "pem\n", "LIFEBOAT_REUSE_KEY": "# key\n0a\n", "LIFEBOAT_PGPASS": "h:*:*:u:p"}
        done = self.start("nightly", "--json", **secrets)
        self.assertEqual(done.returncode, 0, done.stderr)
        # As `--secret-string file://…` and `--from-file=…` hand them over: with their newlines.
        self.assertEqual(self.files(), {"lifeboat.toml": TOML, "manifest-signing.pem": "pem\n", "reuse.key": "# key\n0a\n", "pgpass": "h:*:*:u:p\n"})
        for one in self.folder.iterdir():
            self.assertEqual(stat.S_IMODE(one.stat().st_mode), 0o600, one.name)
        said = done.stdout.splitlines()
        self.assertEqual(said[:2], ["nightly", "--json"])
        self.assertIn(f"LIFEBOAT_CONFIG={self.folder}/lifeboat.toml", said)
        self.assertIn(f"PGPASSFILE={self.folder}/pgpass", said)

    def test_children_do_not_inherit_the_secrets(self):
        done = self.start("nightly", LIFEBOAT_TOML=TOML, LIFEBOAT_SIGNING_PEM="pem", LIFEBOAT_REUSE_KEY="0a", LIFEBOAT_PGPASS="h:*:*:u:p")
        for name in ("LIFEBOAT_TOML", "LIFEBOAT_SIGNING_PEM", "LIFEBOAT_REUSE_KEY", "LIFEBOAT_PGPASS"):
            self.assertNotIn(name, done.stdout)

    def test_the_wrapper_sees_no_environment_and_lifeboat_all_but_secrets(self):
        handed = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x", "PGPASSWORD": "a 'b' \"c\"\n$d `e`"}
        done = self.start("prove", "a b", LIFEBOAT_TOML=TOML, LIFEBOAT_PGPASS="h:*:*:u:p", **handed)
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = dict(line.split("=", 1) for line in self.seen_by_tini.read_text().splitlines())
        # The shell in tini's place adds names of its own.
        self.assertLessEqual(set(seen), {"PATH", "LIFEBOAT_ENVIRONMENT", "PWD", "OLDPWD", "SHLVL", "_"})
        self.assertIn("prove\na b\n", done.stdout)
        for name, value in handed.items():
            self.assertIn(f"\n{name}={value}\n", done.stdout)
        self.assertNotIn("LIFEBOAT_ENVIRONMENT", done.stdout)
        self.assertEqual(set(self.files()), {"lifeboat.toml", "pgpass"})

    def test_what_an_engine_says_of_a_shard_reaches_lifeboat(self):
        engine = {"LIFEBOAT_RUN": "2026-11-21", "LIFEBOAT_SHARDS": "10", "JOB_COMPLETION_INDEX": "3", "AWS_BATCH_JOB_ID": "a:3"}
        done = self.start("nightly", LIFEBOAT_TOML=TOML, **engine)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(self.files()), {"lifeboat.toml"})
        self.assertLessEqual({f"{name}={value}" for name, value in engine.items()}, set(done.stdout.splitlines()))

    def test_the_drill_server_is_handed_nothing(self):
        secrets = {"LIFEBOAT_TOML": TOML, "LIFEBOAT_SIGNING_PEM": "pem", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}
        done = self.start("drill-server", "--folder", "/drill", **secrets)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = done.stdout.splitlines()
        self.assertEqual(said[:3], ["drill-server", "--folder", "/drill"])
        names = {line.split("=", 1)[0] for line in said[3:]}
        self.assertLessEqual(names, {"PATH", "PWD", "OLDPWD", "SHLVL", "_"})
        self.assertEqual(self.files(), {})

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
