"""Pictures for people: motions as arrows on their pictures, and sheets of samples."""

from __future__ import annotations

import os
from collections.abc import Sequence

import cv2
import numpy as np

from food_data import atomic_files, npz_dataset

Colour = tuple[int, int, int]
# Green and pink, which no food has.
ARROW_COLOUR, START_COLOUR = (0, 255, 90), (255, 60, 200)
_MASK_COLOUR, _WHITE, _BLACK = (255, 220, 0), (255, 255, 255), (0, 0, 0)
_TILE_PX, _LABEL_PX, _CAPTION_PX = 168, 150, 16
_CAPTION_CHARACTERS = 26


def draw_motion(
    image: np.ndarray,
    parameters: np.ndarray,
    colour: Colour = ARROW_COLOUR,
    *,
    dots: Sequence[tuple[float, Colour]] = ((0.0, START_COLOUR),),
    outlined: bool = False,
) -> np.ndarray:
    """A copy of an image uint8 [H, W, 3] with an arrow from the start to the end of a motion [4] in
    0..1, and dots on it: (place, colour) each, place 0 the start, 0.5 the middle, 1 the end; all
    on black (`outlined`) are visible on any food."""
    height, width = image.shape[:2]
    # OpenCV counts pixel centres, the parameters from the picture's edge; 3 pictures off is far
    # enough, and fits its integers.
    ends = np.clip(np.reshape(parameters, (2, 2)), -3, 3) * [width, height] - 0.5

    def pixel(place: float) -> tuple[int, int]:
        x, y = np.rint(ends[0] + place * (ends[1] - ends[0]))
        return int(x), int(y)

    drawn = image.copy()
    line = max(1, round(min(height, width) / 118))
    for ink, extra in ((_BLACK, 2), (None, 0)) if outlined else ((None, 0),):
        width, ends_px = line + extra, (pixel(0), pixel(1))
        cv2.arrowedLine(drawn, *ends_px, ink or colour, width, cv2.LINE_AA, tipLength=0.25)
        for place, dot in dots:
            cv2.circle(drawn, pixel(place), 2 * line + extra // 2, ink or dot, -1, cv2.LINE_AA)
    return drawn


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size, uint8 [h, w, 3], in rows; what is left of the last row is black."""
    full = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(full[i : i + columns]) for i in range(0, len(full), columns)])


def class_sheet(dataset: npz_dataset.FoodDataset, samples_per_class: int) -> np.ndarray:
    """A row for each action and food, of samples_per_class samples at most, evenly over those of
    the class: uint8 [H, W, 3], RGB. Without names, all samples are one class. Raises ValueError if
    there is nothing to show."""
    if samples_per_class < 1 or not len(dataset):
        got = f"{samples_per_class} and {len(dataset)}"
        raise ValueError(f"Expected at least 1 sample per class and 1 sample, got {got}.")
    blank = np.full(len(dataset), "")
    names = [blank if one is None else one for one in (dataset.action_names, dataset.food_types)]
    classes: dict[tuple[str, str], list[int]] = {}
    for sample, pair in enumerate(zip(*names)):
        classes.setdefault(pair, []).append(sample)
    columns, rows = min(samples_per_class, max(map(len, classes.values()))), []
    for pair, samples in sorted(classes.items()):
        places = np.linspace(0, len(samples) - 1, min(columns, len(samples))).round().astype(int)
        label = np.zeros((_TILE_PX + _CAPTION_PX, _LABEL_PX, 3), np.uint8)
        lines = [name for name in pair if name] or ["all samples"]
        for i, line in enumerate([*lines, f"{len(samples)} samples"]):
            _write(label, line, (6, 26 + 20 * i), 0.45)
        row = grid([_tile(dataset, samples[place]) for place in places], columns)
        rows.append(np.hstack([label, row]))
    return np.vstack(rows)


def _tile(dataset: npz_dataset.FoodDataset, sample: int) -> np.ndarray:
    """A sample with the outline of its mask; below, its number and the end of its source's name."""
    image = cv2.resize(dataset.images[sample], (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    if dataset.masks is not None:
        mask = npz_dataset.unpack_masks(dataset.masks[sample]).view(np.uint8)
        mask = cv2.resize(mask, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, _MASK_COLOUR, 1)
    image = draw_motion(image, dataset.actions[sample])
    source = "" if dataset.sources is None else str(dataset.sources[sample])
    caption, number = np.zeros((_CAPTION_PX, _TILE_PX, 3), np.uint8), str(sample)
    _write(caption, f"{number} {source[-(_CAPTION_CHARACTERS - len(number)) :]}", (3, 11), 0.33)
    tile = np.vstack([image, caption])
    tile[:, -1] = 0
    return tile


def _write(picture: np.ndarray, text: str, place: tuple[int, int], size: float) -> None:
    text = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters.
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _WHITE, 1, cv2.LINE_AA)


def check_extension(path: str | os.PathLike[str]) -> None:
    """Raises ValueError unless the end of the name is that of a kind of picture."""
    extension = os.path.splitext(path)[1]
    if not extension or not cv2.haveImageWriter(f"x{extension}"):
        raise ValueError(f"Expected a name that ends in .jpg or .png, got {path}.")


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Writes uint8 [H, W, 3], RGB, as a file of the kind that its name says. Raises ValueError if
    OpenCV knows no such kind, or it is too large for a .jpg."""
    check_extension(path)
    extension = os.path.splitext(path)[1].lower()
    is_written, data = cv2.imencode(extension, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not is_written:
        got = f"{picture.shape[1]} x {picture.shape[0]} pixels as {extension}"
        raise ValueError(f"{path}: cannot write {got}. Write a .png, or show fewer samples.")
    with atomic_files.replace_file(path) as file:
        file.write(data.tobytes())
