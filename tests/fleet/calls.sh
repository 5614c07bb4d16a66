# shellcheck shell=bash
# Sourced by run.sh: the calls that a run makes to S3, counted by a proxy before Ceph. Only on request: it takes a
# quarter of an hour.

readonly BUCKET_CONFIG=$STATE/bucket/lifeboat.toml COUNTED=$STATE/counted

# Two nights of the 24 databases, then two of all: what a database and a shard cost stays the same.
calls() {
    local all=${LIFEBOAT_FLEET300_CASES:-300} server night nights
    nights=(24-first 24-second "$all-first" "$all-second")
    start_counted_bucket
    for night in "${nights[@]:0:2}"; do counted_night "$night" 12; done
    for server in "$FIRST" "$SECOND"; do add_databases "$server" 12 $((all / 2)); done
    for night in "${nights[@]:2}"; do counted_night "$night" $((all / 2)); done
    python3 tests/fleet/calls.py "$COUNTED" "${nights[@]}" --shards "$MANY_SHARDS" --at-a-time "$AT_A_TIME" \
        2>"$SAID/judged.log" || fail "$(<"$SAID/judged.log")"
}

# The first bucket that servers.sh makes is empty, and nothing else is stored there.
start_counted_bucket() {
    local environment
    "$SERVERS" install rgw
    "$SERVERS" clean rgw
    "$SERVERS" start rgw
    environment=$("$SERVERS" env rgw)
    eval "$environment"
    mkdir -p "$COUNTED"
    python3 tests/fleet/count.py "$COUNTED/port" "$COUNTED/calls" "${LIFEBOAT_TEST_RGW_ENDPOINT##*:}" \
        2>"$COUNTED/count.log" &
    PROXY=$!
    within 10 'a port of count.py' test -s "$COUNTED/port"
    as_user mkdir "$STATE/bucket"
    in_bucket "$LIFEBOAT_BIN" init --repository "s3://$LIFEBOAT_TEST_RGW_BUCKET/counted" --region us-east-1 \
        --endpoint "http://127.0.0.1:$(<"$COUNTED/port")" --config "$BUCKET_CONFIG" >"$STATE/init-bucket.log"
    as_user mkdir "$STATE/bucket/offline"
    as_user mv "$STATE/bucket/break-glass.key" "$STATE/bucket/offline/"
    configure "$BUCKET_CONFIG"
}

# in_bucket COMMAND...: with a right to everything, as `init` takes one; nothing here is about rights.
in_bucket() {
    clean LIFEBOAT_CONFIG="$BUCKET_CONFIG" AWS_ACCESS_KEY_ID="$LIFEBOAT_TEST_RGW_ADMIN_KEY" \
        AWS_SECRET_ACCESS_KEY="$LIFEBOAT_TEST_RGW_ADMIN_SECRET" AWS_EC2_METADATA_DISABLED=true "$@"
}

# counted_night NAME DATABASES: of each source; its calls, and what the collector then says.
counted_night() {
    : >"$COUNTED/calls"
    two_at_a_time "$1" "$MANY_SHARDS" in_bucket
    mv "$COUNTED/calls" "$COUNTED/$1.calls"
    : >"$COUNTED/calls"
    exits 0 in_bucket "$LIFEBOAT_BIN" nightly --collect --run "$1" --json --quiet >"$COUNTED/$1.json"
    names "$2" >"$COUNTED/$1.databases"
}

stop_counting() {
    [ -z "${PROXY:-}" ] || kill "$PROXY" 2>/dev/null || true
    "$SERVERS" stop rgw
}
