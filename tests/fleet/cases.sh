# shellcheck shell=bash
# Sourced by run.sh: the cases, in the order of CASES. Each is a function; what it prints is the end of its line.

# ---------------------------------------------------------------- what holds after each

# judged RUN CODE [JUDGE'S OPTIONS]: the collector ends with the code and says what is; every point of the run verifies.
judged() {
    local run=$1 code=$2 points wrong
    exits "$code" lifeboat nightly --collect --run "$run" --json --quiet >"$SAID/collected.json"
    exits 0 lifeboat list --all --json --quiet >"$SAID/list.json"
    points=$(python3 tests/fleet/judge.py "$SAID" "$REPOSITORY/runs/export/$run" --databases "$STATE/databases" \
        --code "$code" "${@:3}" 2>"$SAID/judged.log") || {
        wrong=$(<"$SAID/judged.log")
        fail "run $run: $wrong"
    }
    echo "$points" | clean xargs -P 4 -I ID "$LIFEBOAT_BIN" verify ID --data --quiet \
        --identity "$STATE/offline/break-glass.key" >"$SAID/verify.log" 2>&1 ||
        fail "run $run: a point does not verify: $(<"$SAID/verify.log")"
}

points_stored() { find "$REPOSITORY/manifests" -name '*.json' | wc -l; }

# nothing_stored_since NUMBER
nothing_stored_since() {
    local now
    now=$(points_stored)
    [ "$now" = "$1" ] || fail "$((now - $1)) points were stored"
}

# all_said TEXT: every task's document or log holds it.
all_said() {
    local file
    for file in "$SAID"/[0-9]*-[0-9]*.json; do
        grep -q -- "$1" "$file" || fail "$file does not say '$1': $(head -c 1000 "$file")"
    done
}

# plan RUN: lines of database and shard, of a run that is not over; asks the collector, which then tells nobody.
plan() {
    exits 3 lifeboat nightly --collect --run "$1" --json --quiet >"$SAID/plan.json"
    python3 - "$SAID/plan.json" <<'PYTHON'
import json, sys
collected = json.load(open(sys.argv[1]))["result"]["steps"][0]["result"]
for one in collected["databases"]:
    print(f"{one['source']}/{one['database']} {one['shard']}")
PYTHON
}

# ---------------------------------------------------------------- by hand

# shard INDEX SHARDS RUN: as an engine that lifeboat does not know starts it.
shard() { clean LIFEBOAT_INDEX="$1" LIFEBOAT_SHARDS="$2" LIFEBOAT_RUN="$3" "$LIFEBOAT_BIN" nightly --json --quiet; }

# as_slurm INDEX SHARDS JOB: with the variables of an array's task.
as_slurm() {
    clean SLURM_ARRAY_TASK_ID="$1" SLURM_ARRAY_TASK_COUNT="$2" SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=$(($2 - 1)) \
        SLURM_ARRAY_TASK_STEP=1 SLURM_ARRAY_JOB_ID="$3" LIFEBOAT_SHARDS="$2" "$LIFEBOAT_BIN" nightly --json --quiet
}

# at_once HOW SHARDS RUN: all of them, behind a gate that opens when all stand there; every one ends well.
at_once() {
    local how=$1 shards=$2 run=$3 index pids=() pid gate=$STATE/gate
    exec 8>"$gate"
    flock 8
    for ((index = 0; index < shards; index++)); do
        (
            exec 8>&-
            touch "$SAID/waits-$index"
            flock --shared "$gate" true
            "$how" "$index" "$shards" "$run" >"$SAID/$index-0.json" 2>"$SAID/$index-0.log"
        ) &
        pids+=($!)
    done
    within 30 'shards at the gate' all_wait "$shards"
    flock --unlock 8
    exec 8>&-
    for index in "${!pids[@]}"; do
        pid=${pids[$index]}
        wait "$pid" || fail "shard $index of run $run ended with $?: $(head -c 1000 "$SAID/$index-0.json")"
    done
    rm "$SAID"/waits-*
}

all_wait() { [ "$(find "$SAID" -name 'waits-*' | wc -l)" = "$1" ]; }

# ---------------------------------------------------------------- the cases

array() {
    local job collector
    job=$(submit 0-5 6)
    collector=$(submit_collector "$job")
    collector_ended "$collector"
    all_ended "$job" 6 COMPLETED 0
    judged "$job" 0 --shards 6 --once
    echo "array $job of 6: 24 databases, one point each; the last shard told it, the collector agrees"
}

# array_held_at SOURCE/DATABASE [collected]: an array whose tasks have ended but the one that exports this database, and
# `release` lets it. Sets JOB, TASK and NODE, and COLLECTOR where one is to follow.
array_held_at() {
    hold "$1"
    JOB=$(submit 0-5 6)
    [ "${2:-}" != collected ] || COLLECTOR=$(submit_collector "$JOB")
    wait_until_held "$1" 1
    TASK=$(plan "$JOB" | sed -n "s#^$1 ##p")
    within 120 "the end of all tasks of array $JOB but one" only_runs "$JOB" "$TASK"
    NODE=$(running_tasks "$JOB" | cut -d' ' -f2)
}

only_runs() { [ "$(clean squeue -h -r -j "$1" -o %K)" = "$2" ]; }

# task_again_ended JOB TASK: every task well, and no other was started again.
task_again_ended() {
    wait_for_array "$1"
    all_ended "$1" 6 COMPLETED 0
    only_again "$1" "$2"
}

# It exports its last database.
lost_at_work() {
    array_held_at b/d11 collected
    lose_node "$NODE"
    release b/d11
    collector_ended "$COLLECTOR"
    task_again_ended "$JOB" "$TASK"
    judged "$JOB" 0 --shards 6
    grep -q '"done_before":\["' "$SAID/$TASK-1.json" || fail "task $TASK began from nothing when it was started again"
    start_nodes "$NODE"
    echo "$NODE lost while task $TASK exported its last database: started again, it went on; the collector waited"
}

# Both copies have the same list of what is to be done: the first one has done nothing yet.
cut_off() {
    local copy
    array_held_at a/d00
    cut_off_node "$NODE"
    wait_until_held a/d00 2
    release a/d00
    task_again_ended "$JOB" "$TASK"
    within 120 "the end of the first copy on $NODE" is_empty "$NODE"
    for copy in 0 1; do
        grep -q '"exit_code":0,"ok":true' "$SAID/$TASK-$copy.json" || fail "copy $copy of task $TASK failed"
    done
    judged "$JOB" 0 --shards 6 --twice "$TASK"
    start_nodes "$NODE"
    echo "$NODE cut off, where task $TASK went on beside its second copy: both well, two whole points of its databases"
}

# As the cluster takes a node away from a task, for another job or for good: SIGTERM first.
preempted() {
    local said
    array_held_at b/d11
    said=$SAID/$TASK-0.json
    clean scontrol requeue "${JOB}_$TASK"
    within 60 "the end of task $TASK" test -s "$said"
    grep -q '"kind":"interrupted"' "$said" || fail "task $TASK did not end cleanly: $(<"$said")"
    [ ! -e "$REPOSITORY/runs/export/$JOB/$TASK-1.json" ] || fail "task $TASK reported, and is to start again"
    release b/d11
    task_again_ended "$JOB" "$TASK"
    judged "$JOB" 0 --shards 6
    echo "task $TASK ended cleanly, reported nothing, and went on when it was started again"
}

# Nobody starts it again; until --run-hours it may still come.
cancelled() {
    array_held_at a/d00 collected
    clean scancel "${JOB}_$TASK"
    wait_for_array "$COLLECTOR"
    release a/d00
    grep -q '"exit_code":1' "$SAID/job-0.json" || fail "the collector said: $(<"$SAID/job-0.json")"
    judged "$JOB" 1 --shards 6 --ended --unreported "$TASK"
    echo "task $TASK cancelled: the collector says that it never reported, exit code 1"
}

# When so many points of the run are stored, or some more, whatever the node's tasks are doing then. One of them cannot
# have ended.
lost_anywhere() {
    local number moments='' moment
    for number in $LOST_AFTER; do
        moment=$(lost_after "$number")
        moments+="${moments:+; }$moment"
    done
    echo "a node lost after $moments"
}

lost_after() {
    local job task node before stored again=()
    before=$(points_stored)
    new_folder "lost-after-$1"
    hold b/d11
    job=$(submit 0-5 6)
    within 60 'a plan' test -e "$REPOSITORY/runs/export/$job/plan.json"
    task=$(plan "$job" | sed -n 's#^b/d11 ##p')
    within 60 "task $task" runs "$job" "$task"
    node=$(running_tasks "$job" | sed -n "s/^$task //p")
    within 120 "$1 points" points_reach $((before + $1))
    lose_node "$node"
    stored=$(($(points_stored) - before))
    report_down "$node"
    release b/d11
    wait_for_array "$job"
    mapfile -t again < <(ended "$job" | awk '$4 > 0 { print $1 }')
    [[ " ${again[*]} " == *" $task "* ]] || fail "task $task was not started again: $(ended "$job" | paste -sd ';')"
    ended_as_they_may "$job"
    judged "$job" 0 --shards 6
    start_nodes "$node"
    echo "$stored points: tasks ${again[*]} again"
}

runs() { running_tasks "$1" | grep -q "^$2 "; }

points_reach() { [ "$(points_stored)" -ge "$1" ]; }

# ended_as_they_may JOB: well. One that had reported before it was lost is refused when it is started again, where the
# run was told in between.
ended_as_they_may() {
    local task state code restarts
    while read -r task state code restarts; do
        [ "$state $code" != 'COMPLETED 0' ] || continue
        if [ "$restarts" = 0 ] || [ ! -e "$REPOSITORY/runs/export/$1/$task-1.json" ] ||
            ! grep -q 'was collected at' "$SAID/$task-1.json"; then
            fail "task $task, started again $restarts times, ended as $state $code"
        fi
    done < <(ended "$1")
}

together() {
    local round run how
    for ((round = 1; round <= ROUNDS; round++)); do
        new_folder "together-$round"
        if ((round % 2)); then how=shard run=together-$round; else how=as_slurm run=$((900000 + round)); fi
        at_once "$how" 6 "$run"
        judged "$run" 0 --shards 6 --once
    done
    echo "six shards at one moment, $ROUNDS times: one plan, one point of each database, told once"
}

# Both have the same list of what is to be done when the first database of it is free.
two_copies() {
    local database own index first second
    shard 0 6 copies >"$SAID/0-0.json"
    read -r database own < <(plan copies | grep -v ' 0$')
    hold "$database"
    shard "$own" 6 copies >"$SAID/$own-0.json" &
    first=$!
    shard "$own" 6 copies >"$SAID/$own-1.json" &
    second=$!
    wait_until_held "$database" 2
    for index in 1 2 3 4 5; do
        [ "$index" = "$own" ] || shard "$index" 6 copies >"$SAID/$index-0.json"
    done
    release "$database"
    wait "$first" || fail "the first copy ended with $?"
    wait "$second" || fail "the second copy ended with $?"
    judged copies 0 --shards 6 --twice "$own"
    echo "of shard $own: both ended with 0, two whole points of each of its databases, one of all others"
}

other_numbers() {
    local shards job
    for shards in 4 9; do
        new_folder "of-$shards"
        job=$(submit "0-$((shards - 1))" "$shards")
        wait_for_array "$job"
        all_ended "$job" "$shards" COMPLETED 0
        judged "$job" 0 --shards "$shards" --once
    done
    echo 'nights of 4 and of 9 after those of 6'
}

changed_within() {
    local before index
    shard 0 6 changed >"$SAID/0-0.json"
    before=$(points_stored)
    exits 2 shard 1 4 changed >"$SAID/changed.json" 2>"$SAID/changed.log"
    grep -q 'with 6 shards, and this is one of 4' "$SAID/changed.json" ||
        fail "another reason: $(<"$SAID/changed.json")"
    nothing_stored_since "$before"
    judged changed 3 --shards 6 --once --unreported 1 2 3 4 5
    for index in 1 2 3 4 5; do shard "$index" 6 changed >"$SAID/$index-0.json"; done
    judged changed 0 --shards 6 --once
    echo 'shard 1 of 4 in a run of 6: exit code 2, nothing exported; the six then ended well'
}

failing() {
    local job gone task restarted
    gone=$(file_of a/d05 answer)
    sql a/d05 CHECKPOINT
    as_user mv "$gone" "$gone.away"
    sql b/d07 'REVOKE CONNECT ON DATABASE d07 FROM PUBLIC'
    job=$(submit 0-5 6)
    wait_for_array "$job"
    failed_judged "$job"
    # Each time again.
    restarted=$(failed_tasks "$job")
    for task in $restarted; do clean scontrol requeue "${job}_$task"; done
    wait_for_array "$job"
    failed_judged "$job"
    as_user mv "$gone.away" "$gone"
    sql b/d07 'GRANT CONNECT ON DATABASE d07 TO PUBLIC'
    for task in $restarted; do clean scontrol requeue "${job}_$task"; done
    wait_for_array "$job"
    all_ended "$job" 6 COMPLETED 0
    judged "$job" 0 --shards 6
    echo "a/d05 without a file, b/d07 closed: their shards and the collector end with 1, twice; mended, with 0"
}

# file_of SOURCE/DATABASE TABLE
file_of() { sql "$1" "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('$2')"; }

failed_judged() {
    local shards
    judged "$1" 1 --shards 6 --failed a/d05=failed --failed b/d07=denied
    shards=$(grep -o 'the log of shard [0-9]*' "$SAID/collected.json" | cut -d' ' -f5 | sort -nu)
    [ "$shards" = "$(failed_tasks "$1")" ] ||
        fail "other tasks failed than those of the failed databases: $(ended "$1" | paste -sd ';')"
}

# failed_tasks JOB: all others ended well.
failed_tasks() {
    ended "$1" | awk '$2 $3 == "FAILED1" { print $1; next } $2 $3 != "COMPLETED0" { print "otherwise:", $0 }'
}

part_of_array() {
    local before job shards number=0
    before=$(points_stored)
    for shards in '' 1 6; do
        new_folder "array-3-of-${shards:-unsaid}"
        job=$(submit 3 "$shards")
        wait_for_array "$job"
        [ "$(ended "$job")" = '3 FAILED 2 0' ] ||
            fail "--array=3 with LIFEBOAT_SHARDS='$shards' ended as $(ended "$job")"
        [ ! -e "$REPOSITORY/runs/export/$job" ] || fail "--array=3 with LIFEBOAT_SHARDS='$shards' made a plan"
        number=$((number + 1))
    done
    nothing_stored_since "$before"
    # The fourth of the run that is named, and not the first of one.
    new_folder array-3-named
    job=$(submit 3 6 LIFEBOAT_RUN=parts)
    wait_for_array "$job"
    [ "$(ended "$job")" = '3 COMPLETED 0 0' ] || fail "--array=3 of a named run ended as $(ended "$job")"
    job=$(submit 0-2,4-5 6 LIFEBOAT_RUN=parts)
    wait_for_array "$job"
    judged parts 0 --shards 6 --once
    echo "--array=3 alone, $number ways: exit code 2, no plan; of a named run it is shard 3"
}

used_again() {
    local before job
    before=$(points_stored)
    forget_jobs
    job=$(submit 0-5 6)
    [ -e "$REPOSITORY/runs/export/$job/collected.json" ] ||
        fail "no earlier array has the id $job: does the case \`array\` come first?"
    wait_for_array "$job"
    all_ended "$job" 6 FAILED 1
    all_said 'was collected at'
    nothing_stored_since "$before"
    echo "array $job again, after the controller lost its state: all six refused with 1, nothing exported"
}
