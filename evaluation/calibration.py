"""What a calibration split has taught about a model's uncertainty: the file `uncertainty.json`.

It lies beside the checkpoint and says what it was fitted on, what standard deviations have to be
multiplied with, how large conformal regions are, what the chance is that an answer is right, and
from which doubt on the human is asked: one minus that chance or, in files without it, the
uncertainty. `calibration_fit.py` makes it.

An answer [0.2, 0.5, 0.8, 0.5] with the std 0.01 in each coordinate, the uncertainty 0.02, the
factors 2 and a `disc_adaptive` of 1.5 with the floor 0.01 has the calibrated std 0.02, and its
midpoint lies within 1.5 * (0.02 + 0.01) = 0.045 of (0.5, 0.5) with the stated chance.

An answer is right if its midpoint is within `error_limit` of the labelled one (a share of the
picture's side) and, on elongated food, its axis within `angle_limit` degrees of the labelled one
(modulo 180), for any of several equal pieces. If more of the answers that would be acted on are
wrong than `floor_error_rate`, `meets_floor` is false, and servers ask about everything.

The chance is a logistic regression: with one input x of mean 2 and std 1, weight 3 and bias 1, an
answer with x = 1 is right with the chance 1 / (1 + exp(-(1 + 3 (1 - 2)))) = 0.12.
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
TARGETS = ("query_rate", "error_rate")
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
    # What was right where a picture has several equal pieces: "any" of them, or, in older files,
    # only the "labelled" one.
    pieces: str = "labelled"


@dataclasses.dataclass(frozen=True)
class ConformalRegions:
    """How large regions are that hold the label with a stated chance, shares of the picture."""

    coverage: float  # what the regions promise, 0..1
    floor: float  # added to uncertainty and std in the adaptive ones
    adaptive: bool  # which kind `disc_radius` and `box_half_widths` give
    disc: float  # plain size; the adaptive ones are factors
    disc_adaptive: float
    box: float
    box_adaptive: float
    # Half the plain sector's angle, degrees, and the factor of the other one; None: nothing is
    # known of directions.
    sector: float | None = None
    sector_adaptive: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage: expected 0 < coverage < 1, got {self.coverage}.")
        for name in ("floor", "disc", "disc_adaptive", "box", "box_adaptive"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name}: expected a finite number of at least 0, got {value}.")

    def disc_radius(self, score: np.ndarray) -> np.ndarray:
        """Radius float64 [N] about the midpoint, of uncertainties [N]."""
        return self._size(self.disc, self.disc_adaptive, score, self.floor)

    def box_half_widths(self, std: np.ndarray) -> np.ndarray:
        """Half the box's width in each coordinate, float64 [N, 4], of uncalibrated std [N, 4]."""
        return self._size(self.box, self.box_adaptive, std, self.floor)

    def sector_half_angle(self, axis_spread: np.ndarray) -> np.ndarray:
        """Half the sector's angle, degrees float64 [N] 0..90, of axis spreads [N] in degrees."""
        size = self._size(self.sector, self.sector_adaptive, axis_spread, ANGLE_FLOOR_DEG)
        return np.minimum(size, 90.0)

    def _size(self, plain: float, factor: float, spread: np.ndarray, floor: float) -> np.ndarray:
        spread = np.asarray(spread, np.float64)
        return factor * (spread + floor) if self.adaptive else np.full(spread.shape, plain)


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
    # The true error rate of what is answered is at most this, with the confidence.
    error_rate_bound: float
    # An answer about elongated food is also wrong if its axis is further off, degrees; None: only
    # the place was judged.
    angle_limit: float | None = None
    # The highest `expected_error_rate` at which the calibration is of use; older files name none.
    floor_error_rate: float | None = None
    meets_floor: bool = True

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"target: expected one of {', '.join(TARGETS)}; got {self.target!r}.")
        for name in ("expected_query_rate", "expected_error_rate", "error_rate_bound"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected 0..1, got {getattr(self, name)}.")

    def ask(self, doubt: np.ndarray) -> np.ndarray:
        """Whether to ask, bool [N], of doubts [N]. NaN asks."""
        limit = np.inf if self.threshold is None else self.threshold
        return ~(np.asarray(doubt, np.float64) <= limit)


@dataclasses.dataclass(frozen=True)
class Confidence:
    """The chance that an answer is right, a logistic regression; see the module."""

    inputs: tuple[str, ...]  # names, of `uncertainty.Estimate.inputs`
    means: tuple[float, ...]  # of the inputs, by which they are standardized
    stds: tuple[float, ...]
    weights: tuple[float, ...]  # of the standardized inputs
    bias: float
    error_limit: float  # what counts as right, as in `AskHuman`
    angle_limit: float | None

    def __post_init__(self) -> None:
        lengths = {len(self.means), len(self.stds), len(self.weights), len(self.inputs)}
        if len(lengths) != 1 or not self.inputs or not all(std > 0 for std in self.stds):
            raise ValueError(
                "confidence: expected a mean, a std above 0 and a weight for each input, got "
                f"{len(self.inputs)} inputs, stds {self.stds}, {len(self.weights)} weights."
            )

    def chance(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The chance that each of N answers is right, float64 [N]; ValueError without an input."""
        absent = [name for name in self.inputs if name not in inputs]
        if absent:
            raise ValueError(
                f"confidence: expected the inputs {', '.join(self.inputs)}, got none of "
                f"{', '.join(absent)}: it was fitted to another source. Calibrate anew."
            )
        values = np.stack([np.asarray(inputs[name], np.float64) for name in self.inputs], axis=1)
        logits = (values - self.means) / self.stds @ np.array(self.weights) + self.bias
        return 0.5 * (1 + np.tanh(logits / 2))


@dataclasses.dataclass(frozen=True)
class CalibratedAnswer:
    """What a calibration says about one answer; lengths are shares of the picture."""

    std: tuple[float, ...]  # calibrated, of x1, y1, x2, y2
    # The chance that the disc (about `centre`, with `radius`) and the box (from `box_low` to
    # `box_high`, within 0..1), each for itself, hold the label.
    coverage: float
    centre: tuple[float, ...]
    radius: float
    box_low: tuple[float, ...]
    box_high: tuple[float, ...]
    ask_human: bool  # whether the doubt is above the threshold
    doubt: float
    chance: float | None = None  # that place and direction are right; None: nobody has fitted it
    # Of the sector around the answer's axis that, together with the disc, holds the label with the
    # chance `coverage`, degrees; None likewise.
    half_angle: float | None = None
    two_places: bool = False  # whether another place was nearly as likely, as that of equal pieces


@dataclasses.dataclass(frozen=True)
class UncertaintyCalibration:
    """The contents of `uncertainty.json`, see the module."""

    format_version: int
    fitted_on: FittedOn
    std_scale: tuple[float, ...]  # factors of the std of x1, y1, x2, y2
    min_std: float  # what a std counts as if it is less, before the factor
    regions: ConformalRegions
    asking: AskHuman
    confidence: Confidence | None = None  # absent in files of before there was one

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version: expected {FORMAT_VERSION}, got {self.format_version}. Calibrate "
                "anew with this version."
            )
        if len(self.std_scale) != 4 or not all(scale > 0 for scale in self.std_scale):
            raise ValueError(f"std_scale: expected 4 numbers above 0, got {self.std_scale}.")

    def uncertainty(self, estimate: Estimate) -> np.ndarray:
        """The score that regions grow with, float64 [N]; raises ValueError if it is absent."""
        if self.fitted_on.score not in estimate.scores:
            raise ValueError(
                f"{FILE_NAME}: expected one of the scores {', '.join(estimate.scores)}, got "
                f"{self.fitted_on.score!r}. Calibrate anew."
            )
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
            raise ValueError(
                "apply: expected a finite answer, std and uncertainty of at least 0, got "
                f"{mean}, {std} and {score}."
            )
        doubt, half_angle = float(self.doubt(estimate)[row]), None
        if self.regions.sector is not None:
            spread = estimate.features["axis_spread"][row]
            half_angle = float(self.regions.sector_half_angle(spread))
        rivals, half_widths = estimate.features.get("rivalry"), self.regions.box_half_widths(std)
        return CalibratedAnswer(
            std=tuple(self.calibrated_std(std).tolist()),
            coverage=self.regions.coverage,
            centre=tuple(mean.reshape(2, 2).mean(axis=0).tolist()),
            radius=float(self.regions.disc_radius(score)),
            box_low=tuple(np.clip(mean - half_widths, 0, 1).tolist()),
            box_high=tuple(np.clip(mean + half_widths, 0, 1).tolist()),
            ask_human=bool(self.asking.ask(doubt)),
            doubt=doubt,
            chance=None if self.confidence is None else 1 - doubt,
            half_angle=half_angle,
            two_places=rivals is not None and bool(rivals[row] >= TWO_PLACES),
        )

    def check_unseen(self, picture_ids: np.ndarray) -> None:
        """Raises ValueError if one of the pictures (`samples.picture_ids`) calibrated."""
        shared = sorted({*self.fitted_on.picture_ids} & {*picture_ids.tolist()})
        if shared:
            raise ValueError(
                f"{FILE_NAME} was fitted to some of these pictures, so its figures on them would "
                f"be too good: got {len(shared)} ids that calibrated the uncertainty, the first is "
                f"{shared[0]}. Test on others; evaluate.py --without_calibration leaves these out."
            )


def write(directory: str | os.PathLike[str], calibration: UncertaintyCalibration) -> None:
    """Writes `uncertainty.json` into a checkpoint's directory, whole or not at all."""
    text = json.dumps(dataclasses.asdict(calibration), indent=1, allow_nan=False)
    with atomic_files.replace_file(pathlib.Path(directory) / FILE_NAME) as file:
        file.write(f"{text}\n".encode())


def of_checkpoint(contents: checkpoint_directory.Contents) -> UncertaintyCalibration | None:
    """What the `uncertainty.json` says that was read with a checkpoint; None if there was none.
    Raises ValueError if it is not as it should be, or of other weights, which have other doubts."""
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
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{name}: expected JSON, got something else: {error}.") from error
    return _built(UncertaintyCalibration, values, name)


def _built(kind: typing.Any, value: object, name: str) -> typing.Any:
    """A field's value from JSON; `name` says where it stands."""
    arguments = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return None if value is None else _built(arguments[0], value, name)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_built(arguments[0], one, name) for one in value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        fields, hints = dataclasses.fields(kind), typing.get_type_hints(kind)
        needed = {field.name for field in fields if field.default is dataclasses.MISSING}
        absent, unknown = sorted(needed - set(value)), sorted(set(value) - set(hints))
        if absent or unknown:
            raise ValueError(
                f"{name}: expected the fields {', '.join(sorted(hints))}; absent: "
                f"{', '.join(absent) or 'none'}; unknown: {', '.join(unknown) or 'none'}."
            )
        built = {key: _built(hints[key], one, f"{name}: {key}") for key, one in value.items()}
        try:
            return kind(**built)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and is_number and math.isfinite(value):
        return float(value)
    if kind in (bool, int, str) and type(value) is kind:
        return value
    expected = "an object" if dataclasses.is_dataclass(kind) else getattr(kind, "__name__", kind)
    raise ValueError(f"{name}: expected {expected}, finite if a number, got {value!r}.")
