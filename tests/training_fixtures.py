"""What the tests of training share: a tiny model and squares that it can learn to find."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

import agent_wrapper
from food_data import npz_dataset, splits
from tests import small_model
from training import run_setup

TINY_CONFIG = "\n".join(
    [
        *(line for line in small_model.BINDINGS if not line.startswith("observation_spec")),
        *small_model.TINY,
        *small_model.NO_DROPOUT,
        "create_optimizer.learning_rate = 3e-3",
    ]
)


def squares(num_samples: int, seed: int = 0) -> npz_dataset.FoodDataset:
    """Grey pictures with a white square each; the label runs along the middle of it. Two samples
    share a source."""
    generator = np.random.default_rng(seed)
    images = np.full((num_samples, 236, 236, 3), 90, np.uint8)
    actions = np.zeros((num_samples, 4), np.float32)
    for index in range(num_samples):
        x, y = generator.integers(0, 236 - 60, 2)
        images[index, y : y + 60, x : x + 60] = 255
        actions[index] = np.array([x, y + 30, x + 60, y + 30]) / 236
    shipped = pathlib.Path(__file__).resolve().parents[1] / "embeddings" / "skewering_banana.npy"
    embeddings = np.tile(np.load(shipped), (num_samples, 1))
    names = np.full(num_samples, "skewering"), np.full(num_samples, "banana")
    sources = np.array([f"picture_{index // 2}" for index in range(num_samples)])
    return npz_dataset.FoodDataset(images, actions, embeddings, *names, sources, "stretch")


@pytest.fixture
def eager():
    """A few steps cost less than a trace."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def tiny_gin():
    """The tiny configuration is in force; none is after the test."""
    with small_model.gin_bindings(*TINY_CONFIG.splitlines()):
        yield


@pytest.fixture(scope="module")
def _shared_agent() -> agent_wrapper.Agent:
    with small_model.gin_bindings(*TINY_CONFIG.splitlines()):
        agent = run_setup.create_agent()
    agent.build_optimizer()
    return agent


@pytest.fixture
def reset_agent(_shared_agent) -> agent_wrapper.Agent:
    """A tiny agent as if it were new; the tests of a module share its traced functions."""
    agent = _shared_agent
    variables = [*agent.network.variables, *agent.optimizer.variables, agent.global_step]
    before = small_model.values(variables)
    yield agent
    for variable, value in zip(variables, before):
        variable.assign(value)


def write_squares(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A data set file and a split file of 24 squares."""
    data = squares(24)
    paths = folder / "squares.npz", folder / "squares_split.npz"
    npz_dataset.write_npz(paths[0], data)
    splits.write_split(paths[1], splits.make_split(data, 0.25, 0))
    return paths


def arguments(folder: pathlib.Path, dataset: pathlib.Path, split: pathlib.Path) -> list[str]:
    """Flags of train.py for an epoch of the tiny configuration, into `folder`/run."""
    config = folder / "tiny.gin"
    config.write_text(TINY_CONFIG)
    return [
        *("--config_file", str(config), "--dataset_file", str(dataset)),
        *("--split_file", str(split), "--checkpoint_dir", str(folder / "run")),
        *("--num_epochs", "1", "--batch_size", "6"),
    ]


@pytest.fixture
def squares_files(tmp_path):
    """(data set file, split file) of 24 squares."""
    return write_squares(tmp_path)
