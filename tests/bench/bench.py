"""Measures what is asked for, prints the table and appends the record. Started by run.sh."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from figures import table
from groups import GROUPS, Bench
from measure import Failed, say
from postgres import HERE, Server, checked

DEFAULT_GROWTH = "0.2:2"


def setting(name, default):
    return os.environ.get(f"LIFEBOAT_BENCH_{name}") or default


def positive(name, default, kind):
    try:
        value = kind(setting(name, default))
    except ValueError:
        value = 0
    if not value > 0:
        raise Failed(f"LIFEBOAT_BENCH_{name}: '{setting(name, default)}' is no number above 0")
    return value


def growth_asked():
    """The pair of scales, and whether it was asked for."""
    asked = setting("GROWTH", "")
    text = DEFAULT_GROWTH if asked in ("", "1", "yes") else asked
    try:
        small, large = map(float, text.split(":"))
    except ValueError:
        small = large = 0
    if not 0 < small < large:
        raise Failed(f"LIFEBOAT_BENCH_GROWTH: '{text}' is no pair of scales such as {DEFAULT_GROWTH}")
    return (small, large), bool(asked)


def chosen(only, growth_wanted):
    usual = [name for name in GROUPS if name != "cores" and (name != "growth" or growth_wanted)]
    names = only.split(",") if only else usual
    for name in names:
        if name not in GROUPS:
            raise Failed(f"--only: there is no '{name}', but {', '.join(GROUPS)}")
    return names


def first_line(*command):
    return checked(command).splitlines()[0]


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    return {
        "cpu": cpu[0] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": memory,
        "kernel": platform.release(),
        "load_before": os.getloadavg(),
    }


def tools(names):
    commands = {name: [name, "--version"] for name in ("pg_dump", "pg_restore", "zstd", "age")}
    if "s3" in names:
        commands["aws"] = [Path(os.environ["LIFEBOAT_TEST_TOOLS"]) / "aws", "--version"]
        commands["radosgw"] = ["radosgw", "--version"]
    return {name: version(name, first_line(*command)) for name, command in commands.items()}


def version(name, line):
    line = line.strip("* ")
    return line if name in line.lower() else f"{name} {line}"


def lifeboat(program):
    """The commit is that of the binary only where run.sh has built it."""
    git = ["git", "-C", str(HERE)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout.strip()
    return {
        "version": first_line(program, "--version"),
        "sha256": hashlib.sha256(Path(program).read_bytes()).hexdigest(),
        "commit": commit or None,
        "uncommitted_changes": bool(changed),
        "built_from_commit": bool(setting("BUILT", "")),
    }


def disturbed(bench):
    """Samples during which others took more than a tenth of what the machine had; its clock ticks in 10 ms."""
    cores = len(os.sched_getaffinity(0))
    samples = [sample for taken in bench.taken.values() for sample in taken]
    return sum(sample.other_cpu_s > 0.1 * cores * sample.wall_s + 0.05 for sample in samples), len(samples)


def heading(record):
    facts, ours = record["machine"], record["lifeboat"]
    memory, load = facts["memory_bytes"] / 2**30, " ".join(f"{value:.2f}" for value in facts["load_before"])
    print(f"\n{facts['cores']} × {facts['cpu']}, {memory:.0f} GiB, Linux {facts['kernel']}, load before {load}")
    built = "built from" if ours["built_from_commit"] else "a given binary, the bench is of"
    print(
        f"{ours['version']}, {built} {(ours['commit'] or '?')[:10]}{', changed' if ours['uncommitted_changes'] else ''}"
    )
    print("peers: " + "; ".join(record["tools"].values()))
    print("server: " + ", ".join(f"{name} {value}" for name, value in record["server"].items()))
    for database, sizes in record["data"].items():
        for name, size in sizes.items():
            fields = (f"{size[field] / 1e6:,.0f} MB of {label}" for field, label in SIZES.items() if field in size)
            print(f"{database}: {name}, {size['rows']:,} rows, {', '.join(fields)}")


SIZES = {"heap_bytes": "heap", "index_bytes": "indexes", "copy_bytes": "COPY text"}


def report(bench, record, figures):
    heading(record)
    print(f"\nmedians of {bench.rounds}; spread: (largest - smallest) / median, ours / peer\n\n{table(figures)}\n")
    missed = [figure.name for figure in figures if figure.reached is False]
    print(f"{len(missed)} not reached{': ' if missed else ''}{'; '.join(missed)}")
    noisy, all_samples = disturbed(bench)
    if noisy:
        print(f"During {noisy} of {all_samples} samples others took more than a tenth of the machine: measure again.")
    if bench.rounds < 3 or bench.scale != 1:
        print(f"{bench.rounds} rounds at {bench.scale:g} × the rows: figures to quote are medians of 3 or more, at 1.")


def main():
    began = time.monotonic()
    growth, growth_wanted = growth_asked()
    names = chosen(sys.argv[1], growth_wanted)
    rounds, scale = positive("ROUNDS", "3", int), positive("SCALE", "1", float)
    home = Path.cwd()
    program = home / "lifeboat"
    work = home / "work"
    work.mkdir(exist_ok=True)
    record = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rounds": rounds, "scale": scale}
    record.update(machine=machine(), tools=tools(names), lifeboat=lifeboat(program))
    server = Server()
    record["server"] = server.settings()
    bench = Bench(server, program, work, rounds, scale, growth)
    figures = []
    for name in names:
        say(f"== {name}")
        figures += GROUPS[name](bench)
    record["data"] = bench.sizes
    report(bench, record, figures)
    record["figures"] = [figure.record() for figure in figures]
    record["samples"] = [sample.record() for taken in bench.taken.values() for sample in taken]
    with open(home / "results.jsonl", "a") as results:
        results.write(json.dumps(record) + "\n")
    say(f"{time.monotonic() - began:.0f} s; all samples are in target/bench/results.jsonl")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        say(f"FAILED: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
