#!/usr/bin/env bash
# The zoo goes round with PostgreSQL 19: from 15 to 19 and from 19 to 19, compared with stock tools. Not part of
# .ci/run, as Debian has 19 in experimental only: this makes a Debian of its own in a folder, 700 MB, and runs there.
#
#   tests/pg19.sh
#
# Needs root, debootstrap, network, and lifeboat in target/debug or where LIFEBOAT_BIN says. Ends with 2 and the
# reason where that cannot be, with 1 where something came back wrong.
#
# LIFEBOAT_PG19_ROOT   folder of that Debian: it stays, and the next run uses it again (else a temporary one)
# DEBOOTSTRAP          the program, where it is not in PATH
set -euo pipefail
umask 022

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly SERVERS=deploy/local/servers.sh BIN=/usr/lib/postgresql/19/bin PORT=${LIFEBOAT_PG19_PORT:-15419}
readonly URL=postgresql://postgres@127.0.0.1:$PORT APT=(apt-get -qq -o Acquire::Check-Valid-Until=false)
LIFEBOAT=$(realpath "${LIFEBOAT_BIN:-${CARGO_TARGET_DIR:-target}/debug/lifeboat}")
ROOT=${LIFEBOAT_PG19_ROOT:-}

say() { printf 'pg19: %s\n' "$*" >&2; }

cannot() {
    say "cannot: $*"
    exit 2
}

# The mounts are the command's own: nothing to unmount, and `rm` finds nothing in them.
inside() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount sh -c 'mount --bind /proc "$0/proc" && mount --bind . "$0/mnt" && exec chroot "$0" "$@"' \
        "$ROOT" env HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

as_postgres() { inside setpriv --reuid postgres --regid postgres --init-groups "$@"; }

need() {
    [ "$(id -u)" = 0 ] || cannot 'only root may make a Debian in a folder'
    [ -x "$LIFEBOAT" ] || cannot "no program at $LIFEBOAT: cargo build"
    unshare --mount true || cannot 'this container may not mount'
}

install() {
    local sources=$ROOT/etc/apt/sources.list
    [ ! -e "$ROOT/installed" ] || return 0
    command -v "${DEBOOTSTRAP:-debootstrap}" >/dev/null || cannot 'debootstrap is missing: apt-get install debootstrap'
    say "Debian sid into $ROOT"
    mkdir -p "$ROOT"
    chmod 755 "$ROOT"
    "${DEBOOTSTRAP:-debootstrap}" --variant=minbase sid "$ROOT" >"$ROOT.log" 2>&1 || cannot "debootstrap failed: $ROOT.log"
    sed 's/ sid / experimental /' "$sources" >"$sources.d/experimental.list"
    # No server starts by itself.
    printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
    chmod +x "$ROOT/usr/sbin/policy-rc.d"
    mkdir -p "$ROOT/etc/postgresql-common/createcluster.d"
    echo 'create_main_cluster = false' >"$ROOT/etc/postgresql-common/createcluster.d/none.conf"
    inside "${APT[@]}" update >>"$ROOT.log" 2>&1 || cannot "apt-get update failed: $ROOT.log"
    [[ $(inside apt-cache policy postgresql-19) =~ Candidate:\ [0-9] ]] || cannot 'apt offers no postgresql-19'
    say 'PostgreSQL 19 from experimental'
    inside "${APT[@]}" install -y --no-install-recommends postgresql-19 libpq5/experimental >>"$ROOT.log" 2>&1 ||
        cannot "apt-get install postgresql-19 failed: $ROOT.log"
    touch "$ROOT/installed"
}

start() {
    rm -rf "$ROOT/tmp/data"
    as_postgres "$BIN/initdb" -D /tmp/data -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
    as_postgres "$BIN/pg_ctl" start -s -w -D /tmp/data -l /tmp/log -o "-p $PORT -k /tmp -c wal_level=logical \
        -c max_prepared_transactions=5 -c fsync=off" >/dev/null || cannot "the server does not start: $ROOT/tmp/log"
    say "$(inside "$BIN/psql" -XAtd "$URL/postgres" -c 'SELECT version()')"
}

# shellcheck disable=SC2329 # called by the trap
finish() {
    local status=$?
    [ ! -e "$ROOT/tmp/data/postmaster.pid" ] || as_postgres "$BIN/pg_ctl" stop -s -m immediate -D /tmp/data || true
    [ -n "${LIFEBOAT_PG19_ROOT:-}" ] || rm -rf "$ROOT"
    [ -z "${STOP_SERVERS:-}" ] || "$SERVERS" stop pg15 || true
    exit "$status"
}

psql() { PGOPTIONS='-c client_min_messages=warning' inside "$BIN/psql" -Xq -v ON_ERROR_STOP=1 "$@"; }

# round SERVER DATABASE ROLES: its zoo into 19, under the same name with `_back`; the roles to compare
round() {
    local server=$1 database=$2 roles=$3
    say "from $database"
    psql -d "$server/postgres" -c "CREATE DATABASE $database TEMPLATE template0"
    psql -d "$server/$database" -f /mnt/tests/zoo/roles.sql -f /mnt/tests/zoo/base.sql
    # The same number has another text in 19: docs/limits.md.
    [ "$server" = "$URL" ] || psql -d "$server/$database" -c 'UPDATE zoo.ids SET lsn = NULL'
    rm -rf "$ROOT/tmp/backup"
    mkdir -m 700 "$ROOT/tmp/backup"
    # shellcheck disable=SC2016 # expanded by the inner shell
    inside sh -euc 'cd /tmp/backup
        lifeboat init --repository repository --config lifeboat.toml
        lifeboat keys add --file second.key
        lifeboat export --source "$1/$2"
        lifeboat verify latest
        lifeboat restore latest --create --verify --identity break-glass.key --target "$3/$2_back" --pg-bin "$4" ||
            [ $? = 3 ]' - "$server" "$database" "$URL" "$BIN" >&2
    inside env "ROLES=$roles" bash /mnt/tests/zoo/compare.sh "$server/$database" "$URL/${database}_back" "$BIN"
}

drop() {
    psql -d "$1/$2" -f /mnt/tests/zoo/unsubscribe.sql || true
    psql -d "$1/postgres" -c "DROP DATABASE IF EXISTS $2" || true
}

# As a job, because `set -e` is off within whatever stands left of `||`.
go_round() {
    round "$@" &
    wait $! || wrong=1
    drop "$1" "$2"
}

need
[ -n "$ROOT" ] || ROOT=$(mktemp -d /var/tmp/lifeboat-pg19.XXXXXX)
trap finish EXIT
install
cp "$LIFEBOAT" "$ROOT/usr/local/bin/lifeboat"
if [ -z "${LIFEBOAT_TEST_PG15:-}" ]; then
    STOP_SERVERS=1
    "$SERVERS" install pg15
    "$SERVERS" start pg15
    eval "$("$SERVERS" env pg15)"
fi
start
wrong=0
go_round "${LIFEBOAT_TEST_PG15%/*}" zoo_of_15 '^$'
go_round "$URL" zoo_of_19 '^zoo_'
say "$([ $wrong = 0 ] && echo 'all came back' || echo 'something came back wrong') after $SECONDS s"
exit $wrong
