"""OUTPUT.csv: a row for each question, answered or not, for spreadsheets.

Without samples the columns of the spread are empty, without a calibration `ask_human` and
`uncertainty_score`, without labels the columns of the score; `error` is empty where there is an
answer. Coordinates are shares of the picture, or pixels (`..._px`).
"""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from folder_inference import scoring, variances
from food_data import atomic_files

_MOTION = ("start_x", "start_y", "end_x", "end_y", "skewer_x", "skewer_y", "direction_degrees")
_COORDINATES = ("x1", "y1", "x2", "y2")
_SCORES = tuple(scoring.Score().to_dict())
COLUMNS = (
    "image",
    "action",
    "food_type",
    *_MOTION,
    *(f"{name}_px" for name in _MOTION),
    "image_width",
    "image_height",
    *variances.NAMES,
    *(f"std_{name}" for name in _COORDINATES),
    "num_samples",
    "seed",
    "ask_human",
    "uncertainty_score",
    *_SCORES,
    "model_version",
    "request_id",
    "client_ms",
    "error",
)


def write_csv(
    path: pathlib.Path, records: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]
) -> None:
    """Writes the table.

    Args:
        path: of the file.
        records: answered.
        failed: not answered; both as `results` makes them, sorted together by picture here.

    Raises:
        OSError: if it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    rows = [_answered(record) for record in records]
    rows += [{name: one[name] for name in COLUMNS if name in one} for one in failed]
    writer.writerows(sorted(rows, key=lambda row: row["image"]))
    with atomic_files.replace_file(path) as file:
        # File names need not be UTF-8; these are then the bytes that the disk has.
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _answered(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: record[name] for name in COLUMNS if record.get(name) is not None}
    name = "mean_prediction" if "mean_prediction" in record else "prediction"
    row.update(record[name])
    row.update({f"{key}_px": value for key, value in record[f"{name}_pixels"].items()})
    statistics = record.get("statistics")
    if statistics is not None:
        row.update({key: statistics[key] for key in (*variances.NAMES, "num_samples")})
        row.update(zip((f"std_{key}" for key in _COORDINATES), statistics["std"]))
    if record.get("uncertainty") is not None:
        row["uncertainty_score"] = record["uncertainty"]["score"]
    score = record.get("score", {})
    row.update({key: value for key, value in score.items() if value is not None})
    return {key: value for key, value in row.items() if key in COLUMNS}
