"""The file `uncertainty.json` and what it says about an answer."""

import dataclasses
import json

import numpy as np
import pytest

from evaluation import (
    ask_human,
    confidence,
    conformal,
    uncertainty_calibration,
    uncertainty_estimate,
)


def calibration(adaptive=True, threshold=0.015):
    """The example of the module."""
    return uncertainty_calibration.UncertaintyCalibration(
        format_version=1,
        fitted_on=uncertainty_calibration.FittedOn(
            source="mc_dropout",
            score="midpoint_spread",
            scope="head",
            num_samples=16,
            dataset_fingerprint="ab" * 32,
            num_calibration_samples=3,
            sample_ids_sha256="cd" * 32,
            picture_ids=("p", "q"),
            weights_sha256="ef" * 32,
        ),
        std_scale=(2.0, 2.0, 2.0, 2.0),
        min_std=0.001,
        regions=conformal.ConformalRegions(0.9, 0.01, adaptive, 0.1, 1.5, 0.2, 40.0),
        asking=ask_human.AskHuman(threshold, "query_rate", 0.2, 0.05, 0.95, 0.2, 0.01, 0.03),
    )


def estimate(mean, std, uncertainty, **features):
    return uncertainty_estimate.Estimate(
        np.array([mean]),
        np.array([std]),
        {"midpoint_spread": np.array([uncertainty])},
        features={name: np.array([value]) for name, value in features.items()},
    )


def test_example_of_the_module():
    found = calibration().apply(estimate([0.2, 0.5, 0.8, 0.5], np.full(4, 0.01), 0.02))
    assert found.std == pytest.approx((0.02,) * 4)
    assert found.coverage == 0.9
    assert found.centre == pytest.approx((0.5, 0.5))
    assert found.radius == pytest.approx(0.045)
    # 40 * (0.01 + 0.01) = 0.8, cut off at the picture's edge.
    assert found.box_low == pytest.approx((0, 0, 0, 0))
    assert found.box_high == pytest.approx((1, 1, 1, 1))
    assert found.ask_human is True
    assert json.dumps(dataclasses.asdict(found))


def with_a_chance():
    """Weight -3 of a rivalry with mean 0.2 and std 0.1; sectors of 2 (spread + 5) degrees."""
    known = calibration(threshold=0.5)
    regions = dataclasses.replace(known.regions, sector=30.0, sector_adaptive=2.0)
    chance = confidence.Confidence(("rivalry",), (0.2,), (0.1,), (-3.0,), 1.0, 0.05, 20.0)
    return dataclasses.replace(known, regions=regions, confidence=chance)


def test_the_chance_and_the_sector():
    """Rivalry 0.3: 1 / (1 + exp(2)) = 0.119; of 0.6 the answer is one of two places."""
    for rivalry, expected, two_places in ((0.3, 0.1192, False), (0.6, 1.67e-5, True)):
        answer = estimate(np.full(4, 0.5), np.zeros(4), 0.02, rivalry=rivalry, axis_spread=10.0)
        found = with_a_chance().apply(answer)
        assert found.chance == pytest.approx(expected, rel=1e-3)
        assert found.doubt == 1 - found.chance
        assert (found.half_angle, found.two_places, found.ask_human) == (30, two_places, True)
    sure = estimate(np.full(4, 0.5), np.zeros(4), 0.02, rivalry=0.0, axis_spread=10.0)
    assert not with_a_chance().apply(sure).ask_human
    with pytest.raises(ValueError, match="got none of rivalry: it was fitted to another source"):
        with_a_chance().apply(estimate(np.full(4, 0.5), np.zeros(4), 0.02, axis_spread=10.0))


def test_files_of_before_there_were_chances_and_passes():
    values = json.loads(calibration().to_json())
    del values["confidence"], values["fitted_on"]["passes"], values["asking"]["angle_limit"]
    del values["regions"]["sector"], values["regions"]["sector_adaptive"]
    read = uncertainty_calibration.UncertaintyCalibration.from_json(json.dumps(values))
    assert read == calibration()


def test_plain_regions_do_not_depend_on_the_uncertainty():
    found = calibration(adaptive=False).apply(estimate([0.2, 0.5, 0.8, 0.5], np.full(4, 0.5), 0.01))
    assert found.radius == 0.1
    assert found.box_low == pytest.approx((0, 0.3, 0.6, 0.3))
    assert found.box_high == pytest.approx((0.4, 0.7, 1, 0.7))
    assert found.ask_human is False


def test_no_threshold_never_asks():
    doubtful = estimate(np.full(4, 0.5), np.zeros(4), 1e6)
    assert not calibration(threshold=None).apply(doubtful).ask_human


def test_std_has_a_least_value():
    np.testing.assert_allclose(calibration().calibrated_std(np.zeros((2, 4))), 0.002)
    np.testing.assert_allclose(calibration().calibrated_std(np.full(4, 0.1)), 0.2)
    # A coordinate rounded to 256 values: uniform over a step of 1 / 255.
    steps = np.linspace(-0.5, 0.5, 100001) / 255
    assert uncertainty_calibration.MIN_STD == pytest.approx(steps.std(), rel=1e-4)


def test_other_weights_are_refused():
    calibration().check_weights("ef" * 32)
    with pytest.raises(ValueError, match="the checkpoint beside it has changed since"):
        calibration().check_weights("ee" * 32)


def test_round_trip():
    for one in (calibration(), calibration(False, None), with_a_chance()):
        assert uncertainty_calibration.UncertaintyCalibration.from_json(one.to_json()) == one


def test_file_beside_a_checkpoint(tmp_path):
    assert uncertainty_calibration.read(tmp_path) is None
    uncertainty_calibration.write(tmp_path, calibration())
    assert [path.name for path in tmp_path.iterdir()] == ["uncertainty.json"]
    assert uncertainty_calibration.read(tmp_path) == calibration()
    (tmp_path / "uncertainty.json").write_text("{}")
    with pytest.raises(ValueError, match=r"uncertainty.json: format_version: expected 1, got None"):
        uncertainty_calibration.read(tmp_path)
    (tmp_path / "uncertainty.json").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="expected UTF-8 text"):
        uncertainty_calibration.read(tmp_path)


def test_pictures_that_calibrated_are_refused():
    calibration().check_unseen(np.array(["r", "s"]))
    with pytest.raises(ValueError, match="1 ids that calibrated .* the first is q"):
        calibration().check_unseen(np.array(["r", "q"]))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format_version",), 2, "format_version: expected 1, got 2"),
        (("format_version",), None, "format_version: expected 1, got None"),
        (("std_scale",), [1, 1, 1], "std_scale: expected 4 numbers above 0"),
        (("std_scale",), [1, 1, 1, 0], "std_scale: expected 4 numbers above 0"),
        (("std_scale",), [1, 1, 1, "1"], "std_scale: expected a list of finite numbers"),
        (("min_std",), 0, "min_std: expected a number above 0"),
        (("regions",), None, "regions: expected an object, got NoneType"),
        (("regions", "coverage"), 90, "regions: coverage: expected 0 < coverage < 1, got 90"),
        (("regions", "adaptive"), 1, "regions: adaptive: expected true or false"),
        (("regions", "disc"), -1, "regions: disc: expected a finite number of at least 0"),
        (("asking", "target"), "rate", "asking: target: expected one of query_rate"),
        (("asking", "threshold"), "0.1", "asking: threshold: expected a finite number or null"),
        (("asking", "extra"), 1, "asking: expected the fields .* unknown: extra"),
        (("fitted_on", "num_samples"), 0, "fitted_on: expected a source, a score and num_samples"),
        (("fitted_on", "score"), "", "fitted_on: expected a source, a score"),
        (("fitted_on", "picture_ids"), ["q", "p"], "sorted ids, each once, got 2"),
        (("fitted_on", "picture_ids"), ["p", "p"], "sorted ids, each once, got 2"),
        (("fitted_on", "picture_ids"), [], "expected 1 to 3"),
        (("fitted_on", "scope"), 1, "scope: expected a string or null"),
    ],
)
def test_bad_files_are_refused(path, value, message):
    values = json.loads(calibration().to_json())
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=f"^checkpoint/u.json: .*{message}"):
        uncertainty_calibration.UncertaintyCalibration.from_json(
            json.dumps(values), "checkpoint/u.json"
        )


def test_other_texts_are_refused():
    read = uncertainty_calibration.UncertaintyCalibration.from_json
    good = calibration().to_json()
    with pytest.raises(ValueError, match="finite numbers, got NaN"):
        read(good.replace('"min_std": 0.001', '"min_std": NaN'))
    with pytest.raises(ValueError, match="expected JSON"):
        read(good[:-5])
    with pytest.raises(ValueError, match="an object, got list"):
        read("[]")
    values = json.loads(good)
    del values["regions"]
    with pytest.raises(ValueError, match="absent: regions"):
        read(json.dumps(values))


@pytest.mark.parametrize(
    ("mean", "std", "uncertainty"),
    [
        ([0.5] * 4, [-0.1] * 4, 0.1),
        ([0.5] * 4, [0.1] * 4, -0.1),
        ([np.nan] * 4, [0.1] * 4, 0.1),
        ([0.5] * 4, [0.1] * 4, np.inf),
    ],
)
def test_bad_answers_are_refused(mean, std, uncertainty):
    with pytest.raises(ValueError, match="apply: expected a finite answer"):
        calibration().apply(estimate(mean, std, uncertainty))
