"""What a folder run writes besides its lines: JSON, table, pictures with answers.

    answers.json              {"results": [...], "failed_images": [...], "summary": {...}}
    answers.csv               a row for each question; a text that begins like a formula (= + - @)
                              has a ' before it, as spreadsheets want it
    OVERLAYS/new/c.PNG.skewering_grape.jpg    every picture with its answer

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
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import logging
from PIL import Image, ImageDraw

from food_data import atomic_files, drawing, image_placement

_MOTION = ("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y", "direction_degrees")
COLUMNS = (
    *("image", "action", "food_type", *_MOTION, *(f"{name}_px" for name in _MOTION)),
    *("image_width", "image_height", "total_variance", "centroid_variance", "size_variance"),
    *("distance_variance", "std_x1", "std_y1", "std_x2", "std_y2", "num_samples", "seed"),
    *("ask_human", "uncertainty_score", "model_version", "request_id", "client_ms", "error"),
    *("trained", "likeness"),
)
_LARGEST_JPEG_PX = 65_500

Entry = dict[str, Any]


def make_document(settings: Entry, notes: Entry, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What answers.json holds: the entries in the order of the pictures' names, and a summary.
    Several `model_versions` in the summary mean that the model was swapped meanwhile."""
    results, failed = [], []
    for image in sorted(entries):
        entry = {name: value for name, value in entries[image].items() if name != "file"}
        (failed if "kind" in entry else results).append(entry)
    counts = {"questions": len(entries), "answered": len(results), "failed": len(failed)}
    summary = {"settings": settings, **notes, **counts}
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
    """JSON, lines, table and, if there are any, overlays: all that a run writes."""
    files = [args.output_file.with_suffix(ending) for ending in (".json", ".jsonl", ".csv")]
    return files if args.overlay_dir is None else [*files, args.overlay_dir]


def write_views(
    document: Mapping[str, Any], args: argparse.Namespace, check: Callable[[], None]
) -> None:
    """Writes what the module's docstring lists, each file whole or not at all, the JSON last.
    Nothing is drawn without `args.input_dir`. `check` is called before each overlay and at the end;
    what it raises ends the writing."""
    json_file, _, table, *_ = output_paths(args)
    results = document["results"]
    if args.input_dir and args.overlay_dir:

        def write_overlay(entry: Entry) -> None:
            check()
            try:
                content = (args.input_dir / entry["image"]).read_bytes()
                picture = Image.fromarray(image_placement.decode_image(content))
            except (OSError, ValueError) as error:
                logging.warning("%s is not drawn: %s", entry["image"], error)
                return
            picture.thumbnail((_LARGEST_JPEG_PX, _LARGEST_JPEG_PX))
            # The whole name stays in front: plate.jpg and plate.png are two pictures.
            asked = re.sub(r"[^A-Za-z0-9_-]+", "_", _instruction(entry))[:60]
            path = args.overlay_dir / f"{entry['image']}.{asked}.jpg"
            if len(os.fsencode(path.name)) > 200:
                # File systems take 255 bytes, of which the temporary file needs some.
                digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
                path = path.with_name(f"{path.name[:30]}.{digest}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_files.replace_file(path, durable=False) as file:
                draw_answer(picture, entry).save(file, "JPEG")

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(write_overlay, results))
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


def draw_answer(picture: Image.Image, answer: Mapping[str, Any]) -> Image.Image:
    """Draws an answer on its upright RGB picture: the motion in yellow from green over red. The
    midpoints of samples become blue dots; a part that the last look saw gets a thin frame."""
    size = np.array(picture.size, np.float64)
    line_px = max(1, round(max(picture.size) / 150))
    canvas = ImageDraw.Draw(picture)
    crop = np.array(answer.get("crop") or (0, 0, 1, 1))
    if (crop != (0, 0, 1, 1)).any():
        for colour, width in (("black", line_px), ("white", max(1, line_px // 3))):
            canvas.rectangle([*(crop * np.tile(size, 2))], outline=colour, width=width)
    for sample in np.reshape(answer.get("predictions", ()), (-1, 2, 2)):
        centre = sample.mean(axis=0) * size
        place = [*(centre - line_px), *(centre + line_px)]
        canvas.ellipse(place, fill="deepskyblue", outline="black")
    motion = answer["mean_prediction"] if "mean_prediction" in answer else answer["prediction"]
    arrow = np.array([motion[name] for name in _MOTION[:4]])
    how = {"dots": ((0.0, (0, 255, 0)), (0.5, (255, 0, 0))), "outlined": True}
    return Image.fromarray(drawing.draw_motion(np.asarray(picture), arrow, (255, 255, 0), **how))


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
