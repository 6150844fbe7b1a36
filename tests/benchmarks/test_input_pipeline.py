"""The benchmark measures what it says; how long anything takes is not tested."""

from __future__ import annotations

import gin
import pytest

from benchmarks import input_pipeline as benchmark
from food_data import augmentation

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")


def test_measures_every_kind(monkeypatch):
    steps = []

    def train_step(agent, batch):
        steps.append((agent, batch["image"].shape[0]))

    monkeypatch.setattr(benchmark.train_steps, "train_step", train_step)
    dataset, shifts = benchmark.random_dataset(4), augmentation.Augmentation(shift=0.1)

    rates = benchmark.measure("agent", dataset, shifts, batch_size=2, steps=3, rounds=2)

    # Three kinds with steps: one call that traces, then two rounds of three.
    assert steps == [("agent", 2)] * (3 * (1 + 2 * 3))
    assert list(rates) == [
        "pipeline, plain",
        "pipeline, augmented",
        "step, batch ready",
        "step fed, plain",
        "step fed, augmented",
    ]
    assert min(rates.values()) > 0


def test_batches_do_not_end_and_are_augmented():
    dataset = benchmark.random_dataset(3)
    plain = benchmark.batches(dataset, 2, None)
    assert [next(plain)["image"].shape for _ in range(3)] == [(2, 236, 236, 3)] * 3
    flip = augmentation.Augmentation(flip_vertical_probability=1.0)
    images = next(benchmark.batches(dataset, 3, flip))["image"].numpy()
    flipped = {image[::-1].tobytes() for image in images}
    assert flipped == {image.tobytes() for image in dataset.images}


def test_random_labels_are_what_augmentation_expects():
    actions = benchmark.random_dataset(20).actions
    assert (actions[:, 2] >= actions[:, 0]).all()
    assert 0.2 <= actions.min() and actions.max() <= 0.8


def test_rate_counts_images(monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    calls = []
    assert benchmark.images_per_s(lambda: calls.append(1), 8, 3) == 6.0
    assert len(calls) == 3


def test_the_configuration_has_everything_on():
    off = augmentation.Augmentation()
    gin.parse_config_file(benchmark.AUGMENTATION_CONFIG)
    on = augmentation.Augmentation()
    same = [name for name, value in vars(on).items() if value == getattr(off, name)]
    assert same == ["canonical_direction"]
