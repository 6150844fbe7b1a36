"""Modules, virtual environments and conda, by stand-ins that note what they are asked."""

from __future__ import annotations

import os
import subprocess

import pytest

# `export -f` is how a cluster's `module` reaches the shells of jobs.
SCRIPT = """
module() { echo "module $*"; [ "$2" != broken ]; }
export -f module
bash -euo pipefail -c '. slurm_scripts/common.sh
    read_settings; activate; command -v python; echo "$PYTHONUNBUFFERED"'
"""
CONDA = """#!/bin/sh
echo '{base}'
"""
CONDA_FUNCTIONS = """
conda() { [ "$2" = food ] || return 1; echo "conda $*"; [ -z "$UNSET" ]; }
"""


def _activate(project, script=SCRIPT, **environment):
    return subprocess.run(
        ["bash", "-c", script],
        cwd=project.folder,
        env={**os.environ, "BASH_ENV": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_modules_then_a_virtual_environment(project):
    project.write_settings(MODULES="cuda/12.2 gcc")
    python = project.folder / "environment" / "bin" / "python"
    done = _activate(project)
    assert done.stdout.splitlines() == [
        "module load cuda/12.2",
        "module load gcc",
        str(python),
        "1",
    ]
    assert done.returncode == 0


def test_a_module_that_does_not_load(project):
    project.write_settings(MODULES="broken")
    done = _activate(project)
    assert done.returncode == 64
    assert "MODULES: 'module load broken' failed on" in done.stderr


def test_no_modules_here(project):
    project.write_settings(MODULES="cuda")
    script = SCRIPT.replace("export -f module", "")
    done = _activate(project, script)
    if "there is no command" not in done.stderr:
        pytest.skip("this machine has modules of its own")
    assert done.returncode == 64


@pytest.fixture
def conda(tmp_path):
    """PATH with a conda."""
    functions = tmp_path / "conda" / "etc" / "profile.d" / "conda.sh"
    functions.parent.mkdir(parents=True)
    functions.write_text(CONDA_FUNCTIONS)
    program = tmp_path / "bin" / "conda"
    program.parent.mkdir()
    program.write_text(CONDA.format(base=tmp_path / "conda"))
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_conda(project, conda):
    """Its functions use variables that are not set, which is no reason to end."""
    project.write_settings(ENVIRONMENT="conda:food")
    done = _activate(project, PATH=conda)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "conda activate food"


def test_conda_does_not_know_it(project, conda):
    project.write_settings(ENVIRONMENT="conda:other")
    done = _activate(project, PATH=conda)
    assert done.returncode == 64
    assert "conda cannot activate other; `conda env list` lists them" in done.stderr
