"""Milliseconds of each engine at full size, against the network run eagerly and against the floor.

    python -m benchmarks.engines
    python -m benchmarks.engines --repeats 3 --parts eager

| row                 | what runs                                                                |
|---------------------|--------------------------------------------------------------------------|
| eager predict       | the network, operation by operation, one picture                         |
| eager 16            | the same with 16 copies of the picture and dropout                       |
| <engine> predict    | `forward`, one picture                                                   |
| <engine> batch 16   | `forward`, 16 pictures at once                                           |
| <engine> head 16    | 16 samples, image features computed once                                 |
| <engine> full 16    | 16 samples, dropout everywhere                                           |
| policy step         | `SequencePolicy.action` as a `tf.function`                               |

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
from serving.engines import graphs
from training import run_setup

CONFIG = pathlib.Path(__file__).parents[1] / "configs" / "transformer_mixin.gin"
FLOOR_GFLOP = 3.72
PARTS = ("eager", "tensorflow", "onnxruntime", "policy")
_SAMPLES = 16
_MATRIX_SIDE = 2048


def build(config: pathlib.Path, bindings: list[str]) -> agent_wrapper.Agent:
    """An agent with random weights whose FiLM layers do something."""
    gin.clear_config()
    gin.parse_config_files_and_bindings([str(config)], bindings)
    agent = run_setup.create_agent()
    generator = np.random.default_rng(0)
    for variable in agent.network.variables:
        if variable.shape.rank == 2 and not np.any(variable.numpy()):
            variable.assign(0.05 * generator.standard_normal(variable.shape))
    return agent


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Milliseconds of a call, which must wait for its result; two calls before warm it up."""
    times = []
    for repeat in range(repeats + 2):
        start = time.perf_counter()
        function()
        if repeat >= 2:
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def floor_ms(repeats: int) -> float:
    """How long 3.72 GFLOP take at the rate of a large matrix product."""
    matrix = tf.random.stateless_uniform((_MATRIX_SIDE, _MATRIX_SIDE), (0, 1))
    product_ms = median_ms(lambda: tf.matmul(matrix, matrix).numpy(), repeats)
    return product_ms * FLOOR_GFLOP / (2 * _MATRIX_SIDE**3 / 1e9)


def eager_times(agent: agent_wrapper.Agent, repeats: int) -> dict[str, float]:
    """Of the network without any engine or trace."""
    functions = agent.prediction_functions()
    image = tf.fill((1, *functions.image_shape), tf.constant(127, tf.uint8))
    embedding = tf.fill((1, policy_specs.EMBEDDING_SIZE), 0.04)
    seed = tf.constant([1, 0], tf.int32)

    def predict() -> np.ndarray:
        outputs = functions.outputs(functions.features(image, embedding))
        return functions.execution_parameters(outputs).numpy()

    sample = functions.sample_full.python_function
    return {
        "eager predict": median_ms(predict, repeats),
        "eager 16": median_ms(lambda: sample(image, embedding, _SAMPLES, seed).numpy(), repeats),
    }


def engine_times(engine: engines.Engine, repeats: int) -> dict[str, float]:
    """Of one engine, in every scope."""
    image = np.random.default_rng(0).integers(0, 256, (_SAMPLES, *engine.image_shape), np.uint8)
    embedding = np.full((_SAMPLES, policy_specs.EMBEDDING_SIZE), 0.04, np.float32)
    one = image[:1], embedding[:1]

    def samples(scope: str) -> np.ndarray:
        return engine.forward(*one, dropout=scope, num_samples=_SAMPLES, seed=1)

    calls = {
        "predict": lambda: engine.forward(*one),
        f"batch {_SAMPLES}": lambda: engine.forward(image, embedding),
        f"head {_SAMPLES}": lambda: samples("head"),
        f"full {_SAMPLES}": lambda: samples("full"),
    }
    return {f"{engine.name} {name}": median_ms(call, repeats) for name, call in calls.items()}


def policy_times(agent: agent_wrapper.Agent, repeats: int) -> dict[str, float]:
    """RT-1's step with a full window: T = 6, 11 action tokens."""
    policy = agent.sequence_agent.policy
    observation = policy_specs.example_observation(1)
    step = time_step.transition(observation, tf.zeros(1))
    act = tf.function(policy.action, autograph=False)
    state = policy.get_initial_state(1)
    step_ms = median_ms(lambda: tf.nest.map_structure(np.asarray, act(step, state).action), repeats)
    return {"policy step": step_ms}


def measure(parts: list[str], repeats: int, bindings: list[str]) -> dict[str, float]:
    """Milliseconds by row of some of `PARTS`; 'floor' is always there. `bindings` are gin's."""
    rows = {"floor": floor_ms(max(repeats, 5))}
    agent = build(CONFIG, bindings)
    if "eager" in parts:
        rows |= eager_times(agent, max(1, repeats // 3))
    functions = agent.prediction_functions()
    stages = graphs.freeze_stages(functions)
    if "tensorflow" in parts:
        rows |= engine_times(engines.in_tensorflow(stages, functions), repeats)
    if "onnxruntime" in parts:
        from serving.engines import onnx

        rows |= engine_times(onnx.from_files(onnx.export(stages), functions), repeats)
    if "policy" in parts:
        rows |= policy_times(build(CONFIG.with_name("rt1main.gin"), bindings), repeats)
    return rows


def main() -> None:
    """Measures and prints each row in milliseconds, over the floor, and against eagerly."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15, help="calls of each row")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--gin_bindings", nargs="*", default=[], help="for a smaller network")
    args = parser.parse_args()
    rows = measure(args.parts, args.repeats, args.gin_bindings)
    eager = {"predict": rows.get("eager predict")}
    eager |= dict.fromkeys(("head 16", "full 16"), rows.get("eager 16"))
    print("| row | ms | x floor | x faster than eager |\n|---|---|---|---|")
    for name, ms in rows.items():
        slow = eager.get(name.partition(" ")[2])
        faster = f"{slow / ms:.1f}" if slow else ""
        print(f"| {name} | {ms:.1f} | {ms / rows['floor']:.2f} | {faster} |")


if __name__ == "__main__":
    main()
