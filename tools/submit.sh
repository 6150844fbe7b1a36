#!/usr/bin/env bash
# Submits a job with the settings of slurm_scripts/cluster.env, checked first, and says where its log is.
#
#     tools/submit.sh [OPTIONS OF SBATCH] NAME [FLAGS OF THE PROGRAM]
#     tools/submit.sh --time=2:00:00 training --dataset_file plates.npz --checkpoint_dir first
#
# NAME: check, dataset, training, training_multinode, evaluation, sweep, server, batch_inference; slurm_scripts/ has one script for each, which
# says what flags it takes. Options of sbatch are written --option=value, and win over cluster.env.
# Exit code: sbatch's; 64: a setting or the command is wrong, and nothing was submitted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=slurm_scripts/common.sh
. slurm_scripts/common.sh

script_of() { # name: its script and the sbatch options that it alone has
    case $1 in
        check) echo check_environment ;;
        dataset) echo make_dataset ;;
        training | evaluation | sweep) echo "run_$1" ;;
        training_multinode | training-multinode) echo run_training_multinode ;;
        server) echo api_server ;;
        batch_inference | batch-inference) echo batch_inference ;;
        *) refuse "expected check, dataset, training, training_multinode, evaluation, sweep, server or batch_inference, got '$1'. Options of sbatch are written --option=value, before the name." ;;
    esac
}

last_index() { # of the job array that this job is; nothing for any other
    local file number
    case $script in
        run_sweep)
            file=$(flag_value --settings_file) || refuse "--settings_file: expected the file with a line for each run."
            number=$("$python" slurm_scripts/sweep.py count "$file") || exit "$EX_USAGE"
            ;;
        batch_inference)
            number=$(flag_value --num_shards) || refuse "--num_shards: expected how many tasks share the folder."
            [[ $number =~ ^[1-9][0-9]*$ ]] || refuse "--num_shards: expected a whole number from 1, got '$number'."
            ;;
        *) return ;;
    esac
    echo $((number - 1))
}

options_of_settings() { # fills OPTIONS
    local gpus=$GRES url
    OPTIONS=(--time="$TIME" --mem="$MEMORY" --cpus-per-task="$CPUS")
    [ -z "$PARTITION" ] || OPTIONS+=(--partition="$PARTITION")
    [ -z "$ACCOUNT" ] || OPTIONS+=(--account="$ACCOUNT")
    [ -z "$CONSTRAINT" ] || OPTIONS+=(--constraint="$CONSTRAINT")
    case $script in
        make_dataset) gpus='' ;;
        batch_inference) if url=$(flag_value --api_url) && [ -n "$url" ]; then gpus=''; fi ;;
        check_environment) OPTIONS[0]=--time=15 ;;
    esac
    # 'none' takes back what the script itself asks for.
    OPTIONS+=(--gres="${gpus:-none}")
    if grep -q '^#SBATCH --signal=' "slurm_scripts/$script.slurm"; then OPTIONS+=(--signal="B:USR1@$SAVE_SECONDS"); fi
}

DATA_SET_JOBS=slurm_outputs/.data_set_jobs

flag_in_data_dir() { # flag: prints its value as the job will take it
    (place_flags "$DATA_DIR" "$1" && flag_value "$1")
}

wait_for_data_set() { # fills OPTIONS: a job runs after the one in the queue that makes its data set
    local file id made=''
    [[ -f $DATA_SET_JOBS && " ${GIVEN[*]-}" != *" --dependency="* ]] || return 0
    file=$(flag_in_data_dir --dataset_file) || return 0
    while IFS=' ' read -r id path; do
        if [ "$path" = "$file" ]; then made=$id; fi
    done <"$DATA_SET_JOBS"
    [ -n "$made" ] && [ -n "$(squeue -h -j "$made" -o %T 2>/dev/null)" ] || return 0
    OPTIONS+=(--dependency="afterok:$made" --kill-on-invalid-dep=yes)
    WAITS_FOR=$made
}

explain() { # what sbatch said: prints which setting to change, and what there is to choose from
    local change='' choices=''
    case $1 in
        *nvalid\ partition* | *nvalid\ Partition*) change="PARTITION ('$PARTITION')" choices="sinfo -h -o %R" ;;
        *nvalid\ account*)
            change="ACCOUNT ('$ACCOUNT') or PARTITION ('$PARTITION')"
            choices="sacctmgr -nP show associations user=$(id -un) format=account,partition"
            ;;
        *nvalid\ feature*) change="CONSTRAINT ('$CONSTRAINT')" choices="sinfo -h -o %f" ;;
        *emory\ specification*) change="MEMORY ('$MEMORY'; below: MB of the nodes)" choices="sinfo -h -o %m" ;;
        *rocessors\ requested* | *CPU\ count*) change="CPUS ('$CPUS')" choices="sinfo -h -o %c" ;;
        *nvalid\ generic\ resource* | *gres*) change="GRES ('$GRES')" choices="sinfo -h -o %G" ;;
        *time\ limit*) change="TIME ('$TIME')" choices="sinfo -h -o %R:%l" ;;
        *node\ configuration*)
            change="PARTITION ('$PARTITION'), GRES ('$GRES'), CONSTRAINT ('$CONSTRAINT'), CPUS ('$CPUS') or MEMORY ('$MEMORY'): no node has all of them"
            choices="sinfo -h -o partition=%R,CPUs=%c,MB=%m,GRES=%G,features=%f"
            ;;
        *QOS* | *qos* | *olicy*) change="TIME ('$TIME'), GRES ('$GRES') or ACCOUNT ('$ACCOUNT'): you may not have that much or that many jobs" ;;
        *ontact\ slurm*) say "Slurm's controller does not answer. Is this a login node of the cluster? \`sinfo\` tells." >&2 ;;
    esac
    [ -n "$change" ] || return 0
    say "change $change in $CLUSTER_ENV, or the option that you gave." >&2
    [ -n "$choices" ] || return 0
    echo "There is:" >&2
    # shellcheck disable=SC2086  # a command of several words
    { $choices 2>/dev/null || true; } | sort -u | sed 's/^/    /' >&2
}

GIVEN=()
while [[ ${1-} == -* ]]; do
    [[ $1 == --help || $1 == -h ]] && { sed -n '2,/^set/s/^# \{0,1\}//p' tools/submit.sh; exit 0; }
    GIVEN+=("$1")
    shift
done
script=$(script_of "${1-}") || exit
shift
FLAGS=("$@")
command -v sbatch >/dev/null || refuse "there is no sbatch here. Run it on a login node of your cluster."
read_and_check_settings
python=python3
if [ -x "$ENVIRONMENT/bin/python" ]; then python=$ENVIRONMENT/bin/python; fi
options_of_settings
last=$(last_index) || exit
WAITS_FOR=''
wait_for_data_set
log=slurm_outputs/%x-%j.out
if [ -n "$last" ]; then
    OPTIONS+=(--array="0-$last")
    log=slurm_outputs/%x-%A_%a.out
fi
mkdir -p slurm_outputs
export CLUSTER_ENV

code=0
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
id=$(sbatch --parsable --output="$log" "${OPTIONS[@]}" ${GIVEN[@]+"${GIVEN[@]}"} "slurm_scripts/$script.slurm" \
    ${FLAGS[@]+"${FLAGS[@]}"} 2>"$errors") || code=$?
cat "$errors" >&2
if [ "$code" -ne 0 ]; then
    explain "$(cat "$errors")"
    exit "$code"
fi
# A cluster may say something before the number, and name itself after it.
id=${id##*$'\n'}
id=${id%%;*}
name=$(sed -n 's/^#SBATCH --job-name=//p' "slurm_scripts/$script.slurm")
for option in ${GIVEN[@]+"${GIVEN[@]}"}; do
    case $option in --job-name=*) name=${option#*=} ;; esac
done
end=$id.out
if [ -n "$last" ]; then end="${id}_*.out"; fi
if [ "$script" = make_dataset ] && file=$(flag_in_data_dir --output_file); then echo "$id $file" >>"$DATA_SET_JOBS"; fi
echo "job      $id"
[ -z "$WAITS_FOR" ] || echo "after    job $WAITS_FOR, which makes the data set; without it this job is cancelled"
echo "log      $PWD/slurm_outputs/$name-$end"
echo "follow   tail -F $(printf %q "$PWD/slurm_outputs/$name-")$end"
echo "state    squeue -j $id"
echo "cancel   scancel $id"
