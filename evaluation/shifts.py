"""Plates unlike those of training: no plate at all, another camera, a food that is not there.

| shift         | what becomes of a picture                                            | label |
|---------------|----------------------------------------------------------------------|-------|
| blank         | one colour, drawn for each picture                                   | -     |
| noise         | every pixel drawn from 0 .. 255                                      | -     |
| hue_40        | hues turned by 40 degrees: a camera without white balance            | holds |
| hue_120       | hues turned by 120 degrees                                           | holds |
| gamma_half    | 255 (v / 255)^0.5, 64 becomes 128: too bright                        | holds |
| gamma_two     | 255 (v / 255)^2, 128 becomes 64: too dark                            | holds |
| blur          | out of focus, a Gaussian of 4 pixels                                 | holds |
| grain         | Gaussian noise of 10 % of the range on every value                   | holds |
| negative      | 255 - v                                                              | holds |

Where the label holds, errors can still be measured. With `wrong_foods` the picture stays, and the
instruction names a food that is not on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

from food_data import npz_dataset

# (uint8 [B, H, W, 3], a generator) -> uint8 of the same shape.
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]

_BLUR_PX = 4.0
_GRAIN = 25.5


@dataclasses.dataclass(frozen=True)
class Shift:
    """One row of the module's table.

    Attributes:
        change: what becomes of the pictures of a batch.
        label_holds: whether the food is where it was.
    """

    change: Change
    label_holds: bool


def _blank(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    colours = generator.integers(0, 256, (len(images), 1, 1, 3), np.uint8)
    return np.broadcast_to(colours, images.shape).copy()


def _noise(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 256, images.shape, np.uint8)


def _hue(degrees: int) -> Change:
    def change(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        del generator
        result = np.empty_like(images)
        for image, place in zip(images, result):
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            # OpenCV's bytes hold half the angle.
            hsv[..., 0] = (hsv[..., 0].astype(np.int32) + degrees // 2) % 180
            place[:] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        return result

    return change


def _gamma(exponent: float) -> Change:
    table = np.rint(255.0 * (np.arange(256) / 255.0) ** exponent).astype(np.uint8)
    return lambda images, generator: table[images]


def _blur(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    del generator
    return np.stack([cv2.GaussianBlur(image, (0, 0), _BLUR_PX) for image in images])


def _grain(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    grain = _GRAIN * generator.standard_normal(images.shape, np.float32)
    return np.clip(np.rint(images + grain), 0, 255).astype(np.uint8)


SHIFTS = {
    "blank": Shift(_blank, label_holds=False),
    "noise": Shift(_noise, label_holds=False),
    "hue_40": Shift(_hue(40), label_holds=True),
    "hue_120": Shift(_hue(120), label_holds=True),
    "gamma_half": Shift(_gamma(0.5), label_holds=True),
    "gamma_two": Shift(_gamma(2.0), label_holds=True),
    "blur": Shift(_blur, label_holds=True),
    "grain": Shift(_grain, label_holds=True),
    "negative": Shift(lambda images, generator: 255 - images, label_holds=True),
}


def wrong_foods(dataset: npz_dataset.FoodDataset, indices: np.ndarray, seed: int) -> np.ndarray:
    """For each sample another one, by lot, whose food is not in the picture: lends its instruction.

    Args:
        dataset: with `sources` and `food_types`. A picture shows the foods of all its samples.
        indices: samples, int [n]; the lot is drawn among them.
        seed: of the lot.

    Returns:
        int [n], sample numbers.

    Raises:
        ValueError: if the data set does not name pictures and foods, or a picture has every food.
    """
    if dataset.sources is None or dataset.food_types is None:
        raise ValueError(
            "wrong_foods: expected a data set with `sources` and `food_types`, got one without: "
            "which foods a picture shows is not known."
        )
    generator, foods = np.random.default_rng(seed), dataset.food_types[indices]
    lent = np.empty_like(indices)
    _, pictures = np.unique(dataset.sources, return_inverse=True)
    order = np.argsort(pictures, kind="stable")
    starts = np.searchsorted(pictures[order], np.arange(pictures.max() + 2))
    for row, picture in enumerate(pictures[indices]):
        shown = dataset.food_types[order[starts[picture] : starts[picture + 1]]]
        others = indices[~np.isin(foods, shown)]
        if not len(others):
            raise ValueError(
                f"wrong_foods: expected a food that {dataset.sources[indices[row]]} does not show, "
                f"got only {', '.join(sorted(set(foods)))}; ask about more pictures."
            )
        lent[row] = generator.choice(others)
    return lent
