"""SIGKILL inside each write: `python -m tests.killed_writes FOLDER` stops a process at every line
that changes a disk, one after the other, and looks at what is left. Prints the number of stops.

Nothing here starts TensorFlow's threads before a fork; the children do what a run does.
"""

from __future__ import annotations

import keras2  # noqa: F401

import dataclasses
import itertools
import os
import pathlib
import shutil
import signal
import sys
import types
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import checkpoint_directory
import checkpoint_files
import dropout_settings
from evaluation import uncertainty
from food_data import vocabulary
from serving import engines
from tests import uncertainty_stubs

EXPORT = {"features.onnx": b"f" * 1000, "answer.onnx": b"a" * 1000}


class StubAgent:
    """What a writer asks of an agent; its only weight is the number of its step."""

    action_coding = "endpoints"
    network = types.SimpleNamespace(loss_type="l1")

    def __init__(self, step: int = 0):
        self.dropout_settings = dropout_settings.DropoutSettings()
        self.module = tf.Module()
        self.module.kernel = tf.Variable(tf.fill((300,), float(step)))
        self.steps_done = step

    def checkpoint(self) -> tf.train.Checkpoint:
        return tf.train.Checkpoint(agent=self.module)

    weights_checkpoint = checkpoint


def store() -> vocabulary.EmbeddingStore:
    pair, vector = ("skewering", "banana"), np.eye(1, 512, dtype=np.float32)[0]
    manifest = {"encoder": None, "entries": [vocabulary.new_entry(*pair, None)]}
    return vocabulary.EmbeddingStore({pair: vector}, manifest)


def write_all(run: pathlib.Path, step: int) -> None:
    """A start of train.py, a best and a last checkpoint, a calibration of it, an export."""
    agent, metadata = StubAgent(step), {"resize": None}
    writer = checkpoint_directory.CheckpointWriter(run, agent, store(), metadata, 2)
    writer.write({})
    writer.write_training_state(checkpoint_directory.TrainingState(step=step))
    calibrate(run)
    engines.keep(run / "cache" / str(step), EXPORT)


def calibrate(run: pathlib.Path) -> None:
    one = uncertainty_stubs.calibration()
    digest = checkpoint_directory.weights_digest(run)
    fitted_on = dataclasses.replace(one.fitted_on, weights_sha256=digest)
    uncertainty.write_calibration(run, dataclasses.replace(one, fitted_on=fitted_on))


def killed_at(stop: int | None, action: Callable[[], None]) -> bool:
    """Runs `action` in a child, killed at the stop of this number; whether it was."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return True
        assert status == 0, f"the child at stop {stop} ended with {status}"
        return False
    passed, code, write = itertools.count(), 1, tf.train.Checkpoint.write

    def may_die(folder: pathlib.Path | None = None) -> None:
        if next(passed) == stop:
            for file in folder.glob("*") if folder else ():
                os.truncate(file, file.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def stopping(function: Callable) -> Callable:
        return lambda *arguments, **options: may_die() or function(*arguments, **options)

    def half(checkpoint: tf.train.Checkpoint, path: str) -> str:
        written = write(checkpoint, path)
        may_die(pathlib.Path(path).parent)
        return written

    # Not before fsync: after SIGKILL the system still has what was written.
    tf.train.Checkpoint.write, os.replace = half, stopping(os.replace)
    pathlib.Path.unlink = stopping(pathlib.Path.unlink)
    try:
        action()
        code = 0
    finally:
        os._exit(code)


def look(run: pathlib.Path) -> int:
    """Raises unless what is there is whole; the step of the weights that count."""
    contents = checkpoint_directory.read_contents(run)
    point = checkpoint_directory.find_resume_point(run)
    step = int(contents.metadata["global_step"])
    for prefix, expected in ((contents.prefix, step), (point.prefix, point.state.step)):
        file = checkpoint_files.TensorFile(str(prefix))
        assert (file.read_finite(["agent/kernel"])["agent/kernel"] == expected).all()
    for index in run.glob("*.index"):  # What a number or a stem names is whole, too.
        checkpoint_files.TensorFile(str(index.with_suffix(""))).read_finite(["agent/kernel"])
    if contents.calibration is not None:
        # Whole; of the weights before, it is refused and never used for others.
        try:
            uncertainty.calibration_of(contents)
        except ValueError as error:
            assert "expected the weights that were calibrated" in str(error), error
    for folder in (run / "cache").iterdir():
        assert engines.kept(folder) in ({}, EXPORT)
    return step


def main(folder: pathlib.Path) -> None:
    """Steps 1, then 2 killed at each stop in turn, then 3."""
    start, run = folder / "start", folder / "run"
    killed_at(None, lambda: write_all(start, 1))
    steps, stop, going = [], 0, True
    while going:
        shutil.copytree(start, run)
        going = killed_at(stop, lambda: write_all(run, 2))
        steps.append(look(run))
        # The next start is right, and nothing half-written is left.
        killed_at(None, lambda: write_all(run, 3))
        assert look(run) == 3
        left = [path.name for path in (*run.glob(".*"), *run.glob("embeddings/.*"))]
        assert not [name for name in left if not name.startswith(".uncertainty")], (stop, left)
        assert uncertainty.calibration_of(checkpoint_directory.read_contents(run)) is not None
        shutil.rmtree(run)
        stop += 1
    assert steps == sorted(steps) and set(steps) == {1, 2}
    print(stop, "stops")  # noqa: T201


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
