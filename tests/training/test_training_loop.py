"""The epochs of a run."""

from __future__ import annotations

import contextlib

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
from evaluation import metrics
from food_data import embedding_store, npz_dataset, splits
from tests import small_model, training_fixtures
from training import (
    agent_factory,
    checkpoint_writer,
    freezing,
    nonfinite,
    run_data,
    stop_signals,
    training_loop,
    training_state,
)

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]


def _run(agent, files, directory, num_epochs=2, signals=None, **options):
    """(data, reporter, summary) of a run, and what more there is in its settings."""
    dataset = npz_dataset.read_npz(files[0])
    data = run_data.RunData(dataset, splits.read_split(files[1], len(dataset)))
    store = embedding_store.EmbeddingStore.load("embeddings")
    writer = checkpoint_writer.CheckpointWriter(directory, agent, store, {"resize": None})
    reporter = training_fixtures.ListReporter()
    settings = training_loop.Settings(num_epochs, batch_size=4, **options)
    loop = training_loop.TrainingLoop(agent, data, writer, reporter, settings, signals)
    return data, reporter, loop.run()


@contextlib.contextmanager
def without_traces():
    """A few steps cost less than a trace."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager():
    """No traces in this test."""
    with without_traces():
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return training_fixtures.write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """(directory, agent, data, reporter, summary) of two epochs; not to be changed."""
    directory = tmp_path_factory.mktemp("loop") / "run"
    with small_model.gin_bindings(*training_fixtures.TINY_CONFIG.splitlines()), without_traces():
        agent = agent_factory.create_agent()
        return directory, agent, *_run(agent, files, directory)


def test_learns_reports_and_keeps_the_best(run):
    directory, _, _, reporter, summary = run
    rows = reporter.rows
    assert [row["epoch"] for row in rows] == [1, 2]
    assert summary.first_train_loss == rows[0]["train_loss"]
    assert summary.last_train_loss == rows[1]["train_loss"] < rows[0]["train_loss"]
    best = min(rows, key=lambda row: row["centroid_mae"])
    assert summary.best_metrics["centroid_mae"] == best["centroid_mae"]
    metadata = checkpoint_directory.read_metadata(directory)
    assert metadata["epoch"] == best["epoch"]
    assert metadata["metrics"]["centroid_mae"] == best["centroid_mae"]
    assert metadata["global_step"] == 5 * best["epoch"]  # 18 training samples, batches of 4


def test_what_the_reporter_is_told(run):
    _, _, data, reporter, _ = run
    assert reporter.num_first_batches == 1
    assert [step for step, _ in reporter.steps] == list(range(1, 11))
    first_epoch = [loss for _, loss in reporter.steps[:5]]
    sizes = [4, 4, 4, 4, 2]
    assert reporter.rows[0]["train_loss"] == pytest.approx(np.average(first_epoch, weights=sizes))
    assert {"val_loss", "learning_rate", "images_per_s", "seconds"} <= set(reporter.rows[0])
    labels = data.dataset.actions[data.split.val_idx]
    for row, predictions in zip(reporter.rows, reporter.predictions):
        errors = metrics.compute_bbox_metrics(predictions, labels)
        assert row["centroid_mae"] == pytest.approx(errors["centroid_mae"])
    assert reporter.summary["num_epochs"] == 2


def test_the_agent_ends_with_the_best_weights(run):
    directory, agent, _, _, summary = run
    loaded = checkpoint_directory.load(directory).agent
    assert small_model.same(
        small_model.values(agent.network.variables), small_model.values(loaded.network.variables)
    )
    assert (
        summary.best_checkpoint.name == checkpoint_directory.read_metadata(directory)["checkpoint"]
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(run, eager, tiny_gin, files, tmp_path):
    """One epoch of it; that two epochs are the same to the bit, `test_resume.py` says."""
    _, _, _, reporter, _ = run
    _, again, _ = _run(agent_factory.create_agent(), files, tmp_path / "again", 1)
    assert again.steps == reporter.steps[:5]
    for name in ("val_loss", "centroid_mae"):
        assert again.rows[0][name] == reporter.rows[0][name]


def test_baseline_uses_training_labels_only(run):
    _, _, data, _, _ = run
    labels = data.dataset.actions
    mean = labels[data.split.train_idx].mean(axis=0, dtype=np.float64)
    val = labels[data.split.val_idx]
    expected = metrics.compute_bbox_metrics(np.tile(mean, (len(val), 1)), val)
    assert data.baseline(data.split.val_idx) == pytest.approx(expected)


@pytest.fixture
def four(tmp_path):
    """A data set file of 8 squares, and a split with 4 to train on and 4 to validate."""
    paths = tmp_path / "four.npz", tmp_path / "four_split.npz"
    npz_dataset.write_npz(paths[0], training_fixtures.squares(8))
    splits.write_split(paths[1], splits.Split(np.arange(4), np.arange(4, 8)))
    return paths


@pytest.mark.slow
def test_steps_per_epoch_and_checkpoints_between(eager, tiny_agent, four, tmp_path):
    """Two epochs of 3 steps, a pass being 1; saved at 0, 2, 3, 4 and 6, the last three kept."""
    _, reporter, _ = _run(
        tiny_agent, four, tmp_path / "run", 2, steps_per_epoch=3, checkpoint_every_steps=2
    )
    assert [step for step, _ in reporter.steps] == [1, 2, 3, 4, 5, 6]
    states = training_state.StateFile.read(tmp_path / "run").states
    assert {name: (state.epoch, state.step) for name, state in states.items()} == {
        "last_checkpoint-3": (1, 0),
        "last_checkpoint-4": (1, 1),
        "last_checkpoint-6": (2, 0),
    }


@pytest.mark.slow
def test_early_stopping(eager, tiny_gin, four, tmp_path):
    """Steps too small to move a float32 weight: no epoch is better than the first."""
    gin.bind_parameter("create_optimizer.learning_rate", 1e-30)
    agent = agent_factory.create_agent()
    freezing.apply_freezing_logic(agent, freeze_efficientnet=True)
    _, reporter, summary = _run(agent, four, tmp_path / "run", 9, early_stopping_epochs=2)
    assert len(reporter.rows) == summary.num_epochs == 3


@pytest.mark.slow
def test_without_validation_the_newest_counts(eager, tiny_agent, four, tmp_path):
    splits.write_split(four[1], splits.Split(np.arange(8), np.zeros(0, np.int64)))
    _, reporter, summary = _run(tiny_agent, four, tmp_path / "run", 2)
    assert summary.best_checkpoint.name == "best_checkpoint-4"
    assert summary.best_metrics == {"train_loss": summary.last_train_loss}
    assert np.isnan(reporter.rows[0]["val_loss"])
    assert reporter.predictions[0].shape == (0, 4)


@pytest.mark.slow
def test_another_selection_metric(eager, tiny_agent, four, tmp_path):
    _run(tiny_agent, four, tmp_path / "run", 1, selection_metric="val_loss")
    state = training_state.StateFile.read(tmp_path / "run").states["last_checkpoint-1"]
    assert state.best.value == state.best.metrics["val_loss"]


def test_a_batch_that_gives_no_finite_loss_stops_the_run(eager, tiny_agent, four, tmp_path):
    tiny_agent.network._regression_output.bias.assign([np.inf])
    with pytest.raises(nonfinite.NonFiniteError, match="loss is not finite, at step 0"):
        _run(tiny_agent, four, tmp_path / "run", 1)
    with np.load(tmp_path / "run" / "nonfinite_batch_step_0.npz") as batch:
        assert batch["image"].shape == (4, 236, 236, 3)
    assert int(tiny_agent.global_step) == 0


@pytest.mark.slow
def test_averages_are_what_is_validated_and_served(eager, tiny_gin, four, tmp_path):
    gin.bind_parameter("create_optimizer.ema_decay", 0.9)
    agent = agent_factory.create_agent()
    _, reporter, summary = _run(agent, four, tmp_path / "run", 1, steps_per_epoch=2)
    # The run ends with the best weights, and those are the averages.
    averages = small_model.values(agent.optimizer.averages)
    learning = agent.network.used_trainable_variables
    assert small_model.same(small_model.values(learning), averages)
    assert reporter.rows[0]["centroid_mae"] == summary.best_metrics["centroid_mae"]
    own = tf.train.load_checkpoint(str(tmp_path / "run" / "last_checkpoint-2"))
    key = "agent/_actor_network/_regression_output/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    served = tf.train.load_checkpoint(str(summary.best_checkpoint))
    assert not np.array_equal(own.get_tensor(key), served.get_tensor(key))


def test_a_signal_saves_within_the_epoch(eager, tiny_agent, four, tmp_path):
    class After:
        """Asks for the machine before the third step."""

        checks = 0

        def check(self):
            self.checks += 1
            if self.checks == 3:
                raise stop_signals.Preempted("SIGUSR1")

    with pytest.raises(stop_signals.Preempted):
        _run(tiny_agent, four, tmp_path / "run", 1, signals=After(), steps_per_epoch=5)
    stored = training_state.StateFile.read(tmp_path / "run")
    state = stored.states["last_checkpoint-2"]
    assert (stored.checkpoint, state.epoch, state.step) == ("last_checkpoint-2", 0, 2)
    assert state.num_samples == 8


@pytest.mark.parametrize(
    ("batch_size", "num_samples", "expected"),
    [(16, 100, 100), (16, 5000, 2048), (30, 5000, 2070), (4096, 5000, 4096)],
)
def test_the_summary_at_the_end_looks_at_whole_batches(batch_size, num_samples, expected):
    settings = training_loop.Settings(num_epochs=1, batch_size=batch_size)
    assert settings.summary_samples(num_samples) == expected


def test_sizes_of_batches():
    settings = training_loop.Settings(1, batch_size=4)
    assert [settings.size_of_batch(step, 10) for step in range(7)] == [4, 4, 2, 4, 4, 2, 4]
