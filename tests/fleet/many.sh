# shellcheck shell=bash
# Sourced by run.sh: many databases by hand, ten shards, two at a time. Only on request: it takes minutes.

readonly MANY_SHARDS=10 AT_A_TIME=2

many() {
    local all=${LIFEBOAT_FLEET300_CASES:-300} server began wall
    for server in "$FIRST" "$SECOND"; do add_databases "$server" 12 $((all / 2)); done
    names $((all / 2)) >"$STATE/databases"
    began=$(now)
    two_at_a_time many "$MANY_SHARDS" clean
    wall=$(since "$began")
    judged many 0 --shards "$MANY_SHARDS" --once
    echo "$((all / 2 * 2)) databases by $MANY_SHARDS shards, $AT_A_TIME at a time: $wall s; a shard took" \
        "$(least_and_most 1) s, its largest process $(least_and_most 2) MiB"
}

# two_at_a_time RUN SHARDS WITH [SELECTION...]: all shards of a run; WITH runs a command with a repository's variables.
two_at_a_time() {
    local index running=0
    rm -f "$SAID"/measured-*
    for ((index = 0; index < $2; index++)); do
        if [ "$running" = "$AT_A_TIME" ]; then
            wait -n || fail 'a shard failed'
            running=$((running - 1))
        fi
        "$3" LIFEBOAT_INDEX="$index" LIFEBOAT_SHARDS="$2" LIFEBOAT_RUN="$1" \
            python3 tests/fleet/measure.py "$SAID/measured-$index" "$LIFEBOAT_BIN" nightly --json --quiet "${@:4}" \
            >"$SAID/$index-0.json" 2>"$SAID/$index-0.log" &
        running=$((running + 1))
    done
    for (( ; running > 0; running--)); do wait -n || fail 'a shard failed'; done
}

# least_and_most COLUMN: of what measure.py wrote
least_and_most() {
    cat "$SAID"/measured-* | cut -d' ' -f"$1" | sort -n | sed -n '1p;$p' | paste -sd '-' | sed 's/-/ to /'
}
