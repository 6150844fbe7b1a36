"""The folder that `serving.recorder.Recorder` fills, and reading it back.

    records/2026-11-22/4f0c.../image.jpg         the file that was sent, byte for byte
                               request.json      {"route": "/predict", "action": "skewering", ...}
                               answer.json       what was answered
                               correction.json   what a person made of it, if anybody did

Worked example of a correction: the arrow from (64, 48) to (320, 240) in a photo of 640 x 480 is

    {"start_x": 0.1, "start_y": 0.1, "end_x": 0.5, "end_y": 0.5,
     "corrected_by": "ada", "corrected_at": "2026-11-22T16:55:44.120+00:00"}
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from food_data import annotations

IMAGE_STEM = "image"
REQUEST_FILE = "request.json"
ANSWER_FILE = "answer.json"
CORRECTION_FILE = "correction.json"
RECORDED_AT = "recorded_at"
MOTION_FIELDS = ("start_x", "start_y", "end_x", "end_y")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# What the files of a format begin with.
_STARTS = {
    ".jpg": rb"\xff\xd8\xff",
    ".png": rb"\x89PNG\r\n\x1a\n",
    ".bmp": rb"BM",
    ".gif": rb"GIF8[79]a",
    ".webp": rb"RIFF....WEBP",
    ".tiff": rb"II\*\0|MM\0\*",
    ".jp2": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    ".avif": rb"....ftypavi[fs]",
    ".heic": rb"....ftyp(hei[cxms]|hevc|mif1|msf1)",
}


@dataclasses.dataclass(frozen=True)
class Recording:
    """One recorded request."""

    request_id: str  # the folder's name
    folder: pathlib.Path
    image: pathlib.Path  # the file that was sent
    request: Mapping[str, Any]  # the fields that came with it, and when
    answer: Mapping[str, Any]
    correction: Mapping[str, Any] | None  # `MOTION_FIELDS`, who and when

    def motion(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in 0..1 of the photo: the correction, or else what was answered, by
        /predict_batch the mean. Raises ValueError if the files hold no such motion."""
        answered = self.answer.get("prediction") or self.answer.get("mean_prediction") or {}
        fields = self.correction or answered
        for name in MOTION_FIELDS:
            value = fields.get(name)
            if type(value) not in (int, float) or not 0 <= value <= 1:
                expected = "a number in 0..1 of the photo (divide pixels by its width and height)"
                raise ValueError(f"{self.folder}: {name}: expected {expected}, got {value!r}.")
        return tuple(float(fields[name]) for name in MOTION_FIELDS)

    def stated(self, *names: str) -> tuple:
        """Fields of the answer. Raises ValueError if one is missing."""
        values = tuple(map(self.answer.get, names))
        if None in values:
            expected = f"{' and '.join(names)} in the answer"
            raise ValueError(f"{self.folder}: expected {expected}, got {values}.")
        return values


def check_request_id(request_id: str) -> None:
    """Raises ValueError unless the id is safe as a folder's name."""
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        expected = "1 to 100 letters, digits, '.', '-' and '_' as an answer states it"
        raise ValueError(f"Expected a request_id of {expected}, got {str(request_id)[:40]!r}.")


def image_ending(image: bytes) -> str:
    """The ending that the file should have, by its first bytes; ".bin" if nothing is known."""
    return next((end for end, one in _STARTS.items() if re.match(one, image, re.DOTALL)), ".bin")


def day_folders(directory: pathlib.Path) -> list[pathlib.Path]:
    """The folders of days, the newest first."""
    return sorted((one for one in directory.iterdir() if _DATE.fullmatch(one.name)), reverse=True)


def read_recordings(directory: str | os.PathLike[str]) -> list[Recording]:
    """Reads all recordings, the oldest first. Raises FileNotFoundError if there is no such folder,
    or a recording lacks a file, and ValueError if a file is no JSON object."""
    directory, found = pathlib.Path(directory), []
    if not directory.is_dir():
        raise FileNotFoundError(f"--record_dir: expected the folder of a server, no {directory}.")
    for folder in (one for day in day_folders(directory) for one in day.iterdir()):
        # Not what a writer that was killed left behind, whose name begins with a dot.
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        images = sorted(folder.glob(f"{IMAGE_STEM}.*"))
        if len(images) != 1:
            expected = f"one file {IMAGE_STEM}.*, got {len(images)}"
            raise FileNotFoundError(
                f"{folder}: expected {expected}. Remove it if its photo is lost."
            )
        parts = []
        for file in (folder / name for name in (REQUEST_FILE, ANSWER_FILE, CORRECTION_FILE)):
            is_absent = file.name == CORRECTION_FILE and not file.is_file()
            parts.append(None if is_absent else annotations.read_json(file, "record"))
            if not is_absent and not isinstance(parts[-1], dict):
                raise ValueError(f"{file}: expected a JSON object, got {parts[-1]!s:.40}.")
        found.append(Recording(folder.name, folder, images[0], *parts))
    return sorted(found, key=lambda one: (str(one.request.get(RECORDED_AT, "")), one.request_id))
