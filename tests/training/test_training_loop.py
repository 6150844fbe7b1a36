"""The epochs of a run."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import checkpoint_directory
import metrics
from food_data import embedding_store, npz_dataset, splits
from tests import small_model, training_fixtures
from training import agent_factory, loss_log, training_loop

pytest_plugins = ["tests.training_fixtures"]


def _run(agent, files, directory, num_epochs=3):
    dataset = npz_dataset.read_npz(files[0])
    data = training_loop.RunData(dataset, splits.read_split(files[1], len(dataset)))
    store = embedding_store.EmbeddingStore.load("embeddings")
    writer = checkpoint_directory.CheckpointWriter(directory, agent, store, {"resize": None})
    log = loss_log.LossLog(directory / "loss_log.csv")
    return data, training_loop.train(agent, data, writer, log, num_epochs, batch_size=4, seed=0)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return training_fixtures.write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """(directory, agent, data, summary) of three epochs; shared, so not to be changed."""
    directory = tmp_path_factory.mktemp("loop") / "run"
    with small_model.gin_bindings(*training_fixtures.TINY_CONFIG.splitlines()):
        agent = agent_factory.create_agent()
        return directory, agent, *_run(agent, files, directory)


def test_learns_logs_and_keeps_the_best(run):
    directory, _, _, summary = run
    with (directory / "loss_log.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert summary.first_train_loss == rows[0]["train_loss"]
    assert summary.last_train_loss == rows[2]["train_loss"] < rows[0]["train_loss"]
    best = min(rows, key=lambda row: row["centroid_mae"])
    assert summary.best_metrics["centroid_mae"] == best["centroid_mae"]
    metadata = checkpoint_directory.read_metadata(directory)
    assert metadata["epoch"] == best["epoch"]
    assert metadata["metrics"]["centroid_mae"] == best["centroid_mae"]
    assert metadata["global_step"] == 5 * best["epoch"]  # 18 training samples, batches of 4


def test_the_agent_ends_with_the_best_weights(run):
    directory, agent, _, summary = run
    loaded = checkpoint_directory.load(directory).agent
    assert small_model.same(
        small_model.values(agent.network.variables), small_model.values(loaded.network.variables)
    )
    assert (
        summary.best_checkpoint.name == checkpoint_directory.read_metadata(directory)["checkpoint"]
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(run, tiny_gin, files, tmp_path):
    _, _, _, summary = run
    _, again = _run(agent_factory.create_agent(), files, tmp_path / "again")
    assert again.best_metrics == summary.best_metrics
    assert again.last_train_loss == summary.last_train_loss


def test_baseline_uses_training_labels_only(run):
    _, _, data, _ = run
    labels = data.dataset.actions
    mean = labels[data.split.train_idx].mean(axis=0, dtype=np.float64)
    val = labels[data.split.val_idx]
    expected = metrics.compute_bbox_metrics(np.tile(mean, (len(val), 1)), val)
    assert data.baseline(data.split.val_idx) == pytest.approx(expected)
