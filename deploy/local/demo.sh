#!/usr/bin/env bash
# lifeboat's whole job on this machine: a course platform's database is exported into a bucket with
# Object Lock, its backup is attacked, the database server is destroyed, and the data comes back.
#
#   demo.sh [--keep]
#
#   --keep  leaves servers and files for a look around; the next run begins anew
#
# Needs Debian or Ubuntu, and Rust. LIFEBOAT_BIN names a built binary; else one is built.
# Ports: the first free ones from 16415 (PostgreSQL), 16430 and 16480 (S3) on.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly REPO
readonly SERVERS=$REPO/deploy/local/servers.sh
readonly SQL=$REPO/deploy/local/demo
readonly HOME_OF_DEMO=$REPO/target/demo
readonly WORK=$HOME_OF_DEMO/work
readonly ROWS=1943200

KEEP=
STEP=0
REFUSED=0

# ---------------------------------------------------------------- small things

BOLD='' DIM='' PLAIN='' QUIET=' --quiet'
if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'; fi
# Progress is one line on a terminal, and JSON lines elsewhere.
if [ -t 2 ]; then QUIET=''; fi

fail() {
    printf '\ndemo: FAILED: %s\n' "$*" >&2
    exit 1
}

headline() {
    STEP=$((STEP + 1))
    printf '\n%s%d. %s%s\n\n' "$BOLD" "$STEP" "$*" "$PLAIN"
}

say() { printf '   %s\n' "$*"; }

thousands() { printf '%s' "$1" | sed ':a; s/\B[0-9]\{3\}\($\|,\)/,&/; ta; s/,,/,/g; s/,$//'; }

# since MICROSECONDS: seconds with one decimal
since() {
    local tenths=$((((${EPOCHREALTIME/[.,]/} - $1) + 50000) / 100000))
    printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

free_port() {
    local port=$1
    while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    printf '%s' "$port"
}

# What we keep open, a server must not inherit.
servers() { "$SERVERS" "$@" 3>&- 4>&- 8>&-; }

lifeboat() { "$LIFEBOAT_BIN" "$@"; }

# become NAME: what follows in this shell has the credentials of NAME and no others.
become() {
    case $1 in
        administrator) export AWS_ACCESS_KEY_ID=$ADMIN_KEY AWS_SECRET_ACCESS_KEY=$ADMIN_SECRET ;;
        exporter | thief) export AWS_ACCESS_KEY_ID=$EXPORTER_KEY AWS_SECRET_ACCESS_KEY=$EXPORTER_SECRET ;;
        *) unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY ;;
    esac
}

show_command() { printf '%s%s$%s %s\n' "$DIM" "$1" "$PLAIN" "$2"; }

# run NAME COMMAND: shows a line of shell, then executes that very line.
run() {
    local command=$2
    [[ $command != lifeboat* ]] || command+=$QUIET
    show_command "$1" "$command"
    (become "$1" && eval "$command") || fail "exit code $? of: $command"
    echo
}

# must_refuse NAME WHAT COMMAND: refused is what the service answered so, with 403 or 409. A mistyped command
# or a service that is down fails as well, and must not count.
# shellcheck disable=SC2317 # eval reaches that aws
must_refuse() {
    local status=0 answer
    show_command "$1" "$3"
    (become "$1" && aws() { command aws --debug "$@"; } && eval "$3") >trace.log 2>&1 || status=$?
    answer=$(sed -n 's|.* HTTP/1\.1" \([0-9]\{3\}\) .*|\1|p' trace.log | tail -n 1)
    [ "$status" != 0 ] || fail "the $1 could $2"
    case $answer in
        403 | 409) ;;
        *) fail "no refusal, but exit code $status and HTTP ${answer:-nothing}: $3: $(tail -n 1 trace.log)" ;;
    esac
    REFUSED=$((REFUSED + 1))
    printf '   refused with HTTP %s: %s\n' "$answer" "$2"
}

sql() { "$PSQL" -XqAt -v ON_ERROR_STOP=1 -d "$SERVER/${1}" "${@:2}"; }

# All object versions, asked of the store by its owner.
versions() {
    (become administrator && aws s3api list-object-versions --bucket "$BUCKET" --prefix "$PREFIX/" --output text \
        --query 'Versions[].[Key, VersionId, Size, ETag]') | LC_ALL=C sort
}

lock_of_manifest() {
    (become administrator && aws s3api get-object-retention --bucket "$BUCKET" --key "$MANIFEST" \
        --version-id "$VERSION" --output text --query 'Retention.[Mode, RetainUntilDate]')
}

# ---------------------------------------------------------------- before and after

options() {
    case ${1:-} in
        '') ;;
        --keep) KEEP=1 ;;
        *)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
            exit 2
            ;;
    esac
}

clean_up() {
    servers clean pg15 rgw >"$HOME_OF_DEMO/clean.log" 2>&1 || cat "$HOME_OF_DEMO/clean.log" >&2
    rm -rf "$WORK" "$HOME_OF_DEMO/clean.log"
}

finish() {
    local status=$?
    trap '' INT TERM
    # Whatever was redirected where it ended.
    exec >&3 2>&4
    [ "$status" = 0 ] || printf 'demo: exit code %s\n' "$status" >&2
    if [ -n "$KEEP" ] && [ -d "$WORK" ]; then
        look_around
    else
        clean_up
        [ "$status" != 0 ] || say 'Servers stopped, data and keys removed. Downloaded tools stay in target/demo.'
    fi
    exit "$status"
}

look_around() {
    cat <<TEXT

Everything is still running. To look around:

  cd $WORK
  export PATH=$(dirname "$LIFEBOAT_BIN"):$TOOLS:\$PATH
  export AWS_ENDPOINT_URL=$ENDPOINT AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=$ADMIN_KEY AWS_SECRET_ACCESS_KEY=$ADMIN_SECRET
  lifeboat list
  lifeboat show latest --identity offline/break-glass.key
  psql $SERVER/courses

To end it:

  LIFEBOAT_SERVERS=$HOME_OF_DEMO $SERVERS clean && rm -rf $HOME_OF_DEMO
TEXT
}

# Settings of the user's must not lead anywhere but to the demo's own servers.
forget_the_users_settings() {
    local name
    for name in "${!AWS_@}" "${!PG@}" LIFEBOAT_CONFIG; do unset "$name"; done
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
    export AWS_DEFAULT_REGION=us-east-1 AWS_PAGER=''
    # The local store is older than the checksums that newer CLIs add.
    export AWS_REQUEST_CHECKSUM_CALCULATION=when_required AWS_RESPONSE_CHECKSUM_VALIDATION=when_required
}

only_one_demo() {
    mkdir -p "$HOME_OF_DEMO"
    exec 8>"$HOME_OF_DEMO/running"
    flock -n 8 || fail 'another demo is running from this folder'
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

start_servers() {
    local environment
    servers install pg15 rgw
    servers clean pg15 rgw
    rm -rf "$WORK"
    LIFEBOAT_PG15_PORT=$(free_port 16415)
    LIFEBOAT_MON_PORT=$(free_port 16430)
    LIFEBOAT_RGW_PORT=$(free_port 16480)
    export LIFEBOAT_PG15_PORT LIFEBOAT_MON_PORT LIFEBOAT_RGW_PORT
    mkdir -p "$WORK/offline"
    servers start pg15 rgw
    environment=$(servers env pg15 rgw)
    eval "$environment"
    SERVER=postgresql://postgres@127.0.0.1:$LIFEBOAT_PG15_PORT
    PSQL=$LIFEBOAT_TEST_PG15_BIN/psql
    TOOLS=$LIFEBOAT_TEST_TOOLS
    ENDPOINT=$LIFEBOAT_TEST_RGW_ENDPOINT
    BUCKET=lifeboat-demo
    PREFIX=courses
    REPOSITORY=s3://$BUCKET/$PREFIX
    ADMIN_KEY=$LIFEBOAT_TEST_RGW_ADMIN_KEY ADMIN_SECRET=$LIFEBOAT_TEST_RGW_ADMIN_SECRET
    EXPORTER_KEY=$LIFEBOAT_TEST_RGW_EXPORTER_KEY EXPORTER_SECRET=$LIFEBOAT_TEST_RGW_EXPORTER_SECRET
    export AWS_ENDPOINT_URL=$ENDPOINT
    cd "$WORK"
    cp "$SQL/bucket-policy.json" .
}

# ---------------------------------------------------------------- the steps

load() {
    local began
    headline "A course platform's database"
    began=$(now)
    show_command postgres "psql -f deploy/local/demo/{roles,schema,data,keys}.sql"
    sql postgres -f "$SQL/roles.sql"
    sql courses -f "$SQL/schema.sql" -f "$SQL/data.sql" -f "$SQL/keys.sql" >/dev/null
    [ "$(count_answers)" = "$ROWS" ] || fail "courses_answer has $(count_answers) rows, not $ROWS"
    sql courses -f "$SQL/fingerprint.sql" >before.txt
    LOAD_SECONDS=$(since "$began")
    say "courses_answer: $(thousands "$ROWS") rows, the database: $(sql courses -c \
        "SELECT pg_size_pretty(pg_database_size('courses'))"), $(wc -l <before.txt) sums noted for later"
}

count_answers() { sql courses -c 'SELECT count(*) FROM courses_answer'; }

# shellcheck disable=SC2016 # `run` shows the line as it stands, and evaluates it
initialise() {
    headline 'The administrator makes a bucket with Object Lock, and a repository in it'
    run administrator "aws s3api create-bucket --bucket $BUCKET --object-lock-enabled-for-bucket"
    run administrator "aws s3api put-bucket-policy --bucket $BUCKET --policy file://bucket-policy.json"
    SOURCE=postgresql://lifeboat@127.0.0.1:$LIFEBOAT_PG15_PORT/courses
    run administrator "lifeboat init --repository $REPOSITORY --endpoint $ENDPOINT --region us-east-1 \\
    --source-url $SOURCE --config lifeboat.toml"
    say 'A second identity, so that no single loss is final:'
    run administrator 'lifeboat keys add --file offline/second.key'
    say 'The identity that opens the backups does not stay on the machine that makes them:'
    run administrator 'mv break-glass.key break-glass-sheet.md offline/'
    TRUST=$(sed -n 's/^trust = \["\([0-9a-f]*\)"\]$/\1/p' lifeboat.toml)
    [ -n "$TRUST" ] || fail 'lifeboat.toml pins no verification key'
}

export_it() {
    local began
    headline 'The exporter exports: every table at one moment, sealed, checksummed, locked'
    began=$(now)
    run exporter 'lifeboat export --database courses'
    EXPORT_SECONDS=$(since "$began")
    run exporter 'lifeboat list'
    began=$(now)
    run administrator 'lifeboat verify latest'
    VERIFY_SECONDS=$(since "$began")
    ID=$(become exporter && lifeboat list --json | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p')
    [ -n "$ID" ] || fail 'lifeboat list shows no restore point'
}

# shellcheck disable=SC2016 # `must_refuse` shows the line as it stands, and evaluates it
attack() {
    local lock
    headline 'A thief of the exporter'"'"'s credentials tries to destroy it'
    versions >versions.before
    MANIFEST=$(awk '/\/manifests\// { print $1; exit }' versions.before)
    VERSION=$(awk '/\/manifests\// { print $2; exit }' versions.before)
    PART=$(awk '/\.copy\.zst\.age\t/ { print $1; exit }' versions.before)
    PART_VERSION=$(awk '/\.copy\.zst\.age\t/ { print $2; exit }' versions.before)
    TOMORROW=$(date -u -d '1 day' +%Y-%m-%dT%H:%M:%SZ)
    [ -n "$VERSION$PART_VERSION" ] || fail 'the bucket holds no restore point'
    lock=$(lock_of_manifest)
    say "BUCKET=$BUCKET"
    say "MANIFEST=$MANIFEST VERSION=$VERSION"
    say "PART=$PART PART_VERSION=$PART_VERSION"
    say "TOMORROW=$TOMORROW; the manifest is locked: ${lock/$'\t'/ until }"
    echo
    destroy thief
    must_refuse thief 'hide the manifest behind a delete marker' \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST'
    must_refuse thief 'let a lifecycle rule expire everything' \
        'aws s3api put-bucket-lifecycle-configuration --bucket $BUCKET --lifecycle-configuration \
    '"'"'{"Rules": [{"ID": "x", "Status": "Enabled", "Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]}'"'"
    must_refuse thief 'replace the bucket policy' \
        'aws s3api delete-bucket-policy --bucket $BUCKET'
    must_refuse thief 'change the lock of new objects' \
        'aws s3api put-object-lock-configuration --bucket $BUCKET --object-lock-configuration ObjectLockEnabled=Enabled'

    headline 'An administrator of the bucket tries, too: the lock is in compliance mode'
    destroy administrator
    [ "$(lock_of_manifest)" = "$lock" ] || fail "the lock was $lock, and is $(lock_of_manifest)"
    versions | cmp -s versions.before - || fail 'the bucket no longer holds the versions that it held'

    headline 'What an administrator can do is hide everything behind delete markers'
    run administrator 'aws s3 rm --recursive --quiet s3://$BUCKET'
    [ -z "$(become administrator && aws s3 ls --recursive "s3://$BUCKET" || true)" ] || fail 'some keys are not hidden'
    say 'aws s3 ls shows an empty bucket. lifeboat reads versions:'
    run administrator 'lifeboat list'
    run administrator 'lifeboat verify latest --data --identity offline/break-glass.key'
    versions | cmp -s versions.before - || fail 'the bucket no longer holds the versions that it held'
}

# destroy NAME: the calls that must fail whoever makes them.
# shellcheck disable=SC2016
destroy() {
    say 'The credentials are good; what they may do is look:'
    run "$1" 'aws s3api list-object-versions --bucket $BUCKET --output text --query "length(Versions)"'
    must_refuse "$1" "delete the manifest's version" \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST --version-id $VERSION'
    must_refuse "$1" 'delete it with the right to bypass governance locks' \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST --version-id $VERSION --bypass-governance-retention'
    must_refuse "$1" 'delete the version of a part' \
        'aws s3api delete-object --bucket $BUCKET --key $PART --version-id $PART_VERSION'
    must_refuse "$1" 'shorten the lock' \
        'aws s3api put-object-retention --bucket $BUCKET --key $MANIFEST --version-id $VERSION \
    --retention Mode=COMPLIANCE,RetainUntilDate=$TOMORROW'
    must_refuse "$1" 'weaken the lock to governance mode' \
        'aws s3api put-object-retention --bucket $BUCKET --key $MANIFEST --version-id $VERSION \
    --retention Mode=GOVERNANCE,RetainUntilDate=$TOMORROW --bypass-governance-retention'
    must_refuse "$1" 'suspend versioning' \
        'aws s3api put-bucket-versioning --bucket $BUCKET --versioning-configuration Status=Suspended'
    must_refuse "$1" 'delete the bucket' \
        'aws s3api delete-bucket --bucket $BUCKET'
}

lose_the_server() {
    headline 'The worst day: the database server is gone, with all its roles and databases'
    show_command postgres 'deploy/local/servers.sh clean pg15; deploy/local/servers.sh start pg15'
    servers clean pg15
    servers start pg15
    say "What an empty server has instead: $(sql postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'courses'") \
databases of that name."
}

restore() {
    local began
    headline 'Back: no configuration, only the break-glass sheet and the identity'
    cd offline
    began=$(now)
    run administrator "lifeboat restore latest --create --verify --target $SERVER/courses \\
    --repository $REPOSITORY --endpoint $ENDPOINT --region us-east-1 \\
    --trust $TRUST \\
    --identity break-glass.key"
    RESTORE_SECONDS=$(since "$began")
    cd ..
    sql courses -f "$SQL/fingerprint.sql" >after.txt
    diff before.txt after.txt || fail 'what came back differs from what was exported: see above'
    RESTORED=$(count_answers)
    [ "$RESTORED" = "$ROWS" ] || fail "courses_answer has $RESTORED rows, not $ROWS"
    show_command postgres 'psql -c "SELECT count(*) FROM courses_answer"'
    say "$(thousands "$RESTORED")"
}

summary() {
    headline 'Summary'
    say "courses_answer     $(thousands "$ROWS") rows before, $(thousands "$RESTORED") after, content equal by an independent sum"
    say "everything else    $(wc -l <before.txt) sums over tables, sequences, large objects, owners, indexes, constraints: equal"
    say "destruction        $REFUSED attempts, $REFUSED refused"
    say "restore point      $ID"
    say "seconds            load $LOAD_SECONDS, export $EXPORT_SECONDS, verify $VERIFY_SECONDS, restore $RESTORE_SECONDS, in all $(since "$BEGAN") after the build"
    echo
}

main() {
    options "$@"
    exec 3>&1 4>&2
    only_one_demo
    export LIFEBOAT_SERVERS=$HOME_OF_DEMO
    build
    BEGAN=$(now)
    trap finish EXIT
    forget_the_users_settings
    start_servers
    PATH=$TOOLS:$PATH
    load
    initialise
    export_it
    attack
    lose_the_server
    restore
    summary
}

main "$@"
