"""Entries of `results` as a run makes them, for tests of what is made of them."""

from __future__ import annotations

NAMES = ("start_x", "start_y", "end_x", "end_y")


def motion(*coordinates):
    x1, y1, x2, y2 = coordinates
    named = dict(zip(NAMES, map(float, coordinates)))
    return {**named, "skewer_x": (x1 + x2) / 2, "skewer_y": (y1 + y2) / 2, "direction_degrees": 0.0}


def record(image="a.jpg", coordinates=(0.2, 0.5, 0.4, 0.5), size=(200, 100), **more):
    """Without samples."""
    width, height = size
    x1, y1, x2, y2 = coordinates
    return {
        "image": image,
        "action": "skewering",
        "food_type": "banana",
        "input_text": None,
        "prediction": motion(*coordinates),
        "prediction_pixels": motion(x1 * width, y1 * height, x2 * width, y2 * height),
        "image_width": width,
        "image_height": height,
        "model_version": "v1",
        "request_id": "id-1",
        "input_action": "skewering",
        "input_food_type": "banana",
        "client_ms": 10.0,
        **more,
    }


def judged(image="a.jpg", variance=0.04, score=0.1, asks=False, **more):
    """With a calibrated server's verdict."""
    verdict = {"ask_human": asks, "uncertainty": {"score": score, "threshold": 0.2}}
    return {**sampled(image, variance, **more), **verdict}


def sampled(image="a.jpg", variance=0.04, **more):
    """Two samples around 0.2, 0.5, 0.4, 0.5."""
    entry = record(image, **more)
    for name in ("prediction", "prediction_pixels"):
        entry[f"mean_{name}"] = entry.pop(name)
    return {
        **entry,
        "seed": 3,
        "predictions": [[0.1, 0.5, 0.3, 0.5], [0.3, 0.5, 0.5, 0.5]],
        "statistics": {
            "mean": [0.2, 0.5, 0.4, 0.5],
            "std": [0.1, 0.0, 0.1, 0.0],
            "total_variance": variance,
            "centroid_variance": 0.01,
            "size_variance": 0.0,
            "distance_variance": 0.002,
            "num_samples": 2,
        },
    }
