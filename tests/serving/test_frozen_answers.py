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
import sys
import tempfile

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
RIGHT = {"request_id": "frozen-1", **CORRECTION}
LAB, EVIL = "https://lab.example", "https://evil.example"
JSON, FORM = "application/json", "multipart/form-data"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PAIR = {"action": "skewering", "food_type": "strawberry"}
BODY = {"image": b64(PICTURE), **PAIR}
BATCH = {**BODY, "seed": 3, "batch_size": 3}


def without(name: str) -> dict:
    return {key: value for key, value in BODY.items() if key != name}


# PNGs whose headers claim 65535 x 65535 and 0 x 5 pixels, with next to nothing behind them.
_REST = "AAAADElEQVR4nGNgoD0AAABkAAGGZDw1AAAAAElFTkSuQmCC"
HUGE = "iVBORw0KGgoAAAANSUhEUgAA//8AAP//AQAAAACefuT9" + _REST
EMPTY = "iVBORw0KGgoAAAANSUhEUgAAAAAAAAAFAQAAAABDPdAM" + _REST


class _Encoder:
    """Texts as vectors: how alike each is to the four instructions of the stub, by its words."""

    def encode(self, text: str) -> np.ndarray:
        vector = np.zeros(512, np.float32)
        for index, (action, food) in enumerate(serving_stubs.INSTRUCTIONS):
            vector[index] = 0.6 * (food in text) + 0.3 * (action in text)
        vector[511] = np.sqrt(max(0.0, 1 - np.sum(vector**2)))
        return vector


# Server -> settings, and what else `predictor_of` and `create_app` get.
SERVERS = {
    "plain": {},
    "empty": {"model": None},
    "single": {"batch": False},
    "no mode": {"mode": None},
    "nan": {"model": serving_stubs.ConstantModel([0.5, float("nan"), 0.5, 0.5])},
    "calibrated": {
        "model": uncertainty_stubs.TokenModel(),
        "calibration": uncertainty_stubs.calibration(),
    },
    "keys": {"api_keys": {"robot": KEY}},
    "limited": {"requests_per_minute": 2},
    "cors": {"cors_origins": (LAB,), "api_keys": {"robot": KEY}},
    "any origin": {"cors_origins": ("*",)},
    "small": {"max_body_bytes": 3000, "max_pixels": 1000},
    "full": {"max_waiting": 0},
    "records": {"record_dir": "records"},
    "root": {"checkpoint_root": "root", "load_without_key": True},
    "loopback": {"loopback_only": True},
    "trained": {"trained_pairs": [("skewering", "strawberry")], "encoder": _Encoder()},
}


def _ask(method: str, path: str, on: str = "plain", **more: object) -> tuple:
    """A request: server, method, path, options of the test client; headers by their names."""
    options = {key: more.pop(key) for key in ("base_url", "content_type", "data") if key in more}
    if "address" in more:
        options["environ_overrides"] = {"REMOTE_ADDR": more.pop("address")}
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return on, method, path, {**options, "headers": headers}


def _get(path: str, on: str = "plain", **more: object) -> tuple:
    return _ask("GET", path, on, **more)


def _post(path: str, body: object, on: str = "plain", **more: object) -> tuple:
    return _ask("POST", path, on, **{"data": json.dumps(body), "content_type": JSON, **more})


def _predict(body: object = BODY, on: str = "plain", **more: object) -> tuple:
    return _post("/predict", body, on, **more)


def _batch(body: object = BATCH, on: str = "plain", **more: object) -> tuple:
    return _post("/predict_batch", body, on, **more)


def _raw(data: bytes, content_type: str | None = JSON, **more: object) -> tuple:
    return _ask("POST", "/predict", data=data, content_type=content_type, **more)


def _form(path: str = "/predict", **fields: object) -> tuple:
    """Bytes, alone or in a list, are files."""
    return _ask("POST", path, data=fields, content_type=FORM)


def _load(name: object, on: str = "root", **more: object) -> tuple:
    more = {"base_url": "http://127.0.0.1:8080", **more}
    return _post("/load_model", {"checkpoint_path": name}, on, **more)


def _correct(body: object, on: str = "records") -> tuple:
    return _post("/corrections", body, on)


def _text(text: str) -> dict:
    return {"image": b64(PICTURE), "text": text, "seed": 3, "batch_size": 1}


PREFLIGHT = {"Access_Control_Request_Method": "POST"}
# Name -> request; in this order, a few build on others. First those of one changed field.
CHANGED = {
    "predict": {"text": "skewer the berry"},
    "predict data url": {"image": f"data:image/png;base64,{b64(PICTURE)}"},
    "predict base64 with line breaks": {"image": re.sub("(.{76})", "\\1\n", b64(PICTURE))},
    "predict variants": {"action": "Skewer", "food_type": " green beans "},
    "predict other fields": {"batch_size": "many", "colour": 1},
    "predict crop": {"resize": "crop"},
    "predict stretch": {"resize": "stretch"},
    "predict fast": {"passes": "fast"},
    "predict accurate": {"passes": "accurate"},
    "predict nulls": {"text": None, "resize": None, "passes": None},
    "action a number": {"action": 3},
    "action an array": {"action": ["skewering"]},
    "action long": {"action": "x" * 201},
    "action zero byte": {"action": "\0"},
    "food null": {"food_type": None},
    "food blank": {"food_type": " "},
    "food true": {"food_type": True},
    "text an array": {"text": ["a"]},
    "text long": {"text": "x" * 1001},
    "image a number": {"image": 3},
    "image null": {"image": None},
    "image an object": {"image": {"data": "AAAA"}},
    "image empty": {"image": ""},
    "image not base64": {"image": "?!"},
    "image padding lost": {"image": "AAAAA"},
    "image data url of text": {"image": "data:,hello"},
    "resize unknown": {"resize": "zoom"},
    "resize a number": {"resize": 1},
    "resize empty": {"resize": ""},
    "passes unknown": {"passes": "many"},
    "no picture": {"image": b64(b"hello")},
    "half a picture": {"image": b64(PICTURE[: len(PICTURE) // 2])},
    "a GIF": {"image": b64(b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0;")},
    "an SVG": {"image": b64(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>")},
    "a header of 4 billion pixels": {"image": HUGE},
    "a header of no pixels": {"image": EMPTY},
    "unknown food": {"food_type": "strawbery"},
    "unknown action": {"action": "twirl it"},
    "unknown pair": {"action": "twirling"},
    "body of numbers": {"image": np.zeros((60, 80, 3), int).tolist()},
}
CHANGED_BATCH = {
    "batch": {},
    "batch full dropout": {"dropout_scope": "full"},
    "batch no dropout": {"enable_dropout": False},
    "batch nulls": {"batch_size": None, "enable_dropout": None, "dropout_scope": None},
    "batch fast": {"passes": "fast"},
    "batch size 0": {"batch_size": 0},
    "batch size 65": {"batch_size": 65},
    "batch size 1.5": {"batch_size": 1.5},
    "batch size true": {"batch_size": True},
    "batch size text": {"batch_size": "many"},
    "batch size digits": {"batch_size": "2"},
    "seed negative": {"seed": -1},
    "seed 2^31": {"seed": 2**31},
    "seed long": {"seed": 10**400},
    "dropout a word": {"enable_dropout": "maybe"},
    "dropout 1": {"enable_dropout": 1},
    "scope off": {"dropout_scope": "off"},
    "image and images": {"images": [b64(OTHER)]},
    "images null": {"images": None},
}
REQUESTS = {
    **{name: _predict({**BODY, **change}) for name, change in CHANGED.items()},
    **{name: _batch({**BATCH, **change}) for name, change in CHANGED_BATCH.items()},
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
    "predict form": _form(**PAIR, image=PICTURE),
    "predict form base64": _form(**BODY),
    "predict with BOM": _raw(b"\xef\xbb\xbf" + json.dumps(BODY).encode()),
    "predict json suffix": _raw(json.dumps(BODY).encode(), "application/vnd.api+json"),
    "predict own id": _predict(X_Request_ID="robot-1.7"),
    "batch defaults": _batch({**BODY, "seed": 1}),
    "batch images": _batch(
        {**PAIR, "images": [b64(PICTURE), b64(OTHER)], "batch_size": 2, "seed": 4}
    ),
    "batch form": _form(
        "/predict_batch", **PAIR, batch_size="2", seed="5", enable_dropout="True", image=PICTURE
    ),
    "batch form images": _form(
        "/predict_batch", **PAIR, batch_size="1", enable_dropout="false", images=[PICTURE, OTHER]
    ),
    "calibrated": _batch(on="calibrated"),
    "calibrated fast": _batch({**BATCH, "passes": "fast"}, "calibrated"),
    "calibrated predict": _predict(on="calibrated"),
    "trained": _predict(on="trained"),
    "not trained": _predict({**BODY, "food_type": "green_bean"}, "trained"),
    "text of a known one": _predict(_text("please, skewering strawberry"), "trained"),
    "text of one not trained": _batch(_text("twirling spaghetti"), "trained"),
    "text of none": _predict(_text("scooping the sand"), "trained"),
    # Fields.
    "no image": _predict(without("image")),
    "no action": _predict(without("action")),
    "no food": _predict(without("food_type")),
    "empty object": _predict({}),
    "array": _predict([BODY]),
    "null": _predict(None),
    "string": _predict("image"),
    "number": _predict(3.5),
    "action surrogate": _predict({**BODY, "action": "\ud800"}),
    "text alone": _predict({"image": b64(PICTURE), "text": "eat"}),
    "text blank alone": _predict({"image": b64(PICTURE), "text": " "}),
    "text and action": _predict({**without("food_type"), "text": "eat"}),
    "form no image": _form(**PAIR),
    "form empty file": _form(**PAIR, image=b""),
    "form food missing": _form(action="skewering", image=PICTURE),
    "form no picture": _form(**PAIR, image=b"hello"),
    "form resize empty": _form(**PAIR, image=PICTURE, resize=""),
    "images empty": _batch({**PAIR, "images": []}),
    "images 17": _batch({**PAIR, "images": [b64(OTHER)] * 17}),
    "images a string": _batch({**PAIR, "images": b64(OTHER)}),
    "images one null": _batch({**PAIR, "images": [b64(OTHER), None]}),
    "images one broken": _batch({**PAIR, "images": [b64(OTHER), "?!"]}),
    "no resize known": _predict(on="no mode"),
    "resize said": _predict({**BODY, "resize": "crop"}, "no mode"),
    "too many pixels": _predict(on="small"),
    # Bodies.
    "body empty": _raw(b""),
    "body cut": _raw(b'{"image": "AAAA"'),
    "body no JSON": _raw(b"{'image': 1}"),
    "body no UTF-8": _raw(b"\x80\x81"),
    "body UTF-16": _raw("{}".encode("utf-16")),
    "body UTF-16 without a mark": _raw("{}".encode("utf-16-be")),
    "body gzip'd": _raw(gzip.compress(b"{}", mtime=0)),
    "body said to be gzip'd": _raw(gzip.compress(b"{}", mtime=0), Content_Encoding="gzip"),
    "body of batches of numbers": _batch({**PAIR, "images": [[[[0.5, 0.5]]]]}),
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
    "body form without a boundary": _raw(b"x", FORM),
    "no content type": _raw(json.dumps(BODY).encode(), None),
    "text/plain": _raw(json.dumps(BODY).encode(), "text/plain"),
    "urlencoded": _raw(b"image=a", "application/x-www-form-urlencoded"),
    "too long a body": _predict({**BODY, "text": "x" * 4000}, "small"),
    # Paths and methods.
    "unknown path": _get("/predikt"),
    "slash behind": _post("/predict/", BODY),
    "wrong method": _get("/predict"),
    "put": _ask("PUT", "/predict", data=json.dumps(BODY), content_type=JSON),
    "delete": _ask("DELETE", "/health"),
    "head": _ask("HEAD", "/health"),
    "options": _ask("OPTIONS", "/predict"),
    "odd method": _ask("BREW", "/health"),
    "no batch route": _batch(on="single"),
    # State of the server.
    "predict without a model": _predict(on="empty"),
    "batch without a model": _batch(on="empty"),
    "predict without a model and fields": _predict({}, "empty"),
    "queue full": _predict(on="full"),
    "model not finite": _predict(on="nan"),
    # Keys.
    "no key": _predict(on="keys"),
    "no key for metrics": _get("/metrics", "keys"),
    "no key for an unknown path": _get("/predikt", "keys"),
    "wrong key": _predict(on="keys", X_API_Key="wrong"),
    "key": _predict(on="keys", X_API_Key=KEY),
    "bearer": _get("/available_combinations", "keys", Authorization=f"Bearer {KEY}"),
    "bearer wrong": _get("/available_combinations", "keys", Authorization="Bearer x"),
    "basic": _get("/available_combinations", "keys", Authorization=f"Basic {KEY}"),
    "open health": _get("/health", "keys"),
    "open ready": _get("/ready", "keys"),
    "open docs": _get("/docs", "keys"),
    "open script": _get("/static/page.js", "keys"),
    "loopback": _get("/ready", "loopback", base_url="http://localhost:8080"),
    "loopback IPv6": _get("/ready", "loopback", base_url="http://[::1]:8080"),
    "rebound name": _get("/ready", "loopback", base_url="http://rebound.example"),
    "rebound correction": _post(
        "/corrections", CORRECTION, "loopback", base_url="http://localhost.evil.example:8080"
    ),
    # Limits.
    "limited 1": _get("/available_combinations", "limited"),
    "limited 2": _get("/available_combinations", "limited"),
    "limited 3": _get("/available_combinations", "limited"),
    "limited health": _get("/health", "limited"),
    "limited page": _get("/", "limited"),
    "limited other address": _get("/available_combinations", "limited", address="10.0.0.9"),
    # Other origins.
    "page of another origin": _predict(Origin=EVIL),
    "own page": _predict(Origin="http://localhost"),
    "null origin": _predict(Origin="null"),
    "broken origin": _predict(Origin="http://[::1"),
    "get of another origin": _get("/health", Origin=EVIL),
    "listed origin": _predict(on="cors", Origin=LAB, X_API_Key=KEY),
    "listed origin without a key": _predict(on="cors", Origin=LAB),
    "origin that is not listed": _predict(on="cors", Origin=EVIL, X_API_Key=KEY),
    "preflight": _ask("OPTIONS", "/predict", "cors", Origin=LAB, **PREFLIGHT),
    "preflight of a stranger": _ask("OPTIONS", "/predict", "cors", Origin=EVIL, **PREFLIGHT),
    "get of no page": _get("/health", "cors"),
    "any origin": _predict(on="any origin", Origin=EVIL),
    # Other checkpoints.
    "load no root": _load("a", "plain"),
    "load no name": _post("/load_model", {}, "root", base_url="http://127.0.0.1:8080"),
    "load a number": _load(3),
    "load an array": _post("/load_model", [], "root", base_url="http://127.0.0.1:8080"),
    "load above": _load("../embeddings"),
    "load absolute": _load("/etc"),
    "load zero byte": _load("a\0b"),
    "load long": _load("a" * 150 + "/" + "b" * 49),
    "load absent": _load("absent"),
    "load broken": _load("broken"),
    "load from elsewhere": _load("constant", address="10.0.0.9"),
    "load under another name": _load("constant", base_url="http://rebound.example"),
    "load through a proxy": _load("constant", X_Forwarded_For="127.0.0.1"),
    "load from elsewhere without a key": _load("a", "keys", address="10.0.0.9"),
    "load with a key": _load("a", "keys", X_API_Key=KEY),
    "load form": _load("", data={"checkpoint_path": "absent"}, content_type=FORM),
    "load": _load("constant"),
    "predict of the loaded one": _predict(on="root"),
    # Corrections.
    "correct nothing kept": _correct(RIGHT, "plain"),
    "recorded": _predict(on="records", X_Request_ID="frozen-1"),
    "correct": _correct({**RIGHT, "corrected_by": "ada"}),
    "correct text": _correct({**RIGHT, "start_x": "0.5"}),
    "correct unknown": _correct({**RIGHT, "request_id": "frozen-2"}),
    "correct odd id": _correct({**RIGHT, "request_id": "../x"}),
    "correct no id": _correct(CORRECTION),
    "correct no end": _correct({"request_id": "frozen-1", "start_x": 0, "start_y": 1}),
    "correct outside": _correct({**RIGHT, "end_x": 1.01}),
    "correct a word": _correct({**RIGHT, "end_x": "left"}),
    "correct true": _correct({**RIGHT, "end_x": True}),
    "correct by a number": _correct({**RIGHT, "corrected_by": 3}),
    "correct an array": _correct([]),
}


class _Servers:
    """Makes each server once, in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._made = folder, {}
        for name in ("embeddings", "root/constant", "root/broken"):
            (folder / name).mkdir(parents=True)
        self._store = serving_stubs.embedding_store_of(folder / "embeddings")

    def _load(self, directory: pathlib.Path):
        if directory.name == "broken":
            raise ValueError(f"{directory}/metadata.json: expected JSON")
        model = serving_stubs.ConstantModel([0.1, 0.1, 0.2, 0.2])
        return serving_stubs.predictor_of(model, self._store, version=directory.name)

    def _make(self, batch=True, **options):
        model = options.pop("model", serving_stubs.MarkerModel())
        for name in {"record_dir", "checkpoint_root"} & set(options):
            options[name] = self._folder / options[name]
        of_model = {"mode", "calibration", "trained_pairs", "encoder"} & set(options)
        more = {name: options.pop(name) for name in of_model}
        predictor = model and serving_stubs.predictor_of(model, self._store, **more)
        return app.create_app(predictor, ServerSettings(**options), self._load, batch)

    def ask(self, name: str) -> dict:
        """Status, headers and JSON; what differs from run to run is left out."""
        server, method, path, options = REQUESTS[name]
        if server not in self._made:
            self._made[server] = self._make(**SERVERS[server]).test_client()
        if isinstance(options.get("data"), dict):
            options = {**options, "data": {k: _files(v) for k, v in options["data"].items()}}
        answer = self._made[server].open(path, method=method, **options)
        headers = {key: answer.headers[key] for key in HEADERS if key in answer.headers}
        if "Allow" in headers:  # Werkzeug lists a set, in an order of each process
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        asked_id = options["headers"].get("X-Request-ID")
        if headers["X-Request-ID"] != asked_id:
            del headers["X-Request-ID"]
        found = {"status": answer.status_code, "headers": headers}
        if answer.is_json and answer.data:
            body = json.loads(answer.data, parse_float=_rounded)
            body |= {name: "..." for name in ("timing_ms", "uptime_s") if name in body}
            if body.get("request_id") != asked_id:
                body["request_id"] = "..."
            if answer.status_code == 500:
                body["error"] = body["error"].replace(answer.headers["X-Request-ID"], "...")
            found["json"] = body
        elif path == "/metrics":
            found["names"] = sorted(set(re.findall(r"^# TYPE (rt1\w+)", answer.text, re.M)))
        return found


def _files(value: object) -> object:
    """A form's field: bytes as files, which can be read once."""
    if isinstance(value, list):
        return [_files(one) for one in value]
    return (io.BytesIO(value), "plate.png") if isinstance(value, bytes) else value


def _rounded(text: str) -> float:
    return float(np.format_float_positional(float(text), 6, fractional=False))


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    return _Servers(tmp_path_factory.mktemp("servers"))


@pytest.mark.parametrize("name", REQUESTS)
def test_answer(name, servers):
    assert servers.ask(name) == json.loads(FILE.read_text())[name]


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
