import re
import shutil
import types

import numpy as np
import pytest

from food_data import stored_arrays, stored_images

SHAPE = (5, 4, 3, 3)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)


def open_images(path, images, save=np.savez):
    save(path, images=images)
    return stored_images.open_images(stored_arrays.open_arrays(path, "data set")["images"])


def test_stored_uint8_is_mapped(tmp_path, images):
    opened = open_images(tmp_path / "a.npz", images)
    assert isinstance(opened, np.memmap)
    np.testing.assert_array_equal(opened, images)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_stored_floats_are_rounded_when_they_are_asked_for(tmp_path, images, dtype):
    opened = open_images(tmp_path / "a.npz", images.astype(dtype) / dtype(255))
    assert isinstance(opened, stored_images.FloatImages)
    assert (opened.shape, opened.dtype, len(opened), opened.ndim) == (SHAPE, np.uint8, 5, 4)
    for wanted in (2, slice(1, 4), np.array([4, 0, 4]), np.int64(1)):
        assert opened[wanted].dtype == np.uint8
        np.testing.assert_array_equal(opened[wanted], images[wanted])
    np.testing.assert_array_equal(np.asarray(opened), images)


@pytest.mark.parametrize("limit", [0, 10**9])
@pytest.mark.parametrize("is_float", [False, True])
def test_compressed_ones_go_to_memory_or_to_a_file(tmp_path, images, monkeypatch, limit, is_float):
    monkeypatch.setattr(stored_images, "IN_MEMORY_BYTES", limit)
    monkeypatch.setattr(stored_images, "_CHUNK_IMAGES", 2)
    saved = images.astype(np.float32) / 255 if is_float else images
    opened = open_images(tmp_path / "a.npz", saved, np.savez_compressed)
    assert isinstance(opened, np.memmap) == (limit == 0)
    assert opened.dtype == np.uint8
    np.testing.assert_array_equal(opened, images)


def test_the_temporary_file_is_where_tmpdir_says_and_has_no_name(tmp_path, images, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(stored_images, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(stored_images.tempfile, "tempdir", str(folder))
    opened = open_images(tmp_path / "a.npz", images, np.savez_compressed)
    assert not list(folder.iterdir())
    np.testing.assert_array_equal(opened, images)


def test_a_full_temporary_folder_is_noticed_before_the_work(tmp_path, images, monkeypatch):
    monkeypatch.setattr(stored_images, "IN_MEMORY_BYTES", 0)
    usage = types.SimpleNamespace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="a.npz is compressed: expected .* GB free .*Set TMPDIR"):
        open_images(tmp_path / "a.npz", images, np.savez_compressed)


@pytest.mark.parametrize("value", [1.5, 255.0, -0.1, np.nan])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_floats_out_of_range_at_the_end_are_noticed_at_once(tmp_path, value, save):
    floats = np.full(SHAPE, 0.5, np.float32)
    floats[4, 1, 1, 1] = value
    with pytest.raises(ValueError, match="images: expected uint8 or floats in 0..1, got float32"):
        open_images(tmp_path / "a.npz", floats, save)


def test_floats_out_of_range_in_between_are_noticed_when_asked_for(tmp_path):
    floats = np.full(SHAPE, 0.5, np.float32)
    floats[2] = 200
    opened = open_images(tmp_path / "a.npz", floats)
    assert opened[[0, 1]].max() == 128
    with pytest.raises(ValueError, match=re.escape("a.npz: images: expected uint8 or floats")):
        opened[[1, 2]]


@pytest.mark.parametrize("images", [np.zeros((2, 4, 4, 3), np.int64), np.uint8(3)])
def test_anything_else_is_refused(tmp_path, images):
    with pytest.raises(ValueError, match="images: expected"):
        open_images(tmp_path / "a.npz", images)


def test_rounding_by_hand():
    """0.9 * 255 = 229.5 becomes 230 (the even neighbour), 0.999 * 255 = 254.7 becomes 255."""
    rounded = stored_images.to_uint8(np.array([0.0, 0.9, 0.999, 1.0]))
    assert rounded.tolist() == [0, 230, 255, 255]


def test_no_images_are_fine(tmp_path):
    assert len(open_images(tmp_path / "a.npz", np.zeros((0, 4, 3, 3), np.float32))) == 0
