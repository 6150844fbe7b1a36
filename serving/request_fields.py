"""One field of a request at a time: its type and range, or a 400 that says what was expected."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

from serving import errors

MAX_NAME_LENGTH = 200
MAX_TEXT_LENGTH = 1000


def name(fields: Mapping[str, object], field: str, expected: str) -> str:
    """A string of 1 to 200 letters, without spaces around it.

    Args:
        fields: of the request.
        field: which one.
        expected: what belongs there, for the error.

    Raises:
        RequestError: 400 if it is missing, no string, empty or too long.
    """
    text = string(fields, field, expected).strip()
    if not 0 < len(text) <= MAX_NAME_LENGTH:
        raise errors.RequestError(
            400,
            f"'{field}': expected {expected} in 1 to {MAX_NAME_LENGTH} letters, got {len(text)}.",
        )
    return text


def string(fields: Mapping[str, object], field: str, expected: str) -> str:
    """A string that has to be there. Raises RequestError 400."""
    if field not in fields:
        raise errors.RequestError(
            400, f"'{field}' is missing: expected {expected}; got the fields {sorted(fields)}."
        )
    value = fields[field]
    if not isinstance(value, str):
        raise errors.RequestError(400, f"'{field}': expected {expected}, got {kind(value)}.")
    return value


def optional_text(fields: Mapping[str, object], field: str) -> str | None:
    """A string of at most 1,000 letters, or None. Raises RequestError 400."""
    value = fields.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        got = kind(value) if not isinstance(value, str) else f"{len(value)} letters"
        raise errors.RequestError(
            400, f"'{field}': expected at most {MAX_TEXT_LENGTH} letters or nothing, got {got}."
        )
    return value


def choice(fields: Mapping[str, object], field: str, choices: Sequence[str]) -> str | None:
    """One of some words; None if the field is absent or null. Raises RequestError 400."""
    value = fields.get(field)
    if value is not None and value not in choices:
        got = repr(value[:40]) if isinstance(value, str) else kind(value)
        raise errors.RequestError(
            400, f"'{field}': expected one of {', '.join(choices)}; got {got}."
        )
    return value


def integer(fields: Mapping[str, object], field: str, limits: tuple[int, int]) -> int | None:
    """A whole number within limits, or its decimal digits as a form sends them; None if absent.

    Args:
        fields: of the request.
        field: which one.
        limits: the smallest and the largest allowed.

    Raises:
        RequestError: 400 for anything else.
    """
    value = fields.get(field)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        got = value if isinstance(value, (int, float)) else kind(value)
        raise errors.RequestError(
            400, f"'{field}': expected a whole number from {low} to {high}, got {str(got)[:40]}."
        )
    return value


def coordinate(fields: Mapping[str, object], field: str) -> float:
    """A number in 0..1 that has to be there, also as text of a form. Raises RequestError 400."""
    value = fields.get(field)
    if isinstance(value, str) and len(value) < 40:
        try:
            value = float(value)
        except ValueError as error:
            raise errors.RequestError(
                400, f"'{field}': expected a number from 0 to 1, got {value!r}."
            ) from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        got = value if type(value) in (int, float) else kind(value)
        raise errors.RequestError(
            400, f"'{field}': expected a number from 0 to 1, got {str(got)[:40]}."
        )
    return float(value)


def boolean(fields: Mapping[str, object], field: str, default: bool) -> bool:
    """true or false, or these words as a form sends them. Raises RequestError 400."""
    value = fields.get(field)
    if value is None:
        return default
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise errors.RequestError(400, f"'{field}': expected true or false, got {kind(value)}.")
    return value


def decode_base64(text: str, field: str = "image") -> bytes:
    """Decodes base64 with or without a data-URL prefix; line breaks are allowed.

    Raises:
        RequestError: 400 if it is not base64 or empty.
    """
    payload = text
    if text.startswith("data:"):
        header, comma, payload = text.partition(",")
        if not comma or not header.endswith(";base64"):
            raise errors.RequestError(
                400,
                f"'{field}': expected a data URL 'data:<type>;base64,<data>', got {text[:40]!r}...",
            )
    try:
        data = base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.RequestError(
            400,
            f"'{field}': expected base64 (A-Z a-z 0-9 + / and = at the end), got {text[:40]!r}... "
            f"of {len(text)} characters: {error}.",
        ) from error
    if not data:
        raise errors.RequestError(
            400, f"'{field}': expected a picture's file in base64, got 0 bytes."
        )
    return data


def kind(value: object) -> str:
    """The JSON name of a value's type, since the client does not write Python."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {
        str: "a string",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
        bytes: "a file",
    }
    return kinds[type(value)]
