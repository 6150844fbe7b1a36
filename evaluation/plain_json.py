"""Results as JSON, and JSON into dataclasses, refusing whatever is not exactly as expected.

Example: {"coverage": 0.9} for a dataclass with `coverage: float` and `adaptive: bool` is refused
with "regions: expected the fields adaptive, coverage; absent: adaptive; unknown: none."
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping

import numpy as np

T = typing.TypeVar("T")


def plain(value: object) -> typing.Any:
    """The value in JSON types: None for NaN and infinity, lists for arrays, no pictures.

    Entries 'image' of dictionaries are left out.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items() if key != "image"}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(value: object) -> str:
    """A JSON file's text; raises ValueError for NaN and TypeError for what JSON has not."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def read(kind: type[T], text: str, name: str) -> T:
    """A dataclass from JSON.

    Args:
        kind: a dataclass whose fields are bool, int, float, str, `tuple[..., ...]` of those, other
            dataclasses, or one of these or None. Fields with a default may be absent.
        text: of the file.
        name: of the file, for errors.

    Raises:
        ValueError: if it is no JSON, or a field is absent, unknown, of another type or refused by
            the dataclass, or a number is not finite; says which.
    """
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{name}: expected JSON, got something else: {error}.") from error
    return _built(kind, values, name)


def _built(kind: typing.Any, value: object, name: str) -> typing.Any:
    arguments = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return None if value is None else _built(arguments[0], value, name)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_built(arguments[0], one, name) for one in value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        fields, hints = dataclasses.fields(kind), typing.get_type_hints(kind)
        needed = {field.name for field in fields if field.default is dataclasses.MISSING}
        absent, unknown = sorted(needed - set(value)), sorted(set(value) - set(hints))
        if absent or unknown:
            raise ValueError(
                f"{name}: expected the fields {', '.join(sorted(hints))}; absent: "
                f"{', '.join(absent) or 'none'}; unknown: {', '.join(unknown) or 'none'}."
            )
        built = {key: _built(hints[key], one, f"{name}: {key}") for key, one in value.items()}
        try:
            return kind(**built)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and is_number and math.isfinite(value):
        return float(value)
    if kind in (bool, int, str) and type(value) is kind:
        return value
    expected = "an object" if dataclasses.is_dataclass(kind) else getattr(kind, "__name__", kind)
    raise ValueError(f"{name}: expected {expected}, finite if a number, got {value!r}.")
