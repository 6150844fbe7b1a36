"""Every route and every refusal of the server, as existing clients know them.

`frozen_answers.json` holds status, headers and JSON for each request of the table, with the stub
model of `tests/serving_stubs.py`. Only an intended change of the HTTP interface changes it:

    python -m tests.serving.test_frozen_answers
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import pathlib
import re
import struct
import sys
import tempfile
import zlib

import numpy as np
import pytest

from serving import app
from serving.front import ServerSettings
from tests import serving_stubs, uncertainty_stubs

FILE = pathlib.Path(__file__).with_name("frozen_answers.json")
HEADERS = (
    *("Retry-After", "WWW-Authenticate", "Allow", "Content-Type", "X-Request-ID", "Vary"),
    *("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Cache-Control"),
    *("Access-Control-Expose-Headers", "Content-Security-Policy"),
)
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
OTHER = serving_stubs.file_bytes(serving_stubs.marker_picture(90, 90, (30, 60), (60, 30)))
KEY = "0123456789abcdef0123"
CORRECTION = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}
LAB = "https://lab.example"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


BODY = {"image": b64(PICTURE), "action": "skewering", "food_type": "strawberry"}
BATCH = {**BODY, "seed": 3, "batch_size": 3}
PAIR = {"action": "skewering", "food_type": "strawberry"}


def without(name: str) -> dict:
    return {key: value for key, value in BODY.items() if key != name}


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with next to nothing behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


class _Encoder:
    """Texts as vectors: how alike each is to the four instructions of the stub, by its words."""

    def encode(self, text: str) -> np.ndarray:
        vector = np.zeros(512, np.float32)
        for index, (action, food) in enumerate(serving_stubs.INSTRUCTIONS):
            vector[index] = 0.6 * (food in text) + 0.3 * (action in text)
        vector[511] = np.sqrt(max(0.0, 1 - np.sum(vector**2)))
        return vector


# Server -> settings and what else `create_app` gets.
SERVERS = {
    "plain": {},
    "empty": {"model": None},
    "single": {"batch": False},
    "no mode": {"mode": None},
    "nan": {"model": serving_stubs.ConstantModel([0.5, float("nan"), 0.5, 0.5])},
    "calibrated": {"model": uncertainty_stubs.TokenModel(), "calibrated": True},
    "keys": {"api_keys": {"robot": KEY}},
    "limited": {"requests_per_minute": 2},
    "cors": {"cors_origins": (LAB,), "api_keys": {"robot": KEY}},
    "any origin": {"cors_origins": ("*",)},
    "small": {"max_body_bytes": 3000, "max_pixels": 1000},
    "full": {"max_waiting": 0},
    "records": {"record": True},
    "root": {"root": True, "load_without_key": True},
    "loopback": {"loopback_only": True},
    "trained": {"trained_pairs": [("skewering", "strawberry")], "encoder": _Encoder()},
}


def _json(body: object) -> dict:
    return {"data": json.dumps(body), "content_type": "application/json"}


def _get(path: str, server: str = "plain", **headers: str) -> tuple:
    return server, "GET", path, _keyed(**headers)


def _predict(
    body: object = BODY, path: str = "/predict", server: str = "plain", **headers: str
) -> tuple:
    return server, "POST", path, {**_json(body), **_keyed(**headers)}


def _batch(body: object, server: str = "plain") -> tuple:
    return _predict({**BATCH, **body}, "/predict_batch", server)


def _text(text: str) -> dict:
    return _json({"image": b64(PICTURE), "text": text, "seed": 3, "batch_size": 1})


def _raw(data: bytes, content_type: str | None = "application/json", path: str = "/predict"):
    return "plain", "POST", path, {"data": data, "content_type": content_type}


def _form(fields: dict, path: str = "/predict", **files: object) -> tuple:
    def part(data: bytes) -> tuple:
        return io.BytesIO(data), "plate.png"

    data = dict(fields)
    for name, content in files.items():
        several = isinstance(content, list)
        data[name] = [part(one) for one in content] if several else part(content)
    return "plain", "POST", path, {"data": data, "content_type": "multipart/form-data"}


def _keyed(**headers: str) -> dict:
    return {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}


def _load(body: object, server: str = "root", **options: object) -> tuple:
    return server, "POST", "/load_model", {**_json(body), **options}


def _correct(body: object, server: str = "records") -> tuple:
    return server, "POST", "/corrections", _json(body)


PREFLIGHT = _keyed(Origin=LAB, Access_Control_Request_Method="POST")
LOCAL = {"base_url": "http://127.0.0.1:8080"}

# Name -> server, method, path, options of the test client; in this order, a few build on others.
REQUESTS = {
    # Information.
    "health": _get("/health"),
    "health without a model": _get("/health", "empty"),
    "health of a recording server": _get("/health", "records"),
    "ready": _get("/ready"),
    "not ready": _get("/ready", "empty"),
    "combinations": _get("/available_combinations"),
    "combinations without a model": _get("/available_combinations", "empty"),
    "page": _get("/"),
    "script": _get("/static/page.js"),
    "no such file": _get("/static/nothing.js"),
    "file above": _get("/static/..%2fsettings.py"),
    "docs": _get("/docs"),
    "metrics": _get("/metrics"),
    # Predictions.
    "predict": _predict({**BODY, "text": "skewer the berry"}),
    "predict data url": _predict({**BODY, "image": f"data:image/png;base64,{b64(PICTURE)}"}),
    "predict base64 with line breaks": _predict(
        {**BODY, "image": re.sub("(.{76})", "\\1\n", b64(PICTURE))}
    ),
    "predict variants": _predict({**BODY, "action": "Skewer", "food_type": " green beans "}),
    "predict other fields": _predict({**BODY, "batch_size": "many", "colour": 1}),
    "predict crop": _predict({**BODY, "resize": "crop"}),
    "predict stretch": _predict({**BODY, "resize": "stretch"}),
    "predict fast": _predict({**BODY, "passes": "fast"}),
    "predict accurate": _predict({**BODY, "passes": "accurate"}),
    "predict nulls": _predict({**BODY, "text": None, "resize": None, "passes": None}),
    "predict form": _form(PAIR, image=PICTURE),
    "predict form base64": _form(BODY),
    "predict with BOM": _raw(b"\xef\xbb\xbf" + json.dumps(BODY).encode()),
    "predict json suffix": _raw(json.dumps(BODY).encode(), "application/vnd.api+json"),
    "predict own id": _predict(X_Request_ID="robot-1.7"),
    "batch": _predict(BATCH, "/predict_batch"),
    "batch defaults": _predict({**BODY, "seed": 1}, "/predict_batch"),
    "batch full dropout": _batch({"dropout_scope": "full"}),
    "batch no dropout": _batch({"enable_dropout": False}),
    "batch nulls": _batch({"batch_size": None, "enable_dropout": None, "dropout_scope": None}),
    "batch fast": _batch({"passes": "fast"}),
    "batch images": _predict(
        {**PAIR, "images": [b64(PICTURE), b64(OTHER)], "batch_size": 2, "seed": 4},
        "/predict_batch",
    ),
    "batch form": _form(
        {**PAIR, "batch_size": "2", "seed": "5", "enable_dropout": "True"},
        "/predict_batch",
        image=PICTURE,
    ),
    "batch form images": _form(
        {**PAIR, "batch_size": "1", "enable_dropout": "false"},
        "/predict_batch",
        images=[PICTURE, OTHER],
    ),
    "calibrated": ("calibrated", "POST", "/predict_batch", _json(BATCH)),
    "calibrated fast": ("calibrated", "POST", "/predict_batch", _json({**BATCH, "passes": "fast"})),
    "calibrated predict": _predict(server="calibrated"),
    "trained": _predict(server="trained"),
    "not trained": ("trained", "POST", "/predict", _json({**BODY, "food_type": "green_bean"})),
    "text of a known one": ("trained", "POST", "/predict", _text("please, skewering strawberry")),
    "text of one not trained": ("trained", "POST", "/predict_batch", _text("twirling spaghetti")),
    "text of none": ("trained", "POST", "/predict", _text("scooping the sand")),
    # Fields.
    "no image": _predict(without("image")),
    "no action": _predict(without("action")),
    "no food": _predict(without("food_type")),
    "empty object": _predict({}),
    "array": _predict([BODY]),
    "null": _predict(None),
    "string": _predict("image"),
    "number": _predict(3.5),
    "action a number": _predict({**BODY, "action": 3}),
    "action an array": _predict({**BODY, "action": ["skewering"]}),
    "action long": _predict({**BODY, "action": "x" * 201}),
    "action zero byte": _predict({**BODY, "action": "\0"}),
    "action surrogate": _raw(
        json.dumps({**BODY, "action": "X"}).replace('"X"', '"\\ud800"').encode()
    ),
    "food null": _predict({**BODY, "food_type": None}),
    "food blank": _predict({**BODY, "food_type": " "}),
    "food true": _predict({**BODY, "food_type": True}),
    "text an array": _predict({**BODY, "text": ["a"]}),
    "text long": _predict({**BODY, "text": "x" * 1001}),
    "text alone": _predict({"image": b64(PICTURE), "text": "eat"}),
    "text blank alone": _predict({"image": b64(PICTURE), "text": " "}),
    "text and action": _predict({**without("food_type"), "text": "eat"}),
    "image a number": _predict({**BODY, "image": 3}),
    "image null": _predict({**BODY, "image": None}),
    "image an object": _predict({**BODY, "image": {"data": "AAAA"}}),
    "image empty": _predict({**BODY, "image": ""}),
    "image not base64": _predict({**BODY, "image": "?!"}),
    "image padding lost": _predict({**BODY, "image": "AAAAA"}),
    "image data url of text": _predict({**BODY, "image": "data:,hello"}),
    "resize unknown": _predict({**BODY, "resize": "zoom"}),
    "resize a number": _predict({**BODY, "resize": 1}),
    "resize empty": _predict({**BODY, "resize": ""}),
    "passes unknown": _predict({**BODY, "passes": "many"}),
    "form no image": _form(PAIR),
    "form empty file": _form(PAIR, image=b""),
    "form food missing": _form({"action": "skewering"}, image=PICTURE),
    "form no picture": _form(PAIR, image=b"hello"),
    "form resize empty": _form({**PAIR, "resize": ""}, image=PICTURE),
    "batch size 0": _batch({"batch_size": 0}),
    "batch size 65": _batch({"batch_size": 65}),
    "batch size 1.5": _batch({"batch_size": 1.5}),
    "batch size true": _batch({"batch_size": True}),
    "batch size text": _batch({"batch_size": "many"}),
    "batch size digits": _batch({"batch_size": "2"}),
    "seed negative": _batch({"seed": -1}),
    "seed 2^31": _batch({"seed": 2**31}),
    "seed long": _batch({"seed": 10**400}),
    "dropout a word": _batch({"enable_dropout": "maybe"}),
    "dropout 1": _batch({"enable_dropout": 1}),
    "scope off": _batch({"dropout_scope": "off"}),
    "image and images": _batch({"images": [b64(OTHER)]}),
    "images empty": _predict({**PAIR, "images": []}, "/predict_batch"),
    "images 17": _predict({**PAIR, "images": [b64(OTHER)] * 17}, "/predict_batch"),
    "images a string": _predict({**PAIR, "images": b64(OTHER)}, "/predict_batch"),
    "images one null": _predict({**PAIR, "images": [b64(OTHER), None]}, "/predict_batch"),
    "images one broken": _predict({**PAIR, "images": [b64(OTHER), "?!"]}, "/predict_batch"),
    "images null": _batch({"images": None}),
    # Content.
    "no picture": _predict({**BODY, "image": b64(b"hello")}),
    "half a picture": _predict({**BODY, "image": b64(PICTURE[: len(PICTURE) // 2])}),
    "a GIF": _predict({**BODY, "image": b64(b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0;")}),
    "an SVG": _predict({**BODY, "image": b64(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>")}),
    "a header of 4 billion pixels": _predict({**BODY, "image": b64(png_of(65535, 65535))}),
    "a header of no pixels": _predict({**BODY, "image": b64(png_of(0, 5))}),
    "unknown food": _predict({**BODY, "food_type": "strawbery"}),
    "unknown action": _predict({**BODY, "action": "twirl it"}),
    "unknown pair": _predict({**BODY, "action": "twirling"}),
    "no resize known": _predict(server="no mode"),
    "resize said": ("no mode", "POST", "/predict", _json({**BODY, "resize": "crop"})),
    "too many pixels": _predict(server="small"),
    # Bodies.
    "body empty": _raw(b""),
    "body cut": _raw(b'{"image": "AAAA"'),
    "body no JSON": _raw(b"{'image': 1}"),
    "body no UTF-8": _raw(b"\x80\x81"),
    "body UTF-16": _raw("{}".encode("utf-16")),
    "body UTF-16 without a mark": _raw("{}".encode("utf-16-be")),
    "body gzip'd": _raw(gzip.compress(b"{}", mtime=0)),
    "body said to be gzip'd": (
        *("plain", "POST", "/predict"),
        {**_raw(gzip.compress(b"{}", mtime=0))[3], **_keyed(Content_Encoding="gzip")},
    ),
    "body of numbers": _predict({**BODY, "image": np.zeros((60, 80, 3), int).tolist()}),
    "body of batches of numbers": _predict({**PAIR, "images": [[[[0.5, 0.5]]]]}, "/predict_batch"),
    "body of many unknown fields": _predict({f"{n:02}" + "x" * 50: n for n in range(30)}),
    "body deep": _raw(b"[" * 9),
    "body 100,000 deep": _raw(b"[" * 100_000),
    "body deep object": _raw(b'{"a":' * 50_000),
    "body brackets in a string": _raw(b'{"image": "[[[[[[[[[[[["}'),
    "body 50,000 values": _raw(b"[" + b"[]," * 50_000 + b"1]"),
    "body NaN": _raw(b'{"image": NaN}'),
    "body Infinity": _raw(b'{"image": -Infinity}'),
    "body 1e999": _raw(b'{"image": 1e999}'),
    "body long integer": _raw(b'{"image": ' + b"1" * 5000 + b"}"),
    "body twice a field": _raw(b'{"image": "AAAA", "image": 1}'),
    "body form without a boundary": _raw(b"x", "multipart/form-data"),
    "no content type": _raw(json.dumps(BODY).encode(), None),
    "text/plain": _raw(json.dumps(BODY).encode(), "text/plain"),
    "urlencoded": _raw(b"image=a", "application/x-www-form-urlencoded"),
    "too long a body": ("small", "POST", "/predict", _json({**BODY, "text": "x" * 4000})),
    # Paths and methods.
    "unknown path": _get("/predikt"),
    "slash behind": ("plain", "POST", "/predict/", _json(BODY)),
    "wrong method": _get("/predict"),
    "put": ("plain", "PUT", "/predict", _json(BODY)),
    "delete": ("plain", "DELETE", "/health", {}),
    "head": ("plain", "HEAD", "/health", {}),
    "options": ("plain", "OPTIONS", "/predict", {}),
    "odd method": ("plain", "BREW", "/health", {}),
    "no batch route": ("single", "POST", "/predict_batch", _json(BATCH)),
    # State of the server.
    "predict without a model": _predict(server="empty"),
    "batch without a model": ("empty", "POST", "/predict_batch", _json(BATCH)),
    "predict without a model and fields": ("empty", "POST", "/predict", _json({})),
    "queue full": _predict(server="full"),
    "model not finite": _predict(server="nan"),
    # Keys.
    "no key": _predict(server="keys"),
    "no key for metrics": _get("/metrics", "keys"),
    "no key for an unknown path": _get("/predikt", "keys"),
    "wrong key": _predict(server="keys", X_API_Key="wrong"),
    "key": _predict(server="keys", X_API_Key=KEY),
    "bearer": _get("/available_combinations", "keys", Authorization=f"Bearer {KEY}"),
    "bearer wrong": _get("/available_combinations", "keys", Authorization="Bearer x"),
    "basic": _get("/available_combinations", "keys", Authorization=f"Basic {KEY}"),
    "open health": _get("/health", "keys"),
    "open ready": _get("/ready", "keys"),
    "open docs": _get("/docs", "keys"),
    "open script": _get("/static/page.js", "keys"),
    "loopback": ("loopback", "GET", "/ready", {"base_url": "http://localhost:8080"}),
    "loopback IPv6": ("loopback", "GET", "/ready", {"base_url": "http://[::1]:8080"}),
    "rebound name": ("loopback", "GET", "/ready", {"base_url": "http://rebound.example"}),
    "rebound correction": (
        *("loopback", "POST", "/corrections"),
        {**_json(CORRECTION), "base_url": "http://localhost.evil.example:8080"},
    ),
    # Limits.
    "limited 1": _get("/available_combinations", "limited"),
    "limited 2": _get("/available_combinations", "limited"),
    "limited 3": _get("/available_combinations", "limited"),
    "limited health": _get("/health", "limited"),
    "limited page": _get("/", "limited"),
    "limited other address": (
        *("limited", "GET", "/available_combinations"),
        {"environ_overrides": {"REMOTE_ADDR": "10.0.0.9"}},
    ),
    # Other origins.
    "page of another origin": _predict(Origin="https://evil.example"),
    "own page": _predict(Origin="http://localhost"),
    "null origin": _predict(Origin="null"),
    "broken origin": _predict(Origin="http://[::1"),
    "get of another origin": _get("/health", "plain", Origin="https://evil.example"),
    "listed origin": _predict(server="cors", Origin=LAB, X_API_Key=KEY),
    "listed origin without a key": _predict(server="cors", Origin=LAB),
    "origin that is not listed": _predict(
        server="cors", Origin="https://evil.example", X_API_Key=KEY
    ),
    "preflight": ("cors", "OPTIONS", "/predict", PREFLIGHT),
    "preflight of a stranger": (
        *("cors", "OPTIONS", "/predict"),
        _keyed(Origin="https://evil.example", Access_Control_Request_Method="POST"),
    ),
    "get of no page": _get("/health", "cors"),
    "any origin": _predict(server="any origin", Origin="https://evil.example"),
    # Other checkpoints.
    "load no root": _load({"checkpoint_path": "a"}, "plain", **LOCAL),
    "load no name": _load({}, **LOCAL),
    "load a number": _load({"checkpoint_path": 3}, **LOCAL),
    "load an array": _load([], **LOCAL),
    "load above": _load({"checkpoint_path": "../embeddings"}, **LOCAL),
    "load absolute": _load({"checkpoint_path": "/etc"}, **LOCAL),
    "load zero byte": _load({"checkpoint_path": "a\0b"}, **LOCAL),
    "load long": _load({"checkpoint_path": "a" * 150 + "/" + "b" * 49}, **LOCAL),
    "load absent": _load({"checkpoint_path": "absent"}, **LOCAL),
    "load broken": _load({"checkpoint_path": "broken"}, **LOCAL),
    "load from elsewhere": _load(
        {"checkpoint_path": "constant"}, environ_overrides={"REMOTE_ADDR": "10.0.0.9"}
    ),
    "load under another name": _load(
        {"checkpoint_path": "constant"}, base_url="http://rebound.example"
    ),
    "load through a proxy": _load(
        {"checkpoint_path": "constant"}, **LOCAL, **_keyed(X_Forwarded_For="127.0.0.1")
    ),
    "load from elsewhere without a key": _load(
        {"checkpoint_path": "a"}, "keys", environ_overrides={"REMOTE_ADDR": "10.0.0.9"}
    ),
    "load with a key": _load({"checkpoint_path": "a"}, "keys", **_keyed(X_API_Key=KEY)),
    "load form": (
        *("root", "POST", "/load_model"),
        {"data": {"checkpoint_path": "absent"}, "content_type": "multipart/form-data", **LOCAL},
    ),
    "load": _load({"checkpoint_path": "constant"}, **LOCAL),
    "predict of the loaded one": _predict(server="root"),
    # Corrections.
    "correct nothing kept": _correct({"request_id": "frozen-1", **CORRECTION}, "plain"),
    "recorded": _predict(server="records", X_Request_ID="frozen-1"),
    "correct": _correct({"request_id": "frozen-1", **CORRECTION, "corrected_by": "ada"}),
    "correct text": _correct({"request_id": "frozen-1", **CORRECTION, "start_x": "0.5"}),
    "correct unknown": _correct({"request_id": "frozen-2", **CORRECTION}),
    "correct odd id": _correct({"request_id": "../x", **CORRECTION}),
    "correct no id": _correct(CORRECTION),
    "correct no end": _correct({"request_id": "frozen-1", "start_x": 0, "start_y": 1}),
    "correct outside": _correct({"request_id": "frozen-1", **CORRECTION, "end_x": 1.01}),
    "correct a word": _correct({"request_id": "frozen-1", **CORRECTION, "end_x": "left"}),
    "correct true": _correct({"request_id": "frozen-1", **CORRECTION, "end_x": True}),
    "correct by a number": _correct({"request_id": "frozen-1", **CORRECTION, "corrected_by": 3}),
    "correct an array": _correct([]),
}


class _Servers:
    """Makes each server once, in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._made = folder, {}
        (folder / "embeddings").mkdir()
        self._store = serving_stubs.embedding_store_of(folder / "embeddings")
        for name in ("constant", "broken"):
            (folder / "root" / name).mkdir(parents=True)

    def _load(self, directory: pathlib.Path):
        if directory.name == "broken":
            raise ValueError(f"{directory}/metadata.json: expected JSON")
        model = serving_stubs.ConstantModel([0.1, 0.1, 0.2, 0.2])
        return serving_stubs.predictor_of(model, self._store, version=directory.name)

    def client(self, name: str):
        if name not in self._made:
            options = dict(SERVERS[name])
            model = options.pop("model", serving_stubs.MarkerModel())
            mode, batch = options.pop("mode", "letterbox"), options.pop("batch", True)
            known = uncertainty_stubs.calibration() if options.pop("calibrated", False) else None
            if options.pop("record", False):
                options["record_dir"] = self._folder / "records"
            if options.pop("root", False):
                options["checkpoint_root"] = self._folder / "root"
            more = {key: options.pop(key) for key in ("trained_pairs", "encoder") if key in options}
            predictor = model and serving_stubs.predictor_of(
                model, self._store, mode, calibration=known, **more
            )
            made = app.create_app(predictor, ServerSettings(**options), self._load, batch)
            self._made[name] = made.test_client()
        return self._made[name]

    def ask(self, name: str) -> dict:
        """Status, headers and JSON; what differs from run to run is left out."""
        server, method, path, options = REQUESTS[name]
        answer = self.client(server).open(path, method=method, **_fresh(options))
        headers = {key: answer.headers[key] for key in HEADERS if key in answer.headers}
        if "Allow" in headers:  # Werkzeug lists a set, in an order of each process
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        asked_id = options.get("headers", {}).get("X-Request-ID")
        if headers["X-Request-ID"] != asked_id:
            del headers["X-Request-ID"]
        found = {"status": answer.status_code, "headers": headers}
        if answer.is_json and answer.data:
            body = answer.json
            for volatile in ("timing_ms", "uptime_s"):
                if volatile in body:
                    body[volatile] = "..."
            if body.get("request_id") != asked_id:
                body["request_id"] = "..."
            if answer.status_code == 500:
                body["error"] = body["error"].replace(answer.headers["X-Request-ID"], "...")
            found["json"] = _rounded(body)
        elif path == "/metrics":
            found["names"] = sorted(set(re.findall(r"^# TYPE (rt1\w+)", answer.text, re.M)))
        return found


def _fresh(options: dict) -> dict:
    """Files of a form can be read once."""
    data = options.get("data")
    if not isinstance(data, dict):
        return options

    def again(value: object) -> object:
        if isinstance(value, list):
            return [again(one) for one in value]
        if isinstance(value, tuple):
            return io.BytesIO(value[0].getvalue()), *value[1:]
        return value

    return {**options, "data": {name: again(value) for name, value in data.items()}}


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(np.format_float_positional(value, 6, fractional=False))
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return value


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    return _Servers(tmp_path_factory.mktemp("servers"))


@pytest.fixture(scope="module")
def frozen():
    return json.loads(FILE.read_text())


@pytest.mark.parametrize("name", REQUESTS)
def test_answer(name, servers, frozen):
    assert servers.ask(name) == frozen[name]


def main() -> None:
    """Writes the file anew."""
    with tempfile.TemporaryDirectory() as folder:
        servers = _Servers(pathlib.Path(folder))
        answers = {name: servers.ask(name) for name in REQUESTS}
    pathlib.Path(*sys.argv[1:2] or [FILE]).write_text(
        json.dumps(answers, indent=1, ensure_ascii=True) + "\n"
    )


if __name__ == "__main__":
    main()
