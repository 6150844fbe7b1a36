"""Estimates of one pass and of members, from numbers that can be followed by hand."""

import numpy as np
import pytest

from evaluation import uncertainty_estimate
from tokenizers import action_coding


def distributions(*tokens: int, vocab_size: int = 11) -> np.ndarray:
    """[1, 4, V]: certain of one token for each coordinate."""
    return np.eye(vocab_size, dtype=np.float32)[list(tokens)][np.newaxis]


def test_one_pass():
    """x1 is 0.05 or 0.25 with equal probability, so std 0.1; the others are certain."""
    probabilities = distributions(0, 4, 6, 4)
    probabilities[0, 0, [0, 2]] = 0.5
    answers = np.array([[0.15, 0.45, 0.65, 0.45]], np.float32)

    found = uncertainty_estimate.from_distributions(answers, probabilities)

    assert found.answers is answers
    np.testing.assert_allclose(found.std, [[0.1, 0, 0, 0]], atol=1e-7)
    assert list(found.scores) == ["credible_width", "entropy", "midpoint_std"]
    # 1.98 of 11 tokens for x1 and 0.99 for each of the others; the mean of the four.
    np.testing.assert_allclose(found.score, [(1.98 + 3 * 0.99) / 11 / 4], rtol=1e-6)
    np.testing.assert_allclose(found.scores["entropy"], [np.log(2) / 4], rtol=1e-6)
    # Half of x1's standard deviation: the midpoint is the mean of x1 and x2.
    np.testing.assert_allclose(found.scores["midpoint_std"], [0.05], rtol=1e-6)
    assert np.isnan(found.ms_per_image)


def test_members_without_distributions():
    """The example of the module, as sample 1 of 2; the members agree about sample 0."""
    samples = np.full((2, 2, 4), 0.5, np.float32)
    samples[:, 1] = [[0.2, 0.4, 0.6, 0.4], [0.4, 0.4, 0.8, 0.4]]

    found = uncertainty_estimate.from_members(samples, None)

    np.testing.assert_allclose(found.answers, [[0.5] * 4, [0.3, 0.4, 0.7, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(found.std, [[0] * 4, [0.1, 0, 0.1, 0]], atol=1e-7)
    assert list(found.scores) == ["midpoint_spread"]
    np.testing.assert_allclose(found.score, [0, 0.1], atol=1e-7)


def test_one_pass_of_midpoint_and_extent():
    """Extent 0.05 or 0.95 of its range: -0.6 or 0.6 of the side, so x1 and x2 are 0.3 off."""
    probabilities = distributions(5, 5, 0, 5)
    probabilities[0, 2, [0, 9]] = 0.5
    answers = np.array([[0.55, 0.55 - 0.1 / 3, 0.55, 0.55 + 0.1 / 3]], np.float32)

    found = uncertainty_estimate.from_distributions(answers, probabilities, "midpoint_extent")

    np.testing.assert_allclose(found.std, [[0.3, 0, 0.3, 0]], atol=1e-6)
    # The place is certain.
    np.testing.assert_allclose(found.scores["midpoint_std"], [0], atol=1e-6)
    moved = answers + np.float32([0.1, 0, 0.1, 0])
    members = uncertainty_estimate.from_members(
        np.stack([answers, moved]), np.stack([probabilities] * 2), "midpoint_extent"
    )
    # Members 0.05 from their mean, the second 0.1 from its own distribution: 0.0025 + 0.01 / 2.
    np.testing.assert_allclose(members.scores["midpoint_std"], [0.0075**0.5], rtol=1e-5)
    np.testing.assert_allclose(members.std[0, ::2], [(0.09 + 0.0075) ** 0.5] * 2, rtol=1e-5)


def test_members_with_distributions_add_variances():
    """Each is off by 0.1 from its answer, the answers by 0.1 from their mean: 0.01 + 0.01."""
    first, second = distributions(2, 4, 6, 4), distributions(2, 4, 6, 4)
    first[0, 0] = second[0, 0] = 0
    first[0, 0, [1, 3]] = second[0, 0, [3, 5]] = 0.5
    samples = np.array([[[0.25, 0.45, 0.65, 0.45]], [[0.45, 0.45, 0.65, 0.45]]], np.float32)

    found = uncertainty_estimate.from_members(samples, np.stack([first, second]))

    np.testing.assert_allclose(found.std, [[0.02**0.5, 0, 0, 0]], atol=1e-7)
    np.testing.assert_allclose(found.scores["midpoint_spread"], [0.05], rtol=1e-5)
    np.testing.assert_allclose(found.scores["midpoint_std"], [0.02**0.5 / 2], rtol=1e-5)
    # The mixture of x1 is 1/4, 1/2, 1/4: 1.5 log 2; each member's log 2; mean of four coordinates.
    np.testing.assert_allclose(found.scores["entropy"], [1.5 * np.log(2) / 4], rtol=1e-6)
    np.testing.assert_allclose(found.scores["mutual_information"], [np.log(2) / 8], rtol=1e-6)
    assert next(iter(found.scores)) == "credible_width"


def test_one_member_is_one_pass():
    probabilities = np.random.default_rng(0).dirichlet(np.full(32, 0.1), (5, 4))
    answers = probabilities @ action_coding.bin_values(32)

    one = uncertainty_estimate.from_distributions(answers, probabilities)
    member = uncertainty_estimate.from_members(answers[np.newaxis], probabilities[np.newaxis])

    np.testing.assert_allclose(member.answers, one.answers)
    np.testing.assert_allclose(member.std, one.std)
    for name, score in one.scores.items():
        np.testing.assert_allclose(member.scores[name], score)
    assert member.scores["midpoint_spread"].tolist() == [0] * 5
    assert member.scores["mutual_information"] == pytest.approx([0] * 5, abs=1e-12)
