"""Examples drawn: label and answer as arrows, the conformal disc as a circle.

The colours are those of the sheets of predictions that training writes.
"""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from evaluation.report import numbers
from training import report_pictures as pictures

_WIDTH_PX = 472
_JPEG_QUALITY = 82
_DISC = (255, 255, 255)
_FRACTION_BITS = 4


@dataclasses.dataclass(frozen=True)
class Example:
    """A picture to stand in the page.

    Attributes:
        address: data URL of a JPEG.
        alt: what the picture shows.
        title: the instruction.
        lines: what to know about it.
    """

    address: str
    alt: str
    title: str
    lines: tuple[str, ...]


def example(found: Mapping[str, Any], image: np.ndarray) -> Example:
    """Draws one of the document's examples.

    Args:
        found: as `plain_json.plain` gives it: what is not known is None.
        image: uint8 [H, W, 3], RGB.

    Returns:
        The picture and its texts.

    Raises:
        ValueError: if the image is of another kind.
    """
    if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{getattr(image, 'dtype', type(image))} {getattr(image, 'shape', '')}"
        raise ValueError(f"report: examples: expected an image uint8 [H, W, 3], got {got}.")
    return Example(
        _address(draw(image, found["predicted"], found["labelled"], found.get("radius"))),
        _alt(found),
        f"{found['action']} {found['food']}",
        tuple(_lines(found)),
    )


def draw(
    image: np.ndarray, predicted: np.ndarray, labelled: np.ndarray, radius: float | None
) -> np.ndarray:
    """The picture, made larger, with arrows and disc.

    Args:
        image: uint8 [H, W, 3], RGB.
        predicted: float [4] in 0..1 of the picture.
        labelled: the same.
        radius: of the disc about the predicted midpoint, in shares of the width; None: none.

    Returns:
        uint8 [h, 472, 3].
    """
    scale = _WIDTH_PX / image.shape[1]
    size = _WIDTH_PX, max(1, round(image.shape[0] * scale))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    predicted, labelled = np.asarray(predicted, float), np.asarray(labelled, float)
    if radius is not None:
        middle = np.clip(predicted.reshape(2, 2).mean(axis=0), -3, 3) * size - 0.5
        fraction = 1 << _FRACTION_BITS
        centre = tuple(int(v) for v in np.rint(middle * fraction))
        reach = round(min(radius, 3.0) * _WIDTH_PX * fraction)
        # The wider black line below keeps the white one visible on any food.
        for colour, line_px in (((0, 0, 0), 4), (_DISC, 2)):
            cv2.circle(picture, centre, reach, colour, line_px, cv2.LINE_AA, _FRACTION_BITS)
    motions = [(labelled, pictures.LABELLED), (predicted, pictures.PREDICTED)]
    # The tile's first rows are for a text; the page has it beside the picture.
    return pictures.sample_tile(picture, motions, "")[-size[1] :]


def _address(picture: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _alt(found: Mapping[str, Any]) -> str:
    disc = ""
    if found.get("radius") is not None:
        disc = f", in a circle with a radius of {found['radius']:.3f} of the picture"
    return (
        f"Plate, asked for {found['action']} {found['food']}. Labelled, green arrow: "
        f"{_motion(found['labelled'])}. Answered, pink arrow: {_motion(found['predicted'])}{disc}."
    )


def _motion(parameters: np.ndarray) -> str:
    x1, y1, x2, y2 = (f"{float(value):.2f}" for value in parameters)
    return f"from ({x1}, {y1}) to ({x2}, {y2})"


def _lines(found: Mapping[str, Any]) -> list[str]:
    lines = [f"Midpoint {_rounded(found['centroid_distance'])} of the picture off"]
    uncertainty = found.get("uncertainty")
    if uncertainty is not None:
        asked = {True: ", a human is asked", False: ", the model acts"}
        lines.append(f"Uncertainty {_rounded(uncertainty)}{asked.get(found.get('asked'), '')}")
    if found.get("radius") is not None:
        lines.append(f"Radius of the disc {_rounded(found['radius'])} of the picture")
    if found.get("picture"):
        lines.append(found["picture"])
    return lines


def _rounded(value: float | None) -> str:
    return numbers.number(value, numbers.decimals([value]))
