#!/usr/bin/env bash
# Runs the tests of the tests' AWS: `run.sh [PYTEST ARGUMENTS]`. Needs python3 with venv and pip.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
. ./venv.sh
exec "$PYTHON" -m pytest -q -p no:cacheprovider "${@:-.}"
