"""What batching on the fly brings: TensorFlow's own, the server's queue, and none.

    python -m benchmarks.batching
    python -m benchmarks.batching --config_file configs/transformer_mixin.gin --seconds 20

Threads ask one network, one picture each, as fast as they are answered.

| way     | what happens to a request                                                         |
|---------|-----------------------------------------------------------------------------------|
| none    | each thread calls the network itself                                              |
| tf      | `tf.nondifferentiable_batch_function`, one batch thread, no waiting for company   |
| queue   | `serving.request_queue.RequestQueue`, one worker, no waiting for company          |

Random weights. Ways take turns, `--rounds` times.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import statistics
import time
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf

import policy_specs
from serving import request_queue
from training import agent_factory

Ask = Callable[[np.ndarray, np.ndarray], np.ndarray]
MAX_BATCH = 8
_LIMIT_S = 600.0


def ways(agent: object) -> tuple[dict[str, Ask], request_queue.RequestQueue]:
    """Each way as a function of a picture uint8 [H, W, 3] and an embedding [512]; the queue.

    Args:
        agent: with the `forward` of `agent_wrapper.Agent`.
    """
    forward = agent.prediction_functions().deterministic

    @tf.nondifferentiable_batch_function(
        num_batch_threads=1,
        max_batch_size=MAX_BATCH,
        batch_timeout_micros=0,
        allowed_batch_sizes=None,
        max_enqueued_batches=64,
    )
    def batched(image: tf.Tensor, embedding: tf.Tensor) -> tf.Tensor:
        return forward(image, embedding)

    example = policy_specs.example_observation(1)
    image, embedding = example[policy_specs.IMAGE_KEY], example[policy_specs.EMBEDDING_KEY]
    call = tf.function(batched).get_concrete_function(
        tf.TensorSpec((None, *image.shape[1:]), image.dtype),
        tf.TensorSpec((None, *embedding.shape[1:]), embedding.dtype),
    )
    queue = request_queue.RequestQueue(max_batch=MAX_BATCH)
    return {
        "none": lambda one, text: agent.forward(one[np.newaxis], text[np.newaxis])[0],
        "tf": lambda one, text: call(tf.constant(one[np.newaxis]), tf.constant(text[np.newaxis]))[
            0
        ],
        "queue": lambda one, text: queue.predict(agent, one, text, _LIMIT_S).value,
    }, queue


def answers_per_second(ask: Ask, threads: int, seconds: float) -> tuple[float, float]:
    """(answers in a second, median milliseconds of one) of threads that ask without a pause.

    Args:
        ask: a way.
        threads: that ask.
        seconds: for how long.
    """
    example = policy_specs.example_observation(1)
    image = example[policy_specs.IMAGE_KEY].numpy()[0]
    embedding = example[policy_specs.EMBEDDING_KEY].numpy()[0]
    ask(image, embedding)
    start = time.perf_counter()

    def work() -> list[float]:
        times = []
        while (before := time.perf_counter()) - start < seconds:
            np.asarray(ask(image, embedding))
            times.append(1000 * (time.perf_counter() - before))
        return times

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        times = [ms for one in [pool.submit(work) for _ in range(threads)] for ms in one.result()]
    return len(times) / (time.perf_counter() - start), statistics.median(times)


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config_file", default="configs/small.gin")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    gin.parse_config_file(args.config_file)
    asked, queue = ways(agent_factory.create_agent())
    for threads in args.threads:
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
        for _ in range(args.rounds):
            for name, ask in asked.items():
                rates[name].append(answers_per_second(ask, threads, args.seconds))
        for name, measured in rates.items():
            rate, ms = max(measured)
            print(  # noqa: T201
                f"{threads} threads, {name:5}: {rate:7.1f} answers/s, median {ms:6.1f} ms"
            )
    queue.close()


if __name__ == "__main__":
    main()
