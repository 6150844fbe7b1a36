"""Where a model's uncertainty comes from: answers, their standard deviations and scores of doubt.

docs/evaluation.md ("Scores of doubt") has the sources and the formulas of scores and features.

Example, a coordinate of 5 tokens with the probabilities 0.1, 0.6, 0.2, 0.1, 0. A token stands for
the middle of its bin, the last one for 1: 0.125, 0.375, 0.625, 0.875, 1. The deviation from the
answer 0.45 is the root of 0.1 * 0.325^2 + 0.6 * 0.075^2 + .. = 0.1953, the entropy 1.0889 nats.
99 % of the probability are all of the 0.6, 0.2 and 0.1 and 0.09 of the last 0.1: a width of 3.9 of
5 tokens, 0.78.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
import re
import typing
from collections.abc import Mapping

import numpy as np
import tqdm

from food_data import framing, image_placement, npz_dataset
from tokenizers import action_tokenizer

if typing.TYPE_CHECKING:
    import agent_wrapper
    from evaluation.samples import Samples

FORMS = (
    "token_distribution, mc_dropout:SCOPE:SAMPLES (such as mc_dropout:head:16; the scope head or "
    "full, at least 2 samples), or default"
)
# Tails count: what is likely at all tells more about gross errors than the shape of the peak.
CREDIBLE_MASS = 0.99
# Two places count as two if they are as far apart, and count with what is as near to them.
_PLACE_WIDTH = 0.1


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
        scores = {name: values[rows] for name, values in self.scores.items()}
        features = {name: values[rows] for name, values in self.features.items()}
        return Estimate(self.answers[rows], self.std[rows], scores, features)

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
    """What one pass says: answers [B, 4] and probabilities [B, 4, V] of tokens of a coding. Scores
    'credible_width', 'entropy', 'midpoint_std'. The std is the root mean square distance of tokens
    from the answer. Raises ValueError unless rows sum to 1, which also NaN does not."""
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
    """What S answers with dropout say together, [S, B, 4]: their mean, and the score
    'midpoint_spread'. Example, two that answer [0.2, 0.4, 0.6, 0.4] and [0.4, 0.4, 0.8, 0.4]:
    answer [0.3, 0.4, 0.7, 0.4], std [0.1, 0, 0.1, 0], spread 0.1."""
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

    def is_of(self, fitted_on: typing.Any) -> bool:
        """Whether a `calibration.FittedOn` was fitted to this source, as it is set."""
        fitted = (fitted_on.source, fitted_on.scope, fitted_on.num_samples)
        return fitted == (self.name, self.scope, self.num_samples)

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


def parse(text: str, agent: agent_wrapper.Agent, fitted_on: typing.Any = None) -> Source:
    """The source that a text names, of `FORMS`; `fitted_on` is the `calibration.FittedOn` of what
    calibrated the model, if anything did. Raises ValueError if there is no such source, or the
    model lacks what it needs."""
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
class Frames:
    """What the last pass of a model looks at: crops, which the answers of `agent` choose, of the
    data set's photos, or of its pictures where it has none."""

    agent: agent_wrapper.Agent | framing.Voted
    dataset: npz_dataset.FoodDataset
    framing: framing.Framing

    def look(
        self, rows: np.ndarray, images: np.ndarray, embeddings: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """What the last pass sees of samples `rows`, uint8 [B, H, W, 3], and `framing.relative` of
        it; `images` are what the first pass sees."""
        files, photos = self.dataset.photos, images
        placements = [image_placement.place(images[0], "stretch")[1]] * len(rows)
        if files is not None:
            photos = _Photos(files[row].path for row in rows)
            placements = [files[row].placement for row in rows]
        firsts = [framing.View(*pair) for pair in zip(images, placements)]
        views = framing.look(self.agent.forward, photos, firsts, embeddings, self.framing)
        seen = np.stack([view.square for view in views])
        return seen, framing.relative([view.placement for view in views], placements)


class _Photos(list[pathlib.Path]):
    """Photos that are read when they are asked for; those of one photo lie side by side."""

    def __getitem__(self, index: int) -> np.ndarray:
        return _decode(super().__getitem__(index))


@functools.lru_cache(maxsize=2)
def _decode(path: pathlib.Path) -> np.ndarray:
    return image_placement.decode_photo(path.read_bytes())[0]


def collect(
    source: Source,
    samples: Samples,
    *,
    batch_size: int = 32,
    seed: int = 0,
    embeddings: np.ndarray | None = None,
    frames: Frames | None = None,
) -> Estimate:
    """Asks a source about n samples, one batch of pictures in memory at a time: the estimate in
    coordinates of the data set's pictures. `embeddings` float32 [n, 512] are what is asked (None:
    the samples' own instructions), `frames` says what the last pass looks at (None: one pass)."""
    dataset, indices, parts = samples.dataset, samples.indices, []
    starts = range(0, len(samples), batch_size)
    for start in tqdm.tqdm(starts, unit="batch", leave=False, disable=None):
        part = slice(start, start + batch_size)
        images, moved = dataset.images[indices[part]], None
        asked = dataset.embeddings[indices[part]] if embeddings is None else embeddings[part]
        asked = np.asarray(asked)
        if frames is not None:
            images, moved = frames.look(indices[part], images, asked)
        found = source(images, asked, (seed + start) % 2**31)
        parts.append(found if moved is None else found.moved(*moved))

    def joined(tables: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.concatenate([one[name] for one in tables]) for name in tables[0]}

    return Estimate(
        np.concatenate([one.answers for one in parts]),
        np.concatenate([one.std for one in parts]),
        joined([one.scores for one in parts]),
        joined([one.features for one in parts]),
    )
