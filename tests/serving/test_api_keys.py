"""Which routes ask for a key, and who counts as this computer."""

from __future__ import annotations

import pytest

from serving import api_keys, settings
from tests import guard_stubs

KEYS = {"robot": "3x7QmZ-robot-key-0123", "page": "Zk1v-page-key-987654"}
OPEN = ["/", "/health", "/ready", "/openapi.json", "/docs", "/static/page.css"]


def client(keys):
    return guard_stubs.application(
        settings.ServerSettings(api_keys=keys), api_keys.install
    ).test_client()


@pytest.mark.parametrize("path", OPEN)
def test_open_routes_need_no_key(path):
    assert client(KEYS).get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/available_combinations"),
        ("GET", "/metrics"),
        ("POST", "/predict"),
        ("POST", "/load_model"),
        ("OPTIONS", "/predict"),
        ("GET", "/nowhere"),
        ("GET", "/static"),
        ("GET", "/healthy"),
    ],
)
def test_all_others_need_one(method, path):
    answer = client(KEYS).open(path, method=method)
    assert answer.status_code == 401
    assert "got none. Send it in the header X-API-Key" in answer.json["error"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"X-API-Key": KEYS["robot"]}, "robot"),
        ({"X-API-Key": f" {KEYS['page']} "}, "page"),
        ({"Authorization": f"Bearer {KEYS['page']}"}, "page"),
        ({"Authorization": f"bearer  {KEYS['robot']}"}, "robot"),
        ({"X-API-Key": KEYS["robot"], "Authorization": "Basic eDp5"}, "robot"),
        ({"X-API-Key": "wrong"}, None),
        ({"X-API-Key": "wrong", "Authorization": f"Bearer {KEYS['robot']}"}, None),
        ({"X-API-Key": "robot"}, None),
        ({"X-API-Key": ""}, None),
        ({"X-API-Key": "\xe9"}, None),
        ({"Authorization": f"Basic {KEYS['robot']}"}, None),
        ({"Authorization": KEYS["robot"]}, None),
        ({"Authorization": "Bearer"}, None),
    ],
)
def test_key_in_either_header(headers, name):
    answer = client(KEYS).get("/available_combinations", headers=headers)
    assert answer.status_code == (401 if name is None else 200)
    if name:
        assert answer.json == {"client": name, "has_key": True}


def test_wrong_key_is_not_repeated():
    answer = client(KEYS).post("/predict", headers={"X-API-Key": "wrong-secret"})
    assert "got one that it does not know" in answer.json["error"]
    assert "wrong-secret" not in answer.text


def test_client_without_a_key_is_its_address():
    answer = client(KEYS).get("/health", environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert answer.json == {"client": "10.0.0.9", "has_key": False}


def test_without_keys_everybody_may_ask():
    answer = client({}).get("/available_combinations", headers={"X-API-Key": "anything"})
    assert answer.json == {"client": "127.0.0.1", "has_key": False}


@pytest.mark.parametrize(
    ("address", "host", "headers", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8080", {}, 200),
        ("127.8.8.8", "localhost", {}, 200),
        ("::1", "[::1]:8080", {}, 200),
        ("::ffff:127.0.0.1", "LOCALHOST:1", {}, 200),
        ("10.0.0.9", "127.0.0.1:8080", {}, 403),
        ("::ffff:10.0.0.9", "localhost", {}, 403),
        ("128.0.0.1", "localhost", {}, 403),
        ("fe80::1%eth0", "localhost", {}, 403),
        ("", "localhost", {}, 403),
        ("10.0.0.9", "localhost", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", "localhost", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", "localhost", {"Forwarded": "for=10.0.0.9"}, 403),
        ("127.0.0.1", "localhost", {"X-Real-IP": "127.0.0.1"}, 403),
        ("127.0.0.1", "evil.example", {}, 403),
        ("127.0.0.1", "localhost.evil.example:8080", {}, 403),
        ("127.0.0.1", "127.0.0.1.evil.example", {}, 403),
        ("127.0.0.1", "evil.example@127.0.0.1", {}, 403),
        ("127.0.0.1", "[::1", {}, 403),
    ],
)
def test_without_keys_models_are_loaded_from_this_computer_only(address, host, headers, status):
    answer = client({}).post(
        "/load_model",
        environ_overrides={"REMOTE_ADDR": address, "HTTP_HOST": host},
        headers=headers,
    )
    assert answer.status_code == status
    if status == 403:
        assert (
            "expects an API key or a request from the server's own computer"
            in (answer.json["error"])
        )


def test_with_a_key_models_are_loaded_from_anywhere():
    answer = client(KEYS).post(
        "/load_model",
        environ_overrides={"REMOTE_ADDR": "10.0.0.9"},
        headers={"X-API-Key": KEYS["robot"], "X-Forwarded-For": "10.1.1.1"},
    )
    assert answer.json == {"client": "robot", "has_key": True}


def test_with_keys_this_computer_needs_one_too():
    assert client(KEYS).post("/load_model").status_code == 401


def test_load_keys_is_here_as_well():
    assert api_keys.load_keys(None, {"API_KEYS": "robot:0123456789abcdef"}) == {
        "robot": "0123456789abcdef"
    }
