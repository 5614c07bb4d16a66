"""README, CONTRIBUTING and docs/ speak of what is there: their commands run, in a folder of their own.

Blocks of `sh` are run by bash with programs that do nothing but look at how they are called: lifeboat's arguments are
given to lifeboat with --help behind them, aws's are looked up in botocore. The README's `console` blocks are run for
real, where the tests' PostgreSQL is there, and what they print is compared.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
import unittest

import botocore.session
from botocore import xform_name

from template import AWS, ROOT, read

TEMPLATES = {path.name: read(path.name) for path in AWS.glob("*.yaml")}
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md"), ROOT / "tests/README.md"])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ACCOUNTS = (ROOT / "docs/accounts.md").read_text()
DEPLOYS = ACCOUNTS + (ROOT / "docs/fleet.md").read_text()

# Of the AWS CLI alone: their options.
CLI_ONLY = {
    ("cloudformation", "deploy"): {
        "stack-name", "template-file", "capabilities", "disable-rollback", "parameter-overrides", "role-arn",
        "no-execute-changeset",
    },
    ("configure", "export-credentials"): {"format"},
    ("ecr", "get-login-password"): set(),
    ("logs", "tail"): {"follow"},
    ("s3", "sync"): set(),
}
CLI_GLOBAL = {"query", "output", "region", "profile"}

# What a page uses beside lifeboat and aws. The rest of a block is bash's own and coreutils'.
SILENT = {
    "apt", "apt-get", "bash", "cargo", "cp", "createdb", "docker", "gh", "head", "install", "journalctl", "kubectl", "logger",
    "lifeboat", "aws", "mv", "openssl", "psql", "sha256sum", "squeue", "base64", "jq", "sudo", "systemctl", "terraform", "useradd",
}
# Programs of the repository that pages call by their path.
PROGRAMS = {".ci/run", "deploy/slurm/fleet.sh", "deploy/aws/try.sh", "deploy/local/servers.sh"}
# Every call is one line of a log: name, then arguments, between unit separators.
STUB = """#!/bin/bash
{ printf '%s' "${0##*/}"; printf '\\037%s' "$@"; printf '\\036'; } >>"$CALLS"
"""


def program():
    """lifeboat, as tests/cloud finds it."""
    places = [os.environ.get("LIFEBOAT_BIN"), ROOT / "target/debug/lifeboat", ROOT / "target/release/lifeboat"]
    for place in filter(None, places):
        if os.access(place, os.X_OK):
            return str(pathlib.Path(place).resolve())
    raise AssertionError("no lifeboat in LIFEBOAT_BIN or target/: build it with cargo build")


def blocks(page, language):
    return [body for kind, body in FENCE.findall(page.read_text()) if kind == language]


def calls_of(page):
    """What a page's `sh` blocks call, one after the other in one shell, as a reader would type them."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "bin").mkdir()
        for name in SILENT:
            stub = folder / "bin" / name
            stub.write_text(STUB)
            stub.chmod(0o755)
        for name in ("cat", "date", "sleep", "tr"):
            (folder / "bin" / name).symlink_to(shutil.which(name))
        work = folder / "work"
        work.mkdir()
        for name in PROGRAMS:
            stub = work / name
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text(STUB)
            stub.chmod(0o755)
        script = "\n".join(["set -eu", *blocks(page, "sh")])
        ran = subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=work, env={"PATH": str(folder / "bin"), "CALLS": str(folder / "calls"), "PWD": str(work)},
            capture_output=True, text=True, timeout=30, check=False,
        )
        written = {path.name: path.read_text() for path in work.glob("*.json") if path.stat().st_size}
        log = (folder / "calls").read_text() if (folder / "calls").exists() else ""
    calls = [call.split("\x1f") for call in log.split("\x1e") if call]
    return ran, calls, written


def inline_commands(page):
    """Whole commands between backticks: `lifeboat hold ID --until 90d`, `aws rds …`."""
    text = FENCE.sub("", page.read_text())
    for code in re.findall(r"`([^`]+)`", text):
        if re.match(r"(lifeboat|aws|bash) [a-z.]", code) and "…" not in code and "|" not in code:
            yield shlex.split(code.replace("\n", " "))


class Commands(unittest.TestCase):
    def every_call(self):
        for page in PAGES:
            name = str(page.relative_to(ROOT))
            # What a version brought need not be there in a later one.
            if name == "CHANGELOG.md":
                continue
            if blocks(page, "sh"):
                ran, calls, written = calls_of(page)
                self.assertEqual(ran.returncode, 0, f"{name}: {ran.stderr}")
                self.assertEqual(ran.stderr, "", name)
                for file, body in written.items():
                    with self.subTest(page=name, file=file):
                        json.loads(body)
                yield from ((name, call) for call in calls)
            yield from ((name, call) for call in inline_commands(page))
            for body in blocks(page, "console"):
                for line in body.splitlines():
                    if line.startswith("$ "):
                        yield name, shlex.split(line[2:].split("&&")[0])

    def test_they_run_and_what_they_call_is_there(self):
        aws, lifeboat, seen = Aws(), program(), set()
        for page, (name, *arguments) in self.every_call():
            with self.subTest(page=page, command=shlex.join([name, *arguments])):
                seen.add(name)
                if name == "lifeboat":
                    self.knows(lifeboat, arguments)
                elif name == "aws":
                    aws.look_up(arguments)
                elif name == "bash" and arguments:
                    self.assertTrue((ROOT / arguments[0]).is_file(), arguments[0])
        self.assertLessEqual({"lifeboat", "aws", "bash", "kubectl", "terraform"}, seen)

    # Arguments are looked at in their order, and --help at the end does nothing.
    def knows(self, lifeboat, arguments):
        given = [one for one in arguments if one not in ("--help", "--version")]
        if given and not given[0].isupper():
            ran = subprocess.run([lifeboat, *given, "--help"], capture_output=True, text=True, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr)


class Aws:
    """Operations and options of the AWS CLI, by botocore's models."""

    def __init__(self):
        self.session = botocore.session.get_session()
        self.models = {}

    def look_up(self, arguments):
        service, operation, *rest = arguments
        options = {word[2:].split("=")[0] for word in rest if word.startswith("--")} - CLI_GLOBAL
        if (service, operation) in CLI_ONLY:
            known = CLI_ONLY[service, operation]
        else:
            model = self.model(service)
            names = {xform_name(name, "-"): name for name in model.operation_names}
            assert operation in names, f"aws {service} has no {operation}"
            shape = model.operation_model(names[operation]).input_shape
            known = set()
            for key, member in (shape.members if shape else {}).items():
                option = xform_name(key, "-")
                known |= {option, f"no-{option}"} if member.type_name == "boolean" else {option}
        assert options <= known, f"aws {service} {operation} has no {sorted(options - known)}"

    def model(self, service):
        name = {"s3api": "s3"}.get(service, service)
        if name not in self.models:
            self.models[name] = self.session.get_service_model(name)
        return self.models[name]


class QuickStart(unittest.TestCase):
    """The README's six commands, typed as they stand, print what it says."""

    def test_it_does_what_it_says(self):
        server = os.environ.get("LIFEBOAT_TEST_PG15")
        if not server:
            self.skipTest('no PostgreSQL: eval "$(deploy/local/servers.sh env pg15)"')
        readme = ROOT / "README.md"
        (console,) = blocks(readme, "console")
        created = re.search(r'"(CREATE TABLE answer .*?)"', "".join(blocks(readme, "sh")))[1]
        with tempfile.TemporaryDirectory() as folder, Database(server) as database:
            database.sql(created)
            (pathlib.Path(folder) / "bin").mkdir()
            (pathlib.Path(folder) / "bin/lifeboat").symlink_to(program())
            work = pathlib.Path(folder) / "try"
            work.mkdir()
            environment = {
                "PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": folder, "LC_ALL": "C.UTF-8",
                "PGPASSWORD": os.environ.get("PGPASSWORD", ""),
            }
            for command, wanted in steps(console):
                # A container may lack namespaces; the README says what to add then.
                weak = " --weak-wall" if " drill " in command and not walled() else ""
                typed = database.instead(command) + weak
                with self.subTest(command=command):
                    ran = subprocess.run(
                        ["bash", "-c", typed], cwd=work, env=environment, capture_output=True, text=True, check=False,
                    )
                    printed, others = without_other_databases(ran.stdout)
                    self.assertEqual(ran.returncode, 3 if others else 0, ran.stdout + ran.stderr)
                    if not weak:
                        self.assertEqual(plain(printed), plain(wanted))


def steps(console):
    for step in re.split(r"^\$ ", console, flags=re.M)[1:]:
        command, _, printed = step.partition("\n")
        yield command, printed


def without_other_databases(text):
    """The tests' server has some, and an export says that it leaves them out: exit code 3."""
    lines = text.splitlines(keepends=True)
    others = [line for line in lines if re.match(r"\S+: not exported: |finding: source \S+: no export covers ", line)]
    return "".join(line for line in lines if line not in others), others


def walled():
    wall = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(shutil.which("bwrap")) and subprocess.run(wall, capture_output=True, check=False).returncode == 0


def plain(text):
    """Without what differs from run to run: names and numbers, columns' widths, empty lines."""
    text = re.sub(r"\S*/(backup|lifeboat\.toml|break-glass\.key|manifest-signing\.pem|break-glass-sheet\.md)", r"…/\1", text)
    text = re.sub(r"postgresql://\S+?/\w+(?=[:\s])", "URL", text)
    text = re.sub(r"\b(age1[0-9a-z]+|[0-9a-f]{64}|\d{8}T\d{6}Z-[0-9a-z]{6})", "ID", text)
    text = re.sub(r"(took \S+ s) \(.*\)$", r"\1", text, flags=re.M)  # phases that took their time
    text = re.sub(r"attestations/\S+", "ATTESTATION", text)
    text = re.sub(r"\b\S+/courses\w*|^ +\S+ +courses\w*", "DATABASE", text, flags=re.M)
    text = re.sub(r"not covered: role passwords: .*", "not covered: role passwords", text)
    # The tests' server has roles of other tests.
    text = re.sub(r"^not tried: (membership|parameter privilege)\b.*\n", "", text, flags=re.M)
    text = re.sub(r"\d[\d,.:-]*( (B|KiB|MiB)\b| UTC)?", "N", text)
    text = re.sub(r"\bN (sessions?|parts?)\b", "N", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


class Database:
    """One of its own on the tests' server, in the place of the README's."""

    def __init__(self, server):
        self.server = server.rsplit("/", 1)[0]
        self.name = f"courses_{os.getpid()}"

    def psql(self, database, sql):
        subprocess.run(
            ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", sql, f"{self.server}/{database}"],
            check=True,
        )

    def __enter__(self):
        self.psql("postgres", f"CREATE DATABASE {self.name}")
        return self

    def __exit__(self, *_):
        for name in (self.name, f"{self.name}_copy"):
            self.psql("postgres", f"DROP DATABASE IF EXISTS {name}")

    def sql(self, sql):
        self.psql(self.name, sql)

    def instead(self, command):
        command = command.replace("/courses_copy", f"/{self.name}_copy")
        command = re.sub(r"/courses\b", f"/{self.name}", command)
        return command.replace("postgresql://postgres@localhost", self.server)


class Blocks(unittest.TestCase):
    def test_every_block_says_what_it_is(self):
        for page in PAGES:
            text = page.read_text()
            self.assertEqual(len(re.findall(r"^```", text, re.M)) % 2, 0, page)
            for kind, _ in FENCE.findall(text):
                self.assertIn(kind, {"console", "cron", "ini", "json", "sh", "sql", "text", "toml"}, page)

    def test_toml_and_json_are_well_formed(self):
        for page in PAGES:
            for body in blocks(page, "toml"):
                with self.subTest(page=page, body=body):
                    tomllib.loads(body)
            for body in blocks(page, "json"):
                with self.subTest(page=page, body=body):
                    json.loads(body)

    def test_the_readme_is_read_in_minutes(self):
        self.assertLessEqual((ROOT / "README.md").stat().st_size, 9_000)

    def test_every_page_is_in_the_book(self):
        summary = (ROOT / "docs/SUMMARY.md").read_text()
        listed = re.findall(r"\]\(([a-z-]+\.md|README\.md)\)", summary)
        there = sorted(page.name for page in ROOT.glob("docs/*.md") if page.name != "SUMMARY.md")
        self.assertEqual(sorted(listed), there)


class Accounts(unittest.TestCase):
    """docs/accounts.md and the templates."""

    def test_parameters_that_are_given_exist_and_none_that_is_needed_is_left_out(self):
        paragraphs = DEPLOYS.split("aws cloudformation deploy ")[1:]
        commands = [re.match(r"(?:[^\n]*\\\n)*[^\n]*", paragraph)[0] for paragraph in paragraphs]
        names = [re.search(r"--template-file deploy/aws/(\S+)", command)[1] for command in commands]
        self.assertEqual(set(names), set(TEMPLATES))
        for name, command in zip(names, commands):
            given = set(re.findall(r"\b([A-Z]\w+)=", command.split("--parameter-overrides")[1]))
            declared = TEMPLATES[name]["Parameters"]
            self.assertLessEqual(given, set(declared), name)
            # A change names only what changes.
            if len(given) > 1:
                needed = {key for key, one in declared.items() if "Default" not in one}
                self.assertLessEqual(needed, given, name)

    def test_the_alarms_stand_in_every_region_through_which_people_come_in(self):
        roles = TEMPLATES["backup-account.yaml"]["Resources"]
        region, home = {"Ref": "AWS::Region"}, {"Fn::FindInMap": ["Partition", {"Ref": "AWS::Partition"}, "Home"]}
        for role in ("RestoreRole", "BreakGlassRole"):
            people, = (
                one for one in roles[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"] if one["Sid"] == "PeopleWithMfa"
            )
            self.assertEqual(people["Condition"]["StringEquals"], {"aws:RequestedRegion": [region, home]})
        step = ACCOUNTS[ACCOUNTS.index("## 3. Alarms"):ACCOUNTS.index("## 4. ")]
        self.assertIn("for region in $REGION $HOME_REGION; do", step)
        self.assertIn(f"HOME_REGION={TEMPLATES['backup-account.yaml']['Mappings']['Partition']['aws']['Home']} ", ACCOUNTS)

    def test_no_reader_of_a_mail_can_end_the_mails(self):
        _, calls, _ = calls_of(ROOT / "docs/accounts.md")
        given = [dict(zip(call[3::2], call[4::2])) for call in calls if call[1:3] == ["sns", "confirm-subscription"]]
        self.assertEqual({one["--authenticate-on-unsubscribe"] for one in given}, {"true"})
        # One mail for each stack of alarms.yaml.
        stacks = [call for call in calls if "deploy/aws/alarms.yaml" in call]
        told = [(one["--region"], one["--topic-arn"].split(":")[4]) for one in given]
        self.assertEqual(len(set(told)), len(stacks))

    def test_outputs_that_are_named_exist(self):
        outputs = {key for template in TEMPLATES.values() for key in template.get("Outputs", {})}
        parameters = {key for template in TEMPLATES.values() for key in template["Parameters"]}
        named = set(re.findall(r"\b([A-Z][a-z]+[A-Z]\w*Arn)\b", ACCOUNTS))
        self.assertTrue(named)
        self.assertLessEqual(named, outputs | parameters)

    def test_every_role_is_in_the_table(self):
        page = (ROOT / "docs/access.md").read_text()
        table = page[page.index("## The roles of the templates"):page.index("## The worst that each holder can do")]
        for name, template in TEMPLATES.items():
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::IAM::Role":
                    role = resource["Properties"]["RoleName"]
                    self.assertIn("…-execution" if role.endswith("-execution") else f"`{role}`", table, name)

    def test_files_that_are_named_exist(self):
        for page in PAGES:
            for path in re.findall(r"(?<!tests/)\b(?:deploy|tests|config|src)/[\w/.-]*\w", page.read_text()):
                with self.subTest(page=page.name, path=path):
                    there = (folder / path for folder in (ROOT, page.parent))
                    self.assertTrue(any(one.exists() or list(one.parent.glob(f"{one.name}*")) for one in there), path)


if __name__ == "__main__":
    unittest.main()
