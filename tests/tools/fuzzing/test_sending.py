"""What is sent, and which answers may be given."""

from __future__ import annotations

import json
import socket
import threading

import flask
import pytest

from serving import errors
from tests import serving_stubs
from tools.fuzzing import broken_requests, sending

IDENTIFIED = {"x-request-id": "7"}
ERROR = json.dumps({"error": "expected this", "request_id": "7"}).encode()


def test_request_on_the_wire():
    request = broken_requests.Request("x", "POST", "/\xe9", (("A", "b"),), b"body")
    assert sending.to_bytes(request, "here:1", "key") == (
        b"POST /\xe9 HTTP/1.1\r\nHost: here:1\r\nA: b\r\nX-API-Key: key\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\nbody"
    )


def test_headers_of_the_request_win():
    headers = (("Host", "evil"), ("X-API-Key", "x"), ("Transfer-Encoding", "chunked"))
    data = sending.to_bytes(broken_requests.Request("x", headers=headers, body=b"1"), "here", "key")
    assert data.count(b"Host") == data.count(b"X-API-Key") == 1
    assert b"Content-Length" not in data


def test_raw_bytes_are_sent_as_they_are():
    assert sending.to_bytes(broken_requests.Request("raw", raw=b"\0x"), "here", "key") == b"\0x"


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("fields", sending.Answer(200, b"{}", IDENTIFIED), None),
        ("fields", sending.Answer(400, ERROR, IDENTIFIED), None),
        ("fields", sending.Answer(503, ERROR, IDENTIFIED), None),
        ("fields", sending.Answer(504, ERROR, IDENTIFIED), None),
        ("fields", sending.Answer(500, ERROR, IDENTIFIED), "status 500"),
        ("fields", sending.Answer(502, ERROR, IDENTIFIED), "status 502"),
        ("fields", sending.Answer(501, ERROR, IDENTIFIED), "status 501"),
        ("raw", sending.Answer(501, b"", {}), None),
        ("raw", sending.Answer(500, b"", {}), "status 500"),
        ("fields", sending.Answer(None), "closed without an answer"),
        ("raw", sending.Answer(None), None),
        ("fields", sending.Answer(400, ERROR, {}), "without X-Request-ID"),
        ("raw", sending.Answer(400, b"Bad Request", {}), None),
        ("fields", sending.Answer(400, b"<html>", IDENTIFIED), "no JSON"),
        ("fields", sending.Answer(400, b"[]", IDENTIFIED), "without error and request_id"),
        ("fields", sending.Answer(400, b'{"error": "x"}', IDENTIFIED), "without error and"),
        (
            "fields",
            sending.Answer(400, ERROR.replace(b"this", b"Traceback (most"), IDENTIFIED),
            "shows the server's insides",
        ),
    ],
)
def test_which_answers_may_be_given(kind, answer, expected):
    found = sending.problem(broken_requests.Request(kind), answer)
    if expected is None:
        assert found is None
    else:
        assert expected in found


def test_a_real_server_is_asked():
    app = flask.Flask("test", static_folder=None)
    errors.install(app)
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    with serving_stubs.serve(app) as url:
        host, port = url.removeprefix("http://").split(":")

        def ask(method, path):
            request = broken_requests.Request("path", method, path)
            data = sending.to_bytes(request, "x", None)
            return request, sending.send(data, (host, int(port)), method, 30.0)

        request, answer = ask("GET", "/nowhere")
        assert (answer.status, sending.problem(request, answer)) == (404, None)
        assert json.loads(answer.body)["request_id"] == answer.headers["x-request-id"]
        request, answer = ask("GET", "/fail")
        assert sending.problem(request, answer) == "status 500"
        request, answer = ask("HEAD", "/nowhere")
        assert (answer.status, answer.body, sending.problem(request, answer)) == (404, b"", None)
        # A promise of 100 bytes that are never sent must not hang.
        cut = b"POST /fail HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        assert sending.send(cut, (host, int(port)), "POST", 30.0).status is None


def test_closed_connection_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        answer = sending.send(b"GET / HTTP/1.1\r\n\r\n", listener.getsockname(), "GET", 30.0)
        thread.join()
    assert answer.status is None


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(ConnectionRefusedError):
        sending.send(b"GET / HTTP/1.1\r\n\r\n", address, "GET", 5.0)
