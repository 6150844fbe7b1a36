"""The Apptainer definition file is well formed. That it builds needs Apptainer and a network."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "slurm_scripts" / "apptainer.def").read_text(encoding="utf-8")
# Of Apptainer's user guide, "Definition Files"; those of SCIF apps are left out.
KNOWN = {
    "arguments",
    "environment",
    "files",
    "help",
    "labels",
    "post",
    "runscript",
    "setup",
    "startscript",
    "test",
}
SHELL = ("environment", "post", "runscript", "test")


def parse(text):
    """The header's fields, and each section's lines."""
    header, sections, lines = {}, {}, None
    for line in text.splitlines():
        found = re.fullmatch(r"%(\S+)\s*", line)
        if found:
            assert found.group(1) not in sections, f"%{found.group(1)} is there twice"
            lines = sections.setdefault(found.group(1), [])
        elif lines is not None:
            lines.append(line)
        elif line.strip() and not line.startswith("#"):
            name, value = line.split(":", 1)
            header[name] = value.strip()
    return header, {name: "\n".join(lines) for name, lines in sections.items()}


HEADER, SECTIONS = parse(TEXT)
ARGUMENTS = dict(line.strip().split("=") for line in SECTIONS["arguments"].split("\n") if line)


def filled(text):
    """With the default of each argument."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: ARGUMENTS[found.group(1)], text)


def entries(name):
    return [line.split() for line in SECTIONS[name].splitlines() if line.strip()]


def test_sections_and_header_are_those_that_apptainer_knows():
    assert set(SECTIONS) <= KNOWN
    assert {"files", "post", "runscript", "test", "labels", "help"} <= set(SECTIONS)
    # It has to be the first field.
    assert list(HEADER) == ["Bootstrap", "From"]
    assert all(len(entry) >= 2 for entry in entries("labels"))


def test_the_python_is_that_of_the_conda_environment():
    python = re.search(r"- python=(\S+)", (ROOT / "environment.yml").read_text()).group(1)
    assert HEADER == {"Bootstrap": "docker", "From": f"python:{python}-slim-bookworm"}


def test_files_that_are_copied_exist():
    assert entries("files") == [["requirements.txt", "/opt/rt1/requirements.txt"]]
    assert (ROOT / "requirements.txt").is_file()


def test_the_lock_is_installed_without_its_tensorflow():
    """What is left out is both builds with their hashes; Makefile and documentation do the same."""
    (line,) = re.findall(r"^ *(awk .*) > /opt/rt1/installed.txt$", SECTIONS["post"], re.MULTILINE)
    command = line.replace("/opt/rt1/", f"{ROOT}/")
    installed = subprocess.check_output(["sh", "-c", command], text=True).splitlines()
    lock = (ROOT / "requirements.txt").read_text().splitlines()
    left_out = [line for line in lock if line not in installed]
    named = [line.split("==")[0] for line in left_out if not line.startswith(" ")]
    assert named == ["tensorflow", "tensorflow-cpu"]
    assert all(line.startswith("    --hash=") for line in left_out if line.startswith(" "))
    assert [line for line in lock if line in installed] == installed
    program = line.split("/opt/rt1/")[0].strip()
    assert program in (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    assert program in (ROOT / "Makefile").read_text(encoding="utf-8").replace("$$", "$")


@pytest.mark.parametrize("name", SHELL)
def test_shell_sections(name):
    script = filled(SECTIONS[name])
    assert "{{" not in script
    checks = [["bash", "-n"], ["sh", "-n"]]
    if shutil.which("shellcheck"):
        checks.append(["shellcheck", "--shell=sh", "-"])
    for check in checks:
        done = subprocess.run(check, input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), check


def test_the_environment_of_the_documentation_calls_apptainer(tmp_path):
    """With a stand-in that says what it is asked, in a folder with a space."""
    documentation = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(mkdir -p container/bin\n.*?)```", documentation, re.DOTALL)
    folder = tmp_path / "my project"
    folder.mkdir()
    subprocess.run(["bash", "-ec", block], cwd=folder, check=True)
    stand_in = tmp_path / "bin" / "apptainer"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [folder / "container" / "bin" / "python", "train.py", "--checkpoint_dir", "my runs"]
    asked = subprocess.check_output(command, text=True, env=environment)
    image = folder / "rt1.sif"
    assert asked == (
        f"<exec><--nv><--bind></scratch><{image}><python><train.py><--checkpoint_dir><my runs>"
    )


@pytest.mark.slow
def test_its_test_runs_in_the_environment_of_the_tests():
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["sh", "-ec", filled(SECTIONS["test"])]
    environment = {**os.environ, "PATH": path}
    printed = subprocess.check_output(command, text=True, env=environment, cwd=ROOT)
    assert "\ntensorflow 2.21.0\n" in printed
    assert re.search(r"^GPUs \d+$", printed, re.MULTILINE)
