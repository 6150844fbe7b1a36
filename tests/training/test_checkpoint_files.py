"""Checkpoint files are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from training import checkpoint_files


def _checkpoint(value=1.0, size=4):
    return tf.train.Checkpoint(variable=tf.Variable(np.full(size, value, np.float32)))


def _value(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return reader.get_tensor("variable/.ATTRIBUTES/VARIABLE_VALUE")[0]


def test_save_replaces_and_leaves_nothing_else(tmp_path):
    prefix = tmp_path / "last_checkpoint-3"
    for value in (1.0, 2.0):
        checkpoint_files.save(_checkpoint(value), prefix)
        assert _value(prefix) == value
    names = ["last_checkpoint-3.data-00000-of-00001", "last_checkpoint-3.index"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert sorted(path.name for path in checkpoint_files.files_of(prefix)) == names


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    prefix = tmp_path / "last_checkpoint-3"
    checkpoint_files.save(_checkpoint(1.0), prefix)
    broken = _checkpoint(2.0)

    def fail(path):
        with open(path + ".data-00000-of-00001", "w") as file:
            file.write("half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(broken, "write", fail)
    with pytest.raises(checkpoint_files.CheckpointWriteError, match="No space left.*MB free"):
        checkpoint_files.save(broken, prefix)
    assert _value(prefix) == 1.0
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(shutil.which("mount") is None, reason="mount is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk(tmp_path):
    mounted = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mounted, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        size = 300_000  # 1.2 MB: one fits, two do not.
        checkpoint_files.save(_checkpoint(1.0, size), tmp_path / "last_checkpoint-1")
        with pytest.raises(checkpoint_files.CheckpointWriteError, match="MB free"):
            checkpoint_files.save(_checkpoint(2.0, size), tmp_path / "last_checkpoint-2")
        assert _value(tmp_path / "last_checkpoint-1") == 1.0
        names = {path.name.split(".")[0] for path in tmp_path.iterdir()}
        assert names == {"last_checkpoint-1"}
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(checkpoint_files.CheckpointWriteError, match="Cannot write the checkpoint"):
        checkpoint_files.save(_checkpoint(), tmp_path / "absent" / "last_checkpoint-1")


@pytest.fixture
def five(tmp_path):
    """last_checkpoint-8 .. -12 and another stem's."""
    for number in (8, 9, 10, 11, 12):
        checkpoint_files.save(_checkpoint(), tmp_path / f"last_checkpoint-{number}")
    checkpoint_files.save(_checkpoint(), tmp_path / "best_checkpoint-1")
    return tmp_path


def _numbers(folder, stem="last_checkpoint"):
    return [int(p.name.rsplit("-")[-1]) for p in checkpoint_files.numbered(folder, stem)]


def test_numbers_are_numbers(five):
    assert _numbers(five) == [8, 9, 10, 11, 12]


def test_keep_newest(five):
    checkpoint_files.keep_newest(five, "last_checkpoint", 2, also=["last_checkpoint-8"])
    assert _numbers(five) == [8, 11, 12]
    assert _numbers(five, "best_checkpoint") == [1]
    assert len(list(five.iterdir())) == 8


def test_leftovers_of_a_killed_run_go(five):
    (five / ".last_checkpoint-13.abc").mkdir()
    (five / ".last_checkpoint-13.abc" / "half").write_text("half")
    (five / ".metadata.json.xyz").write_text("half")
    (five / ".somebodys_file").write_text("kept")
    checkpoint_files.remove_leftovers(five)
    hidden = [path.name for path in five.iterdir() if path.name.startswith(".")]
    assert hidden == [".somebodys_file"]
