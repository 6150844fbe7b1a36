"""Files and folders that are there whole or not at all, and paths that cannot be right."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def check_local(path: str | os.PathLike[str] | None, name: str) -> None:
    """Raises ValueError for an address such as gs://bucket/run; all files are read from disk."""
    # pathlib makes gs:/ of gs://.
    if path is not None and _ADDRESS.match(os.fspath(path)) and not os.path.exists(path):
        text = "Copy it here first (gcloud storage cp -r, aws s3 cp --recursive, rclone copy)."
        got = f"the address {os.fspath(path)}"
        raise ValueError(f"{name}: expected a path on this machine, got {got}. {text}")


def refuse_pointer(path: str | os.PathLike[str]) -> None:
    """Raises ValueError for what a clone without Git LFS leaves in the place of a file."""
    with open(path, "rb") as file:
        head = file.read(1024)
    if head.startswith(LFS_POINTER):
        found = re.search(rb"^size (\d+)$", head, re.MULTILINE)
        size = f" of {int(found[1]):,} bytes" if found else ""
        command = "In its repository, run `git lfs install` and `git lfs pull`."
        raise ValueError(f"{path} is a Git LFS pointer: expected the file itself{size}. {command}")


@contextlib.contextmanager
def replace_file(path: str | os.PathLike[str], durable: bool = True) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path`; it takes the place of `path` if the block ends well,
    and outlives a power cut; who writes many leaves `durable` off and calls `sync` for all."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        file = open(temporary, "xb")  # noqa: SIM115
    except OSError as error:
        text = f"Cannot write {path}: {error.strerror}. Choose a folder that you may write into"
        raise OSError(error.errno, text) from error
    try:
        with file:
            yield file
            if durable:
                # Else a power cut could leave an empty file under a good name.
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink()
        raise
    if durable:
        sync(path.parent)


@contextlib.contextmanager
def new_folder(final: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder beside `final` to fill; it becomes `final` if the block ends well. Raises
    FileExistsError if there is one."""
    if final.exists():
        raise FileExistsError(f"{final}: expected a new folder, got one that exists.")
    folder = final.with_name(f"{final.name}.part")
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was killed.
    folder.mkdir(parents=True)
    yield folder
    sync(*folder.rglob("*"), folder)
    folder.rename(final)


def check_folder(folder: pathlib.Path, flag: str) -> None:
    """Makes a folder of a flag. Raises OSError, before minutes of work, unless files can be written
    into it, and ValueError for a path of another machine."""
    check_local(folder, flag)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        text = f"{flag}: expected a folder to write into, got {folder}: {error.strerror}. Choose "
        text += "another one; of a checkpoint that may not be changed, use a copy."
        raise OSError(text) from error


def sync(*paths: str | os.PathLike[str]) -> None:
    """Puts on disk what files hold, and which names folders hold, so that a rename lasts."""
    for path in paths:
        if os.name == "nt" and os.path.isdir(path):  # Windows opens no folders.
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            # Some network file systems do not know how; a disk that fails is an error.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(handle)


def cell(value: object) -> object:
    """A value for CSV: "=1+1.jpg", which spreadsheets would run, becomes "'=1+1.jpg"."""
    starts = ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if isinstance(value, str) and value.startswith(starts) else value
