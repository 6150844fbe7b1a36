"""How fast it is; run one with `python -m benchmarks.<name>`."""

import keras2  # noqa: F401

import statistics
import time
from collections.abc import Callable


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Milliseconds of a call that waits for its result, after two that warm it up."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:])
