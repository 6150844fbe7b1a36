"""A checkpoint directory holds all that serving needs, and says what is wrong with it."""

from __future__ import annotations

import json
import shutil

import gin
import numpy as np
import pytest

import checkpoint_directory
import checkpoint_loading
from food_data import embedding_store, framing
from tests import small_model
from training import checkpoint_writer, train_steps

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def store():
    return embedding_store.EmbeddingStore.load("embeddings")


@pytest.fixture
def written(tiny_agent, store, tmp_path):
    """(directory, agent) with two checkpoints, the second after a step."""
    directory = tmp_path / "run"
    writer = checkpoint_writer.CheckpointWriter(
        directory, tiny_agent, store, {"resize": "letterbox"}
    )
    writer.write({"centroid_mae": 0.2}, epoch=1)
    tiny_agent.global_step.assign_add(1)
    variable = tiny_agent.network.trainable_variables[0]
    variable.assign(variable + 1.0)
    writer.write({"centroid_mae": 0.1}, epoch=2)
    return directory, tiny_agent


def test_what_is_loaded_is_what_was_written(written, batch, store):
    directory, agent = written
    inputs = batch["image"], batch["natural_language_embedding"]
    answer = agent.forward(*inputs)
    gin.clear_config()
    loaded = checkpoint_directory.load(directory)
    assert np.array_equal(loaded.agent.forward(*inputs), answer)
    assert loaded.version == "best_checkpoint-1"
    assert loaded.metadata["metrics"] == {"centroid_mae": 0.1}
    assert loaded.metadata["epoch"] == 2
    assert loaded.metadata["resize"] == "letterbox"
    assert loaded.metadata["dropout_settings"]["transformer_attention"] == 0.0
    assert loaded.metadata["versions"]["tf-agents"] == "0.19.0"
    assert loaded.embeddings.combinations() == store.combinations()


def test_how_a_checkpoint_looks_at_photos():
    """One that does not say looks once, whatever the configuration in force is."""
    with small_model.gin_bindings("Framing.passes = 'fast'"):
        assert checkpoint_directory.framing_of({}) == framing.Framing("one", 0.5)
        known = {"framing": {"passes": "accurate", "max_extent": 0.7}}
        assert checkpoint_directory.framing_of(known) == framing.Framing("accurate", 0.7)


def test_metadata_names_the_checkpoint_that_counts(written, batch):
    """A run killed after writing weights and before metadata.json still loads, as it was before."""
    directory, agent = written
    contents = json.loads((directory / "metadata.json").read_text())
    contents["checkpoint"] = "best_checkpoint-0"
    (directory / "metadata.json").write_text(json.dumps(contents))
    loaded = checkpoint_directory.load(directory)
    first = agent.network.trainable_variables[0].numpy() - 1.0
    np.testing.assert_allclose(loaded.agent.network.trainable_variables[0], first, atol=1e-6)


def test_a_moved_directory_loads(written, tmp_path):
    directory, _ = written
    moved = tmp_path / "a folder with spaces" / "run"
    moved.parent.mkdir()
    shutil.move(directory, moved)
    assert checkpoint_directory.load(moved).version == "best_checkpoint-1"


def test_the_imagenet_file_is_not_needed_again(written):
    directory, _ = written
    with (directory / "config.gin").open("a") as file:
        file.write('EfficientNetEncoder.imagenet_weights_file = "absent.h5"\n')
        file.write("FilmEfficientNet.lean_training = True\n")  # Of an earlier version.
    assert checkpoint_directory.load(directory).version == "best_checkpoint-1"


def _without(name):
    def damage(directory):
        target = directory / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return damage


def _text(name, text):
    return lambda directory: (directory / name).write_text(text)


def _metadata(**changes):
    def damage(directory):
        contents = json.loads((directory / "metadata.json").read_text())
        contents = {**contents, **changes}
        kept = {name: value for name, value in contents.items() if value is not ...}
        (directory / "metadata.json").write_text(json.dumps(kept))

    return damage


def _drop_weights(directory):
    for path in directory.glob("best_checkpoint-1.*"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (shutil.rmtree, FileNotFoundError, "No checkpoint directory"),
        (_without("metadata.json"), checkpoint_directory.CheckpointDirectoryError, "expected meta"),
        (
            _text("metadata.json", "{"),
            checkpoint_directory.CheckpointDirectoryError,
            "expected JSON",
        ),
        (_text("metadata.json", "{}"), checkpoint_directory.CheckpointDirectoryError, "version 1"),
        (
            _metadata(checkpoint=...),
            checkpoint_directory.CheckpointDirectoryError,
            "expected 'checkpoint' .* got None. Copy",
        ),
        (
            _metadata(resize=...),
            checkpoint_directory.CheckpointDirectoryError,
            "expected 'resize' .* got 'nothing'. Copy",
        ),
        (_metadata(checkpoint=3), checkpoint_directory.CheckpointDirectoryError, "got 3"),
        (_metadata(resize=["crop"]), checkpoint_directory.CheckpointDirectoryError, "got .'crop"),
        (
            _metadata(framing={"passes": "twice"}),
            checkpoint_directory.CheckpointDirectoryError,
            "got 'twice'.* Copy",
        ),
        (_without("config.gin"), checkpoint_directory.CheckpointDirectoryError, "expected config"),
        (_text("config.gin", "a ="), checkpoint_directory.CheckpointDirectoryError, "gin cannot"),
        (_without("embeddings"), FileNotFoundError, "embeddings"),
        (_drop_weights, checkpoint_loading.CheckpointLoadError, "best_checkpoint-1"),
    ],
)
def test_damaged_directories(written, damage, error, message):
    directory, _ = written
    damage(directory)
    with pytest.raises(error, match=message):
        checkpoint_directory.load(directory)


def test_old_checkpoints_do_not_pile_up(written):
    directory, agent = written
    writer = checkpoint_writer.CheckpointWriter(
        directory, agent, embedding_store.EmbeddingStore.load("embeddings"), {"resize": None}
    )
    for step in (7, 8, 9):
        agent.global_step.assign(step)
        writer.write({})
    kept = sorted(path.name for path in directory.glob("best_checkpoint-*.index"))
    assert kept[-2:] == ["best_checkpoint-8.index", "best_checkpoint-9.index"]
    assert "best_checkpoint-7.index" not in kept


@pytest.mark.slow
def test_weights_after_training_steps_come_back_bit_equal(tiny_agent, store, batch, tmp_path):
    writer = checkpoint_writer.CheckpointWriter(tmp_path, tiny_agent, store, {"resize": None})
    for _ in range(2):
        train_steps.train_step(tiny_agent, batch)
    writer.write({})
    loaded = checkpoint_directory.load(tmp_path).agent
    assert small_model.same(
        small_model.values(loaded.network.variables),
        small_model.values(tiny_agent.network.variables),
    )


def test_another_configuration_takes_the_place_of_the_directorys(written, batch, tmp_path):
    directory, agent = written
    inputs = batch["image"], batch["natural_language_embedding"]
    answer = agent.forward(*inputs)
    other = tmp_path / "other.gin"
    text = (directory / "config.gin").read_text()
    other.write_text(text)
    (directory / "config.gin").write_text("no gin at all")
    loaded = checkpoint_directory.load(directory, config_file=other)
    assert np.array_equal(loaded.agent.forward(*inputs), answer)
    other.write_text(text + "\nTransformer.num_layers = 1\n")
    with pytest.raises(checkpoint_loading.CheckpointLoadError, match="transformer"):
        checkpoint_directory.load(directory, config_file=other)


def test_a_loss_type_that_the_weights_do_not_fit_is_an_error(written):
    directory, agent = written
    own = agent.network.loss_type
    assert checkpoint_directory.load(directory, loss_type=own).agent.network.loss_type == own
    other = "cross_entropy" if own != "cross_entropy" else "l1"
    with pytest.raises(checkpoint_loading.CheckpointLoadError):
        checkpoint_directory.load(directory, loss_type=other)
    with pytest.raises(ValueError, match="loss_type"):
        checkpoint_directory.load(directory, loss_type="l3")


def test_a_digest_tells_weights_apart(written, tmp_path):
    directory, _ = written
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    digest = checkpoint_directory.weights_digest(directory)
    assert checkpoint_directory.weights_digest(copy) == digest
    index = copy / f"{checkpoint_directory.read_metadata(copy)['checkpoint']}.index"
    index.write_bytes(index.read_bytes() + b"1")
    assert checkpoint_directory.weights_digest(copy) != digest
    index.unlink()
    with pytest.raises(FileNotFoundError, match=index.name):
        checkpoint_directory.weights_digest(copy)
