"""Requests and answers that fit each other; the picture is a real one, so that they can be sent.

It has 16 x 12 pixels: a red disc on grey. The motion goes from (0.25, 0.5) to (0.75, 1.0), which is
from (4, 6) to (12, 12) in pixels, with the middle (8, 9), at atan2(6, 8) = 36.87 degrees.
"""

from __future__ import annotations

from typing import Any

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAMCAMAAABcOc2zAAAABlBMVEXIyMjIHjKxaulCAAAAH0lEQVR42mNgIBswMjKi"
    "81FEGBnRRAgLYJiBaQseAAAOPQAmkBCZNgAAAABJRU5ErkJggg=="
)
REQUEST_ID = "5f0c6f1e9d3b4c7f8a21d4e6b7c80912"
VERSION = "ckpt-1200"

Example = dict[str, Any]

PREDICT_REQUEST: Example = {
    "image": PICTURE,
    "action": "skewering",
    "food_type": "strawberry",
}
PREDICT_BATCH_REQUEST: Example = {
    **PREDICT_REQUEST,
    "batch_size": 2,
    "dropout_scope": "head",
    "seed": 7,
}
PREDICT_IMAGES_REQUEST: Example = {
    "images": [PICTURE, PICTURE],
    "action": "skewering",
    "food_type": "strawberry",
    "batch_size": 2,
    "seed": 7,
}
LOAD_MODEL_REQUEST: Example = {"checkpoint_path": "monday"}
CORRECTION_REQUEST: Example = {
    "request_id": REQUEST_ID,
    "start_x": 0.3,
    "start_y": 0.5,
    "end_x": 0.7,
    "end_y": 0.9,
    "corrected_by": "Kim",
}

_ABOUT: Example = {
    "image_width": 16,
    "image_height": 12,
    "resize": "letterbox",
    "passes": "one",
    "crop": [0.0, 0.0, 1.0, 1.0],
    "action": "skewering",
    "food_type": "strawberry",
    "input_action": "skewering",
    "input_food_type": "strawberry",
    "input_text": None,
}
_IDENTITY: Example = {
    "model_version": VERSION,
    "request_id": REQUEST_ID,
    "timing_ms": {"decode": 1.5, "queue": 0.5, "model": 40.0, "total": 42.5},
}


def _motion(
    start: tuple[float, float],
    end: tuple[float, float],
    middle: tuple[float, float],
    degrees: float,
) -> Example:
    names = ("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y")
    return {**dict(zip(names, (*start, *end, *middle))), "direction_degrees": degrees}


PREDICT_ANSWER: Example = {
    "success": True,
    "prediction": _motion((0.25, 0.5), (0.75, 1.0), (0.5, 0.75), 45.0),
    "prediction_pixels": _motion((4.0, 6.0), (12.0, 12.0), (8.0, 9.0), 36.87),
    **_ABOUT,
    **_IDENTITY,
}
# Two samples, as far left as right of the motion above: every variance is that of x alone.
_SAMPLES: Example = {
    "batch_size": 2,
    "enable_dropout": True,
    "dropout_scope": "head",
    "seed": 7,
    "predictions": [[0.125, 0.5, 0.625, 1.0], [0.375, 0.5, 0.875, 1.0]],
    "predictions_pixels": [[2.0, 6.0, 10.0, 12.0], [6.0, 6.0, 14.0, 12.0]],
    "statistics": {
        "mean": [0.25, 0.5, 0.75, 1.0],
        "std": [0.125, 0.0, 0.125, 0.0],
        "total_variance": 0.03125,
        "centroid_variance": 0.015625,
        "size_variance": 0.0,
        "distance_variance": 0.008232,
        "num_samples": 2,
    },
    "mean_prediction": PREDICT_ANSWER["prediction"],
    "mean_prediction_pixels": PREDICT_ANSWER["prediction_pixels"],
    "ask_human": False,
    "uncertainty": {
        "source": "token_distribution",
        "score_name": "doubt",
        "score": 0.08,
        "threshold": 0.13,
        "error_limit": 0.05,
        "angle_limit": 20.0,
        "chance": 0.92,
        "two_places": False,
        "half_angle_degrees": 17.5,
        "expected_error_rate": 0.02,
        "expected_query_rate": 0.2,
        "std": [0.02, 0.02, 0.03, 0.02],
        "coverage": 0.9,
        "region": {"center_x": 0.5, "center_y": 0.75, "radius_x": 0.04, "radius_y": 0.04},
        "region_pixels": {"center_x": 8.0, "center_y": 9.0, "radius_x": 0.64, "radius_y": 0.48},
        "box_low": [0.21, 0.46, 0.71, 0.96],
        "box_high": [0.29, 0.54, 0.79, 1.0],
    },
}
PREDICT_BATCH_ANSWER: Example = {"success": True, **_SAMPLES, **_ABOUT, **_IDENTITY}
PREDICT_IMAGES_ANSWER: Example = {
    "success": True,
    "results": [{**_SAMPLES, **_ABOUT}] * 2,
    **_IDENTITY,
}
HEALTH: Example = {
    "status": "healthy",
    "model_loaded": True,
    "config_loaded": True,
    "model_version": VERSION,
    "engine": "onnxruntime",
    "recorder": False,
    "uptime_s": 86.4,
}
READY: Example = {"ready": True, "model_version": VERSION}
COMBINATIONS: Example = {
    "combinations": [
        {"action": "skewering", "food_type": "strawberry"},
        {"action": "twirling", "food_type": "spaghetti"},
    ],
    "available_actions": ["skewering", "twirling"],
    "available_food_types": ["spaghetti", "strawberry"],
    "total_combinations": 2,
}
LOAD_MODEL_ANSWER: Example = {
    "success": True,
    "message": f"{VERSION} answers from now on.",
    "model_version": VERSION,
    "previous_version": "ckpt-800",
}
CORRECTION_ANSWER: Example = {
    "success": True,
    "message": f"The correction of {REQUEST_ID} is kept.",
}
