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


@pytest.mark.parametrize("compressed, dtype", [(False, np.uint8), (True, np.float32)])
def test_a_good_data_set(good, tmp_path, compressed, dtype):
    images = good.images if dtype is np.uint8 else good.images / np.float32(255)
    report = check(good, tmp_path, compressed=compressed, images=images)
    assert (report.errors, report.warnings) == ([], [])
    assert report.text.endswith("0 errors, 0 warnings")
    rows = r"images +u?(int8|float32) +\[4, 236, 236, 3\]", r"skewering  banana +2 +2 +1 +1"
    for row in (*rows, r" TOTAL +4 +4 +2 +2"):
        assert re.search(row, report.text), row
    assert dataset_check.check_file(tmp_path / "a.npz", SPLIT).text == report.text


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


SAME_PICTURE = {"images": lambda a: changed(a, 3, a[2])}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"actions": lambda a: a * 236}, "error: actions: .*x2, y2 in 0..1; 4 samples .0, 1, 2, 3"),
        ({"actions": lambda a: changed(a, (1, 2), np.nan)},
         "error: actions: expected x1, y1, x2, y2 in 0..1; 1 sample .1. are not, .*nan"),
        ({"embeddings": lambda a: a * 2}, "error: embeddings: expected norm 1 within 0.01; 4"),
        ({"images": lambda a: a[:3]}, r"error: actions: expected floats \[3, 4\], got float32 \[4"),
        ({"images": lambda a: None}, "error: expected the arrays images, .* absent: images"),
        ({"images": lambda a: a.astype(np.float32)}, "error: images: expected floats in 0..1; 4 s"),
        ({"images": lambda a: a[:0], "actions": lambda a: a[:0]}, "error: .*at least one sample"),
        ({"masks": lambda a: a.astype(np.uint16)}, r"error: masks: expected uint8 \[4, 236, 30\]"),
        ({"sources": lambda a: np.arange(4)}, r"error: sources: expected strings \[4\], got int64"),
        ({"resize": lambda a: "x"}, "error: resize: expected one of stretch, letterbox, crop; got"),
        ({"format_version": lambda a: 3}, "error: format_version: expected 1, got 3"),
        ({"images": lambda a: changed(a, 1, a[0])},
         "error: split: expected no picture on both sides; 1 sample .1. of the validation side .*"
         "the pixels of training samples"),
        ({"sources": lambda a: changed(a, 3, a[2])},
         "error: split: .*1 sample .3. of the validation side have the source of training samples"),
        ({"action_names": lambda a: np.array([None] * 4)}, "error: .* is not a readable .npz file"),
        ({"actions": lambda a: changed(a, (1, slice(2, 4)), a[1, :2])},
         "warning: actions: 1 sample .1. start and end at the same point"),
        ({"images": lambda a: changed(a, 2, 9)}, "warning: images: 1 sample .2. show nothing but"),
        (SAME_PICTURE, "warning: 1 sample .3. repeat an earlier"),
        ({**SAME_PICTURE, "actions": lambda a: changed(a, (3, 0), 0.3)},
         "warning: 1 sample .3. have the picture and the instruction of an earlier sample, and"),
        ({"food_types": lambda a: np.array(["banana", "rice", "grape", "grape"])},
         "warning: split: skewering rice: validated but never trained"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(good, tmp_path, change, message):
    changes = {name: make(getattr(good, name)) for name, make in change.items()}
    report = check(good, tmp_path, **changes)
    assert re.search(f"^{message}", report.text, re.M), report.text
    assert message.startswith("warning") or report.errors


@pytest.mark.parametrize("name, change, message", [
    ("images", lambda i: (i / 255).astype(np.uint8), "error: images: expected levels of 0..255"),
    ("images", lambda i: np.float32(i / 255**2), "error: images: expected levels of 0..255; 8 s"),
    ("images", lambda i: i // 10, "warning: images: 8 samples (0, 1, 2, 3, 4, ...) have no level"),
    ("actions", lambda a: a / 100, "error: actions: expected places all over the picture, got "),
    ("actions", lambda a: a * 0 + 0.5, "warning: actions: all 8 labels are the same within 0.02"),
])  # fmt: skip
def test_scales_that_make_no_sense(make_dataset, tmp_path, name, change, message):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (8, 236, 236, 3), np.uint8), rng.random((8, 4))
    dataset = make_dataset(8, images=pixels, actions=labels.astype(np.float32))
    split = splits.Split(np.arange(6), np.arange(6, 8))
    report = check(dataset, tmp_path, split, **{name: change(getattr(dataset, name))})
    assert message in report.text
    assert len(report.errors) == message.startswith("error")


def scribble(rng):
    """A white plate with things on it."""
    picture = np.full((236, 236, 3), 90, np.uint8)
    cv2.circle(picture, (118, 118), 105, (240, 240, 235), -1)
    return scatter(picture, rng, 40, 30, 206, (3, 16))


def scatter(picture, rng, number, low, high, sizes):
    for _ in range(number):
        middle, axes = rng.integers(low, high, 2).tolist(), rng.integers(*sizes, 2).tolist()
        colour = rng.integers(20, 230, 3).tolist()
        cv2.ellipse(picture, middle, axes, int(rng.integers(180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def camera(rng):
    """Five pieces of food on the plate of one camera that does not move."""
    view = scatter(scribble(np.random.default_rng(9)), rng, 5, 75, 161, (12, 24))
    return np.clip(view + rng.normal(0, 2.5, view.shape), 0, 255).astype(np.uint8)


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
    assert "such as 50 like 0, 51 like 1, 52 like 2, 53 like 3, 54 like 4)" in warning


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
