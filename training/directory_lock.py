"""One run at a time writes into a checkpoint directory: the kernel's lock on a file in it.

The lock goes with the process, however that ends, so nothing is left to be cleared away after a
crash. Two runs in one directory would name and delete each other's checkpoints.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
import time
from collections.abc import Iterator, Mapping

from absl import logging

FILE_NAME = ".lock"
# A requeued job may start while the last process still saves, or before a file server has noticed
# that its node is gone.
RESTART_WAIT_S = 180.0
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextlib.contextmanager
def held(directory: str | os.PathLike[str], wait_s: float = 0.0) -> Iterator[None]:
    """Keeps other runs out of the directory while it is entered.

    Where the file system has no locks, a warning is logged and nobody is kept out.

    Args:
        directory: made if it is absent; gets `FILE_NAME`, which says who holds it and stays.
        wait_s: how long to wait for another run to end.

    Raises:
        ValueError: if another run still writes there.
        OSError: if the file cannot be made.
    """
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE_NAME).open("a+") as file:
        _take(file.fileno(), folder, time.monotonic() + wait_s)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def wait_seconds(environment: Mapping[str, str]) -> float:
    """`RESTART_WAIT_S` in a job that Slurm has started again, or else 0."""
    return RESTART_WAIT_S if int(environment.get("SLURM_RESTART_COUNT") or 0) else 0.0


def _take(descriptor: int, folder: pathlib.Path, give_up: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up:
                holder = (folder / FILE_NAME).read_text(errors="replace") or "another process"
                raise ValueError(
                    f"checkpoint_dir: expected a directory that no other run writes to, got "
                    f"{folder}, where {holder} trains. Wait for it or stop it, or give another "
                    "--checkpoint_dir."
                ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            logging.warning(
                "%s: no locks on this file system (%s): do not start a second run there",
                folder,
                error,
            )
            return
        time.sleep(1.0)
