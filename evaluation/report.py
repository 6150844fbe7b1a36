"""The document of `study` for people and programs: text, JSON, and one page, report.html."""

from __future__ import annotations

import base64
import math
import os
import pathlib
import typing
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from food_data import atomic_files, drawing

COLUMNS = ("centroid_mae", "angle_mae_mod180_deg", "elongated_angle_mae_mod180_deg")
COLUMNS += ("hit_rate", "any_food_rate", "nearest_item_rate", "right_rate")
_GROUPS = ("n", "centroid_mae", "elongated_angle_mae_mod180_deg", "hit_rate", "right_rate")
_FIGURES = ("score", "auroc", "coverage_90")

Document = Mapping[str, typing.Any]
Table = list[list[str]]


def plain(value: object) -> typing.Any:
    """The value in JSON types: None for NaN and infinity, without 'image' entries of examples."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items() if key != "image"}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, pathlib.Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cell(value: object) -> str:
    """A plain number with four decimals, or one from 10 on; a mean with its 95 % interval as
    '0.0165 [0.0158, 0.0173]', without brackets if it has no ends; '-' for what is not known."""
    if isinstance(value, Mapping):
        mean, low, high = (value[name] for name in ("mean", "low", "high"))
        if low is None:
            return cell(mean)
        digits = 1 if abs(mean) >= 10 else 4
        return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    if isinstance(value, float):
        return f"{value:.{1 if abs(value) >= 10 else 4}f}"
    return "-" if value is None else str(value)


def table(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first to the left, the others to the right."""
    first, *others = zip(*lines)
    columns = [[cell.ljust(max(map(len, first))) for cell in first]]
    columns += [[cell.rjust(max(map(len, column))) for cell in column] for column in others]
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns))


def tables(document: Document) -> dict[str, list[tuple[str, Table]]]:
    """{title of a section: [(caption, cells)]} of what the document has."""
    errors = ("mean [95 % interval over pictures]", _table(document["errors"], COLUMNS))
    found = {"Errors beside answers that need no model": [errors]}
    groups = {kind: rows for kind, rows in document["groups"].items() if len(rows) > 1}
    if groups:
        parts = [(f"by {kind}", _table(rows, _GROUPS)) for kind, rows in groups.items()]
        found["Errors by action, food and source"] = parts
    if compared := document["comparison"]:
        caption = f"minus {compared['other']}, on the same samples"
        found["Comparison"] = [(caption, _table({"difference": compared["columns"]}, COLUMNS))]
    if document["uncertainty"]:
        rows = {row["label"]: row for row in document["uncertainty"]}
        caption = "how well it ranks errors, and whether standard deviations mean what they say"
        found["Uncertainty"] = [(caption, _table(rows, _FIGURES))]
    if document["calibration"]:
        found["Calibration"] = [calibration_table(document["calibration"])]
    if absent := document["absent_food"]:
        caption = "doubt about food that is asked for and is not there, against food that is"
        rows = _table({"absent food": absent}, ("n", "auroc", "asked_share"))
        found["Food that is not on the plate"] = [(caption, rows)]
    return found


def _table(rows: Mapping[str, Document], names: Sequence[str]) -> Table:
    """A line for each row, a column for each of the names that any of them has."""
    columns = [name for name in names if any(name in row for row in rows.values())]
    lines = [[name, *(cell(row.get(one)) for one in columns)] for name, row in rows.items()]
    return [["", *columns], *lines]


def calibration_table(found: Document) -> tuple[str, Table]:
    """What uncertainty.json is worth on these samples, `calibration_fit.figures`."""
    fitted_on = found["fitted_on"]
    caption = (
        f"uncertainty.json ({fitted_on['source']}, {fitted_on['score']}, fitted on "
        f"{fitted_on['num_calibration_samples']} samples of {fitted_on['num_pictures']} pictures; "
        f"{found['target']}; regions promise {found['nominal']:.0%})"
    )
    if not found["meets_floor"]:
        caption += "; it misses its floor: servers ask about every answer"
    lines = [[name, cell(one)] for name, one in found["intervals"].items()]
    return caption, [["", "mean [95 % interval]"], *lines, ["auroc", cell(found["auroc"])]]


def text(document: Document) -> str:
    """All tables; those that are empty are left out."""
    parts = [part for section in tables(document).values() for part in section]
    return "\n\n".join(f"{caption}\n{table(cells)}" for caption, cells in parts)


def write(document: Document, directory: str | os.PathLike[str]) -> pathlib.Path:
    """Writes report.html, which needs no other file, whole or not at all, and returns its path.
    `document` is that of evaluate.py; the directory is made if it does not exist."""
    import jinja2  # Here because it is not needed to print.

    loader = jinja2.FileSystemLoader(pathlib.Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True)
    sections = tables(document)
    sections["Settings and versions"] = [
        (name, [["name", "value"], *([key, str(one)] for key, one in document[name].items())])
        for name in ("data", "checkpoint", "settings", "versions")
    ]
    template = environment.get_template("report.html.jinja")
    html = template.render(document=document, sections=sections, cell=cell, drawn=_drawn)
    path = pathlib.Path(directory) / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.replace_file(path) as file:
        # File names need not be UTF-8; what is not becomes a question mark.
        file.write(html.encode("utf-8", "replace"))
    return path


def _drawn(example: Document) -> str:
    """The picture of one of the document's examples with both motions, as an address."""
    size = np.array(example["image"].shape[1::-1]) * 2
    picture = cv2.resize(example["image"], size.tolist(), interpolation=cv2.INTER_CUBIC)
    if example["radius"] is not None:
        centre = np.rint(np.reshape(example["predicted"], (2, 2)).mean(axis=0) * size).astype(int)
        radius = round(example["radius"] * int(size[0]))
        cv2.circle(picture, centre.tolist(), radius, (255, 255, 255), 2, cv2.LINE_AA)
    colours = {"labelled": drawing.ARROW_COLOUR, "predicted": drawing.START_COLOUR}
    for name, colour in colours.items():
        picture = drawing.draw_motion(picture, example[name], colour, dots=(), outlined=True)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
