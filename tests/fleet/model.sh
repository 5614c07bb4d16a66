# shellcheck shell=bash
# Sourced by run.sh: the model of model.py, calibrated on runs of one shard and checked against two others. Only on
# request: it takes minutes, and is worth something only where little else runs.

readonly SAMPLES=$STATE/samples
# MB of rows of big0, big1, …, on each server. The first one alone calibrates; it is in no run that is predicted.
readonly BIG=(100 50 60 80 90)

model() {
    local all=${LIFEBOAT_FLEET300_CASES:-300} server
    mkdir -p "$SAMPLES"
    for server in "$FIRST" "$SECOND"; do make_big_databases "$server"; done
    # In the first round the programs' files are read from disk: it is thrown away.
    each_of_rounds calibrate
    sample point-big 4 --database big1 --database big2 --database big3 --database big4
    for server in "$FIRST" "$SECOND"; do add_databases "$server" 12 $((all / 2)); done
    sample point-many "$MANY_SHARDS" --database 'd*'
    each_of_rounds calibrate_late
    python3 tests/fleet/model.py "$SAMPLES" 2>"$SAID/judged.log" || fail "$(<"$SAID/judged.log")"
}

# each_of_rounds COMMAND: with the number of each
each_of_rounds() {
    local round
    for round in 0 1 2 3; do "$1" "$round"; done
    rm "$SAMPLES"/*-0.json
}

calibrate() {
    sample "tiny-$1" 1 --source a --database d00
    sample "tiny10-$1" 1 --source a --database 'd0*'
    sample "big-$1" 1 --source a --database big0
}

calibrate_late() { sample "late-$1" 1 --source a --database d00; }

# Rows of 100 bytes as text, some of which compress and some do not.
make_big_databases() {
    local number
    for number in "${!BIG[@]}"; do
        psql_on "$1" postgres -c "CREATE DATABASE big$number"
        psql_on "$1" "big$number" -f - <<SQL
CREATE TABLE event (id bigint, at timestamptz, kind text, document jsonb);
INSERT INTO event
    SELECT number, timestamptz '2026-02-01 UTC' + number * interval '1 s', 'kind ' || number % 7,
        jsonb_build_object('key', md5(number::text), 'value', number % 1000)
    FROM generate_series(1, ${BIG[number]} * 10000) AS number;
VACUUM ANALYZE event;
CHECKPOINT;
SQL
    done
}

# sample NAME SHARDS SELECTION...: a run of its own, and what it cost, for model.py.
sample() {
    local planned before
    new_folder "$1"
    planned=$(find "$REPOSITORY" -mindepth 3 -maxdepth 3 -path '*/manifests/*' | wc -l)
    before=$(machine)
    two_at_a_time "$1" "$2" clean "${@:3}"
    python3 tests/fleet/sample.py "$SAID" "$before" "$(machine)" "$AT_A_TIME" "$planned" >"$SAMPLES/$1.json"
}

machine() { python3 tests/fleet/machine.py "$(postmaster "$FIRST")" "$(postmaster "$SECOND")"; }

postmaster() { head -n 1 "$(psql_on "$1" postgres -c 'SHOW data_directory')/postmaster.pid"; }
