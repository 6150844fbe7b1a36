import re
import zipfile

import hypothesis
import hypothesis.extra.numpy as hypothesis_numpy
import numpy as np
import pytest
from hypothesis import strategies

from food_data import stored_arrays


def open_one(path, name="x"):
    return stored_arrays.open_arrays(path, "thing")[name]


def test_a_stored_array_is_found_in_the_file(tmp_path):
    """The bytes at the offset are the numbers themselves."""
    numbers = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    np.savez(tmp_path / "a.npz", other=np.zeros(7), x=numbers)
    array = open_one(tmp_path / "a.npz")
    data = (tmp_path / "a.npz").read_bytes()
    assert data[array.offset : array.offset + 6] == bytes([1, 2, 3, 4, 5, 6])
    assert (array.shape, array.dtype, array.num_bytes) == ((2, 3), np.uint8, 6)
    mapped = array.map()
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, numbers)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0] = 9


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, "<U5", ">f8"])
def test_chunks_are_the_array_in_pieces(tmp_path, save, order, dtype):
    numbers = np.asarray(np.arange(35).reshape(7, 5), dtype, order=order)
    save(tmp_path / "a.npz", x=numbers)
    array = open_one(tmp_path / "a.npz")
    chunks = list(array.chunks(3))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), numbers)
    np.testing.assert_array_equal(array.load(), numbers)
    assert (array.offset is None) == (save is np.savez_compressed)


@hypothesis.given(
    hypothesis_numpy.arrays(
        np.int16, hypothesis_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0)
    ),
    strategies.integers(0, 3),
)
@hypothesis.settings(max_examples=25)
def test_mapping_gives_what_was_saved(tmp_path_factory, numbers, before):
    """Whatever lies before it in the file, and whatever its shape, 0 included."""
    path = tmp_path_factory.mktemp("arrays") / "a.npz"
    others = {f"o{i}": np.zeros(i + 1, np.uint8) for i in range(before)}
    np.savez(path, **others, x=numbers)
    mapped = open_one(path).map()
    assert mapped.shape == numbers.shape
    assert mapped.dtype == numbers.dtype
    np.testing.assert_array_equal(mapped, numbers)


def test_a_compressed_array_cannot_be_mapped(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="a.npz: x is compressed"):
        open_one(tmp_path / "a.npz").map()


def test_an_absent_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No thing .*a.npz"):
        stored_arrays.open_arrays(tmp_path / "a.npz", "thing")


@pytest.mark.parametrize("content", ["empty", "text", "half", "short", "objects", "version 3"])
def test_unreadable_files_are_named(tmp_path, content):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    if content == "objects":
        np.savez(path, x=np.array([{}], object))
    elif content in ("short", "version 3"):
        np.save(tmp_path / "x.npy", np.arange(10))
        data = bytearray((tmp_path / "x.npy").read_bytes())
        data = data[:-1] if content == "short" else data[:6] + b"\x03" + data[7:]
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", bytes(data))
    else:
        path.write_bytes({"empty": b"", "text": b"text", "half": path.read_bytes()[:500]}[content])
    with pytest.raises(ValueError, match=r"The thing .*a.npz is not a readable .npz file: \S"):
        stored_arrays.open_arrays(path, "thing")


def test_a_wrong_size_is_said(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(10, dtype=np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", (tmp_path / "x.npy").read_bytes() + b"12")
    message = re.escape("x: expected 138 bytes, got 140")
    with pytest.raises(ValueError, match=message):
        stored_arrays.open_arrays(tmp_path / "a.npz", "thing")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_is_noticed_by_the_checksum(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, x=np.random.default_rng(0).integers(0, 256, 5000, np.uint8))
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.npz is not a readable .npz file"):
        list(open_one(path).chunks(1000))


def test_an_encrypted_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(4))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # The flag in the local header, and in the directory.
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.npz is not a readable .npz file: .*encrypted"):
        stored_arrays.open_arrays(path, "thing")
