"""A server that follows the HTTP contract without a model, and counts what it is asked.

A picture's mean colour (R, G, B) is its answer: it goes from (0.2, 0.4) to (R, G) / 255, and
samples lie around that with a standard deviation of B / 2550. So a solid picture of colour
(204, 102, 0) is answered with 0.2, 0.4, 0.8, 0.4, every sample alike.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import pathlib
import threading
import time
from collections.abc import Iterator

import flask
import numpy as np
from PIL import Image

from food_data import image_placement
from tests import serving_stubs

COMBINATIONS = (("scooping", "rice"), ("skewering", "banana"), ("skewering", "grape"))


class ContractServer:
    """The application, and what it was asked.

    Attributes:
        bodies: of all predictions that were asked for, in order.
        version: of the model; None for a server without one.
        refuse: route -> (status, message), instead of an answer.
        busy: so many requests are answered with 503 before anything else.
        delay_s: before each answer.
        url: where `running` serves it.
    """

    def __init__(self, combinations=COMBINATIONS) -> None:
        self.app = flask.Flask("contract")
        self.bodies: list[dict] = []
        self.version = "stub-1"
        self.refuse: dict[str, tuple[int, str]] = {}
        self.busy = 0
        self.delay_s = 0.0
        self.url = ""
        self._combinations = combinations
        self._lock = threading.Lock()
        add = self.app.add_url_rule
        add("/health", view_func=self._health)
        add("/available_combinations", view_func=self._known)
        add("/predict", view_func=self._predict, methods=["POST"])
        add("/predict_batch", view_func=self._predict_batch, methods=["POST"])

    def counts(self) -> dict[str, int]:
        """SHA-256 of a picture's file -> how often it was asked about."""
        counts: dict[str, int] = {}
        for body in list(self.bodies):
            key = hashlib.sha256(base64.b64decode(body["image"])).hexdigest()
            counts[key] = counts.get(key, 0) + 1
        return counts

    def _health(self):
        return {"status": "healthy", "model_loaded": True, "model_version": self.version}

    def _known(self):
        pairs = [{"action": action, "food_type": food} for action, food in self._combinations]
        return {"combinations": pairs}

    def _predict(self):
        return self._answer("prediction", lambda body, motion, picture: {})

    def _predict_batch(self):
        return self._answer("mean_prediction", _samples)

    def _answer(self, name, more):
        body = flask.request.get_json()
        with self._lock:
            self.bodies.append(body)
            self.busy -= 1
            busy = self.busy >= 0
        time.sleep(self.delay_s)
        if busy:
            return {"error": "The queue is full.", "request_id": "busy"}, 503
        if flask.request.path in self.refuse:
            status, message = self.refuse[flask.request.path]
            return {"error": message, "request_id": "refused"}, status
        try:
            picture = image_placement.decode_image(base64.b64decode(body["image"]))
        except image_placement.ImageDecodeError as error:
            return {"error": str(error), "request_id": "broken"}, 422
        height, width = picture.shape[:2]
        red, green = picture[..., :2].mean(axis=(0, 1)) / 255
        motion = np.array([0.2, 0.4, red, green])
        return {
            "success": True,
            name: _motion(motion),
            f"{name}_pixels": _motion(motion * [width, height, width, height]),
            "image_width": width,
            "image_height": height,
            "action": body.get("action"),
            "food_type": body.get("food_type"),
            "resize": "letterbox",
            "input_action": body.get("action"),
            "input_food_type": body.get("food_type"),
            "input_text": body.get("text"),
            "model_version": self.version,
            "request_id": f"id-{len(self.bodies)}",
            "timing_ms": {"decode": 1.0, "queue": 0.5, "model": 2.0, "total": 4.0},
            **more(body, motion, picture),
        }


@contextlib.contextmanager
def running() -> Iterator[ContractServer]:
    """A server that listens at its `url`."""
    contract = ContractServer()
    with serving_stubs.serve(contract.app) as contract.url:
        yield contract


def _samples(body, motion, picture):
    number = body.get("batch_size", 16)
    spread = picture[..., 2].mean() / 2550
    samples = motion + np.random.default_rng(body.get("seed", 0)).normal(0, spread, (number, 4))
    midpoint, size = (samples[:, :2] + samples[:, 2:]) / 2, samples[:, 2:] - samples[:, :2]
    return {
        "batch_size": number,
        "enable_dropout": body.get("enable_dropout", True),
        "dropout_scope": body.get("dropout_scope", "head"),
        "seed": body.get("seed", 0),
        "predictions": samples.tolist(),
        "predictions_pixels": (samples * np.tile(picture.shape[1::-1], 2)).tolist(),
        "statistics": {
            "mean": samples.mean(axis=0).tolist(),
            "std": samples.std(axis=0).tolist(),
            "total_variance": samples.var(axis=0).sum(),
            "centroid_variance": midpoint.var(axis=0).sum(),
            "size_variance": size.var(axis=0).sum(),
            "distance_variance": np.linalg.norm(samples, axis=1).var(),
            "num_samples": number,
        },
    }


def _motion(motion):
    start_x, start_y, end_x, end_y = map(float, motion)
    return {
        "start_x": start_x,
        "start_y": start_y,
        "end_x": end_x,
        "end_y": end_y,
        "skewer_x": (start_x + end_x) / 2,
        "skewer_y": (start_y + end_y) / 2,
        "direction_degrees": math.degrees(math.atan2(end_y - start_y, end_x - start_x)),
    }


def solid(path: pathlib.Path, colour=(204, 102, 0), size=(40, 20)) -> pathlib.Path:
    """Writes a picture of one colour; the ending names its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path
