"""Which samples are asked, and which have calibrated."""

import argparse
import csv
import pathlib
import types

import cv2
import numpy as np
import pytest

from evaluation import samples as evaluation_samples
from food_data import npz_dataset, splits
from tests.evaluation import agents

EMBEDDINGS = pathlib.Path(__file__).resolve().parents[2] / "embeddings"


def test_a_split_gives_samples_and_those_that_trained(tmp_path):
    data = agents.dataset([0, 1, 2, 3, 4, 5], per_picture=2, foods=list("aabbcc"))
    path = tmp_path / "split.npz"
    splits.write_split(path, splits.Split(np.arange(4), np.array([4, 5])))
    found = evaluation_samples.select(data, "val", path)
    assert found.indices.tolist() == [4, 5]
    assert found.train.names("food_types").tolist() == list("aabb")
    assert found.pictures.tolist() == ["day_0/2.jpg"] * 2
    assert found.part(np.array([1])).indices.tolist() == [5]
    assert evaluation_samples.select(data, "train", path).indices.tolist() == [0, 1, 2, 3]
    everything = evaluation_samples.select(data, "all", None)
    assert (len(everything), everything.train) == (6, None)
    splits.write_split(path, splits.Split(np.arange(6), np.zeros(0, np.int64)))
    with pytest.raises(ValueError, match="expected at least one val sample, got none"):
        evaluation_samples.select(data, "val", path)
    with pytest.raises(ValueError, match="expected a --split_file, got none"):
        evaluation_samples.select(data, "val", None)


def test_training_samples_of_another_data_set(tmp_path):
    path = tmp_path / "plates.npz"
    npz_dataset.write_npz(path, agents.dataset([0, 1, 2], foods=list("abc")))
    found = evaluation_samples.training_samples(path)
    assert found.names("food_types").tolist() == list("abc")
    splits.write_split(splits.split_path(path), splits.Split(np.array([0, 2]), np.array([1])))
    found = evaluation_samples.training_samples(path)
    assert found.names("food_types").tolist() == list("ac")


def test_pictures_are_told_by_their_pixels_and_samples_by_instruction_and_label():
    found = agents.samples([0, 1, 0], per_picture=2, sources=None)
    first, second, third = found.pictures
    assert first == second != third
    assert found.pictures.dtype == "<U16"
    assert len(set(found.sample_ids)) == 3
    assert all(one.startswith(f"{id_}-") for one, id_ in zip(found.sample_ids, found.picture_ids))
    again = agents.samples([5, 0], per_picture=2)  # Other instructions, under a name.
    assert again.picture_ids.tolist() == [first, first]


def calibrated(ids):
    return types.SimpleNamespace(fitted_on=types.SimpleNamespace(picture_ids=tuple(ids)))


def test_pictures_that_calibrated_are_left_out_with_all_their_samples():
    asked = agents.samples([0, 1, 2, 3], per_picture=2)
    rest = evaluation_samples.without_calibrating(asked, calibrated(asked.picture_ids[:1]))
    assert rest.indices.tolist() == [2, 3]
    # Another crop of such a picture, too.
    sources = np.array(["one.jpg", "one.jpg", "two.jpg"])
    asked = agents.samples([0, 1, 2], per_picture=1, sources=sources)
    rest = evaluation_samples.without_calibrating(asked, calibrated(asked.picture_ids[1:2]))
    assert rest.indices.tolist() == [2]
    with pytest.raises(ValueError, match="got 3 that did"):
        evaluation_samples.without_calibrating(asked, calibrated(asked.picture_ids))


def test_whole_pictures_are_parted_by_the_seed():
    asked = agents.samples(np.zeros(30, int), per_picture=3)
    fitting, testing = evaluation_samples.calibration_split(asked, 0.4, seed=0)
    np.testing.assert_array_equal(np.sort([*fitting, *testing]), np.arange(30))
    assert not set(asked.pictures[fitting]) & set(asked.pictures[testing])
    assert len(fitting) == 12
    again, other = (evaluation_samples.calibration_split(asked, 0.4, seed)[0] for seed in (0, 1))
    np.testing.assert_array_equal(again, fitting)
    assert set(other) != set(fitting)
    fitting, testing = evaluation_samples.calibration_split(asked, 1, seed=0)
    assert (len(fitting), len(testing)) == (30, 0)
    for fraction in (0, 1.5):
        with pytest.raises(ValueError, match="expected 0 < fraction <= 1"):
            evaluation_samples.calibration_split(asked, fraction, 0)


@pytest.fixture
def photos(tmp_path):
    """A checkpoint directory with embeddings only, and a CSV of two motions on one photo."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "embeddings").symlink_to(EMBEDDINGS)
    assert cv2.imwrite(str(tmp_path / "plate.png"), np.full((100, 200, 3), 90, np.uint8))
    rows = [
        ["image", "food", "action", "x1", "y1", "x2", "y2"],
        ["plate.png", "banana", "skewering", "0", "50", "100", "50"],
        ["plate.png", "grape", "skewering", "100", "50", "200", "50"],
    ]
    with (tmp_path / "motions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


def read(photos, resize, *more):
    parser = argparse.ArgumentParser()
    evaluation_samples.add_flags(parser)
    flags = ["--checkpoint_dir", str(photos / "run"), "--annotation_format", "csv"]
    flags += ["--annotations", str(photos / "motions.csv")]
    args = evaluation_samples.parse(parser, [*flags, "--units", "pixels", *more])
    args.split = "all"
    return evaluation_samples.read(args, {"resize": resize})


def test_photographs_become_square_as_the_checkpoint_knows_it(photos):
    found = read(photos, "stretch")
    np.testing.assert_allclose(found.labels, [[0, 0.5, 0.5, 0.5], [0.5, 0.5, 1, 0.5]], atol=0.01)
    assert found.names("food_types").tolist() == ["banana", "grape"]
    assert len(set(found.pictures)) == 1
    assert read(photos, "stretch", "--resize", "letterbox").dataset.resize == "letterbox"
    with pytest.raises(ValueError, match="how its pictures became square.*Give --resize"):
        read(photos, None)
    with pytest.raises(SystemExit):
        read(photos, "stretch", "--colour", "red")
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        read(photos, "stretch", "--batch_size", "0")
