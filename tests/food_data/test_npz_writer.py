import zipfile

import numpy as np
import pytest

from food_data import npz_writer


def test_what_is_streamed_in_blocks_is_read_back(tmp_path):
    path = tmp_path / "a.npz"
    images = np.random.default_rng(0).integers(256, size=(7, 3, 2), dtype=np.uint8)
    with npz_writer.NpzStreamWriter(path) as writer:
        with writer.stream("images", (7, 3, 2), np.uint8) as stream:
            for start, stop in ((0, 3), (3, 3), (3, 7)):
                stream.append(images[start:stop])
        writer.write("names", np.array(["a", "bc"]))
        writer.write("version", np.array(1))
    with np.load(path) as content:
        np.testing.assert_array_equal(content["images"], images)
        assert content["images"].dtype == np.uint8
        assert content["names"].tolist() == ["a", "bc"]
        assert int(content["version"]) == 1
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert {member.compress_type for member in file.infolist()} == {zipfile.ZIP_STORED}


def test_blocks_need_not_be_contiguous(tmp_path):
    block = np.arange(12, dtype=np.float32).reshape(3, 4).T
    with npz_writer.NpzStreamWriter(tmp_path / "a.npz") as writer:  # noqa: SIM117
        with writer.stream("x", (4, 3), np.float32) as stream:
            stream.append(block)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npz")["x"], block)


@pytest.mark.parametrize(
    "blocks, message",
    [
        ([np.zeros((1, 2), np.uint8)], "x: expected 2 rows, got 1"),
        ([np.zeros((3, 2), np.uint8)], "x: expected 2 rows, got 3"),
        ([np.zeros((2, 3), np.uint8)], "x: expected blocks of uint8"),
        ([np.zeros((2, 2), np.float32)], "got float32"),
    ],
)
def test_wrong_blocks_are_an_error_and_leave_the_old_file(tmp_path, blocks, message):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=message):  # noqa: SIM117
        with npz_writer.NpzStreamWriter(path) as writer:
            with writer.stream("x", (2, 2), np.uint8) as stream:
                for block in blocks:
                    stream.append(block)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]


def test_an_interrupted_stream_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with npz_writer.NpzStreamWriter(tmp_path / "a.npz") as writer:
            with writer.stream("x", (2, 2), np.uint8) as stream:
                stream.append(np.zeros((1, 2), np.uint8))
                raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        npz_writer.NpzStreamWriter(tmp_path / "no" / "a.npz").__enter__()


def test_pickled_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):  # noqa: SIM117
        with npz_writer.NpzStreamWriter(tmp_path / "a.npz") as writer:
            writer.write("x", np.array([{}], object))
