"""A checkpoint directory as serving reads it: what is loaded, and what is refused as data."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys

import gin
import numpy as np
import pytest

import checkpoint_config
import checkpoint_directory
import checkpoint_loading
import checkpoint_writer
from food_data import framing
from serving import app, service, settings
from serving.schemas import RequestError
from tests import checkpoint_files as files
from tests import killed_writes, serving_stubs, small_model, training_fixtures

# Most of them build networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]
Error = checkpoint_directory.CheckpointDirectoryError
LFS = files.LFS_POINTER


@pytest.fixture(scope="module")
def template(_shared_agent, tmp_path_factory) -> pathlib.Path:
    """A directory with two checkpoints, the second after a step."""
    folder, store = tmp_path_factory.mktemp("template"), killed_writes.store()
    writer = checkpoint_writer.CheckpointWriter(
        folder, _shared_agent, store, {"resize": "letterbox"}
    )
    # The fixture has built the agent, and gin has forgotten with what.
    (folder / "config.gin").write_text(training_fixtures.TINY_CONFIG + "\n")
    writer.write({"centroid_mae": np.float64(0.2)}, epoch=1)
    _shared_agent.global_step.assign_add(1)
    variable = _shared_agent.network.trainable_variables[0]
    variable.assign(variable + 1.0)
    writer.write({"centroid_mae": np.float64(0.1)}, epoch=2)
    return folder


@pytest.fixture
def written(template, tmp_path) -> pathlib.Path:
    """A copy that may be damaged."""
    shutil.copytree(template, tmp_path / "run")
    yield tmp_path / "run"
    gin.clear_config()


def test_what_is_loaded_is_what_was_written(written, _shared_agent, batch, tmp_path):
    """From another folder, whatever the ImageNet file was, and from an earlier version too."""
    inputs = batch["image"], batch["natural_language_embedding"]
    answer = _shared_agent.forward(*inputs)
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
        small_model.values(_shared_agent.network.variables),
    )
    assert loaded.version == "best_checkpoint-1"
    assert loaded.metadata["metrics"] == {"centroid_mae": 0.1}
    assert (loaded.metadata["epoch"], loaded.metadata["resize"]) == (2, "letterbox")
    assert loaded.metadata["dropout_settings"]["transformer_attention"] == 0.0
    assert loaded.metadata["versions"]["tf-agents"] == "0.19.0"
    assert loaded.embeddings.combinations() == [("skewering", "banana")]
    assert checkpoint_loading.resolve_prefix(moved) == str(moved / "best_checkpoint-1")


def test_metadata_names_the_checkpoint_that_counts(written, _shared_agent):
    """A run killed after writing weights and before metadata.json still loads, as it was before."""
    contents = json.loads((written / "metadata.json").read_text())
    contents["checkpoint"] = "best_checkpoint-0"
    (written / "metadata.json").write_text(json.dumps(contents))
    loaded = checkpoint_directory.load(written).agent.network.trainable_variables[0]
    first = _shared_agent.network.trainable_variables[0].numpy() - 1.0
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
    elif isinstance(change, (str, bytes)):
        path.write_bytes(change if isinstance(change, bytes) else change.encode())
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
        ("config.gin", "a =", Error, "expected literals, got what is none"),
        ("config.gin", "Transformer.num_layers = 'x'", Error, "describes no network"),
        ("config.gin", "Transformer.key_dim = 777", Error, "some axis of the weights has, got 777"),
        ("config.gin", "Transformer.num_layers = 9999", Error, "of at most 200, got 9999"),
        ("metadata.json", "[" * 100_000, Error, "expected JSON"),
        ("metadata.json", b"\xff\xfe", Error, "expected UTF-8"),
        ("metadata.json", {"checkpoint": "../x/best_checkpoint-1"}, Error, "to be a name such as"),
        ("metadata.json", {"trained_pairs": [["a", 1]]}, Error, "list of .action, food."),
        ("metadata.json", LFS, checkpoint_loading.CheckpointLoadError, "is a Git LFS pointer"),
        ("embeddings/manifest.json", '{"entries": 3}', ValueError, "format_version"),
        ("uncertainty.json", LFS, checkpoint_loading.CheckpointLoadError, "is a Git LFS pointer"),
        ("config.gin", "Transfrmer.num_layers = 2", Error, "Transfrmer"),
        ("embeddings", None, FileNotFoundError, "embeddings"),
        ("best_checkpoint-1.index", None, FileNotFoundError, "checkpoint-1.index"),
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


# Somebody else's checkpoint: what it says is data, and nothing of it runs.

RUNS = "import pathlib; pathlib.Path(%r).touch()\ndef run(): return 4\n"
HOSTILE = {
    "import": "import payload",
    "import of a part": "from payload import run",
    "dynamic registration": "import __gin__.dynamic_registration\nimport payload\n"
    "Transformer.num_layers = @payload.run()",
    "include": "include '{folder}/other.gin'",
    "reference": "Transformer.num_layers = @payload.run()",
    "nested reference": "TransformerNetwork.action_order = ['a', {{'b': (@gin.singleton(),)}}]",
    "macro that calls": "a = @payload.run()\nTransformer.num_layers = %a",
    "macro of gin": "Transformer.num_layers = %gin.REQUIRED",
    "in a scope": "evil/Transformer.num_layers = 3",
    "of another library": "tf_agents.utils.common.save_spec.file_path = '{folder}/ran'",
    "nested too deep": "TransformerNetwork.action_order = " + "[" * 50_000,
    "names itself": "a = %a\nTransformer.num_layers = %a",
    "zero byte": "Transformer.num_layers = \x00",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_configuration_runs_nothing(written, kind, tmp_path, monkeypatch):
    (tmp_path / "payload.py").write_text(RUNS % str(tmp_path / "ran"))
    (tmp_path / "other.gin").write_text("import payload\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = (written / "config.gin").read_text() + HOSTILE[kind].format(folder=tmp_path)
    (written / "config.gin").write_text(text)
    with pytest.raises(Error, match="--trust_config lets gin run it"):
        checkpoint_directory.load(written)
    assert not (tmp_path / "ran").exists() and "payload" not in sys.modules
    if kind == "import":
        assert checkpoint_directory.load(written, trust_config=True).version == "best_checkpoint-1"
        assert (tmp_path / "ran").exists()
        del sys.modules["payload"]


def test_literals_of_every_kind_are_read():
    text = "import food_data.framing as f\nw = 16\nTransformer:\n  key_dim = %w\n  num_heads = 2\n"
    more = "A.names = ['a', (1, -2.5), {'k': None}]\n"
    assert checkpoint_config.literals(text + more) == {
        "Transformer.key_dim": 16,
        "Transformer.num_heads": 2,
        "A.names": ["a", (1, -2.5), {"k": None}],
    }


def test_a_server_refuses_a_hostile_directory_and_the_old_model_goes_on(written, tmp_path):
    """Configuration, metadata and an export that it brought along."""
    store = serving_stubs.embedding_store_of(tmp_path)
    stub = serving_stubs.predictor_of(serving_stubs.MarkerModel(), store)
    application = app.create_app(stub, settings.ServerSettings(checkpoint_root=tmp_path))
    running: service.Service = application.extensions[service.NAME]
    (written / "onnx").mkdir()
    for name, text in (
        ("config.gin", "import os\n"),
        ("config.gin", "Transformer.num_layers = " + "(" * 50_000),
        ("metadata.json", '{"format_version": 1, "checkpoint": "/etc/passwd", "resize": null}'),
        ("metadata.json", "{" * 100_000),
        ("uncertainty.json", "[" * 100_000),
    ):
        path = written / name
        before = path.read_bytes() if path.exists() else None
        path.write_text(text)
        with pytest.raises(
            RequestError, match="cannot be loaded, the model before it goes on"
        ) as one:
            running.switch_to("run")
        assert one.value.status == 422 and running.current is stub
        path.unlink() if before is None else path.write_bytes(before)


def test_a_path_may_be_the_prefix_of_what_counts(written):
    assert checkpoint_directory.locate(written) == written
    for asked in ("best_checkpoint-1", "best_checkpoint-1.index", "best_checkpoint"):
        assert checkpoint_directory.locate(written / asked) == written
    with pytest.raises(Error, match="expected best_checkpoint-1, .*--pretrained_checkpoint"):
        checkpoint_directory.locate(written / "best_checkpoint-0")
    for asked in ("gs://bucket/run", pathlib.Path("s3://bucket/run")):
        with pytest.raises(ValueError, match="expected a path on this machine, got the address"):
            checkpoint_directory.locate(asked)
    with pytest.raises(FileNotFoundError):
        checkpoint_directory.locate(written.parent / "absent")


def test_pointers_are_named_first(written):
    """Whatever lies next to them: here a calibration, of which one cannot say more."""
    (written / "best_checkpoint-1.index").write_text(LFS)
    (written / "uncertainty.json").write_text("{}")
    with pytest.raises(checkpoint_loading.CheckpointLoadError, match="is a Git LFS pointer"):
        checkpoint_directory.read_contents(written)
