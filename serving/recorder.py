"""Keeps requests and answers in a folder, so that they can be asked again and trained on.

    recorder = Recorder("records")
    recorder.record("4f0c...", image, {"route": "/predict", "action": "skewering"}, answer)
    recorder.correct("4f0c...", 0.1, 0.1, 0.5, 0.5, "ada")

`food_data/recordings.py` says what the folder holds, and reads it. A record is there whole or not
at all: its files are written into a folder whose name begins with a dot, which is then renamed.

Recording never costs a client its answer. A full disk is logged and counted; the limit `max_bytes`
ends recording with a warning.
"""

from __future__ import annotations

import collections
import datetime
import json
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

# Answers that may be on their way: as many as a server has connections.
_MOST_AT_A_TIME = 1000


class Recorder:
    """Writes records. One is shared by all threads of a server.

    Attributes:
        recorded: records that this object wrote.
        failures: records that could not be written.
        skipped: records that came after the limit was reached.
    """

    def __init__(self, directory: str | os.PathLike[str], max_bytes: int = 20 * 1024**3) -> None:
        """Args:
            directory: made if it does not exist; what is in it stays and counts towards the limit.
            max_bytes: recording ends before the files take more.

        Raises:
            OSError: if the folder cannot be made or read.
        """
        self._directory = pathlib.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        # Of a large folder this takes a second per 100,000 files.
        self._used_bytes = sum(
            os.stat(os.path.join(folder, name)).st_size
            for folder, _, names in os.walk(directory)
            for name in names
        )
        self._claimed: collections.deque[str] = collections.deque(maxlen=_MOST_AT_A_TIME)
        self.recorded = self.failures = self.skipped = 0

    def claim(self, request_id: str) -> str:
        """The id that an answer gets: the given one, or a fresh one if there is such an answer.

        A client may send the same id again; a correction would then go to the wrong answer.
        """
        with self._lock:
            try:
                is_taken = request_id in self._claimed or self._folder_of(request_id) is not None
            except OSError:  # `record` will meet it too, and logs it.
                is_taken = False
            if is_taken:
                taken, request_id = request_id, uuid.uuid4().hex
                logging.info("Request id %s is taken; the request is %s now", taken, request_id)
            # Its record is written later, if at all.
            self._claimed.append(request_id)
        return request_id

    def record(
        self, request_id: str, image: bytes, request: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> None:
        """Writes a record, or logs why it could not be written.

        Args:
            request_id: names the record; what `claim` gave.
            image: the picture's file as it was sent.
            request: the other fields of the request, and "route"; the time is added.
            answer: what was answered.
        """
        try:
            recordings.check_request_id(request_id)
            now = datetime.datetime.now(datetime.timezone.utc)
            stamped = {**request, recordings.RECORDED_AT: now.isoformat(timespec="milliseconds")}
            files = {
                recordings.IMAGE_STEM + recordings.image_ending(image): image,
                recordings.REQUEST_FILE: _json(stamped),
                recordings.ANSWER_FILE: _json(answer),
            }
            size = sum(map(len, files.values()))
            if not self._reserve(size):
                return
            try:
                self._write(self._directory / now.date().isoformat(), request_id, files)
            except OSError:
                with self._lock:
                    self._used_bytes -= size
                raise
        except (OSError, TypeError, ValueError) as error:
            with self._lock:
                self.failures += 1
                failures = self.failures
            logging.warning(
                "Request %s was not recorded (failure %d): %s", request_id, failures, error
            )

    def correct(
        self,
        request_id: str,
        start_x: float,
        start_y: float,
        end_x: float,
        end_y: float,
        corrected_by: str | None = None,
    ) -> None:
        """Adds a correction to a record, in place of an earlier one.

        Args:
            request_id: of a record.
            start_x, start_y: in 0..1 of the photo, origin top left, y down.
            end_x, end_y: as start.
            corrected_by: who says so, or None.

        Raises:
            LookupError: if there is no such record.
            ValueError: if a coordinate is no number in 0..1.
            OSError: if the correction cannot be written.
        """
        motion = (start_x, start_y, end_x, end_y)
        correction: dict[str, Any] = dict(zip(recordings.MOTION_FIELDS, motion))
        recordings.check_motion(correction)
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
        now = datetime.datetime.now(datetime.timezone.utc)
        correction["corrected_by"] = corrected_by
        correction["corrected_at"] = now.isoformat(timespec="milliseconds")
        with atomic_files.replace_file(folder / recordings.CORRECTION_FILE) as file:
            file.write(_json(correction))

    def _folder_of(self, request_id: str) -> pathlib.Path | None:
        days = recordings.day_folders(self._directory)
        return next((day / request_id for day in days if (day / request_id).is_dir()), None)

    def _reserve(self, size: int) -> bool:
        """Counts the bytes of a record; False once the limit is reached."""
        with self._lock:
            # After the first record that does not fit no smaller one is let in: there is one
            # time when recording ended, instead of gaps wherever photos were large.
            if not self.skipped and self._used_bytes + size <= self._max_bytes:
                self._used_bytes += size
                return True
            self.skipped += 1
            if self.skipped == 1:
                logging.warning(
                    "Recording stops: %s would hold more than %d bytes. Move records away, then "
                    "restart the server.",
                    *(self._directory, self._max_bytes),
                )
        return False

    def _write(self, day: pathlib.Path, request_id: str, files: Mapping[str, bytes]) -> None:
        day.mkdir(exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(dir=day, prefix=".partial_"))
        try:
            for name, content in files.items():
                (temporary / name).write_bytes(content)
            # mkdtemp lets only the owner in; a lab's group should read what its server records.
            temporary.chmod(day.stat().st_mode)
            os.rename(temporary, day / request_id)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        with self._lock:
            self.recorded += 1


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
