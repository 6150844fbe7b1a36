"""OUTPUT_sheet.png: pictures with their answers, side by side, to be looked at by a person.

Of more answers than fit, evenly spaced ones are shown; where there are samples, the first half of
the sheet are the least certain ones.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from folder_inference import drawing, overlays, pictures, results, scoring

_COLUMNS = 6
_TILE_PX, _CAPTION_PX, _FONT_PX = 240, 36, 13
_BACKGROUND = (32, 32, 32)
_LONGEST_CAPTION = 32


def write_contact_sheet(
    path: pathlib.Path,
    records: Sequence[Mapping[str, Any]],
    source: pictures.Pictures,
    labels: scoring.Labels,
    largest: int,
) -> None:
    """Writes the sheet.

    Args:
        path: of the PNG.
        records: answered, at least one, as `results` makes them.
        source: has the pictures.
        labels: picture -> objects; drawn too.
        largest: number of pictures on it.

    Raises:
        OSError: if the sheet cannot be written.
    """
    tiles = [_tile(record, source, labels) for record in choose(records, largest)]
    rows = -(-len(tiles) // _COLUMNS)
    columns = min(len(tiles), _COLUMNS)
    sheet = Image.new("RGB", (columns * _TILE_PX, rows * (_TILE_PX + _CAPTION_PX)), _BACKGROUND)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, _COLUMNS)
        sheet.paste(tile, (column * _TILE_PX, row * (_TILE_PX + _CAPTION_PX)))
    drawing.save(sheet, path)


def choose(records: Sequence[Mapping[str, Any]], largest: int) -> list[Mapping[str, Any]]:
    """At most `largest` of the answers; see the module."""
    if len(records) <= largest:
        return list(records)
    uncertain = []
    if all("statistics" in record for record in records):
        places = {id(record): number for number, record in enumerate(records)}
        order = [places[id(record)] for record in results.by_doubt(records)]
        uncertain = order[: largest // 2]
    rest = [number for number in range(len(records)) if number not in set(uncertain)]
    evenly = np.linspace(0, len(rest) - 1, largest - len(uncertain)).astype(int)
    return [records[number] for number in uncertain] + [records[rest[i]] for i in evenly]


def _tile(
    record: Mapping[str, Any], source: pictures.Pictures, labels: scoring.Labels
) -> Image.Image:
    tile = Image.new("RGB", (_TILE_PX, _TILE_PX + _CAPTION_PX), _BACKGROUND)
    picture = overlays.drawn(record, source, labels, largest_px=_TILE_PX - 4)
    if picture is not None:
        left, top = (_TILE_PX - picture.width) // 2, (_TILE_PX - picture.height) // 2
        tile.paste(picture, (left, top))
    canvas = ImageDraw.Draw(tile)
    font = ImageFont.load_default(_FONT_PX)
    for line, text in enumerate(caption(record)):
        canvas.text((4, _TILE_PX + line * (_FONT_PX + 3)), text, "white", font)
    return tile


def caption(record: Mapping[str, Any]) -> tuple[str, str]:
    """Two lines below a picture: the end of its name; what was asked, and the samples' spread
    or that a person should be asked."""
    name = record["image"]
    if len(name) > _LONGEST_CAPTION:
        name = "..." + name[3 - _LONGEST_CAPTION :]
    # The font has no more than these letters.
    name = name.encode("latin-1", "replace").decode("latin-1")
    asked = results.instruction(record)
    if record.get("ask_human"):
        asked += ": ask a person"
    elif "statistics" in record:
        asked += f", var {record['statistics']['total_variance']:.4f}"
    return name, asked
