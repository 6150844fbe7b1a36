"""Servers and policies without a model, and pictures that they answer about."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import pathlib
import threading
import time

import numpy as np
from PIL import Image

import api_client
from food_data import image_placement
from serving import predictor

MOTION = dict.fromkeys(("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y"), 0.25)
ANSWER = {
    "success": True,
    "prediction": {**MOTION, "direction_degrees": 45.0},
    "prediction_pixels": {**MOTION, "direction_degrees": 45.0},
    **{"image_width": 1, "image_height": 1},
    **{"action": "skewering", "food_type": "rice", "model_version": "v"},
}


@contextlib.contextmanager
def scripted_server(*answers):
    """Gives `answers` (status, body[, headers]) in turn; yields its address and what it was sent:
    (route, key, body)."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.path, self.headers.get("X-API-Key"), json.loads(body or "null")))
            status, content, *headers = answers[len(seen) - 1]
            self.send_response(status)
            for name, value in {"Content-Length": len(content), **dict(*headers)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *arguments):
            """Tests print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class StubPolicy(api_client.Policy):
    """A picture's mean colour (R, G, B) is its answer: it goes from (0.2, 0.4) to (R, G) / 255, and
    samples lie around that with a standard deviation of B / 2550.

    It has `asked` (SHA-256 of the picture, options), a `version`, what it will `refuse` (status,
    message) with, a `delay_s` before each answer, and `on_ask`, which each question calls."""

    def __init__(self):
        self.asked, self.version, self.refuse, self.delay_s = [], "stub-1", None, 0.0
        self.on_ask, self._lock = lambda: None, threading.Lock()

    def model_version(self):
        return self.version

    def available_combinations(self):
        return []

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
        name, seed = "mean_prediction" if sampled else "prediction", asked.get("seed")
        content = {
            **{"image_width": picture.shape[1], "image_height": picture.shape[0]},
            **{key: asked.get(key) for key in ("action", "food_type")},
            **{"input_text": asked.get("text"), "trained": asked.get("food_type") != "rice"},
            **{"model_version": self.version, "request_id": f"id-{len(self.asked)}"},
            **{name: predictor.motion(motion.tolist())},
            f"{name}_pixels": predictor.motion((motion * size).tolist()),
        }
        if sampled:
            noise = np.random.default_rng(seed or 0).normal(0, blue / 10, (asked["batch_size"], 4))
            samples = motion + noise
            content |= {"predictions": samples.tolist(), "enable_dropout": True, "seed": seed}
            content["predictions_pixels"] = (samples * size).tolist()
            content["statistics"] = predictor.statistics(samples)
        return content


def solid(path: pathlib.Path, colour=(204, 102, 0), size=(40, 20)) -> pathlib.Path:
    """Writes a picture of one colour; the ending names its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path
