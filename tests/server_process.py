"""Starts the server programs as processes of their own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import time

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
