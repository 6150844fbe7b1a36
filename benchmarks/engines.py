"""Milliseconds of each engine at full size, and against the floor.

    python -m benchmarks.engines --repeats 15

| row                 | what runs                                                                |
|---------------------|--------------------------------------------------------------------------|
| <engine> predict    | `forward`, one picture                                                   |
| <engine> batch 16   | `forward`, 16 pictures at once                                           |
| <engine> head 16    | 16 samples, image features computed once                                 |
| <engine> full 16    | 16 samples, dropout everywhere                                           |
| policy step         | `SequencePolicy.action` as a `tf.function`, RT-1 with a full window      |

Weights are random. The floor is 3.72 GFLOP, EfficientNet-B3's on 300 x 300 pixels, divided by the
rate of a large float32 matrix product measured in the same run. Medians.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import time
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step

import agent_wrapper
import policy_specs
from serving.engines import engine as engines
from serving.engines import graphs, onnx
from training import run_setup

CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "transformer_mixin.gin"
FLOOR_GFLOP = 3.72
PARTS = ("tensorflow", "onnxruntime", "policy")
_SAMPLES = 16
_MATRIX_SIDE = 2048


def _build(config: pathlib.Path, bindings: list[str]) -> agent_wrapper.Agent:
    gin.clear_config()
    gin.parse_config_files_and_bindings([str(config)], bindings)
    return run_setup.create_agent()


def _median_ms(function: Callable[[], object], repeats: int) -> float:
    """Of a call, which must wait for its result; two calls before warm it up."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def _engine_times(engine: engines.Engine, repeats: int) -> dict[str, float]:
    image = np.random.default_rng(0).integers(0, 256, (_SAMPLES, *engine.image_shape), np.uint8)
    embedding = np.full((_SAMPLES, policy_specs.EMBEDDING_SIZE), 0.04, np.float32)
    one, sampling = (image[:1], embedding[:1]), {"num_samples": _SAMPLES, "seed": 1}
    calls = {
        "predict": lambda: engine.forward(*one),
        f"batch {_SAMPLES}": lambda: engine.forward(image, embedding),
        f"head {_SAMPLES}": lambda: engine.forward(*one, dropout="head", **sampling),
        f"full {_SAMPLES}": lambda: engine.forward(*one, dropout="full", **sampling),
    }
    return {f"{engine.name} {name}": _median_ms(call, repeats) for name, call in calls.items()}


def measure(parts: list[str], repeats: int, bindings: list[str]) -> dict[str, float]:
    """Milliseconds by row of some of `PARTS`; 'floor' is always there. `bindings` are gin's."""
    matrix = tf.random.stateless_uniform((_MATRIX_SIDE, _MATRIX_SIDE), (0, 1))
    product_ms = _median_ms(lambda: tf.matmul(matrix, matrix).numpy(), max(repeats, 5))
    rows = {"floor": product_ms * FLOOR_GFLOP / (2 * _MATRIX_SIDE**3 / 1e9)}
    agent = _build(CONFIG, bindings)
    functions = agent.prediction_functions()
    stages = graphs.freeze_stages(functions)
    if "tensorflow" in parts:
        rows |= _engine_times(engines.in_tensorflow(stages, functions), repeats)
    if "onnxruntime" in parts:
        rows |= _engine_times(onnx.from_files(onnx.export(stages), functions), repeats)
    if "policy" in parts:
        policy = _build(CONFIG.with_name("rt1main.gin"), bindings).sequence_agent.policy
        step = time_step.transition(policy_specs.example_observation(1), tf.zeros(1))
        act, state = tf.function(policy.action, autograph=False), policy.get_initial_state(1)
        rows["policy step"] = _median_ms(
            lambda: tf.nest.map_structure(np.asarray, act(step, state).action), repeats
        )
    return rows


def main() -> None:
    """Measures and prints each row in milliseconds and over the floor."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15, help="calls of each row")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--gin_bindings", nargs="*", default=[], help="for a smaller network")
    args = parser.parse_args()
    rows = measure(args.parts, args.repeats, args.gin_bindings)
    print("| row | ms | x floor |\n|---|---|---|")
    for name, ms in rows.items():
        print(f"| {name} | {ms:.1f} | {ms / rows['floor']:.2f} |")


if __name__ == "__main__":
    main()
