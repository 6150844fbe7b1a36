"""What a run writes and goes on from: whole after SIGKILL at any line, and one run at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import gin
import pytest
import tensorflow as tf

import checkpoint_files
import checkpoint_loading
import checkpoint_writer
from tests import killed_writes, small_model, tiny_training

pytest_plugins = ["tests.training_fixtures"]
ROOT = pathlib.Path(__file__).parents[1]
STATE = checkpoint_writer.TrainingState


@pytest.fixture
def agent():
    return killed_writes.StubAgent()


@pytest.fixture
def make_writer(agent, tmp_path):
    """A function **options -> a writer into the folder 'run' of the test."""

    def make(**options):
        options = {"run_metadata": {"resize": "letterbox"}, **options}
        return checkpoint_writer.CheckpointWriter(
            tmp_path / "run", agent, killed_writes.store(), **options
        )

    return make


def names_of(directory, stem):
    return [prefix.name for prefix in checkpoint_files.numbered(directory, stem)]


@pytest.mark.slow
def test_the_best_holds_weights_and_a_state_everything(reset_agent, tmp_path):
    run, state = tmp_path / "run", STATE(epoch=2, step=1)
    writer = checkpoint_writer.CheckpointWriter(
        run, reset_agent, killed_writes.store(), {"resize": None}, settings={"batch_size": 4}
    )
    names = [name for name, _ in tf.train.list_variables(str(writer.write({})))]
    assert len(names) == len(reset_agent.network.variables) + 2  # global_step, object graph
    assert not [name for name in names if "optimizer" in name]
    prefix = writer.write_training_state(state)
    stored = checkpoint_writer.StateFile.read(run)
    assert (stored.checkpoint, stored.settings) == (prefix.name, {"batch_size": 4})
    assert stored.states == {prefix.name: state}
    other = small_model.build(*small_model.TINY, weights_seed=5)
    checkpoint_loading.custom_load_checkpoint(other, prefix, restore_optimizer=True)
    assert small_model.same(
        small_model.values([*other.network.variables, *other.optimizer.variables]),
        small_model.values([*reset_agent.network.variables, *reset_agent.optimizer.variables]),
    )


def test_a_bounded_number_is_kept_by_number(make_writer, agent, tmp_path):
    writer, run = make_writer(max_checkpoints=2), tmp_path / "run"
    for step in (0, 8, 9, 10):
        agent.steps_done = step
        writer.write({})
        writer.write_training_state(STATE(step=step))
    assert names_of(run, "best_checkpoint") == ["best_checkpoint-9", "best_checkpoint-10"]
    assert names_of(run, "last_checkpoint") == ["last_checkpoint-9", "last_checkpoint-10"]
    states = checkpoint_writer.StateFile.read(run).states
    assert [state.step for state in states.values()] == [9, 10]
    # After a resume from step 8 or before, the later ones are of another past.
    agent.steps_done = 7
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


@pytest.mark.slow
def test_killed_at_any_line_a_run_leaves_what_loads_and_goes_on(tmp_path):
    """Checkpoints, uncertainty.json, exports; SIGKILL before every rename, fsync and removal, and
    in the middle of TensorFlow's own writing."""
    command = [sys.executable, "-m", "tests.killed_writes", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 30


def test_new_weights_set_the_calibration_of_others_aside(make_writer, agent, tmp_path, caplog):
    writer, run = make_writer(), tmp_path / "run"
    writer.write({})
    killed_writes.calibrate(run)
    text = (run / "uncertainty.json").read_text()
    make_writer()
    assert (run / "uncertainty.json").read_text() == text  # It is of these weights.
    agent.module.kernel.assign_add(tf.ones(300))
    writer.write({})
    assert not (run / "uncertainty.json").exists()
    assert (run / "uncertainty.stale.json").read_text() == text
    assert "run calibrate.py again" in caplog.text


def test_the_written_configuration_is_data(make_writer, tmp_path, monkeypatch, caplog):
    text = "import food_data.framing\nfrom os import path\n\nTransformer.num_layers = 4\n"
    monkeypatch.setattr(gin, "operative_config_str", lambda: text)
    make_writer()
    written = (tmp_path / "run" / "config.gin").read_text()
    assert written == "Transformer.num_layers = 4\n" and "trust_config" not in caplog.text
    monkeypatch.setattr(gin, "operative_config_str", lambda: "Transformer.num_layers = @f()\n")
    make_writer()
    assert "needs --trust_config" in caplog.text


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


def test_a_folder_that_was_removed(tmp_path):
    checkpoint = tf.train.Checkpoint(variable=tf.Variable(1.0))
    with pytest.raises(checkpoint_writer.CheckpointWriteError, match="run is no longer there"):
        checkpoint_writer._save(checkpoint, tmp_path / "run" / "last_checkpoint-1")


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
def test_a_run_killed_twice_ends_bit_equal(tmp_path):
    """Whole processes and SIGKILL; `python tests/tiny_training.py --kills 10` was run by hand."""
    assert tiny_training.kill_and_resume(tmp_path, 2, 2, seed=0)


# One run at a time.

HOLDER = """
import sys, time
import checkpoint_writer
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
