"""Answers that need no learning, or no more than a mean: what a model has to beat.

| name                        | knows                                       | sees the picture |
|-----------------------------|---------------------------------------------|------------------|
| mean of the training labels | training labels                             | no               |
| mean of action and food     | training labels and their instructions      | no               |
| centre of the picture       | nothing                                     | no               |
| colour                      | nothing; not the instruction                | yes              |

Example of "mean of action and food": training labels of "skewering banana" with the midpoints (0.4,
0.4) and (0.6, 0.4) make it answer (0.5, 0.4) to every "skewering banana". It answers "skewering
grape" with the mean of all skewering if training had no such sample, and else with that of all.

"colour" takes the main axis of the most colourful region for food. Plates and tables tend to be
grey, white or brown, food to be green, red or yellow, so: smooth the picture (Gaussian, standard
deviation 2 pixels), take the chroma sqrt(a*^2 + b*^2) of CIE L*a*b*, part it by Otsu's threshold
(1979), open specks under 5 pixels across away, and keep the largest connected part that does not
touch the picture's edge (the table does); if each one does, the largest of all.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from evaluation import metrics
from evaluation.samples import Samples
from food_data import mask_rules

CENTRE = np.array([0.25, 0.5, 0.75, 0.5])


def baseline_answers(samples: Samples) -> dict[str, np.ndarray]:
    """The answers float64 [n, 4] of the module's table, as far as what they need is known."""
    found, number, train = {}, len(samples), samples.train
    if train is not None:
        labels = np.asarray(train.labels, np.float64)
        means: dict[tuple[str, ...], np.ndarray] = {(): labels.mean(axis=0)}
        found["mean of the training labels"] = np.broadcast_to(means[()], (number, 4))
        arrays = [one.names(n) for one in (train, samples) for n in ("action_names", "food_types")]
        if all(names is not None for names in arrays):
            for action, rows in metrics.groups(arrays[0]):
                means[(action,)] = labels[rows].mean(axis=0)
                for food, some in metrics.groups(arrays[1][rows]):
                    means[action, food] = labels[rows[some]].mean(axis=0)
            found["mean of action and food"] = np.array(
                [means.get(pair, means.get(pair[:1], means[()])) for pair in zip(*arrays[2:])]
            )
    found["centre of the picture"] = np.broadcast_to(CENTRE, (number, 4))
    images = samples.dataset.images
    found["colour"] = np.array([colour_answer(np.asarray(images[i])) for i in samples.indices])
    return found


def colour_answer(image: np.ndarray) -> np.ndarray:
    """The main axis of the most colourful region of uint8 RGB [H, W, 3]: float64 [4], in 0..1;
    `CENTRE` if nothing stands out, as in a picture of one colour."""
    smooth = cv2.GaussianBlur(image, (0, 0), 2).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    # Otsu needs 8 bits; a picture without any colour is all 0.
    levels = np.rint(chroma * (255 / max(float(chroma.max()), 1.0))).astype(np.uint8)
    _, bright = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if bright.all():
        return CENTRE
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    number, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if number < 2:
        return CENTRE
    areas = stats[1:, cv2.CC_STAT_AREA]
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inside = np.isin(np.arange(1, number), edge, invert=True)
    chosen = 1 + np.argmax(np.where(inside, areas, 0) if inside.any() else areas)
    return np.clip(mask_rules.execution_parameters(labels == chosen, "skewering"), 0, 1)


def swapped_instructions(samples: Samples, seed: int) -> np.ndarray:
    """For each sample one of the same picture, by lot; it may be itself. Numbers of the data set. A
    model that listens is then nearest to the sample's own food as often as the lot says so."""
    rng, swapped = np.random.default_rng(seed), np.array(samples.indices)
    for _, rows in metrics.groups(samples.names("sources")):
        swapped[rows] = rng.choice(samples.indices[rows], len(rows))
    return swapped


def absent_foods(
    samples: Samples, instructions: Mapping[tuple[str, str], np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples, numbers int [m], and for each by lot one of the `instructions` {(action, food):
    embedding [512]} of its action whose food its picture does not show (in all samples that the
    data set has of it): float32 [m, 512]. Empty if the data set does not name them."""
    dataset, names = samples.dataset, ("sources", "action_names", "food_types")
    if any(getattr(dataset, name) is None for name in names):
        return np.arange(0), np.zeros((0, 512), np.float32)
    generator, rows, lent = np.random.default_rng(seed), [], []
    shown: dict[str, set[str]] = {}
    for source, food in zip(dataset.sources.tolist(), dataset.food_types.tolist()):
        shown.setdefault(source, set()).add(food)
    for row, (source, action, _) in enumerate(zip(*map(samples.names, names))):
        absent = [p for p in sorted(instructions) if p[0] == action and p[1] not in shown[source]]
        if absent:
            rows.append(row)
            lent.append(instructions[absent[generator.integers(len(absent))]])
    return np.array(rows, int), np.reshape(lent, (-1, 512)).astype(np.float32)
