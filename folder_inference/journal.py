"""What a run has learnt so far, line by line, so that a killed run asks no question twice.

    {"format": 1, "settings": {"num_samples": 16, ..., "model_version": "7c1e"}}
    {"key": ["new/c.PNG", "skewering", "grape"], "file": {...}, "answer": {...}, "client_ms": 41.2}
    {"key": ["broken.jpg", "skewering", "grape"], "file": {...}, "failure": {...}, ...}
    {"finished": true}

Each line is on the disk before the next question of its thread goes out. A line that was cut off by
a crash is the last one, and is dropped. Answers count for the settings of the first line only, and
for a picture that is the same still (`pictures.Pictures.is_same`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from folder_inference import questions

_FORMAT = 1


class JournalError(ValueError):
    """A journal that does not belong to this run."""


class Journal:
    """An open journal; several threads may `append`."""

    def __init__(self, path: pathlib.Path, file: BinaryIO, lines: list[dict[str, Any]]) -> None:
        """Use `open_journal`."""
        self._path = path
        self._file = file
        self._lock = threading.Lock()
        self._entries: dict[questions.Key, dict[str, Any]] = {
            tuple(line["key"]): line for line in lines if "key" in line
        }

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def known(
        self, key: questions.Key, is_same: Callable[[str, Mapping[str, Any]], bool]
    ) -> dict[str, Any] | None:
        """The entry of a question, unless its picture has changed since.

        Args:
            key: of the question.
            is_same: of the pictures, see `pictures.Pictures`.
        """
        entry = self._entries.get(key)
        return entry if entry is not None and is_same(key[0], entry["file"]) else None

    def append(self, entry: Mapping[str, Any]) -> None:
        """Adds an entry; it is on the disk when this returns. Raises OSError."""
        line = (json.dumps(entry) + "\n").encode()
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Notes that every question has its answer or its refusal."""
        self.append({"finished": True})


def open_journal(path: pathlib.Path, settings: Mapping[str, Any], resume: bool) -> Journal:
    """Opens the journal of a run, and locks it.

    Args:
        path: of the file; it need not exist.
        settings: of this run, plain JSON values.
        resume: keep what is in it, instead of beginning anew.

    Raises:
        JournalError: if it was written with other settings, if another process is writing to it, or
            if a run that was not finished would be lost.
    """
    with contextlib.ExitStack() as on_failure:
        file = on_failure.enter_context(path.open("a+b"))
        _lock(path, file)
        lines, good_bytes = _read(path, file)
        if lines and resume:
            _check_settings(path, lines[0].get("settings", {}), settings)
        elif lines:
            _check_loss(path, lines, settings)
        if not (lines and resume):
            lines, good_bytes = [], 0
        file.truncate(good_bytes)
        journal = Journal(path, file, lines)
        if not lines:
            journal.append({"format": _FORMAT, "settings": dict(settings)})
        on_failure.pop_all()
    return journal


def _lock(path: pathlib.Path, file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalError(
            f"{path} is being written by another run. Wait for it, or give another --output_file."
        ) from error


def _read(path: pathlib.Path, file: BinaryIO) -> tuple[list[dict[str, Any]], int]:
    """The whole lines, and how many bytes they take."""
    file.seek(0)
    content = file.read()
    good_bytes = content.rfind(b"\n") + 1
    lines = []
    for number, line in enumerate(content[:good_bytes].splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise JournalError(
                f"{path}: line {number} is not JSON: {error}. Delete the file to begin anew."
            ) from error
    if lines and not (isinstance(lines[0], dict) and lines[0].get("format") == _FORMAT):
        raise JournalError(f"{path}: expected a journal of format {_FORMAT}, got {lines[0]}.")
    return lines, good_bytes


def _check_settings(
    path: pathlib.Path, written: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    changed = [name for name in {**written, **settings} if written.get(name) != settings.get(name)]
    if changed:
        changes = "; ".join(
            f"{name}: the journal has {written.get(name)!r}, now {settings.get(name)!r}"
            for name in sorted(changed)
        )
        raise JournalError(
            f"--resume: {path} was written with other settings ({changes}). Give the same ones, or "
            "delete the file to begin anew."
        )


def _check_loss(
    path: pathlib.Path, lines: list[dict[str, Any]], settings: Mapping[str, Any]
) -> None:
    answers = sum("answer" in line for line in lines)
    if answers and "finished" not in lines[-1]:
        raise JournalError(
            f"{path} holds {answers} answers of a run that did not finish. --resume goes on with "
            "it; delete the file to begin anew."
        )
    shard = lines[0].get("settings", {}).get("shard")
    if shard != settings.get("shard"):
        raise JournalError(
            f"{path} belongs to shard {shard}, this is {settings.get('shard')}. Give each shard "
            "its own --output_file."
        )
