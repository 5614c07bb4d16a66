#!/usr/bin/env bash
# Runs the tests of the tests' AWS, and in it the adversary: `run.sh [PYTEST ARGUMENTS]`. The adversary needs
# PostgreSQL (`eval "$(deploy/local/servers.sh env pg15)"`), and lifeboat in target/debug or where LIFEBOAT_BIN says.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=tests/cloud/venv.sh
. ./venv.sh
# Each process has a server of its own.
exec "$PYTHON" -m pytest -q -p no:cacheprovider -n auto --maxprocesses 4 --dist worksteal "${@:-.}"
