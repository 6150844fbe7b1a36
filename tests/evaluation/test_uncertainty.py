"""Distributions over a few tokens and members whose width, entropy and spread are known."""

import numpy as np
import pytest

from evaluation import uncertainty
from tokenizers import action_coding

# The example of the module.
ROW = np.array([0.1, 0.6, 0.2, 0.1, 0.0])


def test_example_of_the_module():
    """0.1 * 0.325^2 + 0.6 * 0.075^2 + 0.2 * 0.175^2 + 0.1 * 0.425^2 = 0.038125."""
    answer = np.full(4, 0.45)
    std, _ = uncertainty.execution_parameters_std(np.tile(ROW, (4, 1)), answer, "endpoints")
    np.testing.assert_allclose(std, 0.038125**0.5)
    # All of the 0.6 and half of the 0.2: 1.5 of 5; 0.6, 0.2, 0.1 and half of the last 0.1: 3.5.
    for row, mass, expected in ((ROW, 0.7, 0.3), (ROW, 0.95, 0.7), ([0.2] * 5, 0.99, 0.99)):
        assert uncertainty.credible_width(row, mass) == pytest.approx(expected)


def test_mirrored():
    """1 - 0.125 is the middle of the fourth bin; 1 becomes 0, which lies in the first."""
    found = uncertainty.mirrored(np.array([0.1, 0.4, 0.2, 0.0, 0.3], np.float32))
    np.testing.assert_allclose(found, [0.3, 0.2, 0.4, 0.1, 0.0])
    values = action_coding.bin_values(5)
    assert uncertainty.mirrored(ROW) @ values == pytest.approx(1 - ROW @ values)


@pytest.mark.parametrize("rows", [[2.0, -3.0, 2.0], [1.0, 2.0, 3.0], [[0.5, 0.5], [np.nan, 0.5]]])
def test_what_is_no_distribution(rows):
    for function in (uncertainty.entropy, uncertainty.credible_width):
        with pytest.raises(ValueError, match="expected probabilities.*softmax"):
            function(np.array(rows))


def certain(*tokens, size=101):
    """Probabilities [1, 4, size] that are 1 at the tokens."""
    return np.eye(size)[list(tokens)][np.newaxis]


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
    answers, probabilities = np.array([[0.2, 0.4, 0.6, 0.8]]), certain(*tokens)
    found = uncertainty.from_distributions(answers, probabilities, coding).features
    assert found["axis_spread"][0] == pytest.approx(0, abs=1.5)
    assert found["rivalry"][0] == pytest.approx(0, abs=1e-9)
    assert found["motion"][0] == pytest.approx(np.log(0.4 * 2**0.5))
    assert found["off_centre"][0] == pytest.approx(np.hypot(0.1, 0.1))
    probabilities[0, 0] = (np.eye(101)[tokens[0]] + np.eye(101)[tokens[0] + 25]) / 2
    found = uncertainty.from_distributions(answers, probabilities, coding).features
    assert found["rivalry"][0] == pytest.approx(1)


def test_one_pass_and_members_of_midpoint_and_extent():
    """Extent 0.05 or 0.95 of its range: -0.6 or 0.6 of the side, so x1 and x2 are 0.3 off."""
    probabilities = np.eye(11)[[[5, 5, 0, 5]]]
    probabilities[0, 2] = (np.eye(11)[0] + np.eye(11)[9]) / 2
    answers = np.array([[0.55, 0.55 - 0.1 / 3, 0.55, 0.55 + 0.1 / 3]], np.float32)
    both = np.stack([answers] * 2), np.stack([probabilities] * 2)
    for found in (
        uncertainty.from_distributions(answers, probabilities, "midpoint_extent"),
        uncertainty.from_members(*both, "midpoint_extent"),
    ):
        np.testing.assert_allclose(found.std, [[0.3, 0, 0.3, 0]], atol=1e-6)
        # The place is certain.
        np.testing.assert_allclose(found.scores["midpoint_std"], [0], atol=1e-6)


def test_members_of_a_regression_model():
    """The example of the module; their axes agree."""
    samples = np.array([[[0.2, 0.4, 0.6, 0.4]], [[0.4, 0.4, 0.8, 0.4]]])
    found = uncertainty.from_members(samples, None)
    np.testing.assert_allclose(found.answers, [[0.3, 0.4, 0.7, 0.4]])
    np.testing.assert_allclose(found.std, [[0.1, 0, 0.1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.scores["midpoint_spread"], [0.1])
    np.testing.assert_allclose(found.features["axis_spread"], [0], atol=1e-6)


def test_members_with_distributions_add_variances():
    """Each is off by 0.1 from its answer, the answers by 0.1 from their mean: 0.01 + 0.01."""
    first, second = np.eye(11)[[[2, 4, 6, 4]]], np.eye(11)[[[4, 4, 6, 4]]]
    first[0, 0] = (np.eye(11)[1] + np.eye(11)[3]) / 2
    second[0, 0] = (np.eye(11)[3] + np.eye(11)[5]) / 2
    samples = np.array([[[0.25, 0.45, 0.65, 0.45]], [[0.45, 0.45, 0.65, 0.45]]], np.float32)
    found = uncertainty.from_members(samples, np.stack([first, second]))
    np.testing.assert_allclose(found.std, [[0.02**0.5, 0, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(found.scores["midpoint_spread"], [0.05], rtol=1e-5)
    np.testing.assert_allclose(found.scores["midpoint_std"], [0.02**0.5 / 2], rtol=1e-5)
    # The mixture of x1 is 1/4, 1/2, 1/4: 1.5 log 2; each member's log 2; mean of four coordinates.
    np.testing.assert_allclose(found.scores["entropy"], [1.5 * np.log(2) / 4], rtol=1e-6)
    np.testing.assert_allclose(found.scores["mutual_information"], [np.log(2) / 8], rtol=1e-6)
    assert next(iter(found.scores)) == "credible_width"


def test_in_coordinates_of_another_square():
    """A crop of half the width and height: lengths halve, an entropy falls by log 2."""
    scores = {"entropy": np.ones(1), "midpoint_std": np.ones(1), "mutual_information": np.ones(1)}
    found = uncertainty.Estimate(np.full((1, 4), 0.5), np.ones((1, 4)), scores)
    moved = found.moved(np.full((1, 2), 0.5), np.array([[0.1, 0.2]]))
    np.testing.assert_allclose(moved.answers, [[0.35, 0.45, 0.35, 0.45]])
    np.testing.assert_allclose(moved.std, 0.5)
    assert moved.scores["midpoint_std"] == 0.5
    assert moved.scores["entropy"] == pytest.approx(1 - np.log(2))
    assert moved.scores["mutual_information"] == 1
    same = found.moved(np.ones((1, 2)), np.zeros((1, 2)))
    np.testing.assert_array_equal(same.answers, found.answers)


def test_axis_spread_by_hand():
    """Half the chance along the answer and half across it: root of half a squared sine, 45."""
    answers = np.array([[0.4, 0.5, 0.6, 0.5]] * 3)
    doubled = np.array([1, (1 + np.exp(1j * np.pi)) / 2, np.exp(1j * np.pi)])
    np.testing.assert_allclose(uncertainty.axis_spread(answers, doubled), [0, 45, 90], atol=1e-6)
