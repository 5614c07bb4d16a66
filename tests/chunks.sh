# shellcheck shell=bash
# Sourced by scripts that run for hours: cases by seed, in chunks that each leave a line. They set RESULTS, the folder of
# the lines, and SERVERS.

# Servers run already where LIFEBOAT_TEST_PG15 is set; else they are installed, started and stopped.
start_servers() {
    [ -z "${LIFEBOAT_TEST_PG15:-}" ] || return 0
    trap '"$SERVERS" stop' EXIT
    "$SERVERS" install
    "$SERVERS" start
    local environment
    environment=$("$SERVERS" env)
    eval "$environment"
}

# is_done NAME SEED CASES: whether a chunk has its line
is_done() {
    [ -e "$RESULTS/$1.txt" ] && grep -q "^$2+$3 " "$RESULTS/$1.txt"
}

# run_chunk NAME SEED CASES COMMAND...: one line in NAME.txt (seed+cases, commit, result, seconds), what the tests say
# of seeds in NAME.figures, each line behind its chunk, and their output beside them where they failed. Tests that did
# not run leave nothing and end the script.
run_chunk() {
    local name=$1 seed=$2 cases=$3 began=$SECONDS result=passed log=$RESULTS/$1-$2.log
    shift 3
    "$@" >"$log" 2>&1 || result=FAILED
    # No test of that name, and what does not compile, is no result.
    if [[ " $* " == *' cargo test '* ]] && ! grep -qE '^test result: (ok. [1-9]|FAILED)' "$log"; then
        echo "$0: no test ran: $*: $log" >&2
        exit 2
    fi
    sed -nE "/^(LIFEBOAT_|seed |[a-z_]+ [0-9.]+ s: )/s/^/$seed+$cases /p" "$log" >>"$RESULTS/$name.figures"
    printf '%s+%s %s %s %s s\n' "$seed" "$cases" "$(git rev-parse --short HEAD)" "$result" $((SECONDS - began)) |
        tee -a "$RESULTS/$name.txt"
    [ "$result" = FAILED ] || rm "$log"
}
