"""A picture of drawn plates with the names of their foods, to look at.

    python -m food_data.synthetic.sheet --output_file docs/images/plates.jpg

Small plates (`--shown_px 80`) show what a small network sees.
"""

from __future__ import annotations

import argparse
import math
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from food_data import atomic_files
from food_data.synthetic import scenes as synthetic_scenes
from food_data.synthetic import views as synthetic_views

_CAPTION_PX = 34
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PLATE_PX = 236


def contact_sheet(
    number: int, seed: int, columns: int, shown_px: int = _PLATE_PX, view: str = "any"
) -> np.ndarray:
    """Draws plates and writes their foods under them.

    Args:
        number: of plates.
        seed: plate i is drawn from (seed, i), as in a data set.
        columns: plates in a row.
        shown_px: plates are shrunk to so many pixels, and enlarged again without smoothing.
        view: how pictures are taken, one of `views.NAMES`.

    Returns:
        RGB uint8 [H, W, 3].
    """
    rows = math.ceil(number / columns)
    tile = (_PLATE_PX + _CAPTION_PX, _PLATE_PX)
    sheet = np.full((rows, columns, *tile, 3), 255, np.uint8)
    for i in range(number):
        rng = np.random.default_rng([seed, i])
        picture, foods = synthetic_scenes.render_plate(rng, _PLATE_PX, view=view)
        if shown_px < _PLATE_PX:
            small = cv2.resize(picture, (shown_px, shown_px), interpolation=cv2.INTER_AREA)
            size = (_PLATE_PX, _PLATE_PX)
            picture = cv2.resize(small, size, interpolation=cv2.INTER_NEAREST)
        place = sheet[i // columns, i % columns]
        place[:_PLATE_PX] = picture
        _write_names(place[_PLATE_PX:], [food.food for food in foods])
    return sheet.transpose(0, 2, 1, 3, 4).reshape(rows * tile[0], columns * tile[1], 3)


def _write_names(strip: np.ndarray, names: Sequence[str]) -> None:
    """Up to three names a line, in a strip uint8 [34, 236, 3]."""
    for line in range(0, len(names), 3):
        text = ", ".join(names[line : line + 3]).replace("_", " ")
        width = cv2.getTextSize(text, _FONT, 0.36, 1)[0][0]
        size = 0.36 * min(1.0, (strip.shape[1] - 6) / width)
        text_strip = np.ascontiguousarray(strip)
        cv2.putText(text_strip, text, (3, 13 + 5 * line), _FONT, size, (0, 0, 0), 1, cv2.LINE_AA)
        strip[:] = text_strip


def write_jpeg(path: pathlib.Path, sheet: np.ndarray, quality: int) -> None:
    """Writes a picture.

    Args:
        path: of the file; its folder must exist.
        sheet: RGB uint8 [H, W, 3].
        quality: of the JPEG, 1 to 100.

    Raises:
        ValueError: if the name does not end in .jpg.
    """
    if path.suffix != ".jpg":
        raise ValueError(f"--output_file: expected a name in .jpg, got {path}.")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), options)
    with atomic_files.replace_file(path) as file:
        file.write(encoded.tobytes())


def main(argv: Sequence[str] | None = None) -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output_file", type=pathlib.Path, required=True, help="the .jpg")
    parser.add_argument("--plates", type=int, default=30)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--view", choices=synthetic_views.NAMES, default="any")
    parser.add_argument("--shown_px", type=int, default=_PLATE_PX, help="side of a plate")
    parser.add_argument("--quality", type=int, default=70, help="of the JPEG")
    arguments = parser.parse_args(argv)
    sheet = contact_sheet(
        arguments.plates, arguments.seed, arguments.columns, arguments.shown_px, arguments.view
    )
    write_jpeg(arguments.output_file, sheet, arguments.quality)


if __name__ == "__main__":
    main()
