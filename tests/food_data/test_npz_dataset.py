"""The .npz data set: what is written, what is read, what is refused, and its fingerprint."""

import io
import re
import zipfile

import numpy as np
import pytest

from food_data import npz_dataset, npz_files


def arrays_of(dataset):
    return {name: array for name, array in vars(dataset).items() if array is not None}


def test_what_is_written_is_the_table_of_the_module(make_dataset, tmp_path):
    dataset = make_dataset(3, resize="crop", masks=np.full((3, 236, 30), 7, np.uint8), photos=())
    npz_dataset.write_npz(tmp_path / "a.npz", dataset)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        names = "images actions embeddings action_names food_types sources resize format_version"
        assert sorted(file.files) == sorted([*names.split(), "masks"])
        for name in file.files:
            np.testing.assert_array_equal(file[name], getattr(dataset, name))
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert file.testzip() is None
        assert {member.compress_type for member in file.infolist()} == {zipfile.ZIP_STORED}
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    assert all(isinstance(getattr(read, n), np.memmap) for n in ("images", "embeddings", "masks"))
    # Replaced by another file it is read to its end; masks that only one of two has are 0.
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(1, resize="crop"), dataset)
    assert read.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    both = npz_dataset.read_npz(tmp_path / "a.npz")
    assert both.images[:, 0, 0, 0].tolist() == [0, 0, 1, 2]
    assert both.masks[:, 0, 0].tolist() == [0, 7, 7, 7]
    with pytest.raises(ValueError, match="read-only"):
        read.images[0, 0] = 9


@pytest.mark.parametrize(
    "save, dtype, order",
    [
        (np.savez_compressed, "u1", "C"),
        (np.savez_compressed, "f4", "C"),
        (np.savez, "f8", "F"),
        (np.savez, "u1", "F"),
    ],
)
def test_however_it_is_stored_it_is_the_same_data_set(make_dataset, tmp_path, save, dtype, order):
    images = np.zeros((3, 236, 236, 3), np.uint8)
    images[1, 0, :, 0], images[2, 1, :, 1] = np.arange(236), np.arange(20, 256)
    dataset = make_dataset(3, masks=np.full((3, 236, 30), 7, np.uint8), images=images)
    stored = images if dtype == "u1" else images.astype(dtype) / np.dtype(dtype).type(255)
    doubles = {name: getattr(dataset, name).astype(float) for name in ("actions", "embeddings")}
    stored = np.asarray(stored, order=order)
    stored[1, 0, 5, 0] -= 0 if dtype == "u1" else 0.3 / 255  # Rounded to the nearest.
    save(tmp_path / "a.npz", **{**arrays_of(dataset), **doubles, "images": stored})
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    for name, array in vars(dataset).items():
        np.testing.assert_array_equal(getattr(read, name), array)
        assert getattr(getattr(read, name), "dtype", 0) == getattr(array, "dtype", 0)
    prints = map(npz_dataset.dataset_fingerprint, (read, dataset))
    assert len(set(prints)) == 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": np.zeros((2, 224, 224, 3), "u1")}, "expected uint8 or floats [2, 236, 236, 3]"),
        ({"images": np.zeros((2, 236, 236, 3), "u2")}, "got uint16 [2, 236, 236, 3]"),
        ({"images": np.full((2, 236, 236, 3), 255.0)}, "images: expected uint8 or floats in 0..1"),
        ({"images": np.full((2, 236, 236, 3), np.nan)}, "got float64 from nan to nan"),
        ({"actions": np.zeros((3, 4), np.float32)}, "actions: expected floats [2, 4], got"),
        ({"actions": np.full((2, 4), np.nan, np.float32)}, "are not, the first is [nan"),
        ({"embeddings": np.zeros((2, 512), np.float32)}, "2 samples (0, 1) have others, the first"),
        ({"resize": "squash"}, "expected one of stretch, letterbox, crop; got 'squash'"),
        ({"embeddings": None}, "absent: embeddings; found: "),
    ],
)
def test_what_does_not_fit_is_refused(make_dataset, tmp_path, changes, message):
    """As `build_dataset.py check` finds it: the rows of its table are in test_dataset_check.py."""
    arrays = {**arrays_of(make_dataset(2)), **changes}
    np.savez(tmp_path / "a.npz", **{key: one for key, one in arrays.items() if one is not None})
    with pytest.raises(ValueError, match=f"a.npz: .*{re.escape(message)}"):
        npz_dataset.read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("content", ["empty", "half", "long", "objects", "version 3", "encrypted"])
def test_unreadable_files_are_named(make_dataset, tmp_path, content):
    path = tmp_path / "a.npz"
    npz_dataset.write_npz(path, make_dataset(2))
    data = bytearray(path.read_bytes())
    if content == "objects":
        np.savez(path, images=np.array([{}], object))
    elif content in ("long", "version 3"):
        np.save(member := io.BytesIO(), np.arange(10))
        member = bytearray(member.getvalue() + b"12" * (content == "long"))
        member[6] = 3 if content == "version 3" else 1
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", bytes(member))
    else:
        data[6] |= 1  # The flag of an encrypted member in the local header, and in the directory.
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2]}.get(content, data))
    with pytest.raises(ValueError, match=r"The data set .*a.npz is not a readable .npz file: \S"):
        npz_dataset.read_npz(path)


def test_damage_is_noticed_by_the_checksum(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, 5000, np.uint8))
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="a.npz is not a readable .npz file"):
        list(npz_files.open_arrays(path, "thing")["x"].chunks(1000))


def test_of_labels_all_change_the_fingerprint_and_of_many_images_some(make_dataset, monkeypatch):
    """Of 5 images 3 are hashed: the first, the middle and the last."""
    monkeypatch.setattr(npz_dataset, "_FINGERPRINT_IMAGES", 3)
    dataset = make_dataset(5)
    shifted = np.array(["day_1/0.jp", "gday_1/1.jpg", *dataset.sources[2:]])
    others = [make_dataset(5, sources=sources) for sources in (None, shifted)]
    others += [make_dataset(5, masks=np.full((5, 236, 30), i, np.uint8)) for i in (0, 1)]
    others += [make_dataset(5, embeddings=dataset.embeddings[::-1].copy()), make_dataset(6)]
    first, *rest = map(npz_dataset.dataset_fingerprint, [dataset, *others])
    assert len({first, *rest}) == 7
    for sample in range(5):
        dataset.images[sample] += 1
        assert (npz_dataset.dataset_fingerprint(dataset) != first) == (sample in (0, 2, 4))
        dataset.images[sample] -= 1
    dataset.actions[3] += 0.01
    assert npz_dataset.dataset_fingerprint(dataset) != first


@pytest.mark.parametrize("shape, dtype", [((1, 2), "u1"), ((3, 2), "u1"), ((2, 2), "f4")])
def test_wrong_blocks_are_an_error_and_leave_the_old_file(tmp_path, shape, dtype):
    path, block = tmp_path / "a.npz", np.zeros(shape, dtype)
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="x: expected"), npz_files.open_writer(path) as writer:
        writer.write_blocks("x", (2, 2), np.uint8, [block])
    assert path.read_bytes() == b"old"
