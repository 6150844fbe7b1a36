from __future__ import annotations

import pytest

from evaluation.report import numbers


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.03421, 0.31234], 4),
        ([0.0342], 4),
        ([8.07, 40.35], 2),
        ([12.34], 1),
        ([1234.5], 0),
        ([0.9], 3),
        ([1.0], 2),
        # One small value does not give the large ones more than four digits.
        ([0.00001, 0.5], 4),
        ([1e-12], 6),
        ([-0.0342, None, 0.0], 4),
        ([None, 0.0], 0),
        ([], 0),
    ],
)
def test_decimals(values, expected):
    assert numbers.decimals(values) == expected


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        (0.03421, 4, "0.0342"),
        (-1.868, 2, "\N{MINUS SIGN}1.87"),
        (-0.001, 2, "0.00"),
        (7, 0, "7"),
        (None, 3, "\N{EN DASH}"),
    ],
)
def test_number(value, places, expected):
    assert numbers.number(value, places) == expected


def test_interval():
    assert numbers.interval(-0.2, 0.31, 1) == "\N{MINUS SIGN}0.2 to 0.3"
    assert numbers.interval(0.2, 0.31, 1) == "0.2\N{EN DASH}0.3"
    assert numbers.interval(None, 0.31, 1) == ""
    assert numbers.interval(None, None, 1) == ""


def test_percent():
    assert numbers.percent(0.8125) == "81\N{NO-BREAK SPACE}%"
    assert numbers.percent(0.9034, 1) == "90.3\N{NO-BREAK SPACE}%"
