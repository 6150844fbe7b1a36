"""How far a run is."""

from __future__ import annotations

import io

from absl import logging

from folder_inference import progress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_line_by_hand():
    clock = Clock()
    bar = progress.Progress(10, 4, None, clock)
    assert bar.line() == "asking: 4/10, 0 failed"
    bar.update(failed=False)
    bar.update(failed=True)
    clock.now = 4.0
    assert bar.line() == "asking: 6/10, 1 failed, 0.5/s, 0:00:08 left"


def test_a_line_now_and_then_in_a_file(monkeypatch):
    lines, clock = [], Clock()
    monkeypatch.setattr(logging, "info", lambda form, text: lines.append(text))
    with progress.progress(4, 0, io.StringIO(), clock) as bar:
        for seconds in (1.0, 10.0, 11.0, 12.0):
            clock.now = seconds
            bar.update(failed=False)
    assert [line.split(",")[0] for line in lines] == ["asking: 2/4", "asking: 4/4"]


def test_a_bar_on_a_terminal():
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    with progress.progress(2, 1, terminal) as bar:
        bar.update(failed=True)
    # tqdm draws at most ten times a second, so what comes after the first bar may not be seen.
    assert "1/2" in terminal.getvalue()
    assert bar.line().startswith("asking: 2/2, 1 failed")
