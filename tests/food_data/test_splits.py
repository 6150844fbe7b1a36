"""Splits: whole pictures, both sides of every food, repeatable, and their files."""

import dataclasses
import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from food_data import splits

FOODS = ("banana", "grape", "rice", "spaghetti")


def data_of(make_dataset, pictures):
    """A data set of pictures, each a list of (action, food)."""
    samples = [(i, *one) for i, picture in enumerate(pictures) for one in picture]
    number = len(samples)
    return make_dataset(
        number,
        images=np.broadcast_to(np.uint8(0), (number, 236, 236, 3)),
        sources=np.array([f"day/{i}.jpg" for i, _, _ in samples]),
        action_names=np.array([action for _, action, _ in samples]),
        food_types=np.array([food for _, _, food in samples]),
    )


KIND = strategies.tuples(*map(strategies.sampled_from, (("skewering", "scooping"), FOODS)))
PICTURES = strategies.lists(strategies.lists(KIND, min_size=1, max_size=4), min_size=2, max_size=30)


@hypothesis.settings(max_examples=25)
@hypothesis.given(
    PICTURES, strategies.floats(0.05, 0.9), strategies.integers(0, 3), strategies.booleans()
)
def test_pictures_stay_whole_on_two_sides_with_samples(make_dataset, pictures, share, seed, named):
    dataset = data_of(make_dataset, pictures)
    if not named:
        dataset = dataclasses.replace(dataset, food_types=None)
    split = splits.make_split(dataset, share, seed)
    assert sorted(np.concatenate(split).tolist()) == list(range(len(dataset)))
    assert split.train_idx.size and split.val_idx.size
    assert not set.intersection(*(set(dataset.sources[one].tolist()) for one in split))


def test_the_worked_example(make_dataset):
    """2 pictures with a grape and a banana, 8 with a banana: one of each kind changes sides."""
    grape, banana = ("skewering", "grape"), ("skewering", "banana")
    dataset = data_of(make_dataset, [[grape, banana]] * 2 + [[banana]] * 8)
    for seed in range(4):
        split = splits.make_split(dataset, 0.2, seed)
        for side in (split.train_idx, split.val_idx):
            assert "grape" in dataset.food_types[side]
        assert len(split.val_idx) == 4


def test_a_split_of_a_seed_is_the_one_it_always_was(make_dataset):
    """Frozen: whoever draws a split again by its seed gets the same samples."""
    kinds = [[("skewering", FOODS[i % 3])] + [("scooping", FOODS[3])] * (i % 2) for i in range(12)]
    dataset = data_of(make_dataset, kinds)
    assert splits.make_split(dataset, 0.25, 0).val_idx.tolist() == [6, 9, 16, 17]
    plain = make_dataset(12, food_types=None)
    assert splits.make_split(plain, 0.25, 5).val_idx.tolist() == [1, 7, 9]


def test_sources_are_compared_up_to_the_hash_sign_and_without_them_pixels(make_dataset):
    sources = np.array([f"photos/{i // 3}#seed_{i}/plate" for i in range(6)])
    images = np.repeat(make_dataset(2).images, 3, axis=0)
    for changes in ({"sources": sources}, {"sources": None, "images": images}):
        split = splits.make_split(make_dataset(6, **changes), 0.5, 0)
        assert sorted(one.tolist() for one in split) == [[0, 1, 2], [3, 4, 5]]


def test_what_comes_from_one_photo_or_video_stays_together():
    together = [
        ["train/IMG_1_jpg.rf.0a1b2c.jpg", "valid/IMG_1_jpg.rf.ff00.jpg", "x/IMG_1.jpg"],
        ["day/1.jpg", "day/1_aug_3.png", "day/1-rot90.jpg", "day/1_hflip.jpg"],
        ["clip/frame_000001.png", "clip/frame_000002.PNG"],
        ["a/v1_frame12.jpg", "a/v1_frame13.jpg"],
        ["a/lunch.mp4_0001.jpg", "a/lunch_mp4-22_jpg.rf.12ab.jpg", "b/lunch_mp4-3_jpg.rf.9.jpg"],
        ["group a#1.jpg", "group a#2.jpg"],
        ["d/clip3_0001.jpg", "d/clip3_0002.jpg"],
        ["d/VID_20260101_120000_0001.jpg", "d/VID_20260101_120000_0002.jpg"],
        ["d/IMG_20260101_120000.jpg"],
        ["day/IMG_2.jpg"], ["day/IMG_3.jpg"], ["other/IMG_2.jpg"],
        ["a/frames.jpg"], ["c/frame_1.jpg"],
    ]  # fmt: skip
    keys = splits.picture_keys(sum(together, []))
    found = iter(keys)
    groups = [{next(found) for _ in group} for group in together]
    assert [len(group) for group in groups] == [1] * len(together)
    assert len(set(keys)) == len(together)


def test_what_cannot_be_split(make_dataset):
    assert not splits.make_split(make_dataset(3), 0, 0).val_idx.size
    with pytest.raises(ValueError, match="Expected at least 2 pictures to split, got 1"):
        splits.make_split(make_dataset(1), 0.2, 0)
    for fraction in (-0.1, 1, np.nan):
        with pytest.raises(ValueError, match="validation_fraction: expected 0 <= .* < 1"):
            splits.make_split(make_dataset(3), fraction, 0)


def test_files(tmp_path):
    path = splits.split_path(tmp_path / "plates.npz")
    splits.write_split(path, splits.Split(np.array([0, 2]), np.array([1])))
    read = splits.read_split(path, 3)
    assert (read.train_idx.tolist(), read.val_idx.tolist()) == ([0, 2], [1])
    with pytest.raises(ValueError, match="split of a data set of 3 samples; this one has 4"):
        splits.read_split(path, 4)
    np.savez(path, train_idx=np.array([3], np.int32), val_idx=[])  # Somebody else's.
    assert splits.read_split(path, 9).val_idx.dtype == np.int64


@pytest.mark.parametrize("arrays, message", [
    ({"train_idx": [0]}, "expected train_idx and val_idx, found ['train_idx']"),
    ({"train_idx": [0.5], "val_idx": [1]}, "val_idx as integers [n], got ['float64 (1,)'"),
    ({"train_idx": [0], "val_idx": [[1]]}, "'int64 (1, 1)']"),
    ({"train_idx": [0], "val_idx": [9, -1]}, "0..4 once, got 2 others or twice, the first is -1"),
    ({"train_idx": [0, 1], "val_idx": [1]}, "0..4 once, got 1 others or twice, the first is 1"),
    ({"train_idx": [], "val_idx": [1]}, "train_idx is empty"),
])  # fmt: skip
def test_files_that_are_no_split(tmp_path, arrays, message):
    np.savez(tmp_path / "s.npz", **{name: np.array(array) for name, array in arrays.items()})
    with pytest.raises(ValueError, match=re.escape(message)):
        splits.read_split(tmp_path / "s.npz", 5)


def test_held_out_photographs_validate_even_if_they_are_more_than_the_fraction(make_dataset):
    """A draw of a tenth alone takes single plates, never the large group."""
    names = np.array([f"photos/held_out#{i}" if i < 12 else f"plate_{i}" for i in range(40)])
    split = splits.make_split(make_dataset(40, sources=names), 0.1, seed=0)
    assert set(range(12)) <= set(split.val_idx.tolist()) < set(range(40))
