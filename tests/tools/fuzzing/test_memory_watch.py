"""Memory is read, noted, and its growth told from the filling of caches."""

from __future__ import annotations

import os

import pytest

from tools.fuzzing import memory_watch


def test_memory_of_a_process():
    before = memory_watch.resident_mb(os.getpid())
    held = bytearray(os.urandom(1 << 20) * 64)
    assert 40 < memory_watch.resident_mb(os.getpid()) - before < 200
    assert len(held) == 64 << 20
    with pytest.raises(ProcessLookupError, match="got 99999999, which is none"):
        memory_watch.resident_mb(99999999)


@pytest.mark.parametrize(
    ("sizes", "growth"),
    [
        ([100.0] * 40, 0.0),
        ([100.0, 400.0] * 2 + [500.0] * 36, 0.0),  # Filled within the first tenth.
        ([float(size) for size in range(100, 140)], 32.0),  # 4..7 against 36..39.
        ([100.0, 900.0], 0.0),  # Too few to tell.
    ],
)
def test_growth_is_measured_after_the_first_tenth(sizes, growth):
    watch = memory_watch.MemoryWatch(None)
    watch.rows = [(float(at), size) for at, size in enumerate(sizes)]
    assert watch.growth_mb() == growth


def test_memory_is_noted():
    with memory_watch.MemoryWatch(os.getpid()) as watch:
        pass
    assert len(watch.rows) >= 1 and watch.rows[0][1] > 10
    assert "| most |" in watch.table()
