"""What a calibration split has taught about a model's uncertainty: the file `uncertainty.json`.

It lies beside the checkpoint and says what it was fitted on, what standard deviations have to be
multiplied with, how large conformal regions are, what the chance is that an answer is right, and
from which doubt on the human is asked: one minus that chance or, in files without it, the
uncertainty.

An answer [0.2, 0.5, 0.8, 0.5] with the std 0.01 in each coordinate, the uncertainty 0.02, the
factors 2 and a `disc_adaptive` of 1.5 with the floor 0.01 has the calibrated std 0.02, and its
midpoint lies within 1.5 * (0.02 + 0.01) = 0.045 of (0.5, 0.5) with the stated chance.

An answer is right if its midpoint is within `error_limit` of the labelled one (a share of the
picture's side) and, on elongated food, its axis within `angle_limit` degrees of the labelled one
(modulo 180), for any of several equal pieces. If more of the answers that would be acted on are
wrong than `floor_error_rate`, `meets_floor` is false, and servers ask about everything.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import types
import typing
from collections.abc import Mapping

import numpy as np

from evaluation.uncertainty import Estimate
from food_data import atomic_files

if typing.TYPE_CHECKING:
    import checkpoint_directory

FORMAT_VERSION = 1
FILE_NAME = "uncertainty.json"
# The least a std may be: what rounding a coordinate to 256 values leaves, 1 / 255 / sqrt(12).
MIN_STD = 1 / 255 / 12**0.5
ANGLE_FLOOR_DEG = 5.0
# Between two places that are as likely as this, the answer is one of the two by luck.
TWO_PLACES = 0.5


@dataclasses.dataclass(frozen=True)
class FittedOn:
    """Where a calibration comes from: model, source of uncertainty, data."""

    source: str  # of the uncertainty: "mc_dropout", "token_distribution", ...
    score: str  # which of the source's scores is the uncertainty: "credible_width", ...
    scope: str | None  # which dropout layers are on ("head", "full"); None without a scope
    num_samples: int  # passes for one answer
    dataset_fingerprint: str
    num_calibration_samples: int
    sample_ids_sha256: str  # of the sorted ids of the samples, `samples.sample_ids`
    picture_ids: tuple[str, ...]  # of their pictures, `samples.picture_ids`, sorted, each once
    weights_sha256: str  # of the model, `checkpoint_directory.weights_digest`
    passes: str = "one"  # how it looked at the pictures, of `framing.PASSES`
    pieces: str = "labelled"  # which of several equal pieces was right; "any" but in older files


@dataclasses.dataclass(frozen=True)
class ConformalRegions:
    """How large regions are that hold the label with a stated chance, shares of the picture."""

    coverage: float  # what the regions promise, 0..1
    floor: float  # added to uncertainty and std in the adaptive ones
    adaptive: bool  # which kind counts
    disc: float  # plain size; the adaptive ones are factors
    disc_adaptive: float
    box: float
    box_adaptive: float
    sector: float | None = None  # half its angle, degrees; None: nothing is known of directions
    sector_adaptive: float | None = None

    def size(self, kind: str, spread: np.ndarray) -> np.ndarray:
        """The 'disc' radius of uncertainties [N], the 'box' half widths of uncalibrated std [N, 4],
        or half the 'sector' angle of axis spreads [N], both in degrees; float64 of that shape."""
        spread = np.asarray(spread, np.float64)
        if not self.adaptive:
            return np.full(spread.shape, getattr(self, kind))
        floor = ANGLE_FLOOR_DEG if kind == "sector" else self.floor
        size = getattr(self, f"{kind}_adaptive") * (spread + floor)
        return np.minimum(size, 90.0) if kind == "sector" else size


@dataclasses.dataclass(frozen=True)
class AskHuman:
    """From which doubt on the human is asked, and what to expect of it."""

    threshold: float | None  # asked where doubt > threshold; None: never
    target: str  # "query_rate" or "error_rate"
    target_rate: float  # what was wanted of it
    error_limit: float  # an answer is wrong if its midpoint is further off, share of the picture
    confidence: float  # of `error_rate_bound`
    expected_query_rate: float  # share of calibration samples that would be asked about
    expected_error_rate: float  # share of wrong ones among the others
    error_rate_bound: float  # the true rate of that is at most this, with the confidence
    angle_limit: float | None = None  # of elongated food's axis, degrees; None: places count alone
    floor_error_rate: float | None = None  # the highest expected one at which it is of use
    meets_floor: bool = True

    def ask(self, doubt: np.ndarray) -> np.ndarray:
        """Whether to ask, bool [N], of doubts [N]. NaN asks."""
        limit = np.inf if self.threshold is None else self.threshold
        return ~(np.asarray(doubt, np.float64) <= limit)


@dataclasses.dataclass(frozen=True)
class Confidence:
    """The chance that an answer is right, a logistic regression."""

    inputs: tuple[str, ...]  # names, of `uncertainty.Estimate.inputs`
    means: tuple[float, ...]  # of the inputs, by which they are standardized
    stds: tuple[float, ...]
    weights: tuple[float, ...]  # of the standardized inputs
    bias: float
    error_limit: float  # what counts as right, as in `AskHuman`
    angle_limit: float | None

    def chance(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The chance that each of N answers is right, float64 [N]; ValueError without an input."""
        if absent := set(self.inputs) - set(inputs):
            absent = ", ".join(sorted(absent))
            raise ValueError(f"confidence: expected the inputs {absent}, got none. Calibrate anew.")
        values = np.stack([np.asarray(inputs[name], np.float64) for name in self.inputs], axis=1)
        logits = (values - self.means) / self.stds @ np.array(self.weights) + self.bias
        return 0.5 * (1 + np.tanh(logits / 2))


@dataclasses.dataclass(frozen=True)
class CalibratedAnswer:
    """What a calibration says about one answer; lengths are shares of the picture."""

    std: tuple[float, ...]  # calibrated, of x1, y1, x2, y2
    coverage: float  # the chance that a region holds the label
    centre: tuple[float, ...]  # of the disc
    radius: float
    box_low: tuple[float, ...]  # within 0..1
    box_high: tuple[float, ...]
    ask_human: bool  # whether the doubt is above the threshold
    doubt: float
    chance: float | None  # that place and direction are right; None: nobody has fitted it
    half_angle: float | None  # of the sector about the axis, degrees; None likewise
    two_places: bool  # whether another place was nearly as likely, as that of equal pieces


@dataclasses.dataclass(frozen=True)
class UncertaintyCalibration:
    """The contents of `uncertainty.json`, see the module; ValueError if one is out of range."""

    format_version: int
    fitted_on: FittedOn
    std_scale: tuple[float, ...]  # factors of the std of x1, y1, x2, y2
    min_std: float  # what a std counts as if it is less, before the factor
    regions: ConformalRegions
    asking: AskHuman
    confidence: Confidence | None = None  # absent in files of before there was one

    def __post_init__(self) -> None:
        regions, asking, sure = self.regions, self.asking, self.confidence
        sizes = (regions.floor, regions.disc, regions.disc_adaptive, regions.box)
        rates = (asking.expected_query_rate, asking.expected_error_rate, asking.error_rate_bound)
        parts = () if sure is None else (sure.inputs, sure.means, sure.stds, sure.weights)
        good = {
            f"format_version {FORMAT_VERSION}": self.format_version == FORMAT_VERSION,
            "4 numbers above 0 as std_scale": len(self.std_scale) == 4 and min(self.std_scale) > 0,
            "0 < coverage < 1": 0 < regions.coverage < 1,
            "regions of at least 0": min(*sizes, regions.box_adaptive) >= 0,
            "query_rate or error_rate as target": asking.target in ("query_rate", "error_rate"),
            "rates of asking of 0..1": min(rates) >= 0 and max(rates) <= 1,
            "a mean, a std above 0 and a weight for each input": sure is None
            or (len({*map(len, parts)}) == 1 and min(sure.stds, default=0) > 0),
        }
        if wanted := "; ".join(what for what, holds in good.items() if not holds):
            raise ValueError(f"Expected {wanted}. Calibrate anew with this version.")

    def uncertainty(self, estimate: Estimate) -> np.ndarray:
        """The score that regions grow with, float64 [N]; raises ValueError if it is absent."""
        if self.fitted_on.score not in estimate.scores:
            names = ", ".join(estimate.scores)
            raise ValueError(f"{FILE_NAME}: expected a score of {names}. Calibrate anew.")
        return estimate.scores[self.fitted_on.score]

    def doubt(self, estimate: Estimate) -> np.ndarray:
        """What asking is judged by, float64 [N]: 1 - chance to be right, or the uncertainty."""
        if self.confidence is None:
            return self.uncertainty(estimate)
        return 1 - self.confidence.chance(estimate.inputs)

    def calibrated_std(self, std: np.ndarray) -> np.ndarray:
        """float64 [..., 4] of the source's std [..., 4]."""
        return np.maximum(np.asarray(std, np.float64), self.min_std) * self.std_scale

    def apply(self, estimate: Estimate, row: int = 0) -> CalibratedAnswer:
        """What is known about the answer in a row of an estimate of the source that was calibrated.
        Raises ValueError if it is of another score, or a value is negative or not finite."""
        mean, std = (np.asarray(one[row], np.float64) for one in (estimate.answers, estimate.std))
        score = float(self.uncertainty(estimate)[row])
        if not np.isfinite([*mean, *std, score]).all() or min(*std, score) < 0:
            raise ValueError(f"Expected finite answers and doubts, got {mean}, {std}, {score}.")
        doubt, half_angle = float(self.doubt(estimate)[row]), None
        if self.regions.sector is not None:
            spread = estimate.features["axis_spread"][row]
            half_angle = float(self.regions.size("sector", spread))
        rivals, half_widths = estimate.features.get("rivalry"), self.regions.size("box", std)
        return CalibratedAnswer(
            std=tuple(self.calibrated_std(std).tolist()),
            coverage=self.regions.coverage,
            centre=tuple(mean.reshape(2, 2).mean(axis=0).tolist()),
            radius=float(self.regions.size("disc", score)),
            box_low=tuple(np.clip(mean - half_widths, 0, 1).tolist()),
            box_high=tuple(np.clip(mean + half_widths, 0, 1).tolist()),
            ask_human=bool(self.asking.ask(doubt)),
            doubt=doubt,
            chance=None if self.confidence is None else 1 - doubt,
            half_angle=half_angle,
            two_places=rivals is not None and bool(rivals[row] >= TWO_PLACES),
        )


def write(directory: str | os.PathLike[str], calibration: UncertaintyCalibration) -> None:
    """Writes `uncertainty.json` into a checkpoint's directory, whole or not at all."""
    text = json.dumps(dataclasses.asdict(calibration), indent=1, allow_nan=False)
    with atomic_files.replace_file(pathlib.Path(directory) / FILE_NAME) as file:
        file.write(f"{text}\n".encode())


def of_checkpoint(contents: checkpoint_directory.Contents) -> UncertaintyCalibration | None:
    """What the `uncertainty.json` says that was read with a checkpoint; None if there was none.
    Raises ValueError if it is not as it should be, or of other weights."""
    if contents.calibration is None:
        return None
    found = parse(contents.calibration, str(contents.directory / FILE_NAME))
    if found.fitted_on.weights_sha256 != contents.weights_sha256:
        raise ValueError(
            f"{FILE_NAME}: expected the weights that were calibrated, got others: the checkpoint "
            "beside it has changed since. Run calibrate.py again, or take the file away."
        )
    return found


def parse(text: str, name: str) -> UncertaintyCalibration:
    """The contents of an `uncertainty.json`, which errors call `name`. Raises ValueError if it is
    no JSON, or a field is absent, unknown, of another type, not finite or out of range."""
    try:
        return _built(UncertaintyCalibration, json.loads(text), "the file")
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{name}: {error}") from error


def _built(kind: typing.Any, value: object, name: str) -> typing.Any:
    """A field's value from JSON; TypeError names absent and unknown fields, as Python does."""
    arguments = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return None if value is None else _built(arguments[0], value, name)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_built(arguments[0], one, name) for one in value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        return kind(**{key: _built(hints.get(key, str), one, key) for key, one in value.items()})
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind in (bool, int, str) and type(value) is kind:
        return value
    expected = getattr(kind, "__name__", kind)
    raise ValueError(f"{name}: expected {expected}, finite if a number, got {value!r:.80}.")
