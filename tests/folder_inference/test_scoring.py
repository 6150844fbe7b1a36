"""Scores by hand."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from PIL import Image

from folder_inference import scoring
from food_data import annotations
from tests.folder_inference import records

MOTION = np.array([0.2, 0.5, 0.4, 0.5])
SIZE = (200, 100)


def banana(start, end, mask=None, label="banana", action="skewering"):
    axis = None if start is None else np.array([start, end], float)
    return annotations.LabelledObject(label, axis, action, mask)


def rectangle(left, top, right, bottom):
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return functools.partial(annotations.polygon_mask, [np.array(corners, float)])


def file_mask(path):
    return functools.partial(annotations.file_mask, path, None)


def test_the_modules_example():
    score = scoring.score(MOTION, SIZE, [banana((20, 50), (60, 50))])
    assert score.centroid_mae == pytest.approx(0.05)
    assert score.bbox_mae == pytest.approx(0.05)
    assert score.angle_mae_mod180_deg == pytest.approx(0)
    assert score.centroid_distance_px == pytest.approx(20)
    assert score.on_food is None


def test_the_nearest_of_several_counts():
    objects = [banana((0, 0), (20, 0)), banana((60, 40), (60, 60)), banana(None, None)]
    score = scoring.score(MOTION, SIZE, objects)
    assert score.centroid_distance_px == pytest.approx(0)
    assert score.angle_mae_mod180_deg == pytest.approx(90)


@pytest.mark.parametrize(
    ("masks", "on_food"),
    [
        ([rectangle(50, 40, 70, 60)], True),
        ([rectangle(70, 40, 90, 60)], False),
        ([rectangle(70, 40, 90, 60), rectangle(50, 40, 70, 60)], True),
        ([rectangle(70, 40, 90, 60), None], None),
        ([None], None),
    ],
    ids=["on", "beside", "on the second", "beside what is known", "no mask"],
)
def test_on_food(masks, on_food):
    objects = [banana(None, None, mask) for mask in masks]
    assert scoring.score(MOTION, SIZE, objects) == scoring.Score(on_food=on_food)


def test_the_corner_of_the_picture_belongs_to_its_last_pixel():
    corner = np.array([1.0, 1.0, 1.0, 1.0])
    objects = [banana(None, None, rectangle(199, 99, 200, 100))]
    assert scoring.score(corner, SIZE, objects).on_food is True


def test_only_what_was_asked_for_counts():
    wanted = banana((0, 0), (1, 1))
    labels = {
        "a.jpg": [
            wanted,
            banana((0, 0), (1, 1), label="grape"),
            banana((0, 0), (1, 1), action="scooping"),
        ]
    }
    assert scoring.asked_objects(records.record(), labels) == [wanted]
    assert scoring.asked_objects(records.record("b.jpg"), labels) == []


def test_summary_beside_the_centre(tmp_path):
    labels = {
        "a.jpg": [banana((20, 50), (60, 50), rectangle(50, 40, 70, 60))],
        "b.jpg": [
            banana(
                (100, 50),
                (100, 50),
                file_mask(tmp_path / "absent.png"),
            )
        ],
    }
    entries = [records.record(name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    scores, summary = scoring.score_records(entries, labels)
    assert scores[1] == scores[2] == scoring.Score()
    assert summary["answers"]["n"] == summary["centre of the picture"]["n"] == 1
    assert summary["answers"]["centroid_mae"] == pytest.approx(0.05)
    # The centre is (0.5, 0.5), the label's midpoint (0.2, 0.5).
    assert summary["centre of the picture"]["centroid_mae"] == pytest.approx(0.15)
    assert (summary["answers"]["hit_rate"], summary["answers"]["n_masks"]) == (1.0, 1)
    assert summary["centre of the picture"]["hit_rate"] == 0.0
    assert summary["without_label"] == 1
    assert "absent.png" in summary["flawed"]["b.jpg"]


def test_a_mask_of_another_size_is_a_flaw(tmp_path):
    Image.new("L", (10, 10)).save(tmp_path / "m.png")
    labels = {"a.jpg": [banana((0, 0), (1, 1), file_mask(tmp_path / "m.png"))]}
    _, summary = scoring.score_records([records.record()], labels)
    assert "expected 200 x 100 pixels" in summary["flawed"]["a.jpg"]


def test_combined_is_what_one_run_would_say():
    names = [f"{number}.jpg" for number in range(5)]
    labels = {
        name: [banana((10 * i, 50), (60, 50), rectangle(50, 40, 61 + i, 60) if i < 2 else None)]
        for i, name in enumerate(names[:4])
    }
    entries = [records.record(name) for name in names]
    _, whole = scoring.score_records(entries, labels)
    parts = [scoring.score_records(entries[i::2], labels)[1] for i in range(2)]
    combined = scoring.combined(parts)
    assert combined["without_label"] == whole["without_label"] == 1
    for row in ("answers", "centre of the picture"):
        assert combined[row] == pytest.approx(whole[row])
    empty = scoring.score_records([], {})[1]
    assert scoring.combined([empty, empty]) == empty
