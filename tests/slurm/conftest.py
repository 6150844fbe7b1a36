"""A project to submit from, and the Slurm to submit to."""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
from concurrent import futures
from typing import TextIO

import filelock
import pytest

from tests.slurm import cluster

HERE = pathlib.Path(__file__).parent
# Whoever holds the first brings a Slurm up or takes it down; users of it share the second.
ALONE = filelock.FileLock(pathlib.Path(tempfile.gettempdir()) / "slurm_of_the_tests.lock")
USERS_FILE = pathlib.Path(tempfile.gettempdir()) / "slurm_of_the_tests.users"
# Exit code of slurm_up.sh.
UNAVAILABLE = 69


@pytest.fixture(scope="session")
def slurm():
    """A real Slurm; the number of nodes of its partition gpu: 2, or 1 without namespaces.

    A node more, `spare` in the partition spare, is there for the job that is stopped. The tests are
    skipped where there can be no Slurm. Processes that test at the same time share it: the first
    brings it up, the last takes it down. One that somebody else brought up goes on running.
    """
    if os.geteuid() != 0:
        pytest.skip("bringing up a Slurm needs root")
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        pytest.skip("there is no Slurm here, and no apt-get to install one")
    with USERS_FILE.open("a+") as users:
        with ALONE:
            # Left by tests that were killed, with whatever they had done to it.
            _take_down_if_last(users)
            up = subprocess.run([HERE / "slurm_up.sh"], capture_output=True, text=True, check=False)
            if up.returncode == UNAVAILABLE:
                pytest.skip(up.stderr[-500:])
            assert up.returncode == 0, up.stderr
            if "up after" in up.stderr:
                # It did not run before, so that it is ours to take down.
                users.truncate(0)
                users.write("of the tests")
                users.flush()
            # Held until the file is closed.
            fcntl.flock(users, fcntl.LOCK_SH)
        yield len(cluster.nodes())
        with ALONE:
            _take_down_if_last(users)


def _take_down_if_last(users: TextIO) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    users.seek(0)
    if users.read():
        users.truncate(0)
        subprocess.run([HERE / "slurm_down.sh"], check=True)


@pytest.fixture(scope="module")
def running(slurm, request, tmp_path_factory):
    """The bodies of the module's `together` tests, begun all at once; name -> outcome."""
    bodies = {
        item.name: item.function.body
        for item in request.session.items
        if item.module is request.module and hasattr(item.function, "body")
    }
    projects = {
        name: cluster.make_project(tmp_path_factory.mktemp(name) / "my project") for name in bodies
    }
    with futures.ThreadPoolExecutor(max(1, len(bodies))) as pool:
        yield {name: pool.submit(body, projects[name]) for name, body in bodies.items()}
    # What a test that failed has left would keep others waiting.
    for project in projects.values():
        project.cancel_jobs()


@pytest.fixture
def project(tmp_path):
    """A copy of the project in a folder whose name shells and globs could misread."""
    return cluster.make_project(tmp_path / "my project, lr=[1e-4]")
