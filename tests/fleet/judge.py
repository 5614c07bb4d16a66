#!/usr/bin/env python3
"""Judges a run by what `lifeboat list` and `lifeboat nightly --collect` say as JSON, and by its folder in the store.

Prints the ids of the run's points, one a line; or, to stderr, all that is wrong, with exit code 1.
"""

import argparse
import json
import re
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path


def moment(text):
    """Nanoseconds of a time that may have nine digits of a second."""
    seconds, fraction = re.fullmatch(r"([^.Z]+)(?:\.(\d+))?Z", text).groups()
    whole = int(datetime.fromisoformat(seconds + "+00:00").timestamp())
    return whole * 10**9 + int((fraction or "").ljust(9, "0"))


def name(entry):
    return f"{entry['source']}/{entry['database']}"


def pairs(texts):
    return dict(text.split("=", 1) for text in texts)


def points_wrong(collected, points, options):
    """Each database has one point of the run; two of a shard with two copies, none of one that is to come or failed."""
    shard_of = {name(one): one["shard"] for one in collected["databases"]}
    wanted = {}
    for one in options.databases.read_text().split():
        shard = shard_of.get(one)
        none = shard in options.unreported or one in pairs(options.failed)
        wanted[one] = 0 if none else 2 if shard is not None and shard == options.twice else 1
    found = Counter(name(point) for point in points)
    for one in sorted(wanted.keys() | found.keys()):
        if found[one] != wanted.get(one, 0):
            yield f"{one} has {found[one]} points of the run, not {wanted.get(one, 0)}"
    for point in points:
        if not point["trusted"]:
            yield f"{name(point)} {point['id']} is not trusted"


def collected_wrong(collected, points, options):
    """The collector names what there is, and no more."""
    databases = collected["databases"]
    planned = Counter(name(one) for one in databases)
    if sorted(planned.elements()) != sorted(options.databases.read_text().split()):
        yield f"the plan has {sorted(planned.elements())}"
    shards = range(collected["shards"])
    for one in databases:
        if one["shard"] not in shards:
            yield f"{name(one)} is in shard {one['shard']} of {len(shards)}"
        own = [point["id"] for point in points if name(point) == name(one)]
        if (one["point"] is None) != (not own) or (own and one["point"] not in own):
            yield f"{name(one)}: the collector says {one['point']}, and there is {own}"
    failed = pairs(options.failed)
    said = {name(one): one["error"] for one in databases if one["error"]}
    if said != failed:
        yield f"the collector says that {said} failed, not {failed}"
    shard_of = {name(one): one["shard"] for one in databases}
    missing = Counter(one["shard"] for one in databases if one["point"] is None)
    state = "never reported" if options.ended else "is still running"
    silent = [
        f"shard {shard} {state}: {missing[shard]} of its databases have no point of this run"
        for shard in options.unreported
    ]
    expected = [f"{one}: {kind}: the log of shard {shard_of[one]} says why" for one, kind in failed.items()]
    expected = sorted(expected + silent * options.ended)
    if sorted(collected["failures"]) != expected:
        yield f"the collector's failures are {collected['failures']}, not {expected}"
    expected = silent * (not options.ended)
    if collected["findings"] != expected:
        yield f"the collector's findings are {collected['findings']}, not {expected}"
    for field, value in {
        "shards": options.shards,
        "unreported": options.unreported,
        "running": bool(options.unreported) and not options.ended,
        "told": False,
    }.items():
        if collected[field] != value:
            yield f"the collector's {field} is {collected[field]}, not {value}"


def folder_wrong(folder, options):
    """One plan, reports of each shard that reported, and one that it was told."""
    files = {file.name for file in folder.iterdir()}
    reports = Counter(int(file.split("-")[0]) for file in files if re.fullmatch(r"\d+-\d+\.json", file))
    others = {file for file in files if "-" not in file}
    expected = {"plan.json"} if options.unreported and not options.ended else {"plan.json", "collected.json"}
    if others != expected:
        yield f"{folder} holds {sorted(others)} beside reports, not {sorted(expected)}"
    reported = set(range(options.shards)) - set(options.unreported)
    if set(reports) != reported:
        yield f"{folder} holds reports of shards {sorted(reports)}, not of {sorted(reported)}"
    if options.once and max(reports.values(), default=1) > 1:
        yield f"a shard reported more than once: {dict(reports)}"


def documents_wrong(said, options):
    """Of shards that were started once, one alone told the run, and as the collector does."""
    told = [json.loads(file.read_text())["result"]["shard"]["collected"] for file in said.glob("[0-9]*-0.json")]
    told = [code for code in told if code is not None]
    expected = [] if options.unreported else [options.code]
    if told != expected:
        yield f"shards told the run with exit codes {told}, not {expected}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("said", type=Path, help="folder with list.json, collected.json and documents of shards")
    parser.add_argument("folder", type=Path, help="the run's, in the repository")
    parser.add_argument("--databases", type=Path, required=True, help="file with all names")
    parser.add_argument("--code", type=int, required=True, help="the collector's exit code")
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--failed", action="append", default=[], metavar="NAME=KIND")
    parser.add_argument("--unreported", type=int, nargs="*", default=[], metavar="SHARD")
    parser.add_argument("--ended", action="store_true", help="somebody told those who never report")
    parser.add_argument("--twice", type=int, metavar="SHARD", help="it had two copies at once")
    parser.add_argument("--once", action="store_true", help="no shard was started twice")
    options = parser.parse_args()
    listed = json.loads((options.said / "list.json").read_text())["result"]
    collected = json.loads((options.said / "collected.json").read_text())["result"]["steps"][0]["result"]
    planned_at = moment(collected["planned_at"])
    points = [point for point in listed["points"] if moment(point["stored_at"]) > planned_at]
    wrong = [*points_wrong(collected, points, options), *collected_wrong(collected, points, options)]
    wrong += folder_wrong(options.folder, options)
    if options.once:
        wrong += documents_wrong(options.said, options)
        # Ids begin with their time.
        left = [name(one) for one in listed["leftovers"] if one["id"] >= collected["id"][:16]]
        wrong += [f"{one}: parts without a manifest" for one in left]
    for one in wrong:
        print(one, file=sys.stderr)
    if wrong:
        return 1
    for point in points:
        print(point["id"])
    return 0


sys.exit(main())
