"""Answers that need no learning, or no more than a mean: what a model has to beat.

| name                        | knows                                       | sees the picture |
|-----------------------------|---------------------------------------------|------------------|
| mean of the training labels | training labels                             | no               |
| mean of action and food     | training labels and their instructions      | no               |
| centre of the picture       | nothing                                     | no               |
| most colourful region       | nothing (`saliency`); not the instruction   | yes              |

An answer is [x1, y1, x2, y2] in 0..1, origin top left, y down. Example of "mean of action and
food": training labels of "skewering banana" with the midpoints (0.4, 0.4) and (0.6, 0.4) make it
answer (0.5, 0.4) to every "skewering banana". It answers "skewering grape" with the mean of all
skewering if training had no such sample, and with the mean of everything if it had no skewering.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from evaluation import saliency

CENTRE = (0.25, 0.5, 0.75, 0.5)
Progress = Callable[[Iterable], Iterable]


@dataclasses.dataclass(frozen=True)
class InstructionAnswers:
    """What `instruction_mean_answers` answers, and where it did not know the instruction.

    Attributes:
        answers: float64 [N, 4].
        by_food, by_action, by_all: how many were answered by the mean of their action and food, of
            their action only, of all training labels; N together.
    """

    answers: np.ndarray
    by_food: int
    by_action: int
    by_all: int


def mean_answers(train_labels: np.ndarray, num_answers: int) -> np.ndarray:
    """The mean of the training labels [M, 4], N times: float64 [N, 4]."""
    mean = _checked_labels(train_labels).mean(axis=0)
    return np.broadcast_to(mean, (num_answers, 4))


def centre_answers(num_answers: int) -> np.ndarray:
    """From left to right through the centre, half the picture wide: float64 [N, 4]."""
    return np.broadcast_to(np.array(CENTRE), (num_answers, 4))


def instruction_mean_answers(
    train_labels: np.ndarray,
    train_actions: np.ndarray,
    train_foods: np.ndarray,
    actions: np.ndarray,
    foods: np.ndarray,
) -> InstructionAnswers:
    """The mean of the training labels with the same instruction; see the module for new ones.

    Args:
        train_labels: float [M, 4].
        train_actions: str [M].
        train_foods: str [M].
        actions: str [N], what is asked.
        foods: str [N].

    Returns:
        The answers, and how many needed which mean.

    Raises:
        ValueError: if lengths differ, or there are no training labels.
    """
    labels = _checked_labels(train_labels)
    if not len(labels) == len(train_actions) == len(train_foods) or len(actions) != len(foods):
        raise ValueError(
            "instruction_mean_answers: expected an action and a food for each sample, got "
            f"{len(labels)} labels with {len(train_actions)} actions and {len(train_foods)} foods, "
            f"and questions with {len(actions)} actions and {len(foods)} foods."
        )
    by_action = _group_means(labels, list(train_actions))
    by_food = _group_means(labels, list(zip(train_actions, train_foods)))
    asked = list(zip(actions, foods))
    everything = labels.mean(axis=0)
    answers = [by_food.get(pair, by_action.get(pair[0], everything)) for pair in asked]
    known = sum(pair in by_food for pair in asked)
    known_action = sum(pair not in by_food and pair[0] in by_action for pair in asked)
    return InstructionAnswers(
        np.array(answers).reshape(-1, 4), known, known_action, len(asked) - known - known_action
    )


def colour_answers(
    images: np.ndarray, indices: np.ndarray, progress: Progress = iter
) -> np.ndarray:
    """The main axis of each picture's most colourful region, one picture in memory at a time.

    Args:
        images: uint8 [M, H, W, 3], RGB; may be mapped.
        indices: which of them are asked, int [N].
        progress: wraps the indices, for a progress bar.

    Returns:
        float64 [N, 4].
    """
    answers = np.empty((len(indices), 4))
    for number, index in enumerate(progress(indices)):
        answers[number] = saliency.salient_answer(np.asarray(images[index]), CENTRE)
    return answers


def _checked_labels(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels, np.float64)
    if labels.ndim != 2 or labels.shape[1] != 4 or not len(labels):
        raise ValueError(
            f"train_labels: expected at least one row of [M, 4], got {labels.shape}. A baseline "
            "that knows training labels needs a split with training samples."
        )
    return labels


def _group_means(labels: np.ndarray, keys: list) -> dict[object, np.ndarray]:
    rows: dict[object, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: labels[members].mean(axis=0) for key, members in rows.items()}
