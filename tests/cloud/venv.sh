# shellcheck shell=bash
# Sourced: makes the Python environment in target/cloud where it is missing or outdated, and sets PYTHON.
# moto's version is the one that deploy/local/servers.sh installs.

_cloud_repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
_cloud_venv=${LIFEBOAT_CLOUD_VENV:-$_cloud_repository/target/cloud}
_cloud_requirements=('moto[server]==5.2.5' boto3==1.44.5 cfn-lint==1.58.0 pytest==9.2.0 pytest-xdist==3.8.0 pyyaml==6.0.3)

_cloud_apt_install() {
    local as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq >&2 &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            -o DPkg::Lock::Timeout=300 "$@" >&2
}

_cloud_install() {
    [ "$(cat "$_cloud_venv/installed" 2>/dev/null)" != "${_cloud_requirements[*]}" ] || return 0
    rm -rf "$_cloud_venv"
    python3 -c 'import ensurepip' 2>/dev/null || _cloud_apt_install python3-venv
    python3 -m venv "$_cloud_venv" &&
        "$_cloud_venv/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 \
            --only-binary :all: "${_cloud_requirements[@]}" >&2 &&
        echo "${_cloud_requirements[*]}" >"$_cloud_venv/installed"
}

# Two callers at once must not install into the same folder.
mkdir -p "$(dirname "$_cloud_venv")"
(
    flock -w 600 9 || exit 1
    _cloud_install
) 9>"$_cloud_venv.lock" || {
    echo "tests/cloud: no Python environment in $_cloud_venv: is python3-venv installed, is pip's index in reach?" >&2
    exit 1
}
# shellcheck disable=SC2034 # for who sources this
PYTHON=$_cloud_venv/bin/python
export PYTHONPATH="$_cloud_repository/tests" PYTHONPYCACHEPREFIX="$_cloud_venv/pycache"
