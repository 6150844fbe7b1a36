"""Every shape that the document names, and those of the routes that predict nothing."""

from __future__ import annotations

from serving.openapi import answers, bodies, parts


def components() -> dict[str, parts.Schema]:
    """Every named schema."""
    return {
        "Error": _error(),
        "NotReady": _not_ready(),
        "ExecutionParameters": answers.execution_parameters(
            "0..1 of the picture's width and height"
        ),
        "ExecutionParametersPixels": answers.execution_parameters("pixels of the picture"),
        "TimingMs": answers.timing(),
        "Statistics": answers.statistics(),
        "Samples": answers.samples(),
        "PredictRequest": bodies.predict_request(),
        "PredictForm": bodies.as_form(bodies.predict_request(), "image"),
        "PredictBatchRequest": bodies.predict_batch_request(),
        "PredictBatchForm": bodies.as_form(bodies.predict_batch_request(), "image", "images"),
        "LoadModelRequest": parts.an_object(
            "Another checkpoint.",
            {"checkpoint_path": parts.a_text("Name of a directory inside --checkpoint_root.", 200)},
        ),
        "CorrectionRequest": bodies.correction_request(),
        "PredictAnswer": answers.predict_answer(),
        "PredictBatchAnswer": answers.predict_batch_answer(),
        "PredictImagesAnswer": answers.predict_images_answer(),
        "Health": _health(),
        "Ready": parts.an_object(
            "Predictions are answered.",
            {"ready": {"type": "boolean", "enum": [True]}, "model_version": {"type": "string"}},
        ),
        "Combinations": _combinations(),
        "LoadModelAnswer": _load_model_answer(),
        "CorrectionAnswer": parts.an_object(
            "It is kept.", {"success": parts.always_true(), "message": parts.a_string()}
        ),
    }


def _error() -> parts.Schema:
    return parts.an_object(
        "Why a request was not answered.",
        {
            "error": parts.a_string("What was expected, what came, and the way out."),
            "request_id": parts.a_string(
                "As in the header X-Request-ID; the server's log has it too."
            ),
        },
    )


def _not_ready() -> parts.Schema:
    error = _error()
    return parts.an_object(
        "No checkpoint is loaded.",
        {"ready": {"type": "boolean", "enum": [False]}, **error["properties"]},
    )


def _health() -> parts.Schema:
    return parts.an_object(
        "What there is.",
        {
            "status": {"type": "string", "enum": ["healthy", "no_model"]},
            "model_loaded": {"type": "boolean"},
            "config_loaded": {"type": "boolean"},
            "model_version": parts.or_null(parts.a_string("null without a model.")),
            "engine": parts.or_null(parts.a_string("What runs the network; null without a model.")),
            "recorder": {"type": "boolean", "description": "Whether corrections are kept."},
            "uptime_s": parts.a_number("Since the start.", minimum=0),
        },
    )


def _combinations() -> parts.Schema:
    pair = parts.an_object(
        "What can be asked.", {"action": parts.a_string(), "food_type": parts.a_string()}
    )
    names = {"type": "array", "items": parts.a_string()}
    return parts.an_object(
        "Every pair of action and food that the model has learnt.",
        {
            "combinations": {"type": "array", "items": pair},
            "available_actions": names,
            "available_food_types": names,
            "total_combinations": parts.an_integer("How many pairs.", 0),
        },
    )


def _load_model_answer() -> parts.Schema:
    return parts.an_object(
        "The new version answers from now on.",
        {
            "success": parts.always_true(),
            "message": parts.a_string(),
            "model_version": parts.a_string(),
            "previous_version": parts.or_null(parts.a_string("null if there was none.")),
        },
    )
