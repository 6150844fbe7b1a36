"""What an answer's uncertainty is, and what a calibration makes of it: the file `uncertainty.json`.

A model says how sure it is by standard deviations and scores of doubt (docs/evaluation.md has the
formulas). Example, a coordinate of 5 tokens with the probabilities 0.1, 0.6, 0.2, 0.1, 0. A token
stands for the middle of its bin, the last one for 1: 0.125, 0.375, 0.625, 0.875, 1. The deviation
from the answer 0.45 is the root of 0.1 * 0.325^2 + 0.6 * 0.075^2 + .. = 0.1953, the entropy 1.0889
nats. 99 % of the probability are all of the 0.6, 0.2 and 0.1 and 0.09 of the last 0.1: a width of
3.9 of 5 tokens, 0.78.

`uncertainty.json` lies beside the checkpoint: what deviations are multiplied with, how large
conformal regions are, what the chance is that an answer is right, and from which doubt on the human
is asked: one minus that chance or, in files without it, the uncertainty. An answer [0.2, 0.5, 0.8,
0.5] with the std 0.01 in each coordinate, the uncertainty 0.02, the factors 2 and a `disc_adaptive`
of 1.5 with the floor 0.01 has the calibrated std 0.02, and its midpoint lies within 1.5 * (0.02 +
0.01) = 0.045 of (0.5, 0.5) with the stated chance.

An answer is right if its midpoint is within `error_limit` of the labelled one (a share of the
picture's side) and, on elongated food, its axis within `angle_limit` degrees of the labelled one
(modulo 180), for any of several equal pieces. If more of the answers that would be acted on are
wrong than `floor_error_rate`, `meets_floor` is false, and servers ask about everything.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import pathlib
import re
import types
import typing
from collections.abc import Mapping

import numpy as np

from food_data import atomic_files, framing
from tokenizers import action_tokenizer

if typing.TYPE_CHECKING:
    import agent_wrapper
    import checkpoint_directory

FORMS = "token_distribution, mc_dropout:head:16 (or full; at least 2 samples), or default"
# Tails count: what is likely at all tells more about gross errors than the shape of the peak.
CREDIBLE_MASS = 0.99
# Two places count as two if they are as far apart, and count with what is as near to them.
_PLACE_WIDTH = 0.1
# Between two places that are as likely as this, the answer is one of the two by luck.
TWO_PLACES = 0.5
FORMAT_VERSION = 1
FILE_NAME = "uncertainty.json"
# The least a std may be: what rounding a coordinate to 256 values leaves, 1 / 255 / sqrt(12).
MIN_STD = 1 / 255 / 12**0.5
ANGLE_FLOOR_DEG = 5.0


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Answers and how sure they are."""

    answers: np.ndarray  # float32 [N, 4], x1, y1, x2, y2 in 0..1 of the picture
    std: np.ndarray  # float64 [N, 4], standard deviations of the coordinates, not calibrated
    scores: Mapping[str, np.ndarray]  # {name: float64 [N]}, the one to rank by first
    # {name: float64 [N]}, of what was looked at, whatever part of the picture it is.
    features: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def score(self) -> np.ndarray:
        """The score to rank by, [N]."""
        return next(iter(self.scores.values()))

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """All that `Confidence` is told, {name: float64 [N]}; of lengths the logarithm, so that a
        doubling counts the same everywhere."""
        scores = {
            name: score if name == "entropy" else np.log(np.maximum(score, 1e-4))
            for name, score in self.scores.items()
        }
        return {**scores, **self.features}

    def part(self, rows: np.ndarray | slice) -> Estimate:
        """That of some of the answers: numbers int [m], bool [N] or a slice."""
        tables = ({k: v[rows] for k, v in one.items()} for one in (self.scores, self.features))
        return Estimate(self.answers[rows], self.std[rows], *tables)

    def moved(self, factors: np.ndarray, shifts: np.ndarray) -> Estimate:
        """The same in coordinates of another square: coordinate * factor + shift, [N, 2] each, see
        `framing.relative`. Lengths become those of that square, an entropy that of densities over
        it; factors 1 and shifts 0 leave every bit as it is."""
        both = np.tile(factors, 2)
        answers = (self.answers * both + np.tile(shifts, 2)).astype(self.answers.dtype)
        lengths = np.sqrt(factors.prod(axis=1))
        scores = {
            name: score + np.log(lengths) if name == "entropy" else score * lengths
            for name, score in self.scores.items()
        }
        return Estimate(answers, self.std * both, scores, self.features)


def from_distributions(
    answers: np.ndarray, probabilities: np.ndarray, coding: str = action_tokenizer.ENDPOINTS
) -> Estimate:
    """What one pass says: answers [B, 4] and probabilities [B, 4, V] of tokens of a coding. The std
    is the root mean square distance of tokens from the answer. Raises ValueError unless rows sum to
    1, which also NaN does not."""
    import scipy.special  # Slow, so not for --help.

    probabilities = np.asarray(probabilities, np.float64)
    if not ((abs(probabilities.sum(axis=-1) - 1) < 1e-3).all() and (probabilities >= 0).all()):
        raise ValueError("Expected probabilities that sum to 1; take the softmax of logits first.")
    values = action_tokenizer.bin_values(probabilities.shape[-1])
    coded = action_tokenizer.encode(np.asarray(answers, np.float64), coding)
    squared = np.sum(probabilities * np.square(values - coded[..., None]), axis=-1)
    offsets = probabilities @ values - coded
    std, midpoint = action_tokenizer.std_about(np.sqrt(squared), offsets, coding)
    scores = {
        "credible_width": credible_width(probabilities).mean(axis=-1),
        "entropy": scipy.special.entr(probabilities).sum(axis=-1).mean(axis=-1),
        "midpoint_std": midpoint,
    }
    # Tokens are independent: the distribution of a sum or difference is a convolution.
    places, extents = probabilities[:, :2], probabilities[:, 2:]
    if coding == action_tokenizer.ENDPOINTS:
        places, extents = _convolved(places, extents), _convolved(extents, places[..., ::-1])
    cosines, sines = _doubled_angles(probabilities.shape[-1], coding)
    along, across = extents[:, 0], extents[:, 1]
    doubled = ((along @ cosines) * across).sum(-1) + 1j * ((along @ sines) * across).sum(-1)
    features = {"rivalry": rivalry(places), **motion_features(answers, doubled)}
    return Estimate(answers, std, scores, features)


def from_samples(samples: np.ndarray) -> Estimate:
    """What S answers with dropout say together, [S, B, 4]. Example, two that answer [0.2, 0.4, 0.6,
    0.4] and [0.4, 0.4, 0.8, 0.4]: answer [0.3, 0.4, 0.7, 0.4], std [0.1, 0, 0.1, 0], spread 0.1."""
    answers, std = samples.mean(axis=0), samples.std(axis=0, dtype=np.float64)
    midpoints = (samples[..., :2] + samples[..., 2:]) / 2
    spread = np.sqrt(midpoints.var(axis=0, dtype=np.float64).sum(axis=-1))
    x, y = np.moveaxis(np.asarray(samples[..., 2:] - samples[..., :2], np.float64), -1, 0)
    doubled = np.exp(2j * np.arctan2(y, x)).mean(axis=0)
    return Estimate(answers, std, {"midpoint_spread": spread}, motion_features(answers, doubled))


def credible_width(probabilities: np.ndarray) -> np.ndarray:
    """Share of the tokens [..., V], likeliest first, that hold 99 % of the probability; the last of
    them counts by the part of it that is needed, so equal values are rare. [...]."""
    likeliest = np.sort(probabilities, axis=-1)[..., ::-1]
    held = np.cumsum(likeliest, axis=-1)
    # Rows that rounding lets sum to less than 1 still hold 99 % of what they have.
    wanted = CREDIBLE_MASS * held[..., -1:]
    whole = np.sum(held < wanted, axis=-1, keepdims=True)
    before = np.take_along_axis(held - likeliest, whole, axis=-1)
    part = (wanted - before) / np.take_along_axis(likeliest, whole, axis=-1)
    return ((whole + part) / likeliest.shape[-1])[..., 0]


def rivalry(midpoint: np.ndarray) -> np.ndarray:
    """How likely the second likeliest place is, compared with the likeliest, float64 [N], 0..1, of
    probabilities [N, 2, K] of cx and cy in K steps over 0..1. In the coordinate with the stronger
    rival: the probability within 0.05 of the likeliest other place, at least 0.1 away, divided by
    that within 0.05 of the likeliest."""
    steps = midpoint.shape[-1]
    half = max(1, math.ceil(_PLACE_WIDTH / 2 * steps))
    held = np.cumsum(np.pad(midpoint, [(0, 0), (0, 0), (half + 1, half)]), axis=-1)
    near = held[..., 2 * half + 1 :] - held[..., : -2 * half - 1]
    best = near.argmax(axis=-1)[..., np.newaxis]
    elsewhere = np.abs(np.arange(steps) - best) > 2 * half
    second = np.where(elsewhere, near, 0.0).max(axis=-1)
    return (second / np.maximum(near.max(axis=-1), 1e-12)).max(axis=-1)


def motion_features(answers: np.ndarray, doubled: np.ndarray) -> dict[str, np.ndarray]:
    """'axis_spread', 'motion' and 'off_centre' of answers [N, 4]; `doubled` [N] is the mean of
    exp(2 i angle) of the motions that were likely."""
    ends = np.asarray(answers, np.float64).reshape(-1, 2, 2)
    x, y = np.asarray(answers[:, 2:] - answers[:, :2], np.float64).T
    along = np.real(doubled * np.exp(-2j * np.arctan2(y, x)))
    return {
        "axis_spread": np.degrees(np.arcsin(np.sqrt(np.clip((1 - along) / 2, 0, 1)))),
        "motion": np.log(np.maximum(np.hypot(*(ends[:, 1] - ends[:, 0]).T), 1e-2)),
        "off_centre": np.linalg.norm(ends.mean(axis=1) - 0.5, axis=1),
    }


@functools.lru_cache(maxsize=4)
def _doubled_angles(size: int, coding: str) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of twice the angle of a motion, by the bins of its x and y extent."""
    if coding == action_tokenizer.MIDPOINT_EXTENT:
        extents = action_tokenizer.bin_values(size) - action_tokenizer.EXTENT_OFFSET
    else:
        extents = np.arange(1 - size, size, dtype=np.float64)
    angles = 2 * np.arctan2(extents[np.newaxis, :], extents[:, np.newaxis])
    return np.cos(angles), np.sin(angles)


def _convolved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    size = 2 * first.shape[-1] - 1
    spectrum = np.fft.rfft(first, size) * np.fft.rfft(second, size)
    return np.maximum(np.fft.irfft(spectrum, size), 0.0)


@dataclasses.dataclass(frozen=True)
class Source:
    """A model and how it is asked: for `answers` alone, for the `token_distribution` that its one
    answer is taken from, or for `num_samples` with dropout (`mc_dropout`, arXiv 1506.02142)."""

    agent: agent_wrapper.Agent | framing.Voted
    name: str = "answers"
    scope: str | None = None  # of dropout: "head" or "full"
    num_samples: int = 1

    @property
    def label(self) -> str:
        """A short name for tables, such as 'mc_dropout head 16'."""
        return f"{self.name} {self.scope} {self.num_samples}" if self.scope else self.name

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        """Asks about images uint8 [B, H, W, 3] with embeddings float32 [B, 512]."""
        agent, asked = self.agent, (images, embeddings)
        if self.name == "answers":
            answers = np.asarray(agent.forward(*asked))
            return Estimate(answers, np.zeros(answers.shape), {})
        if self.name == "mc_dropout":
            sampling = {"dropout": self.scope, "num_samples": self.num_samples, "seed": seed}
            return from_samples(np.asarray(agent.forward(*asked, **sampling)))
        if not isinstance(agent, framing.Voted):
            found = map(np.asarray, agent.forward_with_distributions(*asked))
            return from_distributions(*found, agent.action_coding)
        votes, probabilities = agent.votes(*asked)
        answers = framing.vote(votes)
        found = from_distributions(answers, probabilities, agent.action_coding)
        disagreement = framing.distances(votes, answers[:, np.newaxis])[..., 0].mean(axis=1)
        return dataclasses.replace(found, features=found.features | {"disagreement": disagreement})


def parse(text: str, agent: agent_wrapper.Agent, fitted_on: FittedOn | None = None) -> Source:
    """The source that a text names, of `FORMS`; `fitted_on` is of what calibrated the model, if
    anything did. Raises ValueError if there is none, or the model lacks what it needs."""
    if text == "default" and fitted_on is None:
        text = "token_distribution" if agent.has_distributions else "mc_dropout:head:16"
    elif text == "default":
        scope = f":{fitted_on.scope}:{fitted_on.num_samples}" if fitted_on.scope else ""
        text = fitted_on.source + scope
    match = re.fullmatch(r"mc_dropout:(head|full):(\d+)", text)
    if match and int(match[2]) > 1:
        return Source(agent, "mc_dropout", match[1], int(match[2]))
    if text != "token_distribution":
        raise ValueError(f"uncertainty: expected {FORMS}; got {text!r}.")
    if not agent.has_distributions:
        raise ValueError(
            "uncertainty token_distribution: expected a model with loss_type 'cross_entropy', got "
            "one that regresses coordinates. Use mc_dropout:head:16."
        )
    return Source(agent, text)


@dataclasses.dataclass(frozen=True)
class FittedOn:
    """Where a calibration comes from: model, source of uncertainty, data."""

    source: str  # of the uncertainty: "mc_dropout", "token_distribution", ...
    score: str  # which of the source's scores is the uncertainty: "credible_width", ...
    scope: str | None  # which dropout layers are on ("head", "full"); None without a scope
    num_samples: int  # passes for one answer
    dataset_fingerprint: str
    num_calibration_samples: int
    sample_ids_sha256: str  # of the samples' sorted `Samples.sample_ids`
    picture_ids: tuple[str, ...]  # of their pictures, `Samples.picture_ids`, sorted, each once
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

    inputs: tuple[str, ...]  # names, of `Estimate.inputs`
    means: tuple[float, ...]  # of the inputs, by which they are standardized
    stds: tuple[float, ...]
    weights: tuple[float, ...]  # of the standardized inputs
    bias: float
    error_limit: float  # what counts as right, as in `AskHuman`
    angle_limit: float | None

    def chance(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """That of each of N answers, float64 [N]; raises ValueError if an input is absent."""
        if absent := sorted(set(self.inputs) - set(inputs)):
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
            raise ValueError(f"{FILE_NAME}: expected one of {list(estimate.scores)} as score.")
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
        Raises ValueError if it is of another score, or a value is not finite."""
        mean, std = (np.asarray(one[row], np.float64) for one in (estimate.answers, estimate.std))
        score = float(self.uncertainty(estimate)[row])
        if not np.isfinite([*mean, *std, score]).all():
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


def write_calibration(directory: pathlib.Path, calibration: UncertaintyCalibration) -> None:
    """Writes `uncertainty.json` into a checkpoint's directory, whole or not at all."""
    text = json.dumps(dataclasses.asdict(calibration), indent=1, allow_nan=False)
    with atomic_files.replace_file(directory / FILE_NAME) as file:
        file.write(f"{text}\n".encode())


def calibration_of(contents: checkpoint_directory.Contents) -> UncertaintyCalibration | None:
    """What the `uncertainty.json` says that was read with a checkpoint; None if there was none.
    Raises ValueError if it is not as it should be, or of other weights."""
    if contents.calibration is None:
        return None
    found = read_calibration(contents.calibration, str(contents.directory / FILE_NAME))
    if found.fitted_on.weights_sha256 != contents.weights_sha256:
        text = f"{FILE_NAME}: expected the weights that were calibrated, got others: the checkpoint"
        raise ValueError(f"{text} has changed since. Run calibrate.py again, or take it away.")
    return found


def read_calibration(text: str, name: str) -> UncertaintyCalibration:
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
