"""Distributions over a few tokens whose width, entropy and spread are worked out by hand."""

import numpy as np
import pytest

from evaluation import token_uncertainty
from tokenizers import action_coding

# The example of the module.
ROW = np.array([0.1, 0.6, 0.2, 0.1, 0.0])


def random_rows(*shape: int) -> np.ndarray:
    weights = np.random.default_rng(0).random(shape) ** 8
    return weights / weights.sum(axis=-1, keepdims=True)


def test_a_token_stands_for_the_middle_of_its_bin_and_the_last_one_for_1():
    np.testing.assert_array_equal(action_coding.bin_values(5), [0.125, 0.375, 0.625, 0.875, 1])


def test_spread_about_an_answer():
    """0.1 * 0.325^2 + 0.6 * 0.075^2 + 0.2 * 0.175^2 + 0.1 * 0.425^2 = 0.038125."""
    assert token_uncertainty.std_about(ROW, 0.45) == pytest.approx(0.038125**0.5)


def test_spread_about_the_mean_is_the_standard_deviation_and_the_least():
    values = action_coding.bin_values(5)
    mean = ROW @ values

    found = token_uncertainty.std_about(np.stack([ROW] * 3), [mean - 0.1, mean, mean + 0.1])

    assert found[1] == pytest.approx((ROW @ values**2 - mean**2) ** 0.5)
    np.testing.assert_allclose(found[[0, 2]] ** 2, found[1] ** 2 + 0.01)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ROW, 1.0888999753452235),
        ([0.0, 1.0, 0.0, 0.0, 0.0], 0.0),
        ([0.2] * 5, 1.6094379124341003),  # log 5
    ],
    ids=["example", "sure", "uniform"],
)
def test_entropy(row, expected):
    assert token_uncertainty.entropy(row) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("row", "mass", "expected"),
    [
        (ROW, 0.7, 0.3),  # All of the 0.6 and half of the 0.2: 1.5 of 5.
        (ROW, 0.6, 0.2),  # The first alone.
        (ROW, 0.3, 0.1),  # Half of the first.
        (ROW, 0.95, 0.7),  # 0.6, 0.2, 0.1 and half of the last 0.1: 3.5 of 5.
        ([0.0, 1.0, 0.0, 0.0, 0.0], 0.99, 0.198),
        ([0.2] * 5, 0.99, 0.99),
    ],
)
def test_credible_width(row, mass, expected):
    assert token_uncertainty.credible_width(row, mass) == pytest.approx(expected)


def test_two_narrow_hills_are_narrow_wherever_they_are():
    near, far = np.zeros((2, 100))
    near[[40, 41, 42, 43]] = far[[10, 11, 80, 81]] = 0.25

    assert token_uncertainty.credible_width(far) == token_uncertainty.credible_width(near)
    assert token_uncertainty.std_about(far, 0.45) > 10 * token_uncertainty.std_about(near, 0.42)


def test_width_does_not_depend_on_the_order_of_tokens_and_grows_with_the_mass():
    rows = random_rows(3, 4, 64)
    shuffled = np.random.default_rng(1).permuted(rows, axis=-1)

    widths = [token_uncertainty.credible_width(rows, mass) for mass in (0.5, 0.9, 0.99)]

    np.testing.assert_allclose(token_uncertainty.credible_width(shuffled), widths[2])
    assert np.all(np.diff(widths, axis=0) > 0)
    assert widths[0].shape == (3, 4)


def test_float32_rows_are_as_good_as_float64():
    rows = random_rows(50, 256)

    for function in (token_uncertainty.credible_width, token_uncertainty.entropy):
        np.testing.assert_allclose(function(rows.astype(np.float32)), function(rows), rtol=1e-4)


def test_samples_that_agree_share_all_and_those_that_do_not_log_2():
    same = np.array([ROW, ROW])
    apart = np.array([[1.0, 0.0], [0.0, 1.0]])

    assert token_uncertainty.mutual_information(same) == pytest.approx(0.0, abs=1e-12)
    assert token_uncertainty.mutual_information(apart) == pytest.approx(np.log(2))


def test_mirrored():
    """1 - 0.125 is the middle of the fourth bin; 1 becomes 0, which lies in the first."""
    mirrored = token_uncertainty.mirrored(np.array([0.1, 0.4, 0.2, 0.0, 0.3], np.float32))

    np.testing.assert_allclose(mirrored, [0.3, 0.2, 0.4, 0.1, 0.0])
    assert mirrored.dtype == np.float32
    values = action_coding.bin_values(5)
    assert token_uncertainty.mirrored(ROW) @ values == pytest.approx(1 - ROW @ values)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([2.0, -3.0, 2.0], "smallest one of -3"),
        ([1.0, 2.0, 3.0], "a sum of 6"),
        ([[0.5, 0.5], [np.nan, 0.5]], "a sum of nan"),
    ],
    ids=["negative", "logits", "nan"],
)
@pytest.mark.parametrize("name", ["entropy", "credible_width", "std_about"])
def test_what_is_no_distribution(rows, message, name):
    arguments = (0.5,) if name == "std_about" else ()
    with pytest.raises(ValueError, match=f"expected probabilities.*{message}.*softmax"):
        getattr(token_uncertainty, name)(np.array(rows), *arguments)


@pytest.mark.parametrize("mass", [0.0, 1.0, np.nan])
def test_mass_at_the_limits(mass):
    with pytest.raises(ValueError, match="mass between 0 and 1, got"):
        token_uncertainty.credible_width(ROW, mass)
