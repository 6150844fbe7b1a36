"""What the launcher says and does, with a stand-in for sbatch; with a real one: test_jobs.py."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.slurm import cluster

SCRIPTS = sorted((cluster.ROOT / "slurm_scripts").glob("*.slurm"))
SBATCH = """#!/bin/sh
printf '%s\\n' "$@" >'{folder}/arguments'
pwd >'{folder}/cwd'
cat '{folder}/says' >&2
echo 17
exit "$(cat '{folder}/code')"
"""


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Its folder: `arguments` and `cwd` are what it got, `says` and `code` what it answers."""
    folder = tmp_path / "sbatch"
    folder.mkdir()
    for name in ("sbatch", "sinfo", "sacctmgr"):
        text = SBATCH.format(folder=folder) if name == "sbatch" else f"#!/bin/sh\necho {name} $*\n"
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "says").touch()
    (folder / "code").write_text("0")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("CLUSTER_ENV", raising=False)
    return folder


def _arguments(sbatch):
    return (sbatch / "arguments").read_text().splitlines()


def test_a_job_is_submitted_with_the_settings(sbatch, project):
    project.write_settings(ACCOUNT="lab", CONSTRAINT="a100&ib")
    done = project.submit("training", "--dataset_file", "my plates.npz")
    folder = project.folder
    assert done.stdout.splitlines() == [
        "job      17",
        f"log      {folder}/slurm_outputs/training-17.out",
        "follow   tail -F " + str(folder).replace(" ", "\\ ") + "/slurm_outputs/training-17.out",
        "state    squeue -j 17",
        "cancel   scancel 17",
    ]
    assert done.returncode == 0
    assert _arguments(sbatch) == [
        *("--parsable", "--output=slurm_outputs/%x-%j.out", "--time=10", "--mem=4G"),
        *("--cpus-per-task=1", "--partition=gpu", "--account=lab", "--constraint=a100&ib"),
        *("--gres=gpu:1", "--signal=B:USR1@60", "slurm_scripts/run_training.slurm"),
        *("--dataset_file", "my plates.npz"),
    ]
    assert (sbatch / "cwd").read_text().strip() == str(folder)
    assert (folder / "slurm_outputs").is_dir()


def test_what_may_be_empty_is_left_to_the_cluster(sbatch, project):
    project.write_settings(PARTITION="", GRES="")
    assert project.submit("evaluation").returncode == 0
    arguments = _arguments(sbatch)
    assert "--gres=none" in arguments
    assert not [one for one in arguments if one.startswith(("--partition", "--account"))]


def test_a_data_set_needs_no_gpu(sbatch, project):
    assert project.submit("dataset", "synthetic").returncode == 0
    assert "--gres=none" in _arguments(sbatch)


def test_options_of_sbatch_win(sbatch, project):
    done = project.submit("--time=5", "--job-name=mine", "training", "--seed", "1")
    arguments = _arguments(sbatch)
    assert arguments.index("--time=10") < arguments.index("--time=5")
    assert arguments[-3:] == ["slurm_scripts/run_training.slurm", "--seed", "1"]
    assert "slurm_outputs/mine-17.out" in done.stdout


def test_arrays_are_as_long_as_there_is_work(sbatch, project):
    settings = project.folder / "sweep.txt"
    settings.write_text("a.b = 1\na.b = 2\na.b = 3\n")
    done = project.submit("sweep", "--settings_file", "sweep.txt", "--checkpoint_dir", "s")
    assert "--array=0-2" in _arguments(sbatch)
    assert "slurm_outputs/sweep-17_*.out" in done.stdout
    assert project.submit("batch_inference", "--num_shards", "4").returncode == 0
    assert "--array=0-3" in _arguments(sbatch)


def _refused(done, *messages):
    for message in messages:
        assert message in done.stderr
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MEMORY": None}, "MEMORY is not set"),
        ({"PARTITION": None}, "PARTITION is not set"),
        ({"DATA_DIR": ""}, "DATA_DIR: expected a folder, got nothing"),
        ({"DATA_DIR": "no where"}, "DATA_DIR: there is no folder"),
        ({"CHECKPOINT_DIR": "/proc/runs"}, "CHECKPOINT_DIR: /proc/runs cannot be written to"),
        ({"MIN_FREE_GB": "100000000"}, "GB free, MIN_FREE_GB asks for 100000000"),
        ({"CPUS": "0"}, "CPUS: expected a whole number from 1, got '0'"),
        ({"MEMORY": "32 GB"}, "MEMORY: expected a number with K, M, G or T, such as 32G"),
        ({"TIME": "8h"}, "TIME: expected D-HH:MM:SS, HH:MM:SS or minutes, such as 08:00:00"),
        ({"TIME": "00:01:00"}, "expected more than the 60 s of SAVE_SECONDS, got 00:01:00"),
        ({"ENVIRONMENT": "none"}, "ENVIRONMENT: there is no none/bin/python"),
        ({"MAX_REQUEUES": "-1"}, "MAX_REQUEUES: expected a whole number from 0, got '-1'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_explained_before_anything_is_submitted(
    sbatch, project, changes, message
):
    project.write_settings(**changes)
    _refused(project.submit("training"), message, str(project.folder / "slurm_scripts"))
    assert not (sbatch / "arguments").exists()


def test_all_wrong_settings_are_named_at_once(sbatch, project):
    project.write_settings(CPUS="many", MEMORY="much", DATA_DIR="none")
    _refused(project.submit("training"), "CPUS:", "MEMORY:", "DATA_DIR:")


def test_settings_of_the_shell_do_not_count(sbatch, project):
    project.write_settings(MEMORY=None)
    _refused(project.submit("training", MEMORY="4G"), "MEMORY is not set")


def test_a_full_disk_is_noticed(sbatch, project, tmp_path):
    full = tmp_path / "full"
    with cluster.full_disk(full):
        project.write_settings(CHECKPOINT_DIR=str(full))
        _refused(project.submit("training"), f"the disk or your quota of {full} is full")
        assert list(full.iterdir()) == []


def test_no_file_of_settings(sbatch, project):
    (project.folder / "slurm_scripts" / "cluster.env").unlink()
    _refused(project.submit("training"), "cp slurm_scripts/cluster.env.example")


def test_a_file_that_is_not_bash(sbatch, project):
    (project.folder / "slurm_scripts" / "cluster.env").write_text("TIME='10\n")
    _refused(project.submit("training"), "is not what bash can read", "line 1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected check, dataset, training"),
        (["trainng"], "got 'trainng'"),
        (["--time", "5", "training"], "got '5'. Options of sbatch are written --option=value"),
        (["sweep"], "--settings_file: expected the file"),
        (["batch_inference", "--num_shards", "x"], "expected a whole number from 1, got 'x'"),
    ],
)
def test_a_wrong_command(sbatch, project, arguments, message):
    _refused(project.submit(*arguments), message)


def test_a_sweep_without_settings(sbatch, project):
    (project.folder / "sweep.txt").write_text("# none\n")
    done = project.submit("sweep", "--settings_file", "sweep.txt")
    _refused(done, "expected a line for each run, got none")


@pytest.mark.parametrize(
    ("says", "change", "choices"),
    [
        ("Invalid account or account/partition combination specified", "ACCOUNT ('')", "sacctmgr"),
        ("Job violates accounting/QOS policy (job submit limit)", "TIME ('10'), GRES", ""),
        ("Unable to contact slurm controller", "controller does not answer", ""),
        ("CPU count per node can not be satisfied", "CPUS ('1')", "sinfo -h -o %c"),
    ],
)
def test_a_refusal_of_slurm_is_explained(sbatch, project, says, change, choices):
    (sbatch / "says").write_text(f"sbatch: error: Batch job submission failed: {says}\n")
    (sbatch / "code").write_text("1")
    done = project.submit("training")
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert change in done.stderr
    assert choices in done.stderr


def test_no_slurm(project):
    bare = project.folder / "bare"
    bare.mkdir()
    for name in ("bash", "dirname", "env"):
        (bare / name).symlink_to(shutil.which(name))
    _refused(project.submit("training", PATH=str(bare)), "there is no sbatch here")


def test_make_passes_flags_on(sbatch, project):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        ["make", "submit-training", "SBATCH_ARGS=--time=7", "ARGS=--checkpoint_dir 'my first'"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert _arguments(sbatch)[-4:] == [
        *("--time=7", "slurm_scripts/run_training.slurm", "--checkpoint_dir", "my first"),
    ]


def test_the_example_has_every_setting_and_no_secret():
    text = (cluster.ROOT / "slurm_scripts" / "cluster.env.example").read_text()
    assert re.findall(r"^([A-Z_]+)=", text, re.MULTILINE) == list(cluster.SETTINGS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_look_alike(script):
    """What holds for all: name and place of the log, a log that a requeue goes on with."""
    text = script.read_text()
    job = "%A_%a" if "SLURM_ARRAY_TASK_ID" in text else "%j"
    assert f"#SBATCH --output=slurm_outputs/%x-{job}.out\n#SBATCH --open-mode=append\n" in text
    assert ("run_stoppable" in text or "run_workers" in text) == (
        "#SBATCH --signal=B:USR1@" in text
    )
    assert "start_job\n" in text


@pytest.mark.slow
def test_shellcheck():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (Debian: apt-get install shellcheck)")
    folders = ("slurm_scripts", "tests/slurm")
    files = [path for folder in folders for path in (cluster.ROOT / folder).glob("*.sh")]
    command = ["shellcheck", "--external-sources", *files, *SCRIPTS, "tools/submit.sh"]
    done = subprocess.run(command, cwd=cluster.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 600),
        ("1:30", 90),
        ("08:00:00", 28800),
        ("2-00", 172800),
        ("1-02:03", 93780),
        ("1-00:00:09", 86409),
    ],
)
def test_times_as_slurm_writes_them(text, seconds):
    command = ["bash", "-c", f". slurm_scripts/common.sh; seconds_of {text}"]
    assert subprocess.check_output(command, cwd=cluster.ROOT, text=True) == f"{seconds}\n"


def _flags(command, *flags):
    script = f'. slurm_scripts/common.sh; FLAGS=("$@"); {command}; printf "%s\\n" "${{FLAGS[@]}}"'
    call = ["bash", "-c", script, "job", *flags]
    return subprocess.check_output(call, cwd=cluster.ROOT, text=True).splitlines()


def test_relative_paths_are_placed():
    given = ["--a", "x y", "--a=z", "--a", "/abs", "--a=/abs", "--b", "x", "--c"]
    expected = ["--a", "/my d/x y", "--a=/my d/z", "--a", "/abs", "--a=/abs", "--b", "x", "--c"]
    assert _flags("place_flags '/my d' --a --c", *given) == expected


def test_flags_are_taken_out():
    given = ["--a", "1", "--b", "2 3", "--a=4"]
    assert _flags("without_flag --a", *given) == ["--b", "2 3"]
    assert _flags("flag_value --a; echo", *given)[0] == "4"
