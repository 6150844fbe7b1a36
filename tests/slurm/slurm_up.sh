#!/usr/bin/env bash
# Brings up a throw-away Slurm on this machine: Debian, root, no systemd needed. slurm_down.sh ends it.
#
# Nodes node1, node2, ... in the partition gpu, each with its own network namespace, address and host name, as machines have.
# Where namespaces are not allowed it is node1 alone, on loopback. In the partition spare there is one node more, `spare`,
# so that a job there never waits for others.
# A Slurm of ours that runs already is left alone; a configuration that is not ours is not touched.
#   SLURM_TEST_DIR       state, logs and pid files (/var/lib/slurm-test)
#   SLURM_TEST_NODES     of the partition gpu (2)
#   SLURM_TEST_NET       the first three numbers of the nodes' addresses (10.213.77)
#   SLURM_TEST_CPUS      that a node claims to have (16), whatever there is
#   SLURM_TEST_MEMORY    in MB (128000)
#   SLURM_TEST_GPUS      devices that are called GPUs and are none (8); 0 for none
#   SLURM_TEST_FEATURES  for --constraint (a100,v100)
# Exit code 69: there can be none here; 1: what should work did not.
set -euo pipefail

DIR=${SLURM_TEST_DIR:-/var/lib/slurm-test}
NUM_NODES=${SLURM_TEST_NODES:-2}
NET=${SLURM_TEST_NET:-10.213.77}
CPUS=${SLURM_TEST_CPUS:-16}
MEMORY=${SLURM_TEST_MEMORY:-128000}
GPUS=${SLURM_TEST_GPUS:-8}
FEATURES=${SLURM_TEST_FEATURES:-a100,v100}
MARK='# written by tests/slurm/slurm_up.sh'
CONFIG=/etc/slurm/slurm.conf
BRIDGE=slurmtest0
START_LIMIT_S=60
EX_UNAVAILABLE=69
CONTROLLER=$(hostname -s)

say() { echo "slurm_up.sh: $*" >&2; }
refuse() { say "$*"; exit "$EX_UNAVAILABLE"; }

install_packages() {
    command -v slurmctld && command -v slurmd && command -v sbatch && command -v munged && command -v ip && return
    command -v apt-get || refuse 'no Slurm here, and no apt-get to install one'
    # RUNLEVEL=1: the packages' own scripts start no daemon.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    local packages=(slurmctld slurmd slurm-client munge iproute2)
    apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null ||
        { apt-get update -q && apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null; }
}

choose_nodes() { # fills NODES, and HAS_NET: whether each has a network of its own
    local i
    HAS_NET=''
    if [ "$NUM_NODES" -gt 1 ]; then
        if ip netns add slurm_up_probe 2>/dev/null && ip link add "$BRIDGE" type bridge 2>/dev/null; then
            HAS_NET=yes
        else
            say 'no network namespaces here: one node instead of' "$NUM_NODES"
            NUM_NODES=1
        fi
        ip netns del slurm_up_probe 2>/dev/null || true
    fi
    NODES=()
    for ((i = 1; i <= NUM_NODES; i++)); do NODES+=("node$i"); done
    NODES+=(spare)
}

address_of() { # place in NODES
    if [ -n "$HAS_NET" ]; then echo "$NET.$((11 + $1))"; else echo 127.0.0.1; fi
}

make_networks() {
    local i node
    [ -n "$HAS_NET" ] || return 0
    ip addr add "$NET.1/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
    for i in "${!NODES[@]}"; do
        node=${NODES[i]}
        ip netns add "$node"
        echo "$node" >>"$DIR/run/namespaces"
        ip link add "veth$i" type veth peer name eth0 netns "$node"
        ip link set "veth$i" master "$BRIDGE" up
        ip -n "$node" addr add "$(address_of "$i")/24" dev eth0
        ip -n "$node" link set lo up
        ip -n "$node" link set eth0 up
    done
}

name_hosts() {
    local i hosts
    hosts=$(grep -vF "$MARK" /etc/hosts || true)
    # Written in place: it may be mounted.
    {
        printf '%s\n' "$hosts"
        grep -qw "$CONTROLLER" <<<"$hosts" || echo "127.0.0.1 $CONTROLLER $MARK"
        for i in "${!NODES[@]}"; do echo "$(address_of "$i") ${NODES[i]} $MARK"; done
    } >/etc/hosts
}

write_configuration() {
    local gpu i node gres='' node_lines='' host controller_address=127.0.0.1
    if [ -n "$HAS_NET" ]; then controller_address=$NET.1; fi
    for ((gpu = 0; gpu < GPUS; gpu++)); do
        # Twins of /dev/null: Slurm wants a device file for each GPU.
        [ -e "$DIR/dev/gpu$gpu" ] || mknod -m 666 "$DIR/dev/gpu$gpu" c 1 3 || refuse 'cannot make device files here'
        for node in "${NODES[@]}"; do printf 'NodeName=%s Name=gpu File=%s\n' "$node" "$DIR/dev/gpu$gpu"; done
    done >"$DIR/gres"
    if [ "$GPUS" -gt 0 ]; then gres="Gres=gpu:$GPUS"; fi
    for i in "${!NODES[@]}"; do
        node=${NODES[i]}
        host=$CONTROLLER
        if [ -n "$HAS_NET" ]; then host=$node; fi
        node_lines+="NodeName=$node NodeHostname=$host NodeAddr=$(address_of "$i") Port=$((17001 + i)) "
        node_lines+="CPUs=$CPUS RealMemory=$MEMORY $gres Feature=$FEATURES State=UNKNOWN"$'\n'
    done
    { echo "$MARK"; cat "$DIR/gres"; } >/etc/slurm/gres.conf
    printf '%s\nCgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' "$MARK" >/etc/slurm/cgroup.conf
    # cred_expire is also how long a requeued job is held back, 120 s unless given.
    cat >"$CONFIG" <<END
$MARK
ClusterName=test
SlurmctldHost=$CONTROLLER($controller_address)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.%n.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.%n.log
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
MessageTimeout=60
MinJobAge=3600
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=30
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
$(if [ "$GPUS" -gt 0 ]; then echo GresTypes=gpu; fi)
${node_lines}PartitionName=gpu Nodes=$(IFS=,; echo "${NODES[*]:0:NUM_NODES}") Default=YES MaxTime=2-00:00:00 DefaultTime=60 State=UP
PartitionName=spare Nodes=spare MaxTime=2-00:00:00 DefaultTime=60 State=UP
END
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

start_daemons() {
    local node
    slurmctld -c </dev/null
    for node in "${NODES[@]}"; do
        if [ -n "$HAS_NET" ]; then
            # shellcheck disable=SC2016  # for the inner shell
            nsenter --net="/run/netns/$node" unshare --uts sh -c 'hostname "$1" && exec slurmd -N "$1"' sh "$node" </dev/null
        else
            slurmd -N "$node" </dev/null
        fi
    done
}

num_up() { sinfo -h -N -t idle,alloc,mix -o %N 2>/dev/null | sort -u | wc -l; }

[ "$(id -u)" = 0 ] || refuse 'needs root'
[[ $NUM_NODES =~ ^[1-9]$ ]] || refuse "SLURM_TEST_NODES: expected 1 to 9, got '$NUM_NODES'"
if [ -e "$CONFIG" ] && ! grep -qxF "$MARK" "$CONFIG"; then refuse "$CONFIG exists and is not ours"; fi
if is_running "$DIR/run/slurmctld.pid" slurmctld; then exit 0; fi
# What an interrupted start, or a machine that was switched off, may have left.
"$(dirname "${BASH_SOURCE[0]}")/slurm_down.sh"
if pgrep -x slurmctld >/dev/null || pgrep -x slurmd >/dev/null; then refuse 'another Slurm runs here'; fi
install_packages >"${TMPDIR:-/tmp}/slurm_up.apt.log" 2>&1 ||
    { tail -n 20 "${TMPDIR:-/tmp}/slurm_up.apt.log" >&2; refuse 'the packages cannot be installed'; }
choose_nodes
mkdir -p /etc/slurm "$DIR"/{state,log,run,dev}
for node in "${NODES[@]}"; do mkdir -p "$DIR/spool/$node"; done
make_networks
name_hosts
write_configuration
start_munge
start_daemons

give_up=$((SECONDS + START_LIMIT_S))
until [ "$(num_up)" -eq "${#NODES[@]}" ]; do
    if [ "$SECONDS" -ge "$give_up" ]; then tail -n 20 "$DIR"/log/*.log >&2; say 'not all nodes came up'; exit 1; fi
    scontrol update nodename="$(IFS=,; echo "${NODES[*]}")" state=resume >/dev/null 2>&1 || true
    sleep 0.3
done
say "up after $SECONDS s: ${NODES[*]}"
