import re

import numpy as np
import pytest

from food_data import npz_dataset


def arrays_of(dataset):
    return {name: getattr(dataset, name) for name in npz_dataset.ARRAYS}


def test_round_trip(make_dataset, tmp_path):
    dataset = make_dataset(3, resize="crop")
    npz_dataset.write_npz(tmp_path / "a.npz", dataset)
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    for name in (*npz_dataset.ARRAYS, *npz_dataset.NAME_ARRAYS):
        np.testing.assert_array_equal(getattr(read, name), getattr(dataset, name))
        assert getattr(read, name).dtype == getattr(dataset, name).dtype
    assert read.resize == "crop"
    assert read.format_version == 1
    assert len(read) == 3


def test_the_file_needs_no_pickle_and_has_the_documented_arrays(make_dataset, tmp_path):
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(2))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert sorted(file.files) == [
            "action_names",
            "actions",
            "embeddings",
            "food_types",
            "format_version",
            "images",
            "sources",
        ]


def test_a_file_with_nothing_but_the_three_arrays(make_dataset, tmp_path):
    dataset = make_dataset(2)
    np.savez_compressed(tmp_path / "a.npz", **arrays_of(dataset))
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    assert read.sources is read.food_types is read.action_names is read.resize is None
    np.testing.assert_array_equal(read.images, dataset.images)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_images_become_the_uint8_they_were(make_dataset, tmp_path, dtype):
    images = np.zeros((1, 236, 236, 3), np.uint8)
    images[0, 0, :, 0] = np.arange(236)
    images[0, 1, :, 0] = np.arange(20, 256)
    floats = images.astype(dtype) / dtype(255)
    np.savez(tmp_path / "a.npz", **{**arrays_of(make_dataset(1)), "images": floats})
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    assert read.images.dtype == np.uint8
    np.testing.assert_array_equal(read.images, images)


def test_float_images_are_rounded_not_cut_off(make_dataset, tmp_path):
    """0.9 * 255 = 229.5 becomes 230 (the even neighbour), 0.999 * 255 = 254.7 becomes 255."""
    images = np.full((1, 236, 236, 3), 0.9, np.float64)
    images[..., 1] = 0.999
    np.savez(tmp_path / "a.npz", **{**arrays_of(make_dataset(1)), "images": images})
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    assert read.images[0, 0, 0].tolist() == [230, 255, 230]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("as_float", [False, True])
def test_however_it_is_stored_it_is_the_same_data_set(make_dataset, tmp_path, save, as_float):
    dataset = make_dataset(3, masks=np.full((3, 236, 30), 7, np.uint8), resize="crop")
    arrays = {name: array for name, array in vars(dataset).items() if array is not None}
    if as_float:
        arrays["images"] = arrays["images"].astype(np.float32) / 255
    save(tmp_path / "a.npz", **arrays)
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    for name, array in vars(dataset).items():
        np.testing.assert_array_equal(getattr(read, name), array)
    npz_dataset.write_npz(tmp_path / "b.npz", read)
    again = npz_dataset.read_npz(tmp_path / "b.npz")
    assert isinstance(again.images, np.memmap)
    np.testing.assert_array_equal(again.images, dataset.images)


def test_an_uncompressed_file_stays_on_disk(make_dataset, tmp_path):
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(3, masks=np.zeros((3, 236, 30), "u1")))
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    for array in (read.images, read.embeddings, read.masks):
        assert isinstance(array, np.memmap)


def test_a_file_that_is_replaced_is_read_to_its_end(make_dataset, tmp_path):
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(3))
    read = npz_dataset.read_npz(tmp_path / "a.npz")
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(1))
    assert read.images[:, 0, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [1.5, 255.0, -0.1, np.nan])
def test_float_images_out_of_range(make_dataset, tmp_path, value):
    arrays = arrays_of(make_dataset(2))
    images = np.full((2, 236, 236, 3), 0.5, np.float32)
    images[1, 2, 3, 0] = value
    np.savez(tmp_path / "a.npz", **{**arrays, "images": images})
    with pytest.raises(ValueError, match="a.npz.*: images: expected uint8 or floats in 0..1"):
        npz_dataset.read_npz(tmp_path / "a.npz")


def test_double_precision_actions_and_embeddings_are_read(make_dataset, tmp_path):
    arrays = arrays_of(make_dataset(2))
    doubles = {name: arrays[name].astype(np.float64) for name in ("actions", "embeddings")}
    np.savez(tmp_path / "a.npz", **{**arrays, **doubles})
    assert npz_dataset.read_npz(tmp_path / "a.npz").actions.dtype == np.float32


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"images": np.zeros((2, 224, 224, 3), np.uint8)},
            "images: expected uint8 (2, 236, 236, 3)",
        ),
        ({"images": np.zeros((2, 236, 236, 3), np.int64)}, "got int64 (2, 236, 236, 3)"),
        ({"actions": np.zeros((3, 4), np.float32)}, "actions: expected float32 (2, 4), got"),
        ({"actions": np.full((2, 4), 1.01, np.float32)}, "2 samples are not, the first is 0"),
        (
            {"actions": np.full((2, 4), np.nan, np.float32)},
            "actions: expected x1, y1, x2, y2 in 0..1",
        ),
        (
            {"actions": np.full((2, 4), -1e-3, np.float32)},
            "actions: expected x1, y1, x2, y2 in 0..1",
        ),
        ({"embeddings": np.zeros((2, 768), np.float32)}, "embeddings: expected float32 (2, 512)"),
        ({"embeddings": np.zeros((2, 512), np.float32)}, "the first is 0 with norm 0.0"),
        ({"sources": np.array(["a"])}, "sources: expected strings [2], got"),
        ({"food_types": np.array([1, 2])}, "food_types: expected strings [2], got int64 (2,)"),
        ({"masks": np.zeros((2, 236, 236), bool)}, "masks: expected uint8 (2, 236, 30), got bool"),
        ({"resize": "squash"}, "resize: expected one of stretch, letterbox, crop; got 'squash'"),
        ({"format_version": 2}, "format_version: expected 1, got 2"),
    ],
)
def test_what_does_not_fit_is_refused(make_dataset, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_dataset(2, **changes)


def test_the_limits_of_actions_are_allowed(make_dataset):
    make_dataset(2, actions=np.array([[0, 1, 0, 1], [1, 0, 1, 0]], np.float32))


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros(1), other=np.zeros(1))
    message = "absent: actions, embeddings; found: images, other"
    with pytest.raises(ValueError, match=message):
        npz_dataset.read_npz(tmp_path / "a.npz")


def test_files_that_are_no_npz(make_dataset, tmp_path):
    with pytest.raises(FileNotFoundError, match="No data set .*absent.npz"):
        npz_dataset.read_npz(tmp_path / "absent.npz")
    path = tmp_path / "a.npz"
    npz_dataset.write_npz(path, make_dataset(2))
    data = path.read_bytes()
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    for content in (b"", b"text", data[: len(data) // 2], single.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="a.npz is not a readable .npz file"):
            npz_dataset.read_npz(path)


def test_object_arrays_are_not_unpickled(make_dataset, tmp_path):
    names = np.array(["a", "b"], object)
    np.savez(tmp_path / "a.npz", **arrays_of(make_dataset(2)), food_types=names)
    with pytest.raises(ValueError, match="allow_pickle"):
        npz_dataset.read_npz(tmp_path / "a.npz")


def test_a_file_and_its_content_have_one_fingerprint(make_dataset, tmp_path):
    dataset = make_dataset(2)
    npz_dataset.write_npz(tmp_path / "a.npz", dataset)
    np.savez_compressed(
        tmp_path / "b.npz", **{k: v for k, v in vars(dataset).items() if v is not None}
    )
    fingerprint = npz_dataset.dataset_fingerprint(dataset)
    assert re.fullmatch("[0-9a-f]{64}", fingerprint)
    assert npz_dataset.dataset_fingerprint(tmp_path / "a.npz") == fingerprint
    assert npz_dataset.dataset_fingerprint(str(tmp_path / "b.npz")) == fingerprint


def test_everything_changes_the_fingerprint(make_dataset):
    dataset = make_dataset(2)
    images, actions, embeddings = dataset.images.copy(), dataset.actions.copy(), dataset.embeddings
    images[1, 7, 7, 1] += 1
    actions[0, 2] += 0.25
    others = [
        make_dataset(2, images=images),
        make_dataset(2, actions=actions),
        make_dataset(2, embeddings=embeddings[::-1].copy()),
        make_dataset(2, sources=None),
        make_dataset(2, sources=np.array(["day_1/0.jp", "gday_1/1.jpg"])),
        make_dataset(3),
    ]
    others.append(make_dataset(2, masks=np.zeros((2, 236, 30), np.uint8)))
    others.append(make_dataset(2, masks=np.ones((2, 236, 30), np.uint8)))
    prints = {npz_dataset.dataset_fingerprint(one) for one in [dataset, *others]}
    assert len(prints) == 9


def test_of_many_images_some_are_hashed_and_of_labels_all(make_dataset, monkeypatch):
    """Of 5 images 3: the first, the middle and the last."""
    monkeypatch.setattr(npz_dataset, "_FINGERPRINT_IMAGES", 3)
    monkeypatch.setattr(npz_dataset, "_CHUNK_SAMPLES", 2)
    dataset = make_dataset(5)
    first = npz_dataset.dataset_fingerprint(dataset)
    for sample in range(5):
        dataset.images[sample] += 1
        assert (npz_dataset.dataset_fingerprint(dataset) != first) == (sample in (0, 2, 4))
        dataset.images[sample] -= 1
        dataset.actions[sample] += 0.01
        assert npz_dataset.dataset_fingerprint(dataset) != first
        dataset.actions[sample] = make_dataset(5).actions[sample]
    assert npz_dataset.dataset_fingerprint(dataset) == first


def test_norms_are_computed_in_pieces(monkeypatch):
    monkeypatch.setattr(npz_dataset, "_CHUNK_SAMPLES", 2)
    assert npz_dataset.embedding_norms(np.array([[3.0, 4], [0, 2], [6, 8]])).tolist() == [5, 2, 10]
