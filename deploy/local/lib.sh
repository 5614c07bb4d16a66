# shellcheck shell=bash
# Sourced by demo.sh and incident.sh: a course platform's database, two accounts in the tests' AWS, commands that are
# shown and then run, and the end, whatever it is.
# shellcheck disable=SC2034 # what is set here is read there

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly REPO
readonly LOCAL=$REPO/deploy/local
readonly SERVERS=$LOCAL/servers.sh
readonly SQL=$LOCAL/demo
readonly HOME_OF_DEMO=$REPO/target/demo
readonly WORK=$HOME_OF_DEMO/work
readonly CREDENTIALS=$WORK/credentials
readonly ROWS=1943200
PROGRAM=$(basename "$0" .sh)
readonly PROGRAM

KEEP=
STEP=0
REFUSED=0

# ---------------------------------------------------------------- small things

BOLD='' DIM='' PLAIN='' QUIET=' --quiet'
if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'; fi
# Progress is one line on a terminal, and JSON lines elsewhere.
if [ -t 2 ]; then QUIET=''; fi

fail() {
    printf '\n%s: FAILED: %s\n' "$PROGRAM" "$*" >&2
    exit 1
}

headline() {
    STEP=$((STEP + 1))
    printf '\n%s%d. %s%s\n\n' "$BOLD" "$STEP" "$*" "$PLAIN"
}

say() { printf '   %s\n' "$*"; }

thousands() { printf '%s' "$1" | sed ':a; s/\B[0-9]\{3\}\($\|,\)/,&/; ta; s/,,/,/g; s/,$//'; }

now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

# since MICROSECONDS: seconds with one decimal
since() {
    local tenths=$((($(now) - $1 + 50000) / 100000))
    printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

free_port() {
    local port=$1
    while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    printf '%s' "$port"
}

# What we keep open, a server must not inherit.
servers() { "$SERVERS" "$@" 3>&- 4>&- 8>&-; }

lifeboat() { "$LIFEBOAT_BIN" "$@"; }

# ---------------------------------------------------------------- commands that are shown

# as NAME COMMAND...: with the credentials of that profile.
as() { (export AWS_PROFILE=$1 && "${@:2}"); }

show_command() { printf '%s%s$%s %s\n' "$DIM" "$1" "$PLAIN" "$2"; }

# run NAME COMMAND [EXIT CODE]: shows a line of shell, then executes that very line as NAME.
run() {
    local command=$2 wanted=${3:-0} status=0
    [[ $command != lifeboat* ]] || command+=$QUIET
    show_command "$1" "$command"
    as "$1" eval "$command" || status=$?
    [ "$status" = "$wanted" ] || fail "exit code $status, not $wanted, of: $command"
    echo
}

# must_refuse NAME WHAT COMMAND: refused is what the service itself answers so. A mistyped command or a service that is
# down fails as well, and must not count.
must_refuse() {
    local code
    show_command "$1" "$3"
    ! as "$1" eval "$3" >answer.log 2>&1 || fail "$1 could $2"
    code=$(sed -n 's/^An error occurred (\([A-Za-z]*\)) when calling the .* operation.*/\1/p' answer.log)
    case $code in
        AccessDenied | AccessDeniedException) ;;
        *) fail "this failed, but was not refused: $3: $(tail -n 1 answer.log)" ;;
    esac
    REFUSED=$((REFUSED + 1))
    printf '   refused, %s: %s\n' "$code" "$2"
}

# field JSON-PATH: from a document on stdin, such as .result.points.-1.id
field() {
    /usr/bin/python3 -c '
import json, sys
found = json.load(sys.stdin)
for name in sys.argv[1].strip(".").split("."):
    found = found[int(name) if isinstance(found, list) else name]
print(found)' "$1"
}

sql() { "$PSQL" -XqAt -v ON_ERROR_STOP=1 -d "$SERVER/${1}" "${@:2}"; }

# ---------------------------------------------------------------- before and after

options() {
    case ${1:-} in
        '') ;;
        --keep) KEEP=1 ;;
        *)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" >&2
            exit 2
            ;;
    esac
}

clean_up() {
    servers clean pg15 aws >"$HOME_OF_DEMO/clean.log" 2>&1 || cat "$HOME_OF_DEMO/clean.log" >&2
    rm -rf "$WORK" "$HOME_OF_DEMO/clean.log"
}

finish() {
    local status=$?
    trap '' INT TERM
    # Whatever was redirected where it ended.
    exec >&3 2>&4
    [ "$status" = 0 ] || printf '%s: exit code %s\n' "$PROGRAM" "$status" >&2
    if [ -n "$KEEP" ] && [ -d "$WORK" ]; then
        look_around
    else
        clean_up
        [ "$status" != 0 ] || say 'Servers stopped, data and keys removed. Downloaded tools stay in target.'
    fi
    exit "$status"
}

look_around() {
    cat <<TEXT

Everything is still running. To look around:

  cd $WORK
  export PATH=$(dirname "$LIFEBOAT_BIN"):${TOOLS:-}:\$PATH
  export AWS_ENDPOINT_URL=${ENDPOINT:-} AWS_REGION=${REGION:-} AWS_DEFAULT_REGION=${REGION:-}
  export AWS_SHARED_CREDENTIALS_FILE=$CREDENTIALS
  export AWS_PROFILE=restore      # or: $(sed -n 's/^\[\(.*\)\]$/\1/p' "$CREDENTIALS" 2>/dev/null | paste -sd ' ')
  lifeboat list --repository ${REPOSITORY:-} --trust ${TRUST:-}
  psql ${SERVER:-}/courses

To end it:

  LIFEBOAT_SERVERS=$HOME_OF_DEMO $SERVERS clean && rm -rf $HOME_OF_DEMO
TEXT
}

# Settings of the user's must not lead anywhere but to our own servers.
forget_the_users_settings() {
    local name
    for name in "${!AWS_@}" "${!PG@}" LIFEBOAT_CONFIG; do unset "$name"; done
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=$CREDENTIALS AWS_EC2_METADATA_DISABLED=true
    export AWS_PAGER='' PYTHONDONTWRITEBYTECODE=1
}

only_one() {
    mkdir -p "$HOME_OF_DEMO"
    exec 8>"$HOME_OF_DEMO/running"
    flock -n 8 || fail 'the demo or the incident is running from this folder already'
}

build() {
    if [ -n "${LIFEBOAT_BIN:-}" ]; then
        LIFEBOAT_BIN=$(realpath "$LIFEBOAT_BIN")
        [ -x "$LIFEBOAT_BIN" ] || fail "LIFEBOAT_BIN=$LIFEBOAT_BIN is no program"
        return
    fi
    command -v cargo >/dev/null || fail 'cargo is missing: install Rust first, or set LIFEBOAT_BIN'
    say 'cargo build --release --locked (some minutes, the first time)'
    (cd "$REPO" && cargo build --quiet --release --locked)
    LIFEBOAT_BIN=$(cd "$REPO" && realpath "${CARGO_TARGET_DIR:-target}/release/lifeboat")
}

# From here on BEGAN counts: what is downloaded once is not part of what is shown.
start_servers() {
    local environment
    servers install pg15 aws
    servers clean pg15 aws
    rm -rf "$WORK"
    mkdir -p "$WORK/offline"
    BEGAN=$(now)
    LIFEBOAT_PG15_PORT=$(free_port 16415)
    LIFEBOAT_AWS_PORT=$(free_port 16460)
    export LIFEBOAT_PG15_PORT LIFEBOAT_AWS_PORT
    servers start pg15 aws
    environment=$(servers env pg15 aws)
    eval "$environment"
    SERVER=postgresql://postgres@127.0.0.1:$LIFEBOAT_PG15_PORT
    SOURCE=postgresql://lifeboat@127.0.0.1:$LIFEBOAT_PG15_PORT/courses
    PSQL=$LIFEBOAT_TEST_PG15_BIN/psql
    TOOLS=$LIFEBOAT_TEST_TOOLS
    ENDPOINT=$LIFEBOAT_TEST_AWS_ENDPOINT
    cd "$WORK" || exit
}

# begin ARGUMENTS...: up to running, empty servers; whatever happens from here on, `finish` ends it.
begin() {
    options "$@"
    exec 3>&1 4>&2
    only_one
    export LIFEBOAT_SERVERS=$HOME_OF_DEMO
    build
    trap finish EXIT
    forget_the_users_settings
    start_servers
    PATH=$TOOLS:$PATH
}

# ---------------------------------------------------------------- the world

# Beside what else takes time: `end_accounts` waits for it.
begin_accounts() {
    local python
    # shellcheck source=tests/cloud/venv.sh
    python=$(. "$REPO/tests/cloud/venv.sh" && printf '%s' "$PYTHON")
    "$python" "$LOCAL/accounts.py" "$ENDPOINT" "$CREDENTIALS" >world.sh 2>accounts.log 3>&- 4>&- 8>&- &
    ACCOUNTS_PID=$!
}

end_accounts() {
    wait "$ACCOUNTS_PID" || fail "the two accounts could not be made: $(tail -n 3 accounts.log)"
    # shellcheck source=/dev/null
    . ./world.sh
    export AWS_ENDPOINT_URL=$ENDPOINT AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION
    REPOSITORY=s3://$BUCKET/prod
}

load_database() {
    show_command postgres 'psql -f deploy/local/demo/{roles,schema,data,keys}.sql'
    sql postgres -f "$SQL/roles.sql"
    sql courses -f "$SQL/schema.sql" -f "$SQL/data.sql" -f "$SQL/keys.sql" >/dev/null
    [ "$(count courses_answer)" = "$ROWS" ] || fail "courses_answer has $(count courses_answer) rows, not $ROWS"
    sql courses -f "$SQL/fingerprint.sql" >before.txt
    say "courses_answer: $(thousands "$ROWS") rows, the database: $(sql courses -c \
        "SELECT pg_size_pretty(pg_database_size('courses'))"), $(wc -l <before.txt) sums noted for later"
}

count() { sql courses -c "SELECT count(*) FROM $1"; }

# What came back must be what was there when the sums were noted.
compare_database() {
    sql courses -f "$SQL/fingerprint.sql" >after.txt
    diff before.txt after.txt || fail 'what came back differs from what was exported: see above'
}

# Key, version id, size and digest of everything in the bucket, asked as who may look.
versions() {
    as prove aws s3api list-object-versions --bucket "$BUCKET" --prefix prod/ --output text \
        --query 'Versions[].[Key, VersionId, Size, ETag]' | LC_ALL=C sort
}

# What attacks aim at, as variables for the commands that are shown.
choose_targets() {
    versions >versions.before
    read -r MANIFEST VERSION _ < <(awk '/\/manifests\//' versions.before)
    read -r PART PART_VERSION _ < <(awk '/\.copy\.zst\.age\t/' versions.before)
    TOMORROW=$(date -u -d '1 day' +%Y-%m-%dT%H:%M:%SZ)
    if [ -z "${VERSION:-}" ] || [ -z "${PART_VERSION:-}" ]; then fail 'the bucket holds no restore point'; fi
    LOCK=$(lock_of_manifest)
    say "MANIFEST=$MANIFEST"
    say "VERSION=$VERSION, locked: ${LOCK/$'\t'/ until }"
    say "PART=$PART"
    say "PART_VERSION=$PART_VERSION, TOMORROW=$TOMORROW"
    echo
}

lock_of_manifest() {
    as prove aws s3api get-object-retention --bucket "$BUCKET" --key "$MANIFEST" --version-id "$VERSION" \
        --output text --query 'Retention.[Mode, RetainUntilDate]'
}

# All as it was before the attacks.
nothing_has_changed() {
    [ "$(lock_of_manifest)" = "$LOCK" ] || fail "the lock was $LOCK, and is $(lock_of_manifest)"
    versions | cmp -s versions.before - || fail 'the bucket no longer holds the versions that it held'
    say 'The bucket holds the same versions under the same locks as before.'
}

# The imitation must have known every call, condition and parameter: what it does not know proves nothing.
imitation_knew_all() {
    local unknown
    unknown=$(curl -sS "$ENDPOINT/__control/unknown")
    [ "$unknown" = '[]' ] || fail "the tests' AWS was asked what it does not know: $unknown"
}

destroy_the_server() {
    show_command postgres 'deploy/local/servers.sh clean pg15      # the data folder, too'
    servers clean pg15
}

new_server() {
    show_command postgres 'deploy/local/servers.sh start pg15      # a new, empty one'
    servers start pg15
    [ "$(sql postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'courses'")" = 0 ] ||
        fail 'the new server has the database already'
}
