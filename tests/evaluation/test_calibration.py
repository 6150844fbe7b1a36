"""The file `uncertainty.json` and what it says about an answer."""

import dataclasses
import json

import numpy as np
import pytest

from evaluation import uncertainty
from tests import uncertainty_stubs


def example(adaptive=True, threshold=0.015):
    """The example of the module."""
    source = "mc_dropout", "midpoint_spread", "head"
    return uncertainty_stubs.calibration(*source, threshold, adaptive=adaptive, box=0.2)


def with_a_chance():
    """Weight -3 of a rivalry with mean 0.2 and std 0.1; sectors of 2 (spread + 5) degrees."""
    known = example(threshold=0.5)
    regions = dataclasses.replace(known.regions, sector=30.0, sector_adaptive=2.0)
    chance = uncertainty.Confidence(("rivalry",), (0.2,), (0.1,), (-3.0,), 1.0, 0.05, 20.0)
    return dataclasses.replace(known, regions=regions, confidence=chance)


def estimate(score=0.02, std=0.0, name="midpoint_spread", **features):
    features = {key: np.array([value]) for key, value in features.items()}
    answers = np.array([[0.2, 0.5, 0.8, 0.5]])
    return uncertainty.Estimate(answers, np.full((1, 4), std), {name: np.array([score])}, features)


def test_example_of_the_module():
    found = example().apply(estimate(std=0.01))
    assert found.std == pytest.approx((0.02,) * 4)
    assert found.centre == pytest.approx((0.5, 0.5))
    assert found.radius == pytest.approx(0.045)
    # 40 * (0.01 + 0.01) = 0.8, cut off at the picture's edge.
    assert found.box_low == pytest.approx((0, 0, 0, 0))
    assert found.box_high == pytest.approx((1, 1, 1, 1))
    assert found.ask_human is True
    # Plain regions do not depend on the uncertainty.
    found = example(adaptive=False).apply(estimate(std=0.01))
    assert (found.radius, found.box_low) == (0.1, pytest.approx((0, 0.3, 0.6, 0.3)))
    np.testing.assert_allclose(example().calibrated_std(np.zeros((2, 4))), 0.002)  # the least


def test_the_chance_and_the_sector():
    """Rivalry 0.3: 1 / (1 + exp(2)) = 0.119; of 0.6 the answer is one of two places."""
    for rivalry, expected, two_places in ((0.3, 0.1192, False), (0.6, 1.67e-5, True)):
        found = with_a_chance().apply(estimate(rivalry=rivalry, axis_spread=10.0))
        assert found.chance == pytest.approx(expected, rel=1e-3)
        assert found.doubt == 1 - found.chance
        assert (found.half_angle, found.two_places, found.ask_human) == (30, two_places, True)
    assert with_a_chance().apply(estimate(rivalry=0.0, axis_spread=50.0)).half_angle == 90
    assert not with_a_chance().apply(estimate(rivalry=0.0, axis_spread=10.0)).ask_human


def test_asking_and_estimates_that_are_refused():
    assert not example(threshold=None).apply(estimate(1e6)).ask_human
    assert example().asking.ask([0.01, 0.015, 0.016, np.nan]).tolist() == [False, False, True, True]
    for known, one, message in (
        (with_a_chance(), estimate(axis_spread=10.0), "expected the inputs rivalry, got none"),
        (example(), estimate(name="entropy"), "expected a score of entropy"),
        (example(), estimate(np.nan), "Expected finite answers and doubts"),
        (example(), estimate(std=-1.0), "Expected finite answers and doubts"),
    ):
        with pytest.raises(ValueError, match=message):
            known.apply(one)


def test_the_file_is_read_as_it_was_written_and_older_ones_too(tmp_path):
    path = tmp_path / "uncertainty.json"
    for one in (with_a_chance(), example()):
        uncertainty.write_calibration(tmp_path, one)
        assert uncertainty.read_calibration(path.read_text(), "") == one
    assert [path.name for path in tmp_path.iterdir()] == ["uncertainty.json"]
    values = json.loads(path.read_text())
    # Files of before there were chances, sectors, passes, equal pieces and floors.
    del values["confidence"], values["regions"]["sector"], values["regions"]["sector_adaptive"]
    del values["fitted_on"]["passes"], values["fitted_on"]["pieces"]
    for name in ("angle_limit", "floor_error_rate", "meets_floor"):
        del values["asking"][name]
    assert uncertainty.read_calibration(json.dumps(values), "") == example()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format_version", 2, "Expected format_version 1"),
        ("std_scale", [1, 1, 1, 0], "4 numbers above 0 as std_scale"),
        ("min_std", float("nan"), "min_std: expected float, finite if a number, got nan"),
        ("min_std", 10**400, "int too large"),
        ("regions", None, "regions: expected ConformalRegions, .* got None"),
        ("regions.coverage", 90, "Expected 0 < coverage < 1"),
        ("regions.disc", -1, "regions of at least 0"),
        ("regions.adaptive", 1, "adaptive: expected bool"),
        ("asking.target", "rate", "query_rate or error_rate as target"),
        ("asking.error_rate_bound", 1.5, "rates of asking of 0..1"),
        ("asking.extra", "1", "unexpected keyword argument 'extra'"),
        ("confidence.weights", [], "a weight for each input"),
        ("fitted_on.num_samples", True, "num_samples: expected int"),
    ],
)
def test_bad_files_are_refused(path, value, message):
    values = inner = dataclasses.asdict(with_a_chance())
    *parents, name = path.split(".")
    for parent in parents:
        inner = inner[parent]
    inner[name] = value
    with pytest.raises(ValueError, match=f"the file: .*{message}"):
        uncertainty.read_calibration(json.dumps(values), "the file")
    for text in ("{}", "{", "[" * 10**5):
        with pytest.raises(ValueError, match="the file: "):
            uncertainty.read_calibration(text, "the file")
