"""A checkpoint directory: what serving reads, what a run writes and goes on from."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from unittest import mock

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_config
import checkpoint_directory
import checkpoint_files
import checkpoint_loading
from food_data import framing
from tests import checkpoint_files as files
from tests import killed_writes, small_model, training_fixtures

pytest_plugins = ["tests.training_fixtures"]
ROOT = pathlib.Path(__file__).parents[1]
LoadError = checkpoint_loading.CheckpointLoadError
STATE = checkpoint_directory.TrainingState
LFS = files.LFS_POINTER


@pytest.fixture(scope="module")
def template(_shared_agent, tmp_path_factory) -> pathlib.Path:
    """A directory with two checkpoints, the second after a step."""
    folder, store = tmp_path_factory.mktemp("template"), killed_writes.store()
    writer = checkpoint_directory.CheckpointWriter(
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


@pytest.mark.slow
def test_what_is_loaded_is_what_was_written(written, _shared_agent, tmp_path):
    """From another folder, whatever the ImageNet file was, and from an earlier version too."""
    data = training_fixtures.squares(4)
    answer = _shared_agent.forward(data.images, data.embeddings)
    moved = written.rename(tmp_path / "a folder with spaces")
    with (moved / "config.gin").open("a") as file:
        file.write('EfficientNetEncoder.imagenet_weights_file = "absent.h5"\n')
        file.write("FilmEfficientNet.lean_training = True\ncreate_optimizer.learning_rate = 0.1\n")
    gin.clear_config()
    loaded = checkpoint_directory.load(moved)
    assert np.array_equal(loaded.agent.forward(data.images, data.embeddings), answer)
    expected = small_model.values(_shared_agent.network.variables)
    assert small_model.same(small_model.values(loaded.agent.network.variables), expected)
    metadata = loaded.contents.metadata
    assert metadata["checkpoint"] == "best_checkpoint-1"
    assert metadata["metrics"] == {"centroid_mae": 0.1}
    assert (metadata["epoch"], metadata["resize"]) == (2, "letterbox")
    assert metadata["dropout_settings"]["transformer_attention"] == 0.0
    assert metadata["versions"]["tf-agents"] == "0.19.0"
    assert checkpoint_directory.framing_of(metadata) == framing.Framing("one", 0.5)
    assert loaded.contents.embeddings.combinations() == [("skewering", "banana")]
    assert checkpoint_loading.resolve_prefix(moved) == str(moved / "best_checkpoint-1")
    other = dataclasses.replace(loaded.contents, weights_sha256="0" * 64)
    with pytest.raises(ValueError, match="best_checkpoint-1 was replaced meanwhile"):
        checkpoint_directory.load(other)


@pytest.mark.slow
def test_another_configuration_or_loss(written, tmp_path):
    other, text = tmp_path / "other.gin", (written / "config.gin").read_text()
    (written / "config.gin").write_text("no gin at all")
    other.write_text(text)
    loaded = checkpoint_directory.load(written, other, loss_type="l1")
    assert loaded.agent.network.loss_type == "l1"
    with pytest.raises(LoadError):
        checkpoint_directory.load(written, other, loss_type="cross_entropy")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change", "error", "message"),
    [
        (".", None, FileNotFoundError, "No checkpoint directory"),
        ("metadata.json", None, FileNotFoundError, "expected metadata.json"),
        ("metadata.json", {"format_version": 2}, ValueError, "'format_version': .*equal to 1"),
        ("metadata.json", LFS, LoadError, "is a Git LFS pointer"),
        ("config.gin", None, FileNotFoundError, "expected config.gin, found none"),
        ("config.gin", "Transformer.num_layers = 'x'", ValueError, "describes no network"),
        ("embeddings", None, FileNotFoundError, "embeddings"),
        ("best_checkpoint-1.index", None, LoadError, "checkpoint-1.index"),
        ("best_checkpoint-1.index", LFS, LoadError, "is a Git LFS pointer"),
    ],
)
def test_damaged_directories(written, name, change, error, message):
    """`change`: what metadata.json says instead, a text, or None for a file that is gone."""
    path = written / name
    if change is None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(error, match=message):
        checkpoint_directory.load(written)


# Somebody else's checkpoint; what a server does with one is in serving/test_hostile_checkpoints.py.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evil/Transformer.num_layers = 3", "got evil/Transformer.num_layers"),
        ("tf_agents.utils.common.save_spec.file_path = 'ran'", "got tf_agents.utils"),
        ("DropoutSettings.spatial = 0.1", "0.0, got DropoutSettings.spatial = 0.1"),
        ("a = %a\nTransformer.num_layers = %a", "recursion"),
        ("Transformer.num_layers = 9999", "at most 200, got Transformer.num_layers = 9999"),
        ("Transformer.key_dim = %b", "got the unknown macro %b"),
        ("Transformer.key_dim = 777", "length of some axis, got Transformer.key_dim = 777"),
        ("a =", "literals for the settings"),
    ],
)
def test_a_configuration_is_data(text, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*--trust_config lets"):
        checkpoint_config.apply(text, "config.gin", trusted=False, lengths={16})


def test_literals_of_every_kind_are_read_and_trusted_files_run(tmp_path, monkeypatch):
    text = "import food_data.framing as f\nw = 16\nTransformer:\n  key_dim = %w\n  num_heads = 2\n"
    more = "A.names = ['a', (1, -2.5), {'k': None}]\n"
    assert checkpoint_config.literals(text + more) == {
        "Transformer.key_dim": 16,
        "Transformer.num_heads": 2,
        "A.names": ["a", (1, -2.5), {"k": None}],
    }
    (tmp_path / "payload.py").write_text("import pathlib; pathlib.Path(__file__).unlink()")
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint_config.apply("import payload", "config.gin", trusted=True, lengths={16})
    gin.clear_config()
    assert not (tmp_path / "payload.py").exists()


@pytest.mark.slow
def test_a_path_may_be_the_prefix_of_what_counts(written):
    assert checkpoint_directory.locate(written) == written
    for asked in ("best_checkpoint-1", "best_checkpoint-1.index", "best_checkpoint"):
        assert checkpoint_directory.locate(written / asked) == written
    with pytest.raises(ValueError, match="expected best_checkpoint-1, .*--pretrained_checkpoint"):
        checkpoint_directory.locate(written / "best_checkpoint-0")
    for asked in ("gs://bucket/run", pathlib.Path("s3://bucket/run")):
        with pytest.raises(ValueError, match="expected a path on this machine, got the address"):
            checkpoint_directory.locate(asked)
    with pytest.raises(FileNotFoundError, match="absent: expected metadata.json"):
        checkpoint_directory.read_contents(written.parent / "absent")


# What a run writes.


@pytest.fixture
def agent():
    return killed_writes.StubAgent()


@pytest.fixture
def make_writer(agent, tmp_path):
    """A function **options -> a writer into the folder 'run' of the test."""

    def make(**options):
        options = {"run_metadata": {"resize": "letterbox"}, **options}
        return checkpoint_directory.CheckpointWriter(
            tmp_path / "run", agent, killed_writes.store(), **options
        )

    return make


def names_of(directory, stem):
    return [prefix.name for prefix in checkpoint_files.numbered(directory, stem)]


def test_a_bounded_number_is_kept_by_number(make_writer, agent, tmp_path):
    writer, run = make_writer(max_checkpoints=2), tmp_path / "run"
    for agent.steps_done in (0, 8, 9, 10):
        writer.write({})
        writer.write_training_state(STATE(step=agent.steps_done))
    assert names_of(run, "best_checkpoint") == ["best_checkpoint-9", "best_checkpoint-10"]
    assert names_of(run, "last_checkpoint") == ["last_checkpoint-9", "last_checkpoint-10"]
    states = checkpoint_directory.StateFile.read(run).states
    assert [state.step for state in states.values()] == [9, 10]
    # After a resume from step 8 or before, the later ones are of another past.
    agent.steps_done = 7
    make_writer().write_training_state(STATE(step=7))
    assert names_of(run, "last_checkpoint") == ["last_checkpoint-7"]
    assert make_writer().write({}).name == "best_checkpoint-7"
    assert "best_checkpoint-7" in names_of(run, "best_checkpoint")


def test_a_write_that_fails_leaves_the_old_checkpoints(make_writer, tmp_path, monkeypatch):
    writer, run = make_writer(), tmp_path / "run"
    writer.write({"centroid_mae": 0.1}, epoch=1)
    before = {path: path.read_bytes() for path in run.glob("*") if path.is_file()}

    def fail(checkpoint, path):
        pathlib.Path(f"{path}.data-00000-of-00001").write_text("half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.train.Checkpoint, "write", fail)
    message = "Cannot write .*: No space left on device. Make room, then --resume_checkpoint "
    with pytest.raises(OSError, match=message):
        writer.write({})
    assert {path: path.read_bytes() for path in run.glob("*") if path.is_file()} == before


@pytest.mark.slow
def test_killed_at_any_line_a_run_leaves_what_loads_and_goes_on(tmp_path):
    """Checkpoints, uncertainty.json, exports; SIGKILL before every rename and removal, and
    in the middle of TensorFlow's own writing."""
    command = [sys.executable, "-m", "tests.killed_writes", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 15


def test_new_weights_set_the_calibration_of_others_aside(make_writer, agent, tmp_path, caplog):
    writer, run = make_writer(), tmp_path / "run"
    writer.write({})
    killed_writes.calibrate(run)
    text = (run / "uncertainty.json").read_text()
    make_writer().write_training_state(STATE())
    assert (run / "uncertainty.json").exists()  # It is of the weights that count.
    agent.module.kernel.assign_add(tf.ones(300))
    writer.write({})
    assert not (run / "uncertainty.json").exists()
    assert (run / "uncertainty.stale.json").read_text() == text
    assert "run calibrate.py again" in caplog.text


def test_the_written_configuration_imports_nothing(make_writer, tmp_path, monkeypatch):
    text = "import food_data.framing\nfrom os import path\n\nTransformer.num_layers = 4\n"
    monkeypatch.setattr(gin, "operative_config_str", lambda: text)
    silent = make_writer(writes=False)  # Another worker names the same files and writes none.
    names = [silent.write({}), silent.write_training_state(STATE())]
    assert not (tmp_path / "run").exists()
    writer = make_writer()
    assert names == [writer.write({}), writer.write_training_state(STATE())]
    assert (tmp_path / "run" / "config.gin").read_text() == "Transformer.num_layers = 4\n"


# Going on with a run.

CONFIG = "# a comment\nA.x = 1\nB.names = \\\n    ['a',\n     'b']\nC.y = %s\nFraming.passes = %s\n"


@pytest.fixture
def run(tmp_path):
    """A directory with two states and the files that they name."""
    best = checkpoint_directory.Best(0.1, 1, "best_checkpoint-4", {})
    states = {"last_checkpoint-4": STATE(epoch=1), "last_checkpoint-8": STATE(epoch=2, best=best)}
    file = checkpoint_directory.StateFile("last_checkpoint-8", {"seed": 3}, states)
    (tmp_path / "training_state.json").write_text(json.dumps(dataclasses.asdict(file)))
    for name in (*states, "best_checkpoint-4"):
        (tmp_path / f"{name}.index").write_text("")
    (tmp_path / "config.gin").write_text(CONFIG % (0.5, "'one'"))
    return tmp_path


def test_which_state_a_path_means(run, tmp_path_factory):
    find = checkpoint_directory.find_resume_point
    point = find(run)
    assert (point.prefix, point.settings) == (run / "last_checkpoint-8", {"seed": 3})
    assert (point.state.epoch, point.state.best.value) == (2, 0.1)
    assert find(run / "last_checkpoint-4").state.epoch == 1
    message = "expected one of last_checkpoint-4, last_checkpoint-8, got best_checkpoint-4"
    with pytest.raises(ValueError, match=message):
        find(run / "best_checkpoint-4")
    (run / "best_checkpoint-4.index").unlink()
    with pytest.raises(ValueError, match="best_checkpoint-4.* is gone"):
        find(run)
    empty = tmp_path_factory.mktemp("empty")
    for text in (None, "[]", '{"format_version": 2}'):
        if text:
            (empty / "training_state.json").write_text(text)
        with pytest.raises(ValueError, match="expected"):
            find(empty)
    found = [checkpoint_directory.holds_run(path) for path in (run, empty, run / "absent")]
    assert found == [True, True, False]


def test_other_settings_are_refused(run, monkeypatch, caplog):
    point = checkpoint_directory.find_resume_point(run)
    monkeypatch.setattr(gin, "operative_config_str", lambda: CONFIG % (0.5, "'fast'") + "D.n = 1\n")
    point.check({"seed": 3})
    assert "resume: D.n was not used, is now 1" in caplog.text
    with pytest.raises(ValueError, match="seed: was 3, now 4"):
        point.check({"seed": 4})
    monkeypatch.setattr(gin, "operative_config_str", lambda: CONFIG % (0.25, "'one'"))
    with pytest.raises(ValueError, match=r"C\.y: was '0\.5', now '0\.25'"):
        point.check({"seed": 3})


# One run at a time.

HOLDER = """
import sys, time
import checkpoint_directory
with checkpoint_directory.only_run(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_until_the_first_is_killed(tmp_path, monkeypatch):
    folder, command = tmp_path / "run", [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        said = f"where process {holder.pid} on .* trains. Wait for it"
        with pytest.raises(ValueError, match=said), checkpoint_directory.only_run(folder):
            pass
        # What was refused has not overwritten who holds it.
        assert str(holder.pid) in (folder / ".lock").read_text()
        holder.send_signal(signal.SIGKILL)
        monkeypatch.setenv("SLURM_RESTART_COUNT", "1")  # Then it waits for the last process.
        with checkpoint_directory.only_run(folder):
            assert str(os.getpid()) in (folder / ".lock").read_text()


def test_without_locks_nobody_is_kept_out_and_a_warning_says_so(tmp_path, monkeypatch, caplog):
    no_locks = mock.Mock(side_effect=OSError(errno.ENOLCK, "No locks available"))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with checkpoint_directory.only_run(tmp_path / "run"):
        pass
    assert "do not start a second run there" in caplog.text
