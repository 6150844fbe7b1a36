r"""Asks a server for the motion in a photo. Needs only requests and NumPy.

    client = FoodAcquisitionClient("http://127.0.0.1:8080")
    answer = client.predict("plate.jpg", action="skewering", food_type="strawberry")
    answer.pixels.start_x, answer.pixels.start_y

or, from a shell, where --save_picture also draws the motion on the photo (with Pillow):

    python api_client.py --api_url http://127.0.0.1:8080 --image plate.jpg \
        --action skewering --food_type strawberry --save_picture answer.png
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import os
import pathlib
import struct
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np
import requests

Picture = Union[str, "os.PathLike[str]", bytes, np.ndarray]


class ApiError(Exception):
    """The server refused a request, or could not be reached.

    Attributes:
        status: the HTTP status; None if there was no answer.
        message: what the server said, or what happened.
        request_id: finds the request in the server's log; None if there was no answer.
    """

    def __init__(self, status: int | None, message: str, request_id: str | None = None) -> None:
        super().__init__(f"{'no answer' if status is None else status}: {message}")
        self.status = status
        self.message = message
        self.request_id = request_id


@dataclasses.dataclass(frozen=True)
class Motion:
    """Start, end and midpoint ("skewer") of the motion; origin top left, x right, y down.

    `direction_degrees` is atan2(end_y - start_y, end_x - start_x): 0 is to the right, 90 is down.
    """

    start_x: float
    start_y: float
    end_x: float
    end_y: float
    skewer_x: float
    skewer_y: float
    direction_degrees: float


@dataclasses.dataclass(frozen=True)
class Prediction(Motion):
    """The motion in 0..1 of the picture's width and height, and what else the server says.

    Attributes:
        pixels: the motion in pixels of the picture, upright as its EXIF orientation says; its
            direction is the angle seen, also where the picture is not square.
        image_width, image_height: of the picture, pixels.
        action, food_type: the names that the server understood.
        model_version: names the checkpoint that answered.
    """

    pixels: Motion
    image_width: int
    image_height: int
    action: str
    food_type: str
    model_version: str


class FoodAcquisitionClient:
    """Talks to one server over one kept-alive connection. Not for sharing between threads."""

    def __init__(
        self, api_url: str, *, timeout_s: float = 30.0, retries: int = 3, backoff_s: float = 0.5
    ) -> None:
        """Args:
        api_url: such as "http://127.0.0.1:8080".
        timeout_s: longest silence of the server before a request is given up.
        retries: further tries after status 503 or a failed connection; other errors are final.
        backoff_s: wait before the first further try; it doubles each time.
        """
        self._api_url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        self._retries = retries
        self._backoff_s = backoff_s
        self._session = requests.Session()

    def health(self) -> dict[str, Any]:
        """What GET /health says. Raises ApiError."""
        return self._request("GET", "/health")

    def available_combinations(self) -> list[tuple[str, str]]:
        """Every (action, food type) that the server can be asked about. Raises ApiError."""
        combinations = self._request("GET", "/available_combinations")["combinations"]
        return [(pair["action"], pair["food_type"]) for pair in combinations]

    def predict(
        self, image: Picture, action: str, food_type: str, text: str | None = None
    ) -> Prediction:
        """Asks for the motion in a picture.

        Args:
            image: path of a picture's file, the file's bytes, or an array uint8 [H, W, 3], RGB.
            action: such as "skewering".
            food_type: such as "strawberry".
            text: the instruction in words; the server only echoes it.

        Raises:
            ApiError: if the server refuses, cannot be reached or answers something else.
            ValueError: if an array is not uint8 [H, W, 3].
            OSError: if the file cannot be read.
        """
        body = {"image": base64.b64encode(picture_bytes(image)).decode("ascii")}
        body.update(action=action, food_type=food_type)
        if text is not None:
            body["text"] = text
        return parse_prediction(self._request("POST", "/predict", body))

    def _request(self, method: str, route: str, body: Mapping[str, str] | None = None) -> Any:
        for retry in range(self._retries + 1):
            last = retry == self._retries
            try:
                response = self._session.request(
                    method, self._api_url + route, json=body, timeout=self._timeout_s
                )
            except requests.ConnectionError as error:
                if last:
                    raise ApiError(None, f"cannot reach {self._api_url}: {error}") from error
            except requests.RequestException as error:
                raise ApiError(None, f"{method} {self._api_url}{route}: {error}") from error
            else:
                if response.status_code != 503 or last:
                    return _content(response)
            time.sleep(self._backoff_s * 2**retry)
        raise AssertionError("the last try returns or raises")


def picture_bytes(image: Picture) -> bytes:
    """The bytes of a picture's file; an array uint8 [H, W, 3] becomes a PNG, without any loss."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        return _png(image)
    return pathlib.Path(image).read_bytes()


def _png(image: np.ndarray) -> bytes:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"Expected an image uint8 [H, W, 3], got {image.dtype} {image.shape}.")
    height, width = image.shape[:2]
    # Each row begins with its filter's number; 0 is none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def _content(response: requests.Response) -> Any:
    try:
        content = response.json()
    except ValueError as error:
        raise ApiError(
            response.status_code, f"expected JSON, got {response.text[:100]!r}. Is this the server?"
        ) from error
    if response.ok:
        return content
    message, request_id = str(content), None
    if isinstance(content, dict):
        message, request_id = content.get("error", message), content.get("request_id")
    raise ApiError(response.status_code, message, request_id)


def parse_prediction(content: Mapping[str, Any]) -> Prediction:
    """Reads the answer of POST /predict. Raises ApiError if a field is missing."""
    try:
        names = [field.name for field in dataclasses.fields(Motion)]
        rest = ("image_width", "image_height", "action", "food_type", "model_version")
        return Prediction(
            *(content["prediction"][name] for name in names),
            pixels=Motion(*(content["prediction_pixels"][name] for name in names)),
            **{name: content[name] for name in rest},
        )
    except KeyError as error:
        raise ApiError(200, f"expected the field {error} in the answer, got {content}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks about one picture and prints the answer as JSON; the exit code is 1 if that fails."""
    parser = argparse.ArgumentParser(description="Asks a server for the motion in a photo.")
    parser.add_argument("--api_url", default="http://127.0.0.1:8080", help="(%(default)s)")
    parser.add_argument("--image", required=True, help="file of a picture")
    parser.add_argument("--action", required=True, help="such as skewering")
    parser.add_argument("--food_type", required=True, help="such as strawberry")
    parser.add_argument("--text", help="the instruction in words; only echoed")
    parser.add_argument("--save_picture", help="file for the picture with the motion drawn on it")
    flags = parser.parse_args(arguments)
    client = FoodAcquisitionClient(flags.api_url)
    try:
        image = picture_bytes(flags.image)
        prediction = client.predict(image, flags.action, flags.food_type, flags.text)
        print(json.dumps(dataclasses.asdict(prediction), indent=2))
        if flags.save_picture:
            # Imported here because the client works without Pillow otherwise.
            from serving import drawing

            drawing.save_with_motion(image, prediction.pixels, flags.save_picture)
            print(f"drawn: {flags.save_picture}", file=sys.stderr)
    except (ApiError, OSError, ImportError) as error:
        print(f"api_client: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
