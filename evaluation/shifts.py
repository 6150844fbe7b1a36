"""Plates unlike those of training: no plate at all, another camera, a food that is not there.

| shift         | what becomes of a picture                                            |
|---------------|----------------------------------------------------------------------|
| blank         | one colour, drawn for each picture                                   |
| noise         | every pixel drawn from 0 .. 255                                      |
| hue_40        | hues turned by 40 degrees: a camera without white balance            |
| hue_120       | hues turned by 120 degrees                                           |
| gamma_half    | 255 (v / 255)^0.5, 64 becomes 128: too bright                        |
| gamma_two     | 255 (v / 255)^2, 128 becomes 64: too dark                            |
| blur          | out of focus, a Gaussian of 4 pixels                                 |
| grain         | Gaussian noise of 10 % of the range on every value                   |
| negative      | 255 - v                                                              |
| wrong food    | stays; the instruction names a food that is not on it                |
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from evaluation import statistics
from evaluation.samples import Samples
from evaluation.uncertainty import Estimate

# (uint8 [B, H, W, 3], a generator) -> uint8 of the same shape.
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _blank(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    colours = generator.integers(0, 256, (len(images), 1, 1, 3), np.uint8)
    return np.broadcast_to(colours, images.shape).copy()


def _hue(degrees: int) -> Change:
    def turned(image: np.ndarray) -> np.ndarray:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        # OpenCV's bytes hold half the angle.
        hsv[..., 0] = (hsv[..., 0].astype(np.int32) + degrees // 2) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)

    return lambda images, generator: np.stack([turned(image) for image in images])


def _gamma(exponent: float) -> Change:
    table = np.rint(255.0 * (np.arange(256) / 255.0) ** exponent).astype(np.uint8)
    return lambda images, generator: table[images]


def _blur(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(image, (0, 0), 4.0) for image in images])


def _grain(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    grain = 25.5 * generator.standard_normal(images.shape, np.float32)
    return np.clip(np.rint(images + grain), 0, 255).astype(np.uint8)


SHIFTS: dict[str, Change] = {
    "blank": _blank,
    "noise": lambda images, generator: generator.integers(0, 256, images.shape, np.uint8),
    "hue_40": _hue(40),
    "hue_120": _hue(120),
    "gamma_half": _gamma(0.5),
    "gamma_two": _gamma(2.0),
    "blur": _blur,
    "grain": _grain,
    "negative": lambda images, generator: 255 - images,
}


def shift_rows(
    ask: Callable[..., Estimate],
    doubt: Callable[[Estimate], np.ndarray],
    samples: Samples,
    ordinary: np.ndarray,
    *,
    threshold: float | None = None,
    max_samples: int = 500,
    seed: int = 0,
) -> list[dict[str, object]]:
    """How the doubts about shifted plates compare with `ordinary`, those about samples as they are.

    `ask` asks about samples with other `instructions` or a `change` of the pictures; of more than
    `max_samples` so many are drawn. Rows: 'name', 'auroc', 'asked_share' (above `threshold`; None
    without one), 'mean_uncertainty', 'n'; first the ordinary ones (AUROC None). Example: of noise
    pictures 98 % are more doubtful than an ordinary plate: {"name": "noise", "auroc": 0.98, ...}.
    """
    size = min(max_samples, len(samples))
    rows = np.sort(np.random.default_rng(seed).choice(len(samples), size, replace=False))
    chosen, found = samples.part(rows), {"ordinary": ordinary}
    for name, change in SHIFTS.items():
        found[name] = doubt(ask(chosen, change=change))
    instructions = wrong_foods(chosen, seed)
    if instructions is not None:
        found["wrong food"] = doubt(ask(chosen, instructions=instructions))
    made = []
    for name, scores in found.items():
        together = np.concatenate([ordinary, scores])
        shifted = np.arange(len(together)) >= len(ordinary)
        made.append(
            {
                "name": name,
                "auroc": None if name == "ordinary" else statistics.auroc(together, shifted),
                "asked_share": None if threshold is None else float((scores > threshold).mean()),
                "mean_uncertainty": float(scores.mean()),
                "n": len(scores),
            }
        )
    return made


def wrong_foods(samples: Samples, seed: int) -> np.ndarray | None:
    """For each sample another one, by lot, whose food is not in the picture: lends its instruction.

    Numbers of the data set, int [n]; None if it does not name pictures and foods, or a picture
    shows (in all samples that the data set has of it) every food.
    """
    dataset, foods = samples.dataset, samples.names("food_types")
    if dataset.sources is None or foods is None:
        return None
    generator, lent = np.random.default_rng(seed), np.empty_like(samples.indices)
    shown: dict[str, set[str]] = {}
    for source, food in zip(dataset.sources.tolist(), dataset.food_types.tolist()):
        shown.setdefault(source, set()).add(food)
    for row, source in enumerate(samples.names("sources").tolist()):
        others = samples.indices[~np.isin(foods, list(shown[source]))]
        if not len(others):
            return None
        lent[row] = generator.choice(others)
    return lent
