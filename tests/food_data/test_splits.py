import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from food_data import splits


def sources(*counts):
    """sources(2, 1) -> ["0", "0", "1"]: two samples of the first picture, one of the second."""
    return np.repeat([str(i) for i in range(len(counts))], counts)


def test_a_split_has_each_sample_once_and_the_fraction_asked_for(make_dataset):
    split = splits.make_split(make_dataset(10), 0.2, seed=0)
    assert sorted([*split.train_idx, *split.val_idx]) == list(range(10))
    assert len(split.val_idx) == 2
    assert split.train_idx.dtype == split.val_idx.dtype == np.int64


def test_samples_of_one_picture_stay_together(make_dataset):
    """Pictures of 3 and 1 samples: a quarter is the one sample, whatever the seed."""
    dataset = make_dataset(8, sources=sources(4, 4))
    for seed in range(5):
        split = splits.make_split(dataset, 0.1, seed)
        assert split.val_idx.tolist() in ([0, 1, 2, 3], [4, 5, 6, 7])


@hypothesis.given(
    strategies.lists(strategies.integers(1, 4), min_size=2, max_size=8),
    strategies.floats(0.01, 0.99),
    strategies.integers(0, 2**32),
)
def test_no_picture_is_on_both_sides_and_no_side_is_empty(make_dataset, counts, fraction, seed):
    names = sources(*counts)
    split = splits.make_split(make_dataset(len(names), sources=names), fraction, seed)
    assert not set(names[split.train_idx]) & set(names[split.val_idx])
    assert len(split.train_idx)
    assert len(split.val_idx)
    assert abs(len(split.val_idx) - fraction * len(names)) <= max(counts)


def test_the_seed_decides(make_dataset):
    dataset = make_dataset(30)
    first, again, other = (splits.make_split(dataset, 0.5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.val_idx, again.val_idx)
    assert first.val_idx.tolist() != other.val_idx.tolist()


def test_without_sources_equal_pictures_stay_together(make_dataset):
    images = np.zeros((4, 236, 236, 3), np.uint8)
    images[[1, 2]] = 9
    for seed in range(5):
        split = splits.make_split(make_dataset(4, images=images, sources=None), 0.5, seed)
        assert split.val_idx.tolist() in ([0, 3], [1, 2])


def test_each_food_has_the_fraction_and_is_on_both_sides(make_dataset):
    """40 pictures of bananas, 20 of grapes, 2 of kiwis, and grapes to scoop on 10 of them."""
    foods = np.array(["banana"] * 40 + ["grape"] * 20 + ["kiwi"] * 2 + ["grape"] * 10)
    actions = np.array(["skewering"] * 62 + ["scooping"] * 10)
    names = np.array([f"{i}.jpg" for i in [*range(62), *range(10)]])
    dataset = make_dataset(
        72, food_types=foods, action_names=actions, sources=names, actions=np.zeros((72, 4), "f4")
    )
    for seed in range(5):
        split = splits.make_split(dataset, 0.2, seed)
        assert not set(names[split.train_idx]) & set(names[split.val_idx])
        kinds = np.char.add(actions, foods)[split.val_idx].tolist()
        assert 7 <= kinds.count("skeweringbanana") <= 9
        assert 3 <= kinds.count("skeweringgrape") <= 5
        assert 1 <= kinds.count("scoopinggrape") <= 3
        assert kinds.count("skeweringkiwi") == 1


def test_without_names_the_draw_is_as_it_always_was(make_dataset):
    """So that the splits of files without names, which are drawn anew, stay the same."""
    dataset = make_dataset(10, food_types=None)
    split = splits.make_split(dataset, 0.3, seed=4)
    drawn = np.random.default_rng(4).permutation(10)[:3]
    expected = np.flatnonzero(np.isin(np.unique(dataset.sources, return_inverse=True)[1], drawn))
    np.testing.assert_array_equal(split.val_idx, expected)


def test_names_of_foods_alone_are_enough(make_dataset):
    foods = np.array(["grape"] * 2 + ["fig"] * 8)
    split = splits.make_split(make_dataset(10, food_types=foods, action_names=None), 0.2, seed=0)
    assert sorted(foods[split.val_idx]) == ["fig", "fig", "grape"]


def test_pictures_are_told_apart_by_sources_or_pixels(make_dataset):
    images = np.zeros((70, 236, 236, 3), np.uint8)
    images[69] = 1
    keys = splits.picture_keys(make_dataset(70, images=images, sources=None))
    assert len(set(keys.tolist())) == 2
    assert keys[0] == keys[68] != keys[69]
    assert splits.picture_keys(make_dataset(2)).tolist() == ["day_1/0.jpg", "day_1/1.jpg"]


def test_fraction_zero_validates_nothing(make_dataset):
    split = splits.make_split(make_dataset(3), 0.0, seed=0)
    assert split.train_idx.tolist() == [0, 1, 2]
    assert split.val_idx.shape == (0,)
    assert split.val_idx.dtype == np.int64


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 20, float("nan")])
def test_other_fractions_are_refused(make_dataset, fraction):
    with pytest.raises(ValueError, match="expected 0 <= fraction < 1, got"):
        splits.make_split(make_dataset(3), fraction, seed=0)


def test_one_picture_cannot_be_split(make_dataset):
    with pytest.raises(ValueError, match="at least 2 pictures to split, got 1"):
        splits.make_split(make_dataset(3, sources=sources(3)), 0.5, seed=0)


def test_the_file_lies_beside_the_data_set():
    assert str(splits.split_path("data/plates.npz")) == "data/plates_split.npz"


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_round_trip(make_dataset, tmp_path, fraction):
    split = splits.make_split(make_dataset(10), fraction, seed=3)
    splits.write_split(tmp_path / "s.npz", split)
    read = splits.read_split(tmp_path / "s.npz", 10)
    for name in ("train_idx", "val_idx"):
        np.testing.assert_array_equal(getattr(read, name), getattr(split, name))
        assert getattr(read, name).dtype == np.int64


def test_a_file_of_a_lab_may_leave_samples_out(tmp_path):
    np.savez(tmp_path / "s.npz", train_idx=np.array([5, 1], np.int32), val_idx=np.array([]))
    read = splits.read_split(tmp_path / "s.npz", 6)
    assert read.train_idx.tolist() == [5, 1]
    assert read.val_idx.dtype == np.int64


@pytest.mark.parametrize(
    "arrays, message",
    [
        (
            {"train_idx": [0, 6], "val_idx": [1]},
            "train_idx: expected sample numbers in 0..5, got 1 oth",
        ),
        ({"train_idx": [0], "val_idx": [-1]}, "val_idx: expected sample numbers in 0..5"),
        ({"train_idx": [0, 1], "val_idx": [1]}, "got 1 of them more than once, the first is 1"),
        ({"train_idx": [2, 2], "val_idx": [1]}, "got 1 of them more than once, the first is 2"),
        ({"train_idx": [], "val_idx": [1]}, "train_idx is empty"),
        (
            {"train_idx": [0.5], "val_idx": [1]},
            "train_idx: expected integers [n], got float64 (1,)",
        ),
        ({"train_idx": [[0]], "val_idx": [1]}, "got int64 (1, 1)"),
        ({"train_idx": [True, False], "val_idx": [1]}, "expected integers [n], got bool (2,)"),
        (
            {"train": [0], "val_idx": [1]},
            "expected train_idx and val_idx, found ['train', 'val_idx']",
        ),
        ({"train_idx": [0], "val_idx": [1], "num_samples": 7}, "of 7 samples; this one has 6"),
    ],
)
def test_wrong_files_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(ValueError, match=re.escape(message)):
        splits.read_split(tmp_path / "s.npz", 6)


def test_files_that_are_no_npz(tmp_path):
    with pytest.raises(FileNotFoundError, match="No split file .*absent.npz"):
        splits.read_split(tmp_path / "absent.npz", 6)
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "s.npz").write_bytes((tmp_path / "single.npy").read_bytes())
    with pytest.raises(ValueError, match="s.npz is not a readable .npz file"):
        splits.read_split(tmp_path / "s.npz", 6)


def test_pictures_that_share_photographs_stay_together(make_dataset):
    names = np.array([f"photos/{'held_out' if i < 3 else 'train'}#seed_0/{i}" for i in range(9)])
    split = splits.make_split(make_dataset(9, sources=names), 0.3, seed=0)
    assert split.val_idx.tolist() == [0, 1, 2]


def test_held_out_photographs_validate_even_if_they_are_more_than_the_fraction(make_dataset):
    """A draw of a tenth alone takes single plates, never the large group."""
    names = np.array([f"photos/held_out#{i}" if i < 12 else f"plate_{i}" for i in range(40)])
    split = splits.make_split(make_dataset(40, sources=names), 0.1, seed=0)
    assert set(range(12)) <= set(split.val_idx.tolist()) < set(range(40))
