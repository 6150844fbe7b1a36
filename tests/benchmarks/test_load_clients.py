"""Threads that ask a real server."""

from __future__ import annotations

import json

import pytest

from benchmarks import load_clients
from tests.folder_inference import stub_server


@pytest.fixture
def server():
    with stub_server.running() as contract:
        yield contract


def target(server, tmp_path, route="/predict"):
    picture = stub_server.solid(tmp_path / "a.png").read_bytes()
    body = {"image": stub_server.base64.b64encode(picture).decode(), "action": "skewering"}
    headers = {"Content-Type": "application/json"}
    return load_clients.Target(server.url, route, json.dumps(body).encode(), headers)


def test_one_request(server, tmp_path):
    connection = load_clients.Connection(target(server, tmp_path))
    for _ in range(2):
        sample = connection.ask()
        assert sample.status == 200
        assert sample.latency_ms > 0
        assert sample.timing_ms == {"decode": 1.0, "queue": 0.5, "model": 2.0, "total": 4.0}
    connection.close()
    assert len(server.bodies) == 2


def test_refusals_have_a_status_and_no_times(server, tmp_path):
    server.busy = 1
    connection = load_clients.Connection(target(server, tmp_path))
    assert (connection.ask().status, connection.ask().status) == (503, 200)
    connection.close()


def test_nobody_there():
    nobody = load_clients.Target("http://127.0.0.1:9", "/predict", b"{}", {})
    sample = load_clients.Connection(nobody).ask()
    assert (sample.status, sample.timing_ms) == (load_clients.NO_ANSWER, {})


def test_every_request_of_every_client_is_counted(server, tmp_path):
    server.delay_s = 0.01
    samples, seconds = load_clients.run_clients(target(server, tmp_path), clients=3, seconds=0.2)
    assert len(samples) == len(server.bodies) >= 3
    assert {one.status for one in samples} == {200}
    assert seconds >= 0.2
