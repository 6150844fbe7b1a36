"""One line for each request, with nothing in it that others should not read."""

from __future__ import annotations

import datetime
import json
import logging

import pytest

from serving import access_log, api_keys, settings
from tests import guard_stubs

KEY = "3x7QmZ-robot-key-0123"


@pytest.fixture
def ask(caplog):
    """Sends a request; gives the answer and the lines that were logged for it."""
    caplog.set_level(logging.INFO, logger="absl")
    chosen = settings.ServerSettings(api_keys={"robot": KEY}, max_body_bytes=1000)
    app = guard_stubs.application(chosen, access_log.install, api_keys.install)
    client = app.test_client()

    def send(method, path, **options):
        caplog.clear()
        headers = {"X-API-Key": KEY, **options.pop("headers", {})}
        answer = client.open(path, method=method, headers=headers, **options)
        records = [record for record in caplog.records if record.levelno == logging.INFO]
        return answer, [record.getMessage() for record in records]

    return send


def test_line_says_who_asked_what_and_got_what(ask):
    answer, (text,) = ask("POST", "/predict", data=b"x" * 100)
    line = json.loads(text)
    when = datetime.datetime.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%S.%fZ")
    assert abs(datetime.datetime.utcnow() - when) < datetime.timedelta(minutes=10)
    assert line.pop("ms") >= 0
    assert line == {
        "request_id": answer.headers["X-Request-ID"],
        "client": "robot",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "bytes_in": 100,
        "bytes_out": len(answer.data),
        "action": "skewering",
        "food_type": "grape",
        "model_version": "stub-1",
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "client"),
    [
        ("GET", "/health", {}, 200, "robot"),
        ("GET", "/nowhere", {}, 404, "robot"),
        ("GET", "/predict", {}, 405, "robot"),
        ("GET", "/fail", {}, 500, "robot"),
        ("POST", "/predict", {"X-API-Key": "wrong"}, 401, "127.0.0.1"),
    ],
)
def test_refused_and_failed_requests_are_there_too(method, path, headers, status, client, ask):
    answer, (text,) = ask(method, path, headers=headers)
    line = json.loads(text)
    assert (answer.status_code, line["status"], line["client"]) == (status, status, client)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert "action" not in line


def test_body_that_is_too_long_is_counted_as_announced(ask):
    answer, (text,) = ask("POST", "/predict", data=b"x" * 1001)
    line = json.loads(text)
    assert (answer.status_code, line["status"], line["bytes_in"]) == (413, 413, 1001)


def test_no_secret_and_no_content_is_written(ask):
    _, lines = ask(
        "POST",
        f"/predict?api_key={KEY}&x=secret1",
        json={"image": "secret2"},
        headers={"Authorization": "Bearer secret3", "Cookie": "secret4", "Referer": "secret5"},
    )
    for secret in (KEY, "secret", "?"):
        assert secret not in lines[0]


def test_nobody_writes_a_second_line_or_an_endless_one(ask):
    _, (text,) = ask("GET", "/a%0A%7B%22client%22:%22admin%22%7D%1b%E2%80%A8" + "x" * 5000)
    line = json.loads(text)
    assert "\n" not in text and "\x1b" not in text and text.isascii()
    assert line["path"].startswith('/a\n{"client":"admin"}')
    assert len(line["path"]) == 200


def test_a_clients_own_request_id_is_kept(ask):
    answer, (text,) = ask("GET", "/health", headers={"X-Request-ID": "robot-7.a_B"})
    assert json.loads(text)["request_id"] == "robot-7.a_B"
    assert answer.headers["X-Request-ID"] == "robot-7.a_B"
