"""batch_inference.slurm without a Slurm: what it asks of batch_api_inference.py."""

from __future__ import annotations

import os
import subprocess

import pytest

# Says what it is asked, and leaves the file that it was to write.
PYTHON = """#!/bin/sh
printf 'asked:'
printf ' <%s>' "$@"
echo
while [ $# -gt 0 ]; do
    [ "$1" != --output_file ] || echo '{}' > "$2"
    shift
done
"""


@pytest.fixture
def task(project):
    """Runs a task of the job array, with a stand-in for Python."""
    python = project.folder / "environment" / "bin" / "python"
    python.write_text(PYTHON)

    def run(index, *flags):
        slurm = {"SLURM_ARRAY_TASK_ID": str(index)}
        done = subprocess.run(
            ["bash", "slurm_scripts/batch_inference.slurm", "--num_shards", "2", *flags],
            cwd=project.folder,
            env={**os.environ, "CLUSTER_ENV": "", **slurm},
            capture_output=True,
            text=True,
            check=False,
        )
        asked = [line for line in done.stdout.splitlines() if line.startswith("asked:")]
        return done, [line.replace(str(project.folder), "HERE") for line in asked]

    return run


def test_the_model_is_in_the_tasks_own_process(task):
    flags = ["--tfrecord_dir", "my shards", "--split=val", "--checkpoint_dir=first"]
    flags += ["--output_file", "out/a.json"]
    done, asked = task(0, *flags)
    assert done.returncode == 0, done.stderr
    assert asked == [
        "asked: <batch_api_inference.py> <--num_shards> <2> "
        "<--tfrecord_dir> <HERE/my data/my shards> <--split=val> "
        "<--checkpoint_dir=HERE/my runs/first> <--shard_index> <0> <--resume> "
        "<--output_file> <HERE/my runs/out/a.shard0.json>"
    ]
    assert "== 1 of 2 shards are there." in done.stdout
    done, asked = task(1, *flags)
    assert asked[1:] == [
        "asked: <batch_api_inference.py> <--output_file> <HERE/my runs/out/a.json> <--merge> "
        "<HERE/my runs/out/a.shard0.json> <HERE/my runs/out/a.shard1.json>"
    ]


def test_a_server_is_asked_where_one_is_named(task):
    flags = ["--input_dir", "photos", "--output_file", "a.json", "--api_url", "http://n1:80"]
    _, (asked,) = task(0, *flags)
    assert "<--input_dir> <HERE/my data/photos> <--api_url> <http://n1:80>" in asked
    assert "--checkpoint_dir" not in asked


def test_nobody_to_ask(task):
    done, asked = task(0, "--input_dir", "photos", "--output_file", "a.json")
    assert (done.returncode, asked) == (64, [])
    assert "--checkpoint_dir: expected the model's, or an --api_url" in done.stderr
