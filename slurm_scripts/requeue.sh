# shellcheck shell=bash
# Runs a program that saves when it is told to, and queues the job again if there is more to do.
#
# Who sends what: before the time limit, `--signal=B:USR1@120` reaches only the job's shell, which passes it on. When Slurm
# itself takes the job from its node (pre-emption, scontrol requeue, scancel), it sends SIGTERM to the shell and to the
# program. A second signal ends train.py at once, unsaved, so the shell passes one on only to a program that has not had any:
# one that still catches it.

EX_TEMPFAIL=75
STOPPED_BY=''
EXIT_CODE=0

catches() { # pid, signal: whether the process handles it itself
    local mask
    mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) && [ -n "$mask" ] || return 1
    (((16#$mask >> ($(kill -l "$2") - 1)) & 1))
}

pass_on() { # pid, signal; returns once it was sent, or once the process has ended
    # Slurm's SIGTERM reaches this process too; it must not leave a stopped program behind.
    trap '' USR1 TERM
    # Stopped, so that the program cannot take Slurm's signal between the look and the sending. Until it has got so far
    # that it catches the signal, it is left alone.
    while kill -s STOP "$1" 2>/dev/null; do
        if catches "$1" "$2"; then
            kill -s "$2" "$1" 2>/dev/null
            kill -s CONT "$1" 2>/dev/null
            return
        fi
        kill -s CONT "$1" 2>/dev/null
        sleep 0.5
    done
}

run_stoppable() { # signal that the program takes as "save and end", program, its arguments; sets EXIT_CODE and STOPPED_BY
    local signal=$1 child='' interrupted=''
    shift
    if [ -n "$STOPPED_BY" ]; then
        EXIT_CODE=$EX_TEMPFAIL
        return
    fi
    # In the trap, because `wait` does not notice a signal that comes just before it.
    trap 'note_signal USR1' USR1
    trap 'note_signal TERM' TERM
    "$@" &
    child=$!
    if [ -n "$interrupted" ]; then pass_on "$child" "$signal" & fi
    while :; do
        interrupted=''
        EXIT_CODE=0
        wait "$child" || EXIT_CODE=$?
        # A trap makes `wait` return although the program still runs.
        [ -n "$interrupted" ] || break
    done
    # The end of the time is no matter any more.
    trap '' USR1
    trap - TERM
}

note_signal() { # of start_job, and of run_stoppable, whose variables it sees
    interrupted=yes
    [ -z "$STOPPED_BY" ] || return 0
    STOPPED_BY=$1
    echo "== $(date '+%F %T') got SIG$1: the program is to save and end"
    if [ -n "${child:-}" ]; then pass_on "$child" "$signal" & fi
}

job_state() { # as Slurm sees it: RUNNING, COMPLETING, CANCELLED, ...
    scontrol show job -o "$1" 2>/dev/null | sed -n '1s/.* JobState=\([A-Z_]*\).*/\1/p'
}

is_to_be_continued() { # "once": 0 is the end; "always": a program that ends when told is to be started again
    [ "$EXIT_CODE" -eq "$EX_TEMPFAIL" ] && return
    [ -n "$STOPPED_BY" ] || return
    [ "$1" = always ] && return
    # Killed by the signal before it could catch it: nothing was lost.
    [ "$EXIT_CODE" -eq 138 ] || [ "$EXIT_CODE" -eq 143 ]
}

end_or_requeue() { # once | always; ends the script with the program's own exit code
    local job=${SLURM_JOB_ID:-} state restarts=${SLURM_RESTART_COUNT:-0}
    if [ -n "${SLURM_ARRAY_JOB_ID:-}" ]; then job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID; fi
    if [ "$EXIT_CODE" -eq 137 ] && [ -z "$STOPPED_BY" ]; then
        # Slurm's own SIGKILL ends this shell too.
        echo "== the program was killed (SIGKILL), as the kernel does where memory is short: MEMORY is ${MEMORY:-not set}"
    fi
    if [ -z "$job" ] || ! is_to_be_continued "$1"; then
        echo "== $(date '+%F %T') ended with exit code $EXIT_CODE"
        exit "$EXIT_CODE"
    fi
    state=$(job_state "$job")
    if [ "$state" != RUNNING ]; then
        # scancel, or Slurm has queued it again already.
        echo "== $(date '+%F %T') Slurm took the job (${state:-it does not answer}); exit code $EXIT_CODE"
    elif [ "$restarts" -ge "$MAX_REQUEUES" ]; then
        echo "== $(date '+%F %T') started again $restarts times; MAX_REQUEUES is $MAX_REQUEUES. Submit it again to go on."
        exit "$EX_TEMPFAIL"
    elif scontrol requeue "$job"; then
        echo "== $(date '+%F %T') queued again"
    else
        echo "== $(date '+%F %T') scontrol requeue failed. Submit it again to go on." >&2
        exit "$EX_TEMPFAIL"
    fi
    exit "$EXIT_CODE"
}
