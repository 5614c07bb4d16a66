# shellcheck shell=bash
# Sourced from the project's root: installs what tests/deploy needs, Debian's packages where they are missing, the rest
# in VENV, once for each requirements.txt.
readonly VENV=target/deploy-venv

step() {
    echo "== $*" >&2
    "$@"
}

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

# Only wheels: they hold their programs, other packages would fetch them.
install_venv() {
    need python3-venv python3 -m ensurepip --version
    cmp --quiet tests/deploy/requirements.txt "$VENV/installed" && return
    mkdir -p "${VENV%/*}"
    python3 -m venv --clear "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 --only-binary :all: \
        --requirement tests/deploy/requirements.txt
    cp tests/deploy/requirements.txt "$VENV/installed"
}
