"""Seconds and peak memory of a full-size training step, each variant in a process of its own.

    python -m benchmarks.train_step
    python -m benchmarks.train_step --batch_size 4 --steps 6 --variants graph

| variant     | what runs                                                                 |
|-------------|---------------------------------------------------------------------------|
| eager       | the plain operations one by one, outside of a graph                       |
| graph       | the plain operations in a `tf.function`                                   |
| graph_236px | graph, and pictures of 236 px not blown up to 300: fewer features         |
| bfloat16    | graph, products in 16 bits (`--mixed_precision bfloat16`)                 |
| xla, xla_bfloat16 | graph, bfloat16, compiled with XLA (`jit_compile`), for GPUs;       |
|             | without the check for numbers that are not finite                         |

Variants take turns, `--rounds` times, so that a busy machine slows all of them. A step's time is
the smallest of all steps but the first of each process, wall clock and CPU; memory is the largest
resident set of the process (`ru_maxrss`). The loss of the last step shows that the variants compute
the same; 236 px are other features, so their loss is another. On a GPU, `gpu_peak_gb` is what
TensorFlow took of its memory.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "transformer_mixin.gin"
VARIANTS = ("eager", "graph", "graph_236px", "bfloat16", "xla", "xla_bfloat16")


def measure(variant: str, batch_size: int, steps: int, bindings: list[str]) -> dict[str, float]:
    """Trains a new agent for some steps on noise; call it in a process that has done nothing else.

    Returns:
        {'first_s', 'wall_s', 'cpu_s', 'peak_gb', 'loss'}, with a GPU also 'gpu_peak_gb'
    """
    import gin
    import tensorflow as tf

    import policy_specs
    import sequence_agent
    from training import devices, run_setup, training_loop

    if variant.endswith("236px"):
        bindings = [*bindings, "EfficientNetEncoder.image_size = None"]
    gin.parse_config_files_and_bindings([str(CONFIG)], bindings)
    batch = policy_specs.example_observation(batch_size)
    image = batch[policy_specs.IMAGE_KEY]
    noise = tf.random.stateless_uniform(image.shape, (0, 1), 0, 256, tf.int32)
    batch[policy_specs.IMAGE_KEY] = tf.cast(noise, image.dtype)
    shape = (batch_size, policy_specs.NUM_COORDINATES)
    batch[policy_specs.ACTION_KEY] = tf.random.stateless_uniform(shape, (0, 2))
    with devices.precision("bfloat16" if variant.endswith("bfloat16") else None):
        agent = run_setup.create_agent()
        experience = training_loop.to_trajectory(batch)
        step = agent.train_function
        if variant.startswith("xla"):
            # XLA knows no strings, of which the message for a loss that is not finite is made.
            sequence_agent._check_finite = lambda *arguments: []
            step = tf.function(agent.sequence_agent.train, jit_compile=True, autograph=False)
        tf.config.run_functions_eagerly(variant == "eager")
        times = []
        for _ in range(steps):
            start, cpu = time.perf_counter(), time.process_time()
            loss = float(step(experience).loss)
            times.append((time.perf_counter() - start, time.process_time() - cpu))
    found = {
        "first_s": times[0][0],
        "wall_s": min(wall for wall, _ in times[1:]),
        "cpu_s": min(cpu for _, cpu in times[1:]),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "loss": loss,
    }
    if tf.config.list_physical_devices("GPU"):
        found["gpu_peak_gb"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
    return found


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variants", nargs="+", choices=VARIANTS, default=["eager", "graph", "graph_236px"])
    add("--batch_size", type=int, default=16)
    add("--steps", type=int, default=5, help="of each process, at least 2")
    add("--rounds", type=int, default=2, help="processes for each variant")
    add("--gin_bindings", nargs="*", default=[], help="for all variants")
    add("--measure", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        found = measure(args.measure, args.batch_size, args.steps, args.gin_bindings)
        print(json.dumps(found))
        return
    flags = [f"--batch_size={args.batch_size}", f"--steps={args.steps}"]
    flags += ["--gin_bindings", *args.gin_bindings]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    best: dict[str, dict[str, float]] = {}
    for _ in range(args.rounds):
        for name in args.variants:
            command = [sys.executable, "-m", "benchmarks.train_step", "--measure", name, *flags]
            run = subprocess.run(
                command, env=environment, cwd=CONFIG.parents[1], check=True, stdout=subprocess.PIPE
            )
            found = json.loads(run.stdout.splitlines()[-1])
            print(name, json.dumps(found), file=sys.stderr)
            before = best.get(name, found)
            best[name] = {key: min(before[key], value) for key, value in found.items()}
            best[name]["peak_gb"] = max(before["peak_gb"], found["peak_gb"])
    columns = ("wall_s", "cpu_s", "peak_gb", "first_s", "loss")
    print("| variant | s/step | CPU s/step | peak GB | first step s | loss |")
    print(f"|---|{'---|' * len(columns)}")
    for name, row in best.items():
        print(f"| {name} | {' | '.join(f'{row[key]:.4g}' for key in columns)} |")


if __name__ == "__main__":
    main()
