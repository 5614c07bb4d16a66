"""The commands of README.md as a script: how to install the package, then all that `Try it in a directory` types.

Each is one line of output, in bash; the reader is told how long each took.
"""

import pathlib
import re
import shlex
import sys


def section(text, title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found[1] if found else sys.exit(f"README.md has no section {title!r}")


def blocks(text, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


def commands(text):
    install = [line for line in blocks(section(text, "Install"), "sh")[0].splitlines() if ".deb" in line]
    if len(install) != 1:
        sys.exit("README.md does not install a package by one line")
    yield install[0]
    tries = section(text, "Try it in a directory")
    (before,) = blocks(tries, "sh")
    yield from before.replace("\\\n", "").splitlines()
    yield re.search(r"`(mkdir try && cd try)`", tries)[1]
    (console,) = blocks(tries, "console")
    yield from (line[2:] for line in console.splitlines() if line.startswith("$ "))


for command in commands(pathlib.Path(sys.argv[1]).read_text()):
    print(f"run {shlex.quote(command)}")
