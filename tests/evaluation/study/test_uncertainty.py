"""The rows of a source whose ranking is perfect."""

import numpy as np
import pytest

from evaluation import uncertainty_sources
from evaluation.study import uncertainty as study_uncertainty
from tests.evaluation.study import fixtures as study_fixtures


def _found(places, is_default=True, calibration=None):
    samples = study_fixtures.samples(places)
    source = uncertainty_sources.TokenDistribution(study_fixtures.OffsetAgent())
    estimate = uncertainty_sources.collect(source, samples.dataset, samples.indices)
    return study_uncertainty.Found(source, estimate, is_default, calibration), samples.labels


def test_a_row_for_each_score_and_the_first_one_is_the_default():
    found, labels = _found(range(10))
    rows = study_uncertainty.rows(found, labels, source_ms=12.0, plain_ms=4.0)
    assert [row["score"] for row in rows] == ["credible_width", "entropy", "midpoint_std"]
    assert [row["is_default"] for row in rows] == [True, False, False]
    first = rows[0]
    assert first["label"] == first["source"] == "token_distribution"
    assert first["relative_cost"] == 3
    figures = first["figures"]
    assert figures["auroc"] == 1
    assert figures["ause"] == pytest.approx(0, abs=1e-6)
    assert figures["mean_error"] == pytest.approx(0.045, abs=1e-6)
    # 1 - (0 + .. + 0.07) / 8 / 0.045
    assert figures["gain_20"] == pytest.approx(1 - 0.035 / 0.045, abs=1e-5)


def test_what_is_not_known_is_none():
    found, labels = _found([1, 1])
    row = study_uncertainty.rows(found, labels, source_ms=1.0, plain_ms=0.0)[0]
    assert row["figures"]["auroc"] is None  # no answer is more than 0.05 off
    assert row["relative_cost"] is None


def test_a_calibration_adds_a_row_with_its_std():
    class Doubled:
        def calibrated_std(self, std):
            return 2 * np.maximum(std, 0.001)

    found, labels = _found(range(10), calibration=Doubled())
    rows = study_uncertainty.rows(found, labels, source_ms=1.0, plain_ms=1.0)
    assert rows[-1]["label"] == "token_distribution, calibrated"
    assert not rows[-1]["is_default"]
    ratio = rows[-1]["figures"]["mean_std"] / rows[0]["figures"]["mean_std"]
    assert ratio == pytest.approx(2, rel=1e-3)
    assert rows[-1]["figures"]["auroc"] == rows[0]["figures"]["auroc"]


def test_curves_have_at_most_101_points_and_both_ends():
    found, labels = _found([0, 1, 2, 3])
    curve = study_uncertainty.curve(found, labels)
    assert curve["coverage"] == [1, 0.75, 0.5, 0.25]
    np.testing.assert_allclose(curve["error"], [0.015, 0.01, 0.005, 0], atol=1e-6)
    np.testing.assert_allclose(curve["oracle"], curve["error"], atol=1e-6)
    assert curve["random"] == pytest.approx(0.015, abs=1e-6)
    assert len(curve["expected"]) == len(curve["observed"]) == 99
    found, labels = _found(np.arange(300) % 90)
    curve = study_uncertainty.curve(found, labels)
    assert len(curve["coverage"]) == 101
    assert curve["coverage"][0] == 1
    assert curve["coverage"][-1] == pytest.approx(1 / 300)
