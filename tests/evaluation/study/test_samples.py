"""Which samples are asked, and which have calibrated."""

import types

import numpy as np
import pytest

from evaluation.study import samples as study_samples
from food_data import npz_dataset, splits
from tests.evaluation.study import fixtures as study_fixtures


def test_a_split_gives_samples_and_the_labels_that_trained(tmp_path):
    data = study_fixtures.dataset([0, 1, 2, 3, 4, 5], per_picture=2, foods=list("aabbcc"))
    path = tmp_path / "split.npz"
    splits.write_split(path, splits.Split(np.arange(4), np.array([4, 5])))

    found = study_samples.select(data, "val", path)

    assert found.indices.tolist() == [4, 5]
    assert found.train.foods.tolist() == list("aabb")
    assert found.names("food_types").tolist() == ["c", "c"]
    assert found.pictures.tolist() == ["day_0/2.jpg"] * 2
    assert found.part(np.array([1])).indices.tolist() == [5]
    assert study_samples.select(data, "train", path).indices.tolist() == [0, 1, 2, 3]


def test_all_samples_need_no_split_and_know_no_training():
    found = study_samples.select(study_fixtures.dataset([0, 1]), "all", None)
    assert len(found) == 2
    assert found.train is None


def test_a_side_without_samples_and_no_split_file(tmp_path):
    data = study_fixtures.dataset([0, 1])
    path = tmp_path / "split.npz"
    splits.write_split(path, splits.Split(np.arange(2), np.zeros(0, np.int64)))
    with pytest.raises(ValueError, match="expected at least one val sample, got none"):
        study_samples.select(data, "val", path)
    with pytest.raises(ValueError, match="expected a split file, got none"):
        study_samples.select(data, "val", None)


def test_without_sources_pictures_are_told_by_their_pixels():
    found = study_fixtures.samples([0, 1, 2], per_picture=2, sources=None)
    first, second, third = found.pictures
    assert first == second != third
    assert len(set(found.sample_ids)) == 3


def test_training_labels_of_another_data_set(tmp_path):
    path = tmp_path / "plates.npz"
    npz_dataset.write_npz(path, study_fixtures.dataset([0, 1, 2], foods=list("abc")))
    assert study_samples.training_labels(path).foods.tolist() == ["a", "b", "c"]
    splits.write_split(splits.split_path(path), splits.Split(np.array([0, 2]), np.array([1])))
    found = study_samples.training_labels(path)
    assert found.foods.tolist() == ["a", "c"]
    assert found.labels.shape == (2, 4)


def _calibration(ids):
    return types.SimpleNamespace(fitted_on=types.SimpleNamespace(picture_ids=tuple(ids)))


def test_pictures_that_calibrated_are_left_out_with_all_their_samples():
    asked = study_fixtures.samples([0, 1, 2, 3], per_picture=2)
    rest, number = study_samples.without_calibrating(asked, _calibration(asked.picture_ids[:1]))
    assert (rest.indices.tolist(), number) == ([2, 3], 2)


def test_another_crop_of_a_picture_that_calibrated_is_left_out_too():
    sources = np.array(["one.jpg", "one.jpg", "two.jpg"])
    asked = study_fixtures.samples([0, 1, 2], per_picture=1, sources=sources)
    rest, number = study_samples.without_calibrating(asked, _calibration(asked.picture_ids[1:2]))
    assert (rest.indices.tolist(), number) == ([2], 2)


def test_nothing_may_be_left():
    asked = study_fixtures.samples([0, 1])
    with pytest.raises(ValueError, match="got 2 that did"):
        study_samples.without_calibrating(asked, _calibration(asked.picture_ids))
