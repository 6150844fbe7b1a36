"""JSON into dataclasses of plain values, refusing whatever is not exactly as expected.

Example: {"coverage": 0.9} for a dataclass with `coverage: float` and `adaptive: bool` is refused
with "regions: expected the fields adaptive, coverage; absent: adaptive".
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TypeVar

T = TypeVar("T")


def parse(text: str, name: str) -> object:
    """What JSON text says.

    Args:
        text: JSON.
        name: of the file, for errors.

    Returns:
        Dictionaries, lists and plain values.

    Raises:
        ValueError: if it is no JSON, has NaN or infinity, or an object has a key twice.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{name}: expected finite numbers, got {constant}.")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"{name}: expected each field once, got {twice[0]!r} twice.")
        return dict(pairs)

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}: expected JSON, got something else: {error}.") from error


def to_dataclass(kind: type[T], values: object, name: str, **ready: object) -> T:
    """Builds a dataclass whose fields are annotated as in `_KINDS`.

    Args:
        kind: the dataclass.
        values: what JSON said.
        name: of the values, for errors.
        **ready: fields that are no plain values, already built.

    Returns:
        The dataclass.

    Raises:
        ValueError: if a field without a default is absent, or one is unknown or of another type, a
            number is not finite, or the dataclass refuses a value.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{name}: expected an object, got {type(values).__name__}.")
    kinds = {field.name: field.type for field in dataclasses.fields(kind)}
    optional = {
        field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING
    }
    absent = sorted(set(kinds) - optional - set(values))
    unknown = sorted(set(values) - set(kinds))
    if absent or unknown:
        raise ValueError(
            f"{name}: expected the fields {', '.join(sorted(kinds))}; absent: "
            f"{', '.join(absent) or 'none'}; unknown: {', '.join(unknown) or 'none'}."
        )
    fields = {
        field: ready[field] if field in ready else _value(values[field], kinds[field], name, field)
        for field in kinds
        if field in values
    }
    try:
        return kind(**fields)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _value(value: object, kind: str, name: str, field: str) -> object:
    if not _fits(value, kind):
        raise ValueError(f"{name}: {field}: expected {_KINDS[kind]}, got {value!r}.")
    if kind.startswith("tuple"):
        return tuple(float(one) if kind == "tuple[float, ...]" else one for one in value)
    return float(value) if kind.startswith("float") and value is not None else value


def _fits(value: object, kind: str) -> bool:
    if kind.endswith(" | None"):
        return value is None or _fits(value, kind[: -len(" | None")])
    if kind.startswith("tuple["):
        inner = kind[len("tuple[") : -len(", ...]")]
        return isinstance(value, list) and all(_fits(one, inner) for one in value)
    if kind == "float":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"str": str, "bool": bool}[kind])


# How a field may be annotated (a string, because of `from __future__ import annotations`).
_KINDS = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a finite number",
    "float | None": "a finite number or null",
    "str": "a string",
    "str | None": "a string or null",
    "tuple[float, ...]": "a list of finite numbers",
    "tuple[str, ...]": "a list of strings",
}
