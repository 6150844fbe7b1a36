"""What distributions and samples say by hand, and what a calibration makes of it."""

import dataclasses
import json

import numpy as np
import pytest

from evaluation import uncertainty
from tests import uncertainty_stubs
from tests.evaluation import agents


def test_example_of_the_module():
    """0.1 * 0.325^2 + 0.6 * 0.075^2 + 0.2 * 0.175^2 + 0.1 * 0.425^2 = 0.038125."""
    rows, answer = np.tile([0.1, 0.6, 0.2, 0.1, 0.0], (1, 4, 1)), np.full((1, 4), 0.45)
    found = uncertainty.from_distributions(answer, rows)
    np.testing.assert_allclose(found.std, 0.038125**0.5)
    np.testing.assert_allclose(found.scores["entropy"], 1.0889, rtol=1e-4)
    np.testing.assert_allclose(found.score, 0.78)  # 0.6, 0.2, 0.1 and 0.09 of the last 0.1
    np.testing.assert_allclose(found.scores["midpoint_std"], (4 * 0.038125) ** 0.5 / 2)
    for row in ([2.0, -3.0, 2.0], [1.0, 2.0, 3.0], [np.nan, 0.5, 0.5]):
        with pytest.raises(ValueError, match="Expected probabilities.*softmax"):
            uncertainty.from_distributions(answer, np.tile(row, (1, 4, 1)))


def test_two_equal_pieces_are_recognised():
    """Midpoints at 0.2 or 0.75 with 0.6 and 0.4; one place; and a flat distribution."""
    two = np.zeros((1, 2, 101))
    two[0, :, 50] = 1.0
    assert uncertainty.rivalry(two)[0] == 0
    two[0, 0] = 0.0
    two[0, 0, [20, 75]] = 0.6, 0.4
    assert uncertainty.rivalry(two)[0] == pytest.approx(0.4 / 0.6)
    assert uncertainty.rivalry(np.full((1, 2, 101), 1 / 101))[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("coding", "tokens"), [("endpoints", (20, 40, 60, 80)), ("midpoint_extent", (40, 60, 80, 80))]
)
def test_features_of_either_coding(coding, tokens):
    """From (0.2, 0.4) to (0.6, 0.8), for sure; or the x of its midpoint in two places."""
    answers, probabilities = np.array([[0.2, 0.4, 0.6, 0.8]]), np.eye(101)[[tokens]]
    found = uncertainty.from_distributions(answers, probabilities, coding).features
    assert found["axis_spread"][0] == pytest.approx(0, abs=1.5)
    assert found["rivalry"][0] == pytest.approx(0, abs=1e-9)
    assert found["motion"][0] == pytest.approx(np.log(0.4 * 2**0.5))
    assert found["off_centre"][0] == pytest.approx(np.hypot(0.1, 0.1))
    probabilities[0, 0] = (np.eye(101)[tokens[0]] + np.eye(101)[tokens[0] + 25]) / 2
    found = uncertainty.from_distributions(answers, probabilities, coding).features
    assert found["rivalry"][0] == pytest.approx(1)


def test_one_pass_of_midpoint_and_extent():
    """Extent 0.05 or 0.95 of its range: -0.6 or 0.6 of the side, so x1 and x2 are 0.3 off."""
    probabilities = np.eye(11)[[[5, 5, 0, 5]]]
    probabilities[0, 2] = (np.eye(11)[0] + np.eye(11)[9]) / 2
    answers = np.array([[0.55, 0.55 - 0.1 / 3, 0.55, 0.55 + 0.1 / 3]], np.float32)
    found = uncertainty.from_distributions(answers, probabilities, "midpoint_extent")
    np.testing.assert_allclose(found.std, [[0.3, 0, 0.3, 0]], atol=1e-6)
    # The place is certain.
    np.testing.assert_allclose(found.scores["midpoint_std"], [0], atol=1e-6)


def test_samples_with_dropout():
    """The example of the docstring; their axes agree."""
    samples = np.array([[[0.2, 0.4, 0.6, 0.4]], [[0.4, 0.4, 0.8, 0.4]]])
    found = uncertainty.from_samples(samples)
    np.testing.assert_allclose(found.answers, [[0.3, 0.4, 0.7, 0.4]])
    np.testing.assert_allclose(found.std, [[0.1, 0, 0.1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.scores["midpoint_spread"], [0.1])
    np.testing.assert_allclose(found.features["axis_spread"], [0], atol=1e-6)
    # Half the chance along the answer and half across it: root of half a squared sine, 45.
    doubled = np.array([(1 + np.exp(1j * np.pi)) / 2, np.exp(1j * np.pi)])
    spread = uncertainty.motion_features(np.repeat(found.answers, 2, 0), doubled)["axis_spread"]
    np.testing.assert_allclose(spread, [45, 90], atol=1e-6)
    assert found.inputs["midpoint_spread"] == pytest.approx(np.log(0.1))


def test_in_coordinates_of_another_square():
    """A crop of half the width and height: lengths halve, an entropy falls by log 2."""
    scores = {"entropy": np.ones(1), "midpoint_std": np.ones(1)}
    found = uncertainty.Estimate(np.full((1, 4), 0.5), np.ones((1, 4)), scores)
    moved = found.moved(np.full((1, 2), 0.5), np.array([[0.1, 0.2]]))
    np.testing.assert_allclose(moved.answers, [[0.35, 0.45, 0.35, 0.45]])
    np.testing.assert_allclose(moved.std, 0.5)
    assert moved.scores["midpoint_std"] == 0.5
    assert moved.scores["entropy"] == pytest.approx(1 - np.log(2))


def fitted_on(source, scope=None, num_samples=1):
    known = uncertainty_stubs.calibration().fitted_on
    return dataclasses.replace(known, source=source, scope=scope, num_samples=num_samples)


@pytest.mark.parametrize(
    ("text", "has_tokens", "fitted", "label"),
    [
        ("token_distribution", True, None, "token_distribution"),
        ("mc_dropout:full:8", True, None, "mc_dropout full 8"),
        ("default", True, None, "token_distribution"),
        ("default", False, None, "mc_dropout head 16"),
        ("default", True, fitted_on("mc_dropout", "full", 8), "mc_dropout full 8"),
    ],
)
def test_sources_by_name(text, has_tokens, fitted, label):
    assert uncertainty.parse(text, agents.OffsetAgent(0, has_tokens), fitted).label == label


@pytest.mark.parametrize(
    ("text", "has_tokens", "fitted", "message"),
    [
        ("mc_dropout:neck:16", True, None, "expected .* at least 2 .* got 'mc_dropout:neck:16'"),
        ("mc_dropout:head:1", True, None, "got 'mc_dropout:head:1'"),
        ("token_distribution", False, None, "expected a model with loss_type 'cross_entropy'"),
        ("default", True, fitted_on("ensemble"), "got 'ensemble'"),  # Of an older calibration.
    ],
)
def test_sources_that_are_refused(text, has_tokens, fitted, message):
    with pytest.raises(ValueError, match=message):
        uncertainty.parse(text, agents.OffsetAgent(0, has_tokens), fitted)


def example(adaptive=True, threshold=0.015):
    """That of the module."""
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


def test_a_calibrated_answer():
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
    assert not example(threshold=None).apply(estimate(1e6)).ask_human
    assert example().asking.ask([0.01, 0.015, 0.016, np.nan]).tolist() == [False, False, True, True]


def test_the_chance_and_the_sector():
    """Rivalry 0.3: 1 / (1 + exp(2)) = 0.119; of 0.6 the answer is one of two places."""
    for rivalry, expected, two_places in ((0.3, 0.1192, False), (0.6, 1.67e-5, True)):
        found = with_a_chance().apply(estimate(rivalry=rivalry, axis_spread=10.0))
        assert found.chance == pytest.approx(expected, rel=1e-3)
        assert found.doubt == 1 - found.chance
        assert (found.half_angle, found.two_places, found.ask_human) == (30, two_places, True)
    assert with_a_chance().apply(estimate(rivalry=0.0, axis_spread=50.0)).half_angle == 90
    assert not with_a_chance().apply(estimate(rivalry=0.0, axis_spread=10.0)).ask_human
    for known, one, message in (
        (with_a_chance(), estimate(axis_spread=10.0), "expected the inputs .*rivalry"),
        (example(), estimate(name="entropy"), "expected one of .*entropy"),
        (example(), estimate(np.nan), "Expected finite answers and doubts"),
    ):
        with pytest.raises(ValueError, match=message):
            known.apply(one)


def test_the_file_is_read_as_it_was_written_and_older_ones_too(tmp_path):
    path = tmp_path / "uncertainty.json"
    for one in (with_a_chance(), example()):
        uncertainty.write_calibration(tmp_path, one)
        assert uncertainty.read_calibration(path.read_text(), "") == one
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
