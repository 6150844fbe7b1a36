import errno
import os
import stat

import pytest

from food_data import atomic_files, embedding_store, npz_dataset


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
        file.write(b"new")
        assert not (tmp_path / "ours").exists()
    assert (tmp_path / "ours").read_bytes() == b"new"
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "ours")]
    assert modes[0] == modes[1]


def test_a_folder_that_cannot_be_written_and_a_pointer_are_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied", "a.txt")

    monkeypatch.setattr(atomic_files.tempfile, "mkstemp", refuse)
    with pytest.raises(PermissionError, match="Cannot write .*a.txt: Permission denied. Choose a"):
        atomic_files.replace_file(tmp_path / "a.txt").__enter__()
    (tmp_path / "a.npz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1")
    with pytest.raises(ValueError, match="a.npz is a Git LFS pointer.*git lfs pull"):
        npz_dataset.read_npz(tmp_path / "a.npz")
    (tmp_path / "a.npz").rename(tmp_path / "scoop_rice.npy")
    with pytest.raises(ValueError, match="scoop_rice.npy is a Git LFS pointer"):
        embedding_store.EmbeddingStore.load(tmp_path)
