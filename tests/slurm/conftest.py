"""A project to submit from, and the Slurm to submit to."""

from __future__ import annotations

import os

import pytest

from tests.slurm import cluster


@pytest.fixture(scope="session")
def slurm():
    """A real Slurm of one node; the tests are skipped where there can be none."""
    if os.environ.get("RT1_SLURM_TESTS") != "1":
        pytest.skip("takes ten minutes and is not reliable yet; RT1_SLURM_TESTS=1 runs it")
    reason = cluster.why_not()
    if reason is not None:
        pytest.skip(reason)
    with cluster.running() as reason:
        if reason is not None:
            pytest.skip(reason)
        yield


@pytest.fixture
def project(tmp_path):
    """A copy of the project in a folder with a space, with the settings of `cluster.SETTINGS`."""
    return cluster.make_project(tmp_path / "my project")
