"""Calibration and test data are parted by picture, and a leak is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import calibration_split


@settings(max_examples=40, deadline=None)
@given(
    pictures=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 100),
)
def test_no_picture_is_on_both_sides(pictures, fraction, seed):
    pictures = np.array([*pictures, "y", "z"])
    calibrate, test = calibration_split.split_calibration_test(pictures, fraction, seed)
    np.testing.assert_array_equal(np.sort([*calibrate, *test]), np.arange(len(pictures)))
    assert not set(pictures[calibrate]) & set(pictures[test])
    assert calibrate.size
    assert test.size
    calibration_split.check_disjoint(pictures[calibrate], pictures[test])


def test_share_is_that_asked_for():
    pictures = np.repeat(np.arange(100), 3)
    for fraction in (0.2, 0.5):
        calibrate, _ = calibration_split.split_calibration_test(pictures, fraction, 0)
        assert len(calibrate) == 300 * fraction


def test_seed_decides():
    pictures = np.arange(50)
    one, again, other = (
        calibration_split.split_calibration_test(pictures, 0.5, seed)[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert set(one) != set(other)


@pytest.mark.parametrize(("pictures", "fraction"), [("ab", 0), ("ab", 1), ("aa", 0.5)])
def test_impossible_splits_are_refused(pictures, fraction):
    with pytest.raises(ValueError, match="at least 2 pictures, got"):
        calibration_split.split_calibration_test(np.array(list(pictures)), fraction, 0)


def test_a_picture_is_the_same_under_any_name_and_in_any_data_set():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
    copied = np.concatenate([images[2:], images[:1]])
    here = calibration_split.picture_ids(images, np.arange(3))
    there = calibration_split.picture_ids(copied, np.arange(2))
    assert here.dtype == there.dtype == "<U16"
    assert len(set(here)) == 3
    np.testing.assert_array_equal(there, here[[2, 0]])
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert calibration_split.picture_ids(changed, np.array([0]))[0] not in here
    assert calibration_split.picture_ids(images, np.array([], int)).shape == (0,)


def test_samples_of_a_picture_differ_by_instruction_and_label():
    pictures = np.array(["p", "p", "p", "p"])
    embeddings = np.array([[1, 0], [0, 1], [1, 0], [1, 0]], np.float32)
    labels = np.array([[0, 0, 1, 1]] * 2 + [[0, 0, 1, 0.5], [0, 0, 1, 1]], np.float32)
    ids = calibration_split.sample_ids(pictures, embeddings, labels)
    assert ids[0] == ids[3]
    assert len(set(ids)) == 3
    assert all(name.startswith("p-") for name in ids)


def test_digest_is_of_the_set():
    one = calibration_split.ids_digest(["b", "a"])
    assert one == calibration_split.ids_digest(np.array(["a", "b"]))
    # printf 'a\nb' | sha256sum
    assert one == "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"
    assert one != calibration_split.ids_digest(["ab"])


def test_a_leak_is_refused_and_named():
    calibration_split.check_disjoint(["a", "b"], ["c"])
    calibration_split.check_disjoint([], ["c"])
    with pytest.raises(ValueError, match="got 2 ids that calibrated the uncertainty, .* is b"):
        calibration_split.check_disjoint(np.array(["a", "b"]), np.array(["c", "b", "b", "a"]))
