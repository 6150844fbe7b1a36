"""Regions that hold the label with a stated chance, whatever the model is.

This is split conformal prediction. On a calibration split each sample gets a score: how far the
label lies from the answer. The region of a new answer is everything up to the ceil((n + 1) *
coverage)-th smallest of the n scores. If the new sample is exchangeable with those, the region
holds its label with at least that chance (Vovk et al. 2005; Lei et al. 2018). Example:
the distances 0.01, 0.02, ..., 0.09 of nine midpoints give the 90 % radius 0.09 (rank ceil(10 * 0.9)
= 9); of eight midpoints no such radius exists.

| region | score, plain                             | score, adaptive                          |
|--------|------------------------------------------|------------------------------------------|
| disc   | distance of the midpoints                | distance / (uncertainty + floor)         |
| box    | largest error of the four coordinates    | largest of the four error / (std + floor) |

Where it is known which food is elongated, discs have a sector: the angle to the answer's axis, 0
where food has none, and angle / (axis spread + 5 degrees). Disc and sector then hold place and
direction TOGETHER with the chance: each gets the size of the same rank, the lowest one at which
enough of the n samples lie in both (to within 1 / n, since the rank is chosen by them).

The adaptive ones are larger where the model is unsure (Papadopoulos et al. 2008; Lei et al. 2018).
`floor` keeps an uncertainty of nearly 0 from making a region of nearly 0. The box holds all
four coordinates at once. The chance is over calibration splits and new samples together: one split
of n samples gives a coverage that scatters by about sqrt(coverage (1 - coverage) / n).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

FLOOR = 0.01
ANGLE_FLOOR_DEG = 5.0
REGIONS = ("disc", "disc_adaptive", "box", "box_adaptive")
_ROUND = 1e-9


@dataclasses.dataclass(frozen=True)
class ConformalRegions:
    """How large regions are; `fit` makes it.

    Attributes:
        coverage: what the regions promise, 0..1.
        floor: added to uncertainty and std in the adaptive ones.
        adaptive: which kind `disc_radius` and `box_half_widths` give.
        disc, box: plain sizes, shares of the picture.
        disc_adaptive, box_adaptive: factors.
        sector: half the plain sector's angle, degrees; None: nothing is known of directions.
        sector_adaptive: factor of the other one; None likewise.
    """

    coverage: float
    floor: float
    adaptive: bool
    disc: float
    disc_adaptive: float
    box: float
    box_adaptive: float
    sector: float | None = None
    sector_adaptive: float | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: if a value is out of range.
        """
        check_coverage(self.coverage)
        sectors = () if self.sector is None else ("sector", "sector_adaptive")
        for name in ("floor", *REGIONS, *sectors):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name}: expected a finite number of at least 0, got {value}.")

    def disc_radius(self, uncertainty: np.ndarray) -> np.ndarray:
        """Radius float64 [N] about the midpoint, of uncertainties [N]."""
        uncertainty = np.asarray(uncertainty, np.float64)
        if self.adaptive:
            return self.disc_adaptive * (uncertainty + self.floor)
        return np.full(uncertainty.shape, self.disc)

    def box_half_widths(self, std: np.ndarray) -> np.ndarray:
        """Half the box's width in each coordinate, float64 [N, 4], of uncalibrated std [N, 4]."""
        std = np.asarray(std, np.float64)
        if self.adaptive:
            return self.box_adaptive * (std + self.floor)
        return np.full(std.shape, self.box)

    def sector_half_angle(self, axis_spread: np.ndarray) -> np.ndarray:
        """Half the sector's angle, degrees float64 [N] 0..90, of axis spreads [N] in degrees."""
        axis_spread = np.asarray(axis_spread, np.float64)
        if self.adaptive:
            return np.minimum(self.sector_adaptive * (axis_spread + ANGLE_FLOOR_DEG), 90.0)
        return np.full(axis_spread.shape, min(self.sector, 90.0))

    def covered(
        self, mean: np.ndarray, labels: np.ndarray, std: np.ndarray, uncertainty: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Whether labels lie in their regions, of each kind of region.

        Args:
            mean: float [N, 4], the answers.
            labels: float [N, 4].
            std: float [N, 4], uncalibrated.
            uncertainty: float [N].

        Returns:
            {name of `REGIONS`: bool [N]}.
        """
        scores = region_scores(mean, labels, std, uncertainty, self.floor)
        return {name: scores[name] <= getattr(self, name) for name in REGIONS}


def fit(
    mean: np.ndarray,
    labels: np.ndarray,
    std: np.ndarray,
    uncertainty: np.ndarray,
    *,
    coverage: float = 0.9,
    floor: float = FLOOR,
    adaptive: bool = True,
    angles: np.ndarray | None = None,
    axis_spread: np.ndarray | None = None,
) -> ConformalRegions:
    """Regions of a calibration split.

    Args:
        mean: float [n, 4], the answers.
        labels: float [n, 4].
        std: float [n, 4], uncalibrated, at least 0.
        uncertainty: float [n], at least 0.
        coverage: the chance that is wanted.
        floor: see the module; in the unit of std and uncertainty, above 0. It must not be chosen
            by looking at the results of the same split.
        adaptive: which kind the regions give when asked.
        angles: float [n], degrees between the axes of answers and labels, 0 where food has none;
            None: nobody knows which food has one, and there are no sectors.
        axis_spread: float [n], degrees; with `angles` only.

    Returns:
        The regions.

    Raises:
        ValueError: if shapes do not fit, a value is negative or not finite, or n is too small for
            the coverage.
    """
    scores = region_scores(mean, labels, std, uncertainty, floor)
    sizes = {name: conformal_quantile(scores[name], coverage) for name in REGIONS}
    if angles is not None:
        sectors = {"": angles, "_adaptive": angles / (axis_spread + ANGLE_FLOOR_DEG)}
        for kind, sector in sectors.items():
            pair = np.sort(scores[f"disc{kind}"]), np.sort(sector)
            ranks = [
                np.searchsorted(ordered, values)
                for ordered, values in zip(pair, (scores[f"disc{kind}"], sector))
            ]
            rank = int(conformal_quantile(np.maximum(*ranks), coverage))
            sizes[f"disc{kind}"], sizes[f"sector{kind}"] = (float(one[rank]) for one in pair)
    return ConformalRegions(coverage=coverage, floor=floor, adaptive=adaptive, **sizes)


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ceil((n + 1) * coverage)-th smallest score.

    Args:
        scores: float [n].
        coverage: 0 < coverage < 1.

    Returns:
        A new exchangeable score is at most this with at least that chance.

    Raises:
        ValueError: if the coverage is out of range, a score is NaN, or n is too small: then only an
            infinite region would keep the promise.
    """
    check_coverage(coverage)
    scores = np.asarray(scores, np.float64)
    if np.isnan(scores).any():
        raise ValueError(f"expected scores, got NaN in {int(np.isnan(scores).sum())} samples.")
    rank = math.ceil((len(scores) + 1) * coverage - _ROUND)
    if rank > len(scores):
        needed = math.ceil(coverage / (1 - coverage) - _ROUND)
        raise ValueError(
            f"A coverage of {coverage:g} needs at least {needed} calibration samples, got "
            f"{len(scores)}. Use more of them or a lower coverage."
        )
    return float(np.partition(scores, rank - 1)[rank - 1])


def region_scores(
    mean: np.ndarray,
    labels: np.ndarray,
    std: np.ndarray,
    uncertainty: np.ndarray,
    floor: float = FLOOR,
) -> dict[str, np.ndarray]:
    """The scores of the module's table.

    Args:
        mean: float [N, 4].
        labels: float [N, 4].
        std: float [N, 4], at least 0.
        uncertainty: float [N], at least 0.
        floor: above 0.

    Returns:
        {name of `REGIONS`: float64 [N]}.

    Raises:
        ValueError: if shapes do not fit or a value is negative or not finite.
    """
    arrays = [np.asarray(array, np.float64) for array in (mean, labels, std, uncertainty)]
    mean, labels, std, uncertainty = arrays
    shapes = [array.shape for array in arrays]
    if shapes != [(len(mean), 4)] * 3 + [(len(mean),)]:
        raise ValueError(f"expected mean, labels, std [N, 4] and uncertainty [N], got {shapes}.")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("expected finite mean, labels, std and uncertainty, got NaN or infinity.")
    if (std < 0).any() or (uncertainty < 0).any() or not floor > 0:
        raise ValueError(
            "expected std and uncertainty of at least 0 and a floor above 0, got values from "
            f"{std.min(initial=0)} and {uncertainty.min(initial=0)}, floor {floor}. A score that "
            "can be negative, such as a log-likelihood, has to be shifted first."
        )
    error, distance = np.abs(mean - labels), midpoint_distances(mean, labels)
    return {
        "disc": distance,
        "disc_adaptive": distance / (uncertainty + floor),
        "box": error.max(axis=1),
        "box_adaptive": (error / (std + floor)).max(axis=1),
    }


def midpoint_distances(mean: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distances float64 [N] between the midpoints of answers [N, 4] and labels [N, 4]."""
    error = np.asarray(mean, np.float64) - np.asarray(labels, np.float64)
    return np.linalg.norm(error.reshape(-1, 2, 2).mean(axis=1), axis=1)


def check_coverage(coverage: float) -> None:
    """Raises ValueError unless 0 < coverage < 1."""
    if not 0 < coverage < 1:
        raise ValueError(f"coverage: expected 0 < coverage < 1, got {coverage}.")
