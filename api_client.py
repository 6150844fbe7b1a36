r"""Asks a server for the motion in a photo. This file works alone; it needs requests and NumPy.

    client = FoodAcquisitionClient("http://127.0.0.1:8080")
    answer = client.predict("plate.jpg", action="skewering", food_type="strawberry")
    answer.pixels.start_x, answer.pixels.start_y
    samples = client.predict_batch("plate.jpg", "skewering", "strawberry", batch_size=32, seed=1)
    samples.predictions.shape, samples.statistics.total_variance     # (32, 4), 0.0031

or, from a shell, where --save_picture also draws the motion on the photo:

    python api_client.py --api_url http://127.0.0.1:8080 --image plate.jpg \
        --action skewering --food_type strawberry --save_picture answer.png

A server with keys wants one: `api_key=`, or RT1_API_KEY in the environment. A checkpoint in this
process takes the same calls: `policy.CheckpointPolicy`. Exit code of the program 0: answered;
1: not, with the reason on stderr; 2: wrong flags.
"""

from __future__ import annotations

import abc
import argparse
import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import struct
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np
import requests
import urllib3
from requests import adapters, exceptions

# Or a PIL.Image.Image, whose type is not imported here; `Policy.predict` says more.
Picture = Union[str, "os.PathLike[str]", bytes, np.ndarray, Any]
API_KEY_VARIABLE = "RT1_API_KEY"
_BUSY_STATUSES = (429, 503)
_OPTIONS = ("resize", "passes")
_BATCH_OPTIONS = ("batch_size", "enable_dropout", "dropout_scope", "seed", *_OPTIONS)
# Scheme, name and password, host, port, path.
_URL = re.compile(
    r"(https?://)?(?:[^/@?#\s]*@)?(?:\[[\da-f:.]+\]|[^/:?#\s\\[\]]+)(:\d{1,5})?(?:/[^/?#\s][^?#\s]*)?",
    re.I,
)
_HERE = re.compile(
    r"https?://([^/@]*@)?(([^/:]*\.)?localhost\.?|127\.[\d.]+|0\.0\.0\.0|\[::1?\])([:/]|$)", re.I
)


@dataclasses.dataclass(eq=False)
class ApiError(Exception):
    """The server refused a request, or could not be reached."""

    status: int | None  # of HTTP; None if there was no answer
    message: str  # what the server said, or what happened
    request_id: str | None = None  # finds the request in the server's log
    retry_after_s: float | None = None  # how long the server wants to be left alone, if it said so
    temporary: bool = False  # the same request may succeed later: no connection, 429 or 503

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
    """The motion in 0..1 of the picture's width and height, and what else the server says."""

    pixels: Motion  # in pixels of the upright picture; its direction is the angle seen
    image_width: int  # of the upright picture, pixels
    image_height: int
    action: str  # the names that the server understood
    food_type: str
    model_version: str  # names the checkpoint that answered
    resize: str | None = None  # how the picture was fitted into the model's square
    passes: str | None = None  # and looked at
    crop: Sequence[float] | None = None  # what the last look saw, x1, y1, x2, y2 in 0..1
    request_id: str | None = None  # what `correct` takes
    # The whole answer as it came, with times in `timing_ms`.
    content: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    ask_human: bool | None = None  # ask a person instead of acting; None: the server does not say
    trained: bool | None = None  # whether the model was trained on this action and food
    likeness: float | None = None  # of free text to that instruction, 0..1; None for names


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """How far the samples lie apart, in 0..1 of the picture. Variances are those of the coordinates
    (summed), the midpoint, end minus start, and the length of the vector [x1, y1, x2, y2]."""

    mean: np.ndarray  # float64 [4]
    std: np.ndarray
    total_variance: float
    centroid_variance: float
    size_variance: float
    distance_variance: float
    num_samples: int


@dataclasses.dataclass(frozen=True, eq=False)
class BatchPrediction:
    """Samples of the answer for one picture, drawn with dropout."""

    mean_prediction: Prediction  # their mean, with all that `Prediction` has
    predictions: np.ndarray  # float64 [S, 4], x1, y1, x2, y2 in 0..1 of the picture
    predictions_pixels: np.ndarray  # float64 [S, 4], pixels
    statistics: Statistics  # how far they lie apart
    enable_dropout: bool  # how they were drawn
    dropout_scope: str | None
    seed: int | None  # repeats them; None without dropout
    ask_human: bool | None = None  # as in `Prediction`
    uncertainty: Mapping[str, Any] | None = None  # what that rests on; None without a calibration


class Policy(contextlib.AbstractContextManager):
    """Says where to move for an action on a food. It also has `model_version`,
    `available_combinations` and `close`, as `FoodAcquisitionClient` does."""

    def predict(
        self,
        image: Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        **options: Any,
    ) -> Prediction:
        """Asks for the motion in a photo.

        Args:
            image: path of a picture's file, the file's bytes, a PIL image, or an array in RGB:
                uint8 or float in 0..1, [H, W, 3], [H, W, 4] with alpha, or [H, W] in grey.
            action: such as "skewering".
            food_type: such as "strawberry".
            text: the instruction in words; only echoed, unless it comes without action and food
                and there is a sentence encoder.
            **options: resize ("stretch", "letterbox" or "crop", instead of what the model was
                trained with), passes ("one", "fast" or "accurate", instead of what the checkpoint
                says).

        Raises:
            ApiError: if it is refused, the server cannot be reached or answers something else.
            OSError, ValueError, TypeError: for a picture or an option that is none.
        """
        asked = _asked(options, _OPTIONS, action=action, food_type=food_type, text=text)
        return _read(self._answer(picture_bytes(image), asked, sampled=False), sampled=False)

    def predict_batch(
        self,
        image: Picture,
        action: str | None = None,
        food_type: str | None = None,
        text: str | None = None,
        **options: Any,
    ) -> BatchPrediction:
        """As `predict`, for samples drawn with dropout. Further options: batch_size (1..64 samples,
        16), enable_dropout (True), dropout_scope ("head" or "full"), seed (0..2**31 - 1)."""
        asked = _asked(options, _BATCH_OPTIONS, action=action, food_type=food_type, text=text)
        return _read(self._answer(picture_bytes(image), asked, sampled=True), sampled=True)

    @abc.abstractmethod
    def _answer(self, image: bytes, asked: dict[str, Any], sampled: bool) -> Mapping[str, Any]:
        """The JSON object that a server answers to /predict, or if `sampled` to /predict_batch."""

    def __exit__(self, *exception: object) -> None:
        self.close()


class FoodAcquisitionClient(Policy):
    """Talks to one server over one kept-alive connection, from one thread: a program with several
    makes a client in each, and the server batches what they ask at a time."""

    # Before the first further try, cut by up to a half at random; it doubles each time. A server's
    # Retry-After is waited for in addition; one that wants more than max_wait_s is given up.
    backoff_s, max_wait_s = 0.5, 60.0
    sleep = staticmethod(time.sleep)  # A program that has to end soon sets one that can be woken.

    def __init__(
        self, api_url: str, *, api_key: str | None = None, timeout_s: float = 30.0, retries: int = 3
    ) -> None:
        """Args; ValueError for an address or a key that cannot be one:
        api_url: such as "http://127.0.0.1:8080"; this computer is never asked through a proxy.
        api_key: unless given, that of RT1_API_KEY in the environment.
        timeout_s: longest silence of the server before a request is given up.
        retries: further tries after status 429 or 503 or a failed connection; the rest is final.
        """
        match = _URL.fullmatch(api_url.strip().rstrip("/"))
        if match is None or int((match[2] or ":0")[1:]) > 65535:
            shown = api_url.rpartition("@")[2]
            raise ValueError(f'api_url: expected one like "http://127.0.0.1:8080", got "{shown}".')
        self._api_url = match[0] if match[1] else f"http://{match[0]}"
        self._timeout_s = timeout_s
        self._api_key = (os.environ.get(API_KEY_VARIABLE) or "") if api_key is None else api_key
        self._api_key = self._api_key.strip()
        if not re.fullmatch("[ -~]*", self._api_key):
            raise ValueError("api_key: expected printable ASCII characters, got others.")

        class Retry(urllib3.Retry):
            def increment(retry, *args: Any, **kwargs: Any) -> urllib3.Retry:
                error, response = kwargs.get("error"), kwargs.get("response")
                if isinstance(error, urllib3.exceptions.ReadTimeoutError):
                    raise error
                wanted_s = response is not None and _retry_after_s(response.headers)
                if wanted_s and wanted_s > self.max_wait_s:
                    raise urllib3.exceptions.MaxRetryError(kwargs["_pool"], "")
                return super().increment(*args, **kwargs)

            def sleep(retry, response: Any = None) -> None:
                wait_s = self.backoff_s * 2 ** (len(retry.history) - 1) * random.uniform(0.5, 1.0)
                wanted_s = response is not None and _retry_after_s(response.headers)
                self.sleep(min(wait_s + (wanted_s or 0.0), self.max_wait_s))

        final = {"redirect": False, "raise_on_status": False}
        retry = Retry(retries, allowed_methods=None, status_forcelist=_BUSY_STATUSES, **final)
        self._session = requests.Session()
        self._session.mount(f"{self._api_url}/", adapters.HTTPAdapter(max_retries=retry))
        if self._api_key:
            self._session.headers["X-API-Key"] = self._api_key

    def close(self) -> None:
        """Closes the connection; a later request opens another one."""
        self._session.close()

    def health(self) -> dict[str, Any]:
        """What GET /health says, `model_loaded` for one. Raises ApiError."""
        return self._request("GET", "/health")

    def model_version(self) -> str | None:
        """Names the checkpoint that answers; None if the server has none. Raises ApiError."""
        return self.health().get("model_version")

    def available_combinations(self) -> list[tuple[str, str]]:
        """Every (action, food type) that can be asked about. Raises ApiError."""
        combinations = self._request("GET", "/available_combinations")["combinations"]
        return [(pair["action"], pair["food_type"]) for pair in combinations]

    def _answer(self, image: bytes, asked: dict[str, Any], sampled: bool) -> dict[str, Any]:
        body = {"image": base64.b64encode(image).decode("ascii"), **asked}
        return self._request("POST", "/predict_batch" if sampled else "/predict", body)

    def load_model(self, checkpoint_path: str, *, timeout_s: float = 600.0) -> dict[str, Any]:
        """Has the server load a checkpoint of its --checkpoint_root, in up to a minute; the old one
        answers meanwhile. Returns 'success', 'message', 'model_version', 'previous_version'."""
        return self._request("POST", "/load_model", {"checkpoint_path": checkpoint_path}, timeout_s)

    def correct(
        self, request_id: str, motion: Sequence[float], corrected_by: str | None = None
    ) -> str:
        """Tells the server's recorder what the answer should have been: start_x, start_y, end_x,
        end_y in 0..1, and which person says so. Returns what the server says."""
        ends = zip(("start_x", "start_y", "end_x", "end_y"), map(float, motion), strict=True)
        body = {"request_id": request_id, **dict(ends)}
        body |= {} if corrected_by is None else {"corrected_by": corrected_by}
        return str(self._request("POST", "/corrections", body).get("message"))

    def _request(
        self, method: str, route: str, body: Any = None, timeout_s: float | None = None
    ) -> Any:
        """The JSON of an answer."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        # None takes away what the environment says of proxies, also of one for "all" schemes.
        no_proxies = dict.fromkeys(("http", "https", "all")) if _HERE.match(self._api_url) else None
        try:
            response = self._session.request(
                method,
                self._api_url + route,
                json=body,
                # A connection is there within 10 s or not at all.
                timeout=(min(timeout_s, 10.0), timeout_s),
                # `requests` would take the key along to wherever it is sent.
                allow_redirects=False,
                proxies=no_proxies,
            )
            if response.is_redirect:
                moved = response.headers["Location"]
                found = {"error": f"expected an answer, was sent to {moved}. Use that as api_url?"}
            else:
                content = response.json()
                if response.ok:
                    return content
                found = content if isinstance(content, dict) else {"error": content}
        except requests.JSONDecodeError:
            found = {"error": f"expected JSON, got {response.text[:100]!r}. Is this the server?"}
        except requests.RequestException as error:
            lost = isinstance(error, (requests.ConnectionError, exceptions.ChunkedEncodingError))
            # Messages get into logs and the files of folder runs: no password and no key is there.
            url = re.sub(r"//[^/@]*@", "//", self._api_url)
            where = f"cannot reach {url}" if lost else f"{method} {url}{route}"
            raise ApiError(None, self._without_key(f"{where}: {error}"), temporary=lost) from error
        raise ApiError(
            response.status_code,
            self._without_key(str(found.get("error", found))),
            found.get("request_id"),
            _retry_after_s(response.headers),
            temporary=response.status_code in _BUSY_STATUSES,
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "<api_key>") if self._api_key else text


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds; the header holds them, or a date (RFC 9110, 10.2.3). What is neither is ignored."""
    try:
        return urllib3.Retry().parse_retry_after(headers.get("Retry-After", ""))
    except urllib3.exceptions.InvalidHeader:
        return None


def picture_bytes(image: Picture) -> bytes:
    """The bytes of a picture's file; what is in memory becomes a PNG. See `Policy.predict`."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if hasattr(image, "getexif"):
        from PIL import ImageOps  # Whoever has such an image has Pillow.

        image = ImageOps.exif_transpose(image)
        if image.mode[0] not in "IF":
            transparent = "transparency" in image.info or image.mode.upper().endswith("A")
            image = image.convert("RGBA" if transparent else "RGB")
    elif not hasattr(image, "__array__"):
        return pathlib.Path(image).read_bytes()
    image = np.asarray(image)
    pixels = image[..., np.newaxis] if image.ndim == 2 else image
    if image.dtype.kind == "f" and image.size and image.min() >= 0 and image.max() <= 1:
        pixels = np.rint(255.0 * pixels).astype(np.uint8)
    colour_type = {1: 0, 3: 2, 4: 6}.get(pixels.shape[-1]) if pixels.ndim == 3 else None
    if pixels.dtype != np.uint8 or colour_type is None or pixels.size == 0:
        values = f" from {image.min()} to {image.max()}" if image.size else ""
        raise ValueError(
            "Expected an image uint8 [H, W, 3] or [H, W], with alpha [H, W, 4], or floats in 0..1, "
            f"got {image.dtype} {image.shape}{values}."
        )
    # A PNG, written here because Pillow need not be there. Each row begins with its filter: none.
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", pixels.shape[1], len(pixels), 8, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def _asked(options: Mapping[str, Any], known: Sequence[str], **names: str | None) -> dict[str, Any]:
    """The fields that are given. Raises TypeError for an unknown one, which a server ignores."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(f"Expected options of {tuple(known)}, got {', '.join(unknown)}.")
    return {name: value for name, value in {**names, **options}.items() if value is not None}


def _read(content: Mapping[str, Any], sampled: bool) -> Any:
    """The answer of /predict or, if `sampled`, of /predict_batch. ApiError if a field is absent."""

    def fields_of(kind: type, found: Mapping[str, Any]) -> dict[str, Any]:
        return {field.name: found[field.name] for field in dataclasses.fields(kind)}

    name = "mean_prediction" if sampled else "prediction"
    needed = ("image_width", "image_height", "action", "food_type", "model_version")
    optional = ("resize", "passes", "crop", "request_id", "ask_human", "trained", "likeness")
    try:
        prediction = Prediction(
            **fields_of(Motion, content[name]),
            pixels=Motion(**fields_of(Motion, content[f"{name}_pixels"])),
            **{key: content[key] for key in needed},
            **{key: content.get(key) for key in optional},
            content=content,
        )
        if not sampled:
            return prediction
        statistics = fields_of(Statistics, content["statistics"])
        statistics.update({k: np.array(statistics[k], np.float64) for k in ("mean", "std")})
        return BatchPrediction(
            prediction,
            *(np.array(content[key], np.float64) for key in ("predictions", "predictions_pixels")),
            Statistics(**statistics),
            content["enable_dropout"],
            *(content.get(key) for key in ("dropout_scope", "seed", "ask_human", "uncertainty")),
        )
    except (KeyError, TypeError) as error:
        text = f"expected the field {error} in the answer, got {str(content)[:300]}"
        raise ApiError(200, text) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module for exit codes."""
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
    drawn = "file for the photo with the motion drawn on it; needs the rest of the project"
    add("--save_picture", type=pathlib.Path, help=drawn)
    flags = parser.parse_args(arguments)
    if bool(flags.action) != bool(flags.food_type) or not (flags.action or flags.text):
        parser.error("expected --action and --food_type, or --text, or all three")
    if flags.num_samples is None and (flags.seed is not None or flags.dropout_scope):
        parser.error("--seed and --dropout_scope are for samples: give --num_samples too")
    asked = (flags.action, flags.food_type, flags.text)
    how = {"resize": flags.resize, "passes": flags.passes}
    try:
        if flags.save_picture:
            import folder_outputs  # Here, because asking works without the rest of the project.

            folder_outputs.check_picture_path(flags.save_picture, flags.image)
        image = picture_bytes(flags.image)
        with FoodAcquisitionClient(flags.api_url, api_key=flags.api_key) as client:
            if flags.num_samples is None:
                prediction = client.predict(image, *asked, **how)
                printed = dataclasses.asdict(prediction)
                del printed["content"]
            else:
                how.update(seed=flags.seed, dropout_scope=flags.dropout_scope)
                batch = client.predict_batch(image, *asked, batch_size=flags.num_samples, **how)
                prediction = batch.mean_prediction
                printed = dict(prediction.content)
        print(json.dumps(printed, indent=2))
        if prediction.ask_human or prediction.trained is False:
            why = ": the model was not trained on it" * (prediction.trained is False)
            print(f"Ask a person instead of acting on this answer{why}.", file=sys.stderr)
        if flags.save_picture:
            folder_outputs.save_picture(image, prediction.content, flags.save_picture)
            print(f"drawn: {flags.save_picture}", file=sys.stderr)
    except (ApiError, OSError, ImportError, ValueError) as error:
        print(f"api_client: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
