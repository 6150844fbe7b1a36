"""Where a model's uncertainty can come from, and what each source says about a data set.

| text                | passes of the network | needs                                            |
|---------------------|-----------------------|--------------------------------------------------|
| token_distribution  | 1                     | a cross_entropy model                            |
| mc_dropout:head:16  | 1 and 16 heads; with  | a dropout rate above zero (arXiv 1506.02142)     |
|                     | the scope full, 16    |                                                  |
| ensemble:DIR,DIR    | one for each member   | several checkpoints (arXiv 1612.01474)           |
| flipped_views       | 4                     | pictures that may be flipped (arXiv 1909.11384)  |
| default             | that of what calibrated the checkpoint, if any; else                     |
|                     | token_distribution of a cross_entropy model; else mc_dropout:head:16     |

All but the first have members (samples, checkpoints, views), and answer with the mean of theirs;
`uncertainty.py` says how, and what the scores are. A source is called with a batch, images uint8
[B, H, W, 3], embeddings float32 [B, 512] and a seed of what is random:

    found = uncertainty_sources.collect(TokenDistribution(agent), samples)
    found.answers, found.std, found.score
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import pathlib
import typing
from collections.abc import Callable, Sequence

import numpy as np
import tqdm

from evaluation import uncertainty
from evaluation.uncertainty import Estimate
from food_data import framing, image_placement, npz_dataset
from tokenizers import action_coding

if typing.TYPE_CHECKING:
    import agent_wrapper
    from evaluation.samples import Samples

FORMS = {
    "token_distribution": "token_distribution",
    "mc_dropout": "mc_dropout:SCOPE:SAMPLES, such as mc_dropout:head:16",
    "ensemble": "ensemble:DIR,DIR",
    "flipped_views": "flipped_views",
    "default": "default",
}


class Source:
    """What all sources have: a name, the scope of dropout if any, the number of passes, samples or
    members for one answer, and for a report the settings that it was made with."""

    name, scope, num_samples = "", None, 1

    def __init__(self, agent: agent_wrapper.Agent, **settings: object) -> None:
        self._agent, self.settings = agent, settings

    @property
    def label(self) -> str:
        """A short name for tables: 'mc_dropout head 16', 'ensemble 3'."""
        shown = [self.scope or "", str(self.num_samples) if self.settings else ""]
        return " ".join(filter(None, [self.name, *shown]))

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
            return uncertainty.from_distributions(*found, coding)
        votes, probabilities = self._agent.votes(images, embeddings)
        answers = framing.vote(votes)
        found = uncertainty.from_distributions(answers, probabilities, coding)
        disagreement = framing.distances(votes, answers[:, np.newaxis])[..., 0].mean(axis=1)
        features = {**found.features, "disagreement": disagreement}
        return dataclasses.replace(found, features=features)


class McDropout(Source):
    """Samples with dropout on."""

    name = "mc_dropout"

    def __init__(self, agent: agent_wrapper.Agent, scope: str, num_samples: int) -> None:
        super().__init__(agent, scope=scope, num_samples=num_samples)
        self.scope, self.num_samples = scope, num_samples

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        sampling = {"dropout": self.scope, "num_samples": self.num_samples, "seed": seed}
        found = _ask(self._agent, images, embeddings, **sampling)
        return uncertainty.from_members(*found, self._agent.action_coding)


class Ensemble(Source):
    """Several checkpoints, all of them in memory, with the same coding of tokens, or without."""

    name = "ensemble"

    def __init__(self, agents: Sequence[agent_wrapper.Agent], names: Sequence[str] = ()) -> None:
        kinds = {(agent.has_distributions, agent.action_coding) for agent in agents}
        if len(kinds) != 1:
            raise ValueError(
                "Ensemble: expected members with the same RT1ActionTokenizer.coding and all or "
                f"none with a distribution of tokens (cross_entropy), got {sorted(kinds)}."
            )
        super().__init__(agents[0], num_members=len(agents), members=list(names))
        self.num_samples, self._agents = len(agents), agents

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        members = [_ask(agent, images, embeddings) for agent in self._agents]
        return _from_list(members, self._agent.action_coding)


class FlippedViews(Source):
    """The picture as it is, its mirror images, and turned by 180 degrees: four answers, which all
    point to the right. Averaged, they also err less. Only for pictures that are as plausible
    mirrored, and a model for which start and end of a motion are the same thing."""

    name, num_samples = "flipped_views", 4

    def __call__(self, images: np.ndarray, embeddings: np.ndarray, seed: int) -> Estimate:
        members, coding = [], self._agent.action_coding
        for flip_x, flip_y in ((False, False), (True, False), (False, True), (True, True)):
            view = images[:, :: -1 if flip_y else 1, :: -1 if flip_x else 1]
            answers, probabilities = _ask(self._agent, np.ascontiguousarray(view), embeddings)
            flips = (flip_x, flip_y, flip_x)  # What points to the right has to be turned around.
            flipped, order = action_coding.mirrored_tokens(*flips, action_coding.ENDPOINTS)
            answers = np.where(flipped, 1 - answers, answers)[:, order]
            if probabilities is not None:
                flipped, order = action_coding.mirrored_tokens(*flips, coding)
                mirrored = uncertainty.mirrored(probabilities)
                probabilities = np.where(flipped[:, None], mirrored, probabilities)[:, order]
            members.append((answers, probabilities))
        return _from_list(members, coding)


def _ask(
    agent: agent_wrapper.Agent, images: np.ndarray, embeddings: np.ndarray, **sampling: object
) -> tuple[np.ndarray, np.ndarray | None]:
    """Answers, and probabilities if the model has any."""
    if agent.has_distributions:
        found = agent.forward_with_distributions(images, embeddings, **sampling)
        return np.asarray(found[0]), np.asarray(found[1])
    return np.asarray(agent.forward(images, embeddings, **sampling)), None


def _from_list(members: list[tuple[np.ndarray, np.ndarray | None]], coding: str) -> Estimate:
    answers, probabilities = zip(*members)
    known = None if probabilities[0] is None else np.stack(probabilities)
    return uncertainty.from_members(np.stack(answers), known, coding)


def parse(text: str, agent: agent_wrapper.Agent, fitted_on: typing.Any = None) -> Source:
    """The source that a text names, see the module; an ensemble loads its checkpoints. `fitted_on`
    is the `calibration.FittedOn` of what calibrated the model, None if nothing did. Raises
    ValueError if there is no such source, or the model lacks what it needs."""
    if text == "default" and fitted_on is not None:
        text = fitted_on.source
        if text == "ensemble":
            raise ValueError(
                f"The checkpoint's calibration is of an ensemble of {fitted_on.num_samples}, whose "
                "members it does not name. Give them: --uncertainty ensemble:DIR,DIR."
            )
        if text == "mc_dropout":
            text += f":{fitted_on.scope}:{fitted_on.num_samples}"
    elif text == "default":
        text = "token_distribution" if agent.has_distributions else "mc_dropout:head:16"
    name, _, settings = text.partition(":")
    if name not in FORMS:
        near = difflib.get_close_matches(name, FORMS, 1)
        expected = f"one of {'; '.join(FORMS.values())}"
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"--uncertainty: expected {expected}; got {text!r}.{hint}")
    if name == "mc_dropout":
        scope, _, number = settings.partition(":")
        if scope not in ("head", "full") or not number.isdecimal() or int(number) < 2:
            raise ValueError(
                f"--uncertainty: expected {FORMS['mc_dropout']}, the scope head or full and at "
                f"least 2 samples; got {text!r}."
            )
        return McDropout(agent, scope, int(number))
    if name == "ensemble":
        directories = [one for one in settings.split(",") if one]
        if len(directories) < 2:
            raise ValueError(f"--uncertainty: expected ensemble:DIR,DIR, got {text!r}.")
        # Here, because it builds networks, which servers' engines do without.
        import checkpoint_directory

        agents = [checkpoint_directory.load(directory).agent for directory in directories]
        return Ensemble(agents, directories)
    if settings:
        raise ValueError(f"--uncertainty: expected {name!r} without settings, got {text!r}.")
    if name == "flipped_views":
        return FlippedViews(agent)
    if not agent.has_distributions:
        raise ValueError(
            "--uncertainty token_distribution: expected a model with loss_type 'cross_entropy', "
            "got one that regresses coordinates and has no token distributions. Use "
            "mc_dropout:head:16 or an ensemble."
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
    return uncertainty.joined(parts)
