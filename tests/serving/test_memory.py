"""Cycles are freed, and pages that many small pieces left empty go back to the system."""

from __future__ import annotations

import pathlib
import subprocess
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


# Sixteen threads allocate at the same time; prints how many heaps the C library has made.
COUNT_HEAPS = """
import ctypes, re, tempfile, threading
from serving import memory
{call}
libc, everyone = ctypes.CDLL(None), threading.Barrier(16)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
def allocate():
    everyone.wait()
    for _ in range(1000):
        libc.malloc(1000)
    everyone.wait()
threads = [threading.Thread(target=allocate) for _ in range(16)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
with tempfile.NamedTemporaryFile() as file:
    stream = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(len(re.findall("<heap nr=", open(file.name).read())))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts glibc's heaps")
def test_threads_share_two_heaps():
    def heaps(call: str) -> int:
        code = COUNT_HEAPS.format(call=call)
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return int(run.stdout)

    assert heaps("memory.limit_arenas()") == 2
    assert heaps("") > 2
