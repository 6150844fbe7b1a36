"""Keeps requests and answers in a folder, so that they can be asked again and trained on.

`food_data/recordings.py` says what the folder holds, and reads it. A record is there whole or not
at all: its files are written into a folder whose name begins with a dot, which is then renamed.
Recording never costs a client its answer: a full disk is logged.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import json
import math
import os
import pathlib
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from absl import logging

from food_data import atomic_files, recordings

_BLOCK_BYTES = 4096
_KEPT_FREE_BYTES = 256 * 1024**2  # Others need room on the same disk.


class Recorder:
    """Writes records. What is in the folder already counts towards the limit. Raises OSError if the
    folder cannot be made or read."""

    def __init__(self, directory: str | os.PathLike[str], max_bytes: int = 20 * 1024**3) -> None:
        self._directory = pathlib.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._max_bytes, self._lock = max_bytes, threading.Lock()
        sizes = (path.stat().st_size for path in self._directory.rglob("*") if path.is_file())
        self._used_bytes = sum(map(_on_disk, sizes))
        # Of answers that may be on their way.
        self._claimed: collections.deque[str] = collections.deque(maxlen=1000)
        self._ended = False

    def claim(self, request_id: str) -> str:
        """The id that an answer gets: the given one, or a fresh one if a client sends one again,
        whose correction would go to the wrong answer."""
        with self._lock:
            is_taken = request_id in self._claimed
            with contextlib.suppress(OSError):  # `record` will meet it too, and logs it.
                is_taken |= self._folder_of(request_id) is not None
            if is_taken:
                taken, request_id = request_id, uuid.uuid4().hex
                logging.info("Request id %s is taken; the request is %s now", taken, request_id)
            # Its record is written later, if at all.
            self._claimed.append(request_id)
        return request_id

    def record(
        self, request_id: str, image: bytes, request: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        """Writes a record, or logs why it could not be written."""
        now, size = _now(), 0
        try:
            recordings.check_request_id(request_id)
            files = {
                recordings.IMAGE_STEM + recordings.image_ending(image): image,
                recordings.REQUEST_FILE: _json({**request, recordings.RECORDED_AT: now}),
                recordings.ANSWER_FILE: _json(answer),
            }
            size = self._reserve(sum(_on_disk(len(content)) for content in files.values()))
            if size:
                self._write(self._directory / now[:10], request_id, files)
        except (OSError, TypeError, ValueError) as error:
            with self._lock:
                self._used_bytes -= size
            logging.warning("Request %s was not recorded: %s", request_id, error)

    def correct(self, request_id: str, correction: Mapping[str, Any]) -> None:
        """Adds a correction, a motion in 0..1 of the photo, in the place of an earlier one. Raises
        LookupError if there is no such record, OSError if it cannot be written."""
        try:
            recordings.check_request_id(request_id)
        except ValueError as error:
            raise LookupError(str(error)) from error
        folder = self._folder_of(request_id)
        if folder is None:
            raise LookupError(
                f"No record of request {request_id!r}. Expected the request_id of an answer that "
                "this server recorded; predict again and correct that answer."
            )
        with atomic_files.replace_file(folder / recordings.CORRECTION_FILE) as file:
            file.write(_json({**correction, "corrected_at": _now()}))

    def _folder_of(self, request_id: str) -> pathlib.Path | None:
        days = recordings.day_folders(self._directory)
        return next((day / request_id for day in days if (day / request_id).is_dir()), None)

    def _reserve(self, size: int) -> int:
        """Counts the bytes of a record; 0 once the limit is reached."""
        free = shutil.disk_usage(self._directory).free - _KEPT_FREE_BYTES
        with self._lock:
            # One time when recording ended, instead of gaps wherever photos were large.
            if self._ended:
                return 0
            if self._used_bytes + size <= self._max_bytes and size <= free:
                self._used_bytes += size
                return size
            self._ended = True
        logging.warning(
            "Recording stops: %s would hold more than %d bytes, or its disk has less than %d left. "
            "Move records away, then restart the server.",
            *(self._directory, self._max_bytes, _KEPT_FREE_BYTES),
        )
        return 0

    def _write(self, day: pathlib.Path, request_id: str, files: Mapping[str, bytes]) -> None:
        day.mkdir(exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(dir=day, prefix=".partial_"))
        try:
            for name, content in files.items():
                (temporary / name).write_bytes(content)
            # mkdtemp lets only the owner in; a lab's group should read what its server records.
            temporary.chmod(day.stat().st_mode)
            atomic_files.sync(*temporary.iterdir(), temporary)
            os.rename(temporary, day / request_id)
            atomic_files.sync(day)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _on_disk(num_bytes: int) -> int:
    """What a file takes: whole blocks, and one for its entries in folders."""
    return (math.ceil(num_bytes / _BLOCK_BYTES) + 1) * _BLOCK_BYTES


def _now() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds")


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
