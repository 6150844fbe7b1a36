"""What is written beside a checkpoint, in which order, and what is deleted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
import checkpoint_loading
from food_data import embedding_store
from tests import small_model
from training import checkpoint_files, checkpoint_writer, training_state

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def make_writer(tiny_agent, tmp_path):
    """A function **options -> a writer into the folder of the test."""
    tiny_agent.build_optimizer()
    store = embedding_store.EmbeddingStore.load("embeddings")

    def make(**options):
        return checkpoint_writer.CheckpointWriter(
            tmp_path, tiny_agent, store, {"resize": None}, **options
        )

    return make


def _names(directory, stem):
    return [prefix.name for prefix in checkpoint_files.numbered(directory, stem)]


def test_the_best_holds_weights_only(make_writer, tiny_agent, tmp_path):
    prefix = make_writer().write({"centroid_mae": 0.1}, epoch=1)
    names = [name for name, _ in tf.train.list_variables(str(prefix))]
    assert len(names) == len(tiny_agent.network.variables) + 2  # global_step, object graph
    assert not [name for name in names if "optimizer" in name]
    assert checkpoint_loading.resolve_prefix(tmp_path) == str(prefix)


def test_a_state_to_go_on_from_holds_everything(make_writer, tiny_agent, tmp_path):
    writer = make_writer(settings={"batch_size": 4})
    state = training_state.TrainingState(epoch=2, step=1)
    prefix = writer.write_training_state(state)
    stored = training_state.StateFile.read(tmp_path)
    assert (stored.checkpoint, stored.settings) == (prefix.name, {"batch_size": 4})
    assert stored.states == {prefix.name: state}
    other = small_model.build(*small_model.TINY, weights_seed=5)
    checkpoint_loading.custom_load_checkpoint(other, prefix, restore_optimizer=True)
    assert small_model.same(
        small_model.values(other.network.variables),
        small_model.values(tiny_agent.network.variables),
    )


def test_a_bounded_number_is_kept(make_writer, tiny_agent, tmp_path):
    writer = make_writer(max_checkpoints=2)
    for step in (0, 5, 10, 15):
        tiny_agent.global_step.assign(step)
        writer.write_training_state(training_state.TrainingState(step=step))
    assert _names(tmp_path, "last_checkpoint") == ["last_checkpoint-10", "last_checkpoint-15"]
    states = training_state.StateFile.read(tmp_path).states
    assert {name: state.step for name, state in states.items()} == {
        "last_checkpoint-10": 10,
        "last_checkpoint-15": 15,
    }


def test_going_back_drops_what_came_later(make_writer, tiny_agent, tmp_path):
    """After a resume from step 5 the old step 10 is of another past."""
    for step in (5, 10):
        tiny_agent.global_step.assign(step)
        make_writer().write_training_state(training_state.TrainingState(step=step))
    tiny_agent.global_step.assign(7)
    make_writer().write_training_state(training_state.TrainingState(step=7))
    assert _names(tmp_path, "last_checkpoint") == ["last_checkpoint-5", "last_checkpoint-7"]
    assert training_state.StateFile.read(tmp_path).checkpoint == "last_checkpoint-7"


def test_a_disk_that_fails_leaves_the_old_state(make_writer, tiny_agent, tmp_path, monkeypatch):
    writer = make_writer()
    writer.write({"centroid_mae": 0.1}, epoch=1)
    writer.write_training_state(training_state.TrainingState(step=1))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    tiny_agent.global_step.assign(9)

    def fail(self, path):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.train.Checkpoint, "write", fail)
    with pytest.raises(checkpoint_files.CheckpointWriteError):
        writer.write({"centroid_mae": 0.05}, epoch=2)
    with pytest.raises(checkpoint_files.CheckpointWriteError):
        writer.write_training_state(training_state.TrainingState(step=9))
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == before
    assert checkpoint_directory.load(tmp_path).metadata["epoch"] == 1


def test_half_written_files_of_a_killed_run_go(make_writer, tmp_path):
    (tmp_path / ".last_checkpoint-3.x").mkdir()
    make_writer()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_metadata_is_json_that_any_reader_takes(make_writer, tmp_path):
    make_writer().write({"centroid_mae": np.float64(0.25)}, epoch=1)
    assert json.loads((tmp_path / "metadata.json").read_text())["metrics"]["centroid_mae"] == 0.25


def test_versions():
    assert checkpoint_writer.package_versions()["tf-agents"] == "0.19.0"


def test_another_worker_names_the_same_files_and_writes_none(make_writer, tiny_agent, tmp_path):
    silent = checkpoint_writer.NoWriter(tmp_path / "silent", tiny_agent)
    state, writer = training_state.TrainingState(), make_writer()
    pairs = [
        (silent.write({"centroid_mae": 0.1}, epoch=1), writer.write({"centroid_mae": 0.1})),
        (silent.write_training_state(state), writer.write_training_state(state)),
    ]
    for ours, theirs in pairs:
        assert ours.name == theirs.name
    assert not silent.directory.exists()
