"""tools/demo.sh with a stand-in for Python: a failing step ends it, and no server is left."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

DEMO = pathlib.Path(__file__).parents[2] / "tools" / "demo.sh"

# Called as `PYTHON program.py ...`; the program that FAILING names exits with code 7.
STAND_IN = """#!/bin/sh
echo "$*" >> calls.txt
case "$1" in
    "$FAILING") exit 7 ;;
    api_batch_server.py)
        echo $$ > server.pid
        while [ "$1" != --port_file ]; do shift; done
        echo 12345 > "$2"
        exec sleep 60 ;;
esac
"""


def run_demo(directory: pathlib.Path, failing: str) -> subprocess.CompletedProcess:
    (directory / "tools").mkdir()
    shutil.copy(DEMO, directory / "tools")
    python = directory / "python"
    python.write_text(STAND_IN)
    python.chmod(0o755)
    return subprocess.run(
        ["sh", directory / "tools" / "demo.sh", "3"],
        env={**os.environ, "PYTHON": str(python), "FAILING": failing},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def assert_server_is_gone(directory: pathlib.Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(int((directory / "server.pid").read_text()), 0)


def test_all_steps_run_and_the_server_is_stopped(tmp_path):
    done = run_demo(tmp_path, failing="nothing")
    assert done.returncode == 0, done.stderr
    assert "demo_output/answer.png" in done.stdout
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    programs = [call.split()[0] for call in calls]
    assert programs == [
        *("batch_api_inference.py", "evaluate.py"),
        *("build_dataset.py", "build_dataset.py", "train.py"),
        *("evaluate.py", "calibrate.py", "evaluate.py"),
        *("api_batch_server.py", "api_client.py"),
    ]
    assert "--num_epochs 3 " in calls[4]
    assert "--api_url http://127.0.0.1:12345" in calls[-1]
    assert_server_is_gone(tmp_path)


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        ("build_dataset.py", 7),
        ("train.py", 7),
        ("evaluate.py", 7),
        ("calibrate.py", 7),
        ("api_batch_server.py", 1),
    ]
    + [("batch_api_inference.py", 7), ("api_client.py", 7)],
)
def test_a_failing_step_fails_the_demo(failing, code, tmp_path):
    done = run_demo(tmp_path, failing)
    assert done.returncode == code
    assert f"The demo failed (exit code {code})." in done.stderr
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    assert calls[-1].split()[0] == failing
    if (tmp_path / "server.pid").exists():
        assert_server_is_gone(tmp_path)
