"""What the routes accept: JSON bodies, checked field by field.

`POST /predict` takes an object with

| field     | type   | meaning                                                            |
|-----------|--------|--------------------------------------------------------------------|
| image     | string | a JPEG, PNG, BMP, WEBP or TIFF file in base64, with or without a   |
|           |        | data-URL prefix such as `data:image/png;base64,`                   |
| action    | string | "skewering", "Scoop", ...                                          |
| food_type | string | "strawberry", "green beans", ...                                   |
| text      | string | optional; echoed as `input_text`                                   |

Other fields are ignored: existing clients send those of `/predict_batch` along.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping

from serving import errors

_MAX_NAME_LENGTH = 200


@dataclasses.dataclass(frozen=True)
class PredictRequest:
    """A checked body of `POST /predict`.

    Attributes:
        image: the bytes of the picture's file, not decoded yet.
        action: as the client wrote it.
        food_type: as the client wrote it.
        text: as the client wrote it; None if it was left out.
    """

    image: bytes
    action: str
    food_type: str
    text: str | None


def parse_predict(body: object) -> PredictRequest:
    """Checks the JSON body of `POST /predict`.

    Raises:
        RequestError: 400 for a missing or malformed field; 422 for `text` without the other two.
    """
    if not isinstance(body, Mapping):
        raise errors.RequestError(
            400, f"Expected a JSON object with image, action and food_type; got {_kind(body)}."
        )
    text = _optional_string(body, "text")
    if text and body.get("action") is None and body.get("food_type") is None:
        raise errors.RequestError(
            422,
            "'text' alone needs a sentence encoder, which this server does not have. Send 'action' "
            "and 'food_type' too; GET /available_combinations lists them.",
        )
    return PredictRequest(
        image=decode_base64(_string(body, "image", "a picture's file in base64")),
        action=_name(body, "action", "an action such as 'skewering'"),
        food_type=_name(body, "food_type", "a food such as 'strawberry'"),
        text=text,
    )


def decode_base64(text: str) -> bytes:
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
                f"'image': expected a data URL 'data:<type>;base64,<data>', got {text[:40]!r}...",
            )
    try:
        data = base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.RequestError(
            400,
            f"'image': expected base64 (A-Z a-z 0-9 + / and = at the end), got {text[:40]!r}... of "
            f"{len(text)} characters: {error}.",
        ) from error
    if not data:
        raise errors.RequestError(400, "'image': expected a picture's file in base64, got 0 bytes.")
    return data


def _string(body: Mapping[str, object], field: str, expected: str) -> str:
    if field not in body:
        raise errors.RequestError(
            400, f"'{field}' is missing: expected {expected}; got the fields {sorted(body)}."
        )
    value = body[field]
    if not isinstance(value, str):
        raise errors.RequestError(400, f"'{field}': expected {expected}, got {_kind(value)}.")
    return value


def _name(body: Mapping[str, object], field: str, expected: str) -> str:
    name = _string(body, field, expected).strip()
    if not 0 < len(name) <= _MAX_NAME_LENGTH:
        raise errors.RequestError(
            400,
            f"'{field}': expected {expected} in 1 to {_MAX_NAME_LENGTH} letters, got {len(name)}.",
        )
    return name


def _optional_string(body: Mapping[str, object], field: str) -> str | None:
    value = body.get(field)
    if value is not None and not isinstance(value, str):
        raise errors.RequestError(
            400, f"'{field}': expected a string or nothing, got {_kind(value)}."
        )
    return value


def _kind(value: object) -> str:
    """The JSON name of a value's type, since the client does not write Python."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {
        str: "a string",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return kinds[type(value)]
