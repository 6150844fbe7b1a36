"""One run, without traces: what it learns, reports, keeps and saves; and several workers."""

from __future__ import annotations

import signal
import types

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
from food_data import splits
from tests import killed_writes, small_model, training_fixtures
from training import run_setup, stop_signals, training_loop

# Most of them build and train networks: seconds, not milliseconds.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("eager", "tiny_gin")]
pytest_plugins = ["tests.training_fixtures"]
KERNEL = "agent/_actor_network/_regression_output/kernel/.ATTRIBUTES/VARIABLE_VALUE"


def squares(num_train, num_val) -> run_setup.RunData:
    numbers = np.arange(num_train + num_val)
    split = splits.Split(numbers[:num_train], numbers[num_train:])
    return run_setup.RunData(training_fixtures.squares(len(numbers)), split)


def run(agent, data, directory, num_epochs=2, **options):
    """(What would be reported of each epoch, state at the end) of a run."""
    store, rows = killed_writes.store(), []
    writer = checkpoint_directory.CheckpointWriter(directory, agent, store, {"resize": None})
    settings = run_setup.Settings(num_epochs, batch_size=4, **options)
    reporter = types.SimpleNamespace(
        first_batch=lambda batch: None,
        step=lambda *said: None,
        epoch=lambda step, row, predictions: rows.append(row),
    )
    setup = run_setup.RunSetup(settings, data, agent)
    return rows, training_loop.TrainingLoop(setup, writer, reporter).run()


def test_learns_reports_and_keeps_the_best(reset_agent, tmp_path):
    reset_agent.optimizer.learning_rate.assign(3e-4)
    rows, ended = run(reset_agent, squares(5, 6), tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert ended.first_train_loss == rows[0]["train_loss"]
    assert ended.last_train_loss == rows[1]["train_loss"] < rows[0]["train_loss"]
    best = min(rows, key=lambda row: row["centroid_mae"])
    metadata, kept = checkpoint_directory.read_metadata(tmp_path), ended.best
    # 5 training samples in batches of 4.
    assert (metadata["epoch"], metadata["global_step"]) == (best["epoch"], 2 * best["epoch"])
    assert best["centroid_mae"] == metadata["metrics"]["centroid_mae"]
    assert (kept.metrics, kept.checkpoint) == (metadata["metrics"], metadata["checkpoint"])


def test_early_stopping_and_no_validation(reset_agent, tmp_path):
    """Steps too small to move a float32 weight, and no statistics: the first epoch stays best."""
    frozen = reset_agent.network.parts()["efficientnet"]
    reset_agent.optimizer.learning_rate.assign(1e-30)
    frozen.trainable = False
    try:
        rows, ended = run(reset_agent, squares(4, 4), tmp_path / "a", 9, early_stopping_epochs=1)
        assert len(rows) == ended.epoch == 2
        rows, ended = run(reset_agent, squares(4, 0), tmp_path / "b", 1)
    finally:
        frozen.trainable = True
    # Without validation the newest counts.
    assert ended.best.checkpoint == "best_checkpoint-3"
    assert ended.best.metrics == {"train_loss": ended.last_train_loss}
    assert "val_loss" not in rows[0]


def test_averages_are_served_and_checkpoints_lie_between(tmp_path):
    """Two epochs of 3 steps, a pass being 1; saved at 0, 2, 3, 4 and 6, the last three kept."""
    gin.bind_parameter("create_optimizer.ema_decay", 0.9)
    agent = run_setup.create_agent()
    agent.build_optimizer()
    options = {"steps_per_epoch": 3, "checkpoint_every_steps": 2, "selection_metric": "val_loss"}
    agent.optimizer.learning_rate.assign(1e-5)
    data = squares(4, 4)
    rows, ended = run(agent, data, tmp_path, 2, **options)
    states = checkpoint_directory.StateFile.read(tmp_path).states
    assert {name: (state.epoch, state.step) for name, state in states.items()} == {
        "last_checkpoint-3": (1, 0),
        "last_checkpoint-4": (1, 1),
        "last_checkpoint-6": (2, 0),
    }
    assert ended.best.value == rows[1]["val_loss"] < rows[0]["val_loss"]
    learning = agent.network.used_trainable_variables
    head = [v.ref() for v in learning].index(agent.network._regression_output.kernel.ref())
    own, served = (
        tf.train.load_checkpoint(str(tmp_path / name)).get_tensor(KERNEL)
        for name in ("last_checkpoint-6", ended.best.checkpoint)
    )
    np.testing.assert_array_equal(served, agent.optimizer.averages[head])
    # The run itself goes on with its own weights.
    np.testing.assert_array_equal(own, learning[head])
    assert not np.array_equal(own, served)
    with training_loop.averaged_weights(agent):
        batches = data.batches(np.arange(4, 8), 4)
        found, _ = training_loop.validate_step_with_metrics(agent, batches)
    assert rows[1]["centroid_mae"] == found["centroid_mae"]


# One batch.


def test_validation_changes_nothing_and_weighs_samples_not_batches(reset_agent):
    validate, data = training_loop.validate_step_with_metrics, squares(4, 0)
    (batch,) = data.batches(np.arange(4), 4)
    before = small_model.values(reset_agent.network.variables)
    found, predicted = validate(reset_agent, [batch])
    same_found, same_predicted = validate(reset_agent, data.batches(np.arange(4), 3))
    assert small_model.same(before, small_model.values(reset_agent.network.variables))
    assert same_found == pytest.approx(found, rel=1e-4)
    np.testing.assert_allclose(predicted, same_predicted, rtol=1e-4, atol=1e-6)
    # Training and serving see the same network, but predictions are not clipped.
    reset_agent.network._regression_output.bias.assign([1.1])
    _, predicted = training_loop.predict_step(reset_agent, batch)
    assert predicted.max() > 1
    forward = reset_agent.forward(batch["image"], batch["natural_language_embedding"])
    np.testing.assert_allclose(np.clip(predicted, 0, 1), forward, atol=1e-6)
    with pytest.raises(ValueError, match="at least one batch"):
        validate(reset_agent, [])


# Workers.


def test_workers_share_training_and_validation(reset_agent, tmp_path, monkeypatch):
    """Two in turn: each validates its half, and the sum over workers is the sum of what they sent.
    Where a batch has one sample, they share its weight."""
    sent, weights = [], []

    def noted(agent, batch, weight):
        weights.append((len(batch["bbox"]), weight))
        return {"loss": float(len(weights))}

    def summed(self, values):
        sent.append(values)
        return sum(sent)

    data = squares(5, 4)
    setup = run_setup.RunSetup(run_setup.Settings(1, batch_size=4), data, reset_agent)
    monkeypatch.setattr(training_loop.Workers, "check", lambda self: None)
    monkeypatch.setattr(training_loop.Workers, "sum", summed)
    monkeypatch.setattr(training_loop, "train_step", noted)
    for index in range(2):
        workers = training_loop.Workers(index, 2)
        loop = training_loop.TrainingLoop(setup, writer=None, workers=workers)
        loop._train_epoch()
        # Losses of 1 and 2 for four samples and one; then of 3 and 4.
        assert loop._state.loss_sum == 4 * len(weights[:-1]) + len(weights)
        found, answers = loop._validate()
    assert weights == [(2, 1.0), (1, 0.5), (2, 1.0), (1, 0.5)]
    batches = data.batches(data.split.val_idx, 2)
    expected, alone = training_loop.validate_step_with_metrics(reset_agent, batches)
    np.testing.assert_allclose(answers, alone, rtol=1e-4, atol=1e-6)
    assert found["val_loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_parts_hold_every_item_once_and_what_one_was_told_ends_all(monkeypatch):
    for items in ([], [1], [*range(7)]):
        parts = [items[training_loop.Workers(index, 3).own_part(len(items))] for index in range(3)]
        assert sum(parts, []) == items and max(map(len, parts)) - min(map(len, parts)) <= 1
    # The sum over workers is what the other, who got SIGTERM, has sent.
    told = np.array([number == signal.SIGTERM for number in stop_signals.SIGNALS], float)
    monkeypatch.setattr(training_loop.Workers, "sum", lambda self, values: values + told)
    with pytest.raises(stop_signals.Preempted, match="SIGTERM"):
        training_loop.Workers(1, 2).check()
