"""What a folder run writes besides its lines: JSON, table, contact sheet, pictures with answers.

    answers.json              {"results": [...], "failed_images": [...], "summary": {...}}
    answers.csv               a row for each question
    answers_sheet.png         pictures with their answers; of too many, evenly spaced ones and,
                              where there are samples, the least certain
    OVERLAYS/new/c.PNG.skewering_grape.jpg                            every picture with its answer

Entries are the lines of `folder_inference`: answers of a policy with the picture's name in front,
and failures, which have a `kind`.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import csv
import io
import json
import pathlib
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging
from PIL import Image, ImageDraw, ImageFont, ImageOps

from food_data import atomic_files, drawing

if typing.TYPE_CHECKING:
    from folder_inference import Pictures

_MOTION = ("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y", "direction_degrees")
COLUMNS = (
    *("image", "action", "food_type", *_MOTION, *(f"{name}_px" for name in _MOTION)),
    *("image_width", "image_height", "total_variance", "centroid_variance", "size_variance"),
    *("distance_variance", "std_x1", "std_y1", "std_x2", "std_y2", "num_samples", "seed"),
    *("ask_human", "uncertainty_score", "model_version", "request_id", "client_ms", "error"),
)
_TILE_PX, _CAPTION_PX, _FONT_PX, _LONGEST_CAPTION = 240, 36, 13, 32

Entry = dict[str, Any]
# Image, action, food.
Key = tuple[str, "str | None", "str | None"]
Labels = Mapping[Key, Sequence[np.ndarray]]


def key_of(entry: Entry) -> Key:
    """What was asked."""
    prefix = "" if "kind" in entry else "input_"
    return entry["image"], entry[f"{prefix}action"], entry[f"{prefix}food_type"]


def place(key: Key) -> tuple[str, ...]:
    """Sorts questions."""
    return tuple(part or "" for part in key)


def make_document(settings: Entry, notes: Entry, entries: Mapping[Key, Entry]) -> dict[str, Any]:
    """What answers.json holds: the entries in the order of the pictures' names, and a summary.

    More than one of `model_versions` in the summary means that the model was swapped meanwhile.
    """
    results, failed = [], []
    for key in sorted(entries, key=place):
        entry = {name: value for name, value in entries[key].items() if name != "file"}
        (failed if "kind" in entry else results).append(entry)

    def counts(names: Iterable[str]) -> dict[str, int]:
        return dict(sorted(collections.Counter(names).items()))

    summary = {
        "settings": settings,
        **notes,
        "questions": len(entries),
        "answered": len(results),
        "failed": len(failed),
        "failed_by_kind": counts(one["kind"] for one in failed),
        "model_versions": counts(one["model_version"] for one in results),
        "instructions": counts(map(_instruction, results)),
    }
    judged = [one["ask_human"] for one in results if one.get("ask_human") is not None]
    if judged:
        summary["ask_human"] = sum(judged)
    return {"results": results, "failed_images": failed, "summary": summary}


def _instruction(entry: Entry) -> str:
    """What an answered question was about, in words: "skewering grape", or the text."""
    words = [entry[name] for name in ("action", "food_type") if entry[name]]
    return " ".join(words) or entry.get("input_text") or "?"


def output_paths(args: argparse.Namespace) -> list[pathlib.Path]:
    """JSON, lines, table, sheet and, if there are any, overlays: all that a run writes."""
    json_file = args.output_file
    files = [json_file.with_suffix(ending) for ending in (".json", ".jsonl", ".csv")]
    files.append(json_file.with_name(f"{json_file.stem}_sheet.png"))
    return files if args.overlay_dir is None else [*files, args.overlay_dir]


def write_views(
    document: Mapping[str, Any],
    args: argparse.Namespace,
    source: Pictures | None,
    labels: Labels,
    check: Callable[[], None],
) -> None:
    """Writes what the module's docstring lists, each file whole or not at all, the JSON last.

    Args:
        document: what the JSON holds.
        args: say where.
        source: has the pictures; None draws none of them.
        labels: question -> motions in pixels, drawn beside the answers.
        check: called before each overlay and at the end; what it raises ends the writing.

    Raises:
        OSError: if a file cannot be written.
    """
    json_file, _, table, sheet, *overlay_dir = output_paths(args)
    results = document["results"]
    if results and source is not None and args.sheet_images:
        tiles = [_tile(one, source, labels) for one in _choose(results, args.sheet_images)]
        columns, (width, height) = min(len(tiles), 6), tiles[0].size
        drawn = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height), (32,) * 3)
        for number, tile in enumerate(tiles):
            drawn.paste(tile, (number % columns * width, number // columns * height))
        with atomic_files.replace_file(sheet) as file:
            drawn.save(file, "PNG")
    if overlay_dir and source is not None:

        def write_overlay(entry: Entry) -> None:
            check()
            picture = _drawn(entry, source, labels)
            if picture is not None:
                # The whole name stays in front: plate.jpg and plate.png are two pictures.
                words = filter(None, (entry["input_action"], entry["input_food_type"]))
                asked = "_".join(words) or entry.get("input_text") or "answer"
                asked = re.sub(r"[^A-Za-z0-9_-]+", "_", asked)[:60]
                path = args.overlay_dir / f"{entry['image']}.{asked}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_files.replace_file(path) as file:
                    picture.save(file, "JPEG")

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(write_overlay, results))
    check()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    rows = [*map(_row, results), *document["failed_images"]]
    writer.writerows(sorted(rows, key=lambda row: row["image"]))
    with atomic_files.replace_file(table) as file:
        # File names need not be UTF-8; these are then the bytes that the disk has.
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))
    # A line for each picture, since the samples of one would fill a page.
    parts = []
    for name in ("results", "failed_images"):
        entries = ",\n".join(f"  {json.dumps(entry)}" for entry in document[name])
        parts.append(f'"{name}": [\n{entries}\n ]' if entries else f'"{name}": []')
    summary = json.dumps(document["summary"], indent=1).replace("\n", "\n ")
    with atomic_files.replace_file(json_file) as file:
        file.write(("{\n " + ",\n ".join([*parts, f'"summary": {summary}']) + "\n}\n").encode())


def _row(entry: Entry) -> Entry:
    """An answer as a row of the table; what is not known is empty."""
    name = "mean_prediction" if "mean_prediction" in entry else "prediction"
    row = {**entry, **entry[name], **entry.get("statistics", {})}
    row |= {f"{key}_px": value for key, value in entry[f"{name}_pixels"].items()}
    row |= zip(("std_x1", "std_y1", "std_x2", "std_y2"), row.get("std", ()))
    if entry.get("uncertainty") is not None:
        row["uncertainty_score"] = entry["uncertainty"]["score"]
    return row


def _choose(results: Sequence[Entry], largest: int) -> list[Entry]:
    """At most so many: evenly spaced ones, half of them the least certain where samples tell."""
    if len(results) <= largest:
        return list(results)
    doubt = None
    if all(one.get("uncertainty") is not None for one in results):
        doubt = [-one["uncertainty"]["score"] for one in results]
    elif all("statistics" in one for one in results):
        doubt = [-one["statistics"]["total_variance"] for one in results]
    uncertain = [] if doubt is None else np.argsort(doubt, kind="stable")[: largest // 2].tolist()
    rest = sorted(set(range(len(results))) - set(uncertain))
    evenly = np.linspace(0, len(rest) - 1, largest - len(uncertain)).astype(int)
    return [results[place] for place in (*uncertain, *(rest[place] for place in evenly))]


def _tile(entry: Entry, source: Pictures, labels: Labels) -> Image.Image:
    """A picture of the sheet; below it the end of its name, what was asked, and the doubt."""
    tile = Image.new("RGB", (_TILE_PX, _TILE_PX + _CAPTION_PX), (32, 32, 32))
    picture = _drawn(entry, source, labels, _TILE_PX - 4)
    if picture is not None:
        tile.paste(picture, ((_TILE_PX - picture.width) // 2, (_TILE_PX - picture.height) // 2))
    name, asked = entry["image"], _instruction(entry)
    if len(name) > _LONGEST_CAPTION:
        name = "..." + name[3 - _LONGEST_CAPTION :]
    if entry.get("ask_human"):
        asked += ": ask a person"
    elif "statistics" in entry:
        asked += f", var {entry['statistics']['total_variance']:.4f}"
    font = ImageFont.load_default(_FONT_PX)
    # The font has no more than these letters.
    for line, text in enumerate((name.encode("latin-1", "replace").decode("latin-1"), asked)):
        place = (4, _TILE_PX + line * (_FONT_PX + 3))
        ImageDraw.Draw(tile).text(place, text, "white", font)
    return tile


def _drawn(
    entry: Entry, source: Pictures, labels: Labels, largest_px: int | None = None
) -> Image.Image | None:
    """A picture with its answer: the motion, the samples' midpoints in blue, labels in white.

    It is scaled to `largest_px` first; None, and a line in the log, if it cannot be read any more.
    """
    try:
        picture = source.decode(entry["image"])
    except (OSError, ValueError) as error:
        logging.warning("%s is not drawn: %s", entry["image"], error)
        return None
    whole = np.array(picture.size, np.float64)
    if largest_px is not None:
        picture = ImageOps.contain(picture, (largest_px, largest_px))
    size = np.array(picture.size, np.float64)
    line_px = max(1, round(max(picture.size) / 150))
    canvas = ImageDraw.Draw(picture)

    def dot(centre: np.ndarray, radius_px: float, colour: str) -> None:
        canvas.ellipse([*(centre - radius_px), *(centre + radius_px)], fill=colour, outline="black")

    for axis in labels.get(key_of(entry), ()):
        start, end = axis / whole * size
        canvas.line([*start, *end], fill="white", width=line_px)
        dot(start, 1.5 * line_px, "white")
    for sample in np.reshape(entry.get("predictions", ()), (-1, 2, 2)):
        dot(sample.mean(axis=0) * size, line_px, "deepskyblue")
    motion = entry["mean_prediction"] if "mean_prediction" in entry else entry["prediction"]
    arrow = np.array([motion[name] for name in _MOTION[:4]])
    dots = ((0.0, (0, 255, 0)), (0.5, (255, 0, 0)))
    return Image.fromarray(
        drawing.draw_motion(np.asarray(picture), arrow, (255, 255, 0), dots=dots, outlined=True)
    )
