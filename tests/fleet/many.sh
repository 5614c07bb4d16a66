# shellcheck shell=bash
# Sourced by run.sh: many databases by hand, ten shards, two at a time. Only on request: it takes minutes.

readonly MANY_SHARDS=10 AT_A_TIME=2

many() {
    local all=${LIFEBOAT_FLEET300_CASES:-300} server began wall
    for server in "$FIRST" "$SECOND"; do add_databases "$server" 12 $((all / 2)); done
    names $((all / 2)) >"$STATE/databases"
    began=$(now)
    two_at_a_time
    wall=$(since "$began")
    judged many 0 --shards "$MANY_SHARDS" --once
    echo "$((all / 2 * 2)) databases by $MANY_SHARDS shards, $AT_A_TIME at a time: $wall s; a shard took" \
        "$(least_and_most 1) s, its largest process $(least_and_most 2) MiB"
}

two_at_a_time() {
    local index
    for ((index = 0; index < MANY_SHARDS; index++)); do
        if [ "$index" -ge "$AT_A_TIME" ]; then wait -n || fail 'a shard failed'; fi
        clean LIFEBOAT_INDEX="$index" LIFEBOAT_SHARDS="$MANY_SHARDS" LIFEBOAT_RUN=many \
            python3 tests/fleet/measure.py "$SAID/measured-$index" "$LIFEBOAT_BIN" nightly --json --quiet \
            >"$SAID/$index-0.json" 2>"$SAID/$index-0.log" &
    done
    for ((index = 0; index < AT_A_TIME; index++)); do wait -n || fail 'a shard failed'; done
}

# least_and_most COLUMN: of what measure.py wrote
least_and_most() {
    cat "$SAID"/measured-* | cut -d' ' -f"$1" | sort -n | sed -n '1p;$p' | paste -sd '-' | sed 's/-/ to /'
}
