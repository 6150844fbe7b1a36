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
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf

import benchmarks
import policy_specs
from serving import engines
from training import run_setup

FLOOR_GFLOP = 3.72
_SAMPLES = 16
_MATRIX_SIDE = 2048


def main() -> None:
    """Measures and prints each row in milliseconds and over the floor."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15, help="calls of each row")
    parser.add_argument("--gin_bindings", nargs="*", default=[], help="for a smaller network")
    args = parser.parse_args()
    matrix = tf.random.stateless_uniform((_MATRIX_SIDE, _MATRIX_SIDE), (0, 1))
    matrix_ms = benchmarks.median_ms(lambda: tf.matmul(matrix, matrix).numpy(), args.repeats)
    floor_ms = matrix_ms * FLOOR_GFLOP / (2 * _MATRIX_SIDE**3 / 1e9)

    def row(name: str, call: Callable[..., object], *inputs: object, **options: object) -> None:
        ms = benchmarks.median_ms(functools.partial(call, *inputs, **options), args.repeats)
        print(f"| {name} | {ms:.1f} | {ms / floor_ms:.2f} |", flush=True)

    print("| row | ms | x floor |\n|---|---|---|", flush=True)
    gin.parse_config_files_and_bindings(["configs/transformer_mixin.gin"], args.gin_bindings)
    functions = run_setup.create_agent().prediction_functions()
    stages = engines.freeze_stages(functions)
    embedding = np.full((_SAMPLES, policy_specs.EMBEDDING_SIZE), 0.04, np.float32)
    in_onnx = engines.in_onnx_runtime(engines.export(stages), functions)
    for engine in (engines.in_tensorflow(stages, functions), in_onnx):
        image = np.random.default_rng(0).integers(0, 256, (_SAMPLES, *engine.image_shape), np.uint8)
        one, sampling = (image[:1], embedding[:1]), {"num_samples": _SAMPLES, "seed": 1}
        row(f"{engine.name} predict", engine.forward, *one)
        row(f"{engine.name} batch {_SAMPLES}", engine.forward, image, embedding)
        for scope in ("head", "full"):
            name = f"{engine.name} {scope} {_SAMPLES}"
            row(name, engine.forward, *one, dropout=scope, **sampling)


if __name__ == "__main__":
    main()
