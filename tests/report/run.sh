#!/usr/bin/env bash
# The pages of `lifeboat report`, as a browser shows them: tests/report.rs makes them, Chromium opens them. Installs
# Debian's Chromium where it is missing. Pictures are left beside the pages, in target/tmp/report.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly PAGES="${CARGO_TARGET_DIR:-target}/tmp/report"

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
command -v chromium >/dev/null && command -v python3 >/dev/null || {
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 chromium fonts-dejavu-core python3 >/dev/null
}

rm -rf "$PAGES"
# None of these needs a server.
cargo test --locked --quiet --test all -- report:: seen::a_healthy_fleet seen::the_worst --skip the_command
python3 tests/report/browser.py "$(command -v chromium)" "$PAGES"
echo "tests/report/run.sh: passed in ${SECONDS} s" >&2
