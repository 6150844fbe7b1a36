"""Exit codes of workers, and what they mean for the job; srun is a stand-in."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
JOB = """set -euo pipefail
EX_TEMPFAIL=75
PROJECT=$PWD
say() { echo "job: $*"; }
. slurm_scripts/requeue.sh
. slurm_scripts/workers.sh
PROJECT=$FOLDER
run_workers "$FOLDER/run" "$FOLDER/program"
echo "exit code $EXIT_CODE"
"""
# As many tasks as Slurm says, all at once.
SRUN = """#!/usr/bin/env bash
echo "$*" >>"$FOLDER/steps"
while [[ $1 == -* ]]; do shift; done
for ((task = 0; task < SLURM_NTASKS; task++)); do SLURM_PROCID=$task "$@" & done
wait
exit 1
"""


@pytest.fixture
def judge(tmp_path):
    """A function (code of each worker, restarts) -> what the job says."""
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    (tmp_path / "slurm_outputs").mkdir()

    def run(*codes, restarts=0):
        program = "#!/bin/sh\ncase $SLURM_PROCID in\n"
        for task, code in enumerate(codes):
            program += f"{task}) {'kill -9 $$' if code == 'killed' else f'exit {code}'} ;;\n"
        (tmp_path / "program").write_text(program + "esac\n")
        (tmp_path / "program").chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "FOLDER": str(tmp_path),
            "SLURM_JOB_ID": "7",
            "SLURM_NTASKS": str(len(codes)),
            "SLURM_RESTART_COUNT": str(restarts),
        }
        done = subprocess.run(
            ["bash", "-c", JOB], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert not list((tmp_path / "slurm_outputs").iterdir())
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((0, 0, 0), 0),
        ((75, 75), 75),
        ((0, "killed"), 75),
        ((75, 1), 1),  # the others' 75 only says that they lost the one with the error
        (("killed", 2), 2),
    ],
)
def test_the_job_ends_as_its_workers_did(judge, codes, code):
    assert f"exit code {code}\n" in judge(*codes)


def test_lost_again_without_progress_is_an_error(judge, tmp_path):
    said = judge("killed", 75, restarts=1)
    assert "exit code 1\n" in said and "nothing was saved since the last start" in said
    assert "exit code 75\n" in judge("killed", 75, restarts=0)
    # Slurm may signal the tasks alone: they have saved and want to go on.
    assert "exit code 75\n" in judge(75, 75, restarts=1)


def test_a_job_that_was_queued_again_uses_no_number_of_a_step_again(judge, tmp_path):
    """Slurm numbers the steps of each start from 0, and may still signal those of the last one."""
    judge(0, 0, restarts=2)
    steps = (tmp_path / "steps").read_text().splitlines()
    assert [step.split()[-1] for step in steps[:2]] == ["true", "true"]
    assert len(steps) == 3 and steps[2].endswith("/program")


def test_a_worker_waits_for_the_program_that_saves(tmp_path):
    program = tmp_path / "program"
    program.write_text(
        "#!/usr/bin/env bash\ntrap 'sleep 0.5; exit 75' TERM\n"
        f"touch '{tmp_path}/ready'\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    worker = subprocess.Popen(
        ["slurm_scripts/worker.sh", tmp_path, program],
        cwd=ROOT,
        env={**os.environ, "SLURM_PROCID": "3"},
        start_new_session=True,
    )
    give_up = time.monotonic() + 30
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < give_up
        time.sleep(0.02)
    # As Slurm does it: to all processes of the task.
    os.killpg(worker.pid, signal.SIGTERM)
    assert worker.wait(timeout=30) == 75
    assert (tmp_path / "3.code").read_text() == "75\n"
