"""A server of N slower cores: what its processes may use, in control groups.

Each process of the server gets 1/K of a core, all of them together N/K. The client is not slowed. Needs root, and
control groups of version 1 or 2 that let us make some.
"""

import os
import threading
from pathlib import Path

from measure import Failed

ROOT = Path("/sys/fs/cgroup")
NAME = "lifeboat-bench"

# Short, so that a process waits little for its next share; the kernel takes no quota below a millisecond.
PERIOD_US = 20_000

# How long a process that has just begun shares the postmaster's part of a core with others.
LOOK_S = 0.05


class Groups:
    """Control groups for CPU time, of either version."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Failed("--cores needs root: it holds the server's processes to parts of a core")
        self.two = (ROOT / "cgroup.controllers").exists()
        self.root = ROOT if self.two else ROOT / "cpu"
        self.top = self.root / NAME
        try:
            if self.two:
                (self.root / "cgroup.subtree_control").write_text("+cpu")
            self.top.mkdir(exist_ok=True)
            if self.two:
                (self.top / "cgroup.subtree_control").write_text("+cpu")
            self.limit(self.top, 1)
        except OSError as error:
            raise Failed(f"--cores: no control group for CPU time can be made here: {error}") from None

    def limit(self, group, cores):
        quota = round(cores * PERIOD_US)
        if self.two:
            (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            # What is below must never be allowed more than what is above.
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota))

    def make(self, name, cores):
        group = self.top / name
        group.mkdir(exist_ok=True)
        self.limit(group, cores)
        return group

    @staticmethod
    def processes(group):
        return [int(word) for word in (group / "cgroup.procs").read_text().split()]

    @staticmethod
    def move(process, group):
        """A process that has ended meanwhile needs no group."""
        try:
            (group / "cgroup.procs").write_text(str(process))
        except ProcessLookupError:
            pass

    def remove(self):
        """Everybody back to where there is no limit."""
        for group in [path for path in self.top.iterdir() if path.is_dir()]:
            while processes := self.processes(group):
                for process in processes:
                    self.move(process, self.root)
            group.rmdir()
        self.top.rmdir()


class Slowed:
    """While this is entered, the server with this postmaster has `cores` cores, each 1/`slower` of a real one."""

    def __init__(self, postmaster, cores, slower):
        self.postmaster, self.cores, self.slower = postmaster, cores, slower

    def __enter__(self):
        self.groups, self.failure = Groups(), None
        try:
            self.slow_down()
        except BaseException:
            self.groups.remove()
            raise

    def slow_down(self):
        self.groups.limit(self.groups.top, self.cores / self.slower)
        self.nest = self.groups.make("postmaster", 1 / self.slower)
        self.ended = threading.Event()
        self.groups.move(self.postmaster, self.nest)
        for child in children(self.postmaster):
            self.groups.move(child, self.own(child))
        self.mover = threading.Thread(target=self.keep_moving)
        self.mover.start()

    def __exit__(self, *_):
        self.ended.set()
        self.mover.join()
        self.groups.remove()
        if self.failure:
            raise Failed(f"not every process of the server was slowed: {self.failure}")

    def own(self, process):
        return self.groups.make(str(process), 1 / self.slower)

    def keep_moving(self):
        """A new process begins in the group of the postmaster; it gets one of its own at once."""
        try:
            while not self.ended.wait(LOOK_S):
                for process in self.groups.processes(self.nest):
                    if process != self.postmaster:
                        self.groups.move(process, self.own(process))
        except OSError as error:
            self.failure = error


def children(process):
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(word) for word in path.read_text().split()]
