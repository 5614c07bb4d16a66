#!/usr/bin/env bash
# Serves the tests' AWS: `serve.sh [--port N]`. Prints the port on one line as soon as it answers, and stays.
set -euo pipefail

# shellcheck source=tests/cloud/venv.sh
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
exec "$PYTHON" -m cloud "$@"
