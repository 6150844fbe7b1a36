"""Cycles are freed, and pages that many small pieces left empty go back to the system."""

from __future__ import annotations

import pathlib
import sys
import weakref

import pytest

from serving import memory


class Node:
    pass


def test_cycles_are_freed():
    node = Node()
    node.itself = node
    gone = weakref.ref(node)
    del node
    memory.give_back()
    assert gone() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_pages_go_back():
    def resident_mb():
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    pieces = [bytes(2000) for _ in range(100_000)]  # 200 MB in pieces that are no mappings.
    # The last one pins the end of the heap, so that only trimming can empty what is below it.
    last = pieces[-1]
    full = resident_mb()
    del pieces
    memory.give_back()
    assert last and resident_mb() < full - 150
