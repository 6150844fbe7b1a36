"""What the routes take, answer and refuse: the one declaration behind checks and /openapi.json.

A body is a JSON object or a multipart form, whose files `image` and `images` are pictures. Each
field below says what it expects, as a refusal does: 'batch_size': expected a whole number from 1 to
64; got 65. Unknown fields are ignored: existing clients send those of /predict_batch to /predict.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

import flask
import flask_smorest
import marshmallow
from marshmallow import fields, validate
from webargs import flaskparser
from werkzeug import exceptions

from food_data import framing, image_placement

MAX_PIXELS = 50_000_000
# Our own requests hold about 30 values: sixteen pictures, and a dozen fields.
MAX_JSON_VALUES = 10_000
MAX_JSON_DEPTH = 8
DROPOUT_SCOPES = ("head", "full")
MAX_BATCH_SIZE = 64
MAX_IMAGES = 16
MAX_SEED = 2**31 - 1


class RequestError(Exception):
    """A request that cannot be answered: status (docs/serving.md), what was expected, what came and
    the way out, and when the same request may succeed (None: it will not)."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


# What the routes take.


class PictureFile(fields.String):
    """The bytes of a picture's file: of a form itself, in JSON as base64 with or without a prefix
    such as `data:image/png;base64,`; line breaks are allowed."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bytes:
        if isinstance(value, str):
            header, comma, payload = value.rpartition(",")
            if comma and not (header.startswith("data:") and header.endswith(";base64")):
                raise marshmallow.ValidationError("another prefix")
            try:
                value = base64.b64decode("".join(payload.split()), validate=True)
            except ValueError as error:
                raise marshmallow.ValidationError("no base64") from error
        if not isinstance(value, bytes) or not value:
            raise marshmallow.ValidationError("no file")
        return value


class Name(fields.String):
    """A name without the spaces around it."""

    def _deserialize(self, value: Any, *more: Any, **known: Any) -> str:
        return super()._deserialize(value, *more, **known).strip()


class Whole(fields.Integer):
    """A whole number, or its decimal digits as a form sends them."""

    def _validated(self, value: Any) -> int:
        if not isinstance(value, int) and not re.fullmatch("[0-9]{1,19}", str(value)):
            raise self.make_error("invalid")
        return super()._validated(value)


class Flag(fields.Boolean):
    """true or false, or these words as a form sends them."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        word = value.lower() if isinstance(value, str) else json.dumps(value)
        if isinstance(value, (bool, str)) and word in ("true", "false"):
            return word == "true"
        raise self.make_error("invalid", input=value)


def _take(kind: type, expected: str, check: Any = None, need: bool = False, **more: Any) -> Any:
    """A field of a request; None stands for its absence if it is not needed.

    What is expected is its description in the document, and, up to ` (`, what a refusal says.
    """
    more |= {"required": True} if need else {"allow_none": True, "load_default": None}
    return kind(metadata={"description": expected}, validate=check, **more)


def _name(expected: str, meaning: str = "", need: bool = False) -> fields.Field:
    expected = f"{expected}, in 1 to 200 letters{meaning}"
    return _take(Name, expected, validate.Length(1, 200), need)


def _choice(choices: tuple[str, ...], meaning: str) -> fields.Field:
    expected = f"one of {', '.join(choices)} ({meaning})"
    return _take(fields.String, expected, validate.OneOf(choices))


def _whole(low: int, high: int, meaning: str) -> fields.Field:
    expected = f"a whole number from {low} to {high} ({meaning})"
    return _take(Whole, expected, validate.Range(low, high))


def _share() -> fields.Field:
    expected = "a number from 0 to 1 of the picture's width or height"
    return _take(fields.Float, expected, validate.Range(0, 1), need=True)


_PICTURE = (
    "a picture's file, in JSON as base64 of A-Z a-z 0-9 + / and = at the end "
    f"({', '.join(image_placement.FORMATS)}; a prefix such as data:image/png;base64, may be there)"
)
_IMAGES = f"an array of 1 to {MAX_IMAGES} pictures in the place of image (each {_PICTURE})"


class Request(marshmallow.Schema):
    """What every route that takes a body does with it: `load` raises RequestError 400 about the
    first wrong field, in the order of the declaration."""

    Meta = type("Meta", (), {"unknown": marshmallow.EXCLUDE})

    def handle_error(self, error: marshmallow.ValidationError, data: object, **_: Any) -> None:
        raise RequestError(400, self._refusal(error.normalized_messages(), data)) from error

    def _refusal(self, wrong: Mapping[str, Any], found: object) -> str:
        if not isinstance(found, Mapping):
            names = ", ".join(self.fields)
            return f"Expected a JSON object with {names}; got {_kind(found)}."
        name = next((name for name in self.fields if name in wrong), None)
        if name is None:
            return wrong["_schema"][0]
        expected = self.fields[name].metadata["description"].partition(" (")[0]
        if name not in found:
            names = [str(one)[:40] for one in sorted(found)]
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            return f"'{name}' is missing: expected {expected}; got the fields {names[:10]}{more}."
        value = found[name]
        if isinstance(wrong[name], dict):  # Of an array: index -> messages.
            index = min(wrong[name])
            name, value, expected = f"{name}[{index}]", value[index], _PICTURE.partition(" (")[0]
        return f"'{name}': expected {expected}; got {_kind(value)}."


class PredictRequest(Request):
    """A picture, and an instruction: `action` and `food_type`, or `text`."""

    image = _take(PictureFile, _PICTURE, need=True)
    action = _name("an action such as 'skewering'", " (GET /available_combinations lists them)")
    food_type = _name("a food such as 'strawberry'")
    _alone = "at most 1000 letters (of text alone, the known instruction most alike is asked)"
    text = _take(fields.String, _alone, validate.Length(max=1000))
    resize = _choice(image_placement.MODES, "how the picture is fitted; else as in training")
    passes = _choice(framing.PASSES, "how often to look, closer each time; else as in training")

    @marshmallow.validates_schema(skip_on_field_errors=True)
    def _has_an_instruction(self, data: Mapping[str, Any], **_: Any) -> None:
        alone = data["action"] is None and data["food_type"] is None
        if alone and data["text"] and data["text"].strip():
            return
        for name in ("action", "food_type"):
            if data[name] is None:
                raise marshmallow.ValidationError("missing", name)


class PredictBatchRequest(PredictRequest):
    """Pictures, `image` or `images`, and an instruction as /predict takes it."""

    image = _take(PictureFile, _PICTURE)
    _several = {"cls_or_instance": PictureFile()}
    images = _take(fields.List, _IMAGES, validate.Length(1, MAX_IMAGES), **_several)
    batch_size = _whole(1, MAX_BATCH_SIZE, "samples of each picture, 16 unless given")
    enable_dropout = _take(Flag, "true or false (false: the one answer, batch_size times)")
    dropout_scope = _choice(DROPOUT_SCOPES, "full: everywhere; head, behind the image's features")
    seed = _whole(0, MAX_SEED, "the same one gives the same samples; a fresh one unless given")

    @marshmallow.validates_schema(skip_on_field_errors=True)
    def _has_pictures(self, data: Mapping[str, Any], **_: Any) -> None:
        if data["images"] is None and data["image"] is None:
            raise marshmallow.ValidationError("missing", "image")
        if data["images"] is not None and data["image"] is not None:
            raise marshmallow.ValidationError("Expected either 'image' or 'images', got both.")


def with_defaults(request: Mapping[str, Any]) -> dict[str, Any]:
    """A checked body of /predict_batch with the values of what was left out or null."""
    defaults = {"batch_size": 16, "enable_dropout": True, "dropout_scope": "head"}
    defaults["seed"] = int.from_bytes(os.urandom(4), "little") & MAX_SEED
    return {**request, **{k: v for k, v in defaults.items() if request.get(k) is None}}


class LoadModelRequest(Request):
    """Another checkpoint."""

    checkpoint_path = _name("the name of a directory inside --checkpoint_root", need=True)


class CorrectionRequest(Request):
    """What the answer should have been."""

    request_id = _name("the id of the answer that is corrected", need=True)
    start_x, start_y, end_x, end_y = _share(), _share(), _share(), _share()
    corrected_by = _take(
        fields.String, "at most 1000 letters, or nothing", validate.Length(max=1000)
    )


_upload = flask_smorest.fields.Upload
PredictForm = PredictRequest.from_dict({"image": _upload(required=True)}, name="PredictForm")
PredictBatchForm = PredictBatchRequest.from_dict(
    {"image": _upload(), "images": fields.List(_upload())}, name="PredictBatchForm"
)


# How bodies are read.


class Parser(flaskparser.FlaskParser):
    """Reads and checks bodies for flask-smorest."""

    def load_body(self, request: flask.Request, schema: marshmallow.Schema) -> object:
        """The fields of a JSON body or a form, not checked yet."""
        del schema
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            text = f"Expected a body as it is, got Content-Encoding {encoding[:40]!r}. Send it "
            raise RequestError(415, f"{text}uncompressed; pictures are compressed already.")
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


class Blueprint(flask_smorest.Blueprint):
    """Routes whose arguments come from a JSON body or a form."""

    ARGUMENTS_PARSER = Parser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = {"body": "application/json"}


# Refused before it is parsed: pattern -> why. UTF-16 and UTF-32, which Python's parser takes too,
# would hide quotes and brackets from what counts them.
_REFUSED = {
    re.compile(rb"\A\x1f\x8b"): "Expected JSON in UTF-8, got a gzip'd body; send it uncompressed.",
    re.compile(rb"\A(\xff\xfe|\xfe\xff)"): "Expected JSON in UTF-8, got UTF-16; save it as UTF-8.",
    re.compile(rb"\0"): "Expected JSON in UTF-8, got a body with UTF-16 or UTF-32. Save it as "
    "UTF-8.",
    re.compile(rb'"images?"\s*:\s*\[[\s\[]*-?[0-9]'): "'image': expected a picture's file as "
    "base64, got an array of numbers. Encode the picture as PNG or JPEG first, then as base64; or "
    "send the file itself in a form: curl -F image=@plate.jpg -F action=skewering "
    "-F food_type=strawberry.",
}
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def parse_json(data: bytes) -> object:
    """What a JSON body in UTF-8 says. Raises RequestError 400 for what is no JSON, too deep or too
    long, before it is parsed, since `[[],[],...` of 32 MB would become some gigabytes of objects;
    and for the numbers NaN, Infinity and 1e999, which Python's parser would take."""
    for pattern, reason in _REFUSED.items():
        if pattern.search(data):
            raise RequestError(400, reason)
    structure = _STRING.sub(b"", data)
    # Each value but the first of an array or object is behind a comma, the first behind a bracket.
    num_values = sum(structure.count(one) for one in (b",", b"[", b"{"))
    if num_values > MAX_JSON_VALUES:
        text = f"Expected JSON of at most {MAX_JSON_VALUES} values, got about {num_values}."
        raise RequestError(400, f"{text} Send fewer pictures in one request.")
    steps = (1 if bracket in b"[{" else -1 for bracket in re.findall(rb"[\[\]{}]", structure))
    if max(itertools.accumulate(steps), default=0) > MAX_JSON_DEPTH:
        text = f"Expected JSON of arrays and objects in at most {MAX_JSON_DEPTH} levels, got more."
        text += " The routes take flat objects; GET /openapi.json describes them."
        raise RequestError(400, text)
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except ValueError as error:  # Bytes that are no UTF-8 are a ValueError too.
        raise RequestError(400, f"Expected a JSON body, got no JSON: {error}.") from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {text[:40]}")
    return number


def _kind(value: object) -> str:
    """A value in a few words of JSON, since the client does not write Python."""
    if isinstance(value, str):
        return f"{value[:40]!r}..., {len(value)} letters" if len(value) > 40 else repr(value)
    if isinstance(value, bytes):
        return f"a file of {len(value)} bytes"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    return "an object" if isinstance(value, Mapping) else json.dumps(value)[:40]


# What the routes answer: fields that are always there; docs/serving.md says what they mean.
# Some may be added; none is ever renamed.

_four = functools.partial(fields.List, fields.Float(), validate=validate.Length(equal=4))
_KINDS = {
    **{"flag": fields.Boolean, "count": fields.Integer, "number": fields.Float},
    **{"text": fields.String, "texts": functools.partial(fields.List, fields.String())},
    **{"four": _four, "fours": functools.partial(fields.List, _four())},
}


def _object(
    name: str, *parents: type, nested: Mapping[str, type | list[type]] | None = None, **kinds: str
) -> type[marshmallow.Schema]:
    """A schema with the fields of each kind, and `nested` objects, [one] being an array of them. A
    field whose name ends in ? may be null."""
    made = [(one, _KINDS[kind]) for kind, names in kinds.items() for one in names.split()]
    for one, schema in (nested or {}).items():
        field = functools.partial(fields.Nested, schema)
        if isinstance(schema, list):
            field = functools.partial(fields.List, fields.Nested(*schema))
        made.append((one, field))
    content = {one.strip("?"): kind(required=True, allow_none="?" in one) for one, kind in made}
    return type(name, parents or (marshmallow.Schema,), content)


_Combination = _object("Combination", text="action food_type")
_Timing = _object("Timing", number="decode queue model total")
_Region = _object("Region", number="center_x center_y radius_x radius_y")
_Motion = _object(
    "Motion", number="start_x start_y end_x end_y skewer_x skewer_y direction_degrees"
)
_Statistics = _object(
    "Statistics",
    four="mean std",
    number="total_variance centroid_variance size_variance distance_variance",
    count="num_samples",
)
_Uncertainty = _object(
    "Uncertainty",
    text="source score_name",
    number="score threshold? error_limit angle_limit? chance? half_angle_degrees? coverage "
    "expected_error_rate expected_query_rate",
    flag="two_places",
    four="std box_low box_high",
    nested={"region": _Region, "region_pixels": _Region},
)
_Answer = _object(
    "Answer", flag="success", text="model_version request_id", nested={"timing_ms": _Timing}
)
_About = _object(
    "About",
    count="image_width image_height",
    text="resize passes action? food_type? input_action? input_food_type? input_text?",
    four="crop",
    number="likeness?",
    flag="trained? ask_human?",
    nested={"uncertainty?": _Uncertainty},
)
_Samples = _object(
    "Samples",
    _About,
    count="batch_size seed?",
    flag="enable_dropout",
    text="dropout_scope",
    fours="predictions predictions_pixels",
    nested={
        "statistics": _Statistics,
        **{"mean_prediction": _Motion, "mean_prediction_pixels": _Motion},
    },
)
# Its request_id is that of its record, where records are kept.
_OneOfSeveral = _object("OneOfSeveral", _Samples.from_dict({"request_id": fields.String()}))
Error = _object("Error", text="error request_id")
Ready = _object("Ready", flag="ready", text="model_version")
Health = _object(
    "Health",
    flag="model_loaded config_loaded recorder",
    text="status model_version? engine?",
    number="uptime_s",
)
Combinations = _object(
    "Combinations",
    texts="available_actions available_food_types",
    count="total_combinations",
    nested={"combinations": [_Combination]},
)
_motions = {"prediction": _Motion, "prediction_pixels": _Motion}
PredictAnswer = _object("PredictAnswer", _Answer, _About, nested=_motions)
PredictBatchAnswer = _object("PredictBatchAnswer", _Answer, _Samples)
PredictImagesAnswer = _object("PredictImagesAnswer", _Answer, nested={"results": [_OneOfSeveral]})
Done = _object("Done", flag="success", text="message")
LoadModelAnswer = _object("LoadModelAnswer", Done, text="model_version previous_version?")
