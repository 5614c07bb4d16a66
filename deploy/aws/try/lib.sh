# shellcheck shell=bash
# Sourced by ../try.sh: what is said, what is noted in the state folder, and the calls, each of which is shown.
# shellcheck disable=SC2034 # what is set here is read there

readonly AWS_FILES=$TRY/..
# Between two looks at what takes AWS its time, and how often there is another look: three hours of them at most.
readonly POLL=${LIFEBOAT_TRY_POLL:-20}
readonly LOOKS=540

SAID='' DRY_NOTES=''

# ---------------------------------------------------------------- small things

say() { printf '%s\n' "$*"; }

headline() { printf '\n== %s\n' "$*"; }

fail() {
    printf 'try.sh: %s\n' "$*" >&2
    exit 1
}

# ---------------------------------------------------------------- state

# A line of $STATE/FILE, once. What is about to be made is noted in `made` before the call that makes it.
note() {
    if [ -n "$DRY" ]; then
        DRY_NOTES+="$*"$'\n'
        return
    fi
    noted "$@" || printf '%s\n' "${*:2}" >>"$STATE/$1"
}

noted() { [ -z "$DRY" ] && grep -qxF -- "${*:2}" "$STATE/$1" 2>/dev/null; }

forget() {
    [ -z "$DRY" ] || return 0
    grep -vxF -- "${*:2}" "$STATE/$1" >"$STATE/$1.new" || true
    mv "$STATE/$1.new" "$STATE/$1"
}

# made KIND: who and name of what was noted and is not yet removed.
made() {
    if [ -n "$DRY" ]; then
        sed -n "s/^made $1 //p" <<<"$DRY_NOTES"
    elif [ -e "$STATE/made" ]; then
        sed -n "s/^$1 //p" "$STATE/made"
    fi
}

# step NAME FUNCTION: once, whatever the number of runs. (Not in an `if`, where an error would not end it.)
step() {
    if noted steps "$1"; then return; fi
    "$2"
    note steps "$1"
}

# ---------------------------------------------------------------- calls

# told WHO COMMAND...: each call on a line of its own, on the terminal in a dry run, and in the state folder.
told() {
    local line="$1:" word
    for word in "${@:2}"; do
        if [[ $word =~ ^[A-Za-z0-9_./:=@%+-]+$ ]]; then line+=" $word"; else line+=" ${word@Q}"; fi
    done
    if [ -n "$DRY" ]; then
        printf '%s\n' "$line" >&3
    else
        printf '%s %s\n' "$(date -u +%H:%M:%S)" "$line" >>"$STATE/calls.log"
    fi
}

# aws_as WHO ARGUMENTS...: one call as an administrator (source, backup) or as one of lifeboat's roles.
aws_as() {
    told "$1" aws "${@:2}"
    [ -z "$DRY" ] || return 0
    (
        use_credentials "$1"
        exec aws "${@:2}" 3>&- 9>&-
    )
}

# lifeboat_as ROLE FOLDER ARGUMENTS...
lifeboat_as() {
    told "$1" lifeboat "${@:3}"
    [ -z "$DRY" ] || return 0
    (
        use_credentials "$1"
        cd "$STATE/$2"
        PGPASSWORD=${PASSWORD:-} exec "$LIFEBOAT" "${@:3}" 3>&- 9>&-
    )
}

# sql DATABASE STATEMENT: in the instance that lifeboat exports.
sql() { sql_at "$HOST" "$PORT" "$@"; }

sql_at() {
    told "$DATABASE_USER" psql -h "$1" -d "$3" -c "$4"
    [ -z "$DRY" ] || return 0
    PGPASSWORD=${PASSWORD:-} PGSSLMODE=${PGSSLMODE:-prefer} \
        psql -XqAt -v ON_ERROR_STOP=1 -h "$1" -p "$2" -U "$DATABASE_USER" -d "$3" -c "$4"
}

# value NAME WHO ARGUMENTS...: what a call says, as text; in a dry run a name that stands for it.
value() {
    local found
    if [ -n "$DRY" ]; then
        aws_as "${@:2}" --output text
        printf '<%s>' "$1"
        return
    fi
    found=$(aws_as "${@:2}" --output text) || return
    if [ "$found" = None ]; then found=; fi
    printf '%s' "$found"
}

# Environment of the subshell that calls.
use_credentials() {
    export AWS_REGION=$REGION AWS_DEFAULT_REGION=$REGION AWS_PAGER=''
    case $1 in
        source) export AWS_PROFILE=$SOURCE_PROFILE ;;
        backup) export AWS_PROFILE=$BACKUP_PROFILE ;;
        *)
            unset AWS_PROFILE
            # shellcheck source=/dev/null
            . "$STATE/session-$1"
            ;;
    esac
}

# attempt FILE COMMAND...: true where it succeeds; what it said lies in $STATE/FILE, and its first line in SAID.
attempt() {
    local status=0
    SAID=
    if [ -n "$DRY" ]; then
        "${@:2}" >/dev/null
        return
    fi
    "${@:2}" >"$STATE/$1" 2>&1 || status=$?
    SAID=$(grep -m 1 -E '[^[:space:]]' "$STATE/$1" || true)
    return "$status"
}

# The code of what AWS answered, out of what the CLI printed.
code_of() { sed -n 's/^.*An error occurred (\([A-Za-z.]*\)).*/\1/p' "$STATE/$1" | head -n 1; }

# until_true WHAT COMMAND...: looks until it holds. In a dry run once.
until_true() {
    local looks=0
    until "${@:2}"; do
        [ -z "$DRY" ] || return 0
        looks=$((looks + 1))
        [ "$looks" -lt "${MOST:-$LOOKS}" ] || fail "waited too long for $1${SAID:+: $SAID}"
        sleep "$POLL"
    done
}

# refused_so CODE COMMAND...: the call, which may also answer this: what was to be done is done already.
refused_so() {
    if attempt last "${@:2}"; then return; fi
    [[ $(code_of last) =~ ^($1)$ ]] || fail "$SAID"
}

# ---------------------------------------------------------------- answers

# answer ID ANSWER TEXT: yes, no, or "not asked"; the text is what AWS said. The last one counts.
answer() {
    [ -z "$DRY" ] || return 0
    printf '%s\t%s\t%s\n' "$1" "$2" "$(tr -s '\t\n' ' ' <<<"$3" | sed 's/ $//')" >>"$STATE/answers"
    say "   $1: $2. $3"
}
