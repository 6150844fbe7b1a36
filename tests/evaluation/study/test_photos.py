"""Annotated photographs without a data set file; no network is needed."""

import csv
import pathlib

import cv2
import numpy as np
import pytest

from evaluation.study import photos as study_photos

EMBEDDINGS = pathlib.Path(__file__).resolve().parents[3] / "embeddings"


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


def _build(photos, metadata, *more):
    flags = ["--annotations", str(photos / "motions.csv"), "--units", "pixels", *more]
    return study_photos.build("csv", flags, photos / "run", metadata)


def test_pictures_become_square_as_the_checkpoint_knows_it(photos):
    found = _build(photos, {"resize": "stretch"})
    np.testing.assert_allclose(found.actions, [[0, 0.5, 0.5, 0.5], [0.5, 0.5, 1, 0.5]], atol=0.01)
    assert found.food_types.tolist() == ["banana", "grape"]
    assert found.resize == "stretch"
    assert len(set(found.sources)) == 1


def test_a_flag_says_otherwise(photos):
    assert _build(photos, {"resize": "stretch"}, "--resize", "letterbox").resize == "letterbox"
    assert _build(photos, {"resize": None}, "--resize=letterbox").resize == "letterbox"


def test_a_checkpoint_that_does_not_say(photos):
    with pytest.raises(ValueError, match="how its pictures became square.*Give --resize"):
        _build(photos, {"resize": None})


def test_flags_of_no_command(photos):
    with pytest.raises(SystemExit):
        _build(photos, {"resize": "stretch"}, "--colour", "red")
