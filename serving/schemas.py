"""What the routes take, answer and refuse: the one declaration behind checks and /openapi.json.

A body is a JSON object or a multipart form, whose files `image` and `images` are pictures. Each
field below says what it expects; whatever is wrong with it, the refusal is

    400  'batch_size': expected a whole number from 1 to 64, got 65.
    400  'image' is missing: expected a picture's file ...; got the fields ['action', 'food_type'].

Fields that nobody knows are ignored: existing clients send those of /predict_batch to /predict.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
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
DROPOUT_SCOPES = ("head", "full")
MAX_BATCH_SIZE = 64
MAX_IMAGES = 16
MAX_SEED = 2**31 - 1


class RequestError(Exception):
    """A request that cannot be answered: status (`REFUSALS`), what was expected, what came and the
    way out, and when the same request may succeed (None: it will not)."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


# A picture of 16 x 12 pixels, a red disc on grey, so that the example can be sent.
EXAMPLE = {
    "image": "iVBORw0KGgoAAAANSUhEUgAAABAAAAAMCAMAAABcOc2zAAAABlBMVEXIyMjIHjKxaulCAAAAH0lEQVR42mNgI"
    "BswMjKi81FEGBnRRAgLYJiBaQseAAAOPQAmkBCZNgAAAABJRU5ErkJggg==",
    "action": "skewering",
    "food_type": "strawberry",
}
REFUSALS = {
    400: "The form of the request is wrong: a field is missing, of another type or out of range.",
    401: "No API key, or one that this server does not know.",
    403: "Not allowed from there: a web page of another origin; /load_model without an API key "
    "from another computer, or a name that leads out of --checkpoint_root.",
    404: "There is nothing of that name.",
    408: "The body came too slowly.",
    409: "Not now: another checkpoint is being loaded, or corrections are not kept.",
    413: "The body, or the picture in it, is too large.",
    415: "A body of another media type.",
    422: "Understood, but impossible: no picture, an unknown food, a checkpoint that cannot be "
    "loaded.",
    429: "Too many requests of this key or address.",
    503: "No model is loaded, or too many requests wait for it.",
    504: "The model did not answer in time.",
}


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
            except (binascii.Error, ValueError) as error:
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
        values = {True: True, False: False, "true": True, "false": False}
        value = value.lower() if isinstance(value, str) else value
        if not isinstance(value, (bool, str)) or value not in values:
            raise self.make_error("invalid", input=value)
        return values[value]


def _take(
    kind: type, expected: str, check: Any = None, required: bool = False, **options: Any
) -> fields.Field:
    """A field of a request; None stands for its absence unless it is required.

    What is expected is its description in the document, and, up to ` (`, what a refusal says.
    """
    options |= {"required": True} if required else {"allow_none": True, "load_default": None}
    return kind(metadata={"description": expected}, validate=check, **options)


def _name(expected: str, meaning: str = "", required: bool = False) -> fields.Field:
    expected = f"{expected}, in 1 to 200 letters{meaning}"
    return _take(Name, expected, validate.Length(1, 200), required)


def _choice(choices: tuple[str, ...], meaning: str) -> fields.Field:
    expected = f"one of {', '.join(choices)} ({meaning})"
    return _take(fields.String, expected, validate.OneOf(choices))


def _whole(low: int, high: int, meaning: str) -> fields.Field:
    expected = f"a whole number from {low} to {high} ({meaning})"
    return _take(Whole, expected, validate.Range(low, high))


_SHARE = "a number from 0 to 1 of the picture's width or height"
_PICTURE = (
    "a picture's file, in JSON as base64 of A-Z a-z 0-9 + / and = at the end "
    f"({', '.join(image_placement.FORMATS)}; with or without a prefix such as "
    "data:image/png;base64,)"
)


class Request(marshmallow.Schema):
    """What every route that takes a body does with it: `load` raises RequestError 400."""

    class Meta:
        """Fields that nobody knows are left out."""

        unknown = marshmallow.EXCLUDE

    def handle_error(self, error: marshmallow.ValidationError, data: object, **_: Any) -> None:
        """Names the first wrong field, in the order of the declaration."""
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
            name, value = f"{name}[{index}]", value[index]
            expected = self.fields["images"].inner.metadata["description"].partition(" (")[0]
        return f"'{name}': expected {expected}; got {_kind(value)}."


class PredictRequest(Request):
    """A picture, and an instruction: `action` and `food_type`, or `text`."""

    image = _take(PictureFile, _PICTURE, required=True)
    action = _name("an action such as 'skewering'", " (GET /available_combinations lists them)")
    food_type = _name("a food such as 'strawberry'")
    text = _take(
        fields.String,
        "at most 1000 letters (echoed beside action and food_type; without both, the known "
        "instruction that is most alike is asked, if the server has a sentence encoder)",
        validate.Length(max=1000),
    )
    resize = _choice(
        image_placement.MODES, "how the picture is fitted; unless given, as in training"
    )
    passes = _choice(
        framing.PASSES,
        "how often the picture is looked at, closer each time: accurate, three times with the "
        "eight turns and flips of each, costs 24 passes; unless given, as the checkpoint says",
    )

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
    images = _take(
        fields.List,
        f"an array of 1 to {MAX_IMAGES} pictures in the place of image (each {_PICTURE})",
        validate.Length(1, MAX_IMAGES),
        cls_or_instance=PictureFile(metadata={"description": _PICTURE}),
    )
    batch_size = _whole(1, MAX_BATCH_SIZE, "samples of each picture, 16 unless given")
    enable_dropout = _take(
        Flag,
        "true or false (false: the one answer without dropout, batch_size times; true unless "
        "given)",
    )
    dropout_scope = _choice(
        DROPOUT_SCOPES, "head: behind the image features, unless given; full: everywhere"
    )
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

    checkpoint_path = _name("the name of a directory inside --checkpoint_root", required=True)


class CorrectionRequest(Request):
    """What the answer should have been."""

    request_id = _name("the id of the answer that is corrected", required=True)
    start_x, start_y, end_x, end_y = (
        _take(fields.Float, _SHARE, validate.Range(0, 1), required=True) for _ in range(4)
    )
    corrected_by = _take(
        fields.String, "at most 1000 letters, or nothing", validate.Length(0, 1000)
    )


class PredictForm(PredictRequest):
    """The same in a form, where the picture is a file."""

    image = flask_smorest.fields.Upload(required=True)


class PredictBatchForm(PredictBatchRequest):
    """The same in a form, where pictures are files."""

    image = flask_smorest.fields.Upload()
    images = fields.List(flask_smorest.fields.Upload())


# How bodies are read.


class Parser(flaskparser.FlaskParser):
    """Reads and checks bodies for flask-smorest."""

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


class Blueprint(flask_smorest.Blueprint):
    """Routes whose arguments come from a JSON body or a form."""

    ARGUMENTS_PARSER = Parser()
    DEFAULT_LOCATION_CONTENT_TYPE_MAPPING = {"body": "application/json"}


def parse_json(data: bytes) -> object:
    """What a JSON body in UTF-8 says.

    Its depth and size are checked before it is parsed: Python's parser calls itself for each level,
    and `[[],[],...` of 32 MB would become some gigabytes of objects.

    Raises RequestError 400 for what is no JSON, too deep or too long, and for the numbers NaN,
    Infinity and 1e999, which Python's parser would take.
    """
    if (flaw := _flaw(data)) is not None:
        raise RequestError(400, flaw)
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except ValueError as error:  # Bytes that are no UTF-8 are a ValueError too.
        raise RequestError(400, f"Expected a JSON body, got no JSON: {error}.") from error


def _flaw(data: bytes) -> str | None:
    """Why a body is not parsed."""
    # UTF-16 and UTF-32, which `json.loads` takes too, hide quotes and brackets from what follows.
    for start, kind in _NO_UTF8.items():
        if data.startswith(start):
            return f"Expected JSON in UTF-8, got {kind}."
    if b"\0" in data:
        kind = "UTF-16 or UTF-32" if data.lstrip(b"\0")[:1] in (b"{", b"[") else "zero bytes in it"
        return f"Expected JSON in UTF-8, got a body with {kind}. Save it as UTF-8."
    if _NUMBERS_FOR_A_PICTURE.search(data):
        return (
            "'image': expected a picture's file as base64, got an array of numbers. Encode the "
            "picture as PNG or JPEG first, then as base64; or send the file itself in a form: "
            "curl -F image=@plate.jpg -F action=skewering -F food_type=strawberry."
        )
    structure = _STRING.sub(b"", data)
    # Each value but the first of an array or object is behind a comma, the first behind a bracket.
    num_values = sum(structure.count(one) for one in (b",", b"[", b"{"))
    if num_values > MAX_JSON_VALUES:
        return (
            f"Expected JSON of at most {MAX_JSON_VALUES} values, got about {num_values}. Send "
            "fewer pictures in one request."
        )
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", structure):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            return (
                f"Expected JSON of arrays and objects in at most {MAX_JSON_DEPTH} levels, got "
                "more. The routes take flat objects; GET /openapi.json describes them."
            )
    return None


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
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
    if isinstance(value, Mapping):
        return "an object"
    return json.dumps(value)[:40]


# What the routes answer. Fields may be added; none is ever renamed.


def _give(kind: type, meaning: str = "", null: bool = False, **options: Any) -> fields.Field:
    """A field of an answer, which is always there."""
    return kind(required=True, allow_none=null, metadata={"description": meaning}, **options)


_number, _whole_number, _flag, _text, _object, _list = (
    functools.partial(_give, kind)
    for kind in (
        *(fields.Float, fields.Integer, fields.Boolean),
        *(fields.String, fields.Nested, fields.List),
    )
)
_FOUR = {"cls_or_instance": fields.Float(), "validate": validate.Length(equal=4)}
_row = functools.partial(_list, **_FOUR)


class Error(marshmallow.Schema):
    """Why a request was not answered."""

    error = _text("What was expected, what came, and the way out.")
    request_id = _text("As in the header X-Request-ID; the server's log has it too.")


NotReady = Error.from_dict({"ready": _flag()}, name="NotReady")


class Health(marshmallow.Schema):
    """What there is."""

    status = _text(validate=validate.OneOf(("healthy", "no_model")))
    model_loaded, config_loaded = _flag(), _flag()
    model_version = _text("null without a model.", null=True)
    engine = _text("What runs the network; null without a model.", null=True)
    recorder = _flag("Whether corrections are kept.")
    uptime_s = _number("Since the start.")


_schema = marshmallow.Schema.from_dict
Ready = _schema({"ready": _flag(), "model_version": _text()}, name="Ready")
Combination = _schema({"action": _text(), "food_type": _text()}, name="Combination")


class Combinations(marshmallow.Schema):
    """Every pair of action and food that the model has learnt."""

    combinations = _list(cls_or_instance=fields.Nested(Combination))
    available_actions = _list(cls_or_instance=fields.String())
    available_food_types = _list(cls_or_instance=fields.String())
    total_combinations = _whole_number()


class ExecutionParameters(marshmallow.Schema):
    """A motion in 0..1 of the picture's width and height, or in its pixels; origin top left, x to
    the right, y down. The skewer point is the middle between start and end."""

    start_x, start_y, end_x, end_y, skewer_x, skewer_y = (_number() for _ in range(6))
    direction_degrees = _number("atan2(end_y - start_y, end_x - start_x): 0 points right, 90 down.")


class Timing(marshmallow.Schema):
    """Milliseconds."""

    decode = _number("From the file to the model's input.")
    queue = _number("Waiting for the model.")
    model = _number("The model's own time.")
    total = _number("From the request's fields to the answer.")


class Statistics(marshmallow.Schema):
    """Mean and spread of the samples in 0..1 of the picture; divided by S, not by S - 1."""

    mean = _row("x1, y1, x2, y2.")
    std = _row("Of each.")
    total_variance = _number("Summed over the four.")
    centroid_variance = _number("Of the middle, x and y summed.")
    size_variance = _number("Of end minus start, x and y summed.")
    distance_variance = _number("Of the L2 norm of the four.")
    num_samples = _whole_number("S.")


# The ellipse that holds the true midpoint with the coverage.
_ELLIPSE = ("center_x", "center_y", "radius_x", "radius_y")
Region = _schema({name: _number() for name in _ELLIPSE}, name="Region")


class Uncertainty(marshmallow.Schema):
    """What a calibration on held-out pictures says of the answer without dropout."""

    source = _text("token_distribution or mc_dropout.")
    score_name = _text("Which number of the source ranks answers.")
    score = _number("The higher, the less sure.")
    threshold = _number("The human is asked above it; null: never.", null=True)
    error_limit = _number("A midpoint further off, in 0..1 of the picture, is an error.")
    angle_limit = _number(
        "So is the axis of elongated food, in degrees; null: only places were judged.", null=True
    )
    chance = _number("That the answer is no error; null in calibrations without it.", null=True)
    two_places = _flag("Another place is nearly as likely, such as that of an equal piece.")
    half_angle_degrees = _number(
        "The sector of so many degrees to both sides of the answer's axis holds, together with "
        "the region, the truth with the coverage; null if unknown.",
        null=True,
    )
    expected_error_rate = _number("Share of errors among answers below the threshold.")
    expected_query_rate = _number("Share of answers above it.")
    std = _row("Calibrated standard deviations of x1, y1, x2, y2, in 0..1 of the picture.")
    coverage = _number("Chance that a region holds the truth.")
    region = _object("0..1 of the picture.", nested=Region)
    region_pixels = _object("Pixels.", nested=Region)
    box_low = _row("Lower ends of the box around x1, y1, x2, y2 with the coverage, 0..1.")
    box_high = _row("Its upper ends.")


class About(marshmallow.Schema):
    """The picture and the instruction, as they came and as they were understood."""

    image_width, image_height = (
        _whole_number("Pixels, upright as its EXIF orientation says.") for _ in range(2)
    )
    resize = _text(validate=validate.OneOf(image_placement.MODES))
    passes = _text(validate=validate.OneOf(framing.PASSES))
    crop = _row("What the last pass looked at, x1, y1, x2, y2 in 0..1 of the picture.")
    action = _text(
        "The name that was understood; of `text` alone, the nearest known one.", null=True
    )
    food_type = _text("As action.", null=True)
    likeness = _number(
        "Of `text` alone: cosine of its embedding and that of the instruction which was asked in "
        "its place; null for action and food_type.",
        null=True,
    )
    trained = _flag(
        "Whether the model was trained on this action and food; a person is asked about others. "
        "null if the checkpoint does not say.",
        null=True,
    )
    ask_human = _flag(
        "Whether to ask the human instead of acting; null if nobody has calibrated the checkpoint.",
        null=True,
    )
    uncertainty = _object(null=True, nested=Uncertainty)
    input_action, input_food_type, input_text = (
        _text("As it was sent.", null=True) for _ in range(3)
    )


class Samples(About):
    """Samples of one picture."""

    batch_size = _whole_number("S, samples.")
    enable_dropout = _flag()
    dropout_scope = _text(validate=validate.OneOf(DROPOUT_SCOPES))
    seed = _whole_number("The one that was used; null without dropout.", null=True)
    predictions, predictions_pixels = (
        _list(f"x1, y1, x2, y2 of each sample in {unit}.", cls_or_instance=fields.List(**_FOUR))
        for unit in ("0..1 of the picture", "pixels")
    )
    statistics = _object(nested=Statistics)
    mean_prediction, mean_prediction_pixels = (
        _object(nested=ExecutionParameters) for _ in range(2)
    )


class _Answer(marshmallow.Schema):
    success = _flag()
    model_version = _text("Which checkpoint answered.")
    request_id = _text("As in the header X-Request-ID; POST /corrections takes it.")
    timing_ms = _object(nested=Timing)


class PredictAnswer(About, _Answer):
    """The motion for one picture."""

    prediction, prediction_pixels = (_object(nested=ExecutionParameters) for _ in range(2))


class PredictBatchAnswer(Samples, _Answer):
    """Samples of one picture, `image`."""


class OneOfSeveral(Samples):
    """Samples of one of several pictures."""

    request_id = fields.String(metadata={"description": "Of its record, where records are kept."})


class PredictImagesAnswer(_Answer):
    """Samples of several pictures, `images`, in the order in which they were sent."""

    results = _list(cls_or_instance=fields.Nested(OneOfSeveral))


class Done(marshmallow.Schema):
    """It is done."""

    success = _flag()
    message = _text()


class LoadModelAnswer(Done):
    """The new version answers from now on."""

    model_version = _text()
    previous_version = _text("null if there was none.", null=True)
