import os
import stat

import pytest

from food_data import atomic_files


def test_a_file_takes_the_place_of_the_old_one_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="half way"), atomic_files.replace_file(path) as file:
        file.write(b"ne")
        raise RuntimeError("half way")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.txt"]
    mode = stat.S_IMODE(path.stat().st_mode)
    with atomic_files.replace_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == mode
    with pytest.raises(FileNotFoundError, match="Cannot write .*b.txt: No such file"):
        atomic_files.replace_file(tmp_path / "no" / "b.txt").__enter__()


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    final = tmp_path / "a"
    with pytest.raises(RuntimeError), atomic_files.new_folder(final) as folder:
        (folder / "ne").write_bytes(b"")
        raise RuntimeError
    assert not final.exists()
    with atomic_files.new_folder(final) as folder:
        (folder / "new").write_bytes(b"")
    assert os.listdir(tmp_path) == ["a"] and os.listdir(final) == ["new"]
    with pytest.raises(FileExistsError), atomic_files.new_folder(final):
        pass
