"""A bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import os
import pathlib
import subprocess
import sys

import gin
import pytest
from absl import logging

from training.reports import progress

ROOT = pathlib.Path(__file__).parents[3]


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch):
    """What is logged."""
    written = []
    monkeypatch.setattr(logging, "info", lambda text, *args: written.append(text % args))
    return written


def run(number_of_steps: int, initial: int = 0, **options) -> None:
    """A step each 10 s, 16 images in each, the loss is the number of the step."""
    clock = Clock()
    with progress.progress(
        10, initial, "epoch 3/30", terminal=io.StringIO(), clock=clock, **options
    ) as shown:
        for step in range(initial, initial + number_of_steps):
            clock.now += 10
            shown.update(float(step), num_images=16)


def test_lines_come_each_30_seconds_and_at_the_end(lines):
    run(10)
    # The first step's 10 s are no measure of the others, so 2 steps in 20 s, and so on.
    assert lines == [
        "epoch 3/30: 3/10 steps, loss 2.0000, 1.6 images/s, 0:01:10 left",
        "epoch 3/30: 6/10 steps, loss 5.0000, 1.6 images/s, 0:00:40 left",
        "epoch 3/30: 9/10 steps, loss 8.0000, 1.6 images/s, 0:00:10 left",
        "epoch 3/30: 10/10 steps, loss 9.0000, 1.6 images/s, 0:00:00 left",
    ]


def test_a_resumed_epoch_counts_on(lines):
    run(4, initial=6)
    assert lines == [
        "epoch 3/30: 9/10 steps, loss 8.0000, 1.6 images/s, 0:00:10 left",
        "epoch 3/30: 10/10 steps, loss 9.0000, 1.6 images/s, 0:00:00 left",
    ]


def test_how_often_is_a_gin_parameter(lines):
    gin.parse_config("progress.plain_every_s = 50.0")
    try:
        run(10)
    finally:
        gin.clear_config()
    assert [line.split()[2] for line in lines] == ["5/10", "10/10"]


def test_the_end_is_told_also_when_the_loop_breaks(lines):
    with (
        pytest.raises(KeyError),
        progress.progress(10, 0, "epoch 1/2", terminal=io.StringIO()) as shown,
    ):
        shown.update(0.5)
        raise KeyError
    assert lines == ["epoch 1/2: 1/10 steps, loss 0.5000"]


def test_no_step_at_all(lines):
    with progress.progress(10, 10, "epoch 1/2", terminal=io.StringIO()):
        pass
    assert lines == ["epoch 1/2: 10/10 steps"]


def test_without_numbers_of_images_the_rate_is_in_steps(lines):
    clock = Clock()
    with progress.progress(3, 0, "epoch 1/1", terminal=io.StringIO(), clock=clock) as shown:
        for _ in range(3):
            clock.now += 0.5
            shown.update(1.0)
    assert lines == ["epoch 1/1: 3/3 steps, loss 1.0000, 2.0 steps/s, 0:00:00 left"]


def test_a_bar_on_a_terminal(lines):
    terminal, clock = Terminal(), Clock()
    with progress.progress(4, 1, "epoch 3/30", terminal=terminal, clock=clock) as shown:
        for _ in range(3):
            clock.now += 2
            shown.update(0.125, num_images=16)
        shown._bar.refresh()
    text = terminal.getvalue()
    assert "epoch 3/30:" in text
    assert "4/4" in text
    assert "loss=0.1250, images/s=8.0" in text
    assert lines == []


PROGRAM = """
from training.reports import progress
with progress.progress(2, 0, "epoch 1/1") as shown:
    shown.update(0.5)
"""


def test_a_terminal_of_unknown_size_gets_a_bar_too():
    """Such as those of job systems and containers."""
    ours, theirs = os.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, cwd=ROOT, check=True)
    os.close(theirs)
    assert b"epoch 1/1:   0%" in os.read(ours, 4096)
    os.close(ours)
