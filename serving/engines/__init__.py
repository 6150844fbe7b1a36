"""What runs the network of a server; `predictor.create_engine` picks one."""

import os


def num_cores() -> int:
    """CPU cores that this process may use, at most eight: more pictures at once wait for memory."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return min(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1, 8)
