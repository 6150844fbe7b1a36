"""Whether the input pipeline keeps up with training, with every augmentation on.

    python -m benchmarks.input_pipeline

Prints images per second, the medians of rounds in which everything is measured in turn in one
process: what the pipeline delivers when nothing else runs, with and without augmentation
(`configs/augmentation.gin`); what the training step of a configuration uses up when its batch lies
ready; and what both reach together. On a machine that trains on its CPU, augmentation takes its
time from the training step; beside a GPU only the first comparison counts.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import gin
import numpy as np
import tensorflow as tf

import agent_wrapper
import policy_specs
from food_data import augmentation, npz_dataset, pipeline
from training import agent_factory, train_steps

AUGMENTATION_CONFIG = "configs/augmentation.gin"
# Name -> gin file, images in a step, steps in a round.
CONFIGS = {
    "small": ("configs/small.gin", 32, 10),
    "full": ("configs/transformer_mixin.gin", 4, 2),
}


def random_dataset(num_samples: int) -> npz_dataset.FoodDataset:
    """Random pixels and labels that point to the right; how long things take does not depend on
    what is seen."""
    rng = np.random.default_rng(0)
    shape = (num_samples, policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3)
    actions = np.sort(rng.uniform(0.2, 0.8, (num_samples, 2, 2)), axis=1)
    embeddings = rng.standard_normal((num_samples, policy_specs.EMBEDDING_SIZE))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return npz_dataset.FoodDataset(
        rng.integers(0, 256, shape, np.uint8),
        actions.reshape(num_samples, 4).astype(np.float32),
        embeddings.astype(np.float32),
    )


def batches(
    dataset: npz_dataset.FoodDataset, batch_size: int, augment: augmentation.Augmentation | None
) -> Iterator[train_steps.Batch]:
    """Training batches without end.

    Args:
        dataset: at least one batch.
        batch_size: B.
        augment: what is done to them; None for nothing.

    Returns:
        An iterator.
    """
    options = {"shuffle_seed": 0, "drop_remainder": True, "augmentation": augment}
    return iter(pipeline.create_npz_dataset(dataset, None, batch_size, **options).repeat())


def images_per_s(function: Callable[[], object], num_images: int, times: int) -> float:
    """Images per second of something done so many times.

    Args:
        function: must wait for its result.
        num_images: that one call handles.
        times: calls.

    Returns:
        The rate.
    """
    start = time.perf_counter()
    for _ in range(times):
        function()
    return num_images * times / (time.perf_counter() - start)


def measure(
    agent: agent_wrapper.Agent,
    dataset: npz_dataset.FoodDataset,
    augment: augmentation.Augmentation,
    batch_size: int,
    steps: int,
    rounds: int,
) -> dict[str, float]:
    """Rates of one configuration and of its input.

    Args:
        agent: is trained.
        dataset: at least one batch.
        augment: all on.
        batch_size: B.
        steps: of one measurement.
        rounds: measurements of each kind, in turns.

    Returns:
        The median images per second of each kind.
    """
    plain, augmented = (batches(dataset, batch_size, choice) for choice in (None, augment))
    ready = next(plain)
    # The pipeline works ahead; what it has in stock must not count as delivered now.
    delivered = max(steps, 8 * pipeline.PREFETCH_BATCHES)
    kinds: dict[str, tuple[Callable[[], object], int]] = {
        "pipeline, plain": (lambda: next(plain), delivered),
        "pipeline, augmented": (lambda: next(augmented), delivered),
        "step, batch ready": (lambda: train_steps.train_step(agent, ready), steps),
        "step fed, plain": (lambda: train_steps.train_step(agent, next(plain)), steps),
        "step fed, augmented": (lambda: train_steps.train_step(agent, next(augmented)), steps),
    }
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number, (kind, (function, times)) in itertools.product(range(rounds + 1), kinds.items()):
        rate = images_per_s(function, batch_size, times if number else 1)
        if number:  # The first round traces and compiles.
            rates[kind].append(rate)
    return {kind: statistics.median(measured) for kind, measured in rates.items()}


def measure_config(config_file: str, batch_size: int, steps: int, rounds: int) -> dict[str, float]:
    """`measure` for the network of a gin file, with random weights.

    Args:
        config_file: of the network.
        batch_size: B.
        steps: of one measurement.
        rounds: measurements of each kind.

    Returns:
        As `measure`.
    """
    gin.clear_config()
    gin.parse_config_files_and_bindings([config_file, AUGMENTATION_CONFIG], [])
    try:
        dataset = random_dataset(4 * batch_size)
        agent = agent_factory.create_agent()
        return measure(agent, dataset, augmentation.Augmentation(), batch_size, steps, rounds)
    finally:
        gin.clear_config()
        tf.keras.backend.clear_session()


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=[*CONFIGS])
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each kind")
    arguments = parser.parse_args()
    for name in arguments.configs:
        config_file, batch_size, steps = CONFIGS[name]
        rates = measure_config(config_file, batch_size, steps, arguments.rounds)
        wanted = rates["step, batch ready"]
        print(f"{name}, {batch_size} images in a step")  # noqa: T201
        for kind, rate in rates.items():
            print(f"  {kind:20s} {rate:8.1f} images/s, {rate / wanted:6.2f} of the step's")  # noqa: T201


if __name__ == "__main__":
    main()
