"""Seconds and peak memory of a full-size training step, each variant in a process of its own.

    python -m benchmarks.train_step
    python -m benchmarks.train_step --batch_size 4 --steps 6 --variants graph

| variant    | what runs                                                                  |
|------------|----------------------------------------------------------------------------|
| eager      | the plain operations one by one, outside of a graph                        |
| graph      | the plain operations in a `tf.function`                                    |
| graph_236px | graph, and pictures of 236 px not blown up to 300: fewer features         |
| bfloat16   | graph, products in 16 bits (`--mixed_precision bfloat16`)                  |
| xla, xla_bfloat16 | graph, bfloat16, compiled with XLA (`jit_compile`), for GPUs;       |
|            | without the check for numbers that are not finite                          |

Variants take turns, `--rounds` times, so that a busy machine slows all of them. A step's time is
the smallest of all steps but the first of each process, wall clock and CPU; memory is the largest
resident set of the process (`ru_maxrss`). The loss of the last step shows that the variants compute
the same; 236 px are other features, so their loss is another. The first step, which traces and
compiles, is in its own column. On a GPU, `gpu_peak_gb` is what TensorFlow took of its memory.
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
import typing

if typing.TYPE_CHECKING:
    import tensorflow as tf

CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "transformer_mixin.gin"
VARIANTS = {
    "eager": (),
    "graph": (),
    "graph_236px": ("EfficientNetEncoder.image_size = None",),
    "bfloat16": (),
    "xla": (),
    "xla_bfloat16": (),
}
ON_CPUS = ["eager", "graph", "graph_236px"]


def measure(variant: str, batch_size: int, steps: int, bindings: list[str]) -> dict[str, float]:
    """Trains a new agent for some steps on noise; call it in a process that has done nothing else.

    Args:
        variant: a key of `VARIANTS`.
        batch_size: B.
        steps: at least 2, the first of which traces.
        bindings: gin, beside the variant's own.

    Returns:
        {'first_s', 'wall_s', 'cpu_s', 'peak_gb', 'loss'}, with a GPU also 'gpu_peak_gb'
    """
    import gin
    import tensorflow as tf

    from training import agent_factory, precision, step_checks, train_steps

    gin.parse_config_files_and_bindings([str(CONFIG)], [*bindings, *VARIANTS[variant]])
    with precision.precision("bfloat16" if variant.endswith("bfloat16") else None):
        agent = agent_factory.create_agent()
        experience = train_steps.to_trajectory(noise_batch(batch_size))
        step = agent.train_function
        if variant.startswith("xla"):
            # XLA knows no strings, of which the message for a loss that is not finite is made.
            step_checks.check_finite = lambda *arguments: []
            train = agent.sequence_agent.train
            step = tf.function(train, jit_compile=True, autograph=False)
        tf.config.run_functions_eagerly(variant == "eager")
        times = []
        for _ in range(steps):
            start, cpu = time.perf_counter(), time.process_time()
            loss = float(step(experience).loss)
            times.append((time.perf_counter() - start, time.process_time() - cpu))
    gpu = {}
    if tf.config.list_physical_devices("GPU"):
        gpu["gpu_peak_gb"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
    return {
        "first_s": times[0][0],
        "wall_s": min(wall for wall, _ in times[1:]),
        "cpu_s": min(cpu for _, cpu in times[1:]),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "loss": loss,
        **gpu,
    }


def noise_batch(batch_size: int) -> dict[str, tf.Tensor]:
    """What `training.train_steps` takes: noise of the shape and range of the real inputs."""
    import tensorflow as tf

    import policy_specs

    batch = policy_specs.example_observation(batch_size)
    image = batch[policy_specs.IMAGE_KEY]
    noise = tf.random.stateless_uniform(image.shape, (0, 1), 0, 256, tf.int32)
    batch[policy_specs.IMAGE_KEY] = tf.cast(noise, image.dtype)
    shape = (batch_size, policy_specs.NUM_COORDINATES)
    batch[policy_specs.ACTION_KEY] = tf.random.stateless_uniform(shape, (0, 2))
    return batch


def measure_in_a_process(variant: str, *arguments: str) -> dict[str, float]:
    """`measure` in a new process.

    Raises:
        subprocess.CalledProcessError: if it fails; its error is on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.train_step", "--measure", variant, *arguments]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    run = subprocess.run(
        command, env=environment, cwd=CONFIG.parents[1], check=True, stdout=subprocess.PIPE
    )
    return json.loads(run.stdout.splitlines()[-1])


def best_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The smallest of each number but memory, of which the largest."""
    best = {name: min(one[name] for one in rounds) for name in rounds[0]}
    return {**best, "peak_gb": max(one["peak_gb"] for one in rounds)}


def table(results: dict[str, dict[str, float]]) -> str:
    """Markdown, a row for each variant."""
    lines = [
        "| variant | s/step | CPU s/step | peak GB | first step s | loss of the last step |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['wall_s']:.2f} | {row['cpu_s']:.2f} | {row['peak_gb']:.2f} | "
        f"{row['first_s']:.0f} | {row['loss']:.5f} |"
        for name, row in results.items()
    ]
    return "\n".join(lines)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=ON_CPUS)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5, help="of each process, at least 2")
    parser.add_argument("--rounds", type=int, default=2, help="processes for each variant")
    parser.add_argument("--gin_bindings", nargs="*", default=[], help="for all variants")
    parser.add_argument("--measure", choices=VARIANTS, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Measures and prints."""
    args = parse()
    if args.measure is not None:
        result = measure(args.measure, args.batch_size, args.steps, args.gin_bindings)
        print(json.dumps(result))  # noqa: T201
        return
    arguments = [f"--batch_size={args.batch_size}", f"--steps={args.steps}"]
    if args.gin_bindings:
        arguments += ["--gin_bindings", *args.gin_bindings]
    found = {name: [] for name in args.variants}
    for _ in range(args.rounds):
        for name, rounds in found.items():
            rounds.append(measure_in_a_process(name, *arguments))
            print(name, json.dumps(rounds[-1]), file=sys.stderr)  # noqa: T201
    print(table({name: best_of(rounds) for name, rounds in found.items()}))  # noqa: T201


if __name__ == "__main__":
    main()
