#!/usr/bin/env python3
"""What a run cost, as an object of JSON: `sample.py SAID BEFORE AFTER AT_A_TIME PLANNED`, with the folder of its
shards' documents and of what measure.py wrote, what machine.py printed before and after, how many shards ran at a time,
and how many databases had points at its beginning."""

import json
import sys
from pathlib import Path

said, before, after = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
shards = []
for file in sorted(said.glob("*-0.json"), key=lambda file: int(file.name.split("-")[0])):
    steps = json.loads(file.read_text())["result"]["steps"]
    exports = [step["result"]["databases"] for step in steps if step["name"].startswith("export ")]
    shards.append([one["copy_bytes"] for databases in exports for one in databases])
client = sum(float(file.read_text().split()[2]) for file in said.glob("measured-*"))
server = after["servers"] - before["servers"]
print(
    json.dumps(
        {
            "wall": after["at"] - before["at"],
            "client": client,
            "server": server,
            "others": after["busy"] - before["busy"] - client - server,
            "at_a_time": int(sys.argv[4]),
            "planned": int(sys.argv[5]),
            "shards": shards,
        }
    )
)
