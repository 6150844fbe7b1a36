"""The message for a Python that cannot run the project, and the search for one that can."""

from __future__ import annotations

import os
import pathlib
import runpy
import shutil
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).parents[2] / "tools"


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        ((2, 7, 18), False),
        ((3, 8, 18), False),
        ((3, 9, 0), False),
        ((3, 10, 13), True),
        ((3, 13, 0), True),
        ((3, 14, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_versions(version, accepted, monkeypatch):
    problem = runpy.run_path(str(TOOLS / "check_python.py"))["problem"]
    monkeypatch.setattr(sys, "version_info", version)
    message = problem()
    if accepted:
        assert message is None
    else:
        assert f"got Python {version[0]}.{version[1]} at {sys.executable}" in message
        assert "make test PYTHON=python3.12" in message


def test_python_without_venv_is_told_which_package_to_install(monkeypatch):
    problem = runpy.run_path(str(TOOLS / "check_python.py"))["problem"]
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "apt-get install python3-venv" in problem()


def test_program_exits_1_with_the_message_on_stderr(tmp_path):
    text = (TOOLS / "check_python.py").read_text().replace("NEWEST = (3, 13)", "NEWEST = (3, 8)")
    (tmp_path / "check_python.py").write_text(text)
    done = subprocess.run(
        [sys.executable, tmp_path / "check_python.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Expected Python 3.10 to 3.13")
    assert done.stdout == ""


def fake_python(directory: pathlib.Path, name: str, exit_code: int) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("good", "found"),
    [
        (["python3", "python3.13"], "python3"),
        (["python3.13", "python3.10"], "python3.13"),
        (["python3.10"], "python3.10"),
        ([], "python3"),
    ],
)
def test_first_python_that_fits_is_found(good, found, tmp_path):
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.10"):
        fake_python(tmp_path, name, exit_code=0 if name in good else 1)
    os.symlink(shutil.which("dirname"), tmp_path / "dirname")
    shell = shutil.which("sh")
    output = subprocess.check_output(
        [shell, TOOLS / "find_python.sh"], env={"PATH": str(tmp_path)}, text=True
    )
    assert output.strip() == found


def test_uv_is_asked_where_no_python_fits(tmp_path):
    for name in ("python3", "python3.13"):
        fake_python(tmp_path, name, exit_code=1)
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "/opt/python3.12 $*"\n')
    uv.chmod(0o755)
    os.symlink(shutil.which("dirname"), tmp_path / "dirname")
    output = subprocess.check_output(
        [shutil.which("sh"), TOOLS / "find_python.sh"], env={"PATH": str(tmp_path)}, text=True
    )
    assert output.strip() == "/opt/python3.12 python find --quiet >=3.10,<3.14"
