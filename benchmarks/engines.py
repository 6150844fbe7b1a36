"""Milliseconds of each engine at full size, and against the floor.

    python -m benchmarks.engines --repeats 15

| row                 | what runs                                                                |
|---------------------|--------------------------------------------------------------------------|
| <engine> predict    | `forward`, one picture                                                   |
| <engine> batch 16   | `forward`, 16 pictures at once                                           |
| <engine> head 16    | 16 samples, image features computed once                                 |
| <engine> full 16    | 16 samples, dropout everywhere                                           |

Weights are random. The floor is 3.72 GFLOP, EfficientNet-B3's on 300 x 300 pixels, divided by the
rate of a large float32 matrix product measured in the same run. Medians.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterator

import gin
import numpy as np
import tensorflow as tf

import policy_specs
from serving import engines
from training import run_setup

FLOOR_GFLOP = 3.72
PARTS = ("tensorflow", "onnxruntime")
_SAMPLES = 16
_MATRIX_SIDE = 2048


def _calls_of_engine(engine: engines.Engine) -> Iterator[tuple[str, Callable[[], object]]]:
    image = np.random.default_rng(0).integers(0, 256, (_SAMPLES, *engine.image_shape), np.uint8)
    embedding = np.full((_SAMPLES, policy_specs.EMBEDDING_SIZE), 0.04, np.float32)
    one, sampling = (image[:1], embedding[:1]), {"num_samples": _SAMPLES, "seed": 1}
    yield f"{engine.name} predict", lambda: engine.forward(*one)
    yield f"{engine.name} batch {_SAMPLES}", lambda: engine.forward(image, embedding)
    for scope in ("head", "full"):
        sample = functools.partial(engine.forward, *one, dropout=scope, **sampling)
        yield f"{engine.name} {scope} {_SAMPLES}", sample


def _calls(parts: list[str], bindings: list[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name and function of each row, which waits for its result; the first is the floor's."""
    matrix = tf.random.stateless_uniform((_MATRIX_SIDE, _MATRIX_SIDE), (0, 1))
    yield "matrix product", lambda: tf.matmul(matrix, matrix).numpy()
    gin.parse_config_files_and_bindings(["configs/transformer_mixin.gin"], bindings)
    functions = run_setup.create_agent().prediction_functions()
    stages = engines.freeze_stages(functions)
    if "tensorflow" in parts:
        yield from _calls_of_engine(engines.in_tensorflow(stages, functions))
    if "onnxruntime" in parts:
        yield from _calls_of_engine(engines.in_onnx_runtime(engines.export(stages), functions))


def main() -> None:
    """Measures and prints each row in milliseconds and over the floor."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15, help="calls of each row")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--gin_bindings", nargs="*", default=[], help="for a smaller network")
    args = parser.parse_args()
    print("| row | ms | x floor |\n|---|---|---|")
    floor_ms = None
    for name, call in _calls(args.parts, args.gin_bindings):
        times = []
        for _ in range(args.repeats + 2):  # Two calls warm it up.
            start = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - start))
        ms = statistics.median(times[2:])
        floor_ms = floor_ms or ms * FLOOR_GFLOP / (2 * _MATRIX_SIDE**3 / 1e9)
        print(f"| {name} | {ms:.1f} | {ms / floor_ms:.2f} |", flush=True)


if __name__ == "__main__":
    main()
