"""Inference engines: what runs the network of a server. `engine.create` picks one."""

from __future__ import annotations

import os


def num_cores() -> int:
    """CPU cores that this process may use, at most eight: more pictures at once wait for memory."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return min(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1, 8)
