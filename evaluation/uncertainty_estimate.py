"""Answers, their standard deviations and scores of doubt, from what one pass or members say.

Members are samples, checkpoints or views. Their answer is the mean of theirs, their variance the
mean of their variances plus the variance of their answers. Scores rank: the higher, the less sure.

| score              | of                                                                       |
|--------------------|--------------------------------------------------------------------------|
| credible_width     | `token_uncertainty.credible_width`, mean over the coordinates            |
| entropy            | `token_uncertainty.entropy`, nats, mean over the coordinates             |
| midpoint_std       | root of the midpoint's variance; of a model with the coding 'endpoints'  |
|                    | as if coordinates were independent                                       |
| mutual_information | `token_uncertainty.mutual_information`, nats, mean over the coordinates  |
| midpoint_spread    | root of the variance of the members' midpoints, x and y summed           |

`features` are what `confidence` needs beside the scores; the module says what each is.

Example, two members of a regression model that answer [0.2, 0.4, 0.6, 0.4] and [0.4, 0.4, 0.8,
0.4]: the answer is [0.3, 0.4, 0.7, 0.4], std [0.1, 0, 0.1, 0], midpoint_spread 0.1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from evaluation import confidence, token_uncertainty
from tokenizers import action_coding


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Answers and how sure they are.

    Attributes:
        answers: float32 [N, 4], x1, y1, x2, y2 in 0..1 of the picture.
        std: float64 [N, 4], standard deviations of the coordinates, not calibrated.
        scores: {name: float64 [N]}, the one to rank by first.
        features: {name: float64 [N]}, of what was looked at, whatever part of the picture it is.
        ms_per_image: time for one picture; NaN where it was not measured.
    """

    answers: np.ndarray
    std: np.ndarray
    scores: Mapping[str, np.ndarray]
    ms_per_image: float = float("nan")
    features: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def score(self) -> np.ndarray:
        """The score to rank by, [N]."""
        return next(iter(self.scores.values()))

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """All that `confidence.Confidence` is told, {name: float64 [N]}."""
        return {**confidence.score_inputs(self.scores), **self.features}

    def part(self, rows: np.ndarray) -> Estimate:
        """That of some of the answers: numbers int [m] or bool [N]."""
        scores, features = (
            {name: values[rows] for name, values in group.items()}
            for group in (self.scores, self.features)
        )
        return Estimate(self.answers[rows], self.std[rows], scores, self.ms_per_image, features)

    def moved(self, factors: np.ndarray, shifts: np.ndarray) -> Estimate:
        """The same in coordinates of another square, see `framing.relative`.

        Lengths (answers, std, widths and spreads) become those of that square, an entropy that of
        densities over it.

        Args:
            factors, shifts: float [N, 2], x and y: coordinate * factor + shift. 1 and 0 leave
                every bit as it is.
        """
        both = np.tile(factors, 2)
        answers = (self.answers * both + np.tile(shifts, 2)).astype(self.answers.dtype)
        lengths = np.sqrt(factors.prod(axis=1))
        how = {"entropy": lambda score: score + np.log(lengths), "mutual_information": lambda s: s}
        scores = {
            name: how.get(name, lambda score: score * lengths)(score)
            for name, score in self.scores.items()
        }
        return Estimate(answers, self.std * both, scores, self.ms_per_image, self.features)


def from_distributions(
    answers: np.ndarray, probabilities: np.ndarray, coding: str = action_coding.ENDPOINTS
) -> Estimate:
    """What one pass says; also what a server does with `Engine.forward_with_distributions`.

    Args:
        answers: float [B, 4].
        probabilities: float [B, 4, V].
        coding: what the four tokens stand for, `Agent.action_coding`.

    Returns:
        The scores 'credible_width', 'entropy' (both means over the tokens), 'midpoint_std'.
    """
    std, midpoint = token_uncertainty.execution_parameters_std(probabilities, answers, coding)
    scores = _token_scores(probabilities) | {"midpoint_std": midpoint}
    features = _token_features(answers, probabilities, coding)
    return Estimate(answers, std, scores, features=features)


def from_members(
    samples: np.ndarray,
    probabilities: np.ndarray | None,
    coding: str = action_coding.ENDPOINTS,
) -> Estimate:
    """What members say together.

    Args:
        samples: float [S, B, 4], their answers.
        probabilities: float [S, B, 4, V]; None of a model that regresses coordinates.
        coding: what the four tokens stand for, `Agent.action_coding`.

    Returns:
        The scores of `from_distributions` of the mixture, then 'mutual_information' (a mean over
        the coordinates) and 'midpoint_spread'; of a regression model the last one only.
    """
    answers = samples.mean(axis=0)
    variance = samples.var(axis=0, dtype=np.float64)
    midpoints = (samples[..., :2] + samples[..., 2:]) / 2
    spread_squared = midpoints.var(axis=0, dtype=np.float64).sum(axis=-1)
    spread = {"midpoint_spread": np.sqrt(spread_squared)}
    if probabilities is None:
        ends = np.asarray(samples, np.float64).reshape(*samples.shape[:2], 2, 2)
        x, y = np.moveaxis(ends[:, :, 1] - ends[:, :, 0], -1, 0)
        doubled = np.exp(2j * np.arctan2(y, x)).mean(axis=0)
        features = {"axis_spread": confidence.axis_spread(answers, doubled)}
        features |= confidence.view_inputs(answers)
        return Estimate(answers, np.sqrt(variance), spread, features=features)
    within = token_uncertainty.execution_parameters_std(probabilities, samples, coding)
    within, within_midpoint = (np.square(one).mean(axis=0) for one in within)
    std = np.sqrt(variance + within)
    midpoint = np.sqrt(np.square(std).sum(axis=-1)) / 2
    if coding != action_coding.ENDPOINTS:
        midpoint = np.sqrt(spread_squared + within_midpoint)
    mixture = probabilities.mean(axis=0)
    scores = _token_scores(mixture) | {"midpoint_std": midpoint}
    scores["mutual_information"] = token_uncertainty.mutual_information(probabilities).mean(axis=-1)
    features = _token_features(answers, mixture, coding)
    return Estimate(answers, std, scores | spread, features=features)


def _token_scores(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "credible_width": token_uncertainty.credible_width(probabilities).mean(axis=-1),
        "entropy": token_uncertainty.entropy(probabilities).mean(axis=-1),
    }


def _token_features(
    answers: np.ndarray, probabilities: np.ndarray, coding: str
) -> dict[str, np.ndarray]:
    doubled = confidence.mean_doubled_angle(
        *token_uncertainty.extent_distributions(probabilities, coding)
    )
    places = token_uncertainty.midpoint_distributions(probabilities, coding)
    return {
        "rivalry": confidence.rivalry(places),
        "axis_spread": confidence.axis_spread(answers, doubled),
        **confidence.view_inputs(answers),
    }
