"""Epochs of an unfrozen run against those of a frozen EfficientNet with cached features.

    python -m benchmarks.cached_features
    python -m benchmarks.cached_features --num_samples 32 --epochs 3

Both train on the same noise in one process, full size (`configs/transformer_mixin.gin`).
Epoch 1 is as a run has it: it traces the step, and for the cached run computes the features. The
more samples, the less tracing counts; the second unfrozen epoch shows the ratio that it tends to.
"""

from __future__ import annotations

import argparse
import time

import gin
import numpy as np

import agent_wrapper
import policy_specs
from benchmarks import train_step
from food_data import npz_dataset, pipeline
from training import agent_factory, feature_cache, freezing, train_steps


def noise(num_samples: int) -> npz_dataset.FoodDataset:
    """A data set of noise with N samples."""
    generator = np.random.default_rng(0)
    shape = (num_samples, policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3)
    embeddings = generator.standard_normal((num_samples, policy_specs.EMBEDDING_SIZE))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return npz_dataset.FoodDataset(
        images=generator.integers(0, 256, shape, np.uint8),
        actions=generator.random((num_samples, policy_specs.NUM_COORDINATES), np.float32),
        embeddings=embeddings.astype(np.float32),
    )


def epoch_seconds(agent: agent_wrapper.Agent, batches: object) -> float:
    """Of one pass of train steps."""
    start = time.perf_counter()
    for batch in batches:
        train_steps.train_step(agent, batch)
    return time.perf_counter() - start


def compare(
    dataset: npz_dataset.FoodDataset, batch_size: int, epochs: int, directory: str | None = None
) -> dict[str, list[float]]:
    """Seconds of the epochs.

    Args:
        dataset: N samples, a multiple of the batch size.
        batch_size: B.
        epochs: of the cached run.
        directory: of the features' file; None keeps them in memory.

    Returns:
        {'unfrozen': [two epochs], 'cached': [each epoch, the first with the features]}
    """
    indices = np.arange(len(dataset))
    unfrozen = agent_factory.create_agent()
    batches = pipeline.create_npz_dataset(dataset, indices, batch_size, shuffle_seed=0)
    seconds = {"unfrozen": [epoch_seconds(unfrozen, batches) for _ in range(2)], "cached": []}
    frozen = agent_factory.create_agent()
    freezing.apply_freezing_logic(frozen, freeze_efficientnet=True)
    start = time.perf_counter()
    cache = feature_cache.FeatureCache.build(frozen, dataset, indices, batch_size, directory)
    built = time.perf_counter() - start
    cached = cache.batches(batch_size, shuffle_seed=0)
    for epoch in range(epochs):
        seconds["cached"].append(epoch_seconds(frozen, cached) + (built if epoch == 0 else 0.0))
    return seconds


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num_samples", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--directory", help="for the features; in memory unless given")
    args = parser.parse_args()
    gin.parse_config_file(str(train_step.CONFIG))
    seconds = compare(noise(args.num_samples), args.batch_size, args.epochs, args.directory)
    (first, second), cached = seconds["unfrozen"], seconds["cached"]
    print(f"{args.num_samples} samples; unfrozen: {first:.2f} s, then {second:.2f} s")  # noqa: T201
    for epoch, value in enumerate(cached, 1):
        ratios = f"{first / value:.1f}x epoch 1, {second / value:.1f}x epoch 2 of the unfrozen run"
        print(f"cached, epoch {epoch}: {value:.2f} s, {ratios}")  # noqa: T201


if __name__ == "__main__":
    main()
