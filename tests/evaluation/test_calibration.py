"""Fitting a calibration: the factors by hand, the whole on drawn data, and no leak."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize

from evaluation import calibration, calibration_split, conformal, gaussian_metrics

SETTINGS = {
    "source": "mc_dropout",
    "score": "midpoint_spread",
    "dataset_fingerprint": "f",
    "weights_sha256": "ef" * 32,
    "scope": "head",
    "num_samples": 16,
}


def drawn(seed, number, factor=3.0):
    """Samples, three to a picture, whose errors are `factor` times the std that is claimed."""
    rng = np.random.default_rng(seed)
    std = rng.uniform(0.002, 0.02, (number, 1)) * np.ones((1, 4))
    labels = rng.uniform(0.3, 0.7, (number, 4))
    mean = labels + factor * std * rng.normal(size=(number, 4))
    pictures = np.array([f"{seed}-{n // 3}" for n in range(number)])
    ids = np.array([f"{seed}-sample-{n}" for n in range(number)])
    return calibration.CalibrationData(mean, std, std[:, 0], labels, ids, pictures)


def part(data, indices):
    return calibration.CalibrationData(
        **{
            field.name: getattr(data, field.name)[indices]
            for field in dataclasses.fields(data)
            if getattr(data, field.name) is not None
        }
    )


def test_factors_by_hand():
    mean, std = np.zeros((2, 2)), np.ones((2, 2))
    labels = np.array([[1.0, 2], [1, -4]])
    found = calibration.std_scales(mean, std, labels)
    np.testing.assert_allclose(found, [1, np.sqrt(10)])
    found = calibration.std_scales(mean, std, labels, per_coordinate=False)
    np.testing.assert_allclose(found, np.sqrt([5.5, 5.5]))


def test_no_other_factor_is_likelier():
    data = drawn(0, 60)
    found = calibration.std_scales(data.mean, data.std, data.labels)
    for coordinate in range(4):
        best = scipy.optimize.minimize_scalar(
            lambda scale, k=coordinate: gaussian_metrics.gaussian_nll(
                data.mean[:, [k]], scale * data.std[:, [k]], data.labels[:, [k]]
            ).mean(),
            bounds=(0.1, 20),
            method="bounded",
            options={"xatol": 1e-9},
        ).x
        assert found[coordinate] == pytest.approx(best, rel=1e-6)


def test_fit_finds_what_was_drawn():
    fitted = calibration.fit(drawn(1, 3000), **SETTINGS)
    np.testing.assert_allclose(fitted.std_scale, 3, rtol=0.05)
    test = drawn(2, 3000)
    std = fitted.calibrated_std(test.std)
    for level, share in gaussian_metrics.interval_coverage(test.mean, std, test.labels).items():
        np.testing.assert_allclose(share, level, atol=0.03)
    covered = fitted.regions.covered(test.mean, test.labels, test.std, test.uncertainty)
    for name in conformal.REGIONS:
        assert covered[name].mean() == pytest.approx(0.9, abs=0.02)
    assert fitted.asking.ask(test.uncertainty).mean() == pytest.approx(0.2, abs=0.03)
    wrong = conformal.midpoint_distances(test.mean, test.labels) > 0.05
    answered = ~fitted.asking.ask(test.uncertainty)
    assert wrong[answered].mean() < fitted.asking.error_rate_bound < wrong.mean()


def test_file_says_what_it_was_fitted_on():
    data = drawn(3, 30)
    fitted = calibration.fit(data, **SETTINGS).fitted_on
    assert (fitted.source, fitted.score) == ("mc_dropout", "midpoint_spread")
    assert (fitted.scope, fitted.num_samples) == ("head", 16)
    assert fitted.dataset_fingerprint == "f"
    assert fitted.num_calibration_samples == 30
    assert fitted.picture_ids == tuple(sorted(set(data.picture_ids)))
    assert fitted.sample_ids_sha256 == calibration_split.ids_digest(data.sample_ids)


def test_settings_reach_what_they_set():
    data = drawn(4, 900)
    plain = calibration.fit(data, **SETTINGS)
    changed = calibration.fit(
        data,
        **SETTINGS,
        coverage=0.8,
        adaptive=False,
        target="error_rate",
        target_rate=0.3,
        error_limit=0.02,
        confidence=0.9,
        per_coordinate=False,
        seed=1,
    )
    assert changed.regions.coverage == 0.8
    assert changed.regions.disc < plain.regions.disc
    assert (plain.regions.adaptive, changed.regions.adaptive) == (True, False)
    assert (changed.asking.target, changed.asking.target_rate) == ("error_rate", 0.3)
    assert (changed.asking.error_limit, changed.asking.confidence) == (0.02, 0.9)
    assert len(set(plain.std_scale)) == 4
    assert len(set(changed.std_scale)) == 1
    assert calibration.fit(data, **SETTINGS, seed=1).asking != plain.asking


def test_test_data_do_not_leak_into_the_calibration():
    """Whatever the test samples are, the calibration is the same; and it refuses its own."""
    data = drawn(5, 90)
    calibrate, test = calibration_split.split_calibration_test(data.picture_ids, 0.5, seed=0)
    fitted = calibration.fit(part(data, calibrate), **SETTINGS)
    for name in ("mean", "std", "uncertainty", "labels"):
        getattr(data, name)[test] = 0.123
    assert calibration.fit(part(data, calibrate), **SETTINGS) == fitted
    fitted.check_unseen(data.picture_ids[test])
    with pytest.raises(ValueError, match="1 ids that calibrated the uncertainty"):
        fitted.check_unseen(data.picture_ids[[*test, calibrate[0]]])


def test_too_little_data_is_refused():
    with pytest.raises(ValueError, match="at least 9 calibration samples, got 6"):
        calibration.fit(drawn(6, 6), **SETTINGS)
    with pytest.raises(ValueError, match="after 3 pictures: at least 4 are needed"):
        calibration.fit(drawn(6, 9), **SETTINGS)


def test_bad_data_are_refused():
    data = drawn(7, 30)
    with pytest.raises(ValueError, match="same length"):
        dataclasses.replace(data, labels=data.labels[:5])
    with pytest.raises(ValueError, match="30 samples with 1 different ids"):
        dataclasses.replace(data, sample_ids=np.array(["s"] * 30))
    with pytest.raises(ValueError, match="expected errors, got none in coordinate 0"):
        calibration.fit(dataclasses.replace(data, mean=data.labels), **SETTINGS)
