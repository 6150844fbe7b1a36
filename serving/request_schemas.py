"""What the routes accept, checked field by field: a JSON object or a multipart form.

| field          | type         | meaning                                                          |
|----------------|--------------|------------------------------------------------------------------|
| image          | string, file | a JPEG, PNG, BMP, WEBP or TIFF file; in JSON as base64, with or  |
|                |              | without a data-URL prefix such as `data:image/png;base64,`       |
| action         | string       | "skewering", "Scoop", ...                                        |
| food_type      | string       | "strawberry", "green beans", ...                                 |
| text           | string       | optional beside action and food, then echoed as `input_text`;    |
|                |              | alone it is the instruction                                      |
| resize         | string       | optional: stretch, letterbox or crop; as training had it         |
| passes         | string       | optional: one, fast or accurate; as the checkpoint says          |

and on /predict_batch

| batch_size     | number       | samples, 1 to 64 (16)                                            |
| enable_dropout | boolean      | false: the one answer without dropout, batch_size times (true)   |
| dropout_scope  | string       | head or full (head)                                              |
| seed           | number       | 0 to 2^31 - 1; a fresh one unless given                          |
| images         | strings      | 1 to 16 pictures in the place of `image`                         |

Other fields are ignored: existing clients send those of /predict_batch to /predict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from food_data import framing, image_placement
from serving import errors, request_fields

DROPOUT_SCOPES = ("head", "full")
DEFAULT_BATCH_SIZE = 16
MAX_BATCH_SIZE = 64
MAX_IMAGES = 16
MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Instruction:
    """What is to be done, as the client wrote it.

    Attributes:
        action: None if the text alone is the instruction.
        food_type: None if the text alone is the instruction.
        text: None if it was left out.
    """

    action: str | None
    food_type: str | None
    text: str | None


@dataclasses.dataclass(frozen=True)
class PredictRequest:
    """A checked body of `POST /predict`.

    Attributes:
        image: the bytes of the picture's file, not decoded yet.
        instruction: what is asked.
        resize: how the picture is fitted into the model's square; None: as training had it.
        passes: how often it is looked at, see `framing`; None: as the checkpoint says.
    """

    image: bytes
    instruction: Instruction
    resize: str | None
    passes: str | None = None


@dataclasses.dataclass(frozen=True)
class BatchRequest:
    """A checked body of `POST /predict_batch`.

    Attributes:
        images: files of one or more pictures, not decoded yet.
        several: whether the client sent `images`, and expects a list.
        instruction, resize, passes: as in `PredictRequest`.
        batch_size: S, samples of each picture.
        enable_dropout: whether the samples differ.
        dropout_scope: 'head' or 'full'.
        seed: None for a fresh one.
    """

    images: tuple[bytes, ...]
    several: bool
    instruction: Instruction
    resize: str | None
    batch_size: int
    enable_dropout: bool
    dropout_scope: str
    seed: int | None
    passes: str | None = None


def parse_predict(fields: object) -> PredictRequest:
    """Checks the fields of `POST /predict`. Raises RequestError 400."""
    fields = _object(fields)
    return PredictRequest(
        image=_image(fields),
        instruction=_instruction(fields),
        resize=request_fields.choice(fields, "resize", image_placement.MODES),
        passes=request_fields.choice(fields, "passes", framing.PASSES),
    )


def parse_predict_batch(fields: object) -> BatchRequest:
    """Checks the fields of `POST /predict_batch`. Raises RequestError 400."""
    fields = _object(fields)
    several = fields.get("images") is not None
    batch_size = request_fields.integer(fields, "batch_size", (1, MAX_BATCH_SIZE))
    return BatchRequest(
        images=_images(fields) if several else (_image(fields),),
        several=several,
        instruction=_instruction(fields),
        resize=request_fields.choice(fields, "resize", image_placement.MODES),
        batch_size=DEFAULT_BATCH_SIZE if batch_size is None else batch_size,
        enable_dropout=request_fields.boolean(fields, "enable_dropout", default=True),
        dropout_scope=request_fields.choice(fields, "dropout_scope", DROPOUT_SCOPES) or "head",
        seed=request_fields.integer(fields, "seed", (0, MAX_SEED)),
        passes=request_fields.choice(fields, "passes", framing.PASSES),
    )


def parse_load_model(fields: object) -> str:
    """The name of a checkpoint directory from `POST /load_model`. Raises RequestError 400."""
    return request_fields.name(
        _object(fields), "checkpoint_path", "the name of a directory inside --checkpoint_root"
    )


def _object(fields: object) -> Mapping[str, object]:
    if not isinstance(fields, Mapping):
        raise errors.RequestError(
            400,
            "Expected a JSON object with image, action and food_type; got "
            f"{request_fields.kind(fields)}.",
        )
    return fields


def _instruction(fields: Mapping[str, object]) -> Instruction:
    text = request_fields.optional_text(fields, "text")
    if text and text.strip() and fields.get("action") is None and fields.get("food_type") is None:
        return Instruction(None, None, text)
    return Instruction(
        action=request_fields.name(fields, "action", "an action such as 'skewering'"),
        food_type=request_fields.name(fields, "food_type", "a food such as 'strawberry'"),
        text=text,
    )


def _image(fields: Mapping[str, object]) -> bytes:
    return _picture(fields, "image")


def _images(fields: Mapping[str, object]) -> tuple[bytes, ...]:
    values = fields["images"]
    if fields.get("image") is not None:
        raise errors.RequestError(400, "Expected either 'image' or 'images', got both.")
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_IMAGES:
        got = len(values) if isinstance(values, list) else request_fields.kind(values)
        raise errors.RequestError(
            400, f"'images': expected an array of 1 to {MAX_IMAGES} pictures in base64, got {got}."
        )
    # From a dictionary of its own, so that the error names the place in the array.
    named = {f"images[{index}]": value for index, value in enumerate(values)}
    return tuple(_picture(named, field) for field in named)


def _picture(fields: Mapping[str, object], field: str) -> bytes:
    value = fields.get(field)
    # A multipart form brings the file itself.
    if not isinstance(value, bytes):
        text = request_fields.string(fields, field, "a picture's file in base64")
        return request_fields.decode_base64(text, field)
    if not value:
        raise errors.RequestError(400, f"'{field}': expected a picture's file, got 0 bytes.")
    return value
