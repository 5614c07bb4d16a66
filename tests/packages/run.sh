#!/usr/bin/env bash
# The package as somebody gets it, in a Debian 12 and a Debian 13 that debootstrap makes: README's quick start from the
# package to a restored database, then an older package installed, upgraded, removed, installed again and purged.
#
#   tests/packages/run.sh [bookworm] [trixie]
#
# Needs root, debootstrap and the network. Takes the package that lies in target/packages; where none does,
# deploy/release/build.sh makes it. The Debians stay in target/debian, and what happens in them happens in copies.
set -euo pipefail
umask 022

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/release/debian.sh
. deploy/release/debian.sh
readonly SHARED=target/debian/shared COPY=target/debian/copy
BINDS=("$SHARED:/srv")

say() { printf 'packages: %s\n' "$*" >&2; }

# The same package under an older version, with a file that the newer one lacks.
older() {
    local folder=$SHARED/older
    dpkg-deb -R "$1" "$folder"
    sed -i 's/^Version: .*/Version: 0.0.1-1/' "$folder/DEBIAN/control"
    touch "$folder/usr/share/doc/lifeboat/older"
    dpkg-deb -b --root-owner-group "$folder" "$SHARED/older.deb" >/dev/null
    rm -rf "$folder"
}

prepare() {
    local package=(target/packages/lifeboat_*.deb)
    [ -e "${package[0]}" ] || bash deploy/release/build.sh
    package=(target/packages/lifeboat_*.deb)
    [ ${#package[@]} = 1 ] && [ -e "${package[0]}" ] || {
        say "target/packages holds ${#package[@]} packages, not one"
        exit 1
    }
    (cd target/packages && sha256sum --check --quiet SHA256SUMS)
    rm -rf "$SHARED"
    mkdir -p "$SHARED"
    older "${package[0]}"
    cp "${package[0]}" tests/packages/quick_start.sh tests/packages/life.sh "$SHARED/"
    python3 tests/packages/readme.py README.md >"$SHARED/readme.sh"
}

# try SUITE SCRIPT: in a copy of that Debian
try() {
    rm -rf "$COPY"
    cp -a --reflink=auto "target/debian/$1" "$COPY"
    printf 'APT::Get::Assume-Yes "true";\nAcquire::Check-Valid-Until "false";\n' >"$COPY/etc/apt/apt.conf.d/98tests"
    inside "$COPY" bash "/srv/$2"
    say "$1: $2 passed"
}

[ $# -gt 0 ] || set -- bookworm trixie
prepare
trap 'rm -rf "$COPY" "$SHARED"' EXIT
for suite in "$@"; do
    debian "$suite" "target/debian/$suite"
    try "$suite" quick_start.sh
    try "$suite" life.sh
done
say "passed in $SECONDS s"
