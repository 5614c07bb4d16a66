"""Runs one command and says what it cost: its own time and memory, the server's, and everybody else's."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """What ends the bench: a measured command that failed, or an outcome that is not what was asked for."""


def say(line):
    print(f"bench: {line}", file=sys.stderr, flush=True)


@dataclass
class Sample:
    """One run. Sizes in bytes, times in seconds; `peak_bytes` is that of the largest process."""

    what: str
    wall_s: float
    client_cpu_s: float
    server_cpu_s: float
    store_cpu_s: float
    other_cpu_s: float
    peak_bytes: int
    load_before: float
    stored_bytes: int = None
    copy_bytes: int = None
    jobs: int = None
    phases: list = field(default_factory=list)
    # What lifeboat answered; too long for the record.
    answer: dict = field(default=None, repr=False)

    def record(self):
        fields = {name: value for name, value in self.__dict__.items() if name != "answer" and value is not None}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in fields.items()}

    def line(self):
        text = f"{self.what}: {self.wall_s:.2f} s, CPU {self.client_cpu_s:.2f} s, server {self.server_cpu_s:.2f} s, "
        if self.store_cpu_s:
            text += f"store {self.store_cpu_s:.2f} s, "
        return text + f"others {self.other_cpu_s:.2f} s, peak {self.peak_bytes / 2**20:.1f} MiB"


def stat_fields(path):
    """What follows the name of the process, which may hold spaces: field 3 of proc(5) is the first."""
    return path.read_text().rpartition(")")[2].split()


def postmaster_cpu(postmaster):
    """CPU seconds that a PostgreSQL server has used: of processes that ended, and of those that live."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat_fields(path)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if path.parent.name == str(postmaster):
            total += sum(map(int, fields[11:15]))
        elif fields[1] == str(postmaster):
            total += sum(map(int, fields[11:13]))
    return total / TICKS


def store_cpu():
    """CPU seconds of the local S3's daemons, known by the folder in their command lines."""
    home = os.environ["LIFEBOAT_SERVERS"].encode()
    total = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
            if home in command and b"/rgw/cluster/" in command:
                total += sum(map(int, stat_fields(path.parent / "stat")[11:13]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / TICKS


def machine_cpu():
    """CPU seconds that the whole machine was busy, time stolen by its host included."""
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS


def watch(stream, began):
    """Reads stderr to its end. Progress events carry whole seconds; here they get the moment they arrive."""
    starts, other = [], []
    for line in stream:
        now = time.monotonic() - began
        try:
            event = json.loads(line)
        except ValueError:
            event = {"event": "text"}
        if event.get("event") == "phase":
            starts.append((event["phase"], now))
        elif event.get("event") != "progress":
            other.append(line)
    return starts, other


def phases(starts, wall):
    """Each phase with its length; what came before the first one is called `start`."""
    marks = [("start", 0.0), *starts, ("", wall)]
    return [{"phase": name, "seconds": round(marks[i + 1][1] - at, 3)} for i, (name, at) in enumerate(marks[:-1])]


def run_timed(command, out, time_file):
    """Returns wall, rusage, exit code, phases and what stderr held.

    The peak memory comes from GNU time, as a child begins with the peak of the process that started it,
    and that of Python is larger than that of a small command. CPU comes from wait4, in microseconds.
    """
    timed = ["/usr/bin/time", "-q", "-o", str(time_file), "-f", "%M", *map(str, command)]
    began = time.monotonic()
    child = subprocess.Popen(timed, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True)
    starts, other = watch(child.stderr, began)
    _pid, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    child.stderr.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    return wall, usage, child.returncode, phases(starts, wall) if starts else [], other


def measure(what, command, server, folder):
    """Runs a command on a settled server. Any exit code but 0 ends the bench."""
    server.settle()
    time_file, out_file = folder / "time", folder / "stdout"
    load = os.getloadavg()[0]
    before = machine_cpu(), server.cpu(), store_cpu()
    with open(out_file, "wb") as out:
        wall, usage, code, during, messages = run_timed(command, out, time_file)
    machine, server_s, store = (now - then for now, then in zip((machine_cpu(), server.cpu(), store_cpu()), before))
    if code != 0:
        answer = out_file.read_text(errors="replace")[-2000:]
        raise Failed(f"{what}: exit code {code} of {' '.join(map(str, command))}\n{''.join(messages[-30:])}{answer}")
    client = usage.ru_utime + usage.ru_stime
    sample = Sample(
        what=what,
        wall_s=wall,
        client_cpu_s=client,
        server_cpu_s=server_s,
        store_cpu_s=store,
        other_cpu_s=max(0.0, machine - client - server_s - store),
        peak_bytes=int(time_file.read_text()) * 1024,
        load_before=load,
        phases=during,
    )
    if out_file.read_bytes()[:1] == b"{":
        sample.answer = json.loads(out_file.read_text())["result"]
    say(sample.line())
    return sample


def tree_bytes(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
