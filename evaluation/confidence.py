"""The chance that an answer is right: near the food's midpoint and, if it is elongated, along it.

An answer is right if its midpoint is within `error_limit` of the labelled one (a share of the
picture's side) and, on elongated food, its axis within `angle_limit` degrees of the labelled one
(modulo 180). The chance is a logistic regression on what is known when the answer is given:

| input          | of                                                                          |
|----------------|-----------------------------------------------------------------------------|
| the scores     | of `uncertainty_estimate`; lengths by their logarithm                       |
| `rivalry`      | how likely the second likeliest place is, compared with the likeliest: 1 is |
|                | a tie, such as between two equal pieces                                     |
| `axis_spread`  | root mean squared sine of the angle to the answer's axis, degrees           |
| `motion`       | logarithm of the motion's length, as a share of what was looked at          |
| `off_centre`   | the midpoint's distance from the middle of what was looked at: after several|
|                | passes, how far the last one disagrees with the one before                  |
| `disagreement` | mean distance of the votes from the winner, where turned views vote         |

A worked example: with one input x of mean 2 and std 1, weight 3 and bias 1, an answer with x = 1
is right with the chance 1 / (1 + exp(-(1 + 3 (1 - 2)))) = 1 / (1 + exp(2)) = 0.12.

The weights are those of the highest likelihood with a penalty of half their square, so that few
samples or answers that are all right make no certainty.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

import metrics
from evaluation import conformal

ANGLE_LIMIT_DEG = 20.0
# Two places count as two if they are as far apart, and count with what is as near to them.
_PLACE_WIDTH = 0.1
_NO_LOGARITHM = ("entropy", "mutual_information")
_PENALTY = 1.0
_NEWTON_STEPS = 50
# Between two places that are as likely as this, the answer is one of the two by luck.
TWO_PLACES = 0.5


@dataclasses.dataclass(frozen=True)
class Confidence:
    """A fitted logistic regression; `fit` makes it.

    Attributes:
        inputs: names, see the module.
        means, stds: of the inputs, by which they are standardized.
        weights: of the standardized inputs.
        bias: of the sum.
        error_limit: how far off a right midpoint may be, share of the picture's side.
        angle_limit: how far off a right axis of elongated food may be, degrees; None: nobody knew
            which food is elongated, and only the place was judged.
    """

    inputs: tuple[str, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    error_limit: float
    angle_limit: float | None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: if the numbers are not as many as the inputs, or a std is not above 0.
        """
        lengths = {len(getattr(self, name)) for name in ("means", "stds", "weights")}
        if lengths != {len(self.inputs)} or not self.inputs or not all(s > 0 for s in self.stds):
            raise ValueError(
                "confidence: expected a mean, a std above 0 and a weight for each input, got "
                f"{len(self.inputs)} inputs, stds {self.stds}, {len(self.weights)} weights."
            )

    def chance(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The chance that each of N answers is right.

        Args:
            inputs: {name: float [N]}, of `uncertainty_estimate.Estimate.inputs`.

        Returns:
            float64 [N], above 0 and below 1.

        Raises:
            ValueError: if an input is absent.
        """
        absent = [name for name in self.inputs if name not in inputs]
        if absent:
            raise ValueError(
                f"confidence: expected the inputs {', '.join(self.inputs)}, got none of "
                f"{', '.join(absent)}: it was fitted to another source. Calibrate anew."
            )
        values = np.stack([np.asarray(inputs[name], np.float64) for name in self.inputs], axis=1)
        logits = (values - self.means) / self.stds @ np.array(self.weights) + self.bias
        return 0.5 * (1 + np.tanh(logits / 2))


def fit(
    inputs: Mapping[str, np.ndarray],
    right: np.ndarray,
    error_limit: float,
    angle_limit: float | None,
) -> Confidence:
    """The logistic regression of the highest penalized likelihood.

    Args:
        inputs: {name: float [n]}, finite.
        right: bool [n].
        error_limit, angle_limit: by which `right` was judged.

    Returns:
        The regression.

    Raises:
        ValueError: if an input is not finite.
    """
    names = tuple(inputs)
    values = np.stack([np.asarray(inputs[name], np.float64) for name in names], axis=1)
    if not np.isfinite(values).all():
        bad = [name for name, column in zip(names, values.T) if not np.isfinite(column).all()]
        raise ValueError(f"confidence: expected finite inputs, got others of {', '.join(bad)}.")
    means, stds = values.mean(axis=0), values.std(axis=0)
    stds = np.where(stds > 1e-9, stds, 1.0)  # What is always the same says nothing.
    design = np.column_stack([(values - means) / stds, np.ones(len(values))])
    penalty = np.full(len(names) + 1, _PENALTY)
    # Of the bias a little, without which answers that are all right would have no maximum.
    penalty[-1] = 0.01
    target, weights = np.asarray(right, np.float64), np.zeros(len(names) + 1)
    for _ in range(_NEWTON_STEPS):
        chance = 0.5 * (1 + np.tanh(design @ weights / 2))
        gradient = design.T @ (target - chance) - penalty * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        # Newton's step may overshoot where the curve is flat.
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    *slopes, bias = weights.tolist()
    return Confidence(
        names,
        tuple(means.tolist()),
        tuple(stds.tolist()),
        tuple(slopes),
        bias,
        error_limit,
        angle_limit,
    )


def held_out_chances(
    inputs: Mapping[str, np.ndarray], right: np.ndarray, groups: np.ndarray, num_folds: int = 5
) -> np.ndarray:
    """The chance that each sample gets from a regression without its picture.

    What is chosen by these, such as a threshold, does not profit from the samples that fitted.

    Args:
        inputs: {name: float [n]}.
        right: bool [n].
        groups: int [n], equal for samples of one picture.
        num_folds: parts; fewer if there are fewer pictures.

    Returns:
        float64 [n].
    """
    _, numbers = np.unique(groups, return_inverse=True)
    folds, chances = numbers % min(num_folds, numbers.max() + 1), np.empty(len(right))
    for fold in np.unique(folds):
        rest, part = folds != fold, folds == fold
        if not rest.any():  # One picture alone.
            rest = part
        fitted = fit({name: np.asarray(v)[rest] for name, v in inputs.items()}, right[rest], 0, 0)
        chances[part] = fitted.chance({name: np.asarray(v)[part] for name, v in inputs.items()})
    return chances


def errors(
    answers: np.ndarray,
    labels: np.ndarray,
    elongated: np.ndarray | None,
    error_limit: float,
    angle_limit: float,
) -> np.ndarray:
    """How far off answers are, place and direction in one number.

    Args:
        answers: float [N, 4].
        labels: float [N, 4].
        elongated: bool [N], where the direction counts; None: nowhere.
        error_limit: of the midpoint's distance.
        angle_limit: degrees, of the axis.

    Returns:
        float64 [N] in the unit of the distance: the larger one of distance and angle *
        error_limit / angle_limit, so that right answers have at most `error_limit`.
    """
    distance = conformal.midpoint_distances(answers, labels)
    if elongated is None:
        return distance
    angle = axis_errors(answers, labels, elongated) * (error_limit / angle_limit)
    return np.maximum(distance, angle)


def axis_errors(answers: np.ndarray, labels: np.ndarray, elongated: np.ndarray) -> np.ndarray:
    """Degrees between the axes of answers and labels [N, 4], 0..90; 0 where not elongated."""
    angles = metrics.sample_errors(np.asarray(answers), np.asarray(labels))
    return np.where(elongated, angles["angle_mae_mod180_deg"], 0.0)


def calibration_error(chances: np.ndarray, right: np.ndarray, num_bins: int = 10) -> float:
    """The expected calibration error (Naeini et al. 2015), in bins of equally many answers.

    Example: two bins, chances 0.2 and 0.4, then 0.9 and 0.9; right is the last one alone: the bins
    are off by 0.3 and 0.4, the error is 0.35.

    Args:
        chances: float [n].
        right: bool [n].
        num_bins: fewer if there are fewer answers.

    Returns:
        0..1, the mean distance of a bin's mean chance from its share of right answers.
    """
    order = np.argsort(chances, kind="stable")
    bins = np.array_split(order, min(num_bins, len(order)))
    gaps = [abs(chances[one].mean() - right[one].mean()) * len(one) for one in bins]
    return float(sum(gaps) / len(order))


def score_inputs(scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of doubt as inputs: lengths by their logarithm, so that a doubling counts the same."""
    return {
        name: score if name in _NO_LOGARITHM else np.log(np.maximum(score, 1e-4))
        for name, score in scores.items()
    }


def view_inputs(answers: np.ndarray) -> dict[str, np.ndarray]:
    """`motion` and `off_centre` of answers float [N, 4] in 0..1 of what was looked at."""
    ends = np.asarray(answers, np.float64).reshape(-1, 2, 2)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    return {
        "motion": np.log(np.maximum(lengths, 1e-2)),
        "off_centre": np.linalg.norm(ends.mean(axis=1) - 0.5, axis=1),
    }


def rivalry(midpoint: np.ndarray) -> np.ndarray:
    """How likely the second likeliest place is, compared with the likeliest.

    Args:
        midpoint: float [N, 2, K], probabilities of cx and cy in K steps over 0..1.

    Returns:
        float64 [N], 0..1: in the coordinate with the stronger rival, the probability within 0.05 of
        the likeliest other place, at least 0.1 away, divided by that within 0.05 of the likeliest.
    """
    steps = midpoint.shape[-1]
    half = max(1, math.ceil(_PLACE_WIDTH / 2 * steps))
    held = np.cumsum(np.pad(midpoint, [(0, 0), (0, 0), (half + 1, half)]), axis=-1)
    near = held[..., 2 * half + 1 :] - held[..., : -2 * half - 1]
    best = near.argmax(axis=-1)[..., np.newaxis]
    elsewhere = np.abs(np.arange(steps) - best) > 2 * half
    second = np.where(elsewhere, near, 0.0).max(axis=-1)
    return (second / np.maximum(near.max(axis=-1), 1e-12)).max(axis=-1)


def axis_spread(answers: np.ndarray, doubled: np.ndarray) -> np.ndarray:
    """How far motions point from the answer's axis.

    Args:
        answers: float [N, 4].
        doubled: complex [N], the mean of exp(2 i angle) of the motions that are as likely as the
            distribution says.

    Returns:
        float64 [N], degrees, 0..90: the arcsine of the root mean squared sine of the angle.
    """
    ends = np.asarray(answers, np.float64).reshape(-1, 2, 2)
    x, y = (ends[:, 1] - ends[:, 0]).T
    along = np.real(doubled * np.exp(-2j * np.arctan2(y, x)))
    return np.degrees(np.arcsin(np.sqrt(np.clip((1 - along) / 2, 0, 1))))


def mean_doubled_angle(extent: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of exp(2 i angle) where extents in x and y are independent.

    Args:
        extent: float [N, 2, K], probabilities of x2 - x1 and of y2 - y1.
        values: float [K], those that they are of.

    Returns:
        complex128 [N].
    """
    angles = np.arctan2(values[np.newaxis, :], values[:, np.newaxis])
    return np.einsum("nk,kl,nl->n", extent[:, 0], np.exp(2j * angles), extent[:, 1], optimize=True)
