#!/usr/bin/env bash
# Builds and packs, in the Debian that build.sh made: see there.
set -euo pipefail
umask 022

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly OUT=target/packages STAGE=target/packages/stage GLIBC=2.36
# Apart from target/release, whose build scripts may need a newer glibc.
export CARGO_TARGET_DIR=target/release-build

step() {
    echo "== $*" >&2
    "$@"
}

# Of fixed versions; cargo does nothing where that version is there.
tools() {
    local tool
    for tool in cargo-auditable@0.7.7 cargo-deb@3.8.0 cargo-cyclonedx@0.5.9; do
        CARGO_TARGET_DIR=target/release-tools/build \
            step cargo install --quiet --locked --root target/release-tools "$tool"
    done
}

# The newest version of glibc that the program asks for.
check_glibc() {
    local needed
    needed=$(objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
    [ "$(printf '%s\n' "$needed" "$GLIBC" | sort -V | tail -n 1)" = "$GLIBC" ] || {
        echo "package.sh: the program needs glibc $needed, Debian 12 has $GLIBC: build it there, by build.sh" >&2
        exit 1
    }
    echo "== needs glibc $needed or newer" >&2
}

# What .tar.gz and .deb hold beside the program.
stage() {
    local program=$1 shell
    rm -rf "$OUT"
    mkdir -p "$STAGE/completions" "$STAGE/systemd"
    "$program" man "$STAGE/man" >/dev/null
    for shell in bash zsh fish; do "$program" completions "$shell" >"$STAGE/completions/lifeboat.$shell"; done
    install -m 755 "$program" "$STAGE/lifeboat"
    cp -r config "$STAGE/"
    cp deploy/systemd/* "$STAGE/systemd/"
    cp LICENSE README.md CHANGELOG.md "$STAGE/"
}

# archive NAME: its files have the commit's time, no owner, and one order.
archive() {
    tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
        --transform "s#^\.#$1#" --directory "$STAGE" . | gzip --no-name --best >"$OUT/$1.tar.gz"
}

main() {
    local version target name
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    target=$(rustc -vV | sed -n 's/^host: //p')
    name=lifeboat-$version-$target
    tools
    # The crates that compile C would begin anew with each commit's time, and so would all that needs them.
    [ "${1:-}" = --no-compile ] ||
        step env --unset SOURCE_DATE_EPOCH cargo auditable build --release --locked --bin lifeboat
    check_glibc "$CARGO_TARGET_DIR/release/lifeboat"
    stage "$CARGO_TARGET_DIR/release/lifeboat"
    archive "$name"
    step cargo deb --no-build --no-strip --output "$OUT"
    step cargo cyclonedx --format json --target "$target" --override-filename "$name.cdx" --quiet
    mv "$name.cdx.json" "$OUT/"
    rm -rf "$STAGE"
    (cd "$OUT" && sha256sum -- * | tee SHA256SUMS)
}

main "$@"
