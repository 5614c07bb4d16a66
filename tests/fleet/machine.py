#!/usr/bin/env python3
"""What the machine and some PostgreSQL servers did so far: `machine.py POSTMASTER_PID...` prints one object of JSON
with a moment and CPU seconds. The difference of two says what a command between them cost."""

import json
import os
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def of_server(postmaster):
    """Of the server's processes, those that ended included: their parent has waited for them."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if path.parent.name == postmaster:
            total += sum(map(int, fields[11:15]))
        elif fields[1] == postmaster:
            total += sum(map(int, fields[11:13]))
    return total / TICKS


def busy():
    """Time stolen by the machine's host included: nobody here could use it."""
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS


print(json.dumps({"at": time.monotonic(), "busy": busy(), "servers": sum(map(of_server, sys.argv[1:]))}))
