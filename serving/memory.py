"""Gives memory that is no longer used back to the system, as soon as it can be known."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Frees what only cycles hold, then has the C library return the pages that this left empty.

    A network is full of cycles, and a model that is loaded in one of the server's threads leaves
    its pages to the heap of that thread, where the next load, in another thread, finds none.
    """
    gc.collect()
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # Only glibc has it.
        if trim is not None:
            trim(0)
