r"""Asks a server for the motion in a photo. This file works alone; it needs requests and NumPy.

    client = FoodAcquisitionClient("http://127.0.0.1:8080")
    answer = client.predict("plate.jpg", action="skewering", food_type="strawberry")
    answer.pixels.start_x, answer.pixels.start_y
    samples = client.predict_batch("plate.jpg", "skewering", "strawberry", batch_size=32, seed=1)
    samples.predictions.shape, samples.statistics.total_variance     # (32, 4), 0.0031

or, from a shell, where --save_picture also draws the motion on the photo:

    python api_client.py --api_url http://127.0.0.1:8080 --image plate.jpg \
        --action skewering --food_type strawberry --save_picture answer.png

A server with keys wants one: `api_key=`, or RT1_API_KEY in the environment. `policy.Policy` is the
same interface before a checkpoint in this process.

Exit code of the program 0: answered; 1: not, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import email.utils
import json
import math
import os
import pathlib
import random
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np
import requests
import urllib3

Picture = Union[str, "os.PathLike[str]", bytes, np.ndarray]
API_KEY_VARIABLE = "RT1_API_KEY"
_BUSY_STATUSES = (429, 503)
_BATCH_OPTIONS = ("batch_size", "enable_dropout", "dropout_scope", "seed", "resize", "passes")
# A connection is there within this time or not at all; answers may take longer.
_CONNECT_LIMIT_S = 10.0


@dataclasses.dataclass(eq=False)
class ApiError(Exception):
    """The server refused a request, or could not be reached.

    Attributes:
        status: the HTTP status; None if there was no answer.
        message: what the server said, or what happened.
        request_id: finds the request in the server's log; None if there was no answer.
        retry_after_s: how long the server wants to be left alone, if it said so.
        temporary: whether the same request may succeed later: no connection, 429 or 503.
    """

    status: int | None
    message: str
    request_id: str | None = None
    retry_after_s: float | None = None
    temporary: bool = False

    def __str__(self) -> str:
        return f"{'no answer' if self.status is None else self.status}: {self.message}"


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
        resize: how the picture was fitted into the model's square.
        passes: how often it was looked at: "one", "fast" or "accurate".
        crop: what the last look saw, x1, y1, x2, y2 in 0..1 of the picture.
        request_id: what `correct` takes.
        content: the whole answer as it came, with times in `timing_ms`.
    """

    pixels: Motion
    image_width: int
    image_height: int
    action: str
    food_type: str
    model_version: str
    resize: str | None = None
    passes: str | None = None
    crop: Sequence[float] | None = None
    request_id: str | None = None
    content: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """How far the samples lie apart, in 0..1 of the picture.

    Attributes:
        mean, std: float64 [4], of x1, y1, x2, y2.
        total_variance: summed over the four coordinates.
        centroid_variance, size_variance: summed variance of the midpoint, and of end minus start.
        distance_variance: of the length of the vector [x1, y1, x2, y2].
        num_samples: S.
    """

    mean: np.ndarray
    std: np.ndarray
    total_variance: float
    centroid_variance: float
    size_variance: float
    distance_variance: float
    num_samples: int


@dataclasses.dataclass(frozen=True, eq=False)
class BatchPrediction:
    """Samples of the answer for one picture, drawn with dropout.

    Attributes:
        mean_prediction: their mean, with all that `Prediction` has.
        predictions: float64 [S, 4], x1, y1, x2, y2 in 0..1 of the picture.
        predictions_pixels: float64 [S, 4], pixels.
        statistics: how far they lie apart.
        enable_dropout, dropout_scope, seed: how they were drawn; a seed repeats them, and is None
            without dropout.
        ask_human: whether to ask a person instead of acting; None without a calibration.
        uncertainty: what that rests on, as the server's JSON has it; None likewise.
    """

    mean_prediction: Prediction
    predictions: np.ndarray
    predictions_pixels: np.ndarray
    statistics: Statistics
    enable_dropout: bool
    dropout_scope: str | None
    seed: int | None
    ask_human: bool | None = None
    uncertainty: Mapping[str, Any] | None = None


class FoodAcquisitionClient:
    """Talks to one server over one kept-alive connection.

    A client is for one thread: `requests` promises nothing for sessions that are shared. A program
    with several threads makes one client in each; the server batches what they ask at a time.
    Works as a context manager that closes the connection.
    """

    def __init__(
        self,
        api_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 3,
        backoff_s: float = 0.5,
        max_wait_s: float = 60.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Args:
        api_url: such as "http://127.0.0.1:8080".
        api_key: for servers that want one; unless given, that of RT1_API_KEY in the environment.
        timeout_s: longest silence of the server before a request is given up.
        retries: further tries after status 429 or 503 or a failed connection; the rest is final.
        backoff_s: longest wait before the first further try; it doubles each time, and is cut by a
            random part of up to a half, so that clients which failed together do not come back
            together. A server's Retry-After is waited for in addition.
        max_wait_s: longest wait before a try; a server that wants a longer one is given up.
        sleep: waits so many seconds; one that can be woken ends a program sooner.
        """
        self._api_url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(
            max_retries=_retrying(retries, backoff_s, max_wait_s, sleep)
        )
        self._session.mount(f"{self._api_url}/", adapter)
        # `ready` asks whether predictions would be answered now.
        self._session.mount(f"{self._api_url}/ready", requests.adapters.HTTPAdapter())
        api_key = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
        if api_key:
            self._session.headers["X-API-Key"] = api_key

    def __enter__(self) -> FoodAcquisitionClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; a later request opens another one."""
        self._session.close()

    def health(self) -> dict[str, Any]:
        """What GET /health says. Raises ApiError."""
        return self._request("GET", "/health")

    def ready(self) -> bool:
        """Whether predictions would be answered now. Raises ApiError if nobody can be asked."""
        try:
            return bool(self._request("GET", "/ready")["ready"])
        except ApiError as error:
            if error.status == 503:
                return False
            raise

    def model_version(self) -> str | None:
        """Names the checkpoint that answers; None if the server has none. Raises ApiError."""
        return self.health().get("model_version")

    def available_combinations(self) -> list[tuple[str, str]]:
        """Every (action, food type) that the server can be asked about. Raises ApiError."""
        combinations = self._request("GET", "/available_combinations")["combinations"]
        return [(pair["action"], pair["food_type"]) for pair in combinations]

    def predict(
        self,
        image: Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        *,
        resize: str | None = None,
        passes: str | None = None,
    ) -> Prediction:
        """Asks for the motion in a picture.

        Args:
            image: path of a picture's file, the file's bytes, or an array uint8 [H, W, 3], RGB.
            action: such as "skewering".
            food_type: such as "strawberry".
            text: the instruction in words; only echoed, unless it comes without action and food
                and the server has a sentence encoder.
            resize: "stretch", "letterbox" or "crop", instead of what the model was trained with.
            passes: "one", "fast" or "accurate", instead of what the checkpoint says.

        Raises:
            ApiError: if the server refuses, cannot be reached or answers something else.
            ValueError: if an array is not uint8 [H, W, 3].
            OSError: if the file cannot be read.
        """
        asked = {"action": action, "food_type": food_type, "text": text}
        body = {"image": _base64(image), **asked, "resize": resize, "passes": passes}
        return parse_prediction(self._request("POST", "/predict", body))

    def predict_batch(
        self,
        image: Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        **options: Any,
    ) -> BatchPrediction:
        """Asks for samples of the motion, drawn with dropout, and how far they lie apart.

        Args:
            image, action, food_type, text: as for `predict`.
            **options: batch_size (1..64 samples, 16), enable_dropout (True), dropout_scope ("head"
                or "full"), seed (0..2**31 - 1), resize, passes; the server's defaults count for the
                rest.

        Raises:
            ApiError, ValueError, OSError: as `predict`.
            TypeError: for another option.
        """
        asked = {"action": action, "food_type": food_type, "text": text, **check_options(options)}
        body = {"image": _base64(image), **asked}
        return parse_batch(self._request("POST", "/predict_batch", body))

    def predict_images(
        self,
        images: Sequence[Picture],
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        **options: Any,
    ) -> list[BatchPrediction]:
        """As `predict_batch`, for 1 to 16 pictures in one request; one answer each, in order."""
        asked = {"action": action, "food_type": food_type, "text": text, **check_options(options)}
        body = {"images": [_base64(one) for one in images], **asked}
        content = self._request("POST", "/predict_batch", body)
        results = content.get("results", [])
        if len(results) != len(images):
            raise ApiError(200, f"expected {len(images)} results, got {len(results)}")
        return [parse_batch({**content, **result}) for result in results]

    def load_model(self, checkpoint_path: str, *, timeout_s: float = 600.0) -> dict[str, Any]:
        """Has the server load another checkpoint; the old one answers until the new one is warm.

        Args:
            checkpoint_path: a name inside the server's --checkpoint_root.
            timeout_s: a full-size model takes a minute to load.

        Returns:
            {'success', 'message', 'model_version', 'previous_version'}.

        Raises:
            ApiError: 404 for an unknown name, 409 during another load, 422 if it cannot be loaded.
        """
        return self._request("POST", "/load_model", {"checkpoint_path": checkpoint_path}, timeout_s)

    def correct(
        self, request_id: str, motion: Sequence[float], corrected_by: str | None = None
    ) -> str:
        """Tells the server's recorder what the answer should have been; returns what it says.

        Args:
            request_id: of the answer, `Prediction.request_id`.
            motion: start_x, start_y, end_x, end_y in 0..1 of the picture.
            corrected_by: a person's name, kept with the correction.

        Raises:
            ApiError: 404 for a request that was not recorded, 409 if the recorder is off.
            ValueError: if `motion` is not four numbers.
        """
        if len(motion) != 4:
            raise ValueError(f"Expected start_x, start_y, end_x, end_y; got {motion!r}.")
        body = dict(zip(("start_x", "start_y", "end_x", "end_y"), map(float, motion)))
        body.update(request_id=request_id, corrected_by=corrected_by)
        return str(self._request("POST", "/corrections", body).get("message"))

    def _request(
        self,
        method: str,
        route: str,
        body: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """The JSON of an answer; of the body, the server's defaults count for what is None."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        given = {name: value for name, value in (body or {}).items() if value is not None}
        try:
            response = self._session.request(
                method,
                self._api_url + route,
                json=given or None,
                timeout=(min(timeout_s, _CONNECT_LIMIT_S), timeout_s),
                # `requests` would take the key along to wherever it is sent.
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            message = f"cannot reach {self._api_url}: {error}"
            raise ApiError(None, message, temporary=True) from error
        except requests.RequestException as error:
            raise ApiError(None, f"{method} {self._api_url}{route}: {error}") from error
        status = response.status_code
        if response.is_redirect:
            target = response.headers["Location"]
            message = f"expected an answer, was sent to {target}. Use that as api_url?"
            raise ApiError(status, message)
        try:
            content = response.json()
        except ValueError:
            content = {"error": f"expected JSON, got {response.text[:100]!r}. Is this the server?"}
        else:
            if response.ok:
                return content
        found = content if isinstance(content, dict) else {}
        raise ApiError(
            status,
            found.get("error", str(content)),
            found.get("request_id"),
            _retry_after_s(response.headers),
            temporary=status in _BUSY_STATUSES,
        )


def _retrying(
    retries: int, backoff_s: float, max_wait_s: float, sleep: Callable[[float], object]
) -> urllib3.Retry:
    """What `requests` does after a failure; see `FoodAcquisitionClient.__init__`."""

    class Retry(urllib3.Retry):
        def increment(self, *args: Any, **kwargs: Any) -> urllib3.Retry:
            error, response = kwargs.get("error"), kwargs.get("response")
            if isinstance(error, urllib3.exceptions.ReadTimeoutError):
                raise error
            if response is not None and (_retry_after_s(response.headers) or 0) > max_wait_s:
                raise urllib3.exceptions.MaxRetryError(kwargs["_pool"], "")
            return super().increment(*args, **kwargs)

        def sleep(self, response: Any = None) -> None:
            wait_s = backoff_s * 2 ** (len(self.history) - 1) * random.uniform(0.5, 1.0)
            if response is not None:
                wait_s += _retry_after_s(response.headers) or 0.0
            sleep(min(wait_s, max_wait_s))

    return Retry(
        retries,
        redirect=False,
        allowed_methods=None,
        status_forcelist=_BUSY_STATUSES,
        raise_on_status=False,
    )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds; the header holds them, or a date (RFC 9110, 10.2.3). What is neither is ignored."""
    text = headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        date = email.utils.parsedate_tz(text)
        seconds = email.utils.mktime_tz(date) - time.time() if date else math.nan
    return max(0.0, seconds) if math.isfinite(seconds) else None


def picture_bytes(image: Picture) -> bytes:
    """The bytes of a picture's file; an array uint8 [H, W, 3] becomes a PNG, without any loss."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        return _png(image)
    return pathlib.Path(image).read_bytes()


def check_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of `predict_batch`. Raises TypeError for another one: a server ignores it."""
    unknown = sorted(set(options) - set(_BATCH_OPTIONS))
    if unknown:
        raise TypeError(f"Expected options of {_BATCH_OPTIONS}, got {', '.join(unknown)}.")
    return options


def _base64(image: Picture) -> str:
    return base64.b64encode(picture_bytes(image)).decode("ascii")


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


def parse_prediction(content: Mapping[str, Any], name: str = "prediction") -> Prediction:
    """Reads the answer of POST /predict.

    Args:
        content: the JSON object.
        name: of the field with the motion; the one in pixels is called `<name>_pixels`.

    Raises:
        ApiError: if a field is missing.
    """
    with _expecting_fields(content):
        motion, pixels = (
            [content[key][field.name] for field in dataclasses.fields(Motion)]
            for key in (name, f"{name}_pixels")
        )
        needed = ("image_width", "image_height", "action", "food_type", "model_version")
        more = {key: content.get(key) for key in ("resize", "passes", "crop", "request_id")}
        fields = {key: content[key] for key in needed}
        return Prediction(*motion, pixels=Motion(*pixels), **fields, **more, content=content)


def parse_batch(content: Mapping[str, Any]) -> BatchPrediction:
    """Reads the answer of POST /predict_batch. Raises ApiError if a field is missing."""
    optional = ("dropout_scope", "seed", "ask_human", "uncertainty")
    with _expecting_fields(content):
        names = [field.name for field in dataclasses.fields(Statistics)]
        statistics = {name: content["statistics"][name] for name in names}
        statistics.update({key: np.array(statistics[key], np.float64) for key in ("mean", "std")})
        return BatchPrediction(
            mean_prediction=parse_prediction(content, "mean_prediction"),
            predictions=np.array(content["predictions"], np.float64),
            predictions_pixels=np.array(content["predictions_pixels"], np.float64),
            statistics=Statistics(**statistics),
            enable_dropout=content["enable_dropout"],
            **{key: content.get(key) for key in optional},
        )


@contextlib.contextmanager
def _expecting_fields(content: Any) -> Iterator[None]:
    """Makes an absent field an ApiError."""
    try:
        yield
    except (KeyError, TypeError) as error:
        got = str(content)[:300]
        raise ApiError(200, f"expected the field {error} in the answer, got {got}") from error


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags; ends the program with code 2 if they do not fit together."""
    parser = argparse.ArgumentParser(description="Asks a server for the motion in a photo.")
    add = parser.add_argument
    add("--api_url", default="http://127.0.0.1:8080", help="(%(default)s)")
    add("--api_key", help=f"better in the environment, as {API_KEY_VARIABLE}")
    add("--image", required=True, help="file of a picture")
    add("--action", help="such as skewering")
    add("--food_type", help="such as strawberry")
    add("--text", help="the instruction in words, instead of the two, or to be echoed")
    add("--resize", choices=("stretch", "letterbox", "crop"), help="unless given: as in training")
    passes = ("one", "fast", "accurate")
    add("--passes", choices=passes, help="looks at the photo; unless given: as the checkpoint says")
    add("--accurate", dest="passes", action="store_const", const="accurate", help="as --passes")
    add("--num_samples", type=int, help="draws that many samples with dropout, 1 to 64")
    add("--seed", type=int, help="of the samples")
    add("--dropout_scope", choices=("head", "full"), help="where the samples have dropout")
    add("--save_picture", help="file for the picture with the motion drawn on it")
    flags = parser.parse_args(arguments)
    if (flags.action is None) != (flags.food_type is None) or not (flags.action or flags.text):
        parser.error("expected --action and --food_type, or --text, or all three")
    if flags.num_samples is None and (flags.seed is not None or flags.dropout_scope):
        parser.error("--seed and --dropout_scope are for samples: give --num_samples too")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
    flags = parse_arguments(arguments)
    asked = (flags.action, flags.food_type, flags.text)
    how = {"resize": flags.resize, "passes": flags.passes}
    try:
        image = picture_bytes(flags.image)
        with FoodAcquisitionClient(flags.api_url, api_key=flags.api_key) as client:
            if flags.num_samples is None:
                prediction = client.predict(image, *asked, **how)
                printed = dataclasses.asdict(dataclasses.replace(prediction, content={}))
                del printed["content"]
            else:
                how.update(seed=flags.seed, dropout_scope=flags.dropout_scope)
                batch = client.predict_batch(image, *asked, batch_size=flags.num_samples, **how)
                prediction = batch.mean_prediction
                printed = dict(prediction.content)
        print(json.dumps(printed, indent=2))
        if flags.save_picture:
            # Imported here because asking works without the rest of the project.
            from serving import drawing

            drawing.save_with_motion(image, prediction.pixels, flags.save_picture, prediction.crop)
            print(f"drawn: {flags.save_picture}", file=sys.stderr)
    except (ApiError, OSError, ImportError, ValueError) as error:
        print(f"api_client: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
