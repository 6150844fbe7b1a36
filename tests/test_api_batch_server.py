"""The server programs as processes: start, answer over HTTP, stop, die."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import re
import signal
import socket
import threading
import time

import numpy as np
import pytest
import requests

import api_client
from tests import server_process, serving_stubs

PICTURE = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.mark.parametrize("program", ["api_server.py", "api_batch_server.py"])
def test_starts_without_a_checkpoint_and_stops_on_sigterm(program, tmp_path):
    port_file = tmp_path / "port"
    with server_process.running(program, port_file, PORT="0") as (process, url):
        assert requests.get(f"{url}/health", timeout=30).json()["model_loaded"] is False
        status = 503 if "batch" in program else 404
        assert requests.post(f"{url}/predict_batch", json={}, timeout=30).status_code == status
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
    assert f"serving on {url}" in log and "No --checkpoint_dir" in log and "got SIGTERM" in log
    assert "Traceback" not in log and not port_file.exists()


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--checkpoint_dir", "absent", "--checkpoint_dir: .*No checkpoint directory"),
        ("--checkpoint_dir", ".", "--checkpoint_dir: .* cannot be loaded"),
        ("--checkpoint_root", "absent", "--checkpoint_root: expected a folder of checkpoint"),
        ("--api_key_file", "absent", "No such file.*absent"),
        ("--max_waiting", "0", "--max_waiting: expected 1 to .* got 0"),
        ("--port", "70000", "--port: expected 0 to 65535, got 70000"),
    ],
)
def test_what_it_cannot_start_with(flag, value, message, tmp_path, monkeypatch, capsys):
    from serving import app, command_line

    value = value if value.isdigit() else str(tmp_path / value)
    port = () if flag == "--port" else ("--port", "0")
    monkeypatch.setattr("sys.argv", ["api_batch_server.py", *port, flag, value])
    with pytest.raises(SystemExit) as ended:
        command_line.main("", app.create_app)
    assert re.search(message, f"{ended.value.code}{capsys.readouterr().err}")


def test_a_port_in_use_ends_the_program_before_a_model_is_loaded(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # The directory is no checkpoint: loading it would fail in another way.
        environment = {"PORT": str(port), "CHECKPOINT_PATH": str(tmp_path)}
        process = server_process.start("api_batch_server.py", **environment)
        _, log = process.communicate(timeout=server_process.START_LIMIT_S)
    assert process.returncode == 1 and "Traceback" not in log
    assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use." in log


@pytest.mark.slow
def test_a_killed_server_and_its_successor_which_is_told_to_end(small_checkpoint_dir, tmp_path):
    """Both serve a real checkpoint; the engine that is chosen by itself serves in test_readme.py.

    SIGKILL under load leaves whole records. The successor answers the same, and samples do not
    change its model. SIGTERM under load loses no accepted request.
    """
    records, program = tmp_path / "records", "api_batch_server.py"
    arguments = ("--port", "0", "--checkpoint_dir", small_checkpoint_dir)
    arguments += ("--engine", "tensorflow", "--record_dir", records)
    failed = []
    with server_process.running(program, tmp_path / "a", *arguments) as (process, url):
        client = api_client.FoodAcquisitionClient(url, retries=0)
        action, food = client.available_combinations()[0]
        before = client.predict(PICTURE, action, food)
        again = client.predict(serving_stubs.file_bytes(PICTURE), action, food)

        def ask_until_it_fails():
            while not failed:
                try:
                    client.predict(PICTURE, action, food)
                except api_client.ApiError as error:
                    failed.append(error)

        thread = threading.Thread(target=ask_until_it_fails)
        thread.start()
        time.sleep(0.5)
        process.kill()
        thread.join(60)
        _, log = process.communicate(timeout=60)
    assert before == dataclasses.replace(again, request_id=before.request_id) != again
    assert "Warmed up" in log and "WARNING" not in log and "flag parsing" not in log
    assert failed[0].status is None, "no answer is told apart from a wrong one"

    with server_process.running(program, tmp_path / "b", *arguments) as (process, url):
        client = api_client.FoodAcquisitionClient(url)
        for scope in ("head", "full") * 6:
            client.predict_batch(PICTURE, action, food, batch_size=4, dropout_scope=scope)
        later = client.predict(PICTURE, action, food)
        assert before.pixels == later.pixels
        answered = {later.request_id}
        fields = {"action": action, "food_type": food}
        files = {"image": serving_stubs.file_bytes(PICTURE)}

        def ask_until_refused():
            while True:
                try:
                    # A connection for each request: one that is kept says nothing of acceptance.
                    answer = requests.post(f"{url}/predict", data=fields, files=files, timeout=60)
                except requests.ConnectionError:
                    return
                assert answer.status_code == 200
                answered.add(answer.json()["request_id"])

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(ask_until_refused) for _ in range(8)]
            while len(answered) < 40:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=60)
            for one in clients:
                one.result()
        assert process.returncode == 0, log
    lines = [json.loads(text) for text in re.findall(r"\{.*\}", log)]
    good = [one for one in lines if (one.get("path"), one.get("status")) == ("/predict", 200)]
    assert {one["request_id"] for one in good} == answered
    folders = [path for path in records.glob("*/*") if path.is_dir() and path.name[0] != "."]
    assert folders
    for folder in folders:
        assert {"request.json", "answer.json"} <= {path.name for path in folder.iterdir()}
