"""Several workers on a real Slurm: the same curve as one, and on again after one was killed.

`test_jobs.py` runs these tests beside its own: two modules would keep two processes waiting.
"""

from __future__ import annotations

import csv
import os
import pathlib
import re
import signal

import numpy as np

from tests.slurm import cluster

# Workers draw their own dropout; without it the curve is that of one.
NO_DROPOUT = [
    f"DropoutSettings.{name} = 0.0"
    for name in ("backbone_drop_connect", "transformer_attention", "transformer_feed_forward")
]
# 16 training samples: two batches of 6 and one of 4.
TINY_RUN = [
    *("--batch_size", "6", "--num_epochs", "2", "--checkpoint_every_steps", "1"),
    *("--learning_rate", "1e-3", "--gin_bindings", *NO_DROPOUT),
]
COLUMNS = ("train_loss", "val_loss", "centroid_mae", "learning_rate")


def _flags(project, run):
    from tools import kill_and_resume

    folder = project.folder / "my data"
    if not (folder / "tiny.gin").exists():
        kill_and_resume.write_data(folder)
    return [
        *("--config_file", "my data/tiny.gin", "--dataset_file", "data.npz"),
        *("--split_file", "split.npz", "--checkpoint_dir", run, *TINY_RUN),
    ]


def _curve(run: pathlib.Path) -> np.ndarray:
    with (run / "loss_log.csv").open() as file:
        return np.array([[float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)])


def _check_same_curve(found: pathlib.Path, expected: pathlib.Path) -> None:
    np.testing.assert_allclose(_curve(found), _curve(expected), rtol=2e-4)
    names = [{path.name for path in run.iterdir()} for run in (found, expected)]
    assert {name for name in names[0] if "checkpoint-" not in name} == {
        name for name in names[1] if "checkpoint-" not in name
    }


@cluster.together
def test_workers_take_the_steps_of_one(project):
    """One worker, two tasks of one node; and one on each of two nodes, of which one is killed in
    the middle of an epoch: the job is queued again and ends with the same parameters to the bit."""
    from tools import kill_and_resume

    project.write_settings(GRES="")
    one = project.job("training", *_flags(project, "one"))
    two = project.job(
        *("--nodes=1", "--ntasks-per-node=2", "training_multinode"), *_flags(project, "two")
    )
    num_nodes = len(cluster.nodes())
    killed = project.job(
        *(f"--nodes={num_nodes}", "--ntasks-per-node=1", "--ntasks=2", "training_multinode"),
        *_flags(project, "killed"),
        HOLD_AT_STEPS="2",
    )
    log = f"multinode-{killed}.out"
    pattern = r"held after step 2, process (\d+), task 1"

    def is_held():
        assert cluster.show(killed)["JobState"] not in cluster.ENDED, project.log(log)
        return re.search(pattern, project.log(log))

    cluster.wait_for(is_held, "worker 1 is held")
    os.kill(int(is_held().group(1)), signal.SIGKILL)

    assert cluster.wait_for_end(one, two, killed) == [("COMPLETED", "0")] * 3
    runs = project.folder / "my runs"
    _check_same_curve(runs / "two", runs / "one")
    equal, number = kill_and_resume.same_arrays(runs / "two", runs / "killed")
    assert equal == number > 100
    assert int(cluster.show(killed)["Restarts"]) >= 1
    assert "a worker was lost" in project.log(log)
    assert not list((project.folder / "slurm_outputs").glob(".workers-*"))


@cluster.together
def test_a_worker_s_own_error_is_the_job_s(project):
    project.write_settings(GRES="")
    job = project.job(
        *("--nodes=1", "--ntasks-per-node=2", "training_multinode"),
        *_flags(project, "wrong"),
        *("--batch_size", "3"),
    )
    assert cluster.wait_for_end(job) == [("FAILED", "1")]
    said = project.log(f"multinode-{job}.out")
    assert "batch_size: expected a multiple of the 2 shards, got 3" in said
