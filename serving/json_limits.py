"""JSON from strangers: its depth and its size are checked before it is parsed.

Python's parser calls itself for each level, so some thousand `[` end in an error of the server, and
`[[],[],...` of 32 MB would become some gigabytes of objects. The depth of `{"a": [[1], "]"]}` is 3:
the bracket inside the string does not count.
"""

from __future__ import annotations

import json

from serving import errors

# Our own requests hold about 30: sixteen pictures, and a dozen fields.
MAX_VALUES = 10_000
_MEANS_NOTHING = bytes(byte for byte in range(256) if byte not in b'"[]{},')


def check_depth(data: bytes, max_depth: int) -> None:
    """Checks a body before `json.loads` gets it; whether it is JSON at all, is not checked.

    Args:
        data: the body.
        max_depth: of arrays and objects inside each other.

    Raises:
        RequestError: 400 if it nests deeper, holds more than `MAX_VALUES` values, or is no UTF-8.
    """
    # UTF-16 and UTF-32, which `json.loads` takes too, hide quotes and brackets from what follows.
    if b"\0" in data:
        raise errors.RequestError(400, "Expected JSON in UTF-8, got a body with zero bytes.")
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = data.translate(None, delete=_MEANS_NOTHING)
    # Each value but the first of an array or object is behind a comma, the first behind a bracket.
    num_values = structure.count(b",") + structure.count(b"[") + structure.count(b"{")
    if num_values > MAX_VALUES or structure.count(b'"') > 4 * MAX_VALUES:
        raise errors.RequestError(
            400,
            f"Expected JSON of at most {MAX_VALUES} values, got about {num_values}. Send fewer "
            "pictures in one request.",
        )
    # Between the quotes, every other piece is outside of a string.
    if _depth(b"".join(structure.split(b'"')[::2])) > max_depth:
        raise errors.RequestError(
            400,
            f"Expected JSON of arrays and objects in at most {max_depth} levels, got more. The "
            "routes take flat objects; GET /openapi.json describes them.",
        )


def _depth(structure: bytes) -> int:
    """The deepest level of brackets, up to where more are closed than were opened.

    What comes after that no parser reads: it is no JSON any more.
    """
    depth = deepest = 0
    for byte in structure.replace(b",", b""):
        depth += 1 if byte in b"[{" else -1
        if depth < 0:
            break
        deepest = max(deepest, depth)
    return deepest


def parse(data: bytes, max_depth: int) -> object:
    """What a JSON body says.

    Args:
        data: the body, in UTF-8.
        max_depth: of arrays and objects inside each other.

    Raises:
        RequestError: 400 for what `check_depth` refuses, for what is no JSON, and for the numbers
            NaN, Infinity and 1e999, which Python's parser would take.
    """
    check_depth(data, max_depth)
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except ValueError as error:  # Bytes that are no UTF-8 are a ValueError too.
        raise errors.RequestError(400, f"Expected a JSON body, got no JSON: {error}.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"expected a finite number, got {name}")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"expected a finite number, got {text[:40]}")
    return number
