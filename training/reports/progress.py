"""How far an epoch is: a bar on a terminal, a line now and then in a file.

epoch 3/30: 120/400 steps, loss 0.0123, 95.2 images/s, 0:00:47 left
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import gin
import tqdm
from absl import logging


class Progress:
    """Counts steps; `update` is what a training loop calls."""

    def __init__(self, total: int, initial: int, label: str, clock: Callable[[], float]):
        """Begins to measure.

        Args:
            total: steps in all.
            initial: steps that are done already.
            label: what they are.
            clock: seconds.
        """
        self._total, self._first, self._done, self._label = total, initial, initial, label
        self._clock, self._images, self._start = clock, 0, clock()
        self._loss: float | None = None

    def update(self, loss: float, num_images: int | None = None) -> None:
        """A step is done.

        Args:
            loss: of the step.
            num_images: in its batch; without it the rate is in steps/s.
        """
        self._done += 1
        self._loss = loss
        if self._done == self._first + 1:
            # The first step traces the graph, which takes longer than many steps.
            self._start = self._clock()
        else:
            self._images += num_images or 0

    def rate(self) -> tuple[float | None, str]:
        """(Images or steps per second, its unit); None before the second step."""
        seconds, steps = self._clock() - self._start, self._done - self._first - 1
        unit = "images/s" if self._images else "steps/s"
        return ((self._images or steps) / seconds if steps > 0 and seconds > 0 else None), unit

    def line(self) -> str:
        """See the module."""
        seconds, steps = self._clock() - self._start, self._done - self._first - 1
        parts = [f"{self._done}/{self._total} steps"]
        if self._loss is not None:
            parts.append(f"loss {self._loss:.4f}")
        rate, unit = self.rate()
        if rate is not None:
            left_s = round(seconds / steps * (self._total - self._done))
            parts += [f"{rate:.1f} {unit}", f"{datetime.timedelta(seconds=left_s)} left"]
        return f"{self._label}: {', '.join(parts)}"


class _Bar(Progress):
    def __init__(self, bar: tqdm.tqdm, *args: object):
        super().__init__(*args)
        self._bar = bar

    def update(self, loss: float, num_images: int | None = None) -> None:
        super().update(loss, num_images)
        rate, unit = self.rate()
        speed = {} if rate is None else {unit: f"{rate:.1f}"}
        # The bar is drawn at most ten times a second, however often it is told.
        self._bar.set_postfix({"loss": f"{loss:.4f}", **speed}, refresh=False)
        self._bar.update()


class _Lines(Progress):
    def __init__(self, every_s: float, *args: object):
        super().__init__(*args)
        self._every_s = every_s
        self._last_line = self._clock()

    def update(self, loss: float, num_images: int | None = None) -> None:
        super().update(loss, num_images)
        if self._clock() - self._last_line >= self._every_s and self._done < self._total:
            self._last_line = self._clock()
            logging.info("%s", self.line())


@gin.configurable(allowlist=["plain_every_s"])
@contextlib.contextmanager
def progress(
    total: int,
    initial: int,
    label: str,
    plain_every_s: float = 30.0,
    terminal: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Shows how far a loop is; `update(loss)` on what it yields counts a step.

    Args:
        total: steps in all.
        initial: steps that are done already, after a resume.
        label: such as 'epoch 3/30'.
        plain_every_s: seconds between lines where there is no terminal; one comes at the end too.
        terminal: where the bar goes if it is one; standard error unless given.
        clock: seconds.

    Yields:
        The `Progress`.
    """
    terminal = sys.stderr if terminal is None else terminal
    if terminal.isatty():
        size = shutil.get_terminal_size()
        with tqdm.tqdm(
            total=total,
            initial=initial,
            desc=label,
            unit="step",
            file=terminal,
            leave=False,
            # Some pseudo-terminals say that their size is 0 x 0, and tqdm would draw nothing.
            ncols=size.columns,
            nrows=size.lines,
        ) as bar:
            yield _Bar(bar, total, initial, label, clock)
        return
    lines = _Lines(plain_every_s, total, initial, label, clock)
    try:
        yield lines
    finally:
        logging.info("%s", lines.line())
