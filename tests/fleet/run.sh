#!/usr/bin/env bash
# Shards under Slurm: arrays of `lifeboat nightly`, nodes that are lost, and what the collector says of it. Installs
# slurm-wlm's daemons, munge and PostgreSQL from Debian where they are missing, and starts a cluster of its own:
# slurmctld, three slurmd, two servers with 12 databases each. Stops all of it.
#
#   tests/fleet/run.sh [CASE...]
#
# Without names all cases but `calls`, `many` and `model`, for which there are 300 databases. `calls` comes before
# `many`, and `model` is a run of its own: each counts on what databases there are.
#
# LIFEBOAT_BIN          the program; else `cargo build` makes one
# LIFEBOAT_FLEET_CASES  how often all shards start at one moment: 2 unless told; from 20 on nodes are lost at more
#                       moments, too
# LIFEBOAT_FLEET300_CASES  databases of `calls`, `many` and `model`, if not 300
# LIFEBOAT_FLEET        state folder, else target/fleet; keeps logs, and seconds of each case in figures.txt
set -euo pipefail
shopt -s inherit_errexit

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly CASES=(array lost_at_work cut_off lost_anywhere preempted cancelled together two_copies other_numbers
    changed_within failing part_of_array used_again)
readonly ON_REQUEST=(calls many model)
readonly ROUNDS=${LIFEBOAT_FLEET_CASES:-2}
HOME_OF_FLEET=$(realpath --canonicalize-missing "${LIFEBOAT_FLEET:-target/fleet}")
readonly HOME_OF_FLEET
readonly STATE=$HOME_OF_FLEET/state FIGURES=$HOME_OF_FLEET/figures.txt
SBATCH=$PWD/deploy/slurm/fleet.sbatch
FLEET_USER=$(id -un)
[ "$(id -u)" != 0 ] || FLEET_USER=postgres
readonly SBATCH FLEET_USER
if [ "$ROUNDS" -lt 20 ]; then LOST_AFTER=8; else LOST_AFTER='1 4 8 12 16 20'; fi
readonly LOST_AFTER

# shellcheck source=tests/fleet/world.sh
. tests/fleet/world.sh
# shellcheck source=tests/fleet/slurm.sh
. tests/fleet/slurm.sh
# shellcheck source=tests/fleet/cases.sh
. tests/fleet/cases.sh
# shellcheck source=tests/fleet/many.sh
. tests/fleet/many.sh
# shellcheck source=tests/fleet/calls.sh
. tests/fleet/calls.sh
# shellcheck source=tests/fleet/model.sh
. tests/fleet/model.sh

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    echo "cases: ${CASES[*]} ${ON_REQUEST[*]}" >&2
    exit 2
}

now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

# since MICROSECONDS: seconds with one decimal
since() {
    local tenths=$((($(now) - $1) / 100000))
    printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# new_folder NAME: where the tasks of what comes now leave documents and logs.
new_folder() {
    SAID=$STATE/said/$1
    as_user mkdir -p "$SAID"
}

# What tasks and collectors call as `lifeboat`: keeps what each start says.
write_program() {
    as_user mkdir -p "$STATE/bin"
    as_user tee "$STATE/bin/lifeboat" >/dev/null <<SH
#!/bin/sh
said="\${SLURM_ARRAY_TASK_ID:-job}-\${SLURM_RESTART_COUNT:-0}.json"
exec '$LIFEBOAT_BIN' "\$@" --json >"\$FLEET_SAID/\$said"
SH
    as_user chmod 755 "$STATE/bin/lifeboat"
}

finish() {
    local status=$?
    stop_slurm || true
    stop_counting || true
    "$SERVERS" stop "$FIRST" "$SECOND" || true
    [ "$status" = 0 ] || echo "tests/fleet/run.sh: logs and documents are in $STATE" >&2
    echo "tests/fleet/run.sh: ${SECONDS} s, $([ "$status" = 0 ] && echo passed || echo "failed with $status")" >&2
    exit "$status"
}

prepare() {
    local server
    rm -rf "$STATE"
    mkdir -p "$STATE"
    trap finish EXIT
    start_servers
    chown "$FLEET_USER" "$STATE"
    as_user test -w "$STATE" || fail "the user $FLEET_USER may not enter $STATE: set LIFEBOAT_FLEET to another folder"
    build_program
    install_slurm
    for server in "$FIRST" "$SECOND"; do make_databases "$server" 12; done
    names 12 >"$STATE/databases"
    make_repository
    write_program
    start_slurm
}

# run_case NAME: one line, and its seconds among the figures.
run_case() {
    local began
    CASE=$1
    began=$(now)
    new_folder "$CASE"
    "$CASE" >"$STATE/line"
    printf '%s %s s: %s\n' "$CASE" "$(since "$began")" "$(<"$STATE/line")" | tee -a "$FIGURES"
}

for name in "$@"; do
    [[ " ${CASES[*]} ${ON_REQUEST[*]} " == *" $name "* ]] || usage
done
prepare
printf '%s, %s rounds\n' "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" "$ROUNDS" >>"$FIGURES"
[ $# -gt 0 ] || set -- "${CASES[@]}"
for name in "$@"; do run_case "$name"; done
