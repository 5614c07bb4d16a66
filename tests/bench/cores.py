"""Export and restore where the server has as many cores as asked for, beside pg_dump, pg_restore and pgcopydb."""

import contextlib
import functools
import os
import shutil
import subprocess
from pathlib import Path

from figures import compare, server_cpu, wall
from measure import Failed, measure
from postgres import checked
from slow import Groups, Slowed

TARGET = "bench_target"

# Wanted of the ratios to the peers, by cores.
EXPORT = {2: 0.80, 8: 0.20}
RESTORE = {2: 0.85, 8: 0.30}
BOTH = {8: 1.00}

REAL_CORES = 2


class Cores:
    """One number of cores."""

    def __init__(self, bench, data, count):
        self.bench, self.data, self.count = bench, data, count
        # The server has one real core then, and the client the other, as if it were on a machine of its own.
        self.slower = 1 if count == REAL_CORES else count

    def slowed(self):
        if self.slower == 1:
            return contextlib.nullcontext()
        return Slowed(self.bench.server.postmaster, self.count, self.slower)

    def name(self, what):
        return f"{what}, {self.count} cores"

    def measure(self, what, command):
        name = self.name(what)
        with self.slowed():
            sample = measure(name, command, self.bench.server, self.bench.work)
        return self.bench.note(name, sample)

    def taken(self, what):
        return self.bench.taken[self.name(what)]

    def into_empty(self, what, command):
        server = self.bench.server
        server.recreate(TARGET)
        self.measure(what, command)
        if server.rows(TARGET) != self.data.rows:
            raise Failed(f"{what}: the target's rows are not those of {self.data.name}")
        server.sql(f"DROP DATABASE {TARGET}")

    def ours(self):
        repository, jobs = self.bench.repository(), ["--jobs", str(self.count)]
        exported = self.measure("export", repository.command("export", "--source", self.data.url, *jobs))
        point = exported.answer["databases"][0]["id"]
        how = ["--identity", repository.identity, "--target", self.bench.server.url(TARGET), *jobs]
        self.into_empty("restore", repository.command("restore", point, *how))
        repository.remove()

    def stock(self):
        folder, jobs = self.bench.work / "dump", f"-j{self.count}"
        shutil.rmtree(folder, ignore_errors=True)
        pg_dump, pg_restore, how = stock()
        self.measure("pg_dump", [pg_dump, "-Fd", jobs, f"--compress={how}", "-f", folder, "-d", self.data.url])
        self.into_empty("pg_restore", [pg_restore, jobs, "-d", self.bench.server.url(TARGET), folder])
        shutil.rmtree(folder)

    def clone(self):
        """pgcopydb goes from server to server: nothing is stored in between."""
        folder, jobs = self.bench.work / "pgcopydb", str(self.count)
        shutil.rmtree(folder, ignore_errors=True)
        urls = ["--source", self.data.url, "--target", self.bench.server.url(TARGET)]
        split = ["--split-tables-larger-than", "64MB"]
        how = ["--table-jobs", jobs, "--index-jobs", jobs, *split, "--dir", folder]
        self.into_empty("pgcopydb clone", ["pgcopydb", "clone", *urls, *how])

    def figures(self):
        export, restore = self.taken("export"), self.taken("restore")
        dump, loaded, clone = self.taken("pg_dump"), self.taken("pg_restore"), self.taken("pgcopydb clone")
        both = [one.wall_s + other.wall_s for one, other in zip(export, restore)]
        of = f"{self.count} cores"
        rows = [
            compare(f"{of}: export / pg_dump -Fd -j{self.count} {stock()[2]}", "s", wall, export, dump, ratio_wanted=EXPORT.get(self.count)),
            compare(f"{of}: export, server CPU", "s", server_cpu, export, dump),
            compare(f"{of}: restore / pg_restore -j{self.count}", "s", wall, restore, loaded, ratio_wanted=RESTORE.get(self.count)),
            compare(f"{of}: restore, server CPU", "s", server_cpu, restore, loaded),
        ]
        if clone:
            walls = [sample.wall_s for sample in clone]
            rows.append(
                compare(f"{of}: export + restore / pgcopydb clone", "s", float, both, walls, ratio_wanted=BOTH.get(self.count))
            )
        return rows


@functools.cache
def stock():
    """pg_dump, pg_restore and how they compress: by zstd where they were built so, as gzip takes three times as long."""
    folder = os.environ.get("LIFEBOAT_BENCH_CLIENTS")
    programs = [str(Path(folder) / name) if folder else name for name in ("pg_dump", "pg_restore")]
    try_zstd = [programs[0], "--compress=zstd", "-Fd", "-f", "/dev/null/none", "-d", "none"]
    said = subprocess.run(try_zstd, capture_output=True, text=True).stderr
    return *programs, "gzip:1" if "does not support compression" in said else "zstd"


def asked():
    """Numbers of cores. Whatever keeps this from being measured is told before anything is."""
    text = os.environ.get("LIFEBOAT_BENCH_CORES") or "2,8"
    try:
        counts = [int(word) for word in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < REAL_CORES:
        raise Failed(f"--cores: '{text}' is no list of numbers from {REAL_CORES} on, such as 2,8")
    if len(os.sched_getaffinity(0)) != REAL_CORES:
        raise Failed(f"--cores shows slower cores on a machine of {REAL_CORES}; this one has another number")
    if max(counts) > REAL_CORES:
        Groups().remove()
    return counts


def cores(bench):
    counts = asked()
    data = bench.courses(bench.scale)
    figures = []
    for count in counts:
        one = Cores(bench, data, count)
        sides = [one.ours, one.stock]
        if shutil.which("pgcopydb"):
            sides.append(one.clone)
        bench.each_round(*sides)
        figures += one.figures()
    return figures
