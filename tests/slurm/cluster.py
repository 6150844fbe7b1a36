"""What tests do with a real Slurm, and a project with a space in its path to submit from."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent import futures

ROOT = pathlib.Path(__file__).parents[2]
HERE = pathlib.Path(__file__).parent
SETTINGS = {
    **{"PARTITION": "gpu", "ACCOUNT": "", "GRES": "gpu:1", "CONSTRAINT": "", "TIME": "10"},
    **{"MEMORY": "4G", "CPUS": "1", "MODULES": "", "ENVIRONMENT": "environment"},
    **{"DATA_DIR": "my data", "CHECKPOINT_DIR": "my runs", "MIN_FREE_GB": "0"},
    **{"SAVE_SECONDS": "60", "MAX_REQUEUES": "20"},
}
# The interpreter of the tests in the place of the environment's: train.py can be held at a step,
# and the server has a stub for a model; STAND_IN_FOR names a program that STAND_IN takes the place
# of. What is held is what all wait for, so it goes first.
PYTHON = """#!/bin/sh
[ -n "$HOLD_AT_STEPS" ] || renice -n 5 $$ >/dev/null
case "$1" in
    "$STAND_IN_FOR") exec "$STAND_IN" "$@" ;;
    train.py) shift; exec '{python}' '{here}/../tiny_training.py' "$@" ;;
    api_batch_server.py) shift; exec '{python}' '{here}/stub_server.py' "$@" ;;
esac
exec '{python}' "$@"
"""
# The longest that a job may take beside all the others, and beside another process that tests.
WAIT_S = 900
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}


def nodes() -> list[str]:
    """Of the partition gpu."""
    command = ["sinfo", "-h", "-N", "-p", "gpu", "-o", "%N"]
    return subprocess.check_output(command, text=True).split()


def together(body: Callable[[Project], None]) -> Callable[[dict[str, futures.Future]], None]:
    """A test that runs beside the others of its module that are marked so; jobs mostly wait.

    `body` gets a project of its own to submit from; what pytest calls waits for its outcome, see
    `running` in conftest.py.
    """

    def test(running):
        running[body.__name__].result()

    test.body = body
    return test


def make_project(folder: pathlib.Path) -> Project:
    """Links to the project's files, copies of the scripts, and `SETTINGS` as cluster.env."""
    folder.mkdir()
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    copied = {"slurm_scripts", "slurm_outputs", ".venv"}
    for name in {path.split("/")[0] for path in listed} - copied:
        (folder / name).symlink_to(ROOT / name)
    ignored = shutil.ignore_patterns("cluster.env", "__pycache__")
    shutil.copytree(ROOT / "slurm_scripts", folder / "slurm_scripts", ignore=ignored)
    (folder / "my data").mkdir()
    python = folder / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(python=sys.executable, here=HERE))
    python.chmod(0o755)
    project = Project(folder)
    project.write_settings()
    return project


@dataclasses.dataclass(frozen=True)
class Project:
    """A folder to submit from, and the jobs that were."""

    folder: pathlib.Path
    jobs: list[str] = dataclasses.field(default_factory=list)

    def write_settings(self, **changes: str | None) -> pathlib.Path:
        """cluster.env, with changes to `SETTINGS`; None leaves a name out. Returns its path."""
        settings = {**SETTINGS, **changes}.items()
        lines = [f"{name}='{value}'" for name, value in settings if value is not None]
        path = self.folder / "slurm_scripts" / "cluster.env"
        path.write_text("\n".join(lines) + "\n")
        return path

    def submit(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """tools/submit.sh, from another folder than the project's."""
        return subprocess.run(
            [self.folder / "tools" / "submit.sh", *map(str, arguments)],
            cwd="/",
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def job(self, *arguments: str, **environment: str) -> str:
        """Submits, which must work. Returns the number of the job."""
        done = self.submit(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        self.jobs.append(re.search(r"^job +(\d+)$", done.stdout, re.MULTILINE).group(1))
        return self.jobs[-1]

    def log(self, pattern: str) -> str:
        """What the logs that match hold, one after the other."""
        files = sorted((self.folder / "slurm_outputs").glob(pattern))
        return "\n".join(file.read_text(errors="replace") for file in files)


def show(job: str) -> dict[str, str]:
    """What `scontrol show job` says of it."""
    text = subprocess.check_output(["scontrol", "show", "job", "-o", job], text=True)
    return dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0]))


def control(*arguments: str) -> None:
    """scontrol, which must work."""
    subprocess.run(["scontrol", *arguments], check=True, capture_output=True)


def wait_for(condition, what: str, wait_s: float = WAIT_S) -> None:
    """Until the condition is true."""
    give_up = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < give_up, f"waited {wait_s} s in vain until {what}"
        time.sleep(0.5)


def wait_for_end(*jobs: str) -> list[tuple[str, str]]:
    """(state, exit code) of each, once all have ended."""
    wait_for(lambda: all(show(job)["JobState"] in ENDED for job in jobs), f"{jobs} end")
    return [(show(job)["JobState"], show(job)["ExitCode"].split(":")[0]) for job in jobs]
