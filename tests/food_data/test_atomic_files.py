import os
import stat

import pytest

from food_data import atomic_files


def test_writes_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_files.replace_file(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="half way"), atomic_files.replace_file(path) as file:
        file.write(b"ne")
        raise RuntimeError("half way")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    with atomic_files.replace_file(tmp_path / "ours") as file:
        file.write(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "ours")]
    assert modes[0] == modes[1]


def test_the_folder_must_exist(tmp_path):
    writing = atomic_files.replace_file(tmp_path / "absent" / "a.txt")
    with pytest.raises(FileNotFoundError, match="the folder .*absent does not exist"):
        writing.__enter__()
