"""Pages of other origins: off unless listed, and no posts of strangers."""

from __future__ import annotations

import flask
import pytest

from serving import api_keys, cors, settings
from tests import guard_stubs

LAB = "https://lab.example"
KEYS = {"robot": "3x7QmZ-robot-key-0123"}
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


def client(*origins, keys=None):
    chosen = settings.ServerSettings(cors_origins=origins, api_keys=keys or {})
    return guard_stubs.application(chosen, cors.install, api_keys.install).test_client()


def cors_headers(answer):
    return {name for name, _ in answer.headers if name.startswith("Access-Control")}


def test_off_unless_origins_are_listed():
    asker = client()
    for answer in (
        asker.get("/health", headers={"Origin": LAB}),
        asker.options("/predict", headers={"Origin": LAB, **ASKS}),
    ):
        assert cors_headers(answer) == set()
        assert "Vary" not in answer.headers


def test_listed_origin_may_read_answers_and_errors():
    asker = client(LAB, "http://10.0.0.5:3000", keys=KEYS)
    for origin in (LAB, "http://10.0.0.5:3000"):
        for answer in (
            asker.get("/health", headers={"Origin": origin}),
            asker.post("/predict", headers={"Origin": origin}),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert answer.headers["Access-Control-Expose-Headers"] == "X-Request-ID, Retry-After"
            assert answer.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://lab.example.evil",
        "http://lab.example",
        "https://lab.example:8443",
        "https://xlab.example",
        "null",
    ],
)
def test_other_origins_get_nothing(origin):
    asker = client(LAB)
    answer = asker.get("/health", headers={"Origin": origin})
    assert cors_headers(answer) == set()
    assert answer.headers["Vary"] == "Origin"
    assert cors_headers(asker.options("/predict", headers={"Origin": origin, **ASKS})) == set()


def test_preflight_is_answered_without_a_key():
    answer = client(LAB, keys=KEYS).options("/predict", headers={"Origin": LAB, **ASKS})
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == LAB
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    allowed = answer.headers["Access-Control-Allow-Headers"]
    assert allowed == "Content-Type, Authorization, X-API-Key, X-Request-ID"
    assert answer.headers["Access-Control-Max-Age"] == "600"


def test_options_that_ask_nothing_need_a_key():
    answer = client(LAB, keys=KEYS).options("/predict", headers={"Origin": LAB})
    assert answer.status_code == 401


def test_star_is_every_origin():
    asker = client("*")
    for origin in (LAB, "null"):
        answer = asker.post("/predict", headers={"Origin": origin})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, "localhost", 200),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", 200),
        ("https://Robot.lab.example", "robot.lab.example", 200),
        (LAB, "127.0.0.1:8080", 200),
        ("http://127.0.0.1:3000", "127.0.0.1:8080", 403),
        ("https://evil.example", "localhost", 403),
        ("null", "localhost", 403),
        ("", "localhost", 403),
    ],
)
def test_strange_pages_may_not_post(origin, host, status):
    """A form needs no preflight: any page on the robot's own screen could post one."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    headers.update({} if origin is None else {"Origin": origin})
    answer = client(LAB).post("/predict", headers=headers, environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == status
    if status == 403:
        assert f"Expected a request of a program or of a page of {host}" in answer.json["error"]


@pytest.mark.parametrize(
    "origin", ["lab.example", "https://lab.example/", "https://*.example", "", "https://a b"]
)
def test_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(ValueError, match="cors_origins: expected scheme, host and port"):
        cors.install(flask.Flask("x"), settings.ServerSettings(cors_origins=(origin,)))
