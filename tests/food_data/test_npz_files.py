import numpy as np
import pytest

from food_data import npz_files


def test_arrays_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.array("text"))
    arrays = npz_files.read_arrays(tmp_path / "a.npz", "thing")
    assert arrays["x"].tolist() == [0, 1, 2]
    assert str(arrays["y"]) == "text"


def test_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No thing .*a.npz"):
        npz_files.read_arrays(tmp_path / "a.npz", "thing")


@pytest.mark.parametrize("content", ["empty", "text", "half", "single", "pickle"])
def test_unreadable_files_are_named(tmp_path, content):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    if content == "single":
        np.save(tmp_path / "a.npy", np.zeros(3))
        data = (tmp_path / "a.npy").read_bytes()
    elif content == "pickle":
        np.savez(path, x=np.array([{}], object))
        data = path.read_bytes()
    else:
        data = {"empty": b"", "text": b"text", "half": path.read_bytes()[:500]}[content]
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"The thing .*a.npz is not a readable .npz file"):
        npz_files.read_arrays(path, "thing")
