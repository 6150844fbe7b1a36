"""A checkpoint directory as serving reads it: what is loaded, and what is refused as data."""

from __future__ import annotations

import json
import pathlib
import shutil

import gin
import numpy as np
import pytest

import checkpoint_directory
import checkpoint_files
import checkpoint_loading
import checkpoint_writer
from food_data import embedding_store, framing
from tests import small_model, training_fixtures

# Most of them build networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]
ROOT = pathlib.Path(__file__).parents[1]
STATE = checkpoint_writer.TrainingState
Error = checkpoint_directory.CheckpointDirectoryError


@pytest.fixture
def make_writer(reset_agent, tiny_gin, tmp_path):
    """A function **options -> a writer into the folder 'run' of the test."""
    store = embedding_store.EmbeddingStore.load("embeddings")

    def make(**options):
        metadata = {"resize": "letterbox"}
        writer = checkpoint_writer.CheckpointWriter(
            tmp_path / "run", reset_agent, store, metadata, **options
        )
        if options.get("writes", True):
            # The agent is the module's, so that gin has forgotten what it was built with.
            (tmp_path / "run" / "config.gin").write_text(training_fixtures.TINY_CONFIG + "\n")
        return writer

    return make


@pytest.fixture
def written(make_writer, reset_agent, tmp_path):
    """A directory with two checkpoints, the second after a step."""
    writer = make_writer()
    writer.write({"centroid_mae": np.float64(0.2)}, epoch=1)
    reset_agent.global_step.assign_add(1)
    variable = reset_agent.network.trainable_variables[0]
    variable.assign(variable + 1.0)
    writer.write({"centroid_mae": np.float64(0.1)}, epoch=2)
    return tmp_path / "run"


def names_of(directory, stem):
    return [prefix.name for prefix in checkpoint_files.numbered(directory, stem)]


# Loading.


def test_what_is_loaded_is_what_was_written(written, reset_agent, batch, tmp_path):
    """From another folder, whatever the ImageNet file was, and from an earlier version too."""
    inputs = batch["image"], batch["natural_language_embedding"]
    answer = reset_agent.forward(*inputs)
    moved = tmp_path / "a folder with spaces" / "run"
    moved.parent.mkdir()
    shutil.move(written, moved)
    text = (moved / "config.gin").read_text()
    more = 'EfficientNetEncoder.imagenet_weights_file = "absent.h5"\n'
    more += "FilmEfficientNet.lean_training = True\ncreate_optimizer.learning_rate = 0.1\n"
    (moved / "config.gin").write_text(text + more)
    gin.clear_config()
    loaded = checkpoint_directory.load(moved)
    assert np.array_equal(loaded.agent.forward(*inputs), answer)
    assert small_model.same(
        small_model.values(loaded.agent.network.variables),
        small_model.values(reset_agent.network.variables),
    )
    assert loaded.version == "best_checkpoint-1"
    assert loaded.metadata["metrics"] == {"centroid_mae": 0.1}
    assert (loaded.metadata["epoch"], loaded.metadata["resize"]) == (2, "letterbox")
    assert loaded.metadata["dropout_settings"]["transformer_attention"] == 0.0
    assert loaded.metadata["versions"]["tf-agents"] == "0.19.0"
    store = embedding_store.EmbeddingStore.load("embeddings")
    assert loaded.embeddings.combinations() == store.combinations()
    assert checkpoint_loading.resolve_prefix(moved) == str(moved / "best_checkpoint-1")


def test_metadata_names_the_checkpoint_that_counts(written, reset_agent):
    """A run killed after writing weights and before metadata.json still loads, as it was before."""
    contents = json.loads((written / "metadata.json").read_text())
    contents["checkpoint"] = "best_checkpoint-0"
    (written / "metadata.json").write_text(json.dumps(contents))
    loaded = checkpoint_directory.load(written).agent.network.trainable_variables[0]
    first = reset_agent.network.trainable_variables[0].numpy() - 1.0
    np.testing.assert_allclose(loaded, first, atol=1e-6)


def test_how_a_checkpoint_looks_at_photos():
    """One that does not say looks once, whatever the configuration in force is."""
    with small_model.gin_bindings("Framing.passes = 'fast'"):
        assert checkpoint_directory.framing_of({}) == framing.Framing("one", 0.5)
        known = {"framing": {"passes": "accurate", "max_extent": 0.7}}
        assert checkpoint_directory.framing_of(known) == framing.Framing("accurate", 0.7)


def test_another_configuration_or_loss(written, tmp_path):
    other, text = tmp_path / "other.gin", (written / "config.gin").read_text()
    (written / "config.gin").write_text("no gin at all")
    other.write_text(text + "\nTransformer.num_layers = 1\n")
    with pytest.raises(checkpoint_loading.CheckpointLoadError, match="transformer"):
        checkpoint_directory.load(written, config_file=other)
    other.write_text(text)
    loaded = checkpoint_directory.load(written, other, loss_type="l1")
    assert loaded.agent.network.loss_type == "l1"
    with pytest.raises(checkpoint_loading.CheckpointLoadError):
        checkpoint_directory.load(written, other, loss_type="cross_entropy")


def _damaged(directory, name, change):
    """`change`: what metadata.json says instead, a text, or None for a file that is gone."""
    path = directory / name
    if change is None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        (".", None, FileNotFoundError, "No checkpoint directory"),
        ("metadata.json", None, Error, "expected metadata.json"),
        ("metadata.json", "{", Error, "expected JSON"),
        ("metadata.json", "{}", Error, "format_version 1"),
        ("metadata.json", {"checkpoint": 3}, Error, "expected 'checkpoint' .* got 3. Copy"),
        ("metadata.json", {"resize": ["crop"]}, Error, "expected 'resize' .*got .'crop"),
        ("metadata.json", {"framing": {"passes": "twice"}}, Error, "got 'twice'.* Copy"),
        ("config.gin", None, Error, "expected config.gin, found none"),
        ("config.gin", "a =", Error, "gin cannot"),
        ("config.gin", "Transfrmer.num_layers = 2", Error, "Transfrmer"),
        ("embeddings", None, FileNotFoundError, "embeddings"),
        ("best_checkpoint-1.index", None, checkpoint_loading.CheckpointLoadError, "checkpoint-1"),
    ],
)
def test_damaged_directories(written, name, change, error, message):
    _damaged(written, name, change)
    with pytest.raises(error, match=message):
        checkpoint_directory.load(written)


def test_a_digest_tells_weights_apart(written, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(written, copy)
    digest = checkpoint_directory.weights_digest(written)
    assert checkpoint_directory.weights_digest(copy) == digest
    index = copy / f"{checkpoint_directory.read_metadata(copy)['checkpoint']}.index"
    index.write_bytes(index.read_bytes() + b"1")
    assert checkpoint_directory.weights_digest(copy) != digest
    index.unlink()
    with pytest.raises(FileNotFoundError, match=index.name):
        checkpoint_directory.weights_digest(copy)
