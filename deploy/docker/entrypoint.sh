#!/bin/sh
# Writes what the container's service handed over as variables into files that only lifeboat reads,
# and becomes lifeboat. ECS and Kubernetes give secrets as variables on every platform that they have.
#
#   LIFEBOAT_TOML         becomes lifeboat.toml, unless LIFEBOAT_CONFIG already names a file
#   LIFEBOAT_SIGNING_PEM  becomes manifest-signing.pem beside it
#   LIFEBOAT_REUSE_KEY    becomes reuse.key beside it
#   LIFEBOAT_PGPASS       becomes a .pgpass file, named by PGPASSFILE
#
# "-" or nothing stands for "not set": a secret must have some value, and that is its first one.
#
# The code that a drill restores may run under this very user id, and could read the environment of each
# of its processes. lifeboat hides its own; tini cannot. So tini starts with an empty one, and starts this
# script again, which takes all that is left from a file, and removes that.
set -eu

# ECS and EKS hand what names a task's role to each of its containers. This one has no use for it.
if [ "${1:-}" = drill-server ]; then
    exec env -i PATH="$PATH" tini -- lifeboat "$@"
fi

umask 077

# The second time.
if [ -n "${LIFEBOAT_ENVIRONMENT:-}" ]; then
    handed_over=$LIFEBOAT_ENVIRONMENT
    unset LIFEBOAT_ENVIRONMENT
    # shellcheck source=/dev/null # written below
    . "$handed_over"
    rm -f "$handed_over"
    exec lifeboat "$@"
fi

# LIFEBOAT_RUN is lifeboat's: of which run a shard is.
readonly FOLDER="${LIFEBOAT_FOLDER:-/run/lifeboat}"

# given TEXT
given() {
    [ -n "$1" ] && [ "$1" != - ]
}

# place TEXT FILE: with one newline at its end, whether or not the secret has one. A key is none with two.
place() {
    rm -f "$FOLDER/$2"
    printf '%s\n' "$(printf '%s' "$1")" >"$FOLDER/$2"
}

if given "${LIFEBOAT_TOML:-}" && [ -z "${LIFEBOAT_CONFIG:-}" ]; then
    place "$LIFEBOAT_TOML" lifeboat.toml
    export LIFEBOAT_CONFIG="$FOLDER/lifeboat.toml"
elif [ "${LIFEBOAT_TOML:-}" = - ]; then
    echo 'error: the configuration has no value yet' >&2
    echo 'hint: put lifeboat.toml into the secret lifeboat/config' >&2
    exit 2
fi
if given "${LIFEBOAT_SIGNING_PEM:-}"; then
    place "$LIFEBOAT_SIGNING_PEM" manifest-signing.pem
fi
if given "${LIFEBOAT_REUSE_KEY:-}"; then
    place "$LIFEBOAT_REUSE_KEY" reuse.key
fi
if given "${LIFEBOAT_PGPASS:-}"; then
    place "$LIFEBOAT_PGPASS" pgpass
    export PGPASSFILE="$FOLDER/pgpass"
fi

unset LIFEBOAT_TOML LIFEBOAT_SIGNING_PEM LIFEBOAT_REUSE_KEY LIFEBOAT_PGPASS
place "$(export -p)" environment
exec env -i PATH="$PATH" LIFEBOAT_ENVIRONMENT="$FOLDER/environment" tini -- sh "$0" "$@"
