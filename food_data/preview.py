"""A sheet of samples with their execution parameters drawn on them, to be looked at by a person."""

from __future__ import annotations

import os

import cv2
import numpy as np

from food_data import atomic_files, npz_dataset

_COLUMNS = 6
_LARGEST_JPEG_PX = 65_500
_START_COLOUR, _ARROW_COLOUR = (255, 60, 200), (0, 255, 90)


def draw_parameters(image: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """Draws an arrow from the start to the end of the motion, with a dot at the start.

    Args:
        image: uint8 [H, W, 3]; is left as it is.
        parameters: execution parameters [4] in 0..1.

    Returns:
        uint8 [H, W, 3].
    """
    height, width = image.shape[:2]
    # OpenCV counts pixel centres; the parameters count from the picture's edge.
    points = np.reshape(parameters, (2, 2)) * [width, height] - 0.5
    start, end = [tuple(int(v) for v in np.rint(point)) for point in points]
    drawn = image.copy()
    thickness = max(1, round(min(height, width) / 118))
    cv2.arrowedLine(drawn, start, end, _ARROW_COLOUR, thickness, cv2.LINE_AA, tipLength=0.25)
    cv2.circle(drawn, start, 2 * thickness, _START_COLOUR, -1, cv2.LINE_AA)
    return drawn


def contact_sheet(dataset: npz_dataset.FoodDataset, num_samples: int) -> np.ndarray:
    """The first samples, named and with arrows, six in a row.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    tiles = []
    for i in range(min(num_samples, len(dataset))):
        tile = draw_parameters(dataset.images[i], dataset.actions[i])
        names = [a[i] for a in (dataset.action_names, dataset.food_types) if a is not None]
        text = " ".join([str(i), *names])
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(tile, text, (4, 14), font, 0.42, colour, thickness, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def check_extension(path: str | os.PathLike[str]) -> None:
    """Raises ValueError unless the end of the name is that of a kind of picture."""
    extension = os.path.splitext(path)[1]
    if not extension or not cv2.haveImageWriter(f"x{extension}"):
        raise ValueError(f"Expected a preview file that ends in .jpg or .png, got {path}.")


def write_contact_sheet(
    path: str | os.PathLike[str], dataset: npz_dataset.FoodDataset, num_samples: int
) -> None:
    """Writes `contact_sheet` as a file of the kind that the end of its name says (.jpg, .png).

    Args:
        path: of the file.
        dataset: at least one sample.
        num_samples: how many of the first samples to show.

    Raises:
        ValueError: if OpenCV knows no such kind of picture.
    """
    write_picture(path, contact_sheet(dataset, num_samples))


def write_picture(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Writes uint8 [H, W, 3], RGB, as a file of the kind that the end of its name says.

    Raises:
        ValueError: if OpenCV knows no such kind of picture, or it is too large for the kind (a
            .jpg has at most 65,500 rows and columns).
    """
    check_extension(path)
    extension = os.path.splitext(path)[1]
    if extension.lower() in (".jpg", ".jpeg") and max(picture.shape) > _LARGEST_JPEG_PX:
        raise ValueError(
            f"{path}: expected at most {_LARGEST_JPEG_PX} rows and columns for a .jpg, got "
            f"{picture.shape[1]} x {picture.shape[0]}. Write a .png, or show fewer samples."
        )
    _, data = cv2.imencode(extension, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with atomic_files.replace_file(path) as file:
        file.write(data.tobytes())
