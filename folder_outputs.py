"""What a folder run writes besides its lines: JSON, table, contact sheet, pictures with answers.

    answers.json              {"results": [...], "failed_images": [...], "summary": {...}}
    answers.csv               a row for each question; a text that begins like a formula (= + - @)
                              has a ' before it, as spreadsheets want it
    answers_sheet.png         pictures with their answers; of too many, evenly spaced ones
    OVERLAYS/new/c.PNG.skewering_grape.jpg                            every picture with its answer

Entries are the lines of `folder_inference`: answers of a policy with the picture's name in front,
and failures, which have a `kind`.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import csv
import hashlib
import io
import json
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging
from PIL import Image, ImageDraw, ImageFont

from food_data import atomic_files, drawing, image_placement

_MOTION = ("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y", "direction_degrees")
COLUMNS = (
    *("image", "action", "food_type", *_MOTION, *(f"{name}_px" for name in _MOTION)),
    *("image_width", "image_height", "total_variance", "centroid_variance", "size_variance"),
    *("distance_variance", "std_x1", "std_y1", "std_x2", "std_y2", "num_samples", "seed"),
    *("ask_human", "uncertainty_score", "model_version", "request_id", "client_ms", "error"),
    *("trained", "likeness"),
)
_TILE_PX, _CAPTION_PX, _FONT_PX, _LONGEST_CAPTION = 240, 36, 13, 32
_LARGEST_JPEG_PX = 65_500

Entry = dict[str, Any]
# Image, action, food.
Key = tuple[str, "str | None", "str | None"]
# Motions that people have drawn, float64 [2, 2] in pixels.
Labels = Mapping[Key, Sequence[np.ndarray]]


def key_of(entry: Entry) -> Key:
    """What was asked."""
    prefix = "" if "kind" in entry else "input_"
    return entry["image"], entry[f"{prefix}action"], entry[f"{prefix}food_type"]


def place(key: Key) -> tuple[str, ...]:
    """Sorts questions."""
    return tuple(part or "" for part in key)


def decode(path: pathlib.Path) -> np.ndarray:
    """A picture, upright, uint8 [H, W, 3]. Raises OSError or ValueError."""
    return image_placement.decode_image(path.read_bytes())


def make_document(settings: Entry, notes: Entry, entries: Mapping[Key, Entry]) -> dict[str, Any]:
    """What answers.json holds: the entries in the order of the pictures' names, and a summary.

    More than one of `model_versions` in the summary means that the model was swapped meanwhile.
    """
    results, failed = [], []
    for key in sorted(entries, key=place):
        entry = {name: value for name, value in entries[key].items() if name != "file"}
        (failed if "kind" in entry else results).append(entry)
    summary = {
        "settings": settings,
        **notes,
        "questions": len(entries),
        "answered": len(results),
        "failed": len(failed),
    }
    for name, values in (
        ("failed_by_kind", (one["kind"] for one in failed)),
        ("model_versions", (one["model_version"] for one in results)),
        ("instructions", map(_instruction, results)),
    ):
        summary[name] = dict(sorted(collections.Counter(values).items()))
    for name, key, value in (("ask_human", "ask_human", True), ("not_trained", "trained", False)):
        known = [one[key] for one in results if one.get(key) is not None]
        summary |= {name: known.count(value)} if known else {}
    return {"results": results, "failed_images": failed, "summary": summary}


def _instruction(entry: Entry) -> str:
    """What an answered question was about, in words: "skewering grape", or the text."""
    words = [entry[name] for name in ("input_action", "input_food_type") if entry[name]]
    return " ".join(words) or entry.get("input_text") or "?"


def output_paths(args: argparse.Namespace) -> list[pathlib.Path]:
    """JSON, lines, table, sheet and, if there are any, overlays: all that a run writes."""
    json_file = args.output_file
    files = [json_file.with_suffix(ending) for ending in (".json", ".jsonl", ".csv")]
    files.append(json_file.with_name(f"{json_file.stem}_sheet.png"))
    return files if args.overlay_dir is None else [*files, args.overlay_dir]


def write_views(
    document: Mapping[str, Any], args: argparse.Namespace, labels: Labels, check: Callable[[], None]
) -> None:
    """Writes what the module's docstring lists, each file whole or not at all, the JSON last.
    Nothing is drawn without `args.input_dir`. `check` is called before each overlay and at the end;
    what it raises ends the writing."""
    json_file, _, table, sheet, *_ = output_paths(args)
    results = document["results"]
    drawn = results if args.input_dir else []
    if drawn and args.sheet_images:
        evenly = np.linspace(0, len(drawn) - 1, min(len(drawn), args.sheet_images)).astype(int)
        tiles = [np.asarray(_tile(drawn[number], args.input_dir, labels)) for number in evenly]
        drawing.write_picture(sheet, drawing.grid(tiles, min(len(tiles), 6)))
    if drawn and args.overlay_dir:

        def write_overlay(entry: Entry) -> None:
            check()
            picture = _drawn(entry, args.input_dir, labels, _LARGEST_JPEG_PX)
            if picture is None:
                return
            # The whole name stays in front: plate.jpg and plate.png are two pictures.
            asked = re.sub(r"[^A-Za-z0-9_-]+", "_", _instruction(entry))[:60]
            path = args.overlay_dir / f"{entry['image']}.{asked}.jpg"
            if len(os.fsencode(path.name)) > 200:
                # File systems take 255 bytes, of which the temporary file needs some.
                digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
                path = path.with_name(f"{path.name[:30]}.{digest}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_files.replace_file(path, durable=False) as file:
                picture.save(file, "JPEG")

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(write_overlay, drawn))
    check()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    rows = sorted([*map(_row, results), *document["failed_images"]], key=lambda row: row["image"])
    for row in rows:
        writer.writerow({name: atomic_files.cell(value) for name, value in row.items()})
    with atomic_files.replace_file(table) as file:
        # File names need not be UTF-8; these are then the bytes that the disk has.
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))
    with atomic_files.replace_file(json_file) as file:
        file.write((json.dumps(document, indent=1) + "\n").encode())


def _row(entry: Entry) -> Entry:
    """An answer as a row of the table; what is not known is empty."""
    name = "mean_prediction" if "mean_prediction" in entry else "prediction"
    row = {**entry, **entry[name], **entry.get("statistics", {})}
    row |= {f"{key}_px": value for key, value in entry[f"{name}_pixels"].items()}
    row |= zip(("std_x1", "std_y1", "std_x2", "std_y2"), row.get("std", ()))
    return row | {"uncertainty_score": (entry.get("uncertainty") or {}).get("score")}


def _tile(entry: Entry, folder: pathlib.Path, labels: Labels) -> Image.Image:
    """A picture of the sheet; below it the end of its name, what was asked, and the doubt."""
    tile = Image.new("RGB", (_TILE_PX, _TILE_PX + _CAPTION_PX), (32, 32, 32))
    picture = _drawn(entry, folder, labels, _TILE_PX - 4, enlarges=True)
    if picture is not None:
        tile.paste(picture, ((_TILE_PX - picture.width) // 2, (_TILE_PX - picture.height) // 2))
    name, asked = entry["image"], _instruction(entry)
    if len(name) > _LONGEST_CAPTION:
        name = "..." + name[3 - _LONGEST_CAPTION :]
    asked += ": ask a person" * bool(entry.get("ask_human"))
    font = ImageFont.load_default(_FONT_PX)
    for line, text in enumerate((name, asked)):
        # The font has no more than these letters.
        text = text.encode("latin-1", "replace").decode("latin-1")
        ImageDraw.Draw(tile).text((4, _TILE_PX + line * (_FONT_PX + 3)), text, "white", font)
    return tile


def _drawn(
    entry: Entry, folder: pathlib.Path, labels: Labels, largest_px: int, enlarges: bool = False
) -> Image.Image | None:
    """A picture with its answer, at most `largest_px` long; None, and a line in the log, if it
    cannot be read any more."""
    try:
        picture = Image.fromarray(decode(folder / entry["image"]))
    except (OSError, ValueError) as error:
        logging.warning("%s is not drawn: %s", entry["image"], error)
        return None
    axes = [axis / picture.size for axis in labels.get(key_of(entry), ())]
    scale = largest_px / max(picture.size)
    if scale < 1.0 or enlarges:
        size = [max(1, round(scale * side)) for side in picture.size]
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return draw_answer(picture, entry, axes)


def draw_answer(
    picture: Image.Image, answer: Mapping[str, Any], axes: Sequence[np.ndarray] = ()
) -> Image.Image:
    """Draws an answer on its upright RGB picture: the motion in yellow from green over red. The
    midpoints of samples become blue dots, labelled motions (`axes`, [2, 2] in 0..1) white lines;
    what the last look saw gets a thin frame, unless it is all."""
    size = np.array(picture.size, np.float64)
    line_px = max(1, round(max(picture.size) / 150))
    canvas = ImageDraw.Draw(picture)
    crop = np.array(answer.get("crop") or (0, 0, 1, 1))
    if (crop != (0, 0, 1, 1)).any():
        for colour, width in (("black", line_px), ("white", max(1, line_px // 3))):
            canvas.rectangle([*(crop * np.tile(size, 2))], outline=colour, width=width)
    for axis in axes:
        canvas.line([*(axis * size).ravel()], fill="white", width=line_px)
    for sample in np.reshape(answer.get("predictions", ()), (-1, 2, 2)):
        centre = sample.mean(axis=0) * size
        place = [*(centre - line_px), *(centre + line_px)]
        canvas.ellipse(place, fill="deepskyblue", outline="black")
    motion = answer["mean_prediction"] if "mean_prediction" in answer else answer["prediction"]
    arrow = np.array([motion[name] for name in _MOTION[:4]])
    dots = ((0.0, (0, 255, 0)), (0.5, (255, 0, 0)))
    return Image.fromarray(
        drawing.draw_motion(np.asarray(picture), arrow, (255, 255, 0), dots=dots, outlined=True)
    )


def check_picture_path(path: pathlib.Path, photo: str) -> None:
    """Raises OSError or ValueError if an answer about `photo` cannot be drawn into file `path`."""
    drawing.check_extension(path)
    if not os.access(path.parent, os.W_OK) or path.is_dir():
        raise OSError(f"Expected a file in a folder that can be written to, got {path}.")
    if path.exists() and path.samefile(photo):
        raise ValueError(f"Expected another file than the photo, which would be lost: {path}.")


def save_picture(photo: bytes, answer: Mapping[str, Any], path: pathlib.Path) -> None:
    """Draws an answer on its photo into a file; see `draw_answer`."""
    picture = Image.fromarray(image_placement.decode_image(photo))
    drawing.write_picture(path, np.asarray(draw_answer(picture, answer)))
