"""Every answered picture with its answer drawn on it, in a folder that mirrors the input.

    new/c.PNG, skewering grape  ->  new/c.PNG.skewering_grape.jpg

The whole name stays in front, so that plate.jpg and plate.png do not overwrite each other.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from absl import logging
from PIL import Image, ImageOps

from folder_inference import drawing, pictures, scoring

_DRAWING_THREADS = 2


def write_overlays(
    records: Sequence[Mapping[str, Any]],
    source: pictures.Pictures,
    overlay_dir: pathlib.Path,
    labels: scoring.Labels,
    check: Callable[[], None],
) -> int:
    """Draws all answers.

    Args:
        records: answered, as `results` makes them.
        source: has the pictures.
        overlay_dir: is made if it does not exist.
        labels: picture -> objects; those that were asked for are drawn too.
        check: called before each; what it raises ends the drawing.

    Returns:
        How many were written; a picture that has gone or changed since is logged and left out.

    Raises:
        OSError: if a drawing cannot be written.
    """
    overlay_dir.mkdir(parents=True, exist_ok=True)

    def write(record: Mapping[str, Any]) -> bool:
        check()
        picture = drawn(record, source, labels)
        if picture is not None:
            drawing.save(picture, overlay_dir / overlay_name(record))
        return picture is not None

    with concurrent.futures.ThreadPoolExecutor(_DRAWING_THREADS) as pool:
        return sum(pool.map(write, records))


def overlay_name(record: Mapping[str, Any]) -> str:
    """Relative to the overlays' folder, with "/"."""
    asked = [record["input_action"], record["input_food_type"]]
    name = "_".join(word for word in asked if word) or record["input_text"] or "answer"
    return f"{record['image']}.{re.sub(r'[^A-Za-z0-9_-]+', '_', name)[:60]}.jpg"


def drawn(
    record: Mapping[str, Any],
    source: pictures.Pictures,
    labels: scoring.Labels,
    largest_px: int | None = None,
) -> Image.Image | None:
    """A picture with its answer; None, and a line in the log, if it cannot be read any more.

    Args:
        record: the answer.
        source: has the picture.
        labels: picture -> objects.
        largest_px: width or height to scale it to before drawing, whichever is larger.
    """
    try:
        picture = source.decode(record["image"])
    except (OSError, ValueError) as error:
        logging.warning("%s is not drawn: %s", record["image"], error)
        return None
    if largest_px is not None:
        picture = ImageOps.contain(picture, (largest_px, largest_px))
    drawing.draw_answer(picture, record, list(_label_axes(record, labels)))
    return picture


def _label_axes(record: Mapping[str, Any], labels: scoring.Labels) -> Iterable[Any]:
    size = (record["image_width"], record["image_height"])
    for one in scoring.asked_objects(record, labels):
        if one.axis is not None:
            yield one.axis / size
