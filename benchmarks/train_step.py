"""Seconds and peak memory of a full-size training step on noise, as JSON.

    python -m benchmarks.train_step --variant graph --batch_size 16 --steps 5

| variant           | what runs                                                               |
|-------------------|-------------------------------------------------------------------------|
| eager             | the operations one by one, outside of a graph                           |
| graph             | the operations in a `tf.function`, as training does                     |
| bfloat16          | graph, products in 16 bits (`--mixed_precision bfloat16`)               |
| xla, xla_bfloat16 | compiled with XLA, for GPUs; without the check for numbers not finite   |

A step's time is the smallest of all steps but the first, wall clock and CPU; memory is `ru_maxrss`,
and what TensorFlow took of a GPU's. The last loss shows that the variants compute the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import gin
import tensorflow as tf

import policy_specs
import sequence_agent
from training import devices, run_setup, training_loop

VARIANTS = ("eager", "graph", "bfloat16", "xla", "xla_bfloat16")


def main() -> None:
    """Trains a new agent for some steps and prints what they cost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variant", choices=VARIANTS, default="graph")
    add("--batch_size", type=int, default=16)
    add("--steps", type=int, default=5, help="at least 2")
    add("--gin_bindings", nargs="*", default=[])
    args = parser.parse_args()
    gin.parse_config_files_and_bindings(["configs/transformer_mixin.gin"], args.gin_bindings)
    noise, size = tf.random.stateless_uniform, args.batch_size
    shape = (size, *policy_specs.observation_spec()[policy_specs.IMAGE_KEY].shape)
    batch = {
        policy_specs.IMAGE_KEY: tf.cast(noise(shape, (0, 1), 0, 256, tf.int32), tf.uint8),
        policy_specs.EMBEDDING_KEY: tf.fill((size, policy_specs.EMBEDDING_SIZE), 512**-0.5),
        policy_specs.ACTION_KEY: noise((size, 4), (0, 2)),
    }
    with devices.precision("bfloat16" if args.variant.endswith("bfloat16") else None):
        agent = run_setup.create_agent()
        experience, step = training_loop.to_trajectory(batch), agent.train_function
        if args.variant.startswith("xla"):
            # XLA knows no strings, of which the message for a loss that is not finite is made.
            sequence_agent._check_finite = lambda *arguments: tf.no_op()
            step = tf.function(agent.sequence_agent.train, jit_compile=True, autograph=False)
        tf.config.run_functions_eagerly(args.variant == "eager")
        walls, cpus = [], []
        for _ in range(args.steps):
            start, cpu = time.perf_counter(), time.process_time()
            loss = float(step(experience).loss)
            walls.append(time.perf_counter() - start)
            cpus.append(time.process_time() - cpu)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    found = {"wall_s": min(walls[1:]), "cpu_s": min(cpus[1:]), "first_s": walls[0]}
    found |= {"peak_gb": peak_gb, "loss": loss}
    if tf.config.list_physical_devices("GPU"):
        found["gpu_peak_gb"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
    print(json.dumps(found))


if __name__ == "__main__":
    main()
