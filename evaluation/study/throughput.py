"""How fast an evaluation was, and how much memory it held."""

from __future__ import annotations

import pathlib
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

_STATUS = pathlib.Path("/proc/self/status")
_ROUNDS = 3


class Meter:
    """Counts pictures, time and memory of loops over batches.

    Memory is what the process holds for itself, looked at after each batch. On Linux the pages of a
    mapped data set are not in it, which belong to the system's cache and grow with the file; on
    other systems it is the highest resident size, with them.
    """

    def __init__(self, progress: Callable[[Iterable], Iterable] = iter) -> None:
        """Takes what wraps the batches beside this, such as a progress bar."""
        self._progress = progress
        self.num_images = 0
        self.seconds = 0.0
        self.peak_mb = memory_mb()

    def wrap(self, num_images: int) -> Callable[[Iterable], Iterable]:
        """A `progress` for a loop that asks about so many pictures."""

        def batches(starts: Iterable) -> Iterator:
            before = time.perf_counter()
            for start in self._progress(starts):
                yield start
                self.peak_mb = max(self.peak_mb, memory_mb())
            self.seconds += time.perf_counter() - before
            self.num_images += num_images

        return batches

    def figures(self) -> dict[str, float | int]:
        """{'images_per_s', 'num_images', 'peak_rss_mb'}; a picture counts for each answer."""
        return {
            "images_per_s": self.num_images / self.seconds if self.seconds else 0.0,
            "num_images": self.num_images,
            "peak_rss_mb": self.peak_mb,
        }


def interleaved_ms(asks: Sequence[Callable[[], object]], num_images: int) -> list[float]:
    """Milliseconds for a picture of each of several calls with the same pictures.

    Each is called once to trace it, then all in turn, three times; the shortest time counts, so
    that what else the machine does at one time or another makes none look cheap.

    Args:
        asks: what is called.
        num_images: pictures in a call.

    Returns:
        As many numbers as calls.
    """
    shortest = [float("inf")] * len(asks)
    for ask in asks:
        ask()
    for _ in range(_ROUNDS):
        for number, ask in enumerate(asks):
            before = time.perf_counter()
            ask()
            shortest[number] = min(shortest[number], time.perf_counter() - before)
    return [1000 * seconds / num_images for seconds in shortest]


def memory_mb() -> float:
    """What the process holds now, see `Meter`, in 10^6 bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
