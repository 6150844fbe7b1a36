"""A results document as JSON: without pictures, without NaN, the same bytes for the same document.

Example: {"title": "a", "examples": {"best": [{"image": pixels, "radius": nan}]}} becomes
{"title": "a", "examples": {"best": [{"radius": null}]}}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

FORMAT_VERSION = 1
# The order in which a reader wants them; within each, the order of the document has a meaning.
SECTIONS = (
    "format_version",
    "title",
    "created",
    "data",
    "checkpoint",
    "settings",
    "versions",
    "metrics",
    "errors",
    "comparison",
    "uncertainty",
    "curves",
    "calibration",
    "shifts",
    "groups",
    "examples",
    "throughput",
)


def plain(document: Mapping[str, object]) -> dict[str, object]:
    """The document in JSON types, its sections in the order of `SECTIONS`, others after them.

    Raises:
        ValueError: if its version is not ours, it has no title, or a value is not JSON's.
    """
    if document.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"report: expected a document of format_version {FORMAT_VERSION}, got "
            f"{document.get('format_version')!r}. Make it with this version of evaluate.py."
        )
    if not isinstance(document.get("title"), str):
        raise ValueError(f"report: expected a title (str), got {document.get('title')!r}.")
    order = [name for name in SECTIONS if name in document]
    order += [name for name in document if name not in SECTIONS]
    return {str(name): _plain(document[name], name) for name in order}


def as_text(contents: Mapping[str, object]) -> str:
    """What `plain` gives, as the text of a JSON file."""
    return json.dumps(contents, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: object, name: str) -> object:
    if isinstance(value, Mapping):
        kept = {key: part for key, part in value.items() if not _is_picture(key, part)}
        return {str(key): _plain(part, f"{name}.{key}") for key, part in kept.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist(), name)
    if isinstance(value, (list, tuple)):
        return [_plain(part, f"{name}[{number}]") for number, part in enumerate(value)]
    if isinstance(value, np.generic):
        return _plain(value.item(), name)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise ValueError(
        f"report: {name}: expected a value that JSON has, got {type(value).__name__}. Give a "
        "number, text, list, dict or None."
    )


def _is_picture(key: str, value: object) -> bool:
    return key == "image" and isinstance(value, np.ndarray)
