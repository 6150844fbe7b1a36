#!/usr/bin/env bash
# Ends what slurm_up.sh started, each by the pid in its file, and removes what it wrote.
set -uo pipefail

DIR=${SLURM_TEST_DIR:-/var/lib/slurm-test}
MARK='# written by tests/slurm/slurm_up.sh'

stop() { # pid file, name of the program
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    rm -f "$1"
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2"* ]] || return 0
    kill "$pid"
    for _ in $(seq 100); do [ -d "/proc/$pid" ] || return 0; sleep 0.1; done
    kill -9 "$pid"
}

if [ -s "$DIR/run/slurmctld.pid" ]; then
    scancel --full --user "$(id -un)" >/dev/null 2>&1
    for _ in $(seq 100); do [ -n "$(squeue -h -t R,CG 2>/dev/null)" ] || break; sleep 0.2; done
fi
stop "$DIR/run/slurmd.pid" slurmd
stop "$DIR/run/slurmctld.pid" slurmctld
stop "$DIR/run/munged.pid" munged
for name in slurm gres cgroup; do
    if grep -qsxF "$MARK" "/etc/slurm/$name.conf"; then rm -f "/etc/slurm/$name.conf"; fi
done
rm -rf "${DIR:?}"/{state,spool,run,dev,gres}
exit 0
