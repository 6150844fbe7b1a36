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
