"""Drawing plates in several processes; the results come in order and are the same as in one.

Processes are forked, so that they need not import anything again. A forked process has none of its
parent's other threads: OpenCV's are put to rest before (a child that met their remains would wait
for ever), and a task must not call TensorFlow.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import cv2

_CHUNK = 4
_WAITING_CHUNKS_PER_WORKER = 4
_FEWEST_TASKS = 24
_Result = TypeVar("_Result")


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    task: Callable[[int], _Result], number: int, workers: int | None = None
) -> Iterator[_Result]:
    """task(0), task(1), ..., task(number - 1), worked out in several processes.

    Args:
        task: a picklable function; its result must depend on its argument alone.
        number: of calls.
        workers: processes; None for one per core, and none at all for few calls.

    Yields:
        The results in order. A bounded number waits for whoever reads them.

    Raises:
        ValueError: if `workers` is less than 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected at least 1, got {workers}; None means one per core.")
    if workers is None:
        workers = available_cores() if number >= _FEWEST_TASKS else 1
    if workers == 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(task, range(number))
        return
    with (
        _one_opencv_thread(),
        concurrent.futures.ProcessPoolExecutor(
            workers, multiprocessing.get_context("fork")
        ) as pool,
    ):
        waiting: collections.deque[concurrent.futures.Future] = collections.deque()
        try:
            for start in range(0, number, _CHUNK):
                waiting.append(pool.submit(_call, task, start, min(start + _CHUNK, number)))
                if len(waiting) > _WAITING_CHUNKS_PER_WORKER * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextlib.contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Ends OpenCV's threads, also for the processes that are forked meanwhile."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _call(task: Callable[[int], _Result], start: int, stop: int) -> list[_Result]:
    return [task(i) for i in range(start, stop)]
