#!/usr/bin/env bash
# Measures lifeboat and what one would use instead, in turn, on the same server and data; prints one table
# and appends a line of JSON, with every single sample, to target/bench/results.jsonl.
#
#   run.sh [--only NAME[,NAME...]]
#   run.sh --cores N[,N...]
#
#   export   to a directory, and `verify --data` of it; against pg_dump -Fd -j2 -Z1
#   s3       export to S3; against pg_dump -Fc -Z0 | zstd -3 -T2 | age | aws s3 cp -
#   restore  from a directory; against pg_restore -j2
#   memory   export with --jobs 4
#   reuse    exports that name stored parts again, after one change or another; against a full one
#   growth   export of a tenth of the rows and of all of them; only where it is asked for, by name or variable
#   tables   export of 10,000 small tables; against pg_dump -Fd -j2
#   parts    list, show and restore --dry-run where a table has 100,000 parts
#
# --cores: export and restore where PostgreSQL 18, with checksums, has N cores, against pg_dump and pg_restore -jN
# and pgcopydb's clone. On a machine of two cores, as root: control groups show N slower ones (slow.py).
#
# LIFEBOAT_BENCH_CLIENTS    with --cores: a folder with a pg_dump and pg_restore of 18 that compress by zstd
# LIFEBOAT_BENCH_CHECKSUMS  with --cores: off
# LIFEBOAT_BENCH_ONLY     as --only
# LIFEBOAT_BENCH_ROUNDS   samples of each, 3; the table shows medians
# LIFEBOAT_BENCH_SCALE    times the rows, 1; below 1 there are fewer small tables and parts as well
# LIFEBOAT_BENCH_GROWTH   a pair of scales such as 1:10, or `yes` for 0.2:2
# LIFEBOAT_BENCH_KEEP=1   leaves the server with its data running: the next run need not load
# LIFEBOAT_BIN            a built binary; else `cargo build --release --locked` makes one
#
# Needs Debian or Ubuntu, as root or with sudo. Its servers are its own, in target/bench, on the first free
# ports from 17415 on. Nothing else should be running: time that others took is told, but not taken off.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly REPO
readonly BENCH=$REPO/tests/bench
readonly SERVERS=$REPO/deploy/local/servers.sh
readonly HOME_OF_BENCH=$REPO/target/bench

ONLY=${LIFEBOAT_BENCH_ONLY:-}
# By the name that servers.sh has for it.
POSTGRES=pg15

say() { printf 'bench: %s\n' "$*" >&2; }

fail() {
    say "FAILED: $*"
    exit 1
}

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

cores() {
    [ -n "$1" ] || fail '--cores needs numbers, such as 2,8'
    ONLY=cores
    POSTGRES=pg18
    export LIFEBOAT_BENCH_CORES=$1 LIFEBOAT_BENCH_CHECKSUMS=${LIFEBOAT_BENCH_CHECKSUMS:-on}
}

options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --only=*) ONLY=${1#*=} ;;
            --only)
                ONLY=${2:-}
                [ -n "$ONLY" ] || fail '--only needs a name'
                shift
                ;;
            --cores=*) cores "${1#*=}" ;;
            --cores)
                cores "${2:-}"
                shift
                ;;
            -h | --help)
                usage
                exit 0
                ;;
            *)
                usage >&2
                exit 2
                ;;
        esac
        shift
    done
    [ "$ONLY" != cores ] || [ "$POSTGRES" != pg15 ] || cores 2,8
}

free_port() {
    local port=$1
    while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    printf '%s' "$port"
}

# What we keep open, a server must not inherit.
servers() { "$SERVERS" "$@" 8>&-; }

# Settings of the user's must not lead anywhere but to the bench's own servers.
forget_the_users_settings() {
    local name
    for name in "${!AWS_@}" "${!PG@}" LIFEBOAT_CONFIG; do unset "$name"; done
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
    export AWS_DEFAULT_REGION=us-east-1 AWS_PAGER='' LC_ALL=C.UTF-8
    # The local store is older than the checksums that newer CLIs add.
    export AWS_REQUEST_CHECKSUM_CALCULATION=when_required AWS_RESPONSE_CHECKSUM_VALIDATION=when_required
}

only_one_bench() {
    mkdir -p "$HOME_OF_BENCH"
    exec 8>"$HOME_OF_BENCH/running"
    flock -n 8 || fail 'another bench is running from this folder'
}

# A copy, as someone may build again while we measure.
build() {
    local built=${LIFEBOAT_BIN:-}
    if [ -z "$built" ]; then
        command -v cargo >/dev/null || fail 'cargo is missing: install Rust first, or set LIFEBOAT_BIN'
        say 'cargo build --release --locked'
        (cd "$REPO" && cargo build --quiet --release --locked) 8>&-
        built=$(cd "$REPO" && realpath "${CARGO_TARGET_DIR:-target}/release/lifeboat")
        export LIFEBOAT_BENCH_BUILT=1
    fi
    [ -x "$built" ] || fail "$built is no program"
    cp "$built" "$HOME_OF_BENCH/lifeboat.new"
    mv "$HOME_OF_BENCH/lifeboat.new" "$HOME_OF_BENCH/lifeboat"
}

# GNU time: Python, as a large process, cannot tell the peak memory of a small child from its own.
install_tools() {
    local missing=()
    [ -x /usr/bin/time ] || missing+=(time)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v python3 >/dev/null || missing+=(python3)
    if [ "$ONLY" = cores ] && ! command -v pgcopydb >/dev/null && apt-cache show pgcopydb >/dev/null 2>&1; then
        missing+=(pgcopydb)
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    say "apt-get install ${missing[*]}"
    (as_root apt-get update -qq && as_root apt-get install -y -qq "${missing[@]}") >"$HOME_OF_BENCH/apt.log" 2>&1 ||
        fail "apt-get install failed: see $HOME_OF_BENCH/apt.log"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# S3 is started by bench.py, and only while it is measured.
start_postgres() {
    local environment variable=${POSTGRES^^} port names=("$POSTGRES")
    if [[ ,${ONLY:-s3}, == *,s3,* ]]; then names+=(rgw); fi
    servers install "${names[@]}"
    LIFEBOAT_RGW_PORT=$(free_port 17480)
    LIFEBOAT_MON_PORT=$(free_port 17430)
    export LIFEBOAT_RGW_PORT LIFEBOAT_MON_PORT
    environment=$(servers env "$POSTGRES")
    if [[ $environment == *LIFEBOAT_TEST_${variable}_PORT* ]]; then
        servers start "$POSTGRES"
    else
        port=$(free_port 17415)
        env "LIFEBOAT_${variable}_PORT=$port" "$SERVERS" start "$POSTGRES" 8>&-
    fi
    environment=$(servers env "$POSTGRES")
    eval "$environment"
    variable=LIFEBOAT_TEST_${variable}_BIN
    PATH=${!variable}:$PATH
    export LIFEBOAT_BENCH_SERVER=$POSTGRES
}

finish() {
    local status=$?
    trap '' INT TERM
    rm -rf "$HOME_OF_BENCH/work"
    servers clean rgw >/dev/null 2>&1 || true
    if [ -n "${LIFEBOAT_BENCH_KEEP:-}" ]; then
        say "the server and its data are kept; to end that:"
        say "LIFEBOAT_SERVERS=$LIFEBOAT_SERVERS deploy/local/servers.sh clean $POSTGRES"
    else
        servers clean "$POSTGRES" || true
    fi
    exit "$status"
}

main() {
    options "$@"
    only_one_bench
    export LIFEBOAT_SERVERS=$HOME_OF_BENCH/servers
    forget_the_users_settings
    install_tools
    build
    trap finish EXIT
    start_postgres
    (cd "$HOME_OF_BENCH" && python3 -B "$BENCH/bench.py" "$ONLY") 8>&-
}

main "$@"
