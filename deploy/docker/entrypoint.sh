#!/bin/sh
# Writes what the container's service handed over as variables into files that only lifeboat reads,
# and becomes lifeboat. ECS and Kubernetes give secrets as variables on every platform that they have.
#
#   LIFEBOAT_TOML         becomes lifeboat.toml, unless LIFEBOAT_CONFIG already names a file
#   LIFEBOAT_SIGNING_PEM  becomes manifest-signing.pem beside it
#   LIFEBOAT_PGPASS       becomes a .pgpass file, named by PGPASSFILE
#
# "-" or nothing stands for "not set": a secret must have some value, and that is its first one.
set -eu
umask 077

readonly FOLDER="${LIFEBOAT_RUN:-/run/lifeboat}"

# given TEXT
given() {
    [ -n "$1" ] && [ "$1" != - ]
}

# place TEXT FILE
place() {
    rm -f "$FOLDER/$2"
    printf '%s\n' "$1" >"$FOLDER/$2"
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
if given "${LIFEBOAT_PGPASS:-}"; then
    place "$LIFEBOAT_PGPASS" pgpass
    export PGPASSFILE="$FOLDER/pgpass"
fi

# pg_dump and the like need not inherit them.
unset LIFEBOAT_TOML LIFEBOAT_SIGNING_PEM LIFEBOAT_PGPASS
exec lifeboat "$@"
