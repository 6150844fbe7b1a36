"""Which samples a report draws."""

import numpy as np
import pytest

from evaluation import uncertainty_sources
from evaluation.study import examples as study_examples
from evaluation.study import uncertainty as study_uncertainty
from tests.evaluation.study import fixtures as study_fixtures
from tests.evaluation.study import test_calibration


def _ask(places, calibration=None):
    samples = study_fixtures.samples(places)
    source = uncertainty_sources.TokenDistribution(study_fixtures.OffsetAgent())
    estimate = uncertainty_sources.collect(source, samples.dataset, samples.indices)
    return samples, study_uncertainty.Found(source, estimate, True, calibration)


def test_best_worst_and_least_sure():
    samples, found = _ask([3, 0, 20, 7], test_calibration.CALIBRATION)
    made = study_examples.examples(samples, None, found, number=2)

    def distances(kind):
        return [round(one["centroid_distance"], 4) for one in made[kind]]

    assert distances("best") == [0, 0.03]
    assert distances("worst") == distances("most_uncertain") == [0.2, 0.07]
    worst = made["worst"][0]
    assert worst["image"].shape == (236, 236, 3)
    assert (worst["action"], worst["food"], worst["picture"]) == (
        "skewering",
        "banana",
        "day_0/2.jpg",
    )
    np.testing.assert_allclose(worst["predicted"], [0.6, 0.7, 0.8, 0.3], atol=1e-6)
    np.testing.assert_allclose(worst["labelled"], study_fixtures.LABEL)
    assert worst["uncertainty"] == pytest.approx(0.99 * 21 / 101)
    assert worst["asked"] is False  # The threshold is 0.25.
    assert worst["radius"] == pytest.approx(0.035)


def test_without_a_source_nothing_is_said_about_uncertainty():
    samples = study_fixtures.samples([0, 1], sources=None, food_types=None, action_names=None)
    made = study_examples.examples(samples, np.tile(study_fixtures.LABEL, (2, 1)), None)
    assert made["most_uncertain"] == []
    (first, second) = made["best"]
    assert (first["picture"], second["picture"]) == ("sample 0", "sample 1")
    assert first["uncertainty"] is first["asked"] is first["radius"] is None
    assert first["food"] == ""
