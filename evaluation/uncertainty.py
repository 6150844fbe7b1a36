"""Where a model's uncertainty comes from: answers, their standard deviations and scores of doubt.

| text               | passes of the network | needs                                       |
|--------------------|-----------------------|---------------------------------------------|
| token_distribution | 1                     | a cross_entropy model                       |
| mc_dropout:head:16 | 1 and 16 heads; with  | a dropout rate above 0 (arXiv 1506.02142)   |
|                    | the scope full, 16    |                                             |
| default            | that of what calibrated the checkpoint, if any; else        |
|                    | token_distribution of a cross_entropy model; else mc_dropout:head:16 |

A source is called with images uint8 [B, H, W, 3], embeddings float32 [B, 512] and a seed:

    found = uncertainty.collect(uncertainty.TokenDistribution(agent), samples)
    found.answers, found.std, found.score

Samples with dropout answer with their mean; their variance is the mean of their variances plus the
variance of their answers. Scores rank: the higher, the less sure; docs/evaluation.md ("Scores of
doubt") has the formula of each.

`features` are what else tells whether an answer is right (`confidence`):

| feature        | of                                                                          |
|----------------|-----------------------------------------------------------------------------|
| `rivalry`      | how likely the second likeliest place is, compared with the likeliest: 1 is |
|                | a tie, such as between two equal pieces                                     |
| `axis_spread`  | root mean squared sine of the angle to the answer's axis, degrees           |
| `motion`       | logarithm of the motion's length, as a share of what was looked at          |
| `off_centre`   | the midpoint's distance from the middle of what was looked at: after several|
|                | passes, how far the last one disagrees with the one before                  |
| `disagreement` | mean distance of the votes from the winner, where turned views vote         |

Example, a coordinate of 5 tokens with the probabilities 0.1, 0.6, 0.2, 0.1, 0. A token stands for
the middle of its bin, the last one for 1: 0.125, 0.375, 0.625, 0.875, 1. The deviation from the
answer 0.45 is the root of 0.1 * 0.325^2 + 0.6 * 0.075^2 + .. = 0.1953, the entropy 1.0889 nats.
70 % of the probability are all of the 0.6 and half of the 0.2: a width of 1.5 of 5 tokens, 0.3. Two
narrow hills far apart, such as the ends of a food whose direction is not known, are narrow too; so
the width ranks errors of the midpoint better than the deviation does.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import pathlib
import re
import typing
from collections.abc import Callable, Mapping

import numpy as np
import tqdm

from food_data import framing, image_placement, npz_dataset
from tokenizers import action_coding

if typing.TYPE_CHECKING:
    import agent_wrapper
    from evaluation.samples import Samples

FORMS = (
    "token_distribution, mc_dropout:SCOPE:SAMPLES (such as mc_dropout:head:16; the scope head or "
    "full, at least 2 samples), or default"
)
_INFORMATION = ("entropy", "mutual_information")  # The other scores are lengths.
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
        """All that `confidence` is told, {name: float64 [N]}; of lengths the logarithm, so that a
        doubling counts the same everywhere."""
        lengths = {
            name: np.log(np.maximum(score, 1e-4))
            for name, score in self.scores.items()
            if name not in _INFORMATION
        }
        return {**self.scores, **lengths, **self.features}

    def part(self, rows: np.ndarray | slice) -> Estimate:
        """That of some of the answers: numbers int [m], bool [N] or a slice."""
        scores = {name: values[rows] for name, values in self.scores.items()}
        features = {name: values[rows] for name, values in self.features.items()}
        return Estimate(self.answers[rows], self.std[rows], scores, features)

    def moved(self, factors: np.ndarray, shifts: np.ndarray) -> Estimate:
        """The same in coordinates of another square: coordinate * factor + shift, [N, 2] each, see
        `framing.relative`. Lengths (answers, std, widths and spreads) become those of that square,
        an entropy that of densities over it; factors 1 and shifts 0 leave every bit as it is."""
        both = np.tile(factors, 2)
        answers = (self.answers * both + np.tile(shifts, 2)).astype(self.answers.dtype)
        lengths = np.sqrt(factors.prod(axis=1))
        how = {"entropy": lambda score: score + np.log(lengths), "mutual_information": lambda s: s}
        scores = {
            name: how.get(name, lambda score: score * lengths)(score)
            for name, score in self.scores.items()
        }
        return Estimate(answers, self.std * both, scores, self.features)


def joined(parts: list[Estimate]) -> Estimate:
    """The estimates of batches as one."""
    first = parts[0]
    return Estimate(
        np.concatenate([one.answers for one in parts]),
        np.concatenate([one.std for one in parts]),
        {name: np.concatenate([one.scores[name] for one in parts]) for name in first.scores},
        {name: np.concatenate([one.features[name] for one in parts]) for name in first.features},
    )


def from_distributions(
    answers: np.ndarray, probabilities: np.ndarray, coding: str = action_coding.ENDPOINTS
) -> Estimate:
    """What one pass says: answers [B, 4] and probabilities [B, 4, V] of tokens of a coding. Scores
    'credible_width', 'entropy', 'midpoint_std'; ValueError if rows are no probabilities."""
    std, midpoint = execution_parameters_std(probabilities, answers, coding)
    scores = _token_scores(probabilities) | {"midpoint_std": midpoint}
    return Estimate(answers, std, scores, _token_features(answers, probabilities, coding))


def from_members(
    samples: np.ndarray, probabilities: np.ndarray | None, coding: str = action_coding.ENDPOINTS
) -> Estimate:
    """What S members say together: samples [S, B, 4] and probabilities [S, B, 4, V], None of a
    model that regresses coordinates. Example, two of such a model that answer [0.2, 0.4, 0.6, 0.4]
    and [0.4, 0.4, 0.8, 0.4]: answer [0.3, 0.4, 0.7, 0.4], std [0.1, 0, 0.1, 0], spread 0.1.

    Scores of `from_distributions` of the mixture, then 'mutual_information' and 'midpoint_spread';
    of a regression model the last one only.
    """
    answers = samples.mean(axis=0)
    variance = samples.var(axis=0, dtype=np.float64)
    midpoints = (samples[..., :2] + samples[..., 2:]) / 2
    spread_squared = midpoints.var(axis=0, dtype=np.float64).sum(axis=-1)
    spread = {"midpoint_spread": np.sqrt(spread_squared)}
    if probabilities is None:
        x, y = np.moveaxis(np.asarray(samples[..., 2:] - samples[..., :2], np.float64), -1, 0)
        doubled = np.exp(2j * np.arctan2(y, x)).mean(axis=0)
        features = {"axis_spread": axis_spread(answers, doubled), **_view_features(answers)}
        return Estimate(answers, np.sqrt(variance), spread, features)
    within = execution_parameters_std(probabilities, samples, coding)
    within, within_midpoint = (np.square(one).mean(axis=0) for one in within)
    std = np.sqrt(variance + within)
    midpoint = np.sqrt(np.square(std).sum(axis=-1)) / 2
    if coding != action_coding.ENDPOINTS:
        midpoint = np.sqrt(spread_squared + within_midpoint)
    mixture = probabilities.mean(axis=0, dtype=np.float64)
    shared = np.maximum(entropy(mixture) - entropy(probabilities).mean(axis=0), 0.0)
    scores = _token_scores(mixture) | {
        "midpoint_std": midpoint,
        "mutual_information": shared.mean(axis=-1),
        **spread,
    }
    return Estimate(answers, std, scores, _token_features(answers, mixture, coding))


def execution_parameters_std(
    probabilities: np.ndarray, answers: np.ndarray, coding: str
) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square distance of tokens [..., 4, V] from an answer [..., 4] (the standard
    deviation if it is the mean): of the coordinates, float64 [..., 4], and of the midpoint, x and y
    together, float64 [...]."""
    probabilities = _checked(probabilities)
    values = action_coding.bin_values(probabilities.shape[-1])
    coded = action_coding.encode(np.asarray(answers, np.float64), coding)
    squared = np.sum(probabilities * np.square(values - coded[..., None]), axis=-1)
    return action_coding.std_about(np.sqrt(squared), probabilities @ values - coded, coding)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon's entropy of [..., V] in nats, 0 .. log V, float64 [...]."""
    probabilities = _checked(probabilities)
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))  # 0 log 0 is 0.
    return -np.sum(probabilities * logs, axis=-1)


def credible_width(probabilities: np.ndarray, mass: float = CREDIBLE_MASS) -> np.ndarray:
    """Share of the tokens [..., V], likeliest first, that hold `mass` of the probability; the last
    of them counts by the part of it that is needed, so equal values are rare. [...]."""
    likeliest = np.sort(_checked(probabilities), axis=-1)[..., ::-1]
    held = np.cumsum(likeliest, axis=-1)
    # Rows that rounding lets sum to less than 1 still hold `mass` of what they have.
    wanted = mass * held[..., -1:]
    whole = np.sum(held < wanted, axis=-1, keepdims=True)
    before = np.take_along_axis(held - likeliest, whole, axis=-1)
    part = (wanted - before) / np.take_along_axis(likeliest, whole, axis=-1)
    return ((whole + part) / likeliest.shape[-1])[..., 0]


def rivalry(midpoint: np.ndarray) -> np.ndarray:
    """How likely the second likeliest place is, compared with the likeliest: float64 [N], 0..1.

    `midpoint` [N, 2, K] are probabilities of cx and cy in K steps over 0..1. In the coordinate with
    the stronger rival: the probability within 0.05 of the likeliest other place, at least 0.1 away,
    divided by that within 0.05 of the likeliest.
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
    """How far motions point from the answer's axis: the arcsine of the root mean squared sine of
    the angle, degrees 0..90 [N]. `doubled` is the mean of exp(2 i angle) of the motions."""
    x, y = np.asarray(answers[:, 2:] - answers[:, :2], np.float64).T
    along = np.real(doubled * np.exp(-2j * np.arctan2(y, x)))
    return np.degrees(np.arcsin(np.sqrt(np.clip((1 - along) / 2, 0, 1))))


def _token_scores(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "credible_width": credible_width(probabilities).mean(axis=-1),
        "entropy": entropy(probabilities).mean(axis=-1),
    }


def _token_features(
    answers: np.ndarray, probabilities: np.ndarray, coding: str
) -> dict[str, np.ndarray]:
    """Tokens are independent: the distribution of a sum or difference is a convolution."""
    probabilities = np.asarray(probabilities, np.float64)
    first, second, size = probabilities[:, :2], probabilities[:, 2:], probabilities.shape[-1]
    if coding == action_coding.MIDPOINT_EXTENT:
        places, extents = first, second
    else:
        places, extents = _convolved(first, second), _convolved(second, first[..., ::-1])
    cosines, sines = _doubled_angles(size, coding)
    along, across = extents[:, 0], extents[:, 1]
    doubled = ((along @ cosines) * across).sum(-1) + 1j * ((along @ sines) * across).sum(-1)
    return {
        "rivalry": rivalry(places),
        "axis_spread": axis_spread(answers, doubled),
        **_view_features(answers),
    }


@functools.lru_cache(maxsize=4)
def _doubled_angles(size: int, coding: str) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of twice the angle of a motion, by the bins of its x and y extent."""
    if coding == action_coding.MIDPOINT_EXTENT:
        extents = action_coding.bin_values(size) - action_coding.EXTENT_OFFSET
    else:
        extents = np.arange(1 - size, size, dtype=np.float64)
    angles = 2 * np.arctan2(extents[np.newaxis, :], extents[:, np.newaxis])
    return np.cos(angles), np.sin(angles)


def _view_features(answers: np.ndarray) -> dict[str, np.ndarray]:
    ends = np.asarray(answers, np.float64).reshape(-1, 2, 2)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    return {
        "motion": np.log(np.maximum(lengths, 1e-2)),
        "off_centre": np.linalg.norm(ends.mean(axis=1) - 0.5, axis=1),
    }


def _convolved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of the last axes, [..., V] to [..., 2 V - 1]."""
    size = 2 * first.shape[-1] - 1
    spectrum = np.fft.rfft(first, size) * np.fft.rfft(second, size)
    return np.maximum(np.fft.irfft(spectrum, size), 0.0)


def _checked(probabilities: np.ndarray) -> np.ndarray:
    """float64, refused unless they sum to 1, which also NaN does not."""
    probabilities = np.asarray(probabilities, np.float64)
    sums = probabilities.sum(axis=-1)
    if not (np.all(np.abs(sums - 1.0) < 1e-3) and np.all(probabilities >= 0)):
        raise ValueError(
            "token distributions: expected probabilities >= 0 that sum to 1 over the last axis, "
            f"got a smallest one of {probabilities.min():g} and sums from {sums.min():g} to "
            f"{sums.max():g}; take the softmax of logits first."
        )
    return probabilities


class Source:
    """What all sources have: a name, the scope of dropout if any, and the number of samples."""

    name, scope, num_samples = "", None, 1

    def __init__(self, agent: agent_wrapper.Agent) -> None:
        self._agent = agent

    @property
    def label(self) -> str:
        """A short name for tables, such as 'mc_dropout head 16'."""
        return f"{self.name} {self.scope} {self.num_samples}" if self.scope else self.name

    def is_of(self, fitted_on: typing.Any) -> bool:
        """Whether a `calibration.FittedOn` was fitted to this source, as it is set."""
        fitted = (fitted_on.source, fitted_on.scope, fitted_on.num_samples)
        return fitted == (self.name, self.scope, self.num_samples)


class PlainAnswers(Source):
    """The model's answers without any uncertainty: std 0, no scores."""

    name = "model"

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        answers = np.asarray(self._agent.forward(images, embeddings))
        return Estimate(answers, np.zeros(answers.shape), {})


class TokenDistribution(Source):
    """The spread of the distribution that the one answer is taken from."""

    name = "token_distribution"

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        coding = self._agent.action_coding
        if not isinstance(self._agent, framing.Voted):
            found = map(np.asarray, self._agent.forward_with_distributions(images, embeddings))
            return from_distributions(*found, coding)
        votes, probabilities = self._agent.votes(images, embeddings)
        answers = framing.vote(votes)
        found = from_distributions(answers, probabilities, coding)
        disagreement = framing.distances(votes, answers[:, np.newaxis])[..., 0].mean(axis=1)
        features = {**found.features, "disagreement": disagreement}
        return dataclasses.replace(found, features=features)


class McDropout(Source):
    """Samples with dropout on."""

    name = "mc_dropout"

    def __init__(self, agent: agent_wrapper.Agent, scope: str, num_samples: int) -> None:
        super().__init__(agent)
        self.scope, self.num_samples = scope, num_samples

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        sampling = {"dropout": self.scope, "num_samples": self.num_samples, "seed": seed}
        if not self._agent.has_distributions:
            answers = self._agent.forward(images, embeddings, **sampling)
            return from_members(np.asarray(answers), None)
        found = self._agent.forward_with_distributions(images, embeddings, **sampling)
        return from_members(*map(np.asarray, found), self._agent.action_coding)


def parse(text: str, agent: agent_wrapper.Agent, fitted_on: typing.Any = None) -> Source:
    """The source that a text names, see the module. `fitted_on` is the `calibration.FittedOn` of
    what calibrated the model, None if nothing did. Raises ValueError if there is no such source, or
    the model lacks what it needs."""
    if text == "default" and fitted_on is not None:
        text = fitted_on.source
        if text == "mc_dropout":
            text += f":{fitted_on.scope}:{fitted_on.num_samples}"
    elif text == "default":
        text = "token_distribution" if agent.has_distributions else "mc_dropout:head:16"
    match = re.fullmatch(r"mc_dropout:(head|full):(\d+)", text)
    if match and int(match[2]) > 1:
        return McDropout(agent, match[1], int(match[2]))
    if text != "token_distribution":
        near = difflib.get_close_matches(
            text.partition(":")[0], ("token_distribution", "mc_dropout")
        )
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"uncertainty: expected {FORMS}; got {text!r}.{hint}")
    if not agent.has_distributions:
        raise ValueError(
            "uncertainty token_distribution: expected a model with loss_type 'cross_entropy', "
            "got one that regresses coordinates and has no token distributions. Use "
            "mc_dropout:head:16."
        )
    return TokenDistribution(agent)


@dataclasses.dataclass(frozen=True)
class Frames:
    """What the last pass of a model looks at: crops of the data set's photos, or of its pictures
    where it has none. The answers of `agent` choose the crops."""

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
            photos = _Photos([files[row].path for row in rows])
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
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    frames: Frames | None = None,
) -> Estimate:
    """Asks a source about n samples, one batch of pictures in memory at a time: the estimate in
    coordinates of the data set's pictures. What is random depends on `batch_size` and `seed`.
    `embeddings` float32 [n, 512] are the instructions that are asked with (None: the samples' own),
    `change` is what becomes of what the last pass sees (`study.SHIFTS`), `frames` says what that is
    (None: one pass)."""
    dataset, indices, parts = samples.dataset, samples.indices, []
    starts = range(0, len(samples), batch_size)
    for start in tqdm.tqdm(starts, unit="batch", leave=False, disable=None):
        part = slice(start, start + batch_size)
        images, moved = dataset.images[indices[part]], None
        asked = dataset.embeddings[indices[part]] if embeddings is None else embeddings[part]
        asked = np.asarray(asked)
        if frames is not None:
            images, moved = frames.look(indices[part], images, asked)
        if change is not None:
            images = change(images, np.random.default_rng((seed, start)))
        found = source(images, asked, (seed + start) % 2**31)
        parts.append(found if moved is None else found.moved(*moved))
    return joined(parts)
