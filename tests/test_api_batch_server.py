"""The server program as a process: start, answer over HTTP, stop."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import re
import runpy
import signal
import socket
import sys
import threading
import time

import numpy as np
import pytest
import requests
from absl import logging

import api_client
from serving import memory
from tests import server_process, serving_stubs


def test_starts_without_a_checkpoint_and_stops_on_sigterm(tmp_path):
    server_process.check_start_and_stop_without_a_checkpoint(
        "api_batch_server.py", tmp_path / "port"
    )


@pytest.fixture
def run_here(monkeypatch):
    """A function of the program's arguments that runs it in this process, without its logging."""
    monkeypatch.setattr(memory, "limit_arenas", lambda: None)
    monkeypatch.setattr(logging, "use_absl_handler", lambda: None)
    monkeypatch.setattr(logging, "set_verbosity", lambda _: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["api_batch_server.py", *map(str, arguments)])
        runpy.run_path("api_batch_server.py", run_name="__main__")

    return run


def test_port_in_use_ends_the_program_before_a_model_is_loaded(run_here, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        message = f"Cannot listen on 127.0.0.1, port {port}: Address already in use."
        # The directory is no checkpoint: loading it would fail in another way.
        with pytest.raises(SystemExit, match=message):
            run_here("--port", port, "--checkpoint_dir", tmp_path)


def test_bad_checkpoint_directory_ends_the_program(tmp_path):
    absent = str(tmp_path / "absent")
    process = server_process.start("api_batch_server.py", "--port", "0", CHECKPOINT_PATH=absent)
    _, log = process.communicate(timeout=server_process.START_LIMIT_S)
    assert process.returncode == 1
    assert f"expected a directory that train.py wrote, got '{absent}'" in log
    assert "Traceback" not in log


def test_directory_without_a_checkpoint_ends_the_program(run_here, tmp_path):
    with pytest.raises(SystemExit, match=re.escape(str(tmp_path))):
        run_here("--port", 0, "--checkpoint_dir", tmp_path)


@pytest.mark.slow
def test_serves_a_real_checkpoint(small_checkpoint_dir, tmp_path):
    # The engine that is chosen by itself serves in `tests/test_readme.py`.
    arguments = ("--port", "0", "--checkpoint_dir", small_checkpoint_dir, "--engine", "tensorflow")
    picture = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    with server_process.running("api_batch_server.py", tmp_path / "port", *arguments) as (
        process,
        url,
    ):
        client = api_client.FoodAcquisitionClient(url)
        health = client.health()
        assert health["model_loaded"] is True
        action, food = client.available_combinations()[0]
        first = client.predict(picture, action, food)
        again = client.predict(serving_stubs.file_bytes(picture), action, food)
        with pytest.raises(api_client.ApiError, match="Unknown food 'plutonium'"):
            client.predict(picture, action, "plutonium")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
    assert first.request_id != again.request_id
    assert first == dataclasses.replace(again, request_id=first.request_id)
    assert first.model_version == health["model_version"]
    assert (first.image_width, first.image_height) == (200, 120)
    for value in (first.start_x, first.start_y, first.end_x, first.end_y):
        assert 0.0 <= value <= 1.0
    assert "Warmed up" in log
    assert "WARNING" not in log and "flag parsing" not in log


PICTURE = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.slow
def test_sigterm_under_load_loses_no_accepted_request(small_checkpoint_dir, tmp_path):
    arguments = ("--port", "0", "--checkpoint_dir", small_checkpoint_dir, "--engine", "tensorflow")
    answered, lock = set(), threading.Lock()

    def ask_until_refused(url):
        client = api_client.FoodAcquisitionClient(url, retries=0)
        action, food = client.available_combinations()[0]
        body = {"image": serving_stubs.file_bytes(PICTURE)}
        while True:
            try:
                # A connection for each request: one that is kept says nothing about acceptance.
                answer = requests.post(
                    f"{url}/predict",
                    data={"action": action, "food_type": food},
                    files=body,
                    timeout=60,
                )
            except requests.ConnectionError:
                return
            assert answer.status_code == 200
            with lock:
                answered.add(answer.json()["request_id"])

    with (
        server_process.running("api_batch_server.py", tmp_path / "port", *arguments) as (
            process,
            url,
        ),
        concurrent.futures.ThreadPoolExecutor(8) as pool,
    ):
        clients = [pool.submit(ask_until_refused, url) for _ in range(8)]
        while len(answered) < 40:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        for client in clients:
            client.result()
    assert process.returncode == 0, log
    lines = [json.loads(text) for text in re.findall(r"\{.*\}", log)]
    served = {line["request_id"] for line in lines if line.get("path") == "/predict"}
    assert len(served) >= 40
    assert served == answered, "every request that the server worked on was answered"


def kill_clients(url, action, food):
    """Twenty requests whose sender is gone before an answer."""
    host, port = url[len("http://") :].split(":")
    body = json.dumps({"image": "A" * 4000, "action": action, "food_type": food}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    for sent in (0, 1, len(body) // 2, len(body)):
        for _ in range(5):
            with socket.create_connection((host, int(port))) as connection:
                # Closing with unread data or with this option resets, as a killed client does.
                linger = b"\x01\0\0\0\0\0\0\0"
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                length = f"Content-Length: {len(body)}\r\n\r\n".encode()
                connection.sendall(head + length + body[:sent])


@pytest.mark.slow
def test_a_killed_server_is_noticed_and_its_successor_gives_the_same_answer(
    small_checkpoint_dir, tmp_path
):
    """And the successor does not notice killed clients."""
    records = tmp_path / "records"
    arguments = (
        *("--port", free_port(), "--checkpoint_dir", small_checkpoint_dir),
        *("--engine", "tensorflow", "--record_dir", records),
    )
    failed = []
    with server_process.running("api_batch_server.py", tmp_path / "a", *arguments) as (
        process,
        url,
    ):
        client = api_client.FoodAcquisitionClient(url, retries=0)
        action, food = client.available_combinations()[0]
        before = client.predict(PICTURE, action, food)

        def ask_until_it_fails():
            mine = api_client.FoodAcquisitionClient(url, retries=0)
            while not failed:
                try:
                    mine.predict(PICTURE, action, food)
                except api_client.ApiError as error:
                    failed.append(error)

        thread = threading.Thread(target=ask_until_it_fails)
        thread.start()
        time.sleep(0.5)
        process.kill()
        thread.join(60)
    assert failed[0].status is None, "no answer is told apart from a wrong one"
    with server_process.running("api_batch_server.py", tmp_path / "b", *arguments):
        client = api_client.FoodAcquisitionClient(url)
        assert client.predict(PICTURE, action, food).pixels == before.pixels
        kill_clients(url, action, food)
        assert client.predict(PICTURE, action, food).pixels == before.pixels
        metrics = requests.get(f"{url}/metrics", timeout=30).text
        assert re.search(r"^rt1_queue_length 0", metrics, re.MULTILINE)
        assert not re.search(r'rt1_requests_total\{.*status="500"', metrics)
    whole = {"request.json", "answer.json"}
    folders = [path for path in records.glob("*/*") if path.is_dir() and path.name[0] != "."]
    assert folders
    for folder in folders:
        assert whole <= {path.name for path in folder.iterdir()}
