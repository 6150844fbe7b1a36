"""What the table of check_environment.slurm says."""

from __future__ import annotations

from importlib import metadata

import pytest

from slurm_scripts import check_environment


def test_this_environment_has_what_the_lock_says():
    names = check_environment.required_names(check_environment.ROOT / "requirements.in")
    assert {"tensorflow-cpu", "flask", "gin-config"} <= names
    rows = check_environment.package_rows(check_environment.ROOT / "requirements.txt", names)
    assert {what for what, _, _ in rows} >= {"tensorflow-cpu", "numpy"}


def _version_of(name):
    installed = {"tensorflow": "2.21.0", "numpy": "2.0.0"}
    if name not in installed:
        raise metadata.PackageNotFoundError(name)
    return installed[name]


def test_other_versions_and_the_cuda_build(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "flask==3.1.3 \\\n    --hash=sha256:00\nnumpy==1.26.4\ntensorflow-cpu==2.21.0\nwheel==1\n"
        "h5py==3.0.0 ; python_full_version < '3.0'\n"
    )
    names = {"flask", "numpy", "tensorflow-cpu", "h5py"}
    assert check_environment.package_rows(lock, names, _version_of) == [
        ("flask", "not installed", "3.1.3"),
        ("numpy", "2.0.0", "1.26.4"),
        ("tensorflow-cpu", "2.21.0", ""),
    ]


def test_keras_2_is_used_whatever_is_installed():
    versions = {"tensorflow-cpu": "2.21.0", "tf-keras": "2.21.0", "keras": "3.9.0"}

    def version_of(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    _, found, missing = check_environment.keras_row(version_of)
    assert found == "tf_keras of tensorflow 2.21.0, tf-keras 2.21.0, keras 3.9.0"
    assert missing == ""


def test_folders(tmp_path):
    (tmp_path / "plates.npz").touch()
    data, checkpoints = check_environment.folder_rows(tmp_path, tmp_path, 0)
    assert data == (f"DATA_DIR {tmp_path}", "1 entries", "")
    assert checkpoints[1].endswith(" GB free")
    assert checkpoints[2] == ""
    _, checkpoints = check_environment.folder_rows(tmp_path, tmp_path, 10**9)
    assert checkpoints[2] == "1000000000 GB"


def test_folders_that_are_none(tmp_path):
    data, checkpoints = check_environment.folder_rows(tmp_path / "a", tmp_path / "b", 0)
    assert data[1:] == ("No such file or directory", "a folder that can be read")
    assert checkpoints[1:] == ("No such file or directory", "a folder that can be written to")


def test_table():
    rows = [("Python", "3.11.7", ""), ("numpy", "2.0.0", "1.26.4")]
    assert check_environment.format_table(rows).splitlines() == [
        "    what    found   expected",
        "ok  Python  3.11.7",
        "NO  numpy   2.0.0   1.26.4",
    ]


@pytest.mark.parametrize(("missing", "code"), [("", 0), ("1 or more", 1)])
def test_exit_code(monkeypatch, capsys, missing, code):
    rows = [("GPUs TensorFlow sees", "0", missing)]
    monkeypatch.setattr(check_environment, "rows_of", lambda environment: rows)
    assert check_environment.main() == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == ("missing: GPUs TensorFlow sees" if missing else "all is there")
