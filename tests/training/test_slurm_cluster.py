"""What the environment of a task of srun says."""

from __future__ import annotations

import pytest

from training import slurm_cluster

ENVIRONMENT = {
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}


def _cluster(**changes):
    environment = {k: v for k, v in {**ENVIRONMENT, **changes}.items() if v is not None}
    return slurm_cluster.from_environment(environment, lambda nodes: ["n1", "n2"])


def test_addresses_node_by_node():
    found = _cluster()
    assert found.addresses == ("n1:10112", "n1:10113", "n2:10112", "n2:10113")
    assert (found.index, found.local_index, found.local_count) == (3, 1, 2)
    assert found.gpus_of_job_on_node is None


def test_nodes_with_different_numbers_of_tasks():
    found = _cluster(SLURM_STEP_TASKS_PER_NODE="3,1", SLURM_LOCALID="0", SLURM_GPUS_ON_NODE="4")
    assert found.addresses[3] == "n2:10112"
    assert (found.local_count, found.gpus_of_job_on_node) == (1, 4)


def test_jobs_with_neighbouring_numbers_share_no_port():
    mine, next_one = set(_cluster().addresses), set(_cluster(SLURM_JOB_ID="8").addresses)
    assert not mine & next_one
    ports = [_cluster(SLURM_JOB_ID=str(job)).addresses[0].split(":")[1] for job in range(5000)]
    # Below those that systems give to clients.
    assert min(map(int, ports)) >= 10_000 and max(map(int, ports)) + 16 < 32_768


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SLURM_PROCID": None}, "expected a task of srun, got none: SLURM_PROCID not set"),
        ({"SLURM_PROCID": "1"}, "expected task 3 as number 1 of node 1, got task 1"),
        ({"SLURM_STEP_TASKS_PER_NODE": "4"}, "expected a number of tasks for each node"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2x2"}, "expected a form such as"),
    ],
)
def test_what_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        _cluster(**changes)


@pytest.mark.parametrize(
    ("text", "counts"), [("1", [1]), ("2(x3)", [2, 2, 2]), ("4,2(x2),1", [4, 2, 2, 1])]
)
def test_tasks_per_node(text, counts):
    assert slurm_cluster.tasks_per_node(text) == counts


@pytest.mark.parametrize(
    ("of_job", "visible", "local_index", "local_count", "own"),
    [
        (None, 0, 0, 2, []),  # CPUs only
        (4, 4, 0, 1, [0, 1, 2, 3]),  # one task with all of them
        (4, 4, 2, 4, [2]),  # every task sees all
        (4, 4, 1, 2, [2, 3]),
        (4, 1, 3, 4, [0]),  # Slurm shows each task its own
        (4, 2, 1, 2, [0, 1]),
        (None, 2, 1, 2, [1]),
    ],
)
def test_which_gpus_are_whose(of_job, visible, local_index, local_count, own):
    cluster = slurm_cluster.SlurmCluster(("a",), 0, local_index, local_count, of_job)
    assert cluster.own_gpus(visible) == own


def test_gpus_that_cannot_be_shared_out():
    cluster = slurm_cluster.SlurmCluster(("a",), 0, 0, 2, 3)
    with pytest.raises(ValueError, match="each of the 2 tasks of this node, got 3 GPUs"):
        cluster.own_gpus(3)
