"""A sheet of samples for a person to look through: a row for each action and food.

The samples of a row lie evenly over those of its class. Each shows its arrow, the outline of its
mask if it has one, its number and the end of its source's name.
"""

from __future__ import annotations

import cv2
import numpy as np

from food_data import npz_dataset, preview

_TILE_PX = 168
_LABEL_PX = 150
_CAPTION_PX = 16
_MASK_COLOUR = (255, 220, 0)
_CAPTION_CHARACTERS = 26


def class_sheet(dataset: npz_dataset.FoodDataset, samples_per_class: int) -> np.ndarray:
    """The sheet.

    Args:
        dataset: at least one sample; without names, all its samples are one class.
        samples_per_class: at most, at least 1.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: if there is nothing to show.
    """
    if samples_per_class < 1 or not len(dataset):
        raise ValueError(
            f"Expected at least 1 sample per class and 1 sample, got {samples_per_class} and "
            f"{len(dataset)}."
        )
    classes = samples_by_class(dataset)
    columns = min(samples_per_class, max(len(samples) for samples in classes.values()))
    rows = []
    for (action, food), samples in classes.items():
        places = np.linspace(0, len(samples) - 1, min(columns, len(samples))).round().astype(int)
        tiles = [_tile(dataset, int(sample)) for sample in samples[places]]
        tiles += [np.zeros_like(tiles[0])] * (columns - len(tiles))
        rows.append(np.hstack([_label(action, food, len(samples)), *tiles]))
    return np.vstack(rows)


def samples_by_class(dataset: npz_dataset.FoodDataset) -> dict[tuple[str, str], np.ndarray]:
    """(action, food) -> sample numbers, sorted; "" for names that the data set does not have."""
    blank = np.full(len(dataset), "")
    actions = blank if dataset.action_names is None else dataset.action_names
    foods = blank if dataset.food_types is None else dataset.food_types
    pairs = sorted(set(zip(actions.tolist(), foods.tolist())))
    return {
        (action, food): np.flatnonzero((actions == action) & (foods == food))
        for action, food in pairs
    }


def _tile(dataset: npz_dataset.FoodDataset, sample: int) -> np.ndarray:
    """A sample and its caption: uint8 [_TILE_PX + _CAPTION_PX, _TILE_PX, 3]."""
    image = cv2.resize(dataset.images[sample], (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    if dataset.masks is not None:
        mask = npz_dataset.unpack_masks(dataset.masks[sample]).view(np.uint8)
        mask = cv2.resize(mask, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, _MASK_COLOUR, 1)
    image = preview.draw_parameters(image, dataset.actions[sample])
    source = "" if dataset.sources is None else str(dataset.sources[sample])
    caption = np.zeros((_CAPTION_PX, _TILE_PX, 3), np.uint8)
    number = str(sample)
    _write(caption, f"{number} {source[-(_CAPTION_CHARACTERS - len(number)) :]}", (3, 11), 0.33)
    tile = np.vstack([image, caption])
    tile[:, -1] = 0
    return tile


def _label(action: str, food: str, number: int) -> np.ndarray:
    label = np.zeros((_TILE_PX + _CAPTION_PX, _LABEL_PX, 3), np.uint8)
    lines = [line for line in (action, food) if line] or ["all samples"]
    for i, line in enumerate([*lines, f"{number} samples"]):
        _write(label, line, (6, 26 + 20 * i), 0.45)
    return label


def _write(picture: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    # OpenCV's fonts have no other letters than these.
    printable = text.encode("ascii", "replace").decode()
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, printable, place, font, size, (255, 255, 255), 1, cv2.LINE_AA)
