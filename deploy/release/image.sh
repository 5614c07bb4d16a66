#!/usr/bin/env bash
# Builds the image from the Dockerfile, without compiling again: with the program of the archive in target/packages.
#
#   deploy/release/image.sh TAG [ARGUMENT OF buildah build...]
#
# Needs buildah.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ $# -gt 0 ] || {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

archive=(target/packages/lifeboat-*.tar.gz)
[ ${#archive[@]} = 1 ] && [ -e "${archive[0]}" ] || {
    echo "image.sh: target/packages does not hold one archive: deploy/release/build.sh makes it" >&2
    exit 1
}
program=$(mktemp --directory)
trap 'rm -rf "$program"' EXIT
tar --extract --gzip --strip-components 1 --directory "$program" --file "${archive[0]}"
buildah build --isolation chroot --file deploy/docker/Dockerfile --ignorefile deploy/docker/Dockerfile.dockerignore \
    --build-context "build=$program" --tag "$1" "${@:2}" .
