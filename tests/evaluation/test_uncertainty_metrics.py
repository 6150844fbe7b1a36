"""A row of the uncertainty table is made of the figures of the modules below."""

import pathlib

import numpy as np
import pytest

from evaluation import gaussian_metrics, rank_metrics, uncertainty_metrics


def test_ranking_by_hand():
    found = uncertainty_metrics.ranking_figures([0.1, 0.3, 0.2, 0.9], [0.01, 0.02, 0.03, 0.06])
    assert found["mean_error"] == pytest.approx(0.03)
    assert found["wrong_share"] == 0.25  # only 0.06 is above 0.05
    assert found["auroc"] == 1
    assert found["gain_20"] == pytest.approx(1 / 3)
    assert found["gain_50"] == pytest.approx(1 / 3)
    assert found["aurc"] == pytest.approx(0.02)
    assert found["relative_ause"] == pytest.approx(0.5 / 3.5)
    assert found["spearman"] == rank_metrics.spearman([1, 3, 2, 4], [1, 2, 3, 4])
    assert set(found) >= {"average_precision", "ause", "random_ause", "excess_aurc", "gain_10"}


def test_the_limit_decides_what_is_wrong():
    errors = np.array([0.01, 0.02, 0.03])
    assert uncertainty_metrics.ranking_figures(errors, errors, 0.015)["wrong_share"] == 2 / 3
    assert np.isnan(uncertainty_metrics.ranking_figures(errors, errors)["auroc"])


def test_spread_is_the_mean_over_coordinates():
    rng = np.random.default_rng(0)
    mean, std = rng.random((30, 4)), rng.uniform(0.01, 0.1, (30, 4))
    labels = mean + std * rng.normal(size=(30, 4))
    found = uncertainty_metrics.spread_figures(mean, std, labels)
    nll = gaussian_metrics.gaussian_nll(mean, std, labels)
    assert found["nll"] == pytest.approx(nll.mean())
    assert found["mean_std"] == pytest.approx(std.mean())
    covered = gaussian_metrics.interval_coverage(mean, std, labels)
    assert found["coverage_90"] == pytest.approx(covered[0.9].mean())
    assert found["ence"] == pytest.approx(gaussian_metrics.ence(mean, std, labels).mean())
    assert {"coverage_50", "coverage_80", "coverage_95", "calibration_error"} <= set(found)


def test_few_samples_have_few_bins():
    assert uncertainty_metrics.spread_figures([[0.5]], [[0.1]], [[0.6]])["ence"] == pytest.approx(0)


def test_every_figure_is_explained():
    text = (pathlib.Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    found = uncertainty_metrics.ranking_figures([1, 2], [0, 1])
    found |= uncertainty_metrics.spread_figures([[0.5]], [[0.1]], [[0.6]])
    # Those between coverage_50 and coverage_95 are in one line.
    for name in set(found) - {"coverage_80", "coverage_90"}:
        assert f"`{name}`" in text, name
