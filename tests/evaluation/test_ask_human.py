"""Thresholds for asking: by hand, and their promises over many drawings."""

import numpy as np
import pytest

from evaluation import ask_human, binomial_bound


def test_query_rate_by_hand():
    uncertainty = np.arange(1, 10) / 100
    error = np.where(uncertainty > 0.045, 0.1, 0.01)
    found = ask_human.choose_threshold(uncertainty, error, "query_rate", 0.2)
    # Rank ceil(10 * 0.8) = 8 of 9.
    assert found.threshold == 0.08
    assert found.expected_query_rate == pytest.approx(1 / 9)
    assert found.expected_error_rate == pytest.approx(4 / 8)
    assert found.error_rate_bound == binomial_bound.upper_bound(4, 8, 0.95)
    np.testing.assert_array_equal(found.ask([0.07, 0.08, 0.081, np.nan]), [0, 0, 1, 1])


def test_example_of_the_module():
    uncertainty = np.arange(100.0)
    error = np.where(uncertainty < 40, 0.0, 1.0)
    found = ask_human.choose_threshold(uncertainty, error, "error_rate", 0.15)
    assert 39 <= found.threshold < 40
    assert found.expected_query_rate == pytest.approx(0.6)
    assert found.expected_error_rate == 0
    assert found.error_rate_bound == pytest.approx(1 - (0.05 / 20) ** (1 / 40))
    with pytest.raises(
        ValueError, match=r"0.05 cannot be promised .* bound is 0.139, if 60% are asked about"
    ):
        ask_human.choose_threshold(uncertainty, error, "error_rate", 0.05)


def test_without_errors_nobody_is_asked():
    found = ask_human.choose_threshold(np.arange(500.0), np.zeros(500), "error_rate", 0.05)
    assert found.threshold is None
    assert found.expected_query_rate == 0
    np.testing.assert_array_equal(found.ask([1e9, np.nan]), [False, True])


def test_equal_uncertainties_are_asked_all_or_none():
    uncertainty = np.repeat([0.1, 0.2], 50)
    found = ask_human.choose_threshold(uncertainty, np.zeros(100), "query_rate", 0.3)
    assert found.threshold == 0.2
    error = np.repeat([0.0, 1.0], 50)
    found = ask_human.choose_threshold(uncertainty, error, "error_rate", 0.2)
    assert 0.1 <= found.threshold < 0.2
    assert found.expected_query_rate == 0.5


def _plates(rng, number):
    """Uncertainty u in 0..1; an answer is wrong with the chance 0.8 u^6."""
    uncertainty = rng.random(number)
    return uncertainty, (rng.random(number) < 0.8 * uncertainty**6).astype(float)


def test_error_rate_is_kept_with_the_confidence():
    """Below t the true error rate is 0.8 t^6 / 7; at most 10 % of the splits may exceed 0.05."""
    rng = np.random.default_rng(0)
    true_rates = []
    for _ in range(100):
        found = ask_human.choose_threshold(*_plates(rng, 500), "error_rate", 0.05, confidence=0.9)
        answered = 1 if found.threshold is None else found.threshold
        true_rates.append(0.8 * answered**6 / 7)
        assert found.error_rate_bound <= 0.05
    assert np.mean(np.array(true_rates) > 0.05) <= 0.1
    assert np.mean(true_rates) > 0.01  # not by asking always


def test_query_rate_is_kept_on_average():
    rng = np.random.default_rng(1)
    rates = [
        1 - ask_human.choose_threshold(*_plates(rng, 30), "query_rate", 0.2).threshold
        for _ in range(200)
    ]
    assert 0.17 <= np.mean(rates) <= 0.21


def test_bounds_count_pictures_not_samples():
    """Ten copies of each sample promise no more than one."""
    uncertainty, error = _plates(np.random.default_rng(2), 60)
    once = ask_human.choose_threshold(uncertainty, error, "query_rate", 0.2)
    copies = ask_human.choose_threshold(
        np.repeat(uncertainty, 10),
        np.repeat(error, 10),
        "query_rate",
        0.2,
        pictures=np.repeat(np.arange(60), 10),
    )
    assert copies == once


def test_one_of_each_picture():
    pictures = np.array(["a", "b", "a", "c", "b", "a"])
    found = ask_human.one_of_each_picture(pictures, 6, seed=0)
    assert sorted(pictures[found]) == ["a", "b", "c"]
    drawn = {tuple(ask_human.one_of_each_picture(pictures, 6, seed)) for seed in range(60)}
    assert len(drawn) == 6  # 3 samples of a, 2 of b
    np.testing.assert_array_equal(ask_human.one_of_each_picture(None, 3, 0), [0, 1, 2])


def test_too_few_pictures_say_how_many_are_needed():
    with pytest.raises(ValueError, match="after 3 pictures: at least 4 are needed"):
        ask_human.choose_threshold(np.arange(3.0), np.zeros(3), "query_rate", 0.2)
    with pytest.raises(ValueError, match="error rate of at most 0.01 cannot be promised"):
        ask_human.choose_threshold(np.arange(3.0), np.zeros(3), "error_rate", 0.01)


@pytest.mark.parametrize(
    ("target", "rate", "settings"),
    [
        ("rate", 0.2, {}),
        ("query_rate", 0, {}),
        ("error_rate", 1, {}),
        ("query_rate", 0.2, {"confidence": 0}),
    ],
)
def test_bad_settings_are_refused(target, rate, settings):
    with pytest.raises(ValueError, match="expected a target of query_rate, error_rate"):
        ask_human.choose_threshold(np.ones(9), np.ones(9), target, rate, **settings)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", "rate"),
        ("target_rate", 1.0),
        ("confidence", 0.0),
        ("expected_query_rate", 1.5),
        ("expected_error_rate", -0.1),
        ("error_rate_bound", float("nan")),
        ("error_limit", float("nan")),
    ],
)
def test_impossible_values_are_refused(field, value):
    good = {
        "threshold": None,
        "target": "query_rate",
        "target_rate": 0.2,
        "error_limit": 0.05,
        "confidence": 0.95,
        "expected_query_rate": 0.2,
        "expected_error_rate": 0.0,
        "error_rate_bound": 0.1,
    }
    ask_human.AskHuman(**good)
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        ask_human.AskHuman(**{**good, field: value})
