"""The file `uncertainty.json` and what it says about an answer."""

import dataclasses
import json

import numpy as np
import pytest

from evaluation import calibration, uncertainty
from tests import uncertainty_stubs


def example(adaptive=True, threshold=0.015):
    """The example of the module."""
    source = "mc_dropout", "midpoint_spread", "head"
    return uncertainty_stubs.calibration(*source, threshold, adaptive=adaptive, box=0.2)


def with_a_chance():
    """Weight -3 of a rivalry with mean 0.2 and std 0.1; sectors of 2 (spread + 5) degrees."""
    known = example(threshold=0.5)
    regions = dataclasses.replace(known.regions, sector=30.0, sector_adaptive=2.0)
    chance = calibration.Confidence(("rivalry",), (0.2,), (0.1,), (-3.0,), 1.0, 0.05, 20.0)
    return dataclasses.replace(known, regions=regions, confidence=chance)


def estimate(mean, std, score, **features):
    return uncertainty.Estimate(
        np.array([mean]),
        np.array([std]),
        {"midpoint_spread": np.array([score])},
        {name: np.array([value]) for name, value in features.items()},
    )


def test_example_of_the_module():
    answer = estimate([0.2, 0.5, 0.8, 0.5], np.full(4, 0.01), 0.02)
    found = example().apply(answer)
    assert found.std == pytest.approx((0.02,) * 4)
    assert found.centre == pytest.approx((0.5, 0.5))
    assert found.radius == pytest.approx(0.045)
    # 40 * (0.01 + 0.01) = 0.8, cut off at the picture's edge.
    assert found.box_low == pytest.approx((0, 0, 0, 0))
    assert found.box_high == pytest.approx((1, 1, 1, 1))
    assert found.ask_human is True
    assert json.dumps(dataclasses.asdict(found))
    # Plain regions do not depend on the uncertainty.
    found = example(adaptive=False).apply(answer)
    assert (found.radius, found.box_low) == (0.1, pytest.approx((0, 0.3, 0.6, 0.3)))
    np.testing.assert_allclose(example().calibrated_std(np.zeros((2, 4))), 0.002)  # the least


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


def test_no_threshold_never_asks_but_for_what_is_unknown():
    doubtful = estimate(np.full(4, 0.5), np.zeros(4), 1e6)
    assert not example(threshold=None).apply(doubtful).ask_human
    assert example().asking.ask([0.01, 0.015, 0.016, np.nan]).tolist() == [False, False, True, True]


def test_pictures_that_calibrated_and_other_scores_are_refused():
    example().check_unseen(np.array(["r", "s"]))
    with pytest.raises(ValueError, match="1 ids that calibrated .* the first is q"):
        example().check_unseen(np.array(["r", "q"]))
    other = uncertainty.Estimate(np.zeros((1, 4)), np.zeros((1, 4)), {"entropy": np.zeros(1)})
    with pytest.raises(ValueError, match="one of the scores entropy, got 'midpoint_spread'"):
        example().apply(other)
    with pytest.raises(ValueError, match="expected a finite answer"):
        example().apply(estimate(np.full(4, 0.5), np.zeros(4), np.nan))


def test_the_file_is_read_as_it_was_written_and_older_ones_too(tmp_path):
    path = tmp_path / "uncertainty.json"
    for one in (example(), with_a_chance()):
        calibration.write(tmp_path, one)
        assert calibration.parse(path.read_text(), "") == one
    assert [path.name for path in tmp_path.iterdir()] == ["uncertainty.json"]
    calibration.write(tmp_path, example())
    values = json.loads(path.read_text())
    # Files of before there were chances, sectors, passes, equal pieces and floors.
    del values["asking"]["floor_error_rate"], values["asking"]["meets_floor"]
    del values["fitted_on"]["pieces"]
    del values["confidence"], values["fitted_on"]["passes"], values["asking"]["angle_limit"]
    del values["regions"]["sector"], values["regions"]["sector_adaptive"]
    assert calibration.parse(json.dumps(values), "") == example()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format_version",), 2, "format_version: expected 1, got 2"),
        (("std_scale",), [1, 1, 1, 0], "std_scale: expected 4 numbers above 0"),
        (("min_std",), float("nan"), "min_std: expected float, finite if a number, got nan"),
        (("regions",), None, "regions: expected an object"),
        (("regions", "coverage"), 90, "regions: coverage: expected 0 < coverage < 1, got 90"),
        (("regions", "adaptive"), 1, "regions: adaptive: expected bool"),
        (("asking", "target"), "rate", "asking: target: expected one of query_rate"),
        (("asking", "extra"), 1, "asking: expected the fields .* absent: none; unknown: extra"),
        (("fitted_on", "num_samples"), True, "num_samples: expected int"),
    ],
)
def test_bad_files_are_refused(path, value, message):
    values = dataclasses.asdict(example())
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=f"the file: {message}|{message}"):
        calibration.parse(json.dumps(values), "the file")
    for text, message in (("{}", "absent: asking"), ("{", "expected JSON")):
        with pytest.raises(ValueError, match=f"the file: .*{message}"):
            calibration.parse(text, "the file")
