#!/usr/bin/env bash
# Prints a release's notes, CHANGELOG's section of its version: notes.sh v0.2.0 [IMAGE]. Fails where the tag is not the
# version of Cargo.toml, or CHANGELOG has no such section.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=${1#v}
built=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
[ "$version" = "$built" ] || {
    echo "notes.sh: the tag is $1, Cargo.toml says $built" >&2
    exit 1
}
notes=$(awk -v heading="## [$version]" 'index($0, "## ") == 1 { on = index($0, heading) == 1; next } on' CHANGELOG.md)
[ -n "${notes//[[:space:]]/}" ] || {
    echo "notes.sh: CHANGELOG.md has no section '## [$version]', or nothing in it" >&2
    exit 1
}
printf '%s\n' "$notes"
[ $# = 1 ] || printf '\n**Image**: %s\n' "\`$2\`"
