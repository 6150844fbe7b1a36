"""One run, without traces: what it learns, reports, keeps and saves."""

from __future__ import annotations

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
from evaluation import metrics
from food_data import npz_dataset, splits
from tests import killed_writes, small_model, training_fixtures
from training import agent_factory, devices, run_data, stop_signals, train_steps, training_loop

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture(autouse=True)
def eager():
    """A few steps cost less than a trace."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def four():
    """8 squares, 4 to train on and 4 to validate."""
    return run_data.RunData(
        training_fixtures.squares(8), splits.Split(np.arange(4), np.arange(4, 8))
    )


def run(agent, data, directory, num_epochs=2, signals=None, together=None, **options):
    """(reporter, summary) of a run, and what more there is in its settings."""
    writer = checkpoint_directory.CheckpointWriter(
        directory, agent, killed_writes.store(), {"resize": None}
    )
    reporter = training_fixtures.ListReporter()
    settings = training_loop.Settings(num_epochs, batch_size=4, **options)
    loop = training_loop.TrainingLoop(
        agent, data, writer, reporter, settings, signals, together=together
    )
    return reporter, loop.run()


def test_learns_reports_and_keeps_the_best(reset_agent, tiny_gin, tmp_path):
    files = training_fixtures.write_squares(tmp_path)
    dataset = npz_dataset.read_npz(files[0])
    data = run_data.RunData(dataset, splits.read_split(files[1], len(dataset)))
    reporter, summary = run(reset_agent, data, tmp_path / "run")
    rows = reporter.rows
    assert [row["epoch"] for row in rows] == [1, 2]
    assert reporter.num_first_batches == 1
    assert [step for step, _ in reporter.steps] == list(range(1, 11))
    # 18 training samples in batches of 4; the mean is over samples.
    first_epoch = [loss for _, loss in reporter.steps[:5]]
    mean = np.average(first_epoch, weights=[4, 4, 4, 4, 2])
    assert rows[0]["train_loss"] == pytest.approx(mean)
    assert summary.first_train_loss == rows[0]["train_loss"]
    assert summary.last_train_loss == rows[1]["train_loss"] < rows[0]["train_loss"]
    assert {"val_loss", "learning_rate", "images_per_s", "seconds"} <= set(rows[0])
    for row, predictions in zip(rows, reporter.predictions):
        errors = metrics.compute_bbox_metrics(predictions, dataset.actions[data.split.val_idx])
        assert row["centroid_mae"] == pytest.approx(errors["centroid_mae"])
    assert reporter.summary["num_epochs"] == 2
    best = min(rows, key=lambda row: row["centroid_mae"])
    metadata = checkpoint_directory.read_metadata(tmp_path / "run")
    assert metadata["epoch"] == best["epoch"]
    assert metadata["metrics"]["centroid_mae"] == best["centroid_mae"]
    assert metadata["global_step"] == 5 * best["epoch"]
    # The agent ends with the best weights.
    assert summary.best_metrics["centroid_mae"] == best["centroid_mae"]
    assert summary.best_checkpoint.name == metadata["checkpoint"]
    reader = tf.train.load_checkpoint(str(summary.best_checkpoint))
    key = "agent/_actor_network/_regression_output/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    kernel = reset_agent.network._regression_output.kernel
    np.testing.assert_array_equal(reader.get_tensor(key), kernel)


def test_steps_per_epoch_and_checkpoints_between(reset_agent, tiny_gin, four, tmp_path):
    """Two epochs of 3 steps, a pass being 1; saved at 0, 2, 3, 4 and 6, the last three kept."""
    options = {"steps_per_epoch": 3, "checkpoint_every_steps": 2, "selection_metric": "val_loss"}
    reporter, _ = run(reset_agent, four, tmp_path / "run", 2, **options)
    assert [step for step, _ in reporter.steps] == [1, 2, 3, 4, 5, 6]
    states = checkpoint_directory.StateFile.read(tmp_path / "run").states
    assert {name: (state.epoch, state.step) for name, state in states.items()} == {
        "last_checkpoint-3": (1, 0),
        "last_checkpoint-4": (1, 1),
        "last_checkpoint-6": (2, 0),
    }
    best = states["last_checkpoint-6"].best
    assert best.value == best.metrics["val_loss"]


def test_early_stopping_and_no_validation(reset_agent, tiny_gin, four, tmp_path):
    """Steps too small to move a float32 weight: no epoch is better than the first. Of the frozen
    part not even BatchNorm's statistics change."""
    frozen = reset_agent.network.parts()["efficientnet"]
    frozen.trainable = False
    try:
        reset_agent.optimizer.learning_rate.assign(1e-30)
        before = small_model.values(frozen.variables)
        reporter, summary = run(reset_agent, four, tmp_path / "a", 9, early_stopping_epochs=2)
        assert len(reporter.rows) == summary.num_epochs == 3
        assert small_model.same(before, small_model.values(frozen.variables))
        everything = run_data.RunData(four.dataset, splits.Split(np.arange(8), np.zeros(0, int)))
        reporter, summary = run(reset_agent, everything, tmp_path / "b", 1)
    finally:
        frozen.trainable = True
    # Without validation the newest counts.
    assert summary.best_checkpoint.name == "best_checkpoint-5"
    assert summary.best_metrics == {"train_loss": summary.last_train_loss}
    assert np.isnan(reporter.rows[0]["val_loss"])
    assert reporter.predictions[0].shape == (0, 4)


def test_a_batch_that_gives_no_finite_loss_stops_the_run(reset_agent, tiny_gin, four, tmp_path):
    reset_agent.network._regression_output.bias.assign([np.inf])
    with pytest.raises(training_loop.NonFiniteError, match="loss is not finite, at step 0.*npz"):
        run(reset_agent, four, tmp_path / "run", 1)
    with np.load(tmp_path / "run" / "nonfinite_batch_step_0.npz") as batch:
        assert batch["image"].shape == (4, 236, 236, 3)
    assert reset_agent.steps_done == 0


def test_averages_are_what_is_validated_and_served(tiny_gin, four, tmp_path):
    gin.bind_parameter("create_optimizer.ema_decay", 0.9)
    agent = agent_factory.create_agent()
    reporter, summary = run(agent, four, tmp_path / "run", 1, steps_per_epoch=2)
    # The run ends with the best weights, and those are the averages.
    averages = small_model.values(agent.optimizer.averages)
    learning = agent.network.used_trainable_variables
    assert small_model.same(small_model.values(learning), averages)
    assert reporter.rows[0]["centroid_mae"] == summary.best_metrics["centroid_mae"]
    key = "agent/_actor_network/_regression_output/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    own, served = (
        tf.train.load_checkpoint(str(path)).get_tensor(key)
        for path in (tmp_path / "run" / "last_checkpoint-2", summary.best_checkpoint)
    )
    assert not np.array_equal(own, served)


def test_workers_share_validation(reset_agent, tiny_gin, four, tmp_path, monkeypatch):
    """Two in turn, each with its half; the sum over workers is the sum of what they sent."""
    sent = []
    monkeypatch.setattr(devices.Workers, "wait", lambda self: None)
    monkeypatch.setattr(devices.Workers, "sum", lambda self, values: sent.append(values) or values)
    found = []
    for index in range(2):
        loop = training_loop.TrainingLoop.__new__(training_loop.TrainingLoop)
        loop._agent, loop._data = reset_agent, four
        loop._settings = training_loop.Settings(1, 4)
        loop._workers, loop._signals = devices.Workers(index, 2), stop_signals.StopSignals()
        if index == 1:
            monkeypatch.setattr(devices.Workers, "sum", lambda self, values: values + sent[0])
        found.append(loop._validate())
    expected, answers = train_steps.validate_step_with_metrics(
        reset_agent, four.validation_batches(2)
    )
    np.testing.assert_allclose(found[1][1], answers, rtol=1e-4, atol=1e-6)
    assert found[1][0]["val_loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_sizes_of_batches():
    settings = training_loop.Settings(1, batch_size=4)
    assert [settings.size_of_batch(step, 10) for step in range(7)] == [4, 4, 2, 4, 4, 2, 4]
    # The summary at the end looks at whole batches.
    for batch_size, num_samples, expected in ((16, 100, 100), (16, 5000, 2048), (30, 5000, 2070)):
        settings = training_loop.Settings(1, batch_size=batch_size)
        assert settings.summary_samples(num_samples) == expected


# One batch.


def test_validation_changes_nothing_and_weighs_samples_not_batches(reset_agent, batch):
    def parts(sizes):
        starts = np.cumsum([0, *sizes])
        for start, stop in zip(starts, starts[1:]):
            yield {key: value[start:stop] for key, value in batch.items()}

    validate = train_steps.validate_step_with_metrics
    before = small_model.values(reset_agent.network.variables)
    whole, predicted = validate(reset_agent, parts([4]))
    uneven, same_predicted = validate(reset_agent, parts([3, 1]))
    assert small_model.same(before, small_model.values(reset_agent.network.variables))
    assert uneven == pytest.approx(whole, rel=1e-4)
    np.testing.assert_allclose(predicted, same_predicted, rtol=1e-4, atol=1e-6)
    expected = metrics.compute_bbox_metrics(predicted, batch["bbox"].numpy())
    assert {name: whole[name] for name in expected} == pytest.approx(expected)
    # Training and serving see the same network, but predictions are not clipped.
    regression_bias = reset_agent.network._regression_output.bias
    regression_bias.assign(regression_bias + 0.6)
    _, predicted = train_steps.predict_step(reset_agent, batch)
    assert predicted.max() > 1
    forward = reset_agent.forward(batch["image"], batch["natural_language_embedding"])
    np.testing.assert_allclose(np.clip(predicted, 0, 1), forward, atol=1e-6)
    with pytest.raises(ValueError, match="at least one batch"):
        validate(reset_agent, [])


def test_doubt_ranks_the_errors():
    """The midpoints of four answers are off by 0, 0.1, 0.2, 0.3; the last one is doubted most."""
    labelled, std = np.full((4, 4), 0.5), np.full((4, 4), 0.1875)
    answers = labelled + np.array([[0.0], [0.1], [0.2], [0.3]]) * [1, 0, 1, 0]

    def figures(*found):
        summary = train_steps.summary(train_steps.Prediction(0.0, *found), labelled)
        return {name: value for name, value in summary.items() if name.startswith("uncertainty_")}

    found = figures(answers, np.array([0.1, 0.2, 0.3, 0.4]), std)
    assert set(found) == {f"uncertainty_{name}" for name in train_steps.UNCERTAINTY_FIGURES}
    assert (found["uncertainty_auroc"], found["uncertainty_mean_std"]) == (1.0, 0.1875)
    # One of four is asked about: the mean of 0, 0.1, 0.2 beside that of all.
    assert found["uncertainty_gain_20"] == pytest.approx(1 - 0.1 / 0.15)
    assert figures(answers, np.full(4, np.nan), std) == {}
    assert "uncertainty_auroc" not in figures(labelled, np.arange(4.0), std)


def test_a_model_of_tokens_doubts():
    agent = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY)
    experience = small_model.food_experience(0, 3)
    batch = {key: value[:, 0] for key, value in experience.observation.items()}
    batch["bbox"] = experience.action["bbox"][:, 0]
    one = train_steps.predict_with_doubt(agent, batch)
    assert one.doubt.shape == (3,) and (one.doubt > 0).all() and (one.doubt <= 1).all()
    assert one.std.shape == (3, 4) and (one.std > 0).all() and (one.std <= 1).all()
    found, _ = train_steps.validate_step_with_metrics(agent, [batch])
    assert found["loss"] == one.loss
    assert {"uncertainty_gain_20", "uncertainty_nll"} <= set(found)
