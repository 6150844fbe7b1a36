"""What the routes take, as schemas. Objects are open: a field that nobody knows is ignored."""

from __future__ import annotations

from food_data import framing, image_placement
from serving import request_fields, request_schemas
from serving.openapi import parts

_NEEDED = "`action` and `food_type`, or `text`"
_PAIR_OR_TEXT = [{"required": ["action", "food_type"]}, {"required": ["text"]}]


def predict_request() -> parts.Schema:
    """/predict."""
    properties = {"image": _image(), **_instruction()}
    schema = parts.an_object(
        f"A picture, and an instruction: {_NEEDED}.", properties, tuple(_instruction())
    )
    return {**schema, "anyOf": _PAIR_OR_TEXT}


def predict_batch_request() -> parts.Schema:
    """/predict_batch."""
    properties = {"image": _image(), **_instruction(), **_sampling()}
    one_or_several = [{"required": ["image"]}, {"required": ["images"]}]
    return {
        **parts.an_object(
            f"Pictures, `image` or `images`, and an instruction: {_NEEDED}.",
            properties,
            tuple(properties),
        ),
        # Which pictures, and which instruction: both have to be there.
        "allOf": [{"oneOf": one_or_several}, {"anyOf": _PAIR_OR_TEXT}],
    }


def correction_request() -> parts.Schema:
    """/corrections."""
    place = parts.a_number("Of the picture's width or height, from 0 to 1.", minimum=0, maximum=1)
    properties = {
        "request_id": parts.a_text(
            "Of the answer that is corrected.", request_fields.MAX_NAME_LENGTH
        ),
        **dict.fromkeys(("start_x", "start_y", "end_x", "end_y"), place),
        "corrected_by": parts.or_null(
            {**parts.a_string("Who says so."), "maxLength": request_fields.MAX_TEXT_LENGTH}
        ),
    }
    return parts.an_object("What the answer should have been.", properties, ("corrected_by",))


def as_form(schema: parts.Schema, *files: str) -> parts.Schema:
    """The same fields in a form, where pictures are files and an absent field is left out."""
    properties = {
        name: {key: value for key, value in field.items() if key != "nullable"}
        for name, field in schema["properties"].items()
    }
    for field in properties.values():
        if None in field.get("enum", ()):
            field["enum"] = [value for value in field["enum"] if value is not None]
    file = {
        "type": "string",
        "format": "binary",
        "description": f"A {', '.join(image_placement.FORMATS)} file.",
    }
    for name in files:
        several = properties[name].get("type") == "array"
        properties[name] = {**properties[name], "items": file} if several else file
    return {**schema, "properties": properties}


def _instruction() -> parts.Schema:
    length = request_fields.MAX_NAME_LENGTH
    return {
        "action": parts.a_text(
            "`skewering`, `scooping`, `twirling`, or a variant such as `Scoop`; "
            "GET /available_combinations lists them.",
            length,
        ),
        "food_type": parts.a_text("`strawberry`, or a variant such as `green beans`.", length),
        "text": parts.or_null(
            {
                **parts.a_string(
                    "Echoed beside `action` and `food_type`. Without both, it is the instruction, "
                    "if the server has a sentence encoder; 422 if not."
                ),
                "maxLength": request_fields.MAX_TEXT_LENGTH,
            }
        ),
        "resize": parts.or_null(
            {
                "type": "string",
                # 3.0.3: null has to be among the values, or it is none of them.
                "enum": [*image_placement.MODES, None],
                "description": "How the picture is fitted into the model's square; unless given, "
                "as training had it.",
            }
        ),
        "passes": parts.or_null(
            {
                "type": "string",
                "enum": [*framing.PASSES, None],
                "description": "How the picture is looked at: `one` pass; `fast`, three, closer "
                "each time; `accurate`, three with the eight turns and flips of each, 24 times the "
                "cost of one. Unless given, as the checkpoint says.",
            }
        ),
    }


def _sampling() -> parts.Schema:
    return {
        "batch_size": parts.or_null(
            {
                **parts.an_integer("Samples of each picture.", 1, request_schemas.MAX_BATCH_SIZE),
                "default": request_schemas.DEFAULT_BATCH_SIZE,
            }
        ),
        "enable_dropout": parts.or_null(
            {
                "type": "boolean",
                "default": True,
                "description": "false: the one answer without dropout, `batch_size` times.",
            }
        ),
        "dropout_scope": parts.or_null(
            {
                "type": "string",
                "enum": [*request_schemas.DROPOUT_SCOPES, None],
                "default": request_schemas.DROPOUT_SCOPES[0],
                "description": "head: behind the image features, which are computed once; full: "
                "everywhere, as in training.",
            }
        ),
        "seed": parts.or_null(
            parts.an_integer(
                "The same seed gives the same samples; a fresh one unless given. Without dropout "
                "it is not used.",
                0,
                request_schemas.MAX_SEED,
            )
        ),
        "images": parts.an_array(
            _image(), 1, request_schemas.MAX_IMAGES, "Several pictures in the place of `image`."
        ),
    }


def _image() -> parts.Schema:
    return {
        "type": "string",
        "minLength": 4,
        "description": f"A {', '.join(image_placement.FORMATS)} file in base64, with or without a "
        "prefix such as `data:image/png;base64,`.",
    }
