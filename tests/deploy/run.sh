#!/usr/bin/env bash
# What can be said of deploy/ and of the docs without AWS, Docker or a cluster: templates, policies, alarms, units,
# manifests, links, commands. Installs what it needs: Debian's packages where they are missing, the rest in
# target/deploy-venv. Needs lifeboat in target/ or where LIFEBOAT_BIN says; the README's quick start runs where
# `deploy/local/servers.sh env pg15` names a server.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly VENV=target/deploy-venv
export PYTHONDONTWRITEBYTECODE=1

# need PACKAGE COMMAND...: installs the package where the command fails.
need() {
    local package=$1 as_root=()
    shift
    if "$@" >/dev/null 2>&1; then return; fi
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    step "${as_root[@]}" apt-get update -qq
    step "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "$package" >/dev/null
    step "$@" >/dev/null
}

step() {
    echo "== $*" >&2
    "$@"
}

# Once for each requirements.txt. Only wheels: they hold their programs, other packages would fetch them.
install() {
    cmp --quiet tests/deploy/requirements.txt "$VENV/installed" && return
    mkdir -p "${VENV%/*}"
    python3 -m venv --clear "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 --only-binary :all: \
        --requirement tests/deploy/requirements.txt
    cp tests/deploy/requirements.txt "$VENV/installed"
}

# The units, with a program in lifeboat's place that every machine has.
units() {
    local folder
    folder=$(mktemp --directory)
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$folder'" RETURN
    cp deploy/systemd/lifeboat-nightly.timer "$folder/"
    sed 's#^ExecStart=/usr/local/bin/lifeboat #ExecStart=/bin/true #' deploy/systemd/lifeboat-nightly.service \
        >"$folder/lifeboat-nightly.service"
    # An unknown directive is only a warning to systemd; here nothing may be said at all.
    step systemd-analyze verify --man=no "$folder"/lifeboat-nightly.{service,timer} 2>"$folder/said"
    cat "$folder/said" >&2
    if grep --quiet --invert-match '^== ' "$folder/said"; then return 1; fi
    # 15 is an exposure of 1.5 of 10; what is left is that the service uses the network.
    step systemd-analyze security --offline=true --threshold=15 --no-pager "$folder/lifeboat-nightly.service" |
        tail -n 1
}

# Links of all pages, and their anchors: only within the repository, so that nothing far away makes this fail.
links() {
    local pages=()
    mapfile -t pages < <(git ls-files --cached --others --exclude-standard '*.md')
    step "$VENV/bin/lychee" --offline --include-fragments --no-progress "${pages[@]}"
}

need python3-venv python3 -m ensurepip --version
need systemd systemd-analyze --version
install
step "$VENV/bin/cfn-lint" deploy/aws/*.yaml deploy/aws/try/*.yaml
step "$VENV/bin/hadolint" deploy/docker/Dockerfile
step "$VENV/bin/shellcheck" deploy/docker/entrypoint.sh tests/*.sh tests/deploy/run.sh
step "$VENV/bin/shellcheck" deploy/slurm/*
step "$VENV/bin/shellcheck" --external-sources tests/fleet/run.sh
step "$VENV/bin/shellcheck" --external-sources deploy/aws/try.sh
step "$VENV/bin/kubernetes-validate" --strict --quiet deploy/kubernetes/*.yaml
units
links
step "$VENV/bin/python" -m unittest discover --start-directory tests/deploy --top-level-directory tests/deploy
echo "tests/deploy/run.sh: passed in ${SECONDS} s" >&2
