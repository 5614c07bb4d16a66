#!/usr/bin/env python3
"""Runs a command: `measure.py FILE COMMAND...`. Into the file go its seconds, the MiB that the largest of its processes
had in memory at most, and CPU seconds of all of them; its exit code is the command's."""

import os
import sys
import time
from pathlib import Path

began = time.monotonic()
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
seconds, cpu = time.monotonic() - began, usage.ru_utime + usage.ru_stime
Path(sys.argv[1]).write_text(f"{seconds:.1f} {usage.ru_maxrss / 1024:.0f} {cpu:.3f}\n")
sys.exit(os.waitstatus_to_exitcode(status))
