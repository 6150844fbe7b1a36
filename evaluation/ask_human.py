"""From which uncertainty on the human is asked instead of acting.

The human is asked where uncertainty > threshold. The threshold comes from a calibration split and
one of two targets:

query_rate: at most this share of plates is asked about. The threshold is the conformal quantile of
    the uncertainties at 1 - rate, so a new plate is asked about with a chance of at most the rate.
error_rate: of the answers that are acted on, at most this share is further off than `error_limit`.
    Twenty thresholds are tried, which keep 1/20, 2/20, ... of the split. For each,
    `binomial_bound` says how high the error rate may be, with a twentieth of the allowed chance to
    be wrong (Bonferroni), so that choosing among them costs no confidence; the one that asks least
    is taken (selection with guaranteed risk, Geifman and El-Yaniv 2017).

Example: 100 pictures, the 40 least uncertain without an error. At the confidence 0.95 the bound of
those 40 is 1 - (0.05 / 20)^(1/40) = 0.139: a target of 0.15 can be promised, 0.05 cannot.

Samples of one picture are not independent, and those bounds need it: thresholds and bounds are made
of one sample of each picture, drawn by lot. The expected rates are counted on all samples.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from evaluation import binomial_bound, bootstrap, conformal, rank_metrics

ERROR_LIMIT = 0.05
TARGETS = ("query_rate", "error_rate")
_CANDIDATES = 20


@dataclasses.dataclass(frozen=True)
class AskHuman:
    """A threshold and what to expect of it; `choose_threshold` makes it.

    Attributes:
        threshold: asked where uncertainty > threshold; None: never.
        target: "query_rate" or "error_rate".
        target_rate: what was wanted of it.
        error_limit: an answer is wrong if its midpoint is further off, share of the picture.
        confidence: of `error_rate_bound`.
        expected_query_rate: share of calibration samples that would be asked about.
        expected_error_rate: share of wrong ones among the others.
        error_rate_bound: the true error rate of what is answered is at most this, with the
            confidence.
        angle_limit: an answer about elongated food is also wrong if its axis is further off,
            degrees; None: only the place was judged.
    """

    threshold: float | None
    target: str
    target_rate: float
    error_limit: float
    confidence: float
    expected_query_rate: float
    expected_error_rate: float
    error_rate_bound: float
    angle_limit: float | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: if a value is out of range.
        """
        if self.target not in TARGETS:
            raise ValueError(f"target: expected one of {', '.join(TARGETS)}; got {self.target!r}.")
        for name in ("target_rate", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 0 < rate < 1, got {getattr(self, name)}.")
        for name in ("expected_query_rate", "expected_error_rate", "error_rate_bound"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected 0..1, got {getattr(self, name)}.")
        if not self.error_limit >= 0:
            raise ValueError(f"error_limit: expected at least 0, got {self.error_limit}.")

    def ask(self, uncertainty: np.ndarray) -> np.ndarray:
        """Whether to ask, bool [N], of uncertainties [N]. NaN asks."""
        uncertainty = np.asarray(uncertainty, np.float64)
        limit = np.inf if self.threshold is None else self.threshold
        return ~(uncertainty <= limit)


def choose_threshold(
    uncertainty: np.ndarray,
    error: np.ndarray,
    target: str,
    rate: float,
    *,
    error_limit: float = ERROR_LIMIT,
    angle_limit: float | None = None,
    confidence: float = 0.95,
    pictures: np.ndarray | None = None,
    seed: int = 0,
) -> AskHuman:
    """The threshold of a calibration split.

    Args:
        uncertainty: float [n].
        error: float [n], distance of the midpoints, or `confidence.errors`.
        target: "query_rate" or "error_rate".
        rate: what is wanted of it, 0 < rate < 1.
        error_limit: an answer with a larger error is wrong.
        angle_limit: that the errors were made with, noted.
        confidence: of the bound, and of keeping an error rate.
        pictures: [n], equal for samples of one picture; None: each has its own.
        seed: of the lot that draws one sample of each picture.

    Returns:
        Threshold and expected rates.

    Raises:
        ValueError: if a setting is out of range, or there are too few pictures or too many errors
            to promise the rate.
    """
    uncertainty, error = rank_metrics.checked_pair(uncertainty, error, "choose_threshold")
    _check_target(target, rate, confidence)
    drawn = one_of_each_picture(pictures, len(error), seed)
    wrong = error > error_limit
    if target == "query_rate":
        threshold = _query_rate_threshold(uncertainty[drawn], rate)
        kept = wrong[drawn][uncertainty[drawn] <= threshold]
        bound = binomial_bound.upper_bound(int(kept.sum()), len(kept), confidence)
    else:
        threshold, bound = _error_rate_threshold(uncertainty[drawn], wrong[drawn], rate, confidence)
    answered = uncertainty <= threshold
    return AskHuman(
        threshold=None if np.isinf(threshold) else float(threshold),
        target=target,
        target_rate=rate,
        error_limit=error_limit,
        confidence=confidence,
        expected_query_rate=float(1 - answered.mean()),
        expected_error_rate=float(wrong[answered].mean()) if answered.any() else 0.0,
        error_rate_bound=bound,
        angle_limit=angle_limit,
    )


def one_of_each_picture(pictures: np.ndarray | None, number: int, seed: int) -> np.ndarray:
    """One sample of each picture, by lot.

    Args:
        pictures: [N], equal for samples of one picture; None: each has its own.
        number: N.
        seed: of the lot.

    Returns:
        Sample numbers, sorted, int [K].
    """
    group = bootstrap.picture_numbers(pictures, number, "one_of_each_picture")
    order = np.random.default_rng(seed).permutation(number)
    return np.sort(order[np.unique(group[order], return_index=True)[1]])


def _check_target(target: str, rate: float, confidence: float) -> None:
    if target not in TARGETS or not (0 < rate < 1 and 0 < confidence < 1):
        raise ValueError(
            f"choose_threshold: expected a target of {', '.join(TARGETS)} with 0 < rate < 1 and "
            f"0 < confidence < 1, got {target!r}, {rate} and {confidence}."
        )


def _query_rate_threshold(uncertainty: np.ndarray, rate: float) -> float:
    try:
        return conformal.conformal_quantile(uncertainty, 1 - rate)
    except ValueError as error:
        raise ValueError(
            f"A query rate of at most {rate:g} cannot be promised after {len(uncertainty)} "
            f"pictures: at least {math.ceil(1 / rate - 1 - 1e-9)} are needed."
        ) from error


def _error_rate_threshold(
    uncertainty: np.ndarray, wrong: np.ndarray, rate: float, confidence: float
) -> tuple[float, float]:
    """The largest of the module's thresholds whose bound is at most the rate, and the bound."""
    ordered = np.sort(uncertainty)
    bounds = {}
    for part in range(_CANDIDATES, 0, -1):
        number = len(ordered) * part // _CANDIDATES
        # What lies strictly below the next uncertainty is, given that one, a sample of its own: so
        # the bound holds although the data chose the threshold.
        threshold = np.inf if part == _CANDIDATES else np.nextafter(ordered[number], -np.inf)
        kept = wrong[uncertainty <= threshold]
        each = 1 - (1 - confidence) / _CANDIDATES
        bound = binomial_bound.upper_bound(int(kept.sum()), len(kept), each)
        if bound <= rate:
            return float(threshold), bound
        bounds[part] = bound
    best = min(bounds, key=lambda part: bounds[part])
    raise ValueError(
        f"An error rate of at most {rate:g} cannot be promised with confidence {confidence:g} "
        f"after {len(ordered)} pictures: the lowest bound is {bounds[best]:.3f}, if "
        f"{1 - best / _CANDIDATES:.0%} are asked about. Use more calibration "
        "samples, a higher rate, or a query rate as target."
    )
