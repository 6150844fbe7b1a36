"""Reading JSON files that somebody else wrote: what is wrong is said with the file's name."""

from __future__ import annotations

import json
import math
import os
import pathlib


def read_json(path: str | os.PathLike[str], kind: str) -> object:
    """What a JSON file holds.

    Args:
        path: of the file.
        kind: what it is called in messages, "annotation file".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not JSON in UTF-8.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number. JSON has no NaN; Python reads it all the same."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def are_numbers(values: object, count: int | None = None) -> bool:
    """Whether a JSON value is a list of finite numbers, `count` of them if that is given."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        return False
    return all(is_number(value) for value in values)


def is_size(width: object, height: object) -> bool:
    """Whether two JSON values are a picture's width and height: whole pixels, at least 1."""
    return all(is_number(value) and value >= 1 and value == int(value) for value in (width, height))
