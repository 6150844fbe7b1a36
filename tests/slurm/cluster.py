"""A real Slurm for the tests, and a project with a space in its path to submit from."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
HERE = pathlib.Path(__file__).parent
LOCK_FILE = pathlib.Path(tempfile.gettempdir()) / "slurm_of_the_tests.lock"
SETTINGS = {
    "PARTITION": "gpu",
    "ACCOUNT": "",
    "GRES": "gpu:1",
    "CONSTRAINT": "",
    "TIME": "10",
    "MEMORY": "4G",
    "CPUS": "1",
    "MODULES": "",
    "ENVIRONMENT": "environment",
    "DATA_DIR": "my data",
    "CHECKPOINT_DIR": "my runs",
    "MIN_FREE_GB": "0",
    "SAVE_SECONDS": "60",
    "MAX_REQUEUES": "20",
}
# The interpreter of the tests in the place of the environment's: train.py can be held at a step,
# and the server has a stub for a model.
PYTHON = """#!/bin/sh
case "$1" in
    train.py) shift; exec '{python}' '{here}/held_training.py' "$@" ;;
    api_batch_server.py) shift; exec '{python}' '{here}/stub_server.py' "$@" ;;
esac
exec '{python}' "$@"
"""
WAIT_S = 600
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}


def why_not() -> str | None:
    """Why there can be no Slurm here; None if there can."""
    if os.geteuid() != 0:
        return "bringing up a Slurm needs root"
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        return "there is no Slurm here, and no apt-get to install one"
    return None


@contextlib.contextmanager
def running() -> Iterator[str | None]:
    """A Slurm while it is entered; yields why there is none, or None.

    One that ran before goes on running. Another process that asks waits until this one is done.
    """
    with LOCK_FILE.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        was_up = (
            shutil.which("sinfo") and not subprocess.run(["sinfo"], capture_output=True).returncode
        )
        up = subprocess.run([HERE / "slurm_up.sh"], capture_output=True, text=True, check=False)
        if up.returncode:
            yield f"Slurm did not come up: {up.stderr[-500:]}"
            return
        try:
            yield None
        finally:
            if not was_up:
                subprocess.run([HERE / "slurm_down.sh"], check=True)


def make_project(folder: pathlib.Path) -> Project:
    """Links to the project's files, and copies of what finds its place by its own path.

    Args:
        folder: absent; gets `slurm_scripts/cluster.env` with `SETTINGS`.
    """
    folder.mkdir()
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    for name in {path.split("/")[0] for path in listed} - {"slurm_scripts", "slurm_outputs"}:
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
    """A folder to submit from."""

    folder: pathlib.Path

    def write_settings(self, **changes: str | None) -> None:
        """cluster.env, with changes to `SETTINGS`; None leaves a name out."""
        lines = [
            f"{name}='{value}'"
            for name, value in {**SETTINGS, **changes}.items()
            if value is not None
        ]
        path = self.folder / "slurm_scripts" / "cluster.env"
        path.write_text("\n".join(lines) + "\n")

    def submit(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """tools/submit.sh, from another folder than the project's."""
        return subprocess.run(
            [self.folder / "tools" / "submit.sh", *map(str, arguments)],
            cwd="/",
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def job(self, *arguments: str, **environment: str) -> str:
        """Submits, which must work. Returns the number of the job."""
        done = self.submit(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return re.search(r"^job +(\d+)$", done.stdout, re.MULTILINE).group(1)

    def log(self, pattern: str) -> str:
        """What the logs that match hold, one after the other."""
        files = sorted((self.folder / "slurm_outputs").glob(pattern))
        return "\n".join(file.read_text(errors="replace") for file in files)


def show(job: str) -> dict[str, str]:
    """What `scontrol show job` says of it."""
    text = subprocess.check_output(["scontrol", "show", "job", "-o", job], text=True)
    return dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0]))


def running_s(job: str) -> int:
    """How long it has run since its last start."""
    hours, minutes, seconds = map(int, show(job)["RunTime"].split(":"))
    return 3600 * hours + 60 * minutes + seconds


def control(*arguments: str) -> None:
    """scontrol, which must work."""
    subprocess.run(["scontrol", *arguments], check=True, capture_output=True)


def is_up(node: str) -> bool:
    """Whether the node takes jobs; asks for it if not."""
    state = subprocess.check_output(["sinfo", "-h", "-n", node, "-o", "%t"], text=True).strip()
    if state in ("idle", "mix", "alloc"):
        return True
    command = ["scontrol", "update", f"nodename={node}", "state=resume"]
    subprocess.run(command, capture_output=True, check=False)
    return False


def wait_for(condition, what: str, wait_s: float = WAIT_S) -> None:
    """Until the condition is true."""
    give_up = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < give_up, f"waited {wait_s} s in vain until {what}"
        time.sleep(0.2)


def wait_for_end(*jobs: str) -> list[tuple[str, str]]:
    """(state, exit code) of each, once all have ended."""
    wait_for(lambda: all(show(job)["JobState"] in ENDED for job in jobs), f"{jobs} end")
    return [(show(job)["JobState"], show(job)["ExitCode"].split(":")[0]) for job in jobs]
