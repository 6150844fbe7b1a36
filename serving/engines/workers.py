"""Threads that run pictures one by one, and the knowledge whether a run is alone on the machine.

One by one, because kernels that are chosen by batch size round differently: so a picture's answer
does not depend on the company it comes in, and on CPUs nothing is lost.
"""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable

import numpy as np

Arrays = tuple[np.ndarray, ...]
# More than this many pictures at once wait for memory, not for cores.
_MOST_WORKERS = 8


def num_cores() -> int:
    """CPU cores that this process may use, at most eight."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    return min(os.cpu_count() or 1, _MOST_WORKERS)


class Workers:
    """Spreads the pictures of a batch over threads; a picture alone stays in the caller's."""

    def __init__(self, num_workers: int) -> None:
        """Args:
        num_workers: threads.
        """
        self.num_workers = num_workers
        self._executor = concurrent.futures.ThreadPoolExecutor(num_workers, "engine")
        self._lock = threading.Lock()
        self._running = 0

    def run(self, function: Callable[[Arrays, bool], Arrays], *arrays: np.ndarray) -> Arrays:
        """Runs a function on each picture of a batch.

        Args:
            function: (arrays [1, ...], whether nothing else runs here) -> arrays [1, ...].
            *arrays: [B, ...] each, B at least 1.

        Returns:
            The results, [B, ...] each.
        """
        count = len(arrays[0])
        rows = [tuple(array[i : i + 1] for array in arrays) for i in range(count)]
        if count == 1:
            results = [self._counted(function, rows[0])]
        else:
            # Together they use every core, so none of them is alone.
            results = list(
                self._executor.map(lambda row: self._counted(function, row, False), rows)
            )
        return tuple(np.concatenate(parts) for parts in zip(*results))

    def _counted(
        self, function: Callable[[Arrays, bool], Arrays], row: Arrays, may_be_alone: bool = True
    ) -> Arrays:
        with self._lock:
            self._running += 1
            alone = may_be_alone and self._running == 1
        try:
            return function(row, alone)
        finally:
            with self._lock:
                self._running -= 1
