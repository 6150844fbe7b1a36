"""Starts the server programs as processes of their own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import requests

ROOT = pathlib.Path(__file__).parents[1]
START_LIMIT_S = 600
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name not in ("PORT", "CHECKPOINT_PATH")
}


def start(program, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, program, *map(str, arguments)],
        cwd=ROOT,
        env={**ENVIRONMENT, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def running(program, port_file, *arguments, **environment):
    """A server that has said on which port it listens; killed at the end if it still runs."""
    process = start(program, "--port_file", port_file, *arguments, **environment)
    try:
        give_up = time.monotonic() + START_LIMIT_S
        while not port_file.exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < give_up, "the server did not start"
            time.sleep(0.05)
        yield process, f"http://127.0.0.1:{int(port_file.read_text())}"
    finally:
        process.kill()
        process.communicate()


def check_start_and_stop_without_a_checkpoint(program, port_file):
    """The server says that it has no model, refuses predictions, and ends well on SIGTERM."""
    with running(program, port_file, PORT="0") as (process, url):
        assert requests.get(f"{url}/health", timeout=30).json()["model_loaded"] is False
        assert requests.post(f"{url}/predict", json={}, timeout=30).status_code == 503
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
    assert f"serving on {url}" in log
    assert "No --checkpoint_dir" in log
    assert "got SIGTERM" in log
    assert "Traceback" not in log
    assert not port_file.exists()
