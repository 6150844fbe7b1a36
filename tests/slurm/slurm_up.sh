#!/usr/bin/env bash
# Brings up a throw-away Slurm of one node on this machine: Debian, root, no systemd needed. slurm_down.sh ends it.
# A Slurm of ours that runs already is left alone; a configuration that is not ours is not touched.
#   SLURM_TEST_DIR       state, logs and pid files (/var/lib/slurm-test)
#   SLURM_TEST_CPUS      that the node claims to have (8), whatever it has
#   SLURM_TEST_MEMORY    in MB (64000)
#   SLURM_TEST_GPUS      devices that are called GPUs and are none (2); 0 for none
#   SLURM_TEST_FEATURES  for --constraint (a100,v100)
set -euo pipefail

DIR=${SLURM_TEST_DIR:-/var/lib/slurm-test}
CPUS=${SLURM_TEST_CPUS:-8}
MEMORY=${SLURM_TEST_MEMORY:-64000}
GPUS=${SLURM_TEST_GPUS:-2}
FEATURES=${SLURM_TEST_FEATURES:-a100,v100}
MARK='# written by tests/slurm/slurm_up.sh'
CONFIG=/etc/slurm/slurm.conf
START_LIMIT_S=60

refuse() { echo "slurm_up.sh: $*" >&2; exit 1; }

install_packages() {
    command -v slurmctld && command -v slurmd && command -v sbatch && command -v munged && return
    command -v apt-get || refuse 'no Slurm here, and no apt-get to install one'
    # RUNLEVEL=1: the packages' own scripts start no daemon.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    local packages=(slurmctld slurmd slurm-client munge)
    apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null ||
        { apt-get update -q && apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null; }
}

write_configuration() {
    mkdir -p /etc/slurm "$DIR"/{state,spool,log,run,dev}
    local gres='' gpu
    for ((gpu = 0; gpu < GPUS; gpu++)); do
        # Twins of /dev/null: Slurm wants a device file for each GPU.
        [ -e "$DIR/dev/gpu$gpu" ] || mknod -m 666 "$DIR/dev/gpu$gpu" c 1 3 || refuse 'cannot make device files here'
        printf 'NodeName=%s Name=gpu File=%s\n' "$NODE" "$DIR/dev/gpu$gpu"
    done >"$DIR/gres"
    if [ "$GPUS" -gt 0 ]; then gres="Gres=gpu:$GPUS"; fi
    { echo "$MARK"; cat "$DIR/gres"; } >/etc/slurm/gres.conf
    printf '%s\nCgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' "$MARK" >/etc/slurm/cgroup.conf
    # cred_expire is also how long a requeued job is held back, 120 s unless given.
    cat >"$CONFIG" <<EOF
$MARK
ClusterName=test
SlurmctldHost=$NODE(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
ReturnToService=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
EnforcePartLimits=ALL
MailProg=/bin/true
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
JobRequeue=1
KillWait=30
MinJobAge=3600
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
$(if [ "$GPUS" -gt 0 ]; then echo GresTypes=gpu; fi)
NodeName=$NODE NodeAddr=127.0.0.1 Port=17001 CPUs=$CPUS RealMemory=$MEMORY $gres Feature=$FEATURES State=UNKNOWN
PartitionName=gpu Nodes=$NODE Default=YES MaxTime=2-00:00:00 DefaultTime=60 State=UP
EOF
}

is_running() { # pid file, name of the program
    local pid
    pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2"* ]]
}

start_munge() {
    if munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1; then return; fi
    if [ ! -s /etc/munge/munge.key ]; then
        (umask 077 && head -c 128 /dev/urandom >/etc/munge/munge.key)
        chown munge: /etc/munge/munge.key
    fi
    install -d -o munge -g munge -m 755 /run/munge
    runuser -u munge -- /usr/sbin/munged </dev/null
    cp /run/munge/munged.pid "$DIR/run/munged.pid"
}

[ "$(id -u)" = 0 ] || refuse 'needs root'
NODE=$(hostname -s)
if [ -e "$CONFIG" ] && ! grep -qxF "$MARK" "$CONFIG"; then refuse "$CONFIG exists and is not ours"; fi
if is_running "$DIR/run/slurmctld.pid" slurmctld && is_running "$DIR/run/slurmd.pid" slurmd; then exit 0; fi
if pgrep -x slurmctld >/dev/null || pgrep -x slurmd >/dev/null; then refuse 'another Slurm runs here'; fi
install_packages >"${TMPDIR:-/tmp}/slurm_up.apt.log" 2>&1 ||
    { tail -n 20 "${TMPDIR:-/tmp}/slurm_up.apt.log" >&2; refuse 'the packages cannot be installed'; }
getent hosts "$NODE" >/dev/null || echo "127.0.0.1 $NODE" >>/etc/hosts
write_configuration
start_munge
is_running "$DIR/run/slurmctld.pid" slurmctld || slurmctld -c </dev/null
is_running "$DIR/run/slurmd.pid" slurmd || slurmd </dev/null

give_up=$((SECONDS + START_LIMIT_S))
until sinfo -h -t idle,alloc,mix -o %N 2>/dev/null | grep -q .; do
    if [ "$SECONDS" -ge "$give_up" ]; then tail -n 20 "$DIR"/log/*.log >&2; refuse 'the node did not come up'; fi
    scontrol update nodename="$NODE" state=resume >/dev/null 2>&1 || true
    sleep 0.3
done
echo "slurm_up.sh: up after $SECONDS s" >&2
