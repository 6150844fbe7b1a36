"""A model that doubts bright pictures, and one that cares for its instruction."""

import numpy as np

from evaluation import shifts, uncertainty_estimate
from evaluation.study import shifts as study_shifts
from tests.evaluation.study import fixtures as study_fixtures


class Brightness:
    """Unsure where the picture is bright."""

    name, settings = "brightness", {}

    def __init__(self):
        self.num_pictures = 0

    def __call__(self, images, embeddings, seed):
        self.num_pictures += len(images)
        score = images.reshape(len(images), -1).mean(axis=1) / 255
        answers = np.zeros((len(images), 4))
        return uncertainty_estimate.Estimate(answers, answers, {"brightness": score})


def test_rows_of_the_table():
    samples = study_fixtures.samples([0] * 6, foods=["rice", "grape"] * 3)
    ordinary = np.full(6, 1e-5)
    rows = study_shifts.shift_rows(Brightness(), samples, ordinary, threshold=0.4)
    found = {row["name"]: row for row in rows}
    assert list(found) == ["ordinary", *shifts.SHIFTS, "wrong food"]
    assert found["ordinary"]["auroc"] is None
    assert found["ordinary"]["asked_share"] == 0
    assert found["noise"]["auroc"] == found["noise"]["asked_share"] == 1
    assert abs(found["noise"]["mean_uncertainty"] - 0.5) < 0.01
    assert found["negative"]["mean_uncertainty"] > 0.99
    assert found["wrong food"]["asked_share"] == 0
    assert {row["n"] for row in rows} == {6}


def test_so_many_samples_are_drawn_and_no_threshold_is_no_share():
    source = Brightness()
    samples = study_fixtures.samples([0] * 5)
    rows = study_shifts.shift_rows(source, samples, np.zeros(5), max_samples=2)
    assert [row["n"] for row in rows] == [5] + [2] * len(shifts.SHIFTS)
    assert {row["asked_share"] for row in rows} == {None}
    # One food in all: there is no wrong one to ask for. First batches are asked twice.
    assert source.num_pictures == 4 * len(shifts.SHIFTS)
