#!/usr/bin/env bash
# Tries lifeboat on AWS itself, in two throwaway accounts: makes the stacks of deploy/aws with governance locks of one
# day and a small RDS instance, runs `lifeboat nightly` and `lifeboat prove` once, asks AWS what nobody knows yet,
# removes all of it, and writes a report that can be sent. It says the price first, and makes nothing without a yes.
#
#   try.sh --source-profile NAME --backup-profile NAME --region REGION [OPTIONS]
#   try.sh clean  [--state FOLDER]        removes what a killed run left
#   try.sh report [--state FOLDER]        the report once more
#
#   --dry-run                 prints every call, makes none
#   --state FOLDER            what was made, answers, keys, logs; with it, the next call goes on
#                             [default: ~/.local/state/lifeboat-try]
#   --postgres MAJOR          version of the instance; its client and server programs are needed here [default: 16]
#   --from CIDR               who may connect to the instances [default: this machine, as checkip.amazonaws.com sees it]
#   --instance NAME           an RDS instance of the source account to back up instead; with PGPASSWORD, and
#   --database NAME --user NAME
#   --weak-wall               the drill's wall where this machine allows no namespaces, as `lifeboat drill --weak-wall`
#   --with-image              also builds the image, with Docker
#
# Needs administrators of both accounts as profiles of the AWS CLI (no root users), jq, openssl, curl, PostgreSQL's
# programs of that version in PATH, and lifeboat: LIFEBOAT_BIN, or in PATH.
set -euo pipefail

TRY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)/try
readonly TRY
ACTION=run STATE=${XDG_STATE_HOME:-$HOME/.local/state}/lifeboat-try DRY='' FROM='' TAKEN='' MAJOR=16 WEAK_WALL='' WITH_IMAGE=''
SOURCE_PROFILE='' BACKUP_PROFILE='' REGION='' DATABASE=lifeboat_try DATABASE_USER=postgres HOST='' PORT='' PASSWORD_IS_OURS=''

# shellcheck source=deploy/aws/try/lib.sh
. "$TRY/lib.sh"
# shellcheck source=deploy/aws/try/accounts.sh
. "$TRY/accounts.sh"
# shellcheck source=deploy/aws/try/price.sh
. "$TRY/price.sh"
# shellcheck source=deploy/aws/try/stacks.sh
. "$TRY/stacks.sh"
# shellcheck source=deploy/aws/try/night.sh
. "$TRY/night.sh"
# shellcheck source=deploy/aws/try/checks.sh
. "$TRY/checks.sh"
# shellcheck source=deploy/aws/try/clean.sh
. "$TRY/clean.sh"
# shellcheck source=deploy/aws/try/report.sh
. "$TRY/report.sh"

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

options() {
    case ${1:-} in
        clean | report) ACTION=$1 && shift ;;
    esac
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run) DRY=1 && shift && continue ;;
            --weak-wall) WEAK_WALL=1 && shift && continue ;;
            --with-image) WITH_IMAGE=1 && shift && continue ;;
        esac
        [ $# -ge 2 ] || usage
        case $1 in
            --source-profile) SOURCE_PROFILE=$2 ;;
            --backup-profile) BACKUP_PROFILE=$2 ;;
            --region) REGION=$2 ;;
            --state) STATE=$2 ;;
            --postgres) MAJOR=$2 ;;
            --from) FROM=$2 ;;
            --instance) TAKEN=$2 ;;
            --database) DATABASE=$2 ;;
            --user) DATABASE_USER=$2 ;;
            *) usage ;;
        esac
        shift 2
    done
}

need() {
    local one
    for one in "$@"; do
        command -v "$one" >/dev/null || fail "$one is missing"
    done
}

# lifeboat's, for export and drill.
need_postgres() {
    local found
    need psql pg_dump pg_restore initdb postgres
    found=$(initdb --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    [ "$found" -ge "$MAJOR" ] ||
        fail "PostgreSQL's programs in PATH are of version $found, the instance is to be of $MAJOR"
}

# Settings of the first run are those of the next ones; a secret is made once.
open_state() {
    STATE=$(realpath -m "$STATE")
    LIFEBOAT=$(command -v "${LIFEBOAT_BIN:-lifeboat}") || fail 'lifeboat is missing: set LIFEBOAT_BIN'
    if [ -n "$DRY" ]; then
        BUCKET='<BUCKET>' EXTERNAL_ID='<EXTERNAL ID>' PASSWORD='<PASSWORD>'
    elif [ -e "$STATE/settings" ] && ! is_over; then
        # shellcheck source=/dev/null
        . "$STATE/settings"
    else
        [ "$ACTION" = run ] || fail "$STATE holds nothing: nothing was made with it"
        first_settings
    fi
    if [ -n "$TAKEN" ]; then PASSWORD=${PGPASSWORD:-}; else PASSWORD_IS_OURS=1; fi
    INSTANCE=${TAKEN:-lifeboat-try}
    all_is_named
}

all_is_named() { [ -n "$SOURCE_PROFILE" ] && [ -n "$BACKUP_PROFILE" ] && [ -n "$REGION" ] || usage; }

# A run that was cleaned up is followed by one from the beginning.
is_over() { [ "$ACTION" = run ] && grep -q '^cleaned' "$STATE/answers"; }

# Nothing of anybody else's may lie where files are removed.
own_folder() {
    [ -e "$STATE/of-try.sh" ] || [ -z "$(ls -A "$STATE" 2>/dev/null)" ] ||
        fail "$STATE holds other things: name another --state"
    mkdir -p "$STATE"
    chmod 700 "$STATE"
    : >"$STATE/of-try.sh"
}

# Kept as soon as something is to be made.
first_settings() {
    all_is_named
    own_folder
    rm -rf "${STATE:?}"/{answers,settings,accounts,source,backup,calls.log,nightly.log,prove.log}
    BUCKET=lifeboat-try-$(openssl rand -hex 6)
    EXTERNAL_ID=$(openssl rand -hex 16)
    PASSWORD=$(openssl rand -hex 16)
}

keep_settings() {
    local name
    [ -z "$DRY" ] && [ ! -e "$STATE/settings" ] || return 0
    printf '%s\n' "$SOURCE $BACKUP $REGION" >"$STATE/accounts"
    : >"$STATE/answers"
    : >"$STATE/begun"
    for name in SOURCE_PROFILE BACKUP_PROFILE REGION MAJOR FROM TAKEN DATABASE DATABASE_USER WEAK_WALL WITH_IMAGE \
        BUCKET EXTERNAL_ID ${PASSWORD_IS_OURS:+PASSWORD}; do
        printf '%s=%q\n' "$name" "${!name}"
    done >"$STATE/settings.new"
    mv "$STATE/settings.new" "$STATE/settings"
}

# One at a time, and always with the last word on what is left.
begin() {
    exec 3>&1
    [ -z "$DRY" ] || return 0
    exec 9>"$STATE/lock"
    flock -n 9 || fail "another try.sh runs with $STATE"
    trap say_what_is_left EXIT
    trap 'exit 130' INT TERM
}

run() {
    [ -n "$DRY" ] || need_postgres
    headline 'Two accounts'
    look_at_accounts
    if ! noted steps accounts; then refuse_what_is_not_throwaway; fi
    own_address
    say_price
    ask_yes
    keep_settings
    note steps accounts
    headline 'Stacks, locks of one day in governance mode, an instance'
    step backup-stack backup_stack
    step source-stack source_stack
    step tasks-stack tasks_stack
    step open-roles open_roles
    read_outputs
    headline 'One night'
    endpoint source "$INSTANCE"
    step load load
    step initialise initialise
    become break-glass
    step wrap-identity wrap_identity
    become prove
    step announce announce
    step configure configure
    step nightly nightly
    step prove prove
    checks
    clean
    report
}

main() {
    options "$@"
    need aws jq openssl curl flock
    open_state
    begin
    case $ACTION in
        run) run ;;
        clean)
            look_at_accounts
            clean
            report
            ;;
        report)
            look_at_accounts
            report
            ;;
    esac
}

main "$@"
