"""Jobs on a real Slurm: stopped, queued again, gone on with; arrays; a server; refusals.

Training is real, with a tiny network; the server has a stub for a model. Jobs mostly wait, so all
tests that submit some run at once, each with a project of its own (`cluster.together`).
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest
import requests

import api_client
from tests import serving_stubs, tiny_training
from tests.slurm import cluster

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("running")]
TINY_RUN = ["--batch_size", "4", "--steps_per_epoch", "3", "--checkpoint_every_steps", "2"]
TINY_RUN += ["--num_epochs", "2"]
# Workers draw their own dropout; without it the curve is that of one.
NO_DROPOUT = [
    f"DropoutSettings.{name} = 0.0"
    for name in ("backbone_drop_connect", "transformer_attention", "transformer_feed_forward")
]
# 16 training samples: two batches of 6 and one of 4.
WORKERS_RUN = [
    *("--batch_size", "6", "--num_epochs", "1", "--checkpoint_every_steps", "1"),
    *("--learning_rate", "1e-3", "--gin_bindings", *NO_DROPOUT),
]


def _run_flags(project, run, more):
    """A data set of noise and a tiny network, of `tiny_training`."""
    folder = project.folder / "my data"
    if not (folder / "tiny.gin").exists():
        tiny_training.write_data(folder)
    flags = ["--config_file", "my data/tiny.gin", "--dataset_file", "data.npz"]
    return [*flags, "--split_file", "split.npz", "--checkpoint_dir", run, *more]


def _wait_for_log(project, pattern, words):
    cluster.wait_for(lambda: words in project.log(pattern), f"{pattern} says {words!r}")


@cluster.together
def test_training_goes_on_to_the_same_parameters(project):
    """Queued again by scontrol, then told by the time limit: stopped twice, it ends with the
    parameters of a run that nobody disturbed, to the bit."""
    # Slurm looks every 30 s, and may send the signal as much too early: at 180 s left, here.
    project.write_settings(SAVE_SECONDS="150", TIME="60", GRES="")
    disturbed = project.job(
        *("--partition=spare", "training", *_run_flags(project, "disturbed", TINY_RUN)),
        HOLD_AT_STEPS="2,5",
    )
    calm = project.job("training", *_run_flags(project, "calm", TINY_RUN))
    log = f"training-{disturbed}.out"

    _wait_for_log(project, log, "held after step 2")
    cluster.control("requeue", disturbed)

    # Three minutes are within what Slurm takes for the end of the time, so the signal comes now.
    _wait_for_log(project, log, "started again 1 times")
    cluster.control("update", f"jobid={disturbed}", "timelimit=3")
    # The next start has more time, and on a busy machine saving too.
    _wait_for_log(project, log, "got SIGUSR1")
    cluster.control("update", f"jobid={disturbed}", "timelimit=60")

    assert cluster.wait_for_end(disturbed, calm) == [("COMPLETED", "0")] * 2
    assert cluster.show(disturbed)["Restarts"] == "2"
    assert project.log(log).count("saved; --resume_checkpoint auto goes on") == 2
    runs = [project.folder / "my runs" / name for name in ("calm", "disturbed")]
    equal, number = tiny_training.same_arrays(*runs)
    assert equal == number > 100


@cluster.together
def test_workers_take_the_steps_of_one(project):
    """One worker, two tasks of one node; and one on each of two nodes, of which one is killed in
    the middle of an epoch: the job is queued again and ends with the same parameters to the bit."""
    project.write_settings(TIME="60", GRES="")
    one, two, killed = (_run_flags(project, run, WORKERS_RUN) for run in ("one", "two", "killed"))
    one = project.job("training", *one)
    two = project.job("--nodes=1", "--ntasks-per-node=2", "training_multinode", *two)
    tasks = (f"--nodes={len(cluster.nodes())}", "--ntasks-per-node=1", "--ntasks=2")
    killed = project.job(*tasks, "training_multinode", *killed, HOLD_AT_STEPS="2")
    log = f"multinode-{killed}.out"
    pattern = r"held after step 2, process (\d+), task 1"

    def is_held():
        assert cluster.show(killed)["JobState"] not in cluster.ENDED, project.log(log)
        return re.search(pattern, project.log(log))

    cluster.wait_for(is_held, "worker 1 is held")
    os.kill(int(is_held().group(1)), signal.SIGKILL)

    assert cluster.wait_for_end(one, two, killed) == [("COMPLETED", "0")] * 3
    runs = project.folder / "my runs"
    files = [runs / name / "loss_log.csv" for name in ("one", "two")]
    alone, both = (np.genfromtxt(file, delimiter=",", names=True) for file in files)
    for column in ("train_loss", "val_loss", "centroid_mae", "learning_rate"):
        np.testing.assert_allclose(both[column], alone[column], rtol=2e-4)
    equal, number = tiny_training.same_arrays(runs / "two", runs / "killed")
    assert equal == number > 100
    assert int(cluster.show(killed)["Restarts"]) >= 1
    assert "a worker was lost" in project.log(log)
    assert not list((project.folder / "slurm_outputs").glob(".workers-*"))


def _ask_from(node, url, keys, picture):
    """What a program on that node is answered."""
    key = {api_client.API_KEY_VARIABLE: keys.strip().removeprefix("client:")}
    command = ["srun", f"--nodelist={node}", "--mem=500M", sys.executable, "api_client.py"]
    command += [f"--api_url={url}", f"--image={picture}"]
    command += ["--action=skewering", "--food_type=strawberry"]
    said = subprocess.check_output(command, cwd=cluster.ROOT, env={**os.environ, **key}, text=True)
    return [json.loads(said)[name] for name in ("start_x", "start_y", "end_x", "end_y")]


@cluster.together
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
    _wait_for_log(project, log, f"ssh -N -L 8080:{url.removeprefix('http://')} ")
    assert len(keys) > 32 and keys.strip().removeprefix("client:") not in project.log(log)

    picture, marked = project.folder / "plate.png", serving_stubs.marker_picture
    picture.write_bytes(serving_stubs.file_bytes(marked(60, 60, (12, 24), (48, 36))))
    own = cluster.show(job)["NodeList"]
    other = next((name for name in cluster.nodes() if name != own), own)
    assert requests.post(f"{url}/predict", json={}, timeout=30).status_code == 401
    before = _ask_from(other, url, keys, picture)
    assert before[0] == pytest.approx(0.2, abs=0.02)
    cluster.control("requeue", job)
    # The first server still answers for a moment: only what the log says of the second counts.
    cluster.wait_for(
        lambda: re.search("started again 1 times(?s:.*)== address", project.log(log)), "it is up"
    )
    url = address.read_text().strip()
    assert (folder / "keys").read_text() == keys
    assert _ask_from(other, url, keys, picture) == before

    subprocess.run(["scancel", job], check=True)
    assert cluster.wait_for_end(job)[0][0] == "CANCELLED"
    cluster.wait_for(lambda: not address.exists(), "the address is gone")


def test_what_the_cluster_refuses_is_explained(project):
    for options, change, choice in (
        ({"PARTITION": "cpu"}, "change PARTITION ('cpu')", "gpu"),
        ({"CONSTRAINT": "h100"}, "change CONSTRAINT ('h100')", "a100,v100"),
        ({"MEMORY": "900G"}, "change MEMORY ('900G'", "128000"),
        ({"GRES": "gpu:9"}, "GRES ('gpu:9')", "GRES=gpu:8"),
        ({"TIME": "30-0"}, "change TIME ('30-0')", "gpu:2-00:00:00"),
    ):
        project.write_settings(**options)
        done = project.submit("training")
        assert (done.returncode, done.stdout) == (1, "")
        assert change in done.stderr
        assert choice in done.stderr.split("There is:")[1]


@cluster.together
def test_the_commands_of_the_readme(project):
    """The check ends with 1 here, because there is no GPU, and says so."""
    readme = (cluster.ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## On a cluster\n(.*?)(?=^## )", readme, re.M | re.S).group(1)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.S)).replace("\\\n", " ")
    (project.folder / "slurm_scripts" / "cluster.env").unlink()
    (project.folder / ".venv").symlink_to("environment")
    jobs = {}
    # Four plates are as good as four hundred, and a disk may be small here.
    blocks = blocks.replace("--num_plates 400", "--num_plates 4")
    environment = {name: value for name, value in os.environ.items() if name != "CLUSTER_ENV"}
    for command in filter(None, blocks.splitlines()):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        job = re.search(r"^job +(\d+)$", done.stdout, re.MULTILINE)
        if job is not None:
            jobs[re.search(r"submit-(\w+)", command).group(1)] = job.group(1)
        elif command.startswith("cp "):
            path = project.folder / "slurm_scripts" / "cluster.env"
            path.write_text(path.read_text().replace("MIN_FREE_GB=5", "MIN_FREE_GB=0"))
    if f"after    job {jobs['dataset']}" in done.stdout:  # Unless it had ended already.
        assert cluster.show(jobs["training"])["Dependency"].startswith(f"afterok:{jobs['dataset']}")
    subprocess.run(["scancel", jobs["training"]], check=True)
    ended = cluster.wait_for_end(jobs["check"], jobs["dataset"])
    assert ended == [("FAILED", "1"), ("COMPLETED", "0")]
    said = project.log("check-*.out")
    assert re.search(r"^ok  TensorFlow's Keras +tf_keras$", said, re.MULTILINE)
    assert "missing: TensorFlow's CUDA, GPUs TensorFlow sees" in said
