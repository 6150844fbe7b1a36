"""How far a run is: a bar on a terminal, a line now and then in a file.

asking: 120/181, 3 failed, 9.5/s, 0:00:06 left
"""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import tqdm
from absl import logging

_EVERY_S = 10.0


class Progress:
    """Counts; `update` after each question."""

    def __init__(
        self, total: int, known: int, bar: tqdm.tqdm | None, clock: Callable[[], float]
    ) -> None:
        """Args:
        total: questions in all.
        known: of them, answered by an earlier run.
        bar: on a terminal, or None for lines in the log.
        clock: seconds.
        """
        self._total, self._known, self._done, self._failed = total, known, known, 0
        self._bar, self._clock = bar, clock
        self._start = self._last_line = clock()

    def update(self, failed: bool) -> None:
        """Another question is done with."""
        self._done += 1
        self._failed += failed
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._failed} failed", refresh=False)
            self._bar.update()
        elif self._clock() - self._last_line >= _EVERY_S:
            self._last_line = self._clock()
            logging.info("%s", self.line())

    def line(self) -> str:
        """See the module."""
        parts = [f"asking: {self._done}/{self._total}", f"{self._failed} failed"]
        seconds, now = self._clock() - self._start, self._done - self._known
        if now and seconds > 0:
            left_s = round(seconds / now * (self._total - self._done))
            parts += [f"{now / seconds:.1f}/s", f"{datetime.timedelta(seconds=left_s)} left"]
        return ", ".join(parts)


@contextlib.contextmanager
def progress(
    total: int,
    known: int,
    terminal: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Shows how far a run is.

    Args:
        total: questions in all.
        known: of them, answered by an earlier run.
        terminal: where the bar goes if it is one; standard error unless given.
        clock: seconds.

    Yields:
        The `Progress`.
    """
    terminal = sys.stderr if terminal is None else terminal
    if terminal.isatty():
        with tqdm.tqdm(
            total=total, initial=known, desc="asking", unit="question", file=terminal, leave=False
        ) as bar:
            yield Progress(total, known, bar, clock)
        return
    lines = Progress(total, known, None, clock)
    yield lines
    logging.info("%s", lines.line())
