#!/usr/bin/env python3
"""Judges what count.py counted: `calls.py FOLDER --shards N --at-a-time N NIGHT...`, nights in the order they were.

Each night has NIGHT.calls, NIGHT.databases with all names, and NIGHT.json, the collector's answer. Prints the figures
in one line; or, to stderr, all that is wrong, with exit code 1. FOLDER/figures.json gets all figures by kind.
"""

import argparse
import json
import sys
from collections import Counter
from math import ceil
from pathlib import Path

# Of a database with two tables of one part each, in its first night: 15 puts, each read back and
# verified, 4 reads and 4 listings.
MOST_OF_DATABASE = 53
# Where it has points, the newest is opened, too: by the export, and by each shard that plans.
MORE_LATER = 1
# What names no database: the repository's posture, canaries, the plan, the reports of ten shards. Measured: 34 to 37.
MOST_OF_SHARD = 40
# A manifest. Without a reuse key there is no state beside it.
KEYS_OF_POINT = 1
PAGE = 1000


def figures(calls, shards):
    own = Counter(call["database"] for call in calls if call["database"])
    others = sum(1 for call in calls if not call["database"])
    return {
        "databases": len(own),
        "calls": len(calls),
        "of_a_database": [min(own.values()), max(own.values())],
        "of_a_shard": round(others / shards, 1),
        "keys_listed": sum(call.get("keys", 0) for call in calls),
        "by_kind": {f"{call} {kind}": number for (kind, call), number in sorted(kinds(calls).items())},
    }


def kinds(calls):
    return Counter((call["kind"], call["call"]) for call in calls)


def wrong(night, points, calls, options):
    """What one night took too much or lacks; `points`: of each database, with that of this night."""
    collected = json.loads((options.folder / f"{night}.json").read_text())["result"]["steps"][0]["result"]
    with_point = sorted(f"{one['source']}/{one['database']}" for one in collected["databases"] if one["point"])
    if with_point != sorted(points):
        yield f"points were collected of {with_point}, not of {sorted(points)}"
    own = Counter(call["database"] for call in calls if call["database"])
    if sorted(own) != sorted(points):
        yield f"calls were counted for {sorted(own)}, not for {sorted(points)}"
    stored = Counter(call["database"] for call in calls if (call["call"], call["kind"]) == ("PUT", "manifests"))
    yield from (f"{name} was stored {stored[name]} times, by the calls" for name in points if stored[name] != 1)
    failed = [call for call in calls if call["status"] >= 500]
    if failed:
        yield f"{len(failed)} calls failed, and were made again: {failed[0]}"
    for name, count in own.items():
        most = MOST_OF_DATABASE + (MORE_LATER + options.at_a_time if points[name] > 1 else 0)
        if count > most:
            yield f"{name} took {count} calls, not {most} at most"
    others = len(calls) - own.total()
    if others > MOST_OF_SHARD * options.shards:
        yield f"{options.shards} shards took {others} calls, not {MOST_OF_SHARD} each at most"
    yield from listings_wrong(points, calls, options)


def listings_wrong(points, calls, options):
    """A listing has the points of one database; of all databases only for a shard that plans, and for the collector."""
    manifests = [call for call in calls if call["call"] == "list" and call["kind"] == "manifests"]
    for call in manifests:
        name = call["database"]
        if name and call["keys"] > KEYS_OF_POINT * points[name]:
            yield f"a listing for {name} had {call['keys']} keys, of {points[name]} points"
    whole = sum(1 for call in manifests if not call["database"])
    pages = ceil(KEYS_OF_POINT * points.total() / PAGE)
    if whole > pages * (options.at_a_time + 1):
        yield f"all points were listed in {whole} calls, {pages} of which do for a shard that plans, or collects"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("nights", nargs="+")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--at-a-time", type=int, required=True)
    options = parser.parse_args()
    found, bad, points = {}, [], Counter()
    for night in options.nights:
        points.update((options.folder / f"{night}.databases").read_text().split())
        lines = (options.folder / f"{night}.calls").read_text().splitlines()
        calls = [json.loads(line) for line in lines]
        bad += [f"{night}: {one}" for one in wrong(night, points, calls, options)]
        found[night] = figures(calls, options.shards)
    (options.folder / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    for one in bad:
        print(one, file=sys.stderr)
    if bad:
        return 1
    texts = [
        f"{night} {one['calls']}: {'-'.join(map(str, sorted(set(one['of_a_database']))))} a database,"
        f" {one['of_a_shard']} more a shard, {one['keys_listed']} keys listed"
        for night, one in found.items()
    ]
    print("calls to S3: " + "; ".join(texts))
    return 0


sys.exit(main())
