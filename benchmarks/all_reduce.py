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
from collections.abc import Callable

import gin
import tensorflow as tf

from film_efficientnet import mbconv_block
from training import agent_factory, devices, slurm_cluster


def messages(agent: object) -> tuple[list[tf.TensorShape], list[int]]:
    """Shapes of all gradients; and for each BatchNorm the numbers that it sends, mean, variance
    and count."""
    gradients = [variable.shape for variable in agent.network.used_trainable_variables]
    kind = mbconv_block.SynchronizedBatchNorm
    layers = [layer for layer in agent.network.submodules if isinstance(layer, kind)]
    return gradients, [2 * layer.gamma.shape[0] + 1 for layer in layers]


def median_s(function: Callable[[], object], repeats: int) -> float:
    """Of so many calls, after one that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _reducer(
    strategy: tf.distribute.Strategy, make: Callable[[], list[tf.Tensor]], at_once: bool
) -> Callable[[], object]:
    """A function that adds up what `make` gives, in one call or each after the one before."""

    def of_replica() -> list[tf.Tensor]:
        context, total = tf.distribute.get_replica_context(), tf.distribute.ReduceOp.SUM
        if at_once:
            return context.all_reduce(total, make())
        sums: list[tf.Tensor] = []
        for value in make():
            with tf.control_dependencies(sums[-1:]):
                sums.append(context.all_reduce(total, tf.identity(value)))
        return sums

    @tf.function(autograph=False)
    def reduce() -> tf.Tensor:
        sums = strategy.experimental_local_results(strategy.run(of_replica))
        return tf.add_n([tf.reduce_sum(value) for value in tf.nest.flatten(sums)])

    return lambda: reduce().numpy()


def work(addresses: list[str], index: int, config_file: str, repeats: int) -> dict[str, float]:
    """One worker's figures."""
    cluster = slurm_cluster.SlurmCluster(tuple(addresses), index, index, len(addresses))
    strategy = devices.worker_strategy(cluster, "ring")
    with strategy.scope():
        gin.parse_config_file(config_file)
        gradients, norms = messages(agent_factory.create_agent())
        sums = _reducer(strategy, lambda: [tf.zeros(shape) for shape in gradients], True)
        # Once in the forward pass, once in the backward pass.
        statistics_ = _reducer(strategy, lambda: [tf.zeros(size) for size in 2 * norms], False)
        return {
            "gradient_bytes": 4 * sum(shape.num_elements() for shape in gradients),
            "gradient_tensors": len(gradients),
            "gradient_s": median_s(sums, repeats),
            "statistics_bytes": 8 * sum(norms),
            "statistics_messages": 2 * len(norms),
            "statistics_s": median_s(statistics_, repeats),
        }


def _free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


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
        print(json.dumps(found), flush=True)  # noqa: T201
        return
    addresses = _free_addresses(args.num_workers)
    program = [sys.executable, "-m", "benchmarks.all_reduce", "--config_file", args.config_file]
    program += ["--repeats", str(args.repeats), "--worker"]
    workers = [
        subprocess.Popen(
            [*program, str(index), *addresses], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for index in range(args.num_workers)
    ]
    answers = [worker.communicate()[0] for worker in workers]
    failed = [worker.returncode for worker in workers if worker.returncode]
    if failed:
        raise SystemExit(f"all_reduce: a worker ended with exit code {failed[0]}")
    found = json.loads(answers[0].splitlines()[-1])
    print(figures(found, args.num_workers))  # noqa: T201


def figures(found: dict[str, float], num_workers: int) -> str:
    """Lines for gradients and statistics, with rates."""
    gradient_mb, statistics_mb = found["gradient_bytes"] / 1e6, found["statistics_bytes"] / 1e6
    # Each worker of a ring sends and receives this much of every byte (2 (n - 1) / n).
    sent_mb = gradient_mb * 2 * (num_workers - 1) / num_workers
    return (
        f"workers              {num_workers}, on this machine\n"
        f"gradients            {gradient_mb:.1f} MB in {found['gradient_tensors']:.0f} tensors, "
        f"{found['gradient_s'] * 1e3:.1f} ms, {sent_mb / found['gradient_s']:.0f} MB/s each way\n"
        f"BatchNorm statistics {statistics_mb:.2f} MB in {found['statistics_messages']:.0f} "
        f"messages, {found['statistics_s'] * 1e3:.1f} ms, "
        f"{found['statistics_s'] / found['statistics_messages'] * 1e3:.2f} ms each"
    )


if __name__ == "__main__":
    main()
