"""What workers send each other in a training step, and how long that takes.

    python -m benchmarks.all_reduce --num_workers 2 --config_file configs/small.gin

Starts the workers as processes of this machine, joined as training joins them
(`training.devices.worker_strategy`). They add up zeros of the shapes of all gradients, as one
message that TensorFlow packs, and the statistics of each BatchNorm, one after the other, as the
forward and the backward pass do. On one machine the network is memory, and the workers share its
cores; between machines it is bytes over bandwidth, see docs/scaling.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
from concurrent import futures

import gin
import tensorflow as tf

import benchmarks
from film_efficientnet import mbconv_block
from training import devices, run_setup

_REPEATS = 5


def _median_ms(strategy: tf.distribute.Strategy, sizes: list, at_once: bool) -> float:
    """To add up zeros of these shapes, in one call or each after the one before."""

    def of_replica() -> list[tf.Tensor]:
        context, total = tf.distribute.get_replica_context(), tf.distribute.ReduceOp.SUM
        values = [tf.zeros(size) for size in sizes]
        if at_once:
            return context.all_reduce(total, values)
        sums: list[tf.Tensor] = []
        for value in values:
            with tf.control_dependencies(sums[-1:]):
                sums.append(context.all_reduce(total, tf.identity(value)))
        return sums

    @tf.function(autograph=False)
    def reduce() -> tf.Tensor:
        sums = strategy.experimental_local_results(strategy.run(of_replica))
        return tf.add_n([tf.reduce_sum(value) for value in tf.nest.flatten(sums)])

    return benchmarks.median_ms(lambda: reduce().numpy(), _REPEATS)


def _work(index: int, addresses: tuple[str, ...], config_file: str) -> None:
    """One worker; the first prints."""
    cluster = devices.SlurmCluster(addresses, index, index, len(addresses))
    strategy = devices.worker_strategy(cluster)
    with strategy.scope():
        gin.parse_config_file(config_file)
        network = run_setup.create_agent().network
        gradients = [variable.shape for variable in network.used_trainable_variables]
        kind = mbconv_block.SynchronizedBatchNorm
        layers = [layer for layer in network.submodules if isinstance(layer, kind)]
        # Mean, variance and count, once in the forward pass and once in the backward pass.
        norms = 2 * [tf.TensorShape([2 * layer.gamma.shape[0] + 1]) for layer in layers]
        for name, sizes in (("gradients", gradients), ("BatchNorm statistics", norms)):
            ms = _median_ms(strategy, sizes, at_once=sizes is gradients)
            if index == 0:
                megabytes = 4e-6 * sum(size.num_elements() for size in sizes)
                print(f"{name:20} {megabytes:.2f} MB, {len(sizes)} tensors, {ms:.1f} ms")


def main() -> None:
    """Starts the workers, of which the first prints its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--config_file", default="configs/transformer_mixin.gin")
    args = parser.parse_args()
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(args.num_workers)]
    addresses = tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)
    for one in sockets:
        one.close()
    spawn = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(args.num_workers, spawn) as workers:
        work = [
            workers.submit(_work, i, addresses, args.config_file) for i in range(len(addresses))
        ]
        for one in work:
            one.result()


if __name__ == "__main__":
    main()
