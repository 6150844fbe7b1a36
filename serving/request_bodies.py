"""From a body to checked fields: JSON or a form, read within bounds, and what its sender is told.

`serving/schemas.py` says what each field expects; whatever is wrong with it, the refusal is

    400  'batch_size': expected a whole number from 1 to 64, got 65.
    400  'image' is missing: expected a picture's file ...; got the fields ['action', 'food_type'].
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import flask
import flask_smorest
import marshmallow
from webargs import flaskparser
from werkzeug import exceptions

from serving.schemas import Request, RequestError

# Our own requests hold about 30 values: sixteen pictures, and a dozen fields.
MAX_JSON_VALUES = 10_000
MAX_JSON_DEPTH = 8
_NUMBERS_FOR_A_PICTURE = re.compile(rb'"images?"\s*:\s*\[[\s\[]*-?[0-9]')
_NO_UTF8 = {
    b"\x1f\x8b": "a gzip'd body; send it uncompressed",
    b"\x28\xb5\x2f\xfd": "a body compressed with Zstandard; send it uncompressed",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


class Parser(flaskparser.FlaskParser):
    """Reads and checks bodies for flask-smorest."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_body(self, request: flask.Request, schema: marshmallow.Schema) -> object:
        """The fields of a JSON body or a form, not checked yet."""
        del schema
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            raise RequestError(
                415,
                f"Expected a body as it is, got Content-Encoding {encoding[:40]!r}. Send it "
                "uncompressed; pictures are compressed already.",
            )
        if request.mimetype == "multipart/form-data":
            found: dict[str, object] = dict(request.form.items())
            if "image" in request.files:
                found["image"] = request.files["image"].read()
            if "images" in request.files:
                found["images"] = [file.read() for file in request.files.getlist("images")]
            return found
        if not request.is_json:
            raise exceptions.UnsupportedMediaType()
        return parse_json(request.get_data(cache=False))

    __location_map__ = {**flaskparser.FlaskParser.__location_map__, "body": "load_body"}

    def handle_error(
        self,
        error: marshmallow.ValidationError,
        req: flask.Request,
        schema: marshmallow.Schema,
        **_: Any,
    ) -> None:
        """Raises what the client is told."""
        raise _refusal(error, schema) from error


class Blueprint(flask_smorest.Blueprint):
    """Routes whose arguments come from a JSON body or a form."""

    ARGUMENTS_PARSER = Parser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = {"body": "application/json"}


def load(schema: type[Request], found: object) -> dict[str, Any]:
    """Checks fields that came in another way than over HTTP. Raises RequestError 400."""
    try:
        return schema().load(found)
    except marshmallow.ValidationError as error:
        raise _refusal(error, schema()) from error


def parse_json(data: bytes) -> object:
    """What a JSON body in UTF-8 says.

    Its depth and size are checked before it is parsed: Python's parser calls itself for each level,
    and `[[],[],...` of 32 MB would become some gigabytes of objects.

    Raises RequestError 400 for what is no JSON, too deep or too long, and for the numbers NaN,
    Infinity and 1e999, which Python's parser would take.
    """
    # UTF-16 and UTF-32, which `json.loads` takes too, hide quotes and brackets from what follows.
    for start, kind in _NO_UTF8.items():
        if data.startswith(start):
            raise RequestError(400, f"Expected JSON in UTF-8, got {kind}.")
    if b"\0" in data:
        kind = "UTF-16 or UTF-32" if data.lstrip(b"\0")[:1] in (b"{", b"[") else "zero bytes in it"
        raise RequestError(
            400, f"Expected JSON in UTF-8, got a body with {kind}. Save it as UTF-8."
        )
    if _NUMBERS_FOR_A_PICTURE.search(data):
        raise RequestError(
            400,
            "'image': expected a picture's file as base64, got an array of numbers. Encode the "
            "picture as PNG or JPEG first, then as base64; or send the file itself in a form: "
            "curl -F image=@plate.jpg -F action=skewering -F food_type=strawberry.",
        )
    structure = _STRING.sub(b"", data)
    # Each value but the first of an array or object is behind a comma, the first behind a bracket.
    num_values = sum(structure.count(one) for one in (b",", b"[", b"{"))
    if num_values > MAX_JSON_VALUES:
        raise RequestError(
            400,
            f"Expected JSON of at most {MAX_JSON_VALUES} values, got about {num_values}. Send "
            "fewer pictures in one request.",
        )
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", structure):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            raise RequestError(
                400,
                f"Expected JSON of arrays and objects in at most {MAX_JSON_DEPTH} levels, got "
                "more. The routes take flat objects; GET /openapi.json describes them.",
            )
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except ValueError as error:  # Bytes that are no UTF-8 are a ValueError too.
        raise RequestError(400, f"Expected a JSON body, got no JSON: {error}.") from error


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"expected a finite number, got {text[:40]}")
    return number


def _refusal(error: marshmallow.ValidationError, schema: marshmallow.Schema) -> RequestError:
    """The first wrong field, in the order of the declaration."""
    found, wrong = error.data, error.normalized_messages()
    wrong = wrong.get("body", wrong)  # webargs says where a field was, too.
    if not isinstance(found, Mapping):
        names = ", ".join(schema.fields)
        return RequestError(400, f"Expected a JSON object with {names}; got {_kind(found)}.")
    name = next((name for name in schema.fields if name in wrong), None)
    if name is None:
        return RequestError(400, wrong["_schema"][0])
    expected = schema.fields[name].metadata["description"].partition(" (")[0]
    if name not in found:
        names = [str(one)[:40] for one in sorted(found)]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        text = f"'{name}' is missing: expected {expected}; got the fields {names[:10]}{more}."
        return RequestError(400, text)
    value = found[name]
    if isinstance(wrong[name], dict):  # Of an array: index -> messages.
        index = min(wrong[name])
        name, value = f"{name}[{index}]", value[index]
        expected = schema.fields["images"].inner.metadata["description"].partition(" (")[0]
    return RequestError(400, f"'{name}': expected {expected}; got {_kind(value)}.")


def _kind(value: object) -> str:
    """A value in a few words of JSON, since the client does not write Python."""
    if isinstance(value, str):
        return f"{value[:40]!r}..., {len(value)} letters" if len(value) > 40 else repr(value)
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, Mapping):
        return "an object"
    return json.dumps(value)[:40]
