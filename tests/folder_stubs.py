"""A policy without a model, pictures that it answers about, and data sets."""

from __future__ import annotations

import hashlib
import math
import pathlib
import threading
import time

import numpy as np
from PIL import Image

import api_client
from food_data import image_placement, npz_dataset, splits
from tests import serving_stubs

COMBINATIONS = [("scooping", "rice"), ("skewering", "banana"), ("skewering", "grape")]
# Start and end in pixels of a sample's square; sample i is moved down by 10 i.
START, END = (60, 40), (180, 100)


class StubPolicy(api_client.Policy):
    """A picture's mean colour (R, G, B) is its answer: it goes from (0.2, 0.4) to (R, G) / 255, and
    samples lie around that with a standard deviation of B / 2550.

    Attributes:
        asked: (SHA-256 of the picture, options) of each question.
        version: of the model.
        refuse: (status, message), instead of an answer.
        delay_s: before each answer.
        on_ask: called by each question.
    """

    def __init__(self):
        self.asked, self.version, self.refuse, self.delay_s = [], "stub-1", None, 0.0
        self.on_ask, self._lock = lambda: None, threading.Lock()

    def model_version(self):
        return self.version

    def available_combinations(self):
        return COMBINATIONS

    def close(self):
        """Nothing is open."""

    def _answer(self, image, asked, sampled):
        with self._lock:
            self.asked.append((hashlib.sha256(image).hexdigest(), asked))
            self.on_ask()
        time.sleep(self.delay_s)
        if self.refuse is not None:
            raise api_client.ApiError(*self.refuse)
        try:
            picture = image_placement.decode_image(image)
        except image_placement.ImageDecodeError as error:
            raise api_client.ApiError(422, str(error), "broken") from error
        red, green, blue = picture.mean(axis=(0, 1)) / 255
        motion, size = np.array([0.2, 0.4, red, green]), np.tile(picture.shape[1::-1], 2)
        content = {
            **{"image_width": picture.shape[1], "image_height": picture.shape[0]},
            **{name: asked.get(name) for name in ("action", "food_type")},
            "input_text": asked.get("text"),
            **{"model_version": self.version, "request_id": f"id-{len(self.asked)}"},
        }
        if not sampled:
            pixels = _motion(motion * size)
            return {**content, "prediction": _motion(motion), "prediction_pixels": pixels}
        number, seed = asked["batch_size"], asked.get("seed")
        noise = np.random.default_rng(seed or 0).normal(0, blue / 10, (number, 4))
        samples = motion + noise
        return {
            **content,
            "mean_prediction": _motion(motion),
            "mean_prediction_pixels": _motion(motion * size),
            "predictions": samples.tolist(),
            "predictions_pixels": (samples * size).tolist(),
            "enable_dropout": True,
            "seed": seed,
            "statistics": {
                "mean": samples.mean(axis=0).tolist(),
                "std": samples.std(axis=0).tolist(),
                **dict.fromkeys(("centroid_variance", "size_variance", "distance_variance"), 0.5),
                "total_variance": samples.var(axis=0).sum(),
                "num_samples": number,
            },
        }


def _motion(motion):
    start_x, start_y, end_x, end_y = map(float, motion)
    return {
        **{"start_x": start_x, "start_y": start_y, "end_x": end_x, "end_y": end_y},
        **{"skewer_x": (start_x + end_x) / 2, "skewer_y": (start_y + end_y) / 2},
        "direction_degrees": math.degrees(math.atan2(end_y - start_y, end_x - start_x)),
    }


def solid(path: pathlib.Path, colour=(204, 102, 0), size=(40, 20)) -> pathlib.Path:
    """Writes a picture of one colour; the ending names its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def samples(file: pathlib.Path, num_samples: int = 7) -> pathlib.Path:
    """Writes a data set and its split: samples 0 and 1 train, the others validate."""
    moved = 10 * np.arange(num_samples)[:, np.newaxis] * np.array([0, 1, 0, 1])
    ends = np.array([*START, *END]) + moved
    data = npz_dataset.FoodDataset(
        images=np.stack([serving_stubs.marker_picture(236, 236, one[:2], one[2:]) for one in ends]),
        actions=(ends / 236).astype(np.float32),
        embeddings=np.eye(num_samples, 512, dtype=np.float32),
        action_names=np.array(["skewering"] * num_samples),
        food_types=np.array(["grape", "banana"] * num_samples)[:num_samples],
        sources=np.array([f"photo_{number // 2}.jpg" for number in range(num_samples)]),
        resize="letterbox",
    )
    split = splits.Split(np.arange(2), np.arange(2, num_samples))
    npz_dataset.write_npz(file, data)
    splits.write_split(splits.split_path(file), split)
    return file
