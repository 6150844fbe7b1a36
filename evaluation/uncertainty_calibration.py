"""What a calibration split has taught about a model's uncertainty: the file `uncertainty.json`.

It lies beside the checkpoint and says what it was fitted on (`FittedOn`), what standard deviations
have to be multiplied with, how large conformal regions are (`conformal`), what the chance is that
an answer is right (`confidence`), and from which doubt on the human is asked (`ask_human`): one
minus that chance or, in files without it, the uncertainty. `calibration.fit` makes it.

An answer [0.2, 0.5, 0.8, 0.5] with the std 0.01 in each coordinate, the uncertainty 0.02, the
factors 2 and a `disc_adaptive` of 1.5 with the floor 0.01 has the calibrated std 0.02, and its
midpoint lies within 1.5 * (0.02 + 0.01) = 0.045 of (0.5, 0.5) with the stated chance.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

import numpy as np

from evaluation import (
    ask_human,
    calibration_split,
    conformal,
    strict_json,
    uncertainty_estimate,
)
from evaluation import confidence as answer_confidence
from food_data import atomic_files

FORMAT_VERSION = 1
FILE_NAME = "uncertainty.json"
# The least a std may be: what rounding a coordinate to 256 values leaves, 1 / 255 / sqrt(12).
MIN_STD = 1 / 255 / 12**0.5


@dataclasses.dataclass(frozen=True)
class FittedOn:
    """Where a calibration comes from.

    Attributes:
        source: of the uncertainty: "mc_dropout", "token_distribution", ...
        score: which of the source's scores is the uncertainty: "credible_width", ...
        scope: which dropout layers are on ("head", "full"); None where the source has no scope.
        num_samples: passes for one answer; 1 for one pass.
        dataset_fingerprint: of the data set that the samples are from.
        num_calibration_samples: how many there were.
        sample_ids_sha256: `calibration_split.ids_digest` of their ids.
        picture_ids: of their pictures, sorted, each once.
        weights_sha256: of the model, `checkpoint_directory.weights_digest`.
        passes: how it looked at the pictures, of `framing.PASSES`; files that do not say: once.
    """

    source: str
    score: str
    scope: str | None
    num_samples: int
    dataset_fingerprint: str
    num_calibration_samples: int
    sample_ids_sha256: str
    picture_ids: tuple[str, ...]
    weights_sha256: str
    passes: str = "one"

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: if one is out of range.
        """
        if not self.source or not self.score or self.num_samples < 1:
            raise ValueError(
                "expected a source, a score and num_samples of at least 1, got "
                f"{self.source!r}, {self.score!r} and {self.num_samples}."
            )
        number, pictures = self.num_calibration_samples, len(self.picture_ids)
        if list(self.picture_ids) != sorted(set(self.picture_ids)) or not 0 < pictures <= number:
            raise ValueError(
                f"picture_ids: expected 1 to {number} (num_calibration_samples) sorted ids, each "
                f"once, got {pictures}."
            )


@dataclasses.dataclass(frozen=True)
class CalibratedAnswer:
    """What a calibration says about one answer; lengths are shares of the picture.

    Attributes:
        std: calibrated, of x1, y1, x2, y2.
        coverage: chance that disc and box, each for itself, hold the label.
        centre: (x, y) of the disc, the answer's midpoint.
        radius: of the disc.
        box_low, box_high: ends of the box in each coordinate, within 0..1.
        ask_human: whether the doubt is above the threshold.
        doubt: what that is judged by.
        chance: that place and direction are right; None: nobody has fitted it.
        half_angle: of the sector around the answer's axis that, together with the disc, holds the
            label with the chance `coverage`, degrees; None likewise.
        two_places: whether another place was nearly as likely, such as that of an equal piece.
    """

    std: tuple[float, ...]
    coverage: float
    centre: tuple[float, ...]
    radius: float
    box_low: tuple[float, ...]
    box_high: tuple[float, ...]
    ask_human: bool
    doubt: float
    chance: float | None = None
    half_angle: float | None = None
    two_places: bool = False


@dataclasses.dataclass(frozen=True)
class UncertaintyCalibration:
    """The contents of `uncertainty.json`; `calibration.fit` makes it, see the module.

    Attributes:
        format_version: 1.
        fitted_on: where it comes from.
        std_scale: factors of the std of x1, y1, x2, y2.
        min_std: what a std counts as if it is less, before the factor.
        regions: conformal.ConformalRegions.
        asking: ask_human.AskHuman.
        confidence: confidence.Confidence; None in files of before there was one.
    """

    format_version: int
    fitted_on: FittedOn
    std_scale: tuple[float, ...]
    min_std: float
    regions: conformal.ConformalRegions
    asking: ask_human.AskHuman
    confidence: answer_confidence.Confidence | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: if one is out of range.
        """
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version: expected {FORMAT_VERSION}, got {self.format_version}. Calibrate "
                "anew with this version."
            )
        if len(self.std_scale) != 4 or not all(scale > 0 for scale in self.std_scale):
            raise ValueError(f"std_scale: expected 4 numbers above 0, got {self.std_scale}.")
        if not self.min_std > 0:
            raise ValueError(f"min_std: expected a number above 0, got {self.min_std}.")

    def uncertainty(self, estimate: uncertainty_estimate.Estimate) -> np.ndarray:
        """The score that regions grow with, float64 [N].

        Raises:
            ValueError: if the estimate is of another score.
        """
        if self.fitted_on.score not in estimate.scores:
            raise ValueError(
                f"{FILE_NAME}: expected one of the scores {', '.join(estimate.scores)}, got "
                f"{self.fitted_on.score!r}. Calibrate anew."
            )
        return estimate.scores[self.fitted_on.score]

    def doubt(self, estimate: uncertainty_estimate.Estimate) -> np.ndarray:
        """What asking is judged by, float64 [N]: 1 - chance to be right, or the uncertainty."""
        if self.confidence is None:
            return self.uncertainty(estimate)
        return 1 - self.confidence.chance(estimate.inputs)

    def apply(self, estimate: uncertainty_estimate.Estimate, row: int = 0) -> CalibratedAnswer:
        """What is known about one answer.

        Args:
            estimate: of the source that was calibrated.
            row: which of its answers.

        Returns:
            Calibrated std, regions, the chance to be right, and whether to ask the human.

        Raises:
            ValueError: if the estimate is of another score, or a value is negative or not finite.
        """
        mean, std = (np.asarray(one[row], np.float64) for one in (estimate.answers, estimate.std))
        uncertainty = float(self.uncertainty(estimate)[row])
        known = np.isfinite([*mean, *std, uncertainty]).all()
        if not known or min(*std, uncertainty) < 0:
            raise ValueError(
                "apply: expected a finite answer, std and uncertainty of at least 0, got "
                f"{mean}, {std} and {uncertainty}."
            )
        doubt, half_angle = float(self.doubt(estimate)[row]), None
        if self.regions.sector is not None:
            spread = estimate.features["axis_spread"][row]
            half_angle = float(self.regions.sector_half_angle(spread))
        rivals = estimate.features.get("rivalry")
        half_widths = self.regions.box_half_widths(std)
        return CalibratedAnswer(
            std=tuple(self.calibrated_std(std).tolist()),
            coverage=self.regions.coverage,
            centre=tuple(mean.reshape(2, 2).mean(axis=0).tolist()),
            radius=float(self.regions.disc_radius(uncertainty)),
            box_low=tuple(np.clip(mean - half_widths, 0, 1).tolist()),
            box_high=tuple(np.clip(mean + half_widths, 0, 1).tolist()),
            ask_human=bool(self.asking.ask(doubt)),
            doubt=doubt,
            chance=None if self.confidence is None else 1 - doubt,
            half_angle=half_angle,
            two_places=rivals is not None and bool(rivals[row] >= answer_confidence.TWO_PLACES),
        )

    def calibrated_std(self, std: np.ndarray) -> np.ndarray:
        """float64 [..., 4] of the source's std [..., 4]."""
        return np.maximum(np.asarray(std, np.float64), self.min_std) * self.std_scale

    def check_unseen(self, picture_ids: np.ndarray) -> None:
        """Raises ValueError if one of the pictures (`calibration_split.picture_ids`) calibrated."""
        calibration_split.check_disjoint(self.fitted_on.picture_ids, picture_ids)

    def check_weights(self, weights_sha256: str) -> None:
        """Other weights are sure of other things.

        Args:
            weights_sha256: of the model to be judged, `checkpoint_directory.weights_digest`.

        Raises:
            ValueError: if it is not the one that was calibrated.
        """
        if self.fitted_on.weights_sha256 != weights_sha256:
            raise ValueError(
                f"{FILE_NAME}: expected the weights that were calibrated, got others: the "
                "checkpoint beside it has changed since. Run calibrate.py again, or take the file "
                "away."
            )

    def to_json(self) -> str:
        """The file's text; `from_json` is the way back."""
        return json.dumps(dataclasses.asdict(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str = FILE_NAME) -> UncertaintyCalibration:
        """Reads what `to_json` wrote.

        Args:
            text: the file's text.
            name: of the file, for errors.

        Raises:
            ValueError: if it is no JSON, of another version, or a field is absent, unknown, of the
                wrong type, not finite or out of range; says which.
        """
        values = strict_json.parse(text, name)
        version = values.get("format_version") if isinstance(values, dict) else None
        if isinstance(values, dict) and version != FORMAT_VERSION:
            raise ValueError(
                f"{name}: format_version: expected {FORMAT_VERSION}, got {version!r}. Calibrate "
                "anew with this version."
            )
        parts = {
            "fitted_on": FittedOn,
            "regions": conformal.ConformalRegions,
            "asking": ask_human.AskHuman,
            "confidence": answer_confidence.Confidence,
        }
        ready = {
            part: strict_json.to_dataclass(kind, values[part], f"{name}: {part}")
            for part, kind in parts.items()
            if isinstance(values, dict) and part in values
            if part != "confidence" or values[part] is not None
        }
        if isinstance(values, dict) and values.get("confidence") is None:
            ready["confidence"] = None
        return strict_json.to_dataclass(cls, values, name, **ready)


def write(directory: str | os.PathLike[str], calibration: UncertaintyCalibration) -> None:
    """Writes `uncertainty.json` into a checkpoint's directory, whole or not at all."""
    with atomic_files.replace_file(pathlib.Path(directory) / FILE_NAME) as file:
        file.write(calibration.to_json().encode())


def read(directory: str | os.PathLike[str]) -> UncertaintyCalibration | None:
    """Reads a checkpoint directory's `uncertainty.json`; None if it has none.

    Raises:
        ValueError: if there is one and it is not as it should be.
    """
    path = pathlib.Path(directory) / FILE_NAME
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got other bytes: {error}.") from error
    return UncertaintyCalibration.from_json(text, str(path))
