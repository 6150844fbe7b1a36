"""A project to submit from, and the Slurm to submit to."""

from __future__ import annotations

import contextlib
from concurrent import futures

import pytest

from tests.slurm import cluster, shared_slurm


@pytest.fixture(scope="session")
def slurm():
    """A real Slurm; the number of nodes of its partition gpu: 2, or 1 without namespaces.

    A node more, `spare` in the partition spare, is there for the job that is stopped. The tests are
    skipped where there can be no Slurm. Processes that test at the same time share it.
    """
    reason = shared_slurm.why_not()
    if reason is not None:
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        try:
            num_nodes = stack.enter_context(shared_slurm.running())
        except shared_slurm.NoSlurmError as error:
            pytest.skip(str(error))
        yield num_nodes


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
    """A copy of the project in a folder with a space, with the settings of `cluster.SETTINGS`."""
    return cluster.make_project(tmp_path / "my project")
