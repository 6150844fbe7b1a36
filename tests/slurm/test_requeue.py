"""Signals reach the program once, and its exit code reaches Slurm."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# Takes a first signal as train.py does: a second one would kill it.
PROGRAM = """
import signal, sys, time
came = []
def note(number, frame):
    came.append(signal.Signals(number).name)
    for each in (signal.SIGTERM, signal.SIGUSR1): signal.signal(each, signal.SIG_DFL)
print("starting", flush=True)
time.sleep(float(sys.argv[1]))
for each in (signal.SIGTERM, signal.SIGUSR1): signal.signal(each, note)
print("ready", flush=True)
give_up = time.monotonic() + 30
while not came and time.monotonic() < give_up: time.sleep(0.01)
print("saving", flush=True)
time.sleep(1)
print(came, flush=True)
sys.exit(75)
"""
JOB = """set -euo pipefail
. slurm_scripts/requeue.sh
MAX_REQUEUES=3
echo begun
run_stoppable USR1 "$@"
end_or_requeue {until}
"""
# Stands in for the controller: the state of the job is that of the file, requests are noted.
SCONTROL = """#!/bin/sh
if [ "$1" = show ]; then echo "JobId=7 JobState=$(cat {folder}/state) Reason=None"; fi
if [ "$1" = requeue ]; then echo "$2" >>{folder}/requeued; exit "$(cat {folder}/code)"; fi
"""


@pytest.fixture
def controller(tmp_path):
    path = tmp_path / "bin" / "scontrol"
    path.parent.mkdir()
    path.write_text(SCONTROL.format(folder=tmp_path))
    path.chmod(0o755)
    (tmp_path / "state").write_text("RUNNING")
    (tmp_path / "code").write_text("0")
    return tmp_path


def _start(controller, *command, until="once", job=JOB, **environment):
    return subprocess.Popen(
        ["bash", "-c", job.format(until=until), "job", *command],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "PATH": f"{controller / 'bin'}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "7",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _until(process, word):
    """Reads the output up to a line that begins so."""
    for line in process.stdout:
        if line.startswith(word):
            return
    raise AssertionError(f"no line {word!r}")


def _end(process):
    rest, _ = process.communicate(timeout=60)
    return process.returncode, rest


def _requeued(controller):
    path = controller / "requeued"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("code", [0, 1, 3, 64, 137])
def test_the_exit_code_is_the_programs(controller, code):
    assert _end(_start(controller, "sh", "-c", f"exit {code}"))[0] == code
    assert _requeued(controller) == []


def test_a_program_that_was_killed_from_outside(controller):
    code, printed = _end(_start(controller, "sh", "-c", "kill -9 $$", MEMORY="4G"))
    assert code == 137
    assert "was killed (SIGKILL), as the kernel does where memory is short: MEMORY is 4G" in printed
    assert _requeued(controller) == []


def test_before_the_time_limit_it_saves_and_is_queued_again(controller):
    process = _start(controller, sys.executable, "-c", PROGRAM, "0")
    _until(process, "ready")
    process.send_signal(signal.SIGUSR1)
    code, printed = _end(process)
    assert code == 75
    assert "['SIGUSR1']" in printed
    assert _requeued(controller) == ["7"]


def test_a_task_of_an_array_is_queued_again_alone(controller):
    array = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}
    assert _end(_start(controller, "sh", "-c", "exit 75", **array))[0] == 75
    assert _requeued(controller) == ["5_2"]


def test_slurms_own_signal_is_not_doubled(controller):
    """Pre-emption tells the shell and the program, and queues the job again itself."""
    (controller / "state").write_text("COMPLETING")
    process = _start(controller, sys.executable, "-c", PROGRAM, "0")
    _until(process, "ready")
    os.killpg(process.pid, signal.SIGTERM)
    code, printed = _end(process)
    assert (code, "['SIGTERM']" in printed) == (75, True)
    assert "Slurm took the job (COMPLETING)" in printed
    assert _requeued(controller) == []


def test_a_program_that_does_not_listen_yet_is_told_later(controller):
    process = _start(controller, sys.executable, "-c", PROGRAM, "1.5")
    _until(process, "starting")
    process.send_signal(signal.SIGUSR1)
    code, printed = _end(process)
    assert (code, "['SIGUSR1']" in printed) == (75, True)


def test_a_signal_before_the_program_runs_is_kept(controller):
    job = JOB.replace("echo begun", "trap 'note_signal USR1' USR1; echo begun; sleep 1")
    process = _start(controller, "echo", "ran", job=job)
    _until(process, "begun")
    process.send_signal(signal.SIGUSR1)
    code, printed = _end(process)
    assert (code, "ran" in printed.split(), _requeued(controller)) == (75, False, ["7"])


def test_a_signal_after_the_program_ran_changes_nothing(controller):
    job = JOB.replace("end_or", "echo ran; sleep 1\nend_or")
    process = _start(controller, "true", job=job)
    _until(process, "ran")
    process.send_signal(signal.SIGUSR1)
    assert _end(process)[0] == 0


@pytest.mark.parametrize("code", [0, 1])
def test_a_server_that_was_told_to_end_is_queued_again(controller, code):
    program = ["sh", "-c", f"trap 'exit {code}' USR1; echo ready; while :; do sleep 0.1; done"]
    process = _start(controller, *program, until="always")
    _until(process, "ready")
    process.send_signal(signal.SIGUSR1)
    assert _end(process)[0] == code
    assert _requeued(controller) == ["7"]


def test_a_run_that_finished_after_the_signal_is_done(controller):
    program = ["sh", "-c", "trap : USR1; echo ready; while :; do sleep 1; exit 0; done"]
    process = _start(controller, *program)
    _until(process, "ready")
    process.send_signal(signal.SIGUSR1)
    assert _end(process)[0] == 0
    assert _requeued(controller) == []


def test_the_number_of_requeues_is_bounded(controller):
    for restarts, expected in (("2", ["7"]), ("3", ["7"])):
        process = _start(controller, "sh", "-c", "exit 75", SLURM_RESTART_COUNT=restarts)
        code, printed = _end(process)
        assert code == 75
        assert _requeued(controller) == expected
    assert "started again 3 times; MAX_REQUEUES is 3" in printed


def test_a_refused_requeue_is_said(controller):
    (controller / "code").write_text("1")
    code, printed = _end(_start(controller, "sh", "-c", "exit 75"))
    assert (code, "scontrol requeue failed" in printed) == (75, True)
