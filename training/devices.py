"""What a run computes on, and how precisely: GPUs of one machine, or of the tasks of a Slurm job.

Each device has a copy of the variables and takes its share of every batch (`sequence_agent.share`).
Gradients and BatchNorm's statistics are those of the whole batch, as on one device.

What `srun` says of a step, in its environment, is enough to know who trains together:

    SLURM_STEP_NODELIST=n[1-2]  SLURM_STEP_TASKS_PER_NODE=2(x2)  SLURM_JOB_ID=7  SLURM_PROCID=2
    ->  n1:10112, n1:10113, n2:10112, n2:10113; this is worker 2, the first on n2

TensorFlow's own `SlurmClusterResolver` is not used: docs/scaling.md. A job has 16 ports of a node
for itself, so it should not have more tasks there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import subprocess
import typing
from collections.abc import Iterator, Mapping

from absl import logging

# TensorFlow takes seconds: functions import it, so that --help does not wait.
if typing.TYPE_CHECKING:
    import tensorflow as tf

_FIRST_PORT, _PORTS_OF_JOB, _JOBS = 10_000, 16, 600
# TensorFlow's ten are too few where processors are short; thirty would outlast Slurm's KillWait.
_SILENCE_S = 20


@contextlib.contextmanager
def precision(name: str | None) -> Iterator[None]:
    """What is built inside computes in bfloat16, or in float32 for None; checkpoints are the same.

    Pictures, statistics of BatchNorm and LayerNorm, attention's softmax, outputs and loss stay in
    float32. bfloat16 has its range, so the loss needs no scaling (arXiv 1905.12322).
    """
    import tensorflow as tf

    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float32" if name is None else f"mixed_{name}")
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def strategy() -> tf.distribute.Strategy:
    """What to build the agent under: all GPUs, or logical CPU devices where there is no GPU."""
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in found])


@dataclasses.dataclass(frozen=True)
class SlurmCluster:
    """The tasks of a step of `srun`."""

    addresses: tuple[str, ...]  # 'host:port' of each worker, in the order of their numbers
    index: int  # the number of this one
    local_index: int  # its number among those of its node
    local_count: int  # workers on its node
    gpus_of_job_on_node: int | None = None  # None if Slurm does not say

    def own_gpus(self, num_visible: int) -> list[int]:
        """Which of the GPUs that TensorFlow sees it uses: all, where Slurm shows a task its own
        (`--gpus-per-task`, `--gpu-bind`), or else an equal part (`--gres=gpu:4`)."""
        is_bound = num_visible < (self.gpus_of_job_on_node or 0)
        if self.local_count == 1 or is_bound:
            return list(range(num_visible))
        share, rest = divmod(num_visible, self.local_count)
        if rest:
            raise ValueError(
                f"--cluster slurm: expected as many GPUs for each of {self.local_count} tasks, got "
                f"{num_visible}. Use --ntasks-per-node={num_visible}, or --gpus-per-task=1."
            )
        return list(range(self.local_index * share, (self.local_index + 1) * share))


def slurm_cluster(environment: Mapping[str, str]) -> SlurmCluster:
    """The step of `srun` that this process is a task of."""
    names = ("JOB_ID", "PROCID", "LOCALID", "NODEID", "STEP_NODELIST", "STEP_TASKS_PER_NODE")
    missing = [f"SLURM_{name}" for name in names if f"SLURM_{name}" not in environment]
    if missing:
        raise ValueError(
            f"--cluster slurm: expected a task of srun, got none: {', '.join(missing)} not set. "
            "Use slurm_scripts/run_training_multinode.slurm."
        )
    job, index, local_index, node = (int(environment[f"SLURM_{name}"]) for name in names[:4])
    command = ["scontrol", "show", "hostnames", environment["SLURM_STEP_NODELIST"]]
    nodes, counts = subprocess.check_output(command, text=True).split(), []
    for part in environment["SLURM_STEP_TASKS_PER_NODE"].split(","):  # '2(x2),1' -> [2, 2, 1]
        count, times = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part).groups()
        counts += [int(count)] * int(times or 1)
    if len(nodes) != len(counts) or sum(counts[:node]) + local_index != index:
        raise ValueError(
            f"--cluster slurm: expected srun --distribution=block, got {counts} tasks for {nodes}, "
            f"and task {index} as number {local_index} of node {node}."
        )
    # Jobs with neighbouring numbers may share a node.
    first_port = _FIRST_PORT + job % _JOBS * _PORTS_OF_JOB
    addresses = [
        f"{name}:{first_port + i}" for name, count in zip(nodes, counts) for i in range(count)
    ]
    gpus = environment.get("SLURM_GPUS_ON_NODE", "")
    return SlurmCluster(
        tuple(addresses), index, local_index, counts[node], int(gpus) if gpus.isdigit() else None
    )


def worker_strategy(cluster: SlurmCluster) -> tf.distribute.Strategy:
    """What every worker of a cluster builds its agent under; returns once all of them are there."""
    import tensorflow as tf
    from tensorflow.python.eager import context

    gpus = tf.config.list_physical_devices("GPU")
    own = [gpus[number] for number in cluster.own_gpus(len(gpus))]
    tf.config.set_visible_devices(own, "GPU")
    for gpu in own:
        # Workers of one node see each other's memory go; none of them takes all of it.
        tf.config.experimental.set_memory_growth(gpu, True)
    num_workers = len(cluster.addresses)
    logging.info("worker %d of %d, with %d GPUs", cluster.index, num_workers, len(own))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
        num_accelerators={"GPU": len(own)},
    )
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=1000 * _SILENCE_S,
        coordinated_jobs=[
            context.coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=num_workers)
        ],
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)
