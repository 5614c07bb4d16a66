#!/usr/bin/env bash
# What can be said of deploy/ and of the docs without AWS, Docker or a cluster: templates, policies, alarms, units,
# manifests, links, commands. Installs what it needs: Debian's packages where they are missing, the rest in
# target/deploy-venv. Needs lifeboat in target/ or where LIFEBOAT_BIN says; the README's quick start runs where
# `deploy/local/servers.sh env pg15` names a server.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/deploy/venv.sh
. tests/deploy/venv.sh
export PYTHONDONTWRITEBYTECODE=1

# The units, with a program in lifeboat's place that every machine has.
units() {
    local folder unit
    folder=$(mktemp --directory)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$folder'" RETURN
    cp deploy/systemd/*.timer "$folder/"
    for unit in deploy/systemd/*.service; do
        sed 's#^ExecStart=lifeboat #ExecStart=/bin/true #' "$unit" >"$folder/${unit##*/}"
    done
    # An unknown directive is only a warning to systemd; here nothing may be said at all.
    step systemd-analyze verify --man=no "$folder"/* 2>"$folder.said"
    cat "$folder.said" >&2
    if grep --quiet --invert-match '^== ' "$folder.said"; then return 1; fi
    rm "$folder.said"
    # 15 is an exposure of 1.5 of 10; what is left is that the service uses the network.
    for unit in "$folder"/*.service; do
        step systemd-analyze security --offline=true --threshold=15 --no-pager "$unit" | tail -n 1
    done
}

# Links of all pages, and their anchors: only within the repository, so that nothing far away makes this fail.
links() {
    local pages=()
    mapfile -t pages < <(git ls-files --cached --others --exclude-standard '*.md')
    step "$VENV/bin/lychee" --offline --include-fragments --no-progress "${pages[@]}"
}

need systemd systemd-analyze --version
install_venv
step "$VENV/bin/cfn-lint" deploy/aws/*.yaml deploy/aws/try/*.yaml
step "$VENV/bin/hadolint" deploy/docker/Dockerfile
step "$VENV/bin/shellcheck" deploy/docker/entrypoint.sh tests/*.sh
step "$VENV/bin/shellcheck" deploy/slurm/*
step "$VENV/bin/shellcheck" --external-sources .ci/run tests/{bench,deploy,faults,image,packages}/*.sh
step "$VENV/bin/shellcheck" --external-sources deploy/release/*.sh deploy/release/debian/*
step "$VENV/bin/actionlint" -shellcheck "$VENV/bin/shellcheck" -pyflakes ''
step "$VENV/bin/shellcheck" --external-sources tests/fleet/run.sh
step "$VENV/bin/shellcheck" --external-sources deploy/aws/try.sh
step "$VENV/bin/kubernetes-validate" --strict --quiet deploy/kubernetes/*.yaml
units
links
step "$VENV/bin/python" -m unittest discover --start-directory tests/deploy --top-level-directory tests/deploy
echo "tests/deploy/run.sh: passed in ${SECONDS} s" >&2
