#!/usr/bin/env bash
# Runs for hours: tests by seed, in chunks. A run goes on where an earlier one stopped.
#
#   tests/long.sh oracle|random|storm|kill|extract|history|seen|fleet|fleet300|model|packages|image...
#
#   oracle   whole databases as stock tools bring them back   LIFEBOAT_ORACLE_CASES  LIFEBOAT_ORACLE_SEED
#   random   random schemas                                   LIFEBOAT_TEST_CASES    LIFEBOAT_TEST_SEED
#   storm    DDL at random moments of an export               LIFEBOAT_STORM_CASES   LIFEBOAT_STORM_SEED
#   kill     restores killed at each of their statements      LIFEBOAT_KILL_CASES    LIFEBOAT_KILL_SEED
#   extract  every table of a database in every format        LIFEBOAT_EXTRACT_CASES LIFEBOAT_EXTRACT_SEED
#   history  exports that name stored parts again             LIFEBOAT_HISTORY_CASES LIFEBOAT_HISTORY_SEED
#   seen     status, list and report of a fleet               LIFEBOAT_SEEN_CASES
#   fleet    shards under Slurm, started at one moment         LIFEBOAT_FLEET_CASES
#   fleet300 many databases by ten shards, two at a time, and
#            their calls to S3                                LIFEBOAT_FLEET300_CASES
#   model    how long a run takes, predicted and measured     LIFEBOAT_FLEET300_CASES
#   packages what a release consists of, in Debian 12 and 13: once
#   image    the image as ECS and Kubernetes run it: once
#
# CASES: how many, 500 databases, 2,000 schemas, 1,000 exports, 9,000 restores, 100 databases, 2,000 exports,
# 500 databases, 20 starts or 300 databases unless told. SEED: the first, 1 unless told.
# Each chunk leaves one line in target/long/NAME.txt (seed+cases, commit, result, seconds), what its tests say of seeds
# in NAME.figures, and its output beside them where it failed. A chunk that has a line is not run again: delete the
# line, or the folder.
# Servers run already where LIFEBOAT_TEST_PG15 is set; else they are installed, started and stopped.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly SERVERS=deploy/local/servers.sh RESULTS=target/long
. tests/chunks.sh

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# settings NAME: variables, cases in all, cases of a chunk, and which tests, or the script that has servers of its own
settings() {
    case $1 in
        oracle) echo 'ORACLE 500 20 oracle::databases_of_' ;;
        random) echo 'TEST 2000 200 random::random_schemas_come_back_equal' ;;
        storm) echo 'STORM 1000 20 storm::' ;;
        kill) echo 'KILL 9000 200 killed::a_restore_' ;;
        extract) echo 'EXTRACT 100 10 extract::generated_databases_' ;;
        history) echo 'HISTORY 2000 40 reuse::histories' ;;
        fleet) echo 'FLEET 20 20 bash tests/fleet/run.sh' ;;
        seen) echo 'SEEN 500 500 seen::what_the_program_says_of_a_fleet' ;;
        fleet300) echo 'FLEET300 300 300 bash tests/fleet/run.sh calls many' ;;
        model) echo 'FLEET300 300 300 bash tests/fleet/run.sh model' ;;
        packages) echo 'PACKAGES 1 1 bash tests/packages/run.sh' ;;
        image) echo 'IMAGE 1 1 bash tests/image/run.sh' ;;
        *) usage ;;
    esac
}

need_servers() {
    local name
    for name in "$@"; do
        [[ $(settings "$name") == *' bash '* ]] || return 0
    done
    return 1
}

# chunk NAME VARIABLES SEED CASES TESTS: one line in the results
chunk() {
    local name=$1 variables=$2 seed=$3 cases=$4 tests=$5
    local command=(cargo test --locked --test all "$tests" -- --include-ignored --nocapture)
    case $tests in 'bash '*) read -ra command <<<"$tests" ;; esac
    run_chunk "$name" "$seed" "$cases" \
        env "LIFEBOAT_${variables}_CASES=$cases" "LIFEBOAT_${variables}_SEED=$seed" "${command[@]}"
}

long() {
    local name=$1 variables cases size tests seed last
    read -r variables cases size tests < <(settings "$name")
    local own_cases=LIFEBOAT_${variables}_CASES own_seed=LIFEBOAT_${variables}_SEED
    seed=${!own_seed:-1}
    last=$((seed + ${!own_cases:-$cases} - 1))
    touch "$RESULTS/$name.txt"
    for (( ; seed <= last; seed += size)); do
        [ $((last - seed + 1)) -ge "$size" ] || size=$((last - seed + 1))
        is_done "$name" "$seed" "$size" || chunk "$name" "$variables" "$seed" "$size" "$tests"
    done
    echo "$name: $(grep -c ' passed ' "$RESULTS/$name.txt" || true) chunks passed," \
        "$(grep -c ' FAILED ' "$RESULTS/$name.txt" || true) failed: $RESULTS/$name.txt"
}

[ $# -gt 0 ] || usage
for name in "$@"; do settings "$name" >/dev/null; done
mkdir -p "$RESULTS"
if need_servers "$@"; then start_servers; fi
status=0
for name in "$@"; do
    long "$name"
    if grep -q ' FAILED ' "$RESULTS/$name.txt"; then status=1; fi
done
exit $status
