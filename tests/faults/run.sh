#!/usr/bin/env bash
# Injects faults for as long as it is told to, place by place in turn, in chunks of seeds, and prints what came of them.
# A run goes on where an earlier one stopped.
#
#   tests/faults/run.sh --minutes M [--seed S] [--only PLACE,...]
#   tests/faults/run.sh --table       what came of all runs so far
#
#   --seed S        the first seed, 1 unless told
#   --only PLACES   these, with commas between them
#
# Each chunk leaves one line in target/faults/PLACE.txt (seed+cases, commit, result, seconds), what its tests counted in
# PLACE.figures, and its output beside them where it failed. A chunk that has a line is not run again, and one whose line
# is deleted is not counted any more. Of a place with a number of cases no more are run; the others begin again after
# some thousands, at other moments.
# Servers run already where LIFEBOAT_TEST_PG15 is set; else they are installed, started and stopped.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly SERVERS=deploy/local/servers.sh RESULTS=target/faults
. tests/chunks.sh

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# Name, cases of a chunk, how many there are in all (- where that depends on the machine), which tests, and whether they
# need servers.
places() {
    cat <<'END'
bytes 20000 1061250 faults::bytes:: -
requests 500 - faults::requests::of_commands_ -
exports 100 - faults::requests::of_exports servers
protocol 100 - faults::protocol:: servers
files 800 - faults::files::scenes:: -
stored 40 - faults::files::with_server:: servers
processes 400 - faults::processes::a_command -
killed 40 - faults::processes::what_was servers
statements 40 - faults::processes::an_export_killed_at_any_statement servers
killing 40 - faults::processes::an_export_killed_at_any_request servers
restores 60 - killed::a_restore_ servers
sessions 40 - faults::moments::a_terminated servers
clocks 60 - faults::moments::clocks:: servers
definitions 20 - faults::moments::definitions servers
calls 20 - faults::calls:: servers
END
}

# field PLACE NUMBER
field() {
    places | awk -v place="$1" -v number="$2" '$1 == place { print $number }'
}

# next_seed PLACE: the first seed of a chunk that has no line; nothing where all are done
next_seed() {
    local name=$1 size all seed
    size=$(field "$name" 2) all=$(field "$name" 3)
    for ((seed = first; ; seed += size)); do
        if [ "$all" != - ] && [ $((seed - first)) -ge "$all" ]; then return 0; fi
        if ! is_done "$name" "$seed" "$size"; then
            echo "$seed"
            return 0
        fi
    done
}

# one_chunk PLACE: whether there was one left
one_chunk() {
    local name=$1 seed size tests
    seed=$(next_seed "$name")
    [ -n "$seed" ] || return 1
    size=$(field "$name" 2) tests=$(field "$name" 4)
    run_chunk "$name" "$seed" "$size" env "LIFEBOAT_FAULTS_CASES=$size" "LIFEBOAT_FAULTS_SEED=$seed" \
        cargo test --locked --test all "$tests" -- --include-ignored --nocapture
}

# In turn, so that a short run has something of each.
run_for() {
    local until=$((SECONDS + $1 * 60)) name left=1
    while [ "$left" = 1 ]; do
        left=0
        for name in "${chosen[@]}"; do
            [ "$SECONDS" -lt "$until" ] || return 0
            if one_chunk "$name"; then left=1; fi
        done
    done
}

table() {
    local name
    echo '| place | fault | injected | failed cleanly | retried to success | false successes |'
    echo '|---|---|---:|---:|---:|---:|'
    for name in $(places | cut -d' ' -f1); do
        [ -e "$RESULTS/$name.figures" ] && [ -e "$RESULTS/$name.txt" ] || continue
        awk 'NR == FNR { has[$1]; next } $1 in has && sub(/^[^ ]+ LIFEBOAT_FAULTS /, "")' \
            "$RESULTS/$name.txt" "$RESULTS/$name.figures"
    done | awk -F'|' '
        { key = $1 " | " $2; if (!(key in injected)) order[++keys] = key }
        { injected[key] += $3; clean[key] += $4; retried[key] += $5; lies[key] += $6 }
        { all += $3; all_clean += $4; all_retried += $5; all_lies += $6 }
        END {
            for (number = 1; number <= keys; number++) {
                key = order[number]
                printf "| %s | %d | %d | %d | %d |\n", key, injected[key], clean[key], retried[key], lies[key]
            }
            printf "| all | | %d | %d | %d | %d |\n", all, all_clean, all_retried, all_lies
        }'
    echo
    for name in $(places | cut -d' ' -f1); do
        [ -e "$RESULTS/$name.txt" ] || continue
        awk -v name="$name" -F'[+ ]' '
            NR == 1 || $1 < from { from = $1 }
            $1 + $2 > to { to = $1 + $2 }
            $4 == "FAILED" { failed++ }
            END {
                printf "%s: seeds %d to %d", name, from, to - 1
                if (failed) printf ", with %d chunks that failed", failed
                printf "\n"
            }
        ' "$RESULTS/$name.txt"
    done
}

minutes='' first=1 only=$(places | cut -d' ' -f1 | paste -sd,)
while [ $# -gt 0 ]; do
    case $1 in
        --table) table && exit 0 ;;
        --minutes) minutes=${2:?} && shift 2 ;;
        --seed) first=${2:?} && shift 2 ;;
        --only) only=${2:?} && shift 2 ;;
        *) usage ;;
    esac
done
[[ $minutes =~ ^[0-9]+$ && $first =~ ^[0-9]+$ ]] || usage
IFS=, read -ra chosen <<<"$only"
needs_servers=''
for name in "${chosen[@]}"; do
    [ -n "$(field "$name" 1)" ] || { echo "$0: there is no place $name" >&2 && exit 2; }
    [ "$(field "$name" 5)" = - ] || needs_servers=1
done

mkdir -p "$RESULTS"
[ -z "$needs_servers" ] || start_servers
run_for "$minutes"
table
! grep -qs ' FAILED ' "$RESULTS"/*.txt
