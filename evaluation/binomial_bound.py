"""How high an error rate may be, after some errors among some samples.

The one-sided bound of Clopper and Pearson (1934): the rate p at which so few errors would be a
surprise. No error among 59 samples: (1 - p)^59 = 0.05 at p = 0.0495, so with 95 % confidence the
rate is below 5 %. The samples have to be independent.
"""

from __future__ import annotations

import math

import numpy as np

_BISECTIONS = 60


def upper_bound(num_errors: int, number: int, confidence: float) -> float:
    """The highest error rate that k errors among n samples leave likely.

    Args:
        num_errors: k of n independent samples were wrong.
        number: n.
        confidence: chance that the true rate is not above the bound.

    Returns:
        The rate p at which k or fewer errors have the chance 1 - confidence; 1 if k = n.

    Raises:
        ValueError: unless 0 <= k <= n.
    """
    if not 0 <= num_errors <= number:
        raise ValueError(f"expected 0 <= errors <= {number}, got {num_errors}.")
    if num_errors == number:
        return 1.0
    low, high = num_errors / number, 1.0
    ways = _log_ways(num_errors, number)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _chance_of_at_most(ways, number, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _log_ways(num_errors: int, number: int) -> np.ndarray:
    """Logarithm of the number of ways to choose 0, 1, ..., k of n: float64 [k + 1]."""
    ks = range(num_errors + 1)
    whole = math.lgamma(number + 1)
    return np.array([whole - math.lgamma(k + 1) - math.lgamma(number - k + 1) for k in ks])


def _chance_of_at_most(log_ways: np.ndarray, number: int, rate: float) -> float:
    """Of k or fewer errors among n, each with the chance `rate` (0 < rate < 1)."""
    k = np.arange(len(log_ways))
    return float(np.exp(log_ways + k * math.log(rate) + (number - k) * math.log1p(-rate)).sum())
