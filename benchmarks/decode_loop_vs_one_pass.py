"""How long decoding takes in one pass, against the original's loop of one pass for each token.

    python -m benchmarks.decode_loop_vs_one_pass

Prints the median time of both and their ratio, measured in turns in one process, for the head alone
(transformer and output layer) and for a whole policy step (image included, T images in the window).
Random weights of full size; both sides are `tf.function`s.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf

import agent_wrapper
import policy_specs
import transformer_network
from tests import decode_loop

MODELS = {
    "food: T = 1, 4 tokens": (),
    "RT-1: T = 6, 11 tokens": (
        'Agent.action_space = "rt1"',
        "TransformerNetwork.time_sequence_length = 6",
    ),
}


def build(bindings: tuple[str, ...]) -> transformer_network.TransformerNetwork:
    """A network of full size with the vocabulary head."""
    gin.clear_config()
    gin.parse_config(['TransformerNetwork.loss_type = "cross_entropy"', *bindings])
    network = agent_wrapper.Agent(tf.keras.optimizers.Adam()).network
    gin.clear_config()
    return network


def median_ms(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Milliseconds of each function, called in turns after two calls that trace and warm up.

    Args:
        functions: what to measure; each must wait for its result.
        repeats: how often.

    Returns:
        The medians.
    """
    times: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats + 2):
        for function, measured in zip(functions, times):
            start = time.perf_counter()
            function()
            if repeat >= 2:
                measured.append(1000 * (time.perf_counter() - start))
    return [statistics.median(measured) for measured in times]


def compare(
    network: transformer_network.TransformerNetwork, repeats: int
) -> dict[str, list[float]]:
    """Milliseconds in a loop and in one pass.

    Args:
        network: with the vocabulary head.
        repeats: measurements of each.

    Returns:
        {'head': [loop, one pass], 'policy step': [loop, one pass]}
    """
    shape = (1, *network.state_spec["context_image_tokens"].shape)
    tokens = tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)
    observation = policy_specs.example_observation(1, 1)

    @tf.function
    def loop() -> tf.Tensor:
        return decode_loop.decode_in_a_loop(network, tokens)[0]

    @tf.function
    def one_pass() -> tf.Tensor:
        return tf.argmax(network._head_from_tokens(tokens, None)[:, -1], axis=-1)

    @tf.function
    def encode() -> tf.Tensor:
        return network._image_tokenizer.tokens(network.image_features(observation))

    if not np.array_equal(loop(), one_pass()):
        raise RuntimeError(
            f"decode_loop_vs_one_pass: expected equal tokens, got {loop()} and {one_pass()}."
        )
    return {
        "head": median_ms([lambda: loop().numpy(), lambda: one_pass().numpy()], repeats),
        "policy step": median_ms(
            [
                lambda: (encode().numpy(), loop().numpy()),
                lambda: (encode().numpy(), one_pass().numpy()),
            ],
            repeats,
        ),
    }


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="measurements of each side")
    repeats = parser.parse_args().repeats
    for name, bindings in MODELS.items():
        for part, (loop, one_pass) in compare(build(bindings), repeats).items():
            print(  # noqa: T201
                f"{name}, {part}: loop {loop:.1f} ms, one pass {one_pass:.1f} ms, "
                f"ratio {loop / one_pass:.2f}"
            )


if __name__ == "__main__":
    main()
