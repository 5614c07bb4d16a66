#!/usr/bin/env bash
# Within a fresh Debian, as root: README's commands as they stand, and how long they took from the package's download on.
set -euo pipefail

cd /root
cp /srv/lifeboat_*.deb .

fail() {
    printf 'quick start: %s\n' "$*" >&2
    exit 1
}

# What README calls as another user; we are root already, and have no sudo.
sudo() {
    if [ "$1" = -u ]; then
        (cd / && runuser -u "$2" -- "${@:3}")
    else
        "$@"
    fi
}

# run COMMAND: in this very shell, as it is typed
run() {
    local began=$SECONDS
    printf '$ %s\n' "$1"
    eval "$1" >/tmp/said 2>/tmp/progress || fail "exit code $? of: $1"$'\n'"$(cat /tmp/said /tmp/progress)"
    # No init runs here that would.
    [[ $1 != *' install postgresql'* ]] || service postgresql start >/dev/null
    printf '  %s s\n' $((SECONDS - began))
    [[ $1 != lifeboat* ]] || sed 's/^/  /' /tmp/said
}

# shellcheck source=/dev/null # from README.md, by readme.py
. /srv/readme.sh

rows() { psql -h localhost -U postgres -XAt -d "$1" -c "SELECT count(*), md5(string_agg(a::text, E'\n' ORDER BY id)) FROM answer a"; }
[ "$(rows courses)" = "$(rows courses_copy)" ] || fail "courses is $(rows courses), courses_copy $(rows courses_copy)"
[[ $(rows courses) = 100000\|* ]] || fail "courses is $(rows courses)"
printf 'from the package to a restored database: %s s\n' "$SECONDS"
