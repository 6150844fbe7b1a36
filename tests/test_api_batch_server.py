"""The server program as a process: start, answer over HTTP, stop."""

from __future__ import annotations

import signal
import socket

import numpy as np
import pytest

import api_client
from tests import server_process, serving_stubs


def test_starts_without_a_checkpoint_and_stops_on_sigterm(tmp_path):
    server_process.check_start_and_stop_without_a_checkpoint(
        "api_batch_server.py", tmp_path / "port"
    )


def test_port_in_use_ends_the_program_before_a_model_is_loaded(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # The directory is no checkpoint: loading it would fail in another way.
        process = server_process.start(
            "api_batch_server.py", "--port", port, "--checkpoint_dir", tmp_path
        )
        _, log = process.communicate(timeout=server_process.START_LIMIT_S)
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use." in log
    assert "Traceback" not in log


def test_bad_checkpoint_directory_ends_the_program(tmp_path):
    absent = str(tmp_path / "absent")
    process = server_process.start("api_batch_server.py", "--port", "0", CHECKPOINT_PATH=absent)
    _, log = process.communicate(timeout=server_process.START_LIMIT_S)
    assert process.returncode == 1
    assert f"expected a directory that train.py wrote, got '{absent}'" in log
    assert "Traceback" not in log


def test_directory_without_a_checkpoint_ends_the_program(tmp_path):
    process = server_process.start(
        "api_batch_server.py", "--port", "0", "--checkpoint_dir", tmp_path
    )
    _, log = process.communicate(timeout=server_process.START_LIMIT_S)
    assert process.returncode == 1
    assert str(tmp_path) in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_serves_a_real_checkpoint(small_checkpoint_dir, tmp_path):
    arguments = ("--port", "0", "--checkpoint_dir", small_checkpoint_dir)
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
    assert first == again
    assert first.model_version == health["model_version"]
    assert (first.image_width, first.image_height) == (200, 120)
    for value in (first.start_x, first.start_y, first.end_x, first.end_y):
        assert 0.0 <= value <= 1.0
    assert "Warmed up" in log
