"""Engines that start lifeboat's shards as their documentation says, from the files in deploy/: Kubernetes, AWS Batch,
Slurm. What runs is the program itself, in the image's entry point where an image runs; of the engine only its promises
are here, each with the sentence that makes it.

An engine is told which shards lose their node, and how often: the program has run there, and nobody hears how it ended.
It answers with every attempt: the shard, and the exit code, or None where the node was lost.
"""

import json
import os
import pathlib
import re
import subprocess

from template import ROOT, SOURCE, Template
from test_container import cronjobs

ENTRYPOINT = ROOT / "deploy/docker/entrypoint.sh"
# Where an engine would try without end.
MOST_TRIES = 20
LOST = None


class Machine:
    """Where containers and batch scripts run: a folder with lifeboat, a configuration, and its two keys."""

    def __init__(self, folder, program):
        self.folder = pathlib.Path(folder)
        binaries = self.folder / "bin"
        binaries.mkdir()
        (binaries / "lifeboat").symlink_to(program)
        tini = binaries / "tini"
        tini.write_text('#!/bin/sh\nshift\nexec "$@"\n')
        tini.chmod(0o755)
        self.path = f"{binaries}:{os.environ['PATH']}"
        self.config = self.folder / "lifeboat.toml"
        self.logs = []

    def secret(self, name):
        """What the secret of this variable holds: lifeboat.toml names the key as lying beside it."""
        if name == "LIFEBOAT_TOML":
            return self.config.read_text()
        return (self.folder / "manifest-signing.pem").read_text() if name == "LIFEBOAT_SIGNING_PEM" else "-"

    def container(self, arguments, variables):
        place = self.folder / "container"
        place.mkdir(exist_ok=True)
        handed = {"PATH": self.path, "LIFEBOAT_FOLDER": str(place), **variables}
        return self.run(["sh", str(ENTRYPOINT), *arguments], handed)

    def script(self, path, variables):
        handed = {"PATH": self.path, "LIFEBOAT_CONFIG": str(self.config), **variables}
        return self.run(["bash", str(path)], handed)

    def run(self, command, variables):
        # The tests' servers may ask for one.
        variables = {**variables, **{name: os.environ[name] for name in ("PGPASSWORD",) if name in os.environ}}
        ran = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
        self.logs.append(ran.stdout + ran.stderr)
        return ran.returncode


class Kubernetes:
    """One Job of deploy/kubernetes/fleet.yaml, by https://kubernetes.io/docs/concepts/workloads/controllers/job/"""

    def __init__(self, machine, uid):
        self.machine, self.uid = machine, uid
        self.job = cronjobs("fleet.yaml")["lifeboat-nightly"]["jobTemplate"]["spec"]
        self.failed = []

    def variables(self, container, index=None):
        handed = {one["name"]: self.value(one) for one in container["env"]}
        # "The index is available … from the containerized task, in the environment variable JOB_COMPLETION_INDEX."
        # Nothing there says how many there are, nor of which Job.
        return handed if index is None else {**handed, "JOB_COMPLETION_INDEX": str(index)}

    def value(self, variable):
        if "value" in variable:
            return variable["value"]
        source = variable["valueFrom"]
        if "fieldRef" in source:
            # "This label is used as a programmatic way to get all Pods corresponding to a Job."
            # https://kubernetes.io/docs/reference/labels-annotations-taints/#batchkubernetesio-controller-uid
            assert source["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/controller-uid']"
            return self.uid
        return self.machine.secret(variable["name"])

    def run(self, lost=()):
        attempts, lost = [], list(lost)
        for index in range(self.job["completions"]):
            attempts += self.run_index(index, lost)
        return attempts

    def run_index(self, index, lost):
        attempts, counted = [], 0
        container, = self.job["template"]["spec"]["containers"]
        for _ in range(MOST_TRIES):
            code = heard(index, lost, self.machine.container(container["args"], self.variables(container, index)))
            attempts.append((index, code))
            if code == 0:
                return attempts
            action = self.action(container["name"], code)
            # Ignore: "the counter towards the .spec.backoffLimit should not be incremented and a replacement Pod should be
            # created". FailIndex: "to avoid unnecessary retries within the index of a failed pod".
            counted += action == "Count"
            if action == "FailIndex" or counted > self.job["backoffLimitPerIndex"]:
                self.failed.append(index)
                return attempts
        raise AssertionError(f"index {index} never ends: {attempts}")

    def action(self, name, code):
        """"Once a rule matches a Pod failure, the remaining rules are ignored. When no rule matches the Pod failure, the
        default handling applies": it counts towards backoffLimitPerIndex."""
        for rule in self.job["podFailurePolicy"]["rules"]:
            if "onPodConditions" in rule:
                conditions = [(one["type"], one["status"]) for one in rule["onPodConditions"]]
                matched = code is LOST and ("DisruptionTarget", "True") in conditions
            else:
                on = rule["onExitCodes"]
                assert (on["operator"], on["containerName"]) == ("In", name)
                matched = code in on["values"]
            if matched:
                return rule["action"]
        return "Count"

    def collect(self):
        job = cronjobs("fleet.yaml")["lifeboat-collect"]["jobTemplate"]["spec"]
        container, = job["template"]["spec"]["containers"]
        return self.machine.container(container["args"], self.variables(container))


class Batch:
    """The array job and the rule of deploy/aws/fleet.yaml."""

    def __init__(self, machine, job, size=10):
        self.machine, self.job = machine, job
        self.template = Template("fleet.yaml", SOURCE, Shards=size)
        definitions = self.template.of_type("AWS::Batch::JobDefinition")
        self.shard, self.collector = definitions["Shard"], definitions["Collector"]
        schedules = self.template.of_type("AWS::Scheduler::Schedule")
        submitted = json.loads(schedules["EveryNight"]["Target"]["Input"])
        self.later = json.loads(schedules["CollectLater"]["Target"]["Input"])
        self.queue, self.name, self.size = submitted["JobQueue"], submitted["JobName"], submitted["ArrayProperties"]["Size"]
        self.failed, self.events = [], []

    def variables(self, definition, more):
        container = definition["ContainerProperties"]
        handed = {one["Name"]: one["Value"] for one in container["Environment"]}
        handed |= {one["Name"]: self.machine.secret(one["Name"]) for one in container["Secrets"]}
        return {**handed, **more}

    def run(self, lost=()):
        attempts, lost = [], list(lost)
        for index in range(self.size):
            attempts += self.run_child(index, lost)
            self.tell(f"{self.job}:{index}", "FAILED" if index in self.failed else "SUCCEEDED", {"index": index})
        # "The parent array job can enter a SUBMITTED, PENDING, FAILED, or SUCCEEDED status."
        # https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
        self.tell(self.job, "FAILED" if self.failed else "SUCCEEDED", {"size": self.size, "statusSummary": {}})
        return attempts

    def run_child(self, index, lost):
        # …_INDEX: "only set in child array jobs. The array job index begins at 0". …_SIZE: "the size of the parent array
        # job". …_ID: "the array index for the child job is appended to the end of the parent ID, such as example_job_ID:0".
        # https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html and array_jobs.html
        told = {
            "AWS_BATCH_JOB_ID": f"{self.job}:{index}", "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
            "AWS_BATCH_JOB_ARRAY_SIZE": str(self.size), "AWS_BATCH_JQ_NAME": "lifeboat-fleet",
        }  # fmt: skip
        strategy, attempts = self.shard["RetryStrategy"], []
        for attempt in range(1, strategy["Attempts"] + 1):
            variables = self.variables(self.shard, {**told, "AWS_BATCH_JOB_ATTEMPT": str(attempt)})
            code = heard(index, lost, self.machine.container(self.shard["ContainerProperties"]["Command"], variables))
            attempts.append((index, code))
            if code == 0:
                return attempts
            if self.action(code) == "EXIT":
                break
        self.failed.append(index)
        return attempts

    def action(self, code):
        """"If none of the EvaluateOnExit conditions in a RetryStrategy match, then the job is retried."
        https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html"""
        # What Batch says of a Fargate task whose machine dies, it documents nowhere: here that it was killed.
        said = {
            "OnExitCode": "137" if code is LOST else str(code),
            "OnStatusReason": "Essential container in task exited",
            "OnReason": "",
        }
        for rule in self.shard["RetryStrategy"]["EvaluateOnExit"]:
            if all(glob(rule[field], value) for field, value in said.items() if field in rule):
                return rule["Action"].upper()
        return "RETRY"

    def tell(self, job, status, array):
        """"The detail section resembles the JobDetail object", in which "size … is returned for parent array jobs" and
        "index … for array job children". https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html"""
        detail = {"jobId": job, "jobName": self.name, "jobQueue": self.queue, "status": status, "arrayProperties": array}
        self.events.append({"source": "aws.batch", "detail-type": "Batch Job State Change", "detail": detail})

    def collect(self, event):
        """What the rule's target submits for an event."""
        target, = self.template.of_type("AWS::Events::Rule")["Ended"]["Targets"]
        transformer = target["InputTransformer"]
        text = transformer["InputTemplate"]
        for name, path in transformer["InputPathsMap"].items():
            value = event
            for key in path.removeprefix("$.").split("."):
                value = value[key]
            text = text.replace(f"<{name}>", json.dumps(value))
        # `Ref::name` in a command stands for the parameter of that name, which the submission gives.
        # https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html#parameters
        parameters = json.loads(text)["Parameters"]
        command = self.collector["ContainerProperties"]["Command"]
        command = [parameters[one.removeprefix("Ref::")] if one.startswith("Ref::") else one for one in command]
        return self.submit(command)

    def collect_later(self):
        return self.submit(self.later["ContainerOverrides"]["Command"])

    def submit(self, command):
        return self.machine.container(command, self.variables(self.collector, {"AWS_BATCH_JOB_ID": "of-the-collector"}))


class Slurm:
    """deploy/slurm, by https://slurm.schedmd.com/sbatch.html"""

    SCRIPT = ROOT / "deploy/slurm/fleet.sbatch"

    def __init__(self, machine, job):
        self.machine, self.job = machine, job
        first, last = re.search(r"^#SBATCH --array=(\d+)-(\d+)$", self.SCRIPT.read_text(), re.M).groups()
        self.tasks = list(range(int(first), int(last) + 1))
        self.requeues = bool(re.search(r"^#SBATCH --requeue$", self.SCRIPT.read_text(), re.M))
        self.failed = []

    def run(self, lost=(), tasks=None):
        tasks, attempts, lost = self.tasks if tasks is None else tasks, [], list(lost)
        for task in tasks:
            # "SLURM_ARRAY_TASK_COUNT: Total number of tasks in a job array", of those that were submitted.
            told = {
                "SLURM_ARRAY_JOB_ID": self.job, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": str(len(tasks)),
                "SLURM_ARRAY_TASK_MIN": str(min(tasks)), "SLURM_ARRAY_TASK_MAX": str(max(tasks)),
                "SLURM_ARRAY_TASK_STEP": "1", "SLURM_JOB_ID": f"{int(self.job) + task}",
            }  # fmt: skip
            code = heard(task, lost, self.machine.script(self.SCRIPT, told))
            attempts.append((task, code))
            # "The job may be requeued explicitly by a system administrator, after node failure, or upon preemption by a
            # higher priority job. When a job is requeued, the batch script is initiated from its beginning with the same
            # job ID." An exit code is not among the reasons.
            while code is LOST and self.requeues:
                code = heard(task, lost, self.machine.script(self.SCRIPT, told))
                attempts.append((task, code))
            if code != 0:
                self.failed.append(task)
        return attempts


def heard(shard, lost, code):
    """The exit code, unless the shard's node is lost before anybody hears of it."""
    if shard not in lost:
        return code
    lost.remove(shard)
    return LOST


def glob(pattern, text):
    """"… can end with an asterisk (*) so that only the start of the string needs to be an exact match"."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
