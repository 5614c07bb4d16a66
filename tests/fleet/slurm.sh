# shellcheck shell=bash
# Sourced by run.sh: a cluster of Slurm from Debian on this machine, as a user without power. One slurmctld, three
# slurmd, each a node that takes two tasks.

readonly SLURM=$STATE/slurm
readonly NODES=(node0 node1 node2)

# ---------------------------------------------------------------- install, start, stop

install_slurm() {
    local package missing=() as_root=()
    for package in slurmctld slurmd slurm-client munge; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    echo "tests/fleet/run.sh: apt-get install ${missing[*]}" >&2
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >"$STATE/apt.log"
}

free_port() {
    local port=$1
    while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    printf '%s' "$port"
}

# A node that is lost is told after SlurmdTimeout, and its tasks start again after cred_expire: minutes in a real
# cluster, seconds here. Each node's log lies in its own folder, which is therefore the working folder of its processes.
write_slurm_conf() {
    local node port
    port=$(free_port 16817)
    cat <<CONF
ClusterName=fleet
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$FLEET_USER
SlurmdUser=$FLEET_USER
AuthInfo=socket=$SLURM/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
ReturnToService=2
SlurmdTimeout=3
KillWait=2
MessageTimeout=4
MinJobAge=86400
StateSaveLocation=$SLURM/state
SlurmdSpoolDir=$SLURM/%n/spool
SlurmctldPidFile=$SLURM/slurmctld.pid
SlurmdPidFile=$SLURM/%n/slurmd.pid
SlurmctldLogFile=$SLURM/slurmctld.log
SlurmdLogFile=$SLURM/%n/slurmd.log
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    for node in "${NODES[@]}"; do
        port=$(free_port $((port + 1)))
        echo "NodeName=$node NodeHostname=localhost NodeAddr=127.0.0.1 Port=$port CPUs=4 RealMemory=8192 State=UNKNOWN"
    done
}

# daemon PROGRAM ARGUMENTS...: each goes into the background itself once it works.
daemon() {
    (cd "$SLURM" && clean PATH="/usr/sbin:$PATH" "$@") >>"$SLURM/start.log" 2>&1 ||
        fail "$1 did not start: $SLURM/start.log"
}

start_slurm() {
    # Names of unix sockets end at 107 bytes.
    [ ${#SLURM} -le 90 ] || fail "$SLURM is too long a name for a socket's folder: set LIFEBOAT_FLEET to another one"
    as_user mkdir -p "$SLURM" "${NODES[@]/#/$SLURM/}"
    write_slurm_conf | as_user tee "$SLURM/slurm.conf" >/dev/null
    head -c 1024 /dev/urandom | as_user sh -c 'umask 077; cat >"$0"' "$SLURM/munge.key"
    daemon munged --socket="$SLURM/munge.socket" --key-file="$SLURM/munge.key" --pid-file="$SLURM/munged.pid" \
        --log-file="$SLURM/munged.log" --seed-file="$SLURM/munge.seed" --num-threads=2
    daemon slurmctld
    start_nodes "${NODES[@]}"
}

start_nodes() {
    local node
    for node in "$@"; do daemon slurmd -N "$node"; done
    within 60 'nodes that are idle' nodes_are_idle
}

nodes_are_idle() { [ "$(clean sinfo -h -N -t idle -o '%N %T' | grep -c ' idle$')" = ${#NODES[@]} ]; }

# A controller that lost its state: it counts jobs from 1 again.
forget_jobs() {
    end_processes "$(<"$SLURM/slurmctld.pid")" || fail 'slurmctld does not end'
    as_user rm -rf "$SLURM/state"
    daemon slurmctld
    within 60 'nodes that are idle' nodes_are_idle
}

stop_slurm() {
    local own all
    mapfile -t own < <(processes_in "$SLURM" && munged_process)
    [ ${#own[@]} -gt 0 ] || return 0
    mapfile -t all < <(with_children "${own[@]}")
    end_processes "${all[@]}"
}

# ---------------------------------------------------------------- processes

# processes_in FOLDER: whose working folder it is, or lies below it; what has ended and was not waited for has none.
processes_in() {
    { find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null || true; } | cut -d/ -f3
}

# Its working folder is /; and its number may have been given away since.
munged_process() {
    local process
    process=$(cat "$SLURM/munged.pid" 2>/dev/null) || return 0
    ! grep -qs "$SLURM/munge" "/proc/$process/cmdline" || echo "$process"
}

are_gone() {
    local process
    for process in "$@"; do
        ! readlink "/proc/$process/cwd" >/dev/null 2>&1 || return 1
    done
}

# end_processes PROCESS...: a task's keeper does not heed SIGTERM while the task runs.
end_processes() {
    local signal deadline
    for signal in TERM KILL; do
        kill "-$signal" "$@" 2>/dev/null || return 0
        deadline=$((SECONDS + 10))
        until are_gone "$@"; do
            [ "$SECONDS" -lt "$deadline" ] || continue 2
            sleep 0.05
        done
        return 0
    done
    return 1
}

# with_children PROCESS...: parents first.
with_children() {
    local generation=("$@")
    while [ ${#generation[@]} -gt 0 ]; do
        printf '%s\n' "${generation[@]}"
        mapfile -t generation < <(pgrep -P "$(IFS=, && echo "${generation[*]}")")
    done
}

# As by a power cut: slurmd, what it started and what that started, all at once.
lose_node() {
    local own all
    mapfile -t own < <(processes_in "$SLURM/$1")
    [ ${#own[@]} -gt 0 ] || fail "$1 has no processes"
    mapfile -t all < <(with_children "${own[@]}" | awk '!seen[$0]++')
    kill -KILL "${all[@]}" 2>/dev/null || true
    within 30 "the end of $1" are_gone "${all[@]}"
}

# As by a broken network: the controller hears nothing of the node, where tasks go on.
cut_off_node() {
    local slurmd
    slurmd=$(<"$SLURM/$1/slurmd.pid")
    kill -KILL "$slurmd"
    within 30 "the end of slurmd on $1" are_gone "$slurmd"
}

is_empty() { [ -z "$(processes_in "$SLURM/$1")" ]; }

# What whoever watches the machines says of a lost one: the controller then need not find out.
report_down() { clean scontrol update "NodeName=$1" State=DOWN Reason=lost; }

# ---------------------------------------------------------------- arrays

# submit TASKS SHARDS [NAME=value...]: the array's job id. Its environment is only what is named here.
submit() {
    # What its first lines ask to be changed.
    sed "s/^export LIFEBOAT_SHARDS=.*/export LIFEBOAT_SHARDS=$2/" "$SBATCH" |
        as_user tee "$SAID/fleet.sbatch" >/dev/null
    sbatch_as_user "${@:3}" -- --array="$1" --output="$SAID/task-%a.log" "$SAID/fleet.sbatch"
}

# submit_collector JOB: its job id. It starts when all tasks have ended, and not while one is to start again.
submit_collector() {
    sbatch_as_user -- --dependency="afterany:$1" --output="$SAID/collector.log" --ntasks=1 --mem=1G --time=1:00:00 \
        --wrap="exec lifeboat nightly --collect --ended --run $1"
}

# sbatch_as_user [NAME=value...] -- ARGUMENTS...
sbatch_as_user() {
    local variables=()
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    (cd "$STATE" && clean "${variables[@]}" PATH="$STATE/bin:$PATH" FLEET_SAID="$SAID" sbatch --parsable "${@:2}")
}

has_ended() { [ -z "$(clean squeue -h -j "$1" -o %i)" ]; }

wait_for_array() { within "${2:-300}" "the end of array $1" has_ended "$1"; }

# running_tasks JOB: lines of task and node
running_tasks() { clean squeue -h -r -j "$1" -t R -o '%K %N'; }

# ended JOB: lines of task, state, exit code and how often it was started again
ended() {
    local fields='s/.* ArrayTaskId=\([0-9]*\) .* JobState=\([A-Z_]*\) .* Restarts=\([0-9]*\) .* ExitCode=\([0-9]*\):.*'
    clean scontrol -o show job "$1" | sed -n "$fields/\1 \2 \4 \3/p" | sort -n
}

# all_ended JOB TASKS STATE CODE
all_ended() {
    local wanted task
    wanted=$(for ((task = 0; task < $2; task++)); do echo "$task $3 $4"; done)
    [ "$(ended "$1" | cut -d' ' -f1-3)" = "$wanted" ] ||
        fail "the tasks of array $1 ended otherwise than $3 $4: $(ended "$1" | paste -sd ';')"
}

# only_again JOB TASK: no other task was started more than once.
only_again() {
    [ "$(ended "$1" | awk '$4 > 0 { print $1 }')" = "$2" ] ||
        fail "not task $2 alone was started again: $(ended "$1" | paste -sd ';')"
}

# collector_ended JOB: well.
collector_ended() {
    wait_for_array "$1"
    clean scontrol -o show job "$1" | grep -q ' JobState=COMPLETED .* ExitCode=0:0 ' ||
        fail "the collector did not end with 0: $(<"$SAID/collector.log")"
}
