"""deploy/aws/try.sh in this AWS, as far as it goes: it makes, asks, removes, and says what a killed run left."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from . import moto_parts, quick_aws
from .conftest import BACKUP, REGION, SOURCE, allow

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "deploy/aws/try.sh"
NEEDED = ("LIFEBOAT_TEST_PG15", "LIFEBOAT_TEST_PG15_BIN", "LIFEBOAT_TEST_TOOLS")


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A folder with an `aws` that starts at once."""
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        pytest.fail(f"{missing} are not set: deploy/local/servers.sh start pg15, then eval its `env pg15`")
    folder = tmp_path_factory.mktemp("bin")
    python = (Path(os.environ["LIFEBOAT_TEST_TOOLS"]) / "aws").resolve().parent / "python"
    socket = folder / "socket"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    running = subprocess.Popen(
        [python, quick_aws.__file__, socket], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "ready\n"
    quick_aws.install(folder / "aws", socket)
    yield folder
    running.kill()
    running.wait()


class Try:
    """Two empty accounts with an administrator each, and the script."""

    def __init__(self, cloud, commands, folder):
        self.cloud, self.folder, self.state = cloud, folder, folder / "state"
        # A night exports all databases of its server, and the adversary beside it makes and drops some: on another one.
        server = os.environ.get("LIFEBOAT_TEST_PG15_2", os.environ["LIFEBOAT_TEST_PG15"])
        tools = os.environ["LIFEBOAT_TEST_PG15_BIN"]
        self.server = server.rpartition("/")[0]
        address, _, port = self.server.rpartition("@")[2].partition(":")
        cloud.control("POST", "settings", {"endpoint": {"address": address, "port": int(port)}, "polls": 1})
        self.database = f"try_{os.getpid()}"
        program = os.environ.get("LIFEBOAT_BIN") or REPOSITORY / "target/debug/lifeboat"
        self.environment = {
            "PATH": f"{commands}:{tools}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LIFEBOAT_BIN": str(Path(program).absolute()),
            "LIFEBOAT_TRY_POLL": "0.4",
            "AWS_ENDPOINT_URL": cloud.url,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }
        accounts = {"production": SOURCE, "spare": BACKUP}
        self.profiles(**{name: cloud.user(account, "admin", allow("*")) for name, account in accounts.items()})

    def profiles(self, **keys):
        text = "".join(
            f"[{name}]\n" + "".join(f"aws_{field} = {key[field]}\n" for field in ("access_key_id", "secret_access_key"))
            for name, key in keys.items()
        )
        with (self.folder / "credentials").open("a") as file:
            file.write(text)

    def begin(self, *arguments, source="production", backup="spare", script=SCRIPT):
        options = [
            "--source-profile", source, "--backup-profile", backup, "--region", REGION, "--from", "127.0.0.1/32",
            "--postgres", "15", "--database", self.database, "--state", self.state,
        ]  # fmt: skip
        chosen = ["--state", self.state] if arguments[:1] == ("clean",) else options
        return subprocess.Popen(
            [script, *arguments, *chosen], env=self.environment, cwd=self.folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments, typed="yes\n", **more):
        """Exit code and what it said."""
        running = self.begin(*arguments, **more)
        said, _ = running.communicate(typed, timeout=120)
        return running.returncode, said

    def calls(self):
        """service operation of each that changed something."""
        reads = ("Describe", "Get", "List", "Head", "AssumeRole")
        found = (call["operation"] for call in self.cloud.control("GET", "calls"))
        return [name for name in found if not name.partition(":")[2].startswith(reads)]

    def left(self):
        """All that is in both accounts."""
        found = []
        for account in (SOURCE, BACKUP):
            iam, rds = moto_parts.iam(account), moto_parts.rds(account, REGION)
            keys = moto_parts.kms(account, REGION)
            found += [role.name for role in iam.roles.values() if not role.path.startswith("/aws-service-role/")]
            found += [*rds.databases, *rds.database_snapshots]
            found += [name for name in rds.db_parameter_groups if not name.startswith("default.")]
            found += list(rds.subnet_groups)
            found += list(moto_parts.s3(account).buckets)
            # AWS's own keys stay.
            ours = (key for key in keys.keys.values() if key.description != "Default key")
            found += [key.description for key in ours if key.key_state != "PendingDeletion"]
        return found

    def stacks(self):
        found = []
        for account in (SOURCE, BACKUP):
            client = self.cloud.client("cloudformation", self.cloud.roots[account])
            found += [stack["StackName"] for stack in client.describe_stacks()["Stacks"]]
        return found

    def drop(self):
        tools = os.environ["LIFEBOAT_TEST_PG15_BIN"]
        drop = f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)"
        subprocess.run([f"{tools}/psql", "-Xq", "-d", f"{self.server}/postgres", "-c", drop], check=True)


@pytest.fixture
def trial(cloud, commands, tmp_path):
    made = Try(cloud, commands, tmp_path)
    yield made
    made.drop()


def answers(state):
    lines = (line.split("\t") for line in (state / "answers").read_text().splitlines())
    return {name: (said, text) for name, said, text in lines}


# ---------------------------------------------------------------- before anything is made


def test_a_dry_run_makes_no_call(trial):
    code, said = trial.run("--dry-run")
    assert code == 0, said
    assert trial.cloud.control("GET", "calls") == []
    assert not trial.state.exists()
    assert "backup: aws cloudformation create-stack --stack-name lifeboat-backup" in said
    assert "nightly: lifeboat nightly" in said
    assert "backup: aws cloudformation delete-stack --stack-name lifeboat-backup" in said
    trial.environment["PGPASSWORD"] = "a-password-of-somebody"
    code, said = trial.run("--dry-run", "--instance", "prod")
    assert (code, "a-password" in said) == (0, False), said
    assert "MakesInstance=false" in said


def test_it_says_the_price_and_makes_nothing_without_a_yes(trial):
    code, said = trial.run(typed="y\n")
    assert code == 1, said
    assert re.search(r"At most \$\d+\.\d\d in the dearest region", said)
    assert "nothing was made" in said
    assert trial.calls() == []


def test_it_refuses_accounts_that_are_not_throwaway(trial):
    code, said = trial.run(backup="production")
    assert (code, "it takes two accounts" in said) == (1, True), said
    trial.profiles(root=trial.cloud.roots[BACKUP])
    code, said = trial.run(backup="root")
    assert (code, "root user" in said) == (1, True), said
    trial.cloud.control("POST", "settings", {"management_account": SOURCE})
    code, said = trial.run()
    assert (code, "is the management account of its organization" in said) == (1, True), said
    trial.cloud.control("POST", "settings", {"management_account": "999999999999"})
    body = "{Resources: {Role: {Type: 'AWS::KMS::Key'}}}"
    stack = {"account": BACKUP, "region": REGION, "stack": "lifeboat-backup", "template": body}
    trial.cloud.control("POST", "stacks", stack)
    trial.cloud.control("DELETE", "calls")
    code, said = trial.run()
    assert (code, "has stacks of lifeboat already" in said) == (1, True), said
    assert trial.calls() == []


def test_it_makes_nothing_of_a_template_whose_locks_it_cannot_make_short(trial, tmp_path):
    shutil.copytree(SCRIPT.parent, tmp_path / "aws")
    for text in ("AllowedValues: ['7', '14'", "DefaultRetention: {Mode: COMPLIANCE,"):
        other = text.replace("['7', ", "[").replace("{Mode", "{ Mode")
        changed = (SCRIPT.parent / "backup-account.yaml").read_text()
        assert text in changed
        (tmp_path / "aws/backup-account.yaml").write_text(changed.replace(text, other))
        code, said = trial.run(script=tmp_path / "aws/try.sh")
        assert (code, "locks could not be made short" in said) == (1, True), said
    assert trial.calls() == []


# ---------------------------------------------------------------- killed, cleaned, gone on with


def fault(trial, operation, **more):
    return trial.cloud.control("POST", "faults", {"operation": operation, **more})["id"]


def kill_at(trial, operation, *arguments):
    """Runs until the answer of this call hangs, and kills script and all."""
    hanging = fault(trial, operation, kind="hang", when="after")
    running = trial.begin(*arguments)
    running.stdin.write("yes\n")
    running.stdin.flush()
    held = []
    while not held and running.poll() is None:
        held = trial.cloud.control("GET", f"held?wait=5&fault={hanging}")
    os.killpg(running.pid, signal.SIGKILL)
    said, _ = running.communicate()
    assert held, said
    trial.cloud.control("DELETE", f"faults?id={hanging}")


def test_a_stack_that_cannot_be_made_is_an_answer_and_is_removed_however_often_the_script_is_killed(trial):
    fault(trial, "iam:CreateRole", kind="error", when="before", code="LimitExceeded", message="no more roles", times=1)
    kill_at(trial, "kms:CreateAlias")
    code, said = trial.run()
    assert code == 1, said
    assert re.search(r"stack lifeboat-backup was not made: \w+Role\b.*no more roles", said), said
    assert "no more roles" in answers(trial.state)["stack-backup"][1]
    assert re.search(r"this is left, and costs money.*\n +stack backup lifeboat-backup\nGo on: .*clean --state", said, re.S)
    # The only role that may change the policies of what is there is not there.
    there = trial.left()
    assert "lifeboat-break-glass" not in there and "lifeboat, encrypts RDS snapshot copies" in " ".join(there), there
    kill_at(trial, "cloudformation:DeleteStack", "clean")
    code, said = trial.run("clean")
    assert code == 0, said
    assert (trial.left(), trial.stacks()) == ([], [])
    assert "this is left" not in said
    assert not (trial.state / "made").exists()


def test_killed_while_an_instance_is_made_the_next_run_goes_on_and_leaves_nothing(trial):
    trial.cloud.expect_unknown = True
    kill_at(trial, "rds:RestoreDBInstanceFromDBSnapshot")
    made = trial.calls()
    trial.cloud.control("DELETE", "calls")
    code, said = trial.run()
    assert code == 0, said
    # Nothing is made twice: the instance that the killed run had asked for is there already.
    assert made.count("cloudformation:CreateStack") == 5
    assert "cloudformation:CreateStack" not in trial.calls()
    assert trial.calls().count("rds:RestoreDBInstanceFromDBSnapshot") == 2
    assert (trial.left(), trial.stacks()) == ([], [])
    check_answers(answers(trial.state))
    check_report(trial)
    check_dry_run(trial)
    unknown = {one["operation"] for one in trial.cloud.control("GET", "unknown")}
    assert unknown == {"rds:DescribeEngineDefaultParameters"}


def check_answers(found):
    yes = {name for name, (said, _) in found.items() if said == "yes"}
    assert yes >= {
        "stack-backup", "stack-source", "stack-tasks", "lock-settings", "nightly", "prove", "copy-tags", "via-service",
        "lock-days", "exporter-deletes", "exporter-shortens", "without-external-id", "delete-while-made", "cleaned",
    }, found  # fmt: skip
    # As this AWS has them: see "Not like AWS".
    assert "parts of a day" in found["lock-days"][1]
    assert found["default-key-shared"][0] == "no" and "InvalidDBSnapshotState" in found["default-key-shared"][1]
    assert found["copy-by-grant"][0] == "no"
    # All instances are one server here, which knows of no parameter group.
    assert found["group-at-start"] == ("no", "SHOW says 4, the group says 0: drills of copies refuse such an instance")
    not_asked = {name for name, (said, _) in found.items() if said == "not asked"}
    assert not_asked == {"summarize-wal", "image", "eks", "tasks", "alarms", "policy", "aurora"}


def check_dry_run(trial):
    """It names all that a run calls, and by whom."""
    call = r"(\S+: (?:aws \S+ \S+|lifeboat \S+|psql))"
    made = set(re.findall(rf"^\S+ {call}", (trial.state / "calls.log").read_text(), re.M))
    _, said = trial.run("--dry-run")
    assert "nightly: lifeboat nightly" in made
    assert made <= set(re.findall(rf"^{call}", said, re.M))


def check_report(trial):
    report = (trial.state / "report.txt").read_text()
    settings = dict(line.split("=", 1) for line in (trial.state / "settings").read_text().splitlines())
    secrets = [settings[name] for name in ("BUCKET", "EXTERNAL_ID", "PASSWORD")]
    for hidden in (SOURCE, BACKUP, "arn:", str(trial.folder), *secrets):
        assert hidden not in report, hidden
    assert not re.search(r"\d{12}|[0-9a-f]{8}-[0-9a-f]{4}-|(AKIA|ASIA)[A-Z0-9]{12}", report)
    assert "lock-days: How does" in report
