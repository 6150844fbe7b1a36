"""Jobs on a real Slurm: stopped, queued again, gone on with; arrays; a server; refusals.

All in one module, so that one process brings Slurm up once. Training is real, with a tiny network;
the server has a stub for a model.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import stat
import subprocess

import pytest
import requests
from PIL import Image

import api_client
from tests import serving_stubs
from tests.slurm import cluster

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]
TINY_RUN = ["--batch_size", "4", "--steps_per_epoch", "3", "--checkpoint_every_steps", "2"]
QUESTION = ["--action", "skewering", "--food_type", "strawberry"]


def _training_flags(project, run, num_epochs):
    """A data set of noise and a tiny network, as in tools/kill_and_resume.py."""
    from tools import kill_and_resume

    folder = project.folder / "my data"
    if not (folder / "tiny.gin").exists():
        kill_and_resume.write_data(folder)
    return [
        *("--config_file", "my data/tiny.gin", "--dataset_file", "data.npz"),
        *("--split_file", "split.npz", "--checkpoint_dir", run, *TINY_RUN),
        *("--num_epochs", str(num_epochs)),
    ]


def _wait_for_log(project, pattern, words):
    cluster.wait_for(lambda: words in project.log(pattern), f"{pattern} says {words!r}")


@pytest.mark.parametrize(
    ("options", "change", "choice"),
    [
        ({"PARTITION": "cpu"}, "change PARTITION ('cpu')", "gpu"),
        ({"CONSTRAINT": "h100"}, "change CONSTRAINT ('h100')", "a100,v100"),
        ({"MEMORY": "900G"}, "change MEMORY ('900G'", "64000"),
        ({"CPUS": "99"}, "change CPUS ('99')", "8"),
        ({"GRES": "tpu:1"}, "change GRES ('tpu:1')", "gpu:2"),
        ({"GRES": "gpu:9"}, "GRES ('gpu:9')", "GRES=gpu:2"),
        ({"TIME": "30-0"}, "change TIME ('30-0')", "gpu:2-00:00:00"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_what_the_cluster_refuses_is_explained(project, options, change, choice):
    project.write_settings(**options)
    done = project.submit("training")
    assert (done.returncode, done.stdout) == (1, "")
    assert change in done.stderr
    assert choice in done.stderr.split("There is:")[1]


def _sbatch(folder, *arguments):
    """A script submitted directly. Returns the number of the job."""
    command = ["sbatch", "--parsable", "--mem=1G", "--cpus-per-task=1", *map(str, arguments)]
    return subprocess.check_output(command, cwd=folder, text=True).strip()


def test_scripts_submitted_directly(project, tmp_path):
    """From the project's folder it works; from another, or with a wrong setting, it says why."""
    (project.folder / "slurm_outputs").mkdir()
    script = project.folder / "slurm_scripts" / "make_dataset.slurm"
    flags = ["synthetic", "--num_plates", "2", "--output_file", "two plates.npz"]
    good = _sbatch(project.folder, script, *flags)
    elsewhere = _sbatch(tmp_path, f"--output={tmp_path}/elsewhere.out", script)
    wrong_flag = _sbatch(project.folder, script, "synthetic", "--num_plate", "x")
    assert cluster.wait_for_end(good, elsewhere, wrong_flag) == [
        ("COMPLETED", "0"),
        ("FAILED", "64"),
        ("FAILED", "2"),
    ]
    assert (project.folder / "my data" / "two plates.npz").is_file()
    assert "Expected the project's folder" in (tmp_path / "elsewhere.out").read_text()
    project.write_settings(CHECKPOINT_DIR="/proc/none")
    wrong_setting = _sbatch(project.folder, script, *flags)
    assert cluster.wait_for_end(wrong_setting) == [("FAILED", "64")]
    said = project.log(f"dataset-{wrong_setting}.out")
    assert "CHECKPOINT_DIR: /proc/none cannot be written to" in said


def test_the_environment_is_checked(project):
    job = project.job("check")
    assert cluster.wait_for_end(job) == [("FAILED", "1")]
    said = project.log(f"check-{job}.out")
    assert re.search(r"^ok  tensorflow-cpu +2\.15\.1$", said, re.MULTILINE)
    assert "missing: TensorFlow's CUDA, GPUs TensorFlow sees" in said


def test_training_goes_on_to_the_same_parameters(project):
    """Pre-empted by scontrol, its node set down, told by the time limit: three times held and
    stopped, it ends with the parameters of a run that nobody disturbed, to the bit."""
    from tools import kill_and_resume

    # Slurm looks every 30 s, and may send the signal as much too early: at 180 s left, here.
    project.write_settings(SAVE_SECONDS="150", TIME="60", GRES="")
    disturbed = project.job(
        "training", *_training_flags(project, "disturbed", 3), HOLD_AT_STEPS="2,5,8"
    )
    calm = project.job("training", *_training_flags(project, "calm", 3))
    log = f"training-{disturbed}.out"

    _wait_for_log(project, log, "held after step 2")
    cluster.control("requeue", disturbed)
    assert cluster.wait_for_end(calm) == [("COMPLETED", "0")]

    _wait_for_log(project, log, "held after step 5")
    node = cluster.show(disturbed)["NodeList"]
    cluster.control("update", f"nodename={node}", "state=down", "reason=test")
    # A node that comes back while it still ends the job refuses it, and Slurm holds such a job.
    cluster.wait_for(lambda: "Slurm took" in project.log(log).partition("step 5")[2], "it ended")
    cluster.wait_for(lambda: cluster.is_up(node), "the node is up again")

    _wait_for_log(project, log, "held after step 8")
    minutes = cluster.running_s(disturbed) // 60
    cluster.control("update", f"jobid={disturbed}", f"timelimit={minutes + 3}")
    _wait_for_log(project, log, "queued again")
    cluster.control("update", f"jobid={disturbed}", "timelimit=60")

    assert cluster.wait_for_end(disturbed) == [("COMPLETED", "0")]
    assert cluster.show(disturbed)["Restarts"] == "3"
    said = project.log(log)
    assert len(re.findall(r"^== .* job \d+ on .*", said, re.MULTILINE)) == 4
    assert "got SIGUSR1: the program is to save and end" in said
    runs = [project.folder / "my runs" / name for name in ("calm", "disturbed")]
    equal, number = kill_and_resume.same_arrays(*runs)
    assert equal == number > 100


def test_a_sweep_goes_on_without_the_setting_that_fails(project):
    (project.folder / "sweep.txt").write_text(
        "create_optimizer.learning_rate = 1e-3\n"
        "create_optimizer.learning_rate = -1.0\n"
        "create_optimizer.learning_rate = 1e-2; Transformer.num_layers = 2\n"
        "Transformer.num_heads = 4\n"
    )
    flags = _training_flags(project, "a sweep", 1)
    job = project.job("sweep", "--settings_file", "sweep.txt", *flags)
    ended = cluster.wait_for_end(*(f"{job}_{task}" for task in range(4)))
    assert ended == [("COMPLETED", "0"), ("FAILED", "1"), ("COMPLETED", "0"), ("COMPLETED", "0")]
    table = (project.folder / "my runs" / "a sweep" / "table.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [row[1] for row in rows] == ["done", "done", "done", "failed, exit code 1"]
    assert rows[3][4] == "create_optimizer.learning_rate = -1.0"
    values = [float(row[3]) for row in rows[:3]]
    assert values == sorted(values)
    assert table in project.log(f"sweep-{job}_*.out")


def test_a_server_is_queued_again_and_answers_the_same(project):
    (project.folder / "my runs" / "first").mkdir(parents=True)
    job = project.job("server", "--checkpoint_dir", "first")
    folder = project.folder / "my runs" / f"server-{job}"
    address, log = folder / "address", f"server-{job}.out"
    cluster.wait_for(address.exists, "the server has an address")
    url = address.read_text().strip()
    keys = (folder / "keys").read_text()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o600
    assert f"ssh -N -L 8080:{url.removeprefix('http://')} " in project.log(log)
    key = keys.strip().removeprefix("client:")
    assert len(key) > 32 and key not in project.log(log)

    picture = serving_stubs.file_bytes(serving_stubs.marker_picture(60, 60, (12, 24), (48, 36)))

    def answer():
        with api_client.FoodAcquisitionClient(url, api_key=key) as client:
            return client.predict(picture, "skewering", "strawberry").content["prediction"]

    assert requests.post(f"{url}/predict", json={}, timeout=30).status_code == 401
    before = answer()
    cluster.control("requeue", job)
    # The first server still answers for a moment: only what the log says of the second counts.
    cluster.wait_for(lambda: "== address" in _second_start(project, log), "it is up again")
    assert address.read_text().strip() == url
    assert (folder / "keys").read_text() == keys
    assert answer() == before

    subprocess.run(["scancel", job], check=True)
    assert cluster.wait_for_end(job)[0][0] == "CANCELLED"
    cluster.wait_for(lambda: not address.exists(), "the address is gone")


def _second_start(project, log):
    return project.log(log).partition("started again 1 times")[2]


def _photos(folder: pathlib.Path, number: int) -> None:
    folder.mkdir()
    for index in range(number):
        picture = serving_stubs.marker_picture(60, 60, (6 + 4 * index, 24), (48, 54 - 4 * index))
        Image.fromarray(picture).save(folder / f"{index}.png")


def _answers(path):
    document = json.loads(path.read_text())
    assert document["failed_images"] == []
    return [(one["image"], one["prediction"]) for one in document["results"]]


def test_a_killed_shard_is_submitted_again_alone(project):
    _photos(project.folder / "my data" / "photos", 10)
    runs = project.folder / "my runs"
    (runs / "first").mkdir(parents=True)
    flags = ["--input_dir", "photos", *QUESTION, "--num_samples", "0", "--checkpoint_dir", "first"]
    shared = ["batch_inference", "--num_shards", "4", "--output_file", "shared/all.json", *flags]
    job = project.job(*shared, SLOW_SHARD="2")
    _wait_for_log(project, f"batch_inference-{job}_2.out", "serving on")
    subprocess.run(["scancel", "--signal=KILL", "--full", f"{job}_2"], check=True)
    ended = cluster.wait_for_end(*(f"{job}_{task}" for task in range(4)))
    assert [state for state, _ in ended] == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED"]
    assert not (runs / "shared" / "all.json").exists()
    assert "3 of 4 shards are there" in project.log(f"batch_inference-{job}_*.out")

    again = project.job("--array=2", *shared)
    single = project.job(
        "batch_inference", "--num_shards", "1", "--output_file", "single/all.json", *flags
    )
    assert cluster.wait_for_end(f"{again}_2", f"{single}_0") == [("COMPLETED", "0")] * 2
    answers = _answers(runs / "shared" / "all.json")
    assert [image for image, _ in answers] == [f"{index}.png" for index in range(10)]
    assert answers == _answers(runs / "single" / "all.json")


def _need_no_free_space(project):
    path = project.folder / "slurm_scripts" / "cluster.env"
    if path.exists():
        path.write_text(path.read_text().replace("MIN_FREE_GB=5", "MIN_FREE_GB=0"))


def test_the_commands_of_the_readme(project):
    readme = (cluster.ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## On a cluster\n(.*?)(?=^## )", readme, re.M | re.S).group(1)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.S)).replace("\\\n", " ")
    (project.folder / "slurm_scripts" / "cluster.env").unlink()
    (project.folder / ".venv").symlink_to("environment")
    for command in filter(None, blocks.splitlines()):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if name != "CLUSTER_ENV"},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        job = re.search(r"^job +(\d+)$", done.stdout, re.MULTILINE)
        if job is None:
            assert shlex.split(command)[0] in ("cp", "mkdir"), command
            _need_no_free_space(project)
        elif "submit-dataset" in command:
            assert cluster.wait_for_end(job.group(1)) == [("COMPLETED", "0")]
        else:
            subprocess.run(["scancel", job.group(1)], check=True)
