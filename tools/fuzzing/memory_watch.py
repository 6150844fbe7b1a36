"""A process' memory over time, for processes that should not grow; Linux only."""

from __future__ import annotations

import pathlib
import threading
import time

import numpy as np

EVERY_S = 1.0


class MemoryWatch:
    """Notes a process' memory every second until it is told to stop."""

    def __init__(self, pid: int | None) -> None:
        self.rows: list[tuple[float, float]] = []  # (seconds since the start, MB)
        self._pid = pid
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> MemoryWatch:
        if self._pid is not None:
            self._note()
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid is not None:
            self._stop.set()
            self._thread.join()

    def growth_mb(self) -> float:
        """From the first tenth of the time, when caches have filled, to the last tenth."""
        if len(self.rows) < 10:
            return 0.0
        tenth = len(self.rows) // 10
        sizes = [size for _, size in self.rows]
        return float(np.median(sizes[-tenth:]) - np.median(sizes[tenth : 2 * tenth]))

    def table(self) -> str:
        """Markdown: a dozen rows of the memory over time, and the most there was."""
        rows = self.rows[:: max(1, len(self.rows) // 12)]
        lines = ["| s | MB |", "|---|---|", *(f"| {at:.0f} | {size:.0f} |" for at, size in rows)]
        return "\n".join([*lines, f"| most | {max(size for _, size in self.rows):.0f} |"])

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self._note()
            except ProcessLookupError:
                return  # What is sent next finds that nobody listens.

    def _note(self) -> None:
        size = resident_mb(self._pid)
        self.rows.append((time.monotonic() - self._started, size))


def resident_mb(pid: int) -> float:
    """Memory that a process holds, in MB; Linux only.

    Raises:
        ProcessLookupError: if there is no such process.
    """
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ProcessLookupError(
            f"Expected a running process, got {pid}, which is none."
        ) from error
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"Expected a running process, got {pid}, which has ended.")
