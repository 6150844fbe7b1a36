"""A project to submit from, and the Slurm to submit to."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
from concurrent import futures

import filelock
import pytest

from tests.slurm import cluster

HERE = pathlib.Path(__file__).parent
UNAVAILABLE = 69  # exit code of slurm_up.sh


@pytest.fixture(scope="session")
def slurm():
    """A real Slurm with 2 nodes in its partition gpu, or 1 without namespaces.

    A node more, `spare` in the partition spare, is there for the job that is stopped. The tests are
    skipped where there can be no Slurm. Those of another process wait; a Slurm that runs already
    goes on running.
    """
    if os.geteuid() != 0:
        pytest.skip("bringing up a Slurm needs root")
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        pytest.skip("there is no Slurm here, and no apt-get to install one")
    with filelock.FileLock(pathlib.Path(tempfile.gettempdir()) / "slurm_of_the_tests.lock"):
        up = subprocess.run([HERE / "slurm_up.sh"], capture_output=True, text=True, check=False)
        if up.returncode == UNAVAILABLE:
            pytest.skip(up.stderr[-500:])
        assert up.returncode == 0, up.stderr
        yield
        if "up after" in up.stderr:
            subprocess.run([HERE / "slurm_down.sh"], check=True)


@pytest.fixture(scope="module")
def running(slurm, request, tmp_path_factory):
    """The bodies of the module's `together` tests, begun all at once; name -> outcome."""
    items = [item for item in request.session.items if item.module is request.module]
    bodies = {item.name: item.function.body for item in items if hasattr(item.function, "body")}
    projects = {
        name: cluster.make_project(tmp_path_factory.mktemp(name) / "my project") for name in bodies
    }
    with futures.ThreadPoolExecutor(max(1, len(bodies))) as pool:
        yield {name: pool.submit(body, projects[name]) for name, body in bodies.items()}
    # What a test that failed has left would keep others waiting.
    subprocess.run(["scancel", "--quiet", *(job for one in projects.values() for job in one.jobs)])


@pytest.fixture
def project(tmp_path):
    """A copy of the project in a folder whose name shells and globs could misread."""
    return cluster.make_project(tmp_path / "my project, lr=[1e-4]")
