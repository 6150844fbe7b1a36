"""Answers to the samples of a data set: a model's, and those that anybody could give.

An answer is [x1, y1, x2, y2] in 0..1, origin top left, y down. Swapped instructions show whether
the model listens: on a plate with a banana and rice it is asked for either, by lot, whichever the
sample is about. A model that listens goes where it is told, so it is nearest to the sample's own
food as often as the lot says so: by chance.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable

import numpy as np

import metrics
from evaluation import baselines, uncertainty_estimate
from evaluation.study import samples as study_samples
from food_data import npz_dataset

if typing.TYPE_CHECKING:
    import agent_wrapper

Progress = Callable[[Iterable], Iterable]
Collect = Callable[..., uncertainty_estimate.Estimate]


class PlainAnswers:
    """The model's answers without any uncertainty, as a source that `collect` asks."""

    name = "model"

    def __init__(self, agent: agent_wrapper.Agent) -> None:
        """Args:
        agent: the model, or an engine of it.
        """
        self._agent = agent
        self.settings: dict[str, object] = {}

    def __call__(
        self, images: np.ndarray, embeddings: np.ndarray, seed: int
    ) -> uncertainty_estimate.Estimate:
        """See `uncertainty_sources.Source`; the std is 0, and there are no scores."""
        del seed  # Nothing is random.
        answers = np.asarray(self._agent.forward(images, embeddings))
        return uncertainty_estimate.Estimate(answers, np.zeros(answers.shape), {})


def other_answers(
    samples: study_samples.Samples, collect: Collect, agent: agent_wrapper.Agent, seed: int
) -> dict[str, np.ndarray]:
    """What the model is measured beside: itself with swapped instructions, and four baselines.

    Args:
        samples: n of them. Without `sources` nothing is swapped; without training samples or names
            the baselines that need them are absent.
        collect: asks a source about the samples, with other instructions if they are given.
        agent: the model.
        seed: of the lot that swaps instructions.

    Returns:
        {kind: float [n, 4]}.
    """
    dataset, found = samples.dataset, {}
    if dataset.sources is not None:
        swapped = swapped_instructions(dataset, samples.indices, seed)
        swapped_answers = collect(PlainAnswers(agent), instructions=swapped).answers
        found["model, instruction swapped"] = swapped_answers
    train, actions = samples.train, samples.names("action_names")
    foods = samples.names("food_types")
    if train is not None:
        found["mean of the training labels"] = baselines.mean_answers(train.labels, len(samples))
        if not any(names is None for names in (train.actions, train.foods, actions, foods)):
            known = baselines.instruction_mean_answers(
                train.labels, train.actions, train.foods, actions, foods
            )
            found["mean of action and food"] = known.answers
    found["centre of the picture"] = baselines.centre_answers(len(samples))
    found["colour"] = baselines.colour_answers(dataset.images, samples.indices)
    return found


def model_answers(
    agent: agent_wrapper.Agent,
    dataset: npz_dataset.FoodDataset,
    indices: np.ndarray,
    instructions: np.ndarray | None = None,
    batch_size: int = 32,
    progress: Progress = iter,
) -> np.ndarray:
    """What the model answers, without dropout.

    Holds one batch of pictures at a time.

    Args:
        agent: built for the pictures of the data set.
        dataset: N samples.
        indices: which of them are asked, int [n].
        instructions: the sample whose instruction each is asked with, int [n]; None: its own.
        batch_size: pictures in one pass.
        progress: wraps the first samples of the batches, for a progress bar.

    Returns:
        float32 [n, 4], clipped to 0..1.
    """
    instructions = indices if instructions is None else instructions
    answers = np.empty((len(indices), 4), np.float32)
    for start in progress(range(0, len(indices), batch_size)):
        part = slice(start, start + batch_size)
        embeddings = np.asarray(dataset.embeddings[instructions[part]])
        answers[part] = agent.forward(dataset.images[indices[part]], embeddings).numpy()
    return answers


def swapped_instructions(
    dataset: npz_dataset.FoodDataset, indices: np.ndarray, seed: int
) -> np.ndarray:
    """For each sample one of the samples of the same picture, by lot; it may be itself.

    Args:
        dataset: with `sources`.
        indices: samples, int [n]; the lot is drawn among them.
        seed: of the lot.

    Returns:
        int [n], sample numbers.

    Raises:
        ValueError: if the data set has no `sources`, so that nobody knows what shares a picture.
    """
    if dataset.sources is None:
        raise ValueError(
            "swapped_instructions: expected a data set with `sources`, got one without: which "
            "samples share a picture is not known."
        )
    rng, swapped = np.random.default_rng(seed), np.array(indices)
    for _, samples in metrics.groups(dataset.sources[indices]):
        swapped[samples] = rng.choice(indices[samples], len(samples))
    return swapped


def constant_answers(
    reference_labels: np.ndarray | None, num_answers: int
) -> dict[str, np.ndarray]:
    """What can be answered without looking at the picture.

    Args:
        reference_labels: float [M, 4], labels that may be known (those of training); None if there
            are none.
        num_answers: n.

    Returns:
        {'mean of the training labels' (if there are any), 'centre of the picture'}: float64 [n, 4].
    """
    centre = np.array([0.25, 0.5, 0.75, 0.5])
    constants = {"centre of the picture": centre}
    if reference_labels is not None:
        mean = np.mean(reference_labels, axis=0, dtype=np.float64)
        constants = {"mean of the training labels": mean, **constants}
    return {name: np.broadcast_to(value, (num_answers, 4)) for name, value in constants.items()}
