"""A checkpoint directory: what serving needs, what a run goes on from, what may be wrong."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import gin
import numpy as np
import pytest
import tensorflow as tf

import checkpoint_directory
import checkpoint_files
import checkpoint_loading
import checkpoint_writer
from food_data import embedding_store, framing
from tests import small_model, training_fixtures
from tools import kill_and_resume

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


# Writing.


def test_the_best_holds_weights_and_a_state_everything(make_writer, reset_agent, tmp_path):
    writer, state = make_writer(settings={"batch_size": 4}), STATE(epoch=2, step=1)
    names = [name for name, _ in tf.train.list_variables(str(writer.write({})))]
    assert len(names) == len(reset_agent.network.variables) + 2  # global_step, object graph
    assert not [name for name in names if "optimizer" in name]
    prefix = writer.write_training_state(state)
    stored = checkpoint_writer.StateFile.read(tmp_path / "run")
    assert (stored.checkpoint, stored.settings) == (prefix.name, {"batch_size": 4})
    assert stored.states == {prefix.name: state}
    other = small_model.build(*small_model.TINY, weights_seed=5)
    checkpoint_loading.custom_load_checkpoint(other, prefix, restore_optimizer=True)
    assert small_model.same(
        small_model.values([*other.network.variables, *other.optimizer.variables]),
        small_model.values([*reset_agent.network.variables, *reset_agent.optimizer.variables]),
    )


def test_a_bounded_number_is_kept_by_number(make_writer, reset_agent, tmp_path):
    writer = make_writer(max_checkpoints=2)
    for step in (0, 8, 9, 10):
        reset_agent.global_step.assign(step)
        writer.write({})
        writer.write_training_state(STATE(step=step))
    run = tmp_path / "run"
    assert names_of(run, "best_checkpoint") == ["best_checkpoint-9", "best_checkpoint-10"]
    assert names_of(run, "last_checkpoint") == ["last_checkpoint-9", "last_checkpoint-10"]
    states = checkpoint_writer.StateFile.read(run).states
    assert [state.step for state in states.values()] == [9, 10]
    # After a resume from step 8 or before, the later ones are of another past.
    reset_agent.global_step.assign(7)
    make_writer().write_training_state(STATE(step=7))
    assert names_of(run, "last_checkpoint") == ["last_checkpoint-7"]
    assert checkpoint_writer.StateFile.read(run).checkpoint == "last_checkpoint-7"
    assert make_writer().write({}).name == "best_checkpoint-7"
    assert "best_checkpoint-7" in names_of(run, "best_checkpoint")


def test_a_write_that_fails_leaves_the_old_checkpoints(make_writer, tmp_path, monkeypatch):
    writer, run = make_writer(), tmp_path / "run"
    writer.write({"centroid_mae": 0.1}, epoch=1)
    writer.write_training_state(STATE(step=1))
    before = {path: path.read_bytes() for path in sorted(run.glob("*")) if path.is_file()}

    def fail(checkpoint, path):
        pathlib.Path(f"{path}.data-00000-of-00001").write_text("half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.train.Checkpoint, "write", fail)
    for write in (lambda: writer.write({}), lambda: writer.write_training_state(STATE(step=9))):
        message = "No space left.* MB free. Earlier checkpoints are whole"
        with pytest.raises(checkpoint_writer.CheckpointWriteError, match=message):
            write()
    assert {path: path.read_bytes() for path in sorted(run.glob("*")) if path.is_file()} == before


@pytest.mark.skipif(shutil.which("mount") is None, reason="mount is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk(tmp_path):
    mounted = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mounted, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        # 1.2 MB: one fits, two do not.
        checkpoint = tf.train.Checkpoint(variable=tf.Variable(tf.ones(300_000)))
        checkpoint_writer._save(checkpoint, tmp_path / "last_checkpoint-1")
        with pytest.raises(checkpoint_writer.CheckpointWriteError, match="MB free"):
            checkpoint_writer._save(checkpoint, tmp_path / "last_checkpoint-2")
        reader = tf.train.load_checkpoint(str(tmp_path / "last_checkpoint-1"))
        assert reader.get_tensor("variable/.ATTRIBUTES/VARIABLE_VALUE")[0] == 1
        assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"last_checkpoint-1"}
    finally:
        # Lazily: the reader may still hold the file.
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_leftovers_of_a_killed_run_go(make_writer, tmp_path):
    run = tmp_path / "run"
    (run / ".last_checkpoint-13.abc").mkdir(parents=True)
    for name in (".last_checkpoint-13.abc/half", ".metadata.json.xyz", ".somebodys_file"):
        (run / name).write_text("half")
    make_writer()
    assert [path.name for path in run.glob(".*")] == [".somebodys_file"]


def test_another_worker_names_the_same_files_and_writes_none(make_writer, tmp_path):
    silent = make_writer(writes=False)
    names = [silent.write({}), silent.write_training_state(STATE())]
    assert not (tmp_path / "run").exists()
    writer = make_writer()
    assert names == [writer.write({}), writer.write_training_state(STATE())]


# Going on with a run.

CONFIG = "# a comment\nA.x = 1\nB.names = \\\n    ['a',\n     'b']\nC.y = %s\nFraming.passes = %s\n"


@pytest.fixture
def run(tmp_path):
    """A directory with two states and the files that they name."""
    best = checkpoint_writer.Best(0.1, 1, "best_checkpoint-4", {})
    states = {"last_checkpoint-4": STATE(epoch=1), "last_checkpoint-8": STATE(epoch=2, best=best)}
    checkpoint_writer.StateFile("last_checkpoint-8", {"seed": 3}, states).write(tmp_path)
    for name in (*states, "best_checkpoint-4"):
        (tmp_path / f"{name}.index").write_text("")
    (tmp_path / "config.gin").write_text(CONFIG % (0.5, "'one'"))
    return tmp_path


def test_which_state_a_path_means(run, tmp_path_factory):
    find = checkpoint_writer.find_resume_point
    point = find(run)
    assert (point.prefix, point.settings) == (run / "last_checkpoint-8", {"seed": 3})
    assert (point.state.epoch, point.state.best.value) == (2, 0.1)
    assert find(run / "last_checkpoint-4").state.epoch == 1
    message = "expected one of last_checkpoint-4, last_checkpoint-8 .*got best_checkpoint-4"
    with pytest.raises(checkpoint_writer.ResumeError, match=message):
        find(run / "best_checkpoint-4")
    (run / "best_checkpoint-4.index").unlink()
    with pytest.raises(checkpoint_writer.ResumeError, match="best_checkpoint-4.* it is gone"):
        find(run)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(checkpoint_writer.ResumeError, match="expected training_state.json"):
        find(empty)
    for text in ("{", "[]", '{"format_version": 1}', '{"format_version": 2}'):
        (empty / "training_state.json").write_text(text)
        with pytest.raises(checkpoint_writer.ResumeError, match="expected"):
            find(empty)
    assert [checkpoint_writer.holds_run(path) for path in (run, empty, run / "absent")] == [
        *(True, True, False)
    ]


def test_other_settings_are_refused(run, monkeypatch, caplog):
    point = checkpoint_writer.find_resume_point(run)
    monkeypatch.setattr(gin, "operative_config_str", lambda: CONFIG % (0.5, "'fast'") + "D.n = 1\n")
    point.check({"seed": 3})
    assert "resume: D.n was not used, is now 1" in caplog.text
    with pytest.raises(checkpoint_writer.ResumeError, match="seed: was 3, now 4"):
        point.check({"seed": 4})
    monkeypatch.setattr(gin, "operative_config_str", lambda: CONFIG % (0.25, "'one'"))
    with pytest.raises(checkpoint_writer.ResumeError, match=r"C\.y: was '0\.5', now '0\.25'"):
        point.check({"seed": 3})


@pytest.mark.long
def test_a_run_killed_twice_ends_bit_equal(tmp_path, capsys):
    """Whole processes and SIGKILL; `--kills 10` was run by hand. Without traces, which cost more
    than the steps."""
    assert kill_and_resume.kill_and_resume(tmp_path, 2, 2, seed=0, eager=True)
    assert "logs equal: True" in capsys.readouterr().out


# One run at a time.

HOLDER = """
import sys, time
import checkpoint_directory
with checkpoint_writer.only_run(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_until_the_first_is_killed(tmp_path):
    folder, command = tmp_path / "run", [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        said = f"where process {holder.pid} on .* trains. Wait for it"
        with pytest.raises(ValueError, match=said), checkpoint_writer.only_run(folder):
            pass
        # What was refused has not overwritten who holds it.
        assert str(holder.pid) in (folder / ".lock").read_text()
        holder.send_signal(signal.SIGKILL)
        # A restarted job waits for the last process.
        with checkpoint_writer.only_run(folder, wait_s=60):
            assert str(os.getpid()) in (folder / ".lock").read_text()
    with checkpoint_writer.only_run(folder):
        pass


def test_without_locks_a_warning_and_other_errors_are_not_hidden(tmp_path, monkeypatch, caplog):
    def no_locks(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with checkpoint_writer.only_run(tmp_path / "run"):
        pass
    assert "do not start a second run there" in caplog.text
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), checkpoint_writer.only_run(tmp_path / "file"):
        pass
