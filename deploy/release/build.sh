#!/usr/bin/env bash
# Makes what a release consists of, in target/packages:
#
#   lifeboat-VERSION-TARGET.tar.gz   program, man pages, completions, configurations, units, licence
#   lifeboat_VERSION-1_ARCH.deb      the same as Debian has it
#   lifeboat-VERSION-TARGET.cdx.json the crates in it, as CycloneDX; `cargo audit bin` reads them from the program too
#   SHA256SUMS
#
#   sudo deploy/release/build.sh [--no-compile]
#
#   --no-compile  packs the program that is there from the last time
#
# The program is built in a Debian 12, so that it runs wherever glibc is 2.36 or newer: debootstrap makes it in
# target/debian, and this machine's Rust, its crates and its certificates are mounted there. Paths in it are fixed and
# times are the commit's: whoever builds the same commit with the same compiler can compare.
#
# Needs root, debootstrap, git, Rust, and the network: apt's, cargo's.
set -euo pipefail
umask 022

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/release/debian.sh
. deploy/release/debian.sh

[ $# = 0 ] || [ "$*" = --no-compile ] || {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

readonly ROOT=target/debian/bookworm-build
debian bookworm "$ROOT" ca-certificates dpkg-dev gcc libc6-dev
# Authorities that this machine believes beside Debian's.
cp /etc/ssl/certs/ca-certificates.crt "$ROOT/etc/ssl/certs/ca-certificates.crt"

CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
mkdir -p "$CARGO_HOME"
BINDS=("$PWD:/lifeboat" "$(rustc --print sysroot):/rust" "$(realpath "$CARGO_HOME"):/cargo")
# What cargo and the network need of this machine's settings.
settings=()
for name in CARGO_BUILD_JOBS "${!CARGO_HTTP_@}" "${!CARGO_NET_@}" "${!CARGO_REGISTRIES_@}" "${!CARGO_SOURCE_@}" \
    HTTPS_PROXY https_proxy http_proxy NO_PROXY no_proxy; do
    [ -z "${!name:-}" ] || settings+=("$name=${!name}")
done
inside "$ROOT" env "${settings[@]}" PATH=/lifeboat/target/release-tools/bin:/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_HOME=/cargo "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" \
    bash /lifeboat/deploy/release/package.sh "$@"
