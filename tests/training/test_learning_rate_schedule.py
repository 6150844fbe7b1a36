"""The learning rate as a function of the step."""

from __future__ import annotations

import numpy as np
import pytest

from training import learning_rate_schedule


def _rates(*arguments, num_steps=6):
    schedule = learning_rate_schedule.WarmupSchedule(*arguments)
    return [float(schedule(step)) for step in range(num_steps)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1e-3, 2), [5e-4, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3]),
        # Half cosines of 0, 45, 90 and 135 degrees: 1, 0.8536, 0.5, 0.1464.
        ((1e-3, 2, 6), [5e-4, 1e-3, 1e-3, 8.536e-4, 5e-4, 1.464e-4]),
        ((1.0, 0, 2), [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]),
    ],
    ids=["constant", "cosine", "after the end"],
)
def test_rates_by_hand(arguments, expected):
    np.testing.assert_allclose(_rates(*arguments), expected, rtol=1e-3, atol=1e-9)


def test_falls_smoothly_after_the_warm_up():
    rates = _rates(1.0, 10, 100, num_steps=100)
    assert np.all(np.diff(rates[:10]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    assert max(rates) == 1.0


@pytest.mark.parametrize("warmup_steps", [6, 7])
def test_refuses_a_warm_up_that_never_ends(warmup_steps):
    with pytest.raises(ValueError, match=f"warmup_steps < total_steps, got {warmup_steps} and 6"):
        learning_rate_schedule.WarmupSchedule(1.0, warmup_steps, 6)


def test_its_config_makes_it_again():
    schedule = learning_rate_schedule.WarmupSchedule(0.5, 1, 4)
    again = learning_rate_schedule.WarmupSchedule(**schedule.get_config())
    assert [float(again(step)) for step in range(5)] == [float(schedule(s)) for s in range(5)]
