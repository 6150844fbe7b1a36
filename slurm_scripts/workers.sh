# shellcheck shell=bash
# Runs a program as the tasks of a job step, and judges by the exit code of each. Sourced after common.sh.

run_workers() { # checkpoint directory, program, its arguments; sets EXIT_CODE and STOPPED_BY
    local run=$1 before
    shift
    # Where all nodes see it.
    WORKERS_DIR=$PROJECT/slurm_outputs/.workers-$SLURM_JOB_ID
    rm -rf "$WORKERS_DIR"
    mkdir -p "$WORKERS_DIR"
    before=$(saved_state "$run")
    skip_old_steps
    # Block: tasks are numbered node by node, as training/devices.py expects it. srun alone does not know of sbatch's
    # --cpus-per-task. A worker that waits for one that is lost would do so for long: the first that ends ends all.
    run_stoppable USR1 srun --distribution=block --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --kill-on-bad-exit=1 \
        slurm_scripts/worker.sh "$WORKERS_DIR" "$@"
    judge
    rm -rf "$WORKERS_DIR"
    if [ -n "$WORKER_LOST" ] && [ "$EXIT_CODE" -eq "$EX_TEMPFAIL" ] && [ -z "$STOPPED_BY" ]; then
        echo "== $(date '+%F %T') a worker was lost"
        if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && [ "$(saved_state "$run")" = "$before" ]; then
            say "nothing was saved since the last start either; the cause is not that a node was lost. See the log above." >&2
            EXIT_CODE=1
        fi
    fi
}

skip_old_steps() {
    # The steps of a job that was queued again are numbered from 0 anew: what Slurm still has to tell an old one would reach
    # the new one of that number, and has done so.
    local start
    for ((start = 0; start < ${SLURM_RESTART_COUNT:-0}; start++)); do
        srun --nodes=1 --ntasks=1 --quiet true || true
    done
}

saved_state() { # checkpoint directory: the newest checkpoint that the run goes on from; nothing before there is one
    [ ! -f "$1/training_state.json" ] || sed -n 's/^ *"checkpoint": "\(.*\)".*/\1/p' "$1/training_state.json"
}

judge() { # sets EXIT_CODE: an error of a worker's own, or 75 if one was stopped or lost, or 0; and WORKER_LOST
    local task code stopped=''
    WORKER_LOST=''
    for ((task = 0; task < SLURM_NTASKS; task++)); do
        code=$(cat "$WORKERS_DIR/$task.code" 2>/dev/null) || code=lost
        case $code in
            0) ;;
            "$EX_TEMPFAIL") stopped=yes ;;
            lost | 1[3-9][0-9] | 12[89]) WORKER_LOST=yes ;;
            *)
                EXIT_CODE=$code
                return
                ;;
        esac
    done
    EXIT_CODE=0
    [ -z "$stopped$WORKER_LOST" ] || EXIT_CODE=$EX_TEMPFAIL
}

# In the place of requeue.sh's: Slurm's SIGTERM reaches the tasks by itself, the SIGUSR1 of the time limit this shell alone.
pass_on() { # pid of srun, signal
    trap '' USR1 TERM
    [ "$STOPPED_BY" = USR1 ] || return 0
    while kill -0 "$1" 2>/dev/null && [ "$(find "$WORKERS_DIR" -name '*.started' | wc -l)" -lt "$SLURM_NTASKS" ]; do
        sleep 0.5
    done
    # Without --batch it is for the steps.
    scancel --signal="$2" "$SLURM_JOB_ID"
}
