"""What /predict and /predict_batch answer. Fields may be added; none is ever renamed."""

from __future__ import annotations

from food_data import framing, image_placement
from serving import request_schemas
from serving import uncertainty as serving_uncertainty
from serving.openapi import parts


def predict_answer() -> parts.Schema:
    """/predict."""
    return parts.an_object(
        "The motion for one picture.",
        {
            "success": parts.always_true(),
            "prediction": parts.reference("ExecutionParameters"),
            "prediction_pixels": parts.reference("ExecutionParametersPixels"),
            **_about(),
            **_identity(),
        },
    )


def predict_batch_answer() -> parts.Schema:
    """/predict_batch with `image`."""
    return parts.an_object(
        "Samples of one picture (`image`).",
        {"success": parts.always_true(), **_sample_fields(), **_about(), **_identity()},
    )


def predict_images_answer() -> parts.Schema:
    """/predict_batch with `images`."""
    return parts.an_object(
        "Samples of several pictures (`images`), in the order in which they were sent.",
        {
            "success": parts.always_true(),
            "results": parts.an_array(parts.reference("Samples"), 1, request_schemas.MAX_IMAGES),
            **_identity(),
        },
    )


def samples() -> parts.Schema:
    """One of the results of /predict_batch with `images`."""
    return parts.an_object("Samples of one picture.", {**_sample_fields(), **_about()})


def _sample_fields() -> parts.Schema:
    pixels = parts.reference("ExecutionParametersPixels")
    return {
        "batch_size": parts.an_integer("S, samples.", 1, request_schemas.MAX_BATCH_SIZE),
        "enable_dropout": {"type": "boolean"},
        "dropout_scope": {"type": "string", "enum": list(request_schemas.DROPOUT_SCOPES)},
        "seed": parts.or_null(
            parts.an_integer(
                "The one that was used; null without dropout.", 0, request_schemas.MAX_SEED
            )
        ),
        "predictions": _rows("0..1 of the picture"),
        "predictions_pixels": _rows("pixels of the picture"),
        "statistics": parts.reference("Statistics"),
        "mean_prediction": parts.reference("ExecutionParameters"),
        "mean_prediction_pixels": pixels,
        "ask_human": parts.or_null(
            {
                "type": "boolean",
                "description": "Whether to ask the human instead of acting; null if the checkpoint "
                "was not calibrated, so that nobody knows.",
            }
        ),
        "uncertainty": parts.or_null(uncertainty()),
    }


def uncertainty() -> parts.Schema:
    """`serving.uncertainty.UncertaintyJudge.fields` as a schema."""
    coordinates = [
        parts.an_array({"type": "number"}, 4, 4, text)
        for text in (
            "Calibrated standard deviations of x1, y1, x2, y2, in 0..1 of the picture.",
            "Lower ends of the box around x1, y1, x2, y2 with the coverage, 0..1 of the picture.",
            "Its upper ends.",
        )
    ]
    return parts.an_object(
        "What a calibration on held-out pictures says of the answer without dropout.",
        {
            "source": {"type": "string", "enum": list(serving_uncertainty.SOURCES)},
            "score_name": parts.a_string("Which number of the source ranks answers."),
            "score": parts.a_number("The higher, the less sure.", minimum=0),
            "threshold": parts.or_null(
                parts.a_number("The human is asked above it; null: never.", minimum=0)
            ),
            "error_limit": parts.a_number(
                "A midpoint further off than this share of the picture is an error.", minimum=0
            ),
            "angle_limit": parts.or_null(
                parts.a_number(
                    "So is the axis of elongated food, in degrees; null: only places were judged.",
                    minimum=0,
                )
            ),
            "chance": parts.or_null(
                parts.a_number(
                    "That the answer is no error; null in calibrations without it.",
                    minimum=0,
                    maximum=1,
                )
            ),
            "two_places": {
                "type": "boolean",
                "description": "Another place is nearly as likely, such as that of an equal piece.",
            },
            "half_angle_degrees": parts.or_null(
                parts.a_number(
                    "The sector of so many degrees to both sides of the answer's axis holds, "
                    "together with the region, the truth with the coverage; null if unknown.",
                    minimum=0,
                    maximum=90,
                )
            ),
            "expected_error_rate": parts.a_number(
                "Share of errors among calibration answers below the threshold.", minimum=0
            ),
            "expected_query_rate": parts.a_number(
                "Share of calibration answers above it.", minimum=0
            ),
            "std": coordinates[0],
            "coverage": parts.a_number("Chance that a region holds the truth.", minimum=0),
            "region": _region("0..1 of the picture"),
            "region_pixels": _region("pixels"),
            "box_low": coordinates[1],
            "box_high": coordinates[2],
        },
    )


def _region(unit: str) -> parts.Schema:
    return parts.an_object(
        f"Ellipse that holds the true midpoint with the coverage, {unit}.",
        {
            "center_x": parts.a_number(),
            "center_y": parts.a_number(),
            "radius_x": parts.a_number(minimum=0),
            "radius_y": parts.a_number(minimum=0),
        },
    )


def _about() -> parts.Schema:
    """The picture and the instruction, as they came and as they were understood."""
    null = "; null if `text` alone was sent."
    return {
        "image_width": parts.an_integer("Pixels, upright as its EXIF orientation says.", 1),
        "image_height": parts.an_integer("Pixels, upright as its EXIF orientation says.", 1),
        "resize": {"type": "string", "enum": list(image_placement.MODES)},
        "passes": {"type": "string", "enum": list(framing.PASSES)},
        "crop": parts.an_array(
            parts.a_number(minimum=0, maximum=1),
            4,
            4,
            "What the last pass looked at, x1, y1, x2, y2 in 0..1 of the picture.",
        ),
        "action": parts.or_null(parts.a_string(f"The name that was understood{null}")),
        "food_type": parts.or_null(parts.a_string(f"The name that was understood{null}")),
        "input_action": parts.or_null(parts.a_string("As it was sent.")),
        "input_food_type": parts.or_null(parts.a_string("As it was sent.")),
        "input_text": parts.or_null(parts.a_string("As it was sent.")),
    }


def _identity() -> parts.Schema:
    return {
        "model_version": parts.a_string("Which checkpoint answered."),
        "request_id": parts.a_string("As in the header X-Request-ID; POST /corrections takes it."),
        "timing_ms": parts.reference("TimingMs"),
    }


def timing() -> parts.Schema:
    """Where the time went."""
    return parts.an_object(
        "Milliseconds.",
        {
            "decode": parts.a_number("From the file to the model's input.", minimum=0),
            "queue": parts.a_number("Waiting for the model.", minimum=0),
            "model": parts.a_number("The model's own time.", minimum=0),
            "total": parts.a_number("From the request's fields to the answer.", minimum=0),
        },
    )


def statistics() -> parts.Schema:
    """`monte_carlo.statistics` as a schema."""
    variances = {
        "total_variance": "summed over the four",
        "centroid_variance": "of the middle, x and y summed",
        "size_variance": "of end minus start, x and y summed",
        "distance_variance": "of the L2 norm of the four",
    }
    return parts.an_object(
        "Mean and spread of the samples in 0..1 of the picture; divided by S, not by S - 1.",
        {
            "mean": _row("0..1 of the picture"),
            "std": _row("0..1 of the picture"),
            **{
                name: parts.a_number(f"Of coordinates in 0..1: {what}.", minimum=0)
                for name, what in variances.items()
            },
            "num_samples": parts.an_integer("S.", 1, request_schemas.MAX_BATCH_SIZE),
        },
    )


def _rows(unit: str) -> parts.Schema:
    return parts.an_array(_row(unit), 1, request_schemas.MAX_BATCH_SIZE, "One row for each sample.")


def _row(unit: str) -> parts.Schema:
    return parts.an_array(parts.a_number(minimum=0), 4, 4, f"x1, y1, x2, y2 in {unit}.")


def execution_parameters(unit: str) -> parts.Schema:
    """A motion; `unit` is said in its description."""
    fields = ("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y")
    return parts.an_object(
        f"A motion in {unit}; origin top left, x to the right, y down. The skewer point is the "
        "middle between start and end.",
        {
            **{name: parts.a_number(minimum=0) for name in fields},
            "direction_degrees": parts.a_number(
                "atan2(end_y - start_y, end_x - start_x): 0 points right, 90 down.",
                minimum=-180,
                maximum=180,
            ),
        },
    )
