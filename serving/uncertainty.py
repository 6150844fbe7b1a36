"""Whether to act on an answer or ask the human, from the `uncertainty.json` beside a checkpoint.

`calibrate.py` writes that file; `docs/evaluation.md` says what its numbers mean. A server applies
it to each answer of /predict_batch with the source that it was fitted for: the distribution over
tokens of one pass, or samples with dropout. The samples that the request itself asks for have
nothing to do with it, so the verdict does not depend on how many a client wants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from absl import logging

from evaluation import calibration as uncertainty_calibration
from evaluation import uncertainty_sources
from food_data import framing, image_placement

SOURCES = ("token_distribution", "mc_dropout")
# Of the samples of mc_dropout: the same picture always gets the same verdict.
_SEED = 0


class UncertaintyError(ValueError):
    """The file beside the checkpoint cannot be used with it."""


class UncertaintyJudge:
    """A calibration and how its uncertainty is computed.

    Attributes:
        asks_always: whether the human is asked whatever the threshold says.
    """

    def __init__(
        self,
        calibration: uncertainty_calibration.UncertaintyCalibration,
        model: Any,
        act_below_floor: bool = False,
    ) -> None:
        """Checks that this model can be judged with this calibration.

        Raises UncertaintyError if its source is none that a server computes, or not this
        model's.
        """
        fitted = calibration.fitted_on
        if fitted.source not in SOURCES:
            raise UncertaintyError(
                f"{uncertainty_calibration.FILE_NAME}: expected one of the sources "
                f"{', '.join(SOURCES)}, got {fitted.source!r}, which a server does not compute. "
                "Run calibrate.py with one of them, or take the file away."
            )
        if fitted.source == "token_distribution" and not model.has_distributions:
            raise UncertaintyError(
                f"{uncertainty_calibration.FILE_NAME}: expected a model with distributions over "
                "tokens (cross_entropy), got one that regresses coordinates. Run calibrate.py "
                "anew, or take the file away."
            )
        self.calibration = calibration
        self.asks_always = not (act_below_floor or calibration.asking.meets_floor)
        if self.asks_always:
            logging.warning(
                "%s misses its floor: the human is asked about every answer. Train or calibrate "
                "again, or start with --act_below_floor to use its threshold all the same.",
                uncertainty_calibration.FILE_NAME,
            )

    def knows(self, framed: framing.Framing) -> bool:
        """Whether the calibration is one of answers that were found in this way."""
        return self.calibration.fitted_on.passes == framed.passes

    def judge(
        self,
        model: Any,
        view: framing.View,
        first: image_placement.Placement,
        embedding: np.ndarray,
    ) -> tuple[uncertainty_calibration.CalibratedAnswer, np.ndarray | None]:
        """Runs the model once more, or with dropout, as the calibration was fitted."""
        fitted = self.calibration.fitted_on
        if fitted.source == "token_distribution":
            source = uncertainty_sources.TokenDistribution(model)
        else:
            source = uncertainty_sources.McDropout(model, fitted.scope, fitted.num_samples)
        estimate = source(view.square[np.newaxis], embedding[np.newaxis], _SEED)
        moved = estimate.moved(*framing.relative([view.placement], [first]))
        verdict = self.calibration.apply(moved)
        return verdict, estimate.answers[0] if fitted.source == "token_distribution" else None

    def fields(
        self,
        found: uncertainty_calibration.CalibratedAnswer,
        placement: image_placement.Placement,
    ) -> dict[str, Any]:
        """The entry 'uncertainty' of an answer; lengths in 0..1 of the picture, and pixels."""
        asking, fitted = self.calibration.asking, self.calibration.fitted_on
        known = self.calibration.confidence is not None
        size = np.array([placement.width, placement.height], np.float64)
        centre = placement.to_picture(np.array([found.centre]))[0]
        radii = _lengths(np.full((1, 2), found.radius), placement)[0]
        std = _lengths(np.reshape(found.std, (2, 2)), placement) / size
        low, high = (
            placement.to_picture(np.reshape(ends, (2, 2))) / size
            for ends in (found.box_low, found.box_high)
        )
        return {
            "source": fitted.source,
            # Asking is judged by one minus the chance to be right, where that is known.
            "score_name": "doubt" if known else fitted.score,
            "score": found.doubt,
            "threshold": asking.threshold,
            "error_limit": asking.error_limit,
            "angle_limit": asking.angle_limit,
            "chance": found.chance,
            "two_places": found.two_places,
            "half_angle_degrees": found.half_angle,
            "expected_error_rate": asking.expected_error_rate,
            "expected_query_rate": asking.expected_query_rate,
            "std": std.ravel().tolist(),
            "coverage": found.coverage,
            "region": _region(centre / size, radii / size),
            "region_pixels": _region(centre, radii),
            "box_low": np.clip(low, 0, 1).ravel().tolist(),
            "box_high": np.clip(high, 0, 1).ravel().tolist(),
        }


def _lengths(lengths: np.ndarray, placement: image_placement.Placement) -> np.ndarray:
    """Shares of the square [N, 2] (x, y) to pixels of the picture."""
    return placement.to_picture(lengths) - placement.to_picture(np.zeros_like(lengths))


def _region(centre: np.ndarray, radii: np.ndarray) -> dict[str, float]:
    names = ("center_x", "center_y", "radius_x", "radius_y")
    return dict(zip(names, [*centre.tolist(), *radii.tolist()]))
