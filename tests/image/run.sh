#!/usr/bin/env bash
# The image, built from the Dockerfile that ships and run as ECS and Kubernetes run it: a read-only root, no
# capabilities, secrets as variables, credentials from an address, drills in a second container. `lifeboat nightly` and
# `lifeboat prove` work on deploy/local's 1,943,200 rows, in the tests' AWS.
#
#   tests/image/run.sh
#
# STORAGE_DRIVER=vfs where this machine has no overlay file system.
#
# Needs root, debootstrap and the network; installs buildah, podman and runc where they are missing. The base image is a
# Debian made by debootstrap, PostgreSQL is that Debian's. The program is that of the archive in target/packages, which
# deploy/release/build.sh makes where there is none.
set -euo pipefail

# shellcheck source=deploy/local/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/local/lib.sh"
cd "$REPO"
# shellcheck source=deploy/release/debian.sh
. deploy/release/debian.sh
# shellcheck source=tests/deploy/venv.sh
. tests/deploy/venv.sh

readonly STATE=$REPO/target/image IMAGE=localhost/lifeboat:test BASE=localhost/debian:trixie MAJOR=17
# Images, containers and volumes of this test alone. podman wants a short name for what it has while it runs.
readonly RUNNING=/run/lifeboat-image
export CONTAINERS_STORAGE_CONF=$STATE/storage.conf

# ---------------------------------------------------------------- the image

build_image() {
    local container folder began
    rm -rf "$STATE/storage"
    debian trixie target/debian/trixie
    container=$(buildah from scratch)
    folder=$(buildah mount "$container")
    cp -a target/debian/trixie/. "$folder/"
    buildah config --cmd bash "$container"
    buildah commit --quiet --rm "$container" "$BASE" >/dev/null
    began=$(now)
    bash deploy/release/image.sh "$IMAGE" --pull-never --build-arg "DEBIAN_IMAGE=$BASE" --build-arg PG_ARCHIVE=debian \
        --build-arg "PG_MAJORS=$MAJOR" >"$STATE/build.log" 2>&1 ||
        fail "the image does not build: $(tail -n 5 "$STATE/build.log")"
    buildah push --quiet "$IMAGE" "oci-archive:$STATE/image.tar" >/dev/null
    say "built in $(since "$began") s; to pull: $(megabytes "$(stat -c %s "$STATE/image.tar")"), unpacked:" \
        "$(megabytes "$(podman image inspect --format '{{.Size}}' "$IMAGE")"), of which the base is" \
        "$(megabytes "$(podman image inspect --format '{{.Size}}' "$BASE")"), PostgreSQL $MAJOR alone"
    rm "$STATE/image.tar"
}

megabytes() { printf '%d MB' $(($1 / 1000000)); }

# ---------------------------------------------------------------- containers

# container NAME OPTIONS... IMAGE ARGUMENTS...: with the rights that deploy/aws and deploy/kubernetes give. Of this
# machine it has the network, in which the imitation of AWS and PostgreSQL are. Its volumes are fresh ones.
container() {
    podman --runtime "$(command -v runc)" --cgroup-manager cgroupfs run --rm --name "lifeboat-test-$1" \
        --network host --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges \
        --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 "${@:2}"
}

# task PROFILE FOLDER OPTIONS... IMAGE ARGUMENTS...: as ECS starts it, with the secrets that FOLDER holds
task() {
    local name
    local -a secrets=(--env "LIFEBOAT_TOML=$(cat "$2/lifeboat.toml")")
    for name in manifest-signing.pem:LIFEBOAT_SIGNING_PEM pgpass:LIFEBOAT_PGPASS; do
        [ ! -e "$2/${name%:*}" ] || secrets+=(--env "${name#*:}=$(cat "$2/${name%:*}")")
    done
    container "$1" "${secrets[@]}" --env "AWS_REGION=$REGION" --env "AWS_ENDPOINT_URL=$ENDPOINT" \
        --env "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:$CREDENTIALS_PORT/$1" \
        --env "AWS_CONTAINER_AUTHORIZATION_TOKEN=$AWS_CONTAINER_AUTHORIZATION_TOKEN" "${@:3}"
}

# The tests below would prove little in a container that may do more than it should.
rights() {
    headline 'What a container may do'
    local said
    # shellcheck disable=SC2016 # expanded by the inner shell
    said=$(container rights --entrypoint sh "$IMAGE" -c 'id -u
        sed -n "s/^CapBnd:\t//p; s/^NoNewPrivs:\t//p; s/^Seccomp:\t//p" /proc/self/status
        for folder in / /usr/local/bin /run/lifeboat /tmp /drill; do
            (: >"$folder/x") 2>/dev/null && echo "$folder"
        done') || true
    [ "$said" = $'10001\n0000000000000000\n1\n2\n/run/lifeboat\n/tmp\n/drill' ] || fail "it may do something else: $said"
    say 'User 10001, no capabilities, no new ones, a filter of system calls; it writes into its three volumes alone.'
}

# ---------------------------------------------------------------- two accounts

serve_credentials() {
    AWS_CONTAINER_AUTHORIZATION_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    export AWS_CONTAINER_AUTHORIZATION_TOKEN
    exec 5< <(exec python3 "$REPO/tests/image/credentials.py" "$CREDENTIALS")
    SERVED_BY=$!
    read -r -u 5 CREDENTIALS_PORT
}

# What docs/accounts.md does once, by hand.
# shellcheck disable=SC2016 # `run` shows the line as it stands, and evaluates it
initialise() {
    headline 'Once: a repository, and what the tasks are given as secrets'
    mkdir source backup
    cd source
    run break-glass 'lifeboat init --repository s3://$BUCKET/prod --region $REGION --source-url $SOURCE \
    --config lifeboat.toml --keys-dir ../offline'
    run break-glass 'lifeboat keys add --kms $IDENTITY_KEY'
    run break-glass 'lifeboat keys announce $ATTESTATION_KEY --by ../offline/manifest-signing.pem'
    mv ../offline/manifest-signing.pem .
    echo '*:*:*:*:not asked for by this server' >pgpass
    local signing attestation
    signing=$(sed -n 's/^trust = \["\([0-9a-f]*\)"\]$/\1/p' lifeboat.toml)
    attestation=$(as prove aws kms get-public-key --key-id "$ATTESTATION_KEY" --query PublicKey --output text |
        base64 -d | sha256sum | cut -d' ' -f1)
    sed -i -e 's|^signing_key = .*|signing_key = "manifest-signing.pem"|' \
        -e '/^\[\[source\]\]/,$ s|^name = .*|name = "prod"|' lifeboat.toml
    cat >>lifeboat.toml <<TOML

[backup_account]
id = "$BACKUP_ACCOUNT"
region = "$REGION"
role_arn = "arn:aws:iam::$BACKUP_ACCOUNT:role/lifeboat-exporter"
external_id = "$EXTERNAL_ID"
TOML
    cat >../backup/lifeboat.toml <<TOML
[repository]
url = "$REPOSITORY"
trust = ["$signing", "$attestation"]

[backup_account]
id = "$BACKUP_ACCOUNT"
region = "$REGION"

[keys]
signing_key = "$ATTESTATION_KEY"

[lock]
daily_days = 35
weekly_days = 60
monthly_days = 190

[drill]
server_socket = "/drill/lifeboat.sock"

[[drill.assert]]
name = "the answers are there"
sql = "SELECT count(*) FROM courses_answer"
at_least = $ROWS

[[drill.assert]]
name = "the attack ran, and nothing of it succeeded"
sql = "SELECT string_agg(attempt, '; ') FROM attacked"
equals = "ran"

[[source]]
name = "prod"
url = "$SOURCE"
databases = ["courses"]
TOML
    cd ..
}

plant() {
    headline 'A function that a drill will call tries to get out'
    show_command postgres 'psql -f tests/image/attack.sql'
    sql courses -f "$REPO/tests/image/attack.sql"
    [ "$(count attacked)" = 0 ] || fail 'it ran in the source'
    say 'Ten attempts, from COPY TO PROGRAM to CREATE ROLE … SUPERUSER.'
}

nightly() {
    headline 'lifeboat nightly, in the image'
    task nightly source "$IMAGE" nightly --quiet
}

prove() {
    headline 'lifeboat prove, in the image; drills in the second container'
    local said status=0
    container drills --user 10002:10002 --volume "lifeboat-test-drill:/drill" "$IMAGE" drill-server --folder /drill \
        >drills.log 2>&1 &
    said=$(task prove backup --volume "lifeboat-test-drill:/drill:ro" "$IMAGE" prove --quiet) || status=$?
    printf '%s\n' "$said"
    # The planted view has other rows than in the source, and nothing else is to be found.
    [ "$status" = 3 ] && [ "$(grep '^finding: ' <<<"$said" | cut -d: -f2)" = ' materialized view public.attacked' ] ||
        fail "prove: exit code $status, of the drill server: $(cat drills.log)"
    [[ $said == *$'\nholds: the attack ran, and nothing of it succeeded (ran)\n'*$'\nsound\n'* ]] ||
        fail 'no drill was sound, or the attack succeeded'
    podman stop --time 10 lifeboat-test-drills >/dev/null
}

# ---------------------------------------------------------------- all of it

# shellcheck disable=SC2329 # called by the trap
end() {
    local status=$?
    set +e
    [ -z "${SERVED_BY:-}" ] || kill "$SERVED_BY"
    podman rm --force --ignore lifeboat-test-{rights,nightly,prove,drills} >/dev/null 2>&1
    podman volume rm --force lifeboat-test-drill >/dev/null 2>&1
    rm -rf "$STATE/program" "$STATE/storage" "$RUNNING"
    (exit "$status")
    finish
}

mkdir -p "$STATE"
printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
    "${STORAGE_DRIVER:-overlay}" "$STATE/storage" "$RUNNING" >"$CONTAINERS_STORAGE_CONF"
need buildah buildah --version
need podman podman --version
need runc runc --version
archive=(target/packages/lifeboat-*.tar.gz)
[ -e "${archive[0]}" ] || bash deploy/release/build.sh
mkdir -p "$STATE/program"
tar --extract --gzip --strip-components 1 --directory "$STATE/program" --file "${archive[0]}"
export LIFEBOAT_BIN=$STATE/program/lifeboat
headline 'The image'
build_image
begin "$@"
trap end EXIT
rights
begin_accounts
load_database
end_accounts
serve_credentials
initialise
plant
nightly
prove
imitation_knew_all
say "passed in $(since "$BEGAN") s"
