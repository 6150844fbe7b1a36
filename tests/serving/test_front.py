"""What the server does with clients that are slow, hostile or many: over sockets, byte by byte."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
import requests

from serving import front
from tests import serving_stubs
from tests.serving import test_server

LIMIT_S = 30
KEY = test_server.KEY
POST = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
WHOLE = json.dumps(test_server.BODY)


@pytest.fixture
def serve(monkeypatch):
    """A context: the address of a server with the given settings and bounds."""

    def start(bounds=(), **options):
        for name, value in dict(bounds).items():
            monkeypatch.setattr(front, name, value)
        return serving_stubs.running(**options)

    return start


def connect(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT_S)


def ask(url, data):
    """All that comes back for some bytes, until the server closes or is silent for a second."""
    parts = []
    with connect(url) as connection, contextlib.suppress(ConnectionError, TimeoutError):
        connection.sendall(data.encode())
        while part := connection.recv(65536):
            parts.append(part)
            connection.settimeout(1.0)
    return b"".join(parts).decode("latin1")


def statuses(answer):
    return re.findall(r"HTTP/1\.1 (\d+)", answer)


@pytest.mark.parametrize("begun", ["GET /health HT", POST + "Content-Length: 1000\r\n\r\n{"])
def test_who_sends_slowly_is_cut_off_and_keeps_nobody_waiting(serve, begun):
    with serve({"HEADER_S": 1.0, "BODY_S": 1.0}) as url:
        slow = [connect(url) for _ in range(100)]
        for connection in slow:
            connection.sendall(begun.encode())
        for _ in range(3):
            assert requests.get(f"{url}/health", timeout=5).ok
            assert test_server.post(url).status_code == 200
        answers = []
        for connection in slow:  # Until the server closes it; LIMIT_S is its timeout.
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(1000):
                    answers.append(part.decode())
            connection.close()
        assert {*statuses("".join(answers))} <= {"408"}
        assert "{" not in begun or "Send it faster" in answers[0]


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""),
        (POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "400", ""),
        (POST + "Transfer-Encoding: xchunked\r\n\r\n{}", "400", ""),
        (CHUNKED + "zz\r\n", "400", ""),
        (CHUNKED + "1;" + "a" * 100_000, "400", ""),
        (CHUNKED + "0\r\n" + "A: b\r\n" * 50_000, "400", ""),
        (CHUNKED + "1\r\na\r\n" * 5000 + "0\r\n\r\n", "400", "got smaller ones"),
        # A whole body, and then a chunk that is none.
        (f"{CHUNKED}{len(WHOLE):x}\r\n{WHOLE}\r\nzz\r\n", "400", "chunks are broken"),
        (CHUNKED + "fffff\r\n" + "a" * 0xFFFFF + "\r\n", "413", ""),
        (POST + "Content-Length: 99999999\r\n\r\n", "413", ""),
        (POST.replace("/predict", "/corrections") + "Content-Length: 99999\r\n\r\n", "413", ""),
    ],
)
def test_bodies_that_say_two_things_or_never_end(serve, data, status, said):
    with serve(max_body_bytes=200_000) as url:
        started = time.monotonic()
        answer = ask(url, data + "GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        # One answer: what follows is never taken for a request of its own.
        assert statuses(answer) == [status] and "model_version" not in answer and said in answer
        assert time.monotonic() - started < 10
        assert test_server.post(url).status_code == 200


def test_a_key_is_looked_at_before_the_body_and_a_header_with_an_underscore_is_none(serve):
    with serve(api_keys={"robot": KEY}) as url:
        answer = ask(url, POST + "Content-Length: 30000000\r\n\r\n")
        assert statuses(answer) == ["401"] and '"request_id"' in answer
        get = "GET /available_combinations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        assert statuses(ask(url, f"{get}X_API_Key: {KEY}\r\n\r\n")) == ["401"]
        assert statuses(ask(url, f"{get}X-API-Key: {KEY}\r\n\r\n")) == ["200"]


def test_bodies_together_are_bounded(serve):
    with serve({"BODIES_AT_A_TIME": 1}, max_body_bytes=100_000) as url:
        with connect(url) as first:
            first.sendall((POST + "Content-Length: 90000\r\n\r\n" + "a" * 80_000).encode())
            time.sleep(0.5)
            second = ask(url, POST + "Content-Length: 50000\r\n\r\n" + "a" * 50_000)
            assert statuses(second) == ["503"] and "retry-after" in second.lower()
        time.sleep(0.5)
        assert statuses(ask(url, POST + "Content-Length: 50000\r\n\r\n" + "a" * 50_000)) == ["400"]


@pytest.mark.parametrize(("limit", "said"), [(64, "^[0-9]{1,2}$"), (24, "ulimit -n 256")])
def test_few_files_are_few_connections_and_none_is_said(limit, said):
    pytest.importorskip("resource")
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n"
        "from serving import front; print(front.connections())"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=test_server.ROOT, capture_output=True, text=True)
    assert re.search(said, run.stdout or run.stderr)


def test_behind_nginx_nobody_counts_as_this_computer(serve, tmp_path):
    """nginx with the configuration of docs/serving.md, without TLS."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    (tmp_path / "root").mkdir()
    text = (test_server.ROOT / "docs" / "serving.md").read_text()
    block = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)[1]
    port = serving_stubs.free_port()
    proxy = f"http://127.0.0.1:{port}"
    block = re.sub(r"listen .*", f"listen 127.0.0.1:{port};", block)
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in names)
    with (
        serve(checkpoint_root=tmp_path / "root", load_without_key=True) as url,
        contextlib.ExitStack() as stack,
    ):
        block = re.sub(r"\n *ssl_.*", "", block).replace("http://127.0.0.1:8080", url)
        (tmp_path / "conf").write_text(
            f"pid {tmp_path}/pid; error_log {tmp_path}/errors; events {{}}\n"
            f"http {{ access_log off; {places}\n{block} }}"
        )
        command = ["nginx", "-c", f"{tmp_path}/conf", "-p", str(tmp_path), "-g", "daemon off;"]
        process = stack.enter_context(subprocess.Popen(command))
        stack.callback(process.terminate)
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError), connect(proxy):
                break
            time.sleep(0.05)
        body = {"checkpoint_path": "monday"}
        assert test_server.post(url, "/load_model", body).status_code == 404, "asked directly"
        assert test_server.post(proxy, "/load_model", body).status_code == 403
        assert test_server.post(proxy, headers={"Origin": proxy}).status_code == 200
        slow = [stack.enter_context(connect(proxy)) for _ in range(30)]
        for connection in slow:
            connection.sendall((POST + "Content-Length: 1000\r\n\r\n{").encode())
        assert requests.get(f"{url}/health", timeout=5).ok, "nginx keeps half a body to itself"
