#!/usr/bin/env bash
# Ends what slurm_up.sh started, each by the pid in its file, and removes what it wrote.
set -uo pipefail

DIR=${SLURM_TEST_DIR:-/var/lib/slurm-test}
MARK='# written by tests/slurm/slurm_up.sh'
BRIDGE=slurmtest0

STOPPED=()

stop() { # pid file, name of the program; end_stopped waits for it
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    rm -f "$1"
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2"* ]] || return 0
    kill "$pid"
    STOPPED+=("$pid")
}

end_stopped() {
    local pid
    for pid in ${STOPPED[@]+"${STOPPED[@]}"}; do
        for _ in $(seq 100); do [ -d "/proc/$pid" ] || continue 2; sleep 0.1; done
        kill -9 "$pid"
    done
}

if [ -s "$DIR/run/slurmctld.pid" ]; then
    scancel --full --signal=KILL --user "$(id -un)" >/dev/null 2>&1
    scancel --user "$(id -un)" >/dev/null 2>&1
    for _ in $(seq 100); do [ -n "$(squeue -h -t R,CG 2>/dev/null)" ] || break; sleep 0.2; done
fi
for file in "$DIR"/run/slurmd.*.pid; do stop "$file" slurmd; done
stop "$DIR/run/slurmctld.pid" slurmctld
stop "$DIR/run/munged.pid" munged
end_stopped
if [ -s "$DIR/run/namespaces" ]; then
    while read -r name; do ip netns del "$name" 2>/dev/null; done <"$DIR/run/namespaces"
fi
if [ -e "/sys/class/net/$BRIDGE" ]; then ip link del "$BRIDGE"; fi
for name in slurm gres cgroup; do
    if grep -qsxF "$MARK" "/etc/slurm/$name.conf"; then rm -f "/etc/slurm/$name.conf"; fi
done
if grep -qF "$MARK" /etc/hosts; then
    hosts=$(grep -vF "$MARK" /etc/hosts)
    # Written in place: it may be mounted.
    printf '%s\n' "$hosts" >/etc/hosts
fi
rm -rf "${DIR:?}"/{state,spool,run,dev,gres}
exit 0
