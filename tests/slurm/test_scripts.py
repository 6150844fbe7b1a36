"""The job scripts without a Slurm: stand-ins note what they are asked. With one: test_jobs.py."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib import metadata

import pytest

from slurm_scripts import check_environment, sweep
from tests.slurm import cluster

ROOT = cluster.ROOT
SCRIPTS = sorted((ROOT / "slurm_scripts").glob("*.slurm"))
ASKED = "printf 'asked:'; printf ' <%s>' \"$@\"; echo"


def run(command, folder, **environment):
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )


def stand_in(path: pathlib.Path, body: str) -> pathlib.Path:
    """An executable shell script in the place of a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Gives the arguments that it got last, one a line."""
    given = tmp_path / "sbatch" / "arguments"
    stand_in(given.parent / "sbatch", f"printf '%s\\n' \"$@\" >'{given}'; echo 17")
    stand_in(given.parent / "squeue", f"[ ! -e '{tmp_path}/ended' ] && echo PENDING")
    monkeypatch.setenv("PATH", str(given.parent), prepend=":")
    monkeypatch.delenv("CLUSTER_ENV", raising=False)
    return lambda: given.read_text().splitlines() if given.exists() else []


def test_a_job_is_submitted_with_the_settings(sbatch, project):
    path = project.write_settings(ACCOUNT="lab", CONSTRAINT="a100&ib")
    # As Windows saves it.
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode("utf-16"))
    done = project.submit("--job-name=mine", "training", "--dataset_file", "my plates.npz")
    log = f"{project.folder}/slurm_outputs/mine-17.out"
    assert done.stdout.splitlines()[:2] == ["job      17", f"log      {log}"]
    assert ["follow", "tail", "-F", log] == shlex.split(done.stdout.splitlines()[2])
    assert sbatch() == [
        *("--parsable", "--output=slurm_outputs/%x-%j.out", "--time=10", "--mem=4G"),
        *("--cpus-per-task=1", "--partition=gpu", "--account=lab", "--constraint=a100&ib"),
        *("--gres=gpu:1", "--signal=B:USR1@60", "--job-name=mine"),
        *("slurm_scripts/run_training.slurm", "--dataset_file", "my plates.npz"),
    ]


def test_what_a_job_needs(sbatch, project, tmp_path):
    """Also the job that makes its data set, as long as that is in the queue."""
    (project.folder / "sweep.txt").write_text("a.b = 1\na.b = 2\n# none\na.b = 3\n")
    path, waits = project.folder / "my data" / "my plates.npz", "--dependency=afterok:17"
    for command, wanted, other in (
        (["dataset", "synthetic", "--output_file", "my plates.npz"], "--gres=none", waits),
        (["training", "--dataset_file=my plates.npz"], waits, ""),
        (["evaluation", "--dataset_file", path], waits, ""),
        (["training", "--dataset_file", "others.npz"], "--gres=gpu:1", waits),
        (["--dependency=after:3", "training", "--dataset_file", path], "--time=10", waits),
        (["batch_inference", "--num_shards=4", "--api_url", "u"], "--gres=none", ""),
        (["batch_inference", "--num_shards", "4"], "--array=0-3", ""),
        (["sweep", "--settings_file", "sweep.txt", "--checkpoint_dir", "s"], "--array=0-2", ""),
    ):
        said = project.submit(*command).stdout
        assert wanted in sbatch() and other not in sbatch(), command
        assert ("after    job 17" in said) == (wanted == waits)
    (tmp_path / "ended").touch()
    project.job("training", "--dataset_file", path)
    assert waits not in sbatch()


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        (None, [], "cp slurm_scripts/cluster.env.example"),
        ({"MEMORY": None}, [], "MEMORY is not set"),
        ({"DATA_DIR": "no where"}, [], "DATA_DIR: there is no folder"),
        ({"CHECKPOINT_DIR": "/proc/a"}, [], "CHECKPOINT_DIR: /proc/a cannot be written to"),
        ({"MIN_FREE_GB": "100000000"}, [], "GB free, MIN_FREE_GB asks for 100000000"),
        ({"CPUS": "0", "MEMORY": "32 GB"}, [], "MEMORY: expected a number"),
        ({"TIME": "8h"}, [], "TIME: expected D-HH:MM:SS, HH:MM:SS or minutes"),
        ({"TIME": "1"}, [], "expected more than the 60 s of SAVE_SECONDS, got 1"),
        ({"ENVIRONMENT": "none"}, [], "ENVIRONMENT: there is no none/bin/python"),
        ({"TIME": "10'\nX"}, [], "is not what bash can read"),
        ({}, ["trainng"], "got 'trainng'"),
        ({}, ["--time", "5", "training"], "got '5'. Options of sbatch are written --option=value"),
        ({}, ["batch_inference", "--num_shards", "x"], "a whole number from 1, got 'x'"),
    ],
)
def test_what_is_wrong_is_explained_before_anything_is_submitted(
    sbatch, project, changes, arguments, message
):
    path = project.write_settings(**(changes or {}))
    if changes is None:
        path.unlink()
    # Settings of the shell do not count.
    done = project.submit(*(arguments or ["training"]), MEMORY="4G")
    assert (done.returncode, done.stdout, sbatch()) == (64, "", [])
    assert message in done.stderr
    assert not changes or str(project.folder / "slurm_scripts") in done.stderr


def test_times_of_slurm_and_the_names_of_settings():
    times = {"10": 600, "1:30": 90, "08:00:00": 28800, "2-00": 172800, "1-02:03": 93780}
    script = '. slurm_scripts/common.sh; for time in "$@"; do seconds_of $time; echo; done'
    found = subprocess.check_output(["bash", "-c", script, "job", *times], cwd=ROOT, text=True)
    assert list(map(int, found.split())) == list(times.values())
    text = (ROOT / "slurm_scripts" / "cluster.env.example").read_text()
    assert re.findall(r"^([A-Z_]+)=", text, re.MULTILINE) == list(cluster.SETTINGS)


@pytest.mark.slow
def test_shellcheck():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (Debian: apt-get install shellcheck)")
    files = [one for name in ("slurm_scripts", "tests/slurm") for one in (ROOT / name).glob("*.sh")]
    files += [*SCRIPTS, "tools/submit.sh", "tools/find_python.sh"]
    done = run(["shellcheck", "--external-sources", *files], ROOT)
    assert (done.returncode, done.stdout) == (0, "")


def test_modules_and_environments(project, tmp_path):
    """`export -f` is how a cluster's `module` reaches the shells of jobs."""
    script = 'module() { echo "module $*"; }\nexport -f module\n'
    script += "bash -euo pipefail -c '. slurm_scripts/common.sh; read_settings; activate"
    script += "; command -v python'"
    # Conda's functions use variables that are not set, which is no reason to end.
    functions = 'conda() { echo "conda $*"; [ -z "$UNSET" ]; }'
    stand_in(tmp_path / "conda" / "etc" / "profile.d" / "conda.sh", functions)
    stand_in(tmp_path / "bin" / "conda", f"echo '{tmp_path}/conda'")
    python = project.folder / "environment" / "bin" / "python"
    for settings, code, expected in (
        ({"MODULES": "cuda gcc"}, 0, f"module load cuda\nmodule load gcc\n{python}\n"),
        ({"ENVIRONMENT": "conda:food"}, 0, "conda activate food\n"),
    ):
        project.write_settings(**settings)
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        done = run(["bash", "-c", script], project.folder, BASH_ENV="", PATH=path)
        assert (done.returncode, expected in done.stdout + done.stderr) == (code, True), done


def run_task(project, script, index, *flags, **environment):
    """A task of an array without Slurm: its code, what it said, and what Python was asked for."""
    environment |= {"CLUSTER_ENV": "", "SLURM_ARRAY_TASK_ID": str(index)}
    done = run(["bash", f"slurm_scripts/{script}.slurm", *flags], project.folder, **environment)
    said = (done.stdout + done.stderr).replace(str(project.folder), "HERE")
    return done.returncode, said, re.findall("^asked: (.*)", said, re.MULTILINE)


def test_tasks_of_batch_inference(project):
    """What each asks of batch_api_inference.py, and the merge by the last one to end."""
    stand_in(
        project.folder / "environment" / "bin" / "python",
        f"{ASKED}\n"
        'while [ $# -gt 0 ]; do [ "$1" != --output_file ] || echo \'{}\' > "$2"; shift; done',
    )
    flags = ["--num_shards", "2", "--input_dir", "my photos", "--checkpoint_dir=first"]
    flags += ["--output_file", "out/a.json"]
    code, said, asked = run_task(project, "batch_inference", 0, *flags)
    assert asked == [
        "<batch_api_inference.py> <--num_shards> <2> "
        "<--input_dir> <HERE/my data/my photos> <--checkpoint_dir=HERE/my runs/first> "
        "<--shard_index> <0> <--resume> <--output_file> <HERE/my runs/out/a.shard0.json>"
    ]
    assert (code, "== 1 of 2 shards are there." in said) == (0, True)
    assert run_task(project, "batch_inference", 1, *flags)[2][1:] == [
        "<batch_api_inference.py> <--output_file> <HERE/my runs/out/a.json> <--merge> "
        "<HERE/my runs/out/a.shard0.json> <HERE/my runs/out/a.shard1.json>"
    ]
    code, said, asked = run_task(project, "batch_inference", 0, *flags[:4], *flags[5:])
    assert (code, asked) == (64, [])
    assert "--checkpoint_dir: expected the model's, or an --api_url" in said


def test_tasks_of_a_sweep(project):
    """Each trains with its own bindings in a folder of its own; the table says how it ended."""
    (project.folder / "sweep.txt").write_text("a.rate = 1e-3\na.rate = 1e-2; b.layers = 4\n")
    train = stand_in(project.folder / "train", f"{ASKED}; exit 3")
    flags = ["--settings_file", "sweep.txt", "--checkpoint_dir", "a sweep", "--num_epochs", "2"]
    replaced = {"STAND_IN_FOR": "train.py", "STAND_IN": str(train)}
    code, said, asked = run_task(project, "run_sweep", 1, *flags, **replaced)
    assert asked == [
        "<train.py> <--num_epochs> <2> <--checkpoint_dir> <HERE/my runs/a sweep/setting_001>"
        " <--resume_checkpoint> <auto> <--gin_bindings> <a.rate = 1e-2> <b.layers = 4>"
    ]
    table = (project.folder / "my runs" / "a sweep" / "table.md").read_text()
    assert (code, table in said) == (3, True)
    assert "| 1 | failed, exit code 3 |  |  | a.rate = 1e-2; b.layers = 4 |" in table


# Takes a first signal as train.py does: a second one would kill it.
PROGRAM = """
import signal, sys, time
both = signal.SIGTERM, signal.SIGUSR1
def note(number, frame):
    for each in both: signal.signal(each, signal.SIG_DFL)
    time.sleep(0.5)
    print(signal.Signals(number).name, flush=True)
    sys.exit(75)
print("starting", flush=True)
time.sleep(float(sys.argv[1]))
for each in both: signal.signal(each, note)
print("ready", flush=True)
time.sleep(30)
"""
JOB = """set -euo pipefail
. slurm_scripts/requeue.sh
MAX_REQUEUES=3
{before}
run_stoppable USR1 "$@"
end_or_requeue {until}
"""
SERVER = ["sh", "-c", "trap 'exit 0' USR1; echo ready; while :; do sleep 0.1; done"]
LAST = ["sh", "-c", "trap : USR1; echo ready; while :; do sleep 1; exit 0; done"]
LOST = ["sh", "-c", "exit 75"]
PYTHON, USR1 = [sys.executable, "-c", PROGRAM], {"at": "ready", "sent": signal.SIGUSR1}
PREEMPTED = {"at": "ready", "sent": signal.SIGTERM, "state": "COMPLETING"}
EARLY = "trap 'note_signal USR1' USR1; echo begun; sleep 1"


@pytest.mark.parametrize(
    ("command", "options", "code", "said", "again"),
    [
        (["sh", "-c", "exit 3"], {}, 3, "ended with exit code 3", []),
        (["sh", "-c", "kill -9 $$"], {"MEMORY": "4G"}, 137, "MEMORY is 4G", []),
        # Before the time limit it saves and is queued again.
        ([*PYTHON, "0"], USR1, 75, "SIGUSR1\n", ["7"]),
        # A program that does not listen yet is told later.
        ([*PYTHON, "1"], {**USR1, "at": "starting"}, 75, "SIGUSR1\n", ["7"]),
        # Pre-emption tells the shell and the program, and queues the job again itself.
        ([*PYTHON, "0"], PREEMPTED, 75, "Slurm took the job (COMPLETING)", []),
        (LOST, {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}, 75, "again", ["5_2"]),
        # A signal before the program runs is kept.
        (["echo", "ran"], {**USR1, "at": "begun", "before": EARLY}, 75, "got SIGUSR1", ["7"]),
        # A server that was told to end is queued again, a run that has finished is done.
        (SERVER, {**USR1, "until": "always"}, 0, "again", ["7"]),
        (LAST, USR1, 0, "ended with exit code 0", []),
        (LOST, {"SLURM_RESTART_COUNT": "3"}, 75, "MAX_REQUEUES is 3", []),
        (LOST, {"REFUSED": "1"}, 75, "scontrol requeue failed", ["7"]),
    ],
)
def test_signals_reach_the_program_once_and_its_code_reaches_slurm(
    tmp_path, command, options, code, said, again
):
    requeued = tmp_path / "requeued"
    requeued.touch()
    what = {"state": "RUNNING", "before": "echo begun", "until": "once", "at": "", **options}
    controller = f'[ "$1" != show ] || echo "JobId=7 JobState={what["state"]} Reason=None"\n'
    controller += f'[ "$1" != requeue ] || {{ echo "$2" >>{requeued}; exit "${{REFUSED:-0}}"; }}'
    stand_in(tmp_path / "bin" / "scontrol", controller)
    environment = {key: value for key, value in os.environ.items() if key[:6] != "SLURM_"}
    environment |= {key: value for key, value in options.items() if key.isupper()}
    environment |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    process = subprocess.Popen(
        ["bash", "-c", JOB.format(**what), "job", *command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if what["at"]:
        assert any(line.startswith(what["at"]) for line in process.stdout)
        (os.killpg if "state" in options else os.kill)(process.pid, what["sent"])
    printed, _ = process.communicate(timeout=60)
    assert (process.returncode, requeued.read_text().split()) == (code, again), printed
    assert said in printed


@pytest.mark.parametrize(
    ("codes", "restarts", "code"),
    [
        ((0, 0, 0), 0, 0),
        ((0, 9), 0, 75),  # killed
        ((75, 1), 0, 1),  # the others' 75 only says that they lost the one with the error
        ((9, 2), 0, 2),
        ((9, 75), 1, 1),  # lost again, and nothing was saved in between
    ],
)
def test_the_job_ends_as_its_workers_did(codes, restarts, code, tmp_path):
    tasks = 'for ((task = 0; task < SLURM_NTASKS; task++)); do SLURM_PROCID=$task "$@" & done'
    program = f'echo "$*" >>{tmp_path}/steps\nwhile [[ $1 == -* ]]; do shift; done\n{tasks}'
    stand_in(tmp_path / "srun", f"{program}\nwait\nexit 1")
    ends = [f"{n}) {'kill -9 $$' if one == 9 else f'exit {one}'};;" for n, one in enumerate(codes)]
    stand_in(tmp_path / "program", f"case $SLURM_PROCID in {' '.join(ends)} esac")
    (tmp_path / "slurm_outputs").mkdir()
    script = "set -euo pipefail; EX_TEMPFAIL=75; PROJECT=$PWD; say() { echo $*; }\n"
    script += ". slurm_scripts/requeue.sh; . slurm_scripts/workers.sh; PROJECT=$FOLDER\n"
    script += 'run_workers "$FOLDER/run" "$FOLDER/program"; echo "exit code $EXIT_CODE"'
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": str(len(codes))}
    slurm |= {"SLURM_RESTART_COUNT": str(restarts), "FOLDER": str(tmp_path)}
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert f"exit code {code}\n" in run(["bash", "-c", script], ROOT, PATH=path, **slurm).stdout
    # Slurm numbers the steps of each start from 0, and may still signal those of the last one.
    steps = [step.split()[-1] for step in (tmp_path / "steps").read_text().splitlines()]
    assert steps[:restarts] == ["true"] * restarts and len(steps) == restarts + 1


def test_a_worker_waits_for_the_program_that_saves(tmp_path):
    body = f"trap 'sleep 0.5; exit 75' TERM; touch '{tmp_path}/ready'; while :; do sleep 0.05; done"
    worker = subprocess.Popen(
        ["slurm_scripts/worker.sh", tmp_path, stand_in(tmp_path / "program", body)],
        cwd=ROOT,
        env={**os.environ, "SLURM_PROCID": "3"},
        start_new_session=True,
    )
    cluster.wait_for((tmp_path / "ready").exists, "the program is ready")
    # As Slurm does it: to all processes of the task.
    os.killpg(worker.pid, signal.SIGTERM)
    assert worker.wait(timeout=30) == 75
    assert (tmp_path / "3.code").read_text() == "75\n"


def test_table_of_a_sweep(tmp_path, capsys):
    file, folder = tmp_path / "my sweep.txt", tmp_path / "a sweep"
    text = "# three\r\na.rate = 1e-3\r\na.rate = 1e-2; b.layers = 4\r\n\r\nb.layers = 0\r\n"
    file.write_bytes(text.encode("utf-16"))  # As PowerShell writes it.

    def call(*arguments):
        code = sweep.main(list(map(str, arguments)))
        printed = capsys.readouterr()
        return printed.out.strip() if code == 0 else f"{code} {printed.err}"

    for index, value in ((0, 0.25), (1, 0.125)):
        setting, *bindings = call("begin", file, folder, index).splitlines()
        found = {"selection_metric": "mae", "metrics": {"mae": value}, "epoch": 3}
        pathlib.Path(setting, "metadata.json").write_text(json.dumps(found))
        text = call("end", folder, index, 0)
    assert bindings == ["a.rate = 1e-2", "b.layers = 4"]
    assert text.splitlines() == [
        "| setting | state | best epoch | mae | bindings |",
        "|---|---|---|---|---|",
        "| 1 | done | 3 | 0.1250 | a.rate = 1e-2; b.layers = 4 |",
        "| 0 | done | 3 | 0.2500 | a.rate = 1e-3 |",
        "| 2 | not begun |  |  | b.layers = 0 |",
    ]
    call("begin", file, folder, 2)
    assert "| 2 | running, or killed |  |  |" in call("table", folder)
    # One that is queued again is not done, whatever it has saved, so it is not the best.
    rows = call("end", folder, 1, 75).splitlines()
    assert rows[2].startswith("| 0 | done |") and "| 1 | to be continued | 3 | 0.1250 |" in rows[3]
    for text, index, message in (
        (None, 3, "expected a setting 0 to 2, got 3"),
        ("a.b = 1\n", 0, "holds a sweep of other settings"),
        ("# nothing\n", 0, "expected a line for each run, of .* got none"),
        ("a.b = 1\nfast\n", 0, "expected a line for each run, of .* got .'fast'"),
    ):
        file.write_text(text) if text else None
        assert re.search(f"^64 .*{message}", call("begin", file, folder, index))


def test_table_of_the_environment(monkeypatch, capsys):
    lock = f"numpy=={metadata.version('numpy')} \\\n    --hash=sha256:00\nfilelock==0.0.1\n"
    lock += "none-such==1\nh5py==0.0.1 ; python_full_version < '3.0'\n"
    rows = check_environment.package_rows(lock)
    installed = metadata.version("filelock")
    assert rows == [("filelock", installed, "0.0.1"), ("none-such", "not installed", "1")]
    monkeypatch.setattr(
        check_environment, "tensorflow_rows", lambda wanted: [*rows, ("a", "1", "")]
    )
    assert check_environment.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "missing: filelock, none-such"


def test_the_lock_goes_into_the_container_without_its_tensorflow():
    """What is left out is both builds with their hashes; the Makefile does the same."""
    text = (ROOT / "slurm_scripts" / "apptainer.def").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ *(awk .*) > /opt/rt1/installed.txt$", text, re.MULTILINE)
    command = line.replace("/opt/rt1/", f"{ROOT}/")
    installed = subprocess.check_output(["sh", "-c", command], text=True).splitlines()
    lock = (ROOT / "requirements.txt").read_text().splitlines()
    left_out = [one.split("==")[0] for one in lock if one not in installed and one[0] != " "]
    assert left_out == ["tensorflow", "tensorflow-cpu"]
    program = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$$", "$")
    assert line.split("/opt/rt1/")[0].strip() in program
