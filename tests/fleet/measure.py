#!/usr/bin/env python3
"""Runs a command: `measure.py FILE COMMAND...`. Into the file go its seconds and the MiB that the largest of its
processes had in memory at most; its exit code is the command's."""

import os
import sys
import time
from pathlib import Path

began = time.monotonic()
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
Path(sys.argv[1]).write_text(f"{time.monotonic() - began:.1f} {usage.ru_maxrss / 1024:.0f}\n")
sys.exit(os.waitstatus_to_exitcode(status))
