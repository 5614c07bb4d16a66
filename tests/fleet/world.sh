# shellcheck shell=bash
# Sourced by run.sh: two servers with databases, a repository, and the program as the user of the cluster starts it.

readonly SERVERS=deploy/local/servers.sh
# Of our own: other tests empty theirs.
readonly FIRST=pg15-9 SECOND=pg16-9
readonly CONFIG=$STATE/lifeboat.toml REPOSITORY=$STATE/repository

# ---------------------------------------------------------------- small things

fail() {
    printf '%s: FAILED: %s\n' "${CASE:-tests/fleet/run.sh}" "$*" >&2
    exit 1
}

# within SECONDS WHAT COMMAND...: polls until COMMAND succeeds.
within() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not in time: $what"
        sleep 0.05
    done
}

# PostgreSQL and Slurm as we want it do not run as root.
as_user() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid "$FLEET_USER" --regid "$FLEET_USER" --init-groups "$@"
    else
        "$@"
    fi
}

# clean [NAME=value...] COMMAND...: as that user, with nothing of this machine's settings.
clean() {
    as_user env -i PATH="$PATH" HOME="$STATE" LC_ALL=C.UTF-8 LIFEBOAT_CONFIG="$CONFIG" \
        SLURM_CONF="$SLURM/slurm.conf" "$@"
}

lifeboat() { clean "$LIFEBOAT_BIN" "$@"; }

# exits CODE COMMAND...: the command's output goes where the caller sends it.
exits() {
    local wanted=$1 code=0
    shift
    "$@" || code=$?
    [ "$code" = "$wanted" ] || fail "exit code $code, not $wanted: $*"
}

build_program() {
    if [ -z "${LIFEBOAT_BIN:-}" ]; then
        cargo build --quiet --locked
        LIFEBOAT_BIN=${CARGO_TARGET_DIR:-target}/debug/lifeboat
    fi
    LIFEBOAT_BIN=$(realpath "$LIFEBOAT_BIN")
    as_user test -x "$LIFEBOAT_BIN" ||
        fail "the user $FLEET_USER may not run $LIFEBOAT_BIN: set LIFEBOAT_BIN to one in another folder"
}

# ---------------------------------------------------------------- servers and databases

# psql_on SERVER DATABASE ARGUMENTS...
psql_on() { "$(bin_of "$1")/psql" "$(url_of "$1" postgres)/$2" -qAtX -v ON_ERROR_STOP=1 "${@:3}"; }

# As servers.sh names a server's variables.
variable_of() {
    local name=${1^^}
    printf 'LIFEBOAT_TEST_%s' "${name//-/_}"
}

bin_of() {
    local bin
    bin=$(variable_of "$1")_BIN
    printf '%s' "${!bin}"
}

# url_of SERVER ROLE
url_of() {
    local port
    port=$(variable_of "$1")_PORT
    printf 'postgresql://%s@127.0.0.1:%s' "$2" "${!port}"
}

server_of() { if [ "${1%%/*}" = a ]; then echo "$FIRST"; else echo "$SECOND"; fi; }

# sql SOURCE/DATABASE STATEMENTS
sql() { psql_on "$(server_of "$1")" "${1#*/}" -c "$2"; }

start_servers() {
    local environment
    "$SERVERS" install pg15 pg16
    "$SERVERS" clean "$FIRST" "$SECOND"
    "$SERVERS" start "$FIRST" "$SECOND"
    environment=$("$SERVERS" env "$FIRST" "$SECOND")
    eval "$environment"
}

# make_databases SERVER NUMBER: d00, d01, …; copies of one, which are made faster. Its role is no superuser's.
make_databases() {
    local server=$1
    psql_on "$server" postgres -f - <<'SQL'
CREATE ROLE lifeboat LOGIN IN ROLE pg_read_all_data;
CREATE DATABASE d00;
SQL
    psql_on "$server" d00 -f - <<'SQL'
CREATE TABLE student (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO student SELECT number, 'student ' || number FROM generate_series(1, 500) AS number;
CREATE TABLE answer (student bigint NOT NULL REFERENCES student, question int, text text, at timestamptz,
    PRIMARY KEY (student, question));
INSERT INTO answer
    SELECT number % 500 + 1, number / 500, md5(number::text), timestamptz '2026-02-01 UTC' + number * interval '1 s'
    FROM generate_series(0, 4999) AS number;
SQL
    add_databases "$server" 1 "$2"
}

# add_databases SERVER FROM BELOW: but those that an earlier case added.
add_databases() {
    local number name
    for ((number = $2; number < $3; number++)); do
        printf -v name 'd%02d' "$number"
        printf "SELECT 'CREATE DATABASE %s TEMPLATE d00' WHERE NOT EXISTS\n" "$name"
        printf "    (SELECT FROM pg_database WHERE datname = '%s') \\\\gexec\n" "$name"
    done | psql_on "$1" postgres -f -
}

# names NUMBER: of all databases of both sources
names() {
    local source number
    for source in a b; do
        for ((number = 0; number < $1; number++)); do printf '%s/d%02d\n' "$source" "$number"; done
    done
}

# ---------------------------------------------------------------- the repository

make_repository() {
    clean "$LIFEBOAT_BIN" init --repository "$REPOSITORY" --config "$CONFIG" >"$STATE/init.log"
    as_user mkdir "$STATE/offline"
    as_user mv "$STATE/break-glass.key" "$STATE/offline/"
    # One recipient alone is a finding of every export.
    clean age-keygen -o "$STATE/second.key" 2>"$STATE/second.log"
    configure "$CONFIG"
}

# configure FILE: what `init` leaves to be said.
configure() {
    local source url
    {
        printf '\n[[recipient]]\nname = "second"\nkey = "%s"\n' "$(clean age-keygen -y "$STATE/second.key")"
        # What we hold in the middle of an export waits for us.
        printf '\n[export]\njobs = 2\nddl_wait = "10m"\n'
        printf 'pg_bin = ["%s", "%s"]\n' "$(bin_of "$FIRST")" "$(bin_of "$SECOND")"
        printf '\n[fleet]\nspread = true\n'
        for source in a b; do
            url=$(url_of "$(server_of "$source/")" lifeboat)
            printf '\n[[source]]\nname = "%s"\nurl = "%s/postgres"\nexclude_databases = ["postgres"]\n' "$source" "$url"
        done
    } | as_user tee -a "$1" >"$STATE/configured.log"
}

# ---------------------------------------------------------------- an export that is held

# hold SOURCE/DATABASE: as a migration would, until `release`.
hold() {
    local server
    server=$(server_of "$1")
    PGAPPNAME=fleet-hold psql_on "$server" "${1#*/}" -c 'BEGIN; LOCK TABLE answer; SELECT pg_sleep(600)' \
        >"$STATE/hold.log" 2>&1 &
    within 30 "a lock on a table of $1" has_sessions "$1" 1 "name = 'fleet-hold' AND wait_event = 'PgSleep'"
}

# has_sessions SOURCE/DATABASE NUMBER CONDITION: of so many names.
has_sessions() {
    local named='SELECT *, application_name AS name FROM pg_stat_activity' found
    found=$(sql "${1%/*}/postgres" "SELECT count(DISTINCT name) FROM ($named) AS one WHERE datname = '${1#*/}' AND $3")
    [ "$found" = "$2" ]
}

# wait_until_held SOURCE/DATABASE NUMBER: that many exports are at it. Each has a name of its own, and cannot end.
wait_until_held() { within 120 "$2 exports of $1" has_sessions "$1" "$2" "name LIKE 'lifeboat 2%'"; }

release() {
    sql "${1%/*}/postgres" "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'fleet-hold'" >"$STATE/release.log"
}
