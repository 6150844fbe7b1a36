"""Which processes of a Slurm job train together, where each listens, and which GPUs are whose.

What `srun` says of a step, in its environment, is enough:

    SLURM_STEP_NODELIST=n[1-2]  SLURM_STEP_TASKS_PER_NODE=2(x2)  SLURM_JOB_ID=7  SLURM_PROCID=2
    ->  n1:10112, n1:10113, n2:10112, n2:10113; this is worker 2, the first on n2

TensorFlow's own `SlurmClusterResolver` looks for GPUs with nvidia-smi, so that it fails on nodes
without; counts GPUs of the node for a task that Slurm gave one of them; and listens on the same
ports in every job. A job has 16 ports of a node for itself, so it should not have more tasks there.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence

_FIRST_PORT, _PORTS_OF_JOB, _JOBS = 10_000, 16, 600
_NEEDED = (
    "SLURM_JOB_ID",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_STEP_NODELIST",
    "SLURM_STEP_TASKS_PER_NODE",
)


@dataclasses.dataclass(frozen=True)
class SlurmCluster:
    """The tasks of a step of `srun`.

    Attributes:
        addresses: 'host:port' of each worker, in the order of their numbers.
        index: the number of this one.
        local_index: its number among those of its node.
        local_count: workers on its node.
        gpus_of_job_on_node: that Slurm gave the job on this node; None if Slurm does not say.
    """

    addresses: tuple[str, ...]
    index: int
    local_index: int
    local_count: int
    gpus_of_job_on_node: int | None = None

    def own_gpus(self, num_visible: int) -> list[int]:
        """Which of the GPUs that TensorFlow sees this worker uses; none on a node without.

        Slurm either shows a task its own GPUs only (`--gpus-per-task`, `--gpu-bind`), all of which
        it then uses, or shows every task all of the job's (`--gres=gpu:4`), which are shared out in
        equal parts.

        Args:
            num_visible: GPUs that TensorFlow sees in this process.

        Returns:
            Their numbers, 0 .. num_visible - 1.

        Raises:
            ValueError: if all tasks see the same GPUs and these cannot be shared out.
        """
        all_of_job = self.gpus_of_job_on_node
        is_bound = all_of_job is not None and num_visible < all_of_job
        if num_visible == 0 or self.local_count == 1 or is_bound:
            return list(range(num_visible))
        share, rest = divmod(num_visible, self.local_count)
        if rest:
            raise ValueError(
                f"--cluster slurm: expected as many GPUs for each of the {self.local_count} tasks "
                f"of this node, got {num_visible} GPUs. Use --ntasks-per-node={num_visible}, or "
                "--gpus-per-task=1."
            )
        return list(range(self.local_index * share, (self.local_index + 1) * share))


def from_environment(
    environment: Mapping[str, str], hostnames: Callable[[str], Sequence[str]] | None = None
) -> SlurmCluster:
    """The step of `srun` that this process is a task of.

    Args:
        environment: `os.environ`.
        hostnames: 'n[1-2]' to its nodes; `scontrol show hostnames` unless given.

    Returns:
        The cluster.

    Raises:
        ValueError: if this is no task of srun, or tasks are not numbered node by node.
    """
    missing = [name for name in _NEEDED if name not in environment]
    if missing:
        raise ValueError(
            f"--cluster slurm: expected a task of srun, got none: {', '.join(missing)} not set. "
            "Use slurm_scripts/run_training_multinode.slurm, or start train.py with srun."
        )
    nodes = (hostnames or _hostnames)(environment["SLURM_STEP_NODELIST"])
    counts = tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
    if len(nodes) != len(counts):
        raise ValueError(
            f"--cluster slurm: expected a number of tasks for each node, got {counts} for {nodes}."
        )
    index, local_index, node = (
        int(environment[name]) for name in ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
    )
    if sum(counts[:node]) + local_index != index:
        raise ValueError(
            f"--cluster slurm: expected task {sum(counts[:node]) + local_index} as number "
            f"{local_index} of node {node}, got task {index}. Use srun --distribution=block."
        )
    # Jobs with neighbouring numbers may share a node.
    first_port = _FIRST_PORT + int(environment["SLURM_JOB_ID"]) % _JOBS * _PORTS_OF_JOB
    addresses = [
        f"{name}:{first_port + i}" for name, count in zip(nodes, counts) for i in range(count)
    ]
    gpus = environment.get("SLURM_GPUS_ON_NODE", "")
    return SlurmCluster(
        tuple(addresses), index, local_index, counts[node], int(gpus) if gpus.isdigit() else None
    )


def tasks_per_node(text: str) -> list[int]:
    """'2(x2),1' -> [2, 2, 1].

    Raises:
        ValueError: if it is not of this form.
    """
    counts = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise ValueError(
                f"SLURM_STEP_TASKS_PER_NODE: expected a form such as 2(x2),1, got {text!r}."
            )
        counts += [int(found.group(1))] * int(found.group(2) or 1)
    return counts


def _hostnames(nodes: str) -> list[str]:
    command = ["scontrol", "show", "hostnames", nodes]
    return subprocess.check_output(command, text=True).split()
