# shellcheck shell=bash
# What the job scripts and tools/submit.sh share: reads cluster.env, checks it, prepares a job. Sourced in the project's
# folder. A setting that cannot work ends the script with code 64 (EX_USAGE in sysexits.h), every one of them named.

EX_USAGE=64
PROJECT=$PWD
# Another file for another cluster, or for a test.
CLUSTER_ENV=${CLUSTER_ENV:-$PROJECT/slurm_scripts/cluster.env}
# May be empty: PARTITION ACCOUNT GRES CONSTRAINT MODULES.
SETTINGS=(PARTITION ACCOUNT GRES CONSTRAINT TIME MEMORY CPUS MODULES ENVIRONMENT DATA_DIR CHECKPOINT_DIR MIN_FREE_GB
    SAVE_SECONDS MAX_REQUEUES)
PROBLEMS=()

# shellcheck source=slurm_scripts/requeue.sh
. slurm_scripts/requeue.sh

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

refuse() { # what is wrong, and the way out
    say "$*" >&2
    exit "$EX_USAGE"
}

problem() { PROBLEMS+=("$*"); }

refuse_problems() {
    [ "${#PROBLEMS[@]}" -gt 0 ] || return 0
    say "$CLUSTER_ENV cannot be used:" >&2
    printf '  %s\n' "${PROBLEMS[@]}" >&2
    exit "$EX_USAGE"
}

read_settings() {
    local name error text
    [ -f "$CLUSTER_ENV" ] ||
        refuse "there is no $CLUSTER_ENV. Make it: cp slurm_scripts/cluster.env.example slurm_scripts/cluster.env, then edit it."
    # Editors on Windows end lines with CRLF, begin a file with a mark, or write UTF-16.
    case $(head -c 2 "$CLUSTER_ENV" | od -An -tx1 | tr -d ' ') in
        fffe | feff) text=$(iconv -f UTF-16 -t UTF-8 "$CLUSTER_ENV") ;;
        *) text=$(cat "$CLUSTER_ENV") ;;
    esac
    text=${text#$'\xef\xbb\xbf'}
    text=${text//$'\r'/}
    error=$(bash -n <<<"$text" 2>&1) || refuse "$CLUSTER_ENV is not what bash can read: $error"
    # Only the file counts, not what the shell of whoever submits happens to hold.
    unset "${SETTINGS[@]}"
    set +u
    eval "$text" || refuse "$CLUSTER_ENV: a command in it failed."
    set -u
    for name in "${SETTINGS[@]}"; do
        [ -n "${!name+set}" ] || problem "$name is not set; slurm_scripts/cluster.env.example says what it is for."
    done
    refuse_problems
    for name in DATA_DIR CHECKPOINT_DIR ENVIRONMENT; do
        # In quotes bash leaves it as it is.
        case ${!name} in '~'/*) printf -v "$name" '%s' "$HOME${!name#\~}" ;; esac
    done
    for name in DATA_DIR CHECKPOINT_DIR; do
        if [ -z "${!name}" ]; then problem "$name: expected a folder, got nothing."; fi
        # Absolute, because these end up in messages and in files that others read.
        [[ ${!name} == /* ]] || printf -v "$name" '%s/%s' "$PROJECT" "${!name}"
    done
    refuse_problems
}

seconds_of() { # a time as Slurm writes it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S
    local days=0 parts
    [[ $1 =~ ^(([0-9]+)-)?([0-9]+)(:([0-9]+))?(:([0-9]+))?$ ]] || return 1
    parts=("${BASH_REMATCH[3]}" "${BASH_REMATCH[5]:-0}" "${BASH_REMATCH[7]:-0}")
    if [ -n "${BASH_REMATCH[1]}" ]; then
        days=${BASH_REMATCH[2]}
    elif [ -z "${BASH_REMATCH[6]}" ]; then
        parts=(0 "${parts[0]}" "${parts[1]}")
    fi
    echo $((10#$days * 86400 + 10#${parts[0]} * 3600 + 10#${parts[1]} * 60 + 10#${parts[2]}))
}

check_numbers() {
    local name time_s
    for name in CPUS SAVE_SECONDS; do
        [[ ${!name} =~ ^[1-9][0-9]*$ ]] || problem "$name: expected a whole number from 1, got '${!name}'."
    done
    for name in MAX_REQUEUES MIN_FREE_GB; do
        [[ ${!name} =~ ^[0-9]+$ ]] || problem "$name: expected a whole number from 0, got '${!name}'."
    done
    [[ $MEMORY =~ ^[1-9][0-9]*[KMGT]?$ ]] || problem "MEMORY: expected a number with K, M, G or T, such as 32G, got '$MEMORY'."
    if ! time_s=$(seconds_of "$TIME"); then
        problem "TIME: expected D-HH:MM:SS, HH:MM:SS or minutes, such as 08:00:00, got '$TIME'."
    elif [[ $SAVE_SECONDS =~ ^[0-9]+$ ]] && [ "$time_s" -le "$SAVE_SECONDS" ]; then
        problem "TIME: expected more than the $SAVE_SECONDS s of SAVE_SECONDS, got $TIME, which is $time_s s."
    fi
}

check_folders() {
    local probe free_gb
    [ -d "$DATA_DIR" ] || problem "DATA_DIR: there is no folder $DATA_DIR. Make it, or name the one that holds your data sets."
    if [ -d "$DATA_DIR" ] && ! ls "$DATA_DIR" >/dev/null 2>&1; then problem "DATA_DIR: $DATA_DIR cannot be read."; fi
    # Written to, not looked at: a quota, a full disk and a read-only mount all say that it may be written to.
    if ! mkdir -p "$CHECKPOINT_DIR" 2>/dev/null || ! probe=$(mktemp "$CHECKPOINT_DIR/.probe.XXXXXX" 2>/dev/null); then
        problem "CHECKPOINT_DIR: $CHECKPOINT_DIR cannot be written to. Name a folder in which you may make files."
        return
    fi
    head -c 65536 /dev/zero >"$probe" 2>/dev/null || problem "CHECKPOINT_DIR: the disk or your quota of $CHECKPOINT_DIR is full."
    rm -f "$probe"
    [[ $MIN_FREE_GB =~ ^[0-9]+$ ]] || return 0
    free_gb=$(df -P -B1G "$CHECKPOINT_DIR" | awk 'NR == 2 { print $4 }')
    if [ "$free_gb" -lt "$MIN_FREE_GB" ]; then
        problem "CHECKPOINT_DIR: $CHECKPOINT_DIR has $free_gb GB free, MIN_FREE_GB asks for $MIN_FREE_GB. Make room."
    fi
}

check_environment() {
    if [ -z "$ENVIRONMENT" ]; then
        problem "ENVIRONMENT: expected the folder of a virtual environment, or conda:NAME, got nothing."
    elif [[ $ENVIRONMENT != conda:?* ]] && [ ! -x "$ENVIRONMENT/bin/python" ]; then
        problem "ENVIRONMENT: there is no $ENVIRONMENT/bin/python. \`make install\` makes .venv; conda:NAME names one of conda's."
    fi
}

read_and_check_settings() {
    read_settings
    check_numbers
    check_folders
    check_environment
    refuse_problems
}

activate() {
    local module file base
    for file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /usr/share/lmod/lmod/init/bash; do
        if [ -n "$MODULES" ] && ! command -v module >/dev/null && [ -r "$file" ]; then
            # shellcheck disable=SC1090  # which of them there is depends on the cluster
            set +u && . "$file" && set -u
        fi
    done
    for module in $MODULES; do
        command -v module >/dev/null || refuse "MODULES: there is no command 'module' on $(hostname). Leave MODULES empty."
        set +u
        module load "$module" || refuse "MODULES: 'module load $module' failed on $(hostname); \`module avail\` lists them."
        set -u
    done
    if [[ $ENVIRONMENT == conda:* ]]; then
        base=$(conda info --base) || refuse "ENVIRONMENT: there is no conda on $(hostname); does MODULES need to load it?"
        set +u
        # shellcheck disable=SC1091  # conda's own
        { . "$base/etc/profile.d/conda.sh" && conda activate "${ENVIRONMENT#conda:}"; } ||
            refuse "ENVIRONMENT: conda cannot activate ${ENVIRONMENT#conda:}; \`conda env list\` lists them."
        set -u
    else
        VIRTUAL_ENV=$(cd "$ENVIRONMENT" >/dev/null && pwd)
        PATH=$VIRTUAL_ENV/bin:$PATH
        export VIRTUAL_ENV PATH
    fi
    # So that the log can be followed.
    export PYTHONUNBUFFERED=1
}

start_job() { # a line for the log, everything checked, the environment active, not started again too often
    echo "== $(date '+%F %T') job ${SLURM_JOB_ID:-none} on $(hostname), started again ${SLURM_RESTART_COUNT:-0} times, in $PROJECT"
    # Before the program runs, it would end the job as an error.
    trap 'note_signal USR1' USR1
    read_and_check_settings
    if [ "${SLURM_RESTART_COUNT:-0}" -gt "$MAX_REQUEUES" ]; then
        say "started again ${SLURM_RESTART_COUNT} times; MAX_REQUEUES is $MAX_REQUEUES. Submit it again to go on." >&2
        exit "$EX_TEMPFAIL"
    fi
    activate
}

# FLAGS are those of the program that the job runs.

flag_value() { # flag: prints its last value; fails if FLAGS has no such flag
    local i found=1 value=''
    for i in "${!FLAGS[@]}"; do
        case ${FLAGS[i]} in
            "$1"=*) value=${FLAGS[i]#*=} found=0 ;;
            "$1") value=${FLAGS[i + 1]-} found=0 ;;
        esac
    done
    printf '%s' "$value"
    return "$found"
}

without_flag() { # flag with a value: takes it out of FLAGS
    local i kept=() is_value=''
    for i in "${!FLAGS[@]}"; do
        if [ -n "$is_value" ]; then is_value=''; continue; fi
        case ${FLAGS[i]} in
            "$1"=*) ;;
            "$1") is_value=yes ;;
            *) kept+=("${FLAGS[i]}") ;;
        esac
    done
    FLAGS=(${kept[@]+"${kept[@]}"})
}

place_flags() { # folder, flags...: relative paths that FLAGS gives to these lie in the folder
    local folder=$1 flag i
    shift
    for flag in "$@"; do
        for i in "${!FLAGS[@]}"; do
            case ${FLAGS[i]} in
                "$flag"=/*) ;;
                "$flag"=?*) FLAGS[i]=$flag=$folder/${FLAGS[i]#*=} ;;
                "$flag")
                    if [ -n "${FLAGS[i + 1]-}" ] && [[ ${FLAGS[i + 1]} != /* ]]; then
                        FLAGS[i + 1]=$folder/${FLAGS[i + 1]}
                    fi
                    ;;
            esac
        done
    done
}
