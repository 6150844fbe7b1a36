"""Fits what `uncertainty.json` holds to a calibration split.

Standard deviations get the factors that make them as large as the errors are. The Gaussian
likelihood is highest at s^2 = mean of ((label - mean) / std)^2, where its derivative by s is 0
(Levi et al. 2019; Laves et al. 2020): errors of twice the std give the factor 2. Regions and
threshold are those of `conformal` and `ask_human`, the chance to be right that of `confidence`; the
threshold is chosen by chances that samples got without their own picture. Nothing here sees a test
sample; `calibration_split` parts them and proves it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from evaluation import (
    ask_human,
    calibration_split,
    conformal,
    gaussian_metrics,
    uncertainty_calibration,
)
from evaluation import confidence as answer_confidence


@dataclasses.dataclass(frozen=True)
class CalibrationData:
    """Answers to n calibration samples, and what they should have been.

    Attributes:
        mean: float [n, 4], the answers.
        std: float [n, 4], as the source gives it.
        uncertainty: float [n], at least 0, as the source gives it.
        labels: float [n, 4].
        sample_ids: str [n], of `calibration_split.sample_ids`.
        picture_ids: str [n], of `calibration_split.picture_ids`.
        inputs: {name: float [n]}, `Estimate.inputs`; None: nothing is said of the chance to be
            right, and the human is asked by the uncertainty.
        elongated: bool [n], which food has a direction; None: nobody knows.
    """

    mean: np.ndarray
    std: np.ndarray
    uncertainty: np.ndarray
    labels: np.ndarray
    sample_ids: np.ndarray
    picture_ids: np.ndarray
    inputs: Mapping[str, np.ndarray] | None = None
    elongated: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Checks that the arrays have the same length.

        Raises:
            ValueError: if they have not, or a sample is there twice.
        """
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        arrays |= arrays.pop("inputs") or {}
        lengths = {name: len(array) for name, array in arrays.items() if array is not None}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"expected arrays of the same length, got {lengths}.")
        if len(set(self.sample_ids)) != len(self.sample_ids):
            raise ValueError(
                f"sample_ids: expected each sample once, got {len(self.sample_ids)} samples with "
                f"{len(set(self.sample_ids))} different ids."
            )


def fit(
    data: CalibrationData,
    *,
    source: str,
    score: str,
    dataset_fingerprint: str,
    weights_sha256: str,
    scope: str | None = None,
    num_samples: int = 1,
    passes: str = "one",
    coverage: float = 0.9,
    adaptive: bool = True,
    target: str = "query_rate",
    target_rate: float = 0.2,
    error_limit: float = ask_human.ERROR_LIMIT,
    angle_limit: float = answer_confidence.ANGLE_LIMIT_DEG,
    confidence: float = 0.95,
    per_coordinate: bool = True,
    seed: int = 0,
) -> uncertainty_calibration.UncertaintyCalibration:
    """Everything that `uncertainty.json` holds.

    Args:
        data: the calibration samples.
        source: of the uncertainty, such as "mc_dropout".
        score: which of the source's scores `data.uncertainty` is, such as "midpoint_spread".
        dataset_fingerprint: of the data set that the samples are from.
        weights_sha256: of the model that answered, `checkpoint_directory.weights_digest`.
        scope: "head" or "full" for dropout; None where the source has no scope.
        num_samples: passes for one answer.
        passes: how the model looked at the pictures, of `framing.PASSES`.
        coverage: of the conformal regions.
        adaptive: whether regions grow with the uncertainty.
        target: "query_rate" or "error_rate", see `ask_human`.
        target_rate: what is wanted of it.
        error_limit: an answer whose midpoint is further off is wrong; share of the picture.
        angle_limit: an answer about elongated food whose axis is further off is wrong; degrees.
        confidence: of the error rate's bound.
        per_coordinate: whether each coordinate gets its own factor.
        seed: of the lot that draws one sample of each picture for the threshold.

    Returns:
        The calibration.

    Raises:
        ValueError: if shapes do not fit, a value is out of range, or there are too few samples for
            what is to be promised; says how many are needed.
    """
    mean, labels, min_std = data.mean, data.labels, uncertainty_calibration.MIN_STD
    scales = std_scales(mean, np.maximum(data.std, min_std), labels, per_coordinate)
    angles = {}
    if data.elongated is not None and data.inputs is not None:
        angles["angles"] = answer_confidence.axis_errors(mean, labels, data.elongated)
        angles["axis_spread"] = data.inputs["axis_spread"]
    regions = conformal.fit(
        mean, labels, data.std, data.uncertainty, coverage=coverage, adaptive=adaptive, **angles
    )
    errors = answer_confidence.errors(mean, labels, data.elongated, error_limit, angle_limit)
    known_limit = None if data.elongated is None else angle_limit
    doubt, chances = data.uncertainty, None
    if data.inputs is not None:
        right = errors <= error_limit
        chances = answer_confidence.fit(data.inputs, right, error_limit, known_limit)
        doubt = 1 - answer_confidence.held_out_chances(data.inputs, right, data.picture_ids)
    asking = ask_human.choose_threshold(
        doubt,
        errors,
        target,
        target_rate,
        error_limit=error_limit,
        angle_limit=known_limit,
        confidence=confidence,
        pictures=data.picture_ids,
        seed=seed,
    )
    fitted_on = uncertainty_calibration.FittedOn(
        source=source,
        score=score,
        scope=scope,
        num_samples=num_samples,
        dataset_fingerprint=dataset_fingerprint,
        num_calibration_samples=len(data.mean),
        sample_ids_sha256=calibration_split.ids_digest(data.sample_ids),
        picture_ids=tuple(sorted(set(np.asarray(data.picture_ids).tolist()))),
        weights_sha256=weights_sha256,
        passes=passes,
    )
    return uncertainty_calibration.UncertaintyCalibration(
        format_version=uncertainty_calibration.FORMAT_VERSION,
        fitted_on=fitted_on,
        std_scale=tuple(scales.tolist()),
        min_std=min_std,
        regions=regions,
        asking=asking,
        confidence=chances,
    )


def std_scales(
    mean: np.ndarray, std: np.ndarray, labels: np.ndarray, per_coordinate: bool = True
) -> np.ndarray:
    """The factors with the highest Gaussian likelihood.

    Args:
        mean: float [n, D].
        std: float [n, D], above 0.
        labels: float [n, D].
        per_coordinate: whether each coordinate gets its own, or all the same.

    Returns:
        float64 [D], above 0.

    Raises:
        ValueError: as `gaussian_metrics.deviations`, or if all errors of a coordinate are 0.
    """
    z, _ = gaussian_metrics.deviations(mean, std, labels)
    squares = np.square(z).mean(axis=0)
    if not per_coordinate:
        squares = np.full_like(squares, squares.mean())
    if not squares.all():
        raise ValueError(
            f"std_scales: expected errors, got none in coordinate {int(np.argmin(squares))}: no "
            "factor makes a std 0. Answers that equal their labels are not a model's."
        )
    return np.sqrt(squares)
