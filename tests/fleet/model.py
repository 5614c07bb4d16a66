#!/usr/bin/env python3
"""How long a fleet's run takes: a model, calibrated on runs of one shard, and compared with two that it has not seen.

`model.py FOLDER` reads what model.sh measured, prints constants and tables, and ends with 1 where a prediction is wrong
by more than half.

A shard's wall is start + plan + the sum of (fixed + rows / rate) over its databases. Shards take turns on as many lanes
as run at a time; where all lanes together want more CPU than there is, CPU decides.
"""

import heapq
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

CORES = os.cpu_count()
GB = 1e9
# Predicted and measured may differ by half: the fleet's size is decided in steps larger than that.
MOST_WRONG = 1.5


@dataclass
class Cost:
    """Of a part of the work: seconds on a machine that does nothing else, CPU seconds of lifeboat and of PostgreSQL."""

    wall: float
    client: float
    server: float

    def __add__(self, other):
        return Cost(self.wall + other.wall, self.client + other.client, self.server + other.server)

    def __sub__(self, other):
        return self + other * -1

    def __mul__(self, times):
        return Cost(self.wall * times, self.client * times, self.server * times)

    def at_least_nothing(self):
        """What is smaller than the differences between rounds can come out below zero."""
        return Cost(*(max(part, 0.0) for part in (self.wall, self.client, self.server)))

    @property
    def cpu(self):
        return self.client + self.server


class Samples:
    def __init__(self, folder):
        self.of = {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}

    def best(self, name):
        """Of all rounds the least of each: others on the machine only add."""
        rounds = [one for stem, one in self.of.items() if stem.rpartition("-")[0] == name]
        return Cost(*(min(one[field] for one in rounds) for field in ("wall", "client", "server")))

    def bytes_of(self, name):
        return sum(self.of[f"{name}-1"]["shards"][0])


class Model:
    """Each constant, with the samples that it comes from."""

    def __init__(self, samples):
        one, ten, big = (samples.best(name) for name in ("tiny", "tiny10", "big"))
        of_one, of_big = samples.bytes_of("tiny"), samples.bytes_of("big")
        # Nine databases more, in one shard.
        self.fixed = (ten - one) * (1 / 9)
        # What is left of a shard with one tiny database.
        self.start = one - self.fixed
        # The same shard when many databases have points: it opens the newest of each to deal them out.
        more = samples.of["late-1"]["planned"] - samples.of["tiny-1"]["planned"]
        self.plan = (samples.best("late") - one).at_least_nothing() * (1 / more)
        # One database of some 100 MB, less one tiny one.
        self.of_a_gb = (big - one) * (GB / (of_big - of_one))

    def shard(self, databases, planned):
        """Databases are bytes of rows as text; all fixed costs are of one part of a database or another."""
        rows = self.of_a_gb * (sum(databases) / GB)
        return self.start + self.plan * planned + self.fixed * len(databases) + rows

    def run(self, shards, at_a_time, planned, cores):
        """Seconds on one machine that has the servers, too, with what cores are left to it; and CPU seconds."""
        # Those that begin later find the plan.
        costs = [self.shard(one, planned if index < at_a_time else 0) for index, one in enumerate(shards)]
        cpu = sum(cost.cpu for cost in costs)
        return max(last_end([cost.wall for cost in costs], at_a_time), cpu / cores), cpu

    def apart(self, databases, size, shards, cores, sessions, server_cores, card):
        """Seconds where each shard has cores of its own, and each server its own machine; what limits it."""
        own = databases / shards
        seconds = {
            "the shard's cores": self.of_a_gb.client / cores,
            "the server's sessions": self.of_a_gb.server / min(sessions, server_cores),
            "the shard's card": 8 * GB / card,
        }
        limit = max(seconds, key=seconds.get)
        fixed = self.start.wall + self.plan.wall * databases + self.fixed.wall * own
        return fixed + own * size / GB * seconds[limit], limit


def last_end(walls, lanes):
    """When the last of so many lanes ends, each of which takes the next shard when it is free."""
    ends = [0.0] * lanes
    for wall in walls:
        heapq.heapreplace(ends, ends[0] + wall)
    return max(ends)


def cores_left(sample):
    """What others on the machine did not use."""
    return max(CORES - sample["others"] / sample["wall"], 0.1)


def constants(model):
    yield "| constant | wall | lifeboat's CPU | PostgreSQL's CPU |"
    yield "|---|---|---|---|"
    for name, cost in (
        ("start of a shard", model.start),
        ("plan, a database with points", model.plan),
        ("a database, whatever its size", model.fixed),
        ("a GB of rows as text", model.of_a_gb),
    ):
        yield f"| {name} | {cost.wall:.3f} s | {cost.client:.3f} s | {cost.server:.3f} s |"


def comparison(model, samples):
    """Lines of the table, a short one for logs, and what is wrong."""
    lines = ["| run | wall predicted | measured | ratio | CPU predicted | measured | ratio | cores left by others |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    short, wrong = [], []
    for name in ("point-many", "point-big"):
        one = samples.of[name]
        cores = cores_left(one)
        wall, cpu = model.run(one["shards"], one["at_a_time"], one["planned"], cores)
        measured_cpu = one["client"] + one["server"]
        databases, rows_mb = sum(map(len, one["shards"])), sum(map(sum, one["shards"])) / 1e6
        what = f"{databases} databases, {rows_mb:.0f} MB, {len(one['shards'])} shards, {one['at_a_time']} at a time"
        lines.append(
            f"| {what} | {wall:.0f} s | {one['wall']:.0f} s | {wall / one['wall']:.2f} |"
            f" {cpu:.0f} s | {measured_cpu:.0f} s | {cpu / measured_cpu:.2f} | {cores:.2f} |"
        )
        short.append(f"{what}: {wall:.0f} s predicted, {one['wall']:.0f} s measured")
        for kind, ratio in (("wall", wall / one["wall"]), ("CPU", cpu / measured_cpu)):
            if not 1 / MOST_WRONG <= ratio <= MOST_WRONG:
                wrong.append(f"{what}: {kind} was predicted {ratio:.2f} times what was measured")
    return lines, "; ".join(short), wrong


def extrapolation(model):
    """With servers of their own that have four cores for it, and a card of 12.5 Gb/s for each shard."""
    yield "| 300 databases of 20 GB of rows | wall predicted | limited by |"
    yield "|---|---|---|"
    for shards in (10, 20):
        for sessions in (2, 4):
            seconds, limit = model.apart(300, 20 * GB, shards, 2, sessions, 4, 12.5e9)
            yield f"| {shards} shards, 2 vCPU, {sessions} sessions | {seconds / 60:.0f} min | {limit} |"


def main():
    samples = Samples(Path(sys.argv[1]))
    model = Model(samples)
    table, short, wrong = comparison(model, samples)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    tables = [*constants(model), "", *table, "", *extrapolation(model)]
    print("\n".join([f"{short}; {CORES} cores, load {load}", "", *tables]))
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
