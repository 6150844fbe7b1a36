"""The experiment's parts; the whole of it runs in `tests/test_checkpoint_directory.py`."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tensorflow as tf

import checkpoint_writer
from tools import kill_and_resume

SAYS_STEPS = "import time\nfor i in range(1, 4): print('step', i, flush=True); time.sleep(%s)"


def _program(seconds):
    return [sys.executable, "-c", SAYS_STEPS % seconds]


def test_a_run_is_killed_after_the_step():
    code, step = kill_and_resume.run_until(_program(30), 1, 0.0)
    assert (code, step) == (-9, 1)


def test_a_run_may_end():
    assert kill_and_resume.run_until(_program(0), None, 0.0) == (0, 3)


def test_an_error_of_the_run_is_shown():
    with pytest.raises(RuntimeError, match="(?s)ended with 1.*ZeroDivisionError"):
        kill_and_resume.run_until([sys.executable, "-c", "1/0"], None, 0.0)


def _write(folder, values):
    folder.mkdir()
    tf.train.Checkpoint(a=tf.Variable(values), b=tf.Variable(1.0)).write(
        str(folder / "last_checkpoint-1")
    )
    state = {"last_checkpoint-1": checkpoint_writer.TrainingState()}
    checkpoint_writer.StateFile("last_checkpoint-1", {}, state).write(folder)


def test_one_bit_is_a_difference(tmp_path):
    for name, value in (("one", 1.0), ("same", 1.0), ("other", np.nextafter(np.float32(1), 2))):
        _write(tmp_path / name, [value])
    assert kill_and_resume.same_arrays(tmp_path / "one", tmp_path / "same") == (2, 2)
    assert kill_and_resume.same_arrays(tmp_path / "one", tmp_path / "other") == (1, 2)


def test_the_machines_speed_is_no_difference(tmp_path):
    for name, speed in (("one", "9.5"), ("other", "2.5")):
        (tmp_path / name).mkdir()
        text = f"epoch,train_loss,images_per_s,seconds\n1,0.5,{speed},{speed}\n"
        (tmp_path / name / "loss_log.csv").write_text(text)
    expected = [["epoch", "train_loss"], ["1", "0.5"]]
    assert kill_and_resume._log(tmp_path / "one") == expected
    assert kill_and_resume._log(tmp_path / "other") == expected
