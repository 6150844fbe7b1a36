"""Photos whose right answer is known: the marker model reads it from two squares."""

from __future__ import annotations

from tests import serving_stubs

WIDTH, HEIGHT = 640, 480
START, END = (160, 240), (400, 120)


def photo(width=WIDTH, height=HEIGHT, start=START, end=END, file_format="PNG") -> bytes:
    """A file; the motion goes from `start` to `end`, in pixels."""
    return serving_stubs.file_bytes(
        serving_stubs.marker_picture(width, height, start, end), file_format
    )
