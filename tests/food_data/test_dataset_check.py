"""`build_dataset.py check`: each planted fault of a data set is found and named."""

import dataclasses
import re

import cv2
import numpy as np
import pytest

from food_data import dataset_check, npz_dataset, splits


@pytest.fixture
def good(make_dataset):
    """4 samples of 4 pictures that nothing is wrong with."""
    rng = np.random.default_rng(0)
    embeddings = np.zeros((4, 512), np.float32)
    embeddings[[0, 1], 0] = embeddings[[2, 3], 1] = 1
    return make_dataset(
        4,
        images=rng.integers(0, 256, (4, 236, 236, 3), np.uint8),
        actions=np.full((4, 4), [0.4, 0.5, 0.6, 0.5], np.float32),
        embeddings=embeddings,
        food_types=np.array(["banana", "banana", "grape", "grape"]),
        masks=np.zeros((4, 236, 30), np.uint8),
    )


SPLIT = splits.Split(np.array([0, 2]), np.array([1, 3]))


def check(dataset, tmp_path, split=SPLIT, compressed=False, **changes):
    """Checks a file with changed arrays; None leaves one out."""
    arrays = {**vars(dataset), **changes}
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", **{name: a for name, a in arrays.items() if a is not None})
    splits.write_split(tmp_path / "a_split.npz", split)
    return dataset_check.check_file(tmp_path / "a.npz", tmp_path / "a_split.npz")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_good_data_set(good, tmp_path, compressed, dtype):
    images = good.images if dtype is np.uint8 else good.images / np.float32(255)
    report = check(good, tmp_path, compressed=compressed, images=images)
    assert (report.errors, report.warnings) == ([], [])
    assert report.text.endswith("0 errors, 0 warnings")
    for row in (
        r"images +" + np.dtype(dtype).name + r" +\[4, 236, 236, 3\]",
        r"x2 +0.6 +0.6 +0.6",
        r"skewering  banana +2 +2 +1 +1",
        r" TOTAL +4 +4 +2 +2",
    ):
        assert re.search(row, report.text, re.MULTILINE), row
    assert dataset_check.check_file(tmp_path / "a.npz", SPLIT).text == report.text


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: {"actions": d.actions * 236}, "x2, y2 in 0..1; 4 samples (0, 1, 2, 3)"),
        (
            lambda d: {"actions": changed(d.actions, (1, 2), np.nan)},
            "actions: expected finite numbers; 1 sample (1) have NaN",
        ),
        (lambda d: {"embeddings": d.embeddings * 2}, "embeddings: expected norm 1 within 0.01; 4"),
        (lambda d: {"images": d.images[:3]}, "actions: expected floats [3, 4], got float32 [4, 4]"),
        (lambda d: {"images": None}, "expected the arrays images, actions, embeddings; absent: im"),
        (
            lambda d: {"images": d.images.astype(np.float32)},
            "images: expected floats in 0..1; 4 s",
        ),
        (
            lambda d: {"images": d.images[:0], "actions": d.actions[:0]},
            "at least one sample, got",
        ),
        (lambda d: {"masks": d.masks.astype(np.uint16)}, "masks: expected uint8 [4, 236, 30], got"),
        (lambda d: {"sources": np.arange(4)}, "sources: expected strings [4], got int64 [4]"),
        (lambda d: {"resize": "x"}, "resize: expected one of stretch, letterbox, crop; got 'x'"),
        (lambda d: {"format_version": 3}, "format_version: expected 1, got 3"),
        (
            lambda d: {"images": changed(d.images, 1, d.images[0])},
            "split: expected no picture on both sides; 1 sample (1) of the validation side have "
            "the pixels of training samples",
        ),
        (
            lambda d: {"sources": changed(d.sources, 3, d.sources[2])},
            "1 sample (3) of the validation side have the source of training samples",
        ),
        (lambda d: {"action_names": np.array([None] * 4)}, "is not a readable .npz file"),
    ],
)
def test_errors(good, tmp_path, change, message):
    report = check(good, tmp_path, **change(good))
    assert any(message in error for error in report.errors), report.text
    assert f"error: {report.errors[0]}" in report.text


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda d: {"actions": changed(d.actions, (1, slice(2, 4)), d.actions[1, :2])},
            "actions: 1 sample (1) start and end at the same point",
        ),
        (
            lambda d: {"images": changed(d.images, 2, 9)},
            "images: 1 sample (2) show nothing but",
        ),
        (lambda d: {"images": changed(d.images, 3, d.images[2])}, "1 sample (3) repeat an earlier"),
        (
            lambda d: {
                "images": changed(d.images, 3, d.images[2]),
                "actions": changed(d.actions, (3, 0), 0.3),
            },
            "1 sample (3) have the picture and the instruction of an earlier sample, and another",
        ),
        (
            lambda d: {"food_types": np.array(["banana", "rice", "grape", "grape"])},
            "split: skewering rice: validated but never trained",
        ),
        (
            lambda d: {"food_types": np.array(["rice", "banana", "grape", "grape"])},
            "split: skewering rice: not in the validation samples",
        ),
    ],
)
def test_warnings(good, tmp_path, change, message):
    report = check(good, tmp_path, **change(good))
    assert any(message in warning for warning in report.warnings), report.text


@pytest.mark.parametrize(
    "images, actions, message",
    [
        (lambda i: (i / 255).astype(np.uint8), None, "error: images: expected levels of 0..255"),
        (lambda i: np.float32(i / 255**2), None, "error: images: expected levels of 0..255, got "),
        (lambda i: i // 10, None, "warning: images: 8 samples (0, 1, 2, 3, 4, ...) have no level"),
        (lambda i: 100 + i // 7, None, "warning: images: 8 samples (0, 1, 2, 3, 4, ...) differ in"),
        (None, lambda a: a / 100, "error: actions: expected places all over the picture, got 0.00"),
        (None, lambda a: a * 0 + 0.5, "warning: actions: all 8 labels are the same within 0.02"),
        (None, lambda a: a / 5, "warning: actions: all 8 labels lie in the upper left corner"),
    ],
)
def test_scales_that_make_no_sense(make_dataset, tmp_path, images, actions, message):
    rng = np.random.default_rng(0)
    dataset = make_dataset(
        8,
        images=rng.integers(0, 256, (8, 236, 236, 3), np.uint8),
        actions=rng.random((8, 4), np.float32),
    )
    arrays = {**vars(dataset), "photos": None}
    for name, change in (("images", images), ("actions", actions)):
        arrays[name] = arrays[name] if change is None else change(arrays[name])
    np.savez(tmp_path / "a.npz", **{name: a for name, a in arrays.items() if a is not None})
    report = dataset_check.check_file(tmp_path / "a.npz")
    assert message in report.text
    assert len(report.errors) == message.startswith("error")


def scribble(rng):
    """A white plate with forty things on it."""
    picture = np.full((236, 236, 3), 90, np.uint8)
    cv2.circle(picture, (118, 118), 105, (240, 240, 235), -1)
    for _ in range(40):
        middle, axes = rng.integers(30, 206, 2).tolist(), rng.integers(3, 16, 2).tolist()
        colour = rng.integers(20, 230, 3).tolist()
        cv2.ellipse(picture, middle, axes, int(rng.integers(180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def moved(picture, degrees=0.0, scale=1.0, shift=0.0):
    matrix = cv2.getRotationMatrix2D((118, 118), degrees, scale)
    matrix[:, 2] += shift
    return cv2.warpAffine(picture, matrix, (236, 236), borderMode=cv2.BORDER_REFLECT)


VERSIONS = (
    lambda one, _: one[:, ::-1],
    lambda one, _: np.rot90(one)[::-1],
    lambda one, _: (one * 0.7).astype(np.uint8),
    lambda one, _: cv2.GaussianBlur(one, (0, 0), 1.5),
    lambda one, _: cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 1),
    lambda one, rng: np.clip(one + rng.normal(0, 8, one.shape), 0, 255).astype(np.uint8),
    lambda one, _: moved(one, scale=1 / 0.9),
    lambda one, _: moved(one, degrees=10),
    lambda one, _: moved(one, shift=7),
    lambda one, _: moved(one[:, ::-1].copy(), degrees=-4, scale=1.05),
)


def camera(rng):
    """Five pieces of food on the plate of one camera that does not move."""
    view = scribble(np.random.default_rng(9))
    for _ in range(5):
        middle, axes = rng.integers(75, 161, 2).tolist(), rng.integers(12, 24, 2).tolist()
        colour = rng.integers(20, 230, 3).tolist()
        cv2.ellipse(view, middle, axes, int(rng.integers(180)), 0, 360, colour, -1, cv2.LINE_AA)
    return np.clip(view + rng.normal(0, 2.5, view.shape), 0, 255).astype(np.uint8)


def test_pictures_across_the_split_that_are_alike_are_found(make_dataset, tmp_path):
    """0..49 train: 30 plates and 20 photos of a camera. 50..69 are versions of 0..19, the others
    are none: 10 plates and 20 photos of that camera."""
    rng = np.random.default_rng(0)
    plates, photos = [scribble(rng) for _ in range(40)], [camera(rng) for _ in range(40)]
    versions = [VERSIONS[i % 10](plates[i], rng) for i in range(20)]
    images = np.stack([*plates[:30], *photos[:20], *versions, *plates[30:], *photos[20:]])
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(100, images=images))
    split = splits.Split(np.arange(50), np.arange(50, 100))
    report = dataset_check.check_file(tmp_path / "a.npz", split, compare_pictures=True)
    (warning,) = [one for one in report.warnings if one.startswith("split: ") and "like" in one]
    assert "split: 20 pictures to validate look like" in warning
    assert "(50 like 0, 51 like 1, 52 like 2, 53 like 3, 54 like 4, ...)" in warning
    assert "--group_pattern" in warning


def test_whether_a_data_set_fits_a_model(store, make_dataset):
    pairs = [("skewering", "banana"), ("scooping", "rice")]
    vectors = np.stack([store.lookup(*pair) for pair in pairs])
    names = dict(zip(("action_names", "food_types"), np.array(pairs).T))
    fits = make_dataset(2, embeddings=vectors, **names, resize="crop")

    def check_fits(dataset, resize="crop"):
        return dataset_check.check_fits(dataset, store, resize, "runs/a")

    assert check_fits(fits) == check_fits(fits, None) == []
    assert "square by 'crop', those of runs/a by 'letterbox'" in check_fits(fits, "letterbox")[0]
    with pytest.raises(ValueError, match=r"of runs/a, got .* 2 instructions: .*\(cosine 0\."):
        check_fits(dataclasses.replace(fits, embeddings=vectors[::-1].copy()))
    foods = np.array(["banana", "tofu"])
    absent = check_fits(dataclasses.replace(fits, food_types=foods))
    assert absent == ["runs/a has no embedding of 1 instructions: scooping tofu."]
    unnamed = make_dataset(2, action_names=None)
    assert "2 instructions: that of sample" in check_fits(unnamed)[0]
    assert check_fits(dataclasses.replace(fits, action_names=None)) == []


def test_uneven_classes_and_many_samples(make_dataset, tmp_path):
    foods = np.array(["banana"] * 21 + ["grape"])
    npz_dataset.write_npz(tmp_path / "a.npz", make_dataset(22, food_types=foods))
    report = dataset_check.check_file(tmp_path / "a.npz")
    assert any("the largest has 21 samples, the smallest 1" in one for one in report.warnings)
    assert any("22 samples (0, 1, 2, 3, 4, ...) show nothing" in one for one in report.warnings)


def test_files_that_cannot_be_read(good, tmp_path):
    report = check(good, tmp_path, split=splits.Split(np.arange(2), np.arange(2, 7)))
    assert "split of a data set of 7 samples; this one has 4" in report.errors[0]
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[90_000] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    report = dataset_check.check_file(tmp_path / "a.npz")
    assert any("a.npz is not a readable .npz file: Bad CRC" in one for one in report.errors)
    assert "TOTAL" in report.text
    (tmp_path / "a.npz").write_bytes(b"text")
    assert "not a readable .npz" in dataset_check.check_file(tmp_path / "a.npz").errors[0]
    with pytest.raises(FileNotFoundError):
        dataset_check.check_file(tmp_path / "absent.npz")
