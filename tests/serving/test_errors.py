"""Errors as JSON, on a small application of its own."""

from __future__ import annotations

import flask
import pytest

from serving import errors


@pytest.fixture
def client():
    app = flask.Flask("test", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 10
    errors.install(app)

    @app.post("/refuse")
    def refuse():
        raise errors.RequestError(422, "expected this, got that")

    @app.post("/fault")
    def fault():
        raise KeyError("/secret/path")

    @app.post("/read")
    def read():
        return flask.request.get_data()

    return app.test_client()


def test_request_error_gives_status_and_message(client):
    answer = client.post("/refuse")
    assert answer.status_code == 422
    assert answer.json == {
        "error": "expected this, got that",
        "request_id": answer.headers[errors.REQUEST_ID_HEADER],
    }


def test_each_request_has_its_own_id(client):
    ids = {client.post("/read").headers[errors.REQUEST_ID_HEADER] for _ in range(5)}
    assert len(ids) == 5


def test_fault_shows_the_client_an_id_and_the_log_the_traceback(client, caplog):
    answer = client.post("/fault")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json["request_id"] in caplog.text
    assert "KeyError: '/secret/path'" in caplog.text


@pytest.mark.parametrize(
    ("method", "route", "data", "status", "message"),
    [
        ("GET", "/nowhere", b"", 404, "There is no /nowhere. Known: /fault, /read, /refuse."),
        ("GET", "/read", b"", 405, "/read expects one of OPTIONS, POST, got GET."),
        ("POST", "/read", b"x" * 11, 413, "Expected a body of at most 10 bytes, got 11."),
    ],
)
def test_http_errors_are_json(client, method, route, data, status, message):
    answer = client.open(route, method=method, data=data)
    assert answer.status_code == status
    assert answer.json["error"].startswith(message)
    assert answer.headers.get("Allow") == ("OPTIONS, POST" if status == 405 else None)
