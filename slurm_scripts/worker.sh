#!/usr/bin/env bash
# One task of a job step: runs a program and leaves its exit code where workers.sh looks for it.
#
#     worker.sh FOLDER PROGRAM [ARGUMENTS]
set -u
folder=$1
shift

# Slurm's signals reach this shell and the program alike; the program saves and ends, the shell waits for it.
interrupted=''
trap 'interrupted=yes' USR1 TERM
"$@" &
child=$!
touch "$folder/$SLURM_PROCID.started"
while :; do
    interrupted=''
    code=0
    wait "$child" || code=$?
    # A trap makes `wait` return although the program still runs.
    [ -n "$interrupted" ] || break
done
echo "$code" >"$folder/$SLURM_PROCID.new"
mv "$folder/$SLURM_PROCID.new" "$folder/$SLURM_PROCID.code"
exit "$code"
