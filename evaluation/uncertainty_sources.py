"""Where a model's uncertainty can come from, what each source says about a data set, and its cost.

| source               | passes of the network | needs                                            |
|----------------------|-----------------------|--------------------------------------------------|
| `TokenDistribution`  | 1                     | a cross_entropy model                            |
| `McDropout`          | 1 and S heads, or S   | a dropout rate above zero (arXiv 1506.02142)     |
| `Ensemble`           | one for each member   | several checkpoints (arXiv 1612.01474)           |
| `FlippedViews`       | 4                     | pictures that may be flipped (arXiv 1909.11384)  |

All but the first have members (samples, checkpoints, views), and answer with the mean of theirs;
see `uncertainty_estimate.py`, also for the scores. A source is called with a batch:

    found = uncertainty_sources.collect(TokenDistribution(agent), dataset, split.val_idx)
    found.answers, found.std, found.score, found.ms_per_image
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
import typing
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from evaluation import shifts, token_uncertainty, uncertainty_estimate
from food_data import framing, image_placement, npz_dataset
from tokenizers import action_coding

if typing.TYPE_CHECKING:
    import agent_wrapper


class Source(typing.Protocol):
    """What `collect` asks.

    Attributes:
        name: such as 'token_distribution'.
        settings: what it was made with, for a report.
    """

    name: str
    settings: dict[str, object]

    def __call__(
        self, images: np.ndarray, embeddings: np.ndarray, seed: int
    ) -> uncertainty_estimate.Estimate:
        """A batch: uint8 [B, H, W, 3], float32 [B, 512]; the seed is of what is random."""


class Frames:
    """What the last pass of a model looks at, for samples of a data set.

    The photos are those of the data set, or its pictures where it has none.
    """

    def __init__(
        self,
        agent: agent_wrapper.Agent | framing.Voted,
        dataset: npz_dataset.FoodDataset,
        framed: framing.Framing,
    ) -> None:
        """Args:
        agent: whose answers choose the crops; voted if `framed.votes`.
        dataset: N samples.
        framed: the passes.
        """
        self._agent, self._dataset, self._framing = agent, dataset, framed
        # Samples of one photo lie side by side.
        self._decode = functools.lru_cache(maxsize=2)(_decode)

    def look(
        self, rows: np.ndarray, images: np.ndarray, embeddings: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Runs the passes before the last one.

        Args:
            rows: of the samples, int [B].
            images: of theirs, uint8 [B, H, W, 3], what the first pass sees.
            embeddings: that they are asked with, float32 [B, D].

        Returns:
            What the last pass sees, uint8 [B, H, W, 3], and `framing.relative` of it.
        """
        files = self._dataset.photos
        if files is None:
            whole = image_placement.place(images[0], "stretch")[1]
            photos, placements = images, [whole] * len(rows)
        else:
            photos = _Photos([files[row].path for row in rows], self._decode)
            placements = [files[row].placement for row in rows]
        firsts = [framing.View(*pair) for pair in zip(images, placements)]
        views = framing.look(self._agent.forward, photos, firsts, embeddings, self._framing)
        seen = np.stack([view.square for view in views])
        return seen, framing.relative([view.placement for view in views], placements)


class _Photos(Sequence):
    """Photos that are read when they are asked for."""

    def __init__(
        self, paths: Sequence[os.PathLike[str]], decode: Callable[[os.PathLike[str]], np.ndarray]
    ) -> None:
        self._paths, self._decode = paths, decode

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._decode(self._paths[index])


def _decode(path: os.PathLike[str]) -> np.ndarray:
    with open(path, "rb") as file:
        return image_placement.decode_image(file.read())


def collect(
    source: Source,
    dataset: npz_dataset.FoodDataset,
    indices: np.ndarray,
    *,
    batch_size: int = 32,
    seed: int = 0,
    instructions: np.ndarray | None = None,
    change: shifts.Change | None = None,
    frames: Frames | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> uncertainty_estimate.Estimate:
    """Asks a source about samples of a data set, one batch of pictures in memory at a time.

    Args:
        source: one of this module's.
        dataset: N samples.
        indices: which of them are asked, int [n], at least one.
        batch_size: pictures in one pass. What is random depends on it.
        seed: of what is random.
        instructions: the sample whose instruction each is asked with, int [n]; None: its own.
        change: what becomes of the pictures first, see `shifts.SHIFTS`; None: nothing.
        frames: makes of the pictures what the last pass sees; None: one pass.
        progress: wraps the first samples of the batches, for a progress bar.

    Returns:
        The estimate for the n samples in order, in coordinates of the data set's pictures, and the
        time per picture without the first call, which traces the network and is made twice.

    Raises:
        ValueError: if there are no samples, or the source does not fit the model.
    """
    if not len(indices):
        raise ValueError(f"collect {source.name}: expected at least one sample, got none.")
    instructions = indices if instructions is None else instructions
    parts, seconds = [], 0.0
    for start in progress(range(0, len(indices), batch_size)):
        part = slice(start, start + batch_size)
        images, moved = dataset.images[indices[part]], None
        embeddings = np.asarray(dataset.embeddings[instructions[part]])
        if frames is not None:
            images, moved = frames.look(indices[part], images, embeddings)
        if change is not None:
            images = change(images, np.random.default_rng((seed, start)))
        batch = images, embeddings, (seed + start) % 2**31
        if not parts:
            source(*batch)
        before = time.perf_counter()
        found = source(*batch)
        seconds += time.perf_counter() - before
        parts.append(found if moved is None else found.moved(*moved))
    scores, features = (
        {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}
        for groups in ([part.scores for part in parts], [part.features for part in parts])
    )
    return uncertainty_estimate.Estimate(
        np.concatenate([part.answers for part in parts]),
        np.concatenate([part.std for part in parts]),
        scores,
        1000.0 * seconds / len(indices),
        features,
    )


class TokenDistribution:
    """The spread of the distribution that the one answer is taken from."""

    name = "token_distribution"

    def __init__(self, agent: agent_wrapper.Agent) -> None:
        """Args:
        agent: a cross_entropy model, or an engine of one.
        """
        self._agent = agent
        self.settings: dict[str, object] = {}

    def __call__(
        self, images: np.ndarray, embeddings: np.ndarray, seed: int
    ) -> uncertainty_estimate.Estimate:
        """See `Source`."""
        del seed  # Nothing is random.
        coding = self._agent.action_coding
        if not isinstance(self._agent, framing.Voted):
            found = map(np.asarray, self._agent.forward_with_distributions(images, embeddings))
            return uncertainty_estimate.from_distributions(*found, coding)
        votes, probabilities = self._agent.votes(images, embeddings)
        answers = framing.vote(votes)
        found = uncertainty_estimate.from_distributions(answers, probabilities, coding)
        disagreement = framing.distances(votes, answers[:, np.newaxis])[..., 0].mean(axis=1)
        features = {**found.features, "disagreement": disagreement}
        return dataclasses.replace(found, features=features)


class McDropout:
    """Samples with dropout on."""

    name = "mc_dropout"

    def __init__(
        self, agent: agent_wrapper.Agent, scope: str = "head", num_samples: int = 16
    ) -> None:
        """Args:
        agent: the model, or an engine of it.
        scope: 'head' or 'full'.
        num_samples: S.
        """
        self._agent = agent
        self.settings: dict[str, object] = {"scope": scope, "num_samples": num_samples}

    def __call__(
        self, images: np.ndarray, embeddings: np.ndarray, seed: int
    ) -> uncertainty_estimate.Estimate:
        """See `Source`."""
        sampling = {
            "dropout": self.settings["scope"],
            "num_samples": self.settings["num_samples"],
            "seed": seed,
        }
        found = _ask(self._agent, images, embeddings, **sampling)
        return uncertainty_estimate.from_members(*found, self._agent.action_coding)


class Ensemble:
    """Several checkpoints asked the same question."""

    name = "ensemble"

    def __init__(self, agents: Sequence[agent_wrapper.Agent], names: Sequence[str] = ()) -> None:
        """Holds all of its members in memory.

        Args:
            agents: at least two, all with a distribution of tokens or none.
            names: of the members, for a report.

        Raises:
            ValueError: for fewer than two, or members with another coding of their tokens.
        """
        if len(agents) < 2:
            raise ValueError(f"Ensemble: expected at least two members, got {len(agents)}.")
        codings = {agent.action_coding for agent in agents}
        if len(codings) > 1:
            raise ValueError(
                "Ensemble: expected members with the same RT1ActionTokenizer.coding, so that their "
                f"tokens can be averaged, got {sorted(codings)}."
            )
        self._coding = codings.pop()
        self._agents = list(agents)
        self.settings: dict[str, object] = {"num_members": len(agents), "members": list(names)}

    @classmethod
    def load(cls, directories: Sequence[str | os.PathLike[str]]) -> Ensemble:
        """Loads checkpoint directories; gin is left with the last one's configuration."""
        # Here, because it builds networks, which stand-ins for an agent do without.
        import checkpoint_directory

        agents = [checkpoint_directory.load(directory).agent for directory in directories]
        return cls(agents, [os.fspath(directory) for directory in directories])

    def __call__(
        self, images: np.ndarray, embeddings: np.ndarray, seed: int
    ) -> uncertainty_estimate.Estimate:
        """See `Source`."""
        del seed  # Nothing is random.
        members = [_ask(agent, images, embeddings) for agent in self._agents]
        return _from_list(members, self._coding)


class FlippedViews:
    """The picture as it is, its mirror images, and turned by 180 degrees: four answers.

    Averaged, they also err less. Only for pictures that are as plausible mirrored, and a model for
    which start and end of a motion are the same thing (x2 >= x1, as `food_data/augmentation.py`
    says) unless `canonical_direction` is False.
    """

    name = "flipped_views"

    def __init__(self, agent: agent_wrapper.Agent, canonical_direction: bool = True) -> None:
        """Args:
        agent: the model, or an engine of it.
        canonical_direction: answers of all views point to the right.
        """
        self._agent = agent
        self.settings: dict[str, object] = {"canonical_direction": canonical_direction}

    def __call__(
        self, images: np.ndarray, embeddings: np.ndarray, seed: int
    ) -> uncertainty_estimate.Estimate:
        """See `Source`."""
        del seed  # Nothing is random.
        members = []
        for flip_x, flip_y in ((False, False), (True, False), (False, True), (True, True)):
            view = images[:, :: -1 if flip_y else 1, :: -1 if flip_x else 1]
            found = _ask(self._agent, np.ascontiguousarray(view), embeddings)
            members.append(self._flip_back(*found, flip_x, flip_y))
        return _from_list(members, self._agent.action_coding)

    def _flip_back(
        self, answers: np.ndarray, probabilities: np.ndarray | None, flip_x: bool, flip_y: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What a view says about the picture: answers [B, 4], probabilities [B, 4, V]."""
        swap_ends = flip_x and self.settings["canonical_direction"]
        flips = (flip_x, flip_y, swap_ends)
        flipped, order = action_coding.mirrored_tokens(*flips, action_coding.ENDPOINTS)
        answers = np.where(flipped, 1 - answers, answers)[:, order]
        if probabilities is None:
            return answers, None
        flipped, order = action_coding.mirrored_tokens(*flips, self._agent.action_coding)
        mirrored = token_uncertainty.mirrored(probabilities)
        return answers, np.where(flipped[:, None], mirrored, probabilities)[:, order]


def _ask(
    agent: agent_wrapper.Agent, images: np.ndarray, embeddings: np.ndarray, **sampling: object
) -> tuple[np.ndarray, np.ndarray | None]:
    """Answers, and probabilities if the model has any."""
    if agent.has_distributions:
        found = agent.forward_with_distributions(images, embeddings, **sampling)
        return np.asarray(found[0]), np.asarray(found[1])
    return np.asarray(agent.forward(images, embeddings, **sampling)), None


def _from_list(
    members: list[tuple[np.ndarray, np.ndarray | None]],
    coding: str,
) -> uncertainty_estimate.Estimate:
    known = [probabilities is not None for _, probabilities in members]
    if any(known) != all(known):
        raise ValueError(
            "Ensemble: expected members with a distribution of tokens all or none, got "
            f"{sum(known)} of {len(known)} with loss_type 'cross_entropy'."
        )
    samples = np.stack([answers for answers, _ in members])
    return uncertainty_estimate.from_members(
        samples, np.stack([p for _, p in members]) if all(known) else None, coding
    )
