#!/usr/bin/env bash
# Everything `cargo test` needs, then `cargo test` with the arguments given, on a machine with Rust and git.
# Without arguments also what Rust does not test: pages in a browser, deploy/, the tests' AWS with the
# program in it, shards under Slurm, and the night that lifeboat is for.
#
# LIFEBOAT_KEEP_SERVERS=1 leaves the servers running afterwards.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly SERVERS=deploy/local/servers.sh

command -v cargo >/dev/null || {
    echo 'tests/run.sh: cargo is missing: install Rust first' >&2
    exit 1
}

in_memory=''
finish() {
    local status=$?
    [ "${LIFEBOAT_KEEP_SERVERS:-}" = 1 ] || "$SERVERS" stop || true
    [ -z "$in_memory" ] || rm -rf "$in_memory"
    echo "tests/run.sh: ${SECONDS} s, $([ "$status" = 0 ] && echo passed || echo "failed with $status")" >&2
    exit "$status"
}
trap finish EXIT

# They wait for servers much of the time. Each test of a moment has servers of its own: a restore by a superuser
# makes and grants all that the server of its source had.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) + 1))}
numbered=()
for number in $(seq 2 "$((RUST_TEST_THREADS > 9 ? 9 : RUST_TEST_THREADS))"); do
    numbered+=({pg15,pg16,pg17,pg18}-"$number")
done
# Tests make and remove databases by the hundred and files by the hundred thousand, which ext4 is slow at: in memory
# where there is room. All servers and folders together stay below 4 GB.
gigabytes_free() { [ "$(df --output=avail -B1G "$1" 2>/dev/null | tail -n 1)" -ge "$2" ]; }
memory_available() { [ "$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)" -ge "$1" ]; }
if gigabytes_free /dev/shm 6 && memory_available 12; then
    in_memory=$(mktemp -d /dev/shm/lb.XXXXXX)
    chmod 1777 "$in_memory"
    export TMPDIR=$in_memory LIFEBOAT_SERVERS_DATA=/dev/shm
fi
"$SERVERS" install
"$SERVERS" start
[ ${#numbered[@]} -eq 0 ] || "$SERVERS" start "${numbered[@]}"
# Not what an earlier run with more threads left.
environment=$("$SERVERS" env pg15 pg16 pg17 pg18 rgw moto "${numbered[@]}")
eval "$environment"

# Tests that need a server are ignored where none is; here all of them run, but for the one that others
# run in an environment of their own.
case " $* " in
*' -- '*) arguments=("$@") ;;
*) arguments=("$@" --) ;;
esac
cargo test --locked "${arguments[@]}" --include-ignored --skip drill_hostile::walled::probe
[ $# -eq 0 ] || exit 0

# The program that `cargo test` has just built.
LIFEBOAT_BIN=$(realpath "${CARGO_TARGET_DIR:-target}/debug/lifeboat")
export LIFEBOAT_BIN
bash tests/report/run.sh
bash tests/deploy/run.sh
bash tests/cloud/run.sh
bash tests/fleet/run.sh array lost_at_work part_of_array failing used_again
bash deploy/local/incident.sh
