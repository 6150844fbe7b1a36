"""Training on several GPUs of one machine (`tf.distribute.MirroredStrategy`), or on those of
several workers (`MultiWorkerMirroredStrategy`).

Each device has a copy of the variables and takes its share of every batch; the gradients are added
up, so that a step is the step that one device would take with the whole batch. BatchNorm's
statistics are those of the whole batch (`film_efficientnet.mbconv_block.SynchronizedBatchNorm`).

Example: 5 samples on 2 devices are shares of 2 and 3, weighted 2/5 and 3/5. 1 sample on 2 devices
is given to both, with weight 1/2 each.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from absl import logging
from tensorflow.python.eager import context
from tf_agents.agents import tf_agent
from tf_agents.trajectories import trajectory

from training import slurm_cluster

_SILENCE_S = 20


def strategy(num_devices: int | None = None) -> tf.distribute.Strategy:
    """What to build the agent under: `with strategy(n).scope(): create_agent()`.

    Args:
        num_devices: GPUs, or logical CPU devices where there is no GPU; None for all GPUs.

    Returns:
        The default strategy for one device, which does nothing, or a MirroredStrategy.

    Raises:
        ValueError: if there are fewer devices.
    """
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    if num_devices is None:
        num_devices = len(devices) if kind == "GPU" else 1
    if num_devices > len(devices):
        raise ValueError(
            f"--num_devices: expected at most {len(devices)}, the {kind}s that TensorFlow sees, "
            f"got {num_devices}."
        )
    if num_devices == 1:
        return tf.distribute.get_strategy()
    logging.info("devices: %s", ", ".join(devices[:num_devices]))
    return tf.distribute.MirroredStrategy(devices[:num_devices])


def worker_strategy(
    cluster: slurm_cluster.SlurmCluster, collectives: str = "auto"
) -> tf.distribute.Strategy:
    """What every worker of a cluster builds its agent under; returns once all of them are there.

    Args:
        cluster: the workers.
        collectives: 'ring' adds up over the network with gRPC, on any device; 'nccl' needs a GPU
            for each worker; 'auto' lets TensorFlow choose.

    Returns:
        A MultiWorkerMirroredStrategy with the worker's own GPUs, or its CPU where there is none.

    Raises:
        ValueError: if the GPUs of the node cannot be shared out, or nccl has none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    own = [gpus[number] for number in cluster.own_gpus(len(gpus))]
    if collectives == "nccl" and not own:
        raise ValueError(
            "--collectives nccl: expected a GPU for each worker, got none that TensorFlow sees. "
            "Use ring, or ask Slurm for GPUs."
        )
    if gpus:
        tf.config.set_visible_devices(own, "GPU")
    for gpu in own:
        # Workers of one node see each other's memory go; none of them takes all of it.
        tf.config.experimental.set_memory_growth(gpu, True)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
        num_accelerators={"GPU": len(own)},
    )
    _be_patient(len(cluster.addresses))
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation[collectives.upper()]
    )
    logging.info(
        "worker %d of %d at %s, with %s",
        cluster.index,
        len(cluster.addresses),
        cluster.addresses[cluster.index],
        f"{len(own)} GPUs" if own else "its CPU",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


def _be_patient(num_workers: int) -> None:
    """Makes a worker that is silent for twenty seconds a lost one.

    TensorFlow's own ten seconds are less than a worker is silent whose node is short of processors.
    Thirty would be more than Slurm's KillWait, after which it ends those who still wait for it.
    """
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=1000 * _SILENCE_S,
        coordinated_jobs=[
            context.coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=num_workers)
        ],
    )


def distribute(
    train: Callable[..., tf_agent.LossInfo],
) -> Callable[[trajectory.Trajectory], tf_agent.LossInfo]:
    """A train step that shares its batch among the devices of the strategy in force.

    Args:
        train: (experience, weights) -> LossInfo, equal on all devices, see `SequenceAgent.train`.

    Returns:
        experience -> LossInfo.
    """
    current = tf.distribute.get_strategy()
    num_devices = len(current.extended.worker_devices)

    def train_together(
        experience: trajectory.Trajectory, weights: tf.Tensor | None = None
    ) -> tf_agent.LossInfo:
        shares = [share(experience, num_devices, index, weights) for index in range(num_devices)]

        def of_device(replica: tf.distribute.ValueContext) -> object:
            # Replicas of other processes have shares of their own processes' parts.
            return shares[replica.replica_id_in_sync_group % num_devices]

        per_device = current.experimental_distribute_values_from_function(of_device)
        info = current.run(train, args=(per_device[0], per_device[1]))
        return tf.nest.map_structure(
            lambda value: current.experimental_local_results(value)[0], info
        )

    return train_together


def share(
    experience: trajectory.Trajectory,
    num_devices: int,
    index: int,
    weights: tf.Tensor | None = None,
) -> tuple[trajectory.Trajectory, tf.Tensor]:
    """What one device gets of a batch.

    Args:
        experience: B trajectories.
        num_devices: n.
        index: of the device, 0 .. n - 1.
        weights: float32 [B], of the samples; None: 1 each.

    Returns:
        Samples index * B / n up to (index + 1) * B / n, rounded, at least one; and their weights,
        float32, divided among the devices that have the same sample.
    """
    batch_size = tf.shape(experience.step_type)[0]
    start, stop = index * batch_size // num_devices, (index + 1) * batch_size // num_devices
    stop = tf.maximum(stop, start + 1)
    part = tf.nest.map_structure(lambda x: x[start:stop], experience)
    # With fewer samples than devices, device i has sample floor(i B / n).
    owners = tf.reduce_sum(
        tf.cast(tf.range(num_devices) * batch_size // num_devices == start, tf.float32)
    )
    is_shared = batch_size < num_devices
    weight = tf.where(is_shared, 1.0 / owners, 1.0)
    part_weights = tf.fill((stop - start,), weight)
    return part, part_weights if weights is None else weights[start:stop] * part_weights
