"""Shards under each engine, as the files in deploy/ set them up: which shard of which run each is, what becomes of exit
codes, restarts and lost nodes, and that the collector finds the run."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from engines import LOST, Batch, Kubernetes, Machine, Slurm
from events import matches
from template import ROOT
from test_container import cronjobs
from test_docs import program

SHARDS = 10
SILENT = 'url = "postgresql://lifeboat@127.0.0.1:1/courses"\ndatabases = ["courses", "exams"]'


class Shards(unittest.TestCase):
    """A repository in a folder, and a source that nobody reaches."""

    maxDiff = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.machine = Machine(self.folder, program())
        init = ["init", "--quiet", "--repository", f"{self.folder}/repository", "--config", str(self.machine.config)]
        subprocess.run([program(), *init], check=True, capture_output=True)
        (self.folder / "break-glass.key").unlink()
        # Without sources, or with an example in comments.
        self.configured = self.machine.config.read_text()
        self.source(SILENT)

    def source(self, lines):
        self.machine.config.write_text(f'{self.configured}[[source]]\nname = "prod"\n{lines}\n')

    def engines(self):
        """Each with the id that it gives to the run, each in a repository of its own."""
        for kind, run in ((Kubernetes, "5b0a1c8e-7e5d-4c1f-9a55-0d3f6c0c9a11"), (Batch, "4c7599ae-0a82-49aa-ba5a-4727fcce14a8"), (Slurm, "4711")):
            with self.subTest(kind.__name__):
                yield kind(self.machine, run), run

    def stored(self, run):
        return sorted(path.name for path in (self.folder / "repository/runs/export" / run).iterdir())

    def said(self):
        return "".join(self.machine.logs)


class Engines(Shards):
    def test_each_shard_knows_which_it_is_and_what_failed_is_tried_as_often_as_the_engine_says(self):
        tries = {Kubernetes: 3, Batch: 3, Slurm: 1}
        for engine, run in self.engines():
            attempts = engine.run()
            expected = [(0, 1)] * tries[type(engine)] + [(shard, 0) for shard in range(1, SHARDS)]
            self.assertEqual(attempts, expected, self.said())
            self.assertEqual(engine.failed, [0])
            reports = [f"0-{1 + again}.json" for again in range(tries[type(engine)])]
            reports += [f"{shard}-1.json" for shard in range(1, SHARDS)]
            self.assertEqual(self.stored(run), sorted([*reports, "plan.json", "collected.json"]))

    def test_a_lost_node_is_no_failure_of_its_shard(self):
        for engine, run in self.engines():
            attempts = engine.run(lost=[3, 3])
            self.assertEqual([one for one in attempts if one[0] == 3], [(3, LOST), (3, LOST), (3, 0)], self.said())
            self.assertEqual(engine.failed, [0])
            self.assertLessEqual({"3-1.json", "3-2.json", "3-3.json", "collected.json"}, set(self.stored(run)))

    def test_kubernetes_counts_no_disruption_and_batch_no_more_than_its_attempts(self):
        kubernetes = Kubernetes(self.machine, "k")
        self.assertEqual(kubernetes.run(lost=[3] * 9).count((3, LOST)), 9)
        self.assertEqual(kubernetes.failed, [0])
        batch = Batch(self.machine, "b")
        self.assertEqual(batch.run(lost=[3] * 9).count((3, LOST)), 3)
        self.assertEqual(batch.failed, [0, 3])

    def test_what_is_wrongly_configured_is_not_tried_again(self):
        self.machine.config.write_text("[repository]\nurl = 1\n")
        for engine, run in self.engines():
            self.assertEqual(engine.run(), [(shard, 2) for shard in range(SHARDS)], self.said())
            self.assertFalse((self.folder / "repository/runs").exists())

    def test_a_wrong_number_of_shards_is_wrong_for_each(self):
        kubernetes = Kubernetes(self.machine, "k")
        environment = kubernetes.job["template"]["spec"]["containers"][0]["env"]
        environment[:] = [one for one in environment if one["name"] != "LIFEBOAT_SHARDS"]
        self.assertEqual(kubernetes.run_index(0, []), [(0, 2)])
        self.assertIn("set LIFEBOAT_SHARDS", self.said())
        slurm = Slurm(self.machine, "4711")
        self.assertEqual(slurm.run(tasks=[3]), [(3, 2)])
        self.assertIn("the other shards of its run would never report", self.said())
        self.assertFalse((self.folder / "repository/runs").exists())

    def test_the_number_of_shards_is_the_same_in_both_places(self):
        job = cronjobs("fleet.yaml")["lifeboat-nightly"]["jobTemplate"]["spec"]
        shards, = (one["value"] for one in job["template"]["spec"]["containers"][0]["env"] if one["name"] == "LIFEBOAT_SHARDS")
        self.assertEqual((job["completions"], shards, job["completionMode"]), (SHARDS, str(SHARDS), "Indexed"))
        self.assertEqual(Batch(self.machine, "b").size, SHARDS)
        self.assertEqual(Slurm(self.machine, "1").tasks, list(range(SHARDS)))
        self.assertIn(f"\nexport LIFEBOAT_SHARDS={SHARDS}\n", Slurm.SCRIPT.read_text())

    def test_the_collector_of_kubernetes_takes_the_newest_run(self):
        kubernetes = Kubernetes(self.machine, "k")
        kubernetes.run()
        self.assertEqual(kubernetes.collect(), 1)
        self.assertIn("run 'k'", self.machine.logs[-1])
        self.assertIn("FAILED prod/courses: unavailable", self.machine.logs[-1])

    def test_the_array_of_batch_starts_its_collector_and_no_child_does(self):
        batch = Batch(self.machine, "4c7599ae")
        batch.run()
        rule = batch.template.of_type("AWS::Events::Rule")["Ended"]["EventPattern"]
        ended = [event for event in batch.events if matches(rule, event)]
        self.assertEqual([event["detail"]["jobId"] for event in ended], ["4c7599ae"])
        self.assertEqual(len(batch.events), SHARDS + 1)
        self.assertEqual(batch.collect(ended[0]), 1)
        self.assertIn("run '4c7599ae'", self.machine.logs[-1])
        # Told at least once, collected once more: no harm. The later schedule finds the same run.
        self.assertEqual([batch.collect(ended[0]), batch.collect_later()], [1, 1])
        self.assertIn("run '4c7599ae'", self.machine.logs[-1])
        for change in ({"status": "RUNNING"}, {"jobQueue": "another"}, {"jobName": "lifeboat-collect"}, {"arrayProperties": {}}):
            event = {**ended[0], "detail": {**ended[0]["detail"], **change}}
            self.assertFalse(matches(rule, event), change)

    def test_slurm_submits_the_collector_after_any_end_of_the_array(self):
        slurm, calls = Slurm(self.machine, "4711"), self.folder / "calls"
        sbatch = self.folder / "bin/sbatch"
        sbatch.write_text('#!/bin/bash\nprintf "%s\\x1f" "$@" >>"$CALLS"; echo >>"$CALLS"; echo "4711;cluster"\n')
        sbatch.chmod(0o755)
        handed = {"CALLS": str(calls), "PATH": self.machine.path}
        submit = ["bash", str(ROOT / "deploy/slurm/fleet.sh"), "--account=backup"]
        subprocess.run(submit, env=handed, check=True, capture_output=True)
        array, collector = (line.strip("\x1f").split("\x1f") for line in calls.read_text().splitlines())
        self.assertEqual(array, ["--parsable", "--account=backup", str(Slurm.SCRIPT)])
        self.assertIn("--account=backup", collector)
        self.assertIn("--dependency=afterany:4711", collector)
        slurm.run()
        wrapped, = (one.removeprefix("--wrap=") for one in collector if one.startswith("--wrap="))
        handed = {"PATH": self.machine.path, "LIFEBOAT_CONFIG": str(self.machine.config)}
        self.assertEqual(self.machine.run(["sh", "-c", wrapped], handed), 1)
        self.assertIn("FAILED prod/courses: unavailable", self.machine.logs[-1])

    def test_slurm_submits_proofs_where_it_is_told_to(self):
        slurm = Slurm(self.machine, "4711")
        handed = {"PATH": self.machine.path, "LIFEBOAT_CONFIG": str(self.machine.config), "LIFEBOAT_COMMAND": "prove"}
        told = {"SLURM_ARRAY_JOB_ID": "4711", "SLURM_ARRAY_TASK_COUNT": str(SHARDS), "SLURM_ARRAY_TASK_MIN": "0"}
        codes = [self.machine.script(Slurm.SCRIPT, {**handed, **told, "SLURM_ARRAY_TASK_ID": str(task)}) for task in slurm.tasks]
        # There is nothing to prove, which is the collector's to say.
        self.assertEqual(codes, [0] * SHARDS, self.said())
        runs = self.folder / "repository/runs"
        self.assertEqual([path.name for path in runs.iterdir()], ["prove"])
        self.assertIn("status", self.machine.logs[-1])
        submit = (ROOT / "deploy/slurm/fleet.sh").read_text()
        self.assertIn("lifeboat ${LIFEBOAT_COMMAND:-nightly} --collect", submit)

    def test_a_shard_that_never_reports_fails_no_collector_silently(self):
        batch = Batch(self.machine, "b")
        for shard in range(1, SHARDS):
            batch.run_child(shard, [])
        self.assertEqual(batch.collect_later(), 1)
        self.assertIn("shard 0 never reported", self.machine.logs[-1])


@unittest.skipUnless(os.environ.get("LIFEBOAT_TEST_PG15"), 'no PostgreSQL: eval "$(deploy/local/servers.sh env pg15)"')
class WithServer(Shards):
    """Databases that can be read, one of which no list covers."""

    def setUp(self):
        super().setUp()
        self.server = os.environ["LIFEBOAT_TEST_PG15"].rsplit("/", 1)[0]
        self.names = [f"fleet_{os.getpid()}_{name}" for name in ("one", "two", "uncovered")]
        for name in self.names:
            self.sql(f"CREATE DATABASE {name}")
            self.addCleanup(self.sql, f"DROP DATABASE {name}")
        listed = json.dumps(self.names[:2])
        self.source(f'url = "{self.server}/{self.names[0]}"\ndatabases = {listed}')

    def sql(self, sql):
        psql = ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", sql, f"{self.server}/postgres"]
        subprocess.run(psql, check=True)

    def points(self):
        return len(list((self.folder / "repository/manifests").glob("prod/*/*.json")))

    def collect(self, engine, run):
        if isinstance(engine, Kubernetes):
            return engine.collect()
        if isinstance(engine, Batch):
            return engine.collect(engine.events[-1])
        collect = ["lifeboat", "nightly", "--collect", "--run", run]
        return self.machine.run(collect, {"PATH": self.machine.path, "LIFEBOAT_CONFIG": str(self.machine.config)})

    def test_findings_are_no_failure_of_a_shard_and_the_collector_keeps_them(self):
        for number, (engine, run) in enumerate(self.engines(), 1):
            self.assertEqual(engine.run(), [(shard, 0) for shard in range(SHARDS)], self.said())
            self.assertEqual(self.points(), 2 * number)
            self.assertEqual(self.collect(engine, run), 3)
            self.assertIn("2 of 2 databases have a point of this run", self.machine.logs[-1])
            self.assertIn("its log has findings", self.machine.logs[-1])

    def test_a_shard_that_starts_again_makes_no_second_point(self):
        for number, (engine, _) in enumerate(self.engines(), 1):
            self.assertEqual(engine.run(lost=[0])[:3], [(0, LOST), (0, 0), (1, 0)], self.said())
            self.assertEqual(self.points(), 2 * number)
            self.assertIn("2 databases, 2 by an earlier start", self.said())


if __name__ == "__main__":
    unittest.main()
