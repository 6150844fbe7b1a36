"""Calibrating on one part and testing on the other: by hand, repeatably, and without a leak."""

import dataclasses

import numpy as np
import pytest

from evaluation import calibration_split, uncertainty_sources
from evaluation.study import fit as study_fit
from evaluation.study import samples as study_samples
from tests.evaluation.study import fixtures as study_fixtures

# No picture has two samples with the same instruction and label.
PLACES = np.tile(np.random.default_rng(0).permutation(20), 6)


def _fit(samples, **settings):
    source = uncertainty_sources.TokenDistribution(study_fixtures.OffsetAgent())
    return study_fit.fit_and_test(source, samples, weights_sha256="w", **settings)


def test_figures_of_the_rest():
    samples = study_fixtures.samples(PLACES, per_picture=2)
    fitted, tested = _fit(samples, coverage=0.8)
    assert fitted.fitted_on.num_calibration_samples == 60
    assert len(fitted.fitted_on.picture_ids) == 30
    assert (fitted.fitted_on.source, fitted.fitted_on.score) == (
        "token_distribution",
        "credible_width",
    )
    assert tested["disc_coverage"]["n"] == 60
    assert abs(tested["disc_coverage"]["mean"] - 0.8) < 0.2
    # The ranking is perfect, so those above the threshold are the worst.
    assert 0 < tested["asked_share"] < 0.4
    assert tested["gain"] > tested["asked_share"]


def test_no_label_and_no_picture_of_the_rest_changes_what_is_fitted():
    """The leak test: labels of the testing part are replaced by others."""
    samples = study_fixtures.samples(PLACES, per_picture=2)
    fitted, _ = _fit(samples, seed=5)
    _, testing = calibration_split.split_calibration_test(samples.pictures, 0.5, 5)
    actions = samples.dataset.actions.copy()
    actions[testing] = 0.9
    changed = dataclasses.replace(samples.dataset, actions=actions)
    again, _ = _fit(study_samples.Samples(changed, samples.indices), seed=5)

    def without_fingerprint(calibration):
        fitted_on = dataclasses.replace(calibration.fitted_on, dataset_fingerprint="")
        return dataclasses.replace(calibration, fitted_on=fitted_on)

    assert without_fingerprint(again) == without_fingerprint(fitted)
    assert again.fitted_on.dataset_fingerprint != fitted.fitted_on.dataset_fingerprint
    calibration_split.check_disjoint(fitted.fitted_on.picture_ids, samples.picture_ids[testing])


def test_a_picture_under_two_names_is_a_leak():
    sources = np.array([f"{number}.jpg" for number in range(len(PLACES))])
    samples = study_fixtures.samples(PLACES, per_picture=2, sources=sources)
    with pytest.raises(ValueError, match="Expected a test set without calibration data"):
        _fit(samples)


def test_the_same_seed_gives_the_same_file():
    samples = study_fixtures.samples(PLACES)
    first, again, other = (_fit(samples, seed=seed)[0].to_json() for seed in (1, 1, 2))
    assert first == again != other


def test_all_samples_may_calibrate():
    fitted, tested = _fit(study_fixtures.samples(PLACES), fraction=1)
    assert fitted.fitted_on.num_calibration_samples == 120
    assert tested is None


def test_bad_settings():
    samples = study_fixtures.samples(PLACES[:8])
    with pytest.raises(ValueError, match="fraction: expected 0 < fraction <= 1, got 0"):
        _fit(samples, fraction=0)
    with pytest.raises(ValueError, match="needs at least 9 calibration samples, got 8"):
        _fit(samples, fraction=1)
