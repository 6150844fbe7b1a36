"""Every route and every refusal of the server, as existing clients know them.

`frozen_answers.json` holds status, headers and JSON for each request of the table, with the stub
model of `tests/serving_stubs.py`. Only an intended change of the HTTP interface changes it:

    python -m tests.serving.test_frozen_answers
"""

from __future__ import annotations

import base64
import functools
import gzip
import io
import json
import pathlib
import re
import tempfile

import numpy as np
import pytest

from tests import serving_stubs, uncertainty_stubs

FILE = pathlib.Path(__file__).with_name("frozen_answers.json")
HEADERS = (
    *("Retry-After", "WWW-Authenticate", "Allow", "Content-Type", "X-Request-ID", "Vary"),
    *("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Cache-Control"),
    *("Access-Control-Expose-Headers", "Content-Security-Policy"),
)
PICTURE = serving_stubs.file_bytes(serving_stubs.marker_picture(200, 100, (50, 30), (150, 80)))
OTHER = serving_stubs.file_bytes(serving_stubs.marker_picture(90, 90, (30, 60), (60, 30)))
IMAGE, OTHER_IMAGE = (base64.b64encode(one).decode() for one in (PICTURE, OTHER))
KEY = "0123456789abcdef0123"
CORRECTION = {"start_x": 0.1, "start_y": 0.2, "end_x": 0.3, "end_y": 0.4}
LAB, EVIL = "https://lab.example", "https://evil.example"
JSON, FORM = "application/json", "multipart/form-data"
PAIR = {"action": "skewering", "food_type": "strawberry"}
BODY = {"image": IMAGE, **PAIR}
BATCH = {**BODY, "seed": 3, "batch_size": 3}
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
TOKENS = {"model": uncertainty_stubs.TokenModel(), "calibration": uncertainty_stubs.calibration()}
SERVERS = {
    "plain": {},
    "empty": {"model": None},
    "single": {"batch": False},
    "no mode": {"mode": None},
    "nan": {"model": serving_stubs.ConstantModel([0.5, float("nan"), 0.5, 0.5])},
    "calibrated": TOKENS,
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


def ask(method: str, path: str, on: str = "plain", **more: object) -> tuple:
    """A request: server, path and options of the test client; headers by their names."""
    headers = {name.replace("_", "-"): more.pop(name) for name in [*more] if name[0].isupper()}
    if "address" in more:
        more["environ_overrides"] = {"REMOTE_ADDR": more.pop("address")}
    return on, path, {"method": method, "headers": headers, **more}


def post(path: str, body: object, on: str = "plain", **more: object) -> tuple:
    data = body if isinstance(body, bytes) else json.dumps(body)
    return ask("POST", path, on, **{"data": data, "content_type": JSON, **more})


def form(path: str = "/predict", **fields: object) -> tuple:
    """Bytes, alone or in a list, are files."""
    return ask("POST", path, data=fields, content_type=FORM)


def load(name: object, on: str = "root", **more: object) -> tuple:
    more = {"base_url": "http://127.0.0.1:8080", **more}
    return post("/load_model", {"checkpoint_path": name}, on, **more)


def correct(changes: dict, on: str = "records") -> tuple:
    return post("/corrections", {"request_id": "frozen-1", **CORRECTION, **changes}, on)


def of(path: str, body: dict, field: str):
    """Makes a request of the value of one field."""
    return lambda value: post(path, {**body, field: value})


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


get, options = functools.partial(ask, "GET"), functools.partial(ask, "OPTIONS", "/predict")
pairs = functools.partial(ask, "GET", "/available_combinations")
predict = functools.partial(post, "/predict")
batch = functools.partial(post, "/predict_batch")
correction = functools.partial(post, "/corrections", on="records")
one = functools.partial(of, "/predict", BODY)
samples = functools.partial(of, "/predict_batch", BATCH)
ENCODED, ZIPPED = json.dumps(BODY).encode(), gzip.compress(b"{}", mtime=0)
HALF, SVG = PICTURE[: len(PICTURE) // 2], b"<svg xmlns='http://www.w3.org/2000/svg'></svg>"
GIF = b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0;"
ALONE = {"image": IMAGE}
SEVERAL = {**PAIR, "images": [IMAGE, OTHER_IMAGE], "batch_size": 2, "seed": 4}
FILE_FORM = {**PAIR, "batch_size": "2", "seed": "5", "enable_dropout": "True", "image": PICTURE}
FILES_FORM = {**PAIR, "batch_size": "1", "enable_dropout": "false", "images": [PICTURE, OTHER]}
NULLS = {"batch_size": None, "enable_dropout": None, "dropout_scope": None}
TWIRL = {**ALONE, "text": "twirling spaghetti", "seed": 3, "batch_size": 1}
PREFLIGHT = {"Access_Control_Request_Method": "POST"}
REBOUND, EVIL_HOST = "http://rebound.example", "http://localhost.evil.example:8080"
HOME = {"base_url": "http://127.0.0.1:8080"}
TEXTS = {"a known one": "please, skewering strawberry", "none": "scooping the sand"}
KINDS = {"text/plain": "text/plain", "predict json suffix": "application/vnd.api+json"}
URLENCODED = "application/x-www-form-urlencoded"
LOCAL = {"": "http://localhost:8080", " IPv6": "http://[::1]:8080"}
# What makes a request of a value (None: it is one), the start of names, the rest of each -> value;
# a few build on others before them.
TABLE = (
    # Information.
    (get, "", {"health": "/health", "ready": "/ready", "page": "/", "docs": "/docs"}),
    (get, "", {"script": "/static/page.js", "unknown path": "/predikt", "metrics": "/metrics"}),
    (get, "", {"no such file": "/static/nothing.js", "file above": "/static/..%2fsettings.py"}),
    (lambda on: get("/health", on), "health ", {"without a model": "empty"}),
    (lambda on: get("/health", on), "health ", {"of a recording server": "records"}),
    (pairs, "combinations", {"": "plain", " without a model": "empty"}),
    (lambda on: get("/ready", on), "", {"not ready": "empty"}),
    # Predictions, and fields of them.
    (one("text"), "", {"predict": "skewer the berry", "text an array": ["a"]}),
    (one("text"), "text ", {"long": "x" * 1001}),
    (one("image"), "predict ", {"data url": f"data:image/png;base64,{IMAGE}"}),
    (one("image"), "predict ", {"base64 with line breaks": re.sub("(.{76})", "\\1\n", IMAGE)}),
    (one("image"), "image ", {"a number": 3, "null": None, "empty": "", "padding lost": "AAAAA"}),
    (one("image"), "image ", {"not base64": "?!", "data url of text": "data:,hello"}),
    (one("image"), "image ", {"an object": {"data": "AAAA"}}),
    (one("image"), "", {"no picture": b64(b"hello"), "half a picture": b64(HALF)}),
    (one("image"), "a", {"n SVG": b64(SVG), " GIF": b64(GIF)}),
    (one("image"), "a header of ", {"4 billion pixels": HUGE, "no pixels": EMPTY}),
    (one("image"), "body of ", {"numbers": np.zeros((60, 80, 3), int).tolist()}),
    (one("resize"), "predict ", {"crop": "crop", "stretch": "stretch"}),
    (one("resize"), "resize ", {"unknown": "zoom", "a number": 1, "empty": ""}),
    (one("passes"), "p", {"redict fast": "fast", "redict accurate": "accurate"}),
    (one("passes"), "passes ", {"unknown": "many"}),
    (one("action"), "action ", {"a number": 3, "an array": ["skewering"], "long": "x" * 201}),
    (one("action"), "action ", {"zero byte": "\0", "surrogate": "\ud800"}),
    (one("action"), "unknown ", {"action": "twirl it", "pair": "twirling"}),
    (one("food_type"), "food ", {"null": None, "blank": " ", "true": True}),
    (one("food_type"), "unknown ", {"food": "strawbery"}),
    (samples("seed"), "batch", {"": 3}),
    (samples("seed"), "seed ", {"negative": -1, "2^31": 2**31, "long": 10**400}),
    (samples("batch_size"), "batch size ", {"0": 0, "65": 65, "1.5": 1.5, "true": True}),
    (samples("batch_size"), "batch size ", {"text": "many", "digits": "2"}),
    (samples("enable_dropout"), "", {"batch no dropout": False, "dropout a word": "maybe"}),
    (samples("enable_dropout"), "dropout ", {"1": 1}),
    (samples("dropout_scope"), "", {"batch full dropout": "full", "scope off": "off"}),
    (samples("passes"), "batch ", {"fast": "fast"}),
    (samples("images"), "image", {" and images": [OTHER_IMAGE], "s null": None}),
    (of("/predict_batch", PAIR, "images"), "images ", {"empty": [], "a string": OTHER_IMAGE}),
    (of("/predict_batch", PAIR, "images"), "images ", {"17": [OTHER_IMAGE] * 17}),
    (of("/predict_batch", PAIR, "images"), "images ", {"one null": [OTHER_IMAGE, None]}),
    (of("/predict_batch", PAIR, "images"), "images ", {"one broken": [OTHER_IMAGE, "?!"]}),
    (of("/predict_batch", PAIR, "images"), "body of ", {"batches of numbers": [[[[0.5, 0.5]]]]}),
    (predict, "", {"no image": PAIR, "empty object": {}, "array": [BODY], "null": None}),
    (predict, "", {"no action": {**ALONE, "food_type": "strawberry"}, "string": "image"}),
    (predict, "", {"no food": {**ALONE, "action": "skewering"}, "number": 3.5}),
    (predict, "text ", {"alone": {**ALONE, "text": "eat"}, "blank alone": {**ALONE, "text": " "}}),
    (predict, "text ", {"and action": {**ALONE, "action": "skewering", "text": "eat"}}),
    (predict, "predict ", {"nulls": {**BODY, "text": None, "resize": None, "passes": None}}),
    (predict, "predict ", {"variants": {**BODY, "action": "Skewer", "food_type": " green beans "}}),
    (predict, "predict ", {"other fields": {**BODY, "batch_size": "many", "colour": 1}}),
    (predict, "predict ", {"with BOM": b"\xef\xbb\xbf" + ENCODED}),
    (batch, "batch ", {"defaults": {**BODY, "seed": 1}, "images": SEVERAL}),
    (batch, "batch ", {"nulls": {**BATCH, **NULLS}}),
    (lambda more: form(**PAIR, **more), "form ", {"no image": {}, "empty file": {"image": b""}}),
    (lambda more: form(**PAIR, **more), "form ", {"no picture": {"image": b"hello"}}),
    (
        lambda more: form(**PAIR, **more),
        "form ",
        {"resize empty": {"image": PICTURE, "resize": ""}},
    ),
    (None, "form ", {"food missing": form(action="skewering", image=PICTURE)}),
    (None, "predict form", {"": form(**PAIR, image=PICTURE), " base64": form(**BODY)}),
    (None, "batch form", {"": form("/predict_batch", **FILE_FORM)}),
    (None, "batch form", {" images": form("/predict_batch", **FILES_FORM)}),
    (None, "predict ", {"own id": predict(BODY, X_Request_ID="robot-1.7")}),
    # Of other servers.
    (lambda on: predict(BODY, on), "", {"calibrated predict": "calibrated", "trained": "trained"}),
    (lambda on: predict(BODY, on), "", {"no resize known": "no mode", "too many pixels": "small"}),
    (lambda on: predict(BODY, on), "", {"predict without a model": "empty", "queue full": "full"}),
    (lambda on: predict(BODY, on), "", {"model not finite": "nan", "no key": "keys"}),
    (lambda on: batch(BATCH, on), "", {"calibrated": "calibrated", "no batch route": "single"}),
    (lambda on: batch(BATCH, on), "batch ", {"without a model": "empty"}),
    (None, "", {"resize said": predict({**BODY, "resize": "crop"}, "no mode")}),
    (None, "", {"not trained": predict({**BODY, "food_type": "green_bean"}, "trained")}),
    (None, "", {"predict without a model and fields": predict({}, "empty")}),
    (None, "", {"calibrated fast": batch({**BATCH, "passes": "fast"}, "calibrated")}),
    (lambda text: predict({**ALONE, "text": text}, "trained"), "text of ", TEXTS),
    (None, "text of ", {"one not trained": batch(TWIRL, "trained")}),
    # Bodies.
    (predict, "body ", {"empty": b"", "cut": b'{"image": "AAAA"', "no JSON": b"{'image': 1}"}),
    (
        predict,
        "body ",
        {"no UTF-8": b"\x80\x81", "UTF-16": "{}".encode("utf-16"), "deep": b"[" * 9},
    ),
    (predict, "body ", {"UTF-16 without a mark": "{}".encode("utf-16-be"), "gzip'd": ZIPPED}),
    (predict, "body ", {"brackets in a string": b'{"image": "[[[[[[[[[[[["}'}),
    (predict, "body ", {"100,000 deep": b"[" * 100_000, "deep object": b'{"a":' * 50_000}),
    (
        predict,
        "body ",
        {"50,000 values": b"[" + b"[]," * 50_000 + b"1]", "1e999": b'{"image": 1e999}'},
    ),
    (predict, "body ", {"NaN": b'{"image": NaN}', "Infinity": b'{"image": -Infinity}'}),
    (predict, "body ", {"long integer": b'{"image": ' + b"1" * 5000 + b"}"}),
    (predict, "body ", {"twice a field": b'{"image": "AAAA", "image": 1}'}),
    (predict, "body ", {"of many unknown fields": {f"{n:02}" + "x" * 50: n for n in range(30)}}),
    (None, "body ", {"said to be gzip'd": predict(ZIPPED, Content_Encoding="gzip")}),
    (None, "body ", {"form without a boundary": predict(b"x", content_type=FORM)}),
    (lambda kind: predict(ENCODED, content_type=kind), "", {"no content type": None, **KINDS}),
    (None, "", {"urlencoded": predict(b"image=a", content_type=URLENCODED)}),
    (None, "", {"too long a body": predict({**BODY, "text": "x" * 4000}, "small")}),
    # Paths and methods.
    (lambda path: post(path, BODY), "slash ", {"behind": "/predict/"}),
    (lambda method: ask(method, "/health"), "", {"delete": "DELETE", "head": "HEAD"}),
    (lambda method: ask(method, "/health"), "odd ", {"method": "BREW"}),
    (None, "", {"put": ask("PUT", "/predict", data=ENCODED, content_type=JSON)}),
    (None, "", {"wrong method": get("/predict"), "options": options()}),
    # Who asks.
    (lambda path: get(path, "keys"), "no key for ", {"metrics": "/metrics"}),
    (lambda path: get(path, "keys"), "no key for ", {"an unknown path": "/predikt"}),
    (lambda path: get(path, "keys"), "open ", {"health": "/health", "ready": "/ready"}),
    (lambda path: get(path, "keys"), "open ", {"docs": "/docs", "script": "/static/page.js"}),
    (lambda key: predict(BODY, "keys", X_API_Key=key), "", {"wrong key": "wrong", "key": KEY}),
    (lambda sent: pairs("keys", Authorization=sent), "", {"bearer": f"Bearer {KEY}"}),
    (lambda sent: pairs("keys", Authorization=sent), "", {"bearer wrong": "Bearer x"}),
    (lambda sent: pairs("keys", Authorization=sent), "", {"basic": f"Basic {KEY}"}),
    (
        lambda path: get(path, "limited"),
        "limited ",
        dict.fromkeys("123", "/available_combinations"),
    ),
    (lambda path: get(path, "limited"), "limited ", {"health": "/health", "page": "/"}),
    (None, "limited ", {"other address": pairs("limited", address="10.0.0.9")}),
    (lambda url: get("/ready", "loopback", base_url=url), "loopback", LOCAL),
    (lambda url: get("/ready", "loopback", base_url=url), "rebound ", {"name": REBOUND}),
    (None, "rebound ", {"correction": correction(CORRECTION, on="loopback", base_url=EVIL_HOST)}),
    (lambda page: predict(BODY, Origin=page), "", {"page of another origin": EVIL}),
    (lambda page: predict(BODY, Origin=page), "", {"own page": "http://localhost"}),
    (lambda page: predict(BODY, Origin=page), "", {"null origin": "null"}),
    (lambda page: predict(BODY, Origin=page), "", {"broken origin": "http://[::1"}),
    (None, "", {"get of another origin": get("/health", Origin=EVIL)}),
    (None, "", {"get of no page": get("/health", "cors")}),
    (None, "", {"any origin": predict(BODY, "any origin", Origin=EVIL)}),
    (None, "", {"listed origin without a key": predict(BODY, "cors", Origin=LAB)}),
    (None, "", {"listed origin": predict(BODY, "cors", Origin=LAB, X_API_Key=KEY)}),
    (None, "", {"origin that is not listed": predict(BODY, "cors", Origin=EVIL, X_API_Key=KEY)}),
    (lambda page: options("cors", Origin=page, **PREFLIGHT), "preflight", {"": LAB}),
    (lambda page: options("cors", Origin=page, **PREFLIGHT), "preflight ", {"of a stranger": EVIL}),
    # Other checkpoints.
    (load, "load ", {"a number": 3, "above": "../embeddings", "absolute": "/etc"}),
    (load, "load ", {"zero byte": "a\0b", "absent": "absent", "broken": "broken"}),
    (load, "load ", {"long": "a" * 150 + "/" + "b" * 49}),
    (lambda body: post("/load_model", body, "root", **HOME), "load ", {"no name": {}}),
    (lambda body: post("/load_model", body, "root", **HOME), "load ", {"an array": []}),
    (None, "load ", {"no root": load("a", "plain")}),
    (None, "load ", {"from elsewhere": load("constant", address="10.0.0.9")}),
    (None, "load ", {"under another name": load("constant", base_url=REBOUND)}),
    (None, "load ", {"through a proxy": load("constant", X_Forwarded_For="127.0.0.1")}),
    (None, "load ", {"from elsewhere without a key": load("a", "keys", address="10.0.0.9")}),
    (None, "load ", {"with a key": load("a", "keys", X_API_Key=KEY)}),
    (None, "load ", {"form": load("", data={"checkpoint_path": "absent"}, content_type=FORM)}),
    (None, "", {"load": load("constant"), "predict of the loaded one": predict(BODY, "root")}),
    # Corrections.
    (None, "", {"recorded": predict(BODY, "records", X_Request_ID="frozen-1")}),
    (None, "correct ", {"nothing kept": correct({}, "plain")}),
    (correct, "correct", {"": {"corrected_by": "ada"}, " text": {"start_x": "0.5"}}),
    (correct, "correct ", {"unknown": {"request_id": "frozen-2"}, "true": {"end_x": True}}),
    (correct, "correct ", {"odd id": {"request_id": "../x"}, "outside": {"end_x": 1.01}}),
    (correct, "correct ", {"a word": {"end_x": "left"}, "by a number": {"corrected_by": 3}}),
    (correction, "correct ", {"no id": CORRECTION, "an array": []}),
    (correction, "correct ", {"no end": {"request_id": "frozen-1", "start_x": 0, "start_y": 1}}),
)
REQUESTS = {
    start + end: make(value) if make else value
    for make, start, values in TABLE
    for end, value in values.items()
}


class _Servers:
    """Makes each server once, in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._made = folder, {}
        for name in ("embeddings", "root/constant", "root/broken"):
            (folder / name).mkdir(parents=True)

    def _load(self, directory: pathlib.Path):
        if directory.name == "broken":
            raise ValueError(f"{directory}/metadata.json: expected JSON")
        model = serving_stubs.ConstantModel([0.1, 0.1, 0.2, 0.2])
        return serving_stubs.predictor_of(model, serving_stubs.store(), version=directory.name)

    def _make(self, **options):
        for name in {"record_dir", "checkpoint_root"} & set(options):
            options[name] = self._folder / options[name]
        return serving_stubs.application(load=self._load, **options).test_client()

    def ask(self, name: str) -> dict:
        """Status, headers and JSON; what differs from run to run is left out."""
        server, path, options = REQUESTS[name]
        if server not in self._made:
            self._made[server] = self._make(**SERVERS[server])
        if isinstance(options.get("data"), dict):
            options = {**options, "data": {k: _files(v) for k, v in options["data"].items()}}
        answer = self._made[server].open(path, **options)
        headers = {key: answer.headers[key] for key in HEADERS if key in answer.headers}
        if "Allow" in headers:  # Werkzeug lists a set, in an order of each process
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        given = headers["X-Request-ID"]
        if given != options["headers"].get("X-Request-ID"):
            del headers["X-Request-ID"]
        found = {"status": answer.status_code, "headers": headers}
        if answer.is_json and answer.data:
            text = answer.text if "X-Request-ID" in headers else answer.text.replace(given, "...")
            body = json.loads(text, parse_float=_rounded)
            hidden = {"timing_ms", "uptime_s"} & set(body)
            found["json"] = body | dict.fromkeys(hidden, "...")
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        made = _Servers(pathlib.Path(directory))
        answers = {name: made.ask(name) for name in REQUESTS}
    FILE.write_text(json.dumps(answers, indent=1) + "\n")
