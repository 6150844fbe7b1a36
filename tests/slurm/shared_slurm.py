"""One Slurm for all processes that test at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from typing import TextIO

from tests.slurm import cluster

HERE = pathlib.Path(__file__).parent
# Whoever holds the first brings a Slurm up or takes it down; users of it share the second.
LOCK_FILE = pathlib.Path(tempfile.gettempdir()) / "slurm_of_the_tests.lock"
USERS_FILE = pathlib.Path(tempfile.gettempdir()) / "slurm_of_the_tests.users"
# Exit code of slurm_up.sh.
UNAVAILABLE = 69


def why_not() -> str | None:
    """Why there can be no Slurm here; None if there can."""
    if os.geteuid() != 0:
        return "bringing up a Slurm needs root"
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        return "there is no Slurm here, and no apt-get to install one"
    return None


@contextlib.contextmanager
def running() -> Iterator[int]:
    """A Slurm while it is entered; yields the number of nodes of its partition gpu.

    Processes that test at the same time share it: the first brings it up, the last takes it down.
    One that somebody else brought up goes on running.

    Raises:
        NoSlurmError: if there can be none here, with the reason.
        AssertionError: if it should come up, and does not.
    """
    with USERS_FILE.open("a+") as users:
        with _alone():
            _bring_up(users)
            # Held until the file is closed.
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield len(cluster.nodes())
        finally:
            with _alone():
                _take_down_if_last(users)


class NoSlurmError(RuntimeError):
    """There can be no Slurm on this machine."""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with LOCK_FILE.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring_up(users: TextIO) -> None:
    # Left by tests that were killed, with whatever they had done to it.
    _take_down_if_last(users)
    up = subprocess.run([HERE / "slurm_up.sh"], capture_output=True, text=True, check=False)
    if up.returncode == UNAVAILABLE:
        raise NoSlurmError(up.stderr[-500:])
    assert up.returncode == 0, up.stderr
    if "up after" in up.stderr:
        # It did not run before, so that it is ours to take down.
        users.truncate(0)
        users.write("of the tests")
        users.flush()


def _take_down_if_last(users: TextIO) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    users.seek(0)
    if users.read():
        users.truncate(0)
        subprocess.run([HERE / "slurm_down.sh"], check=True)
