"""What workers send each other in a training step, and how long that takes.

    python -m benchmarks.all_reduce
    python -m benchmarks.all_reduce --num_workers 4 --config_file configs/small.gin

Starts the workers as processes of this machine, joined as training joins them
(`training.devices.worker_strategy`). They add up zeros of the shapes of all gradients, as one
message that TensorFlow packs, and the statistics of each BatchNorm, one after the other, as the
forward and the backward pass do. Nothing is computed beside. On one machine the network is memory,
and the workers share its cores; between machines it is bytes over bandwidth, see docs/cluster.md.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time

import gin
import tensorflow as tf

from film_efficientnet import mbconv_block
from training import devices, run_setup


def median_s(strategy: tf.distribute.Strategy, sizes: list, at_once: bool, repeats: int) -> float:
    """Seconds to add up zeros of these shapes, in one call or each after the one before."""

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

    reduce().numpy()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        reduce().numpy()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def work(addresses: list[str], index: int, config_file: str, repeats: int) -> dict[str, float]:
    """One worker's figures."""
    cluster = devices.SlurmCluster(tuple(addresses), index, index, len(addresses))
    strategy = devices.worker_strategy(cluster)
    with strategy.scope():
        gin.parse_config_file(config_file)
        network = run_setup.create_agent().network
        gradients = [variable.shape for variable in network.used_trainable_variables]
        kind = mbconv_block.SynchronizedBatchNorm
        layers = [layer for layer in network.submodules if isinstance(layer, kind)]
        # Mean, variance and count, once in the forward pass and once in the backward pass.
        norms = 2 * [2 * layer.gamma.shape[0] + 1 for layer in layers]
        return {
            "gradient_mb": 4e-6 * sum(shape.num_elements() for shape in gradients),
            "gradient_tensors": len(gradients),
            "gradient_s": median_s(strategy, gradients, True, repeats),
            "statistics_mb": 4e-6 * sum(norms),
            "statistics_messages": len(norms),
            "statistics_s": median_s(strategy, norms, False, repeats),
        }


def main() -> None:
    """Starts the workers and prints the figures of the first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_workers", type=int, default=2)
    parser.add_argument("--config_file", default="configs/transformer_mixin.gin")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        found = work(args.worker[1:], int(args.worker[0]), args.config_file, args.repeats)
        print(json.dumps(found), flush=True)
        return
    count = args.num_workers
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    program = [sys.executable, "-m", "benchmarks.all_reduce", "--config_file", args.config_file]
    program += ["--repeats", str(args.repeats), "--worker"]
    workers = [
        subprocess.Popen(
            [*program, str(index), *addresses], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for index in range(count)
    ]
    answers = [worker.communicate()[0] for worker in workers]
    failed = [worker.returncode for worker in workers if worker.returncode]
    if failed:
        raise SystemExit(f"all_reduce: a worker ended with exit code {failed[0]}")
    found = json.loads(answers[0].splitlines()[-1])
    # Each worker of a ring sends and receives this much of every byte.
    rate = found["gradient_mb"] * 2 * (count - 1) / count / found["gradient_s"]
    each_ms = 1e3 * found["statistics_s"] / found["statistics_messages"]
    print(
        f"workers              {count}, on this machine\n"
        f"gradients            {found['gradient_mb']:.1f} MB in {found['gradient_tensors']} "
        f"tensors, {found['gradient_s'] * 1e3:.1f} ms, {rate:.0f} MB/s each way\n"
        f"BatchNorm statistics {found['statistics_mb']:.2f} MB in {found['statistics_messages']} "
        f"messages, {found['statistics_s'] * 1e3:.1f} ms, {each_ms:.2f} ms each"
    )


if __name__ == "__main__":
    main()
