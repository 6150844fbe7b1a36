"""Who may write into a checkpoint directory, with a real second process."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from training import directory_lock

HOLDER = """
import sys, time
from training import directory_lock
with directory_lock.held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds `tmp_path / "run"`."""
    root = pathlib.Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_until_the_first_is_killed(tmp_path, holder):
    folder = tmp_path / "run"
    said = f"where process {holder.pid} on .* trains. Wait for it"
    with pytest.raises(ValueError, match=said), directory_lock.held(folder):
        pass
    # What was refused has not overwritten who holds it.
    assert str(holder.pid) in (folder / ".lock").read_text()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with directory_lock.held(folder):
        assert str(os.getpid()) in (folder / ".lock").read_text()
    with directory_lock.held(folder):
        pass


def test_a_restarted_job_waits_for_the_last_process(tmp_path, holder):
    assert directory_lock.wait_seconds({}) == 0
    assert directory_lock.wait_seconds({"SLURM_RESTART_COUNT": "0"}) == 0
    assert directory_lock.wait_seconds({"SLURM_RESTART_COUNT": "2"}) == 180
    threading.Timer(0.5, holder.kill).start()
    with directory_lock.held(tmp_path / "run", wait_s=60):
        assert str(os.getpid()) in (tmp_path / "run" / ".lock").read_text()


def test_without_locks_a_warning(tmp_path, monkeypatch, caplog):
    def no_locks(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with directory_lock.held(tmp_path / "run"):
        pass
    assert "do not start a second run there" in caplog.text


def test_other_errors_are_not_hidden(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), directory_lock.held(tmp_path / "file"):
        pass
