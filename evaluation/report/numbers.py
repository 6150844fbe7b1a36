"""Numbers as a reader wants them: as many digits as mean something, the same for all of a metric.

Example: the means 0.03421 (0.03108 to 0.03790) and 0.31234 of one metric get four decimals, because
the smallest needs them for three digits: 0.0342, 0.0311–0.0379, 0.3123.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 6


def decimals(values: Iterable[float | None]) -> int:
    """Decimals that show three digits of the smallest value, at most four of the largest.

    Zeros and unknown values do not count; without any other it is 0.
    """
    known = [abs(value) for value in values if value]
    if not known:
        return 0
    wanted = min(_three_digits(min(known)), _three_digits(max(known)) + 1)
    return min(max(wanted, 0), _MOST_DECIMALS)


def number(value: float | None, places: int) -> str:
    """The value with so many decimals; a dash if it is unknown."""
    if value is None:
        return UNKNOWN
    text = f"{value:.{places}f}"
    is_negative = text.startswith("-")
    # Nothing is "-0.00".
    return (MINUS if is_negative and text.strip("-0.") else "") + text.lstrip("-")


def interval(low: float | None, high: float | None, places: int) -> str:
    """Both ends, such as '0.10\N{EN DASH}0.20' or '-0.10 to 0.20'; nothing if one is not known."""
    if low is None or high is None:
        return ""
    # Beside a minus a dash is hard to tell.
    joint = " to " if min(low or 0, high or 0) < 0 else "\N{EN DASH}"
    return f"{number(low, places)}{joint}{number(high, places)}"


def percent(share: float, places: int = 0) -> str:
    """A share as it is said in a sentence: 0.25 is '25 %'."""
    return f"{number(100 * share, places)}\N{NO-BREAK SPACE}%"


def _three_digits(value: float) -> int:
    return 2 - math.floor(math.log10(value))
