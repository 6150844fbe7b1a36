"""summary.json and summary.txt: what a run came to, for programs and for people."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from food_data import atomic_files

_LABELS = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "centroid_mae": "centroid MAE (share of the side)",
    "bbox_mae": "coordinate MAE (share of the side)",
    "angle_mae_deg": "angle MAE (degrees)",
    "angle_mae_mod180_deg": "angle MAE modulo 180 (degrees)",
    "hit_rate": "midpoint on the instructed food",
    "nearest_item_rate": "instructed food nearest (of several)",
}


@dataclasses.dataclass(frozen=True)
class LoggedRun:
    """What the log files of a run say.

    Attributes:
        num_train: training samples.
        num_val: validation samples.
        best_epoch: by the selection metric; 0 without validation.
        first, best, last: rows of loss_log.csv.
        baseline: of always answering the mean of the training labels.
    """

    num_train: int
    num_val: int
    best_epoch: int
    first: Mapping[str, float]
    best: Mapping[str, float]
    last: Mapping[str, float]
    baseline: Mapping[str, float]


def write(
    checkpoint_dir: str | os.PathLike[str], run: LoggedRun, summary: Mapping[str, object]
) -> str:
    """Writes both files, each whole or not at all.

    Args:
        checkpoint_dir: of the run.
        run: goes into summary.json as 'logged'.
        summary: what else there is to say; its entries come first.

    Returns:
        The contents of summary.txt.
    """
    folder = pathlib.Path(checkpoint_dir)
    contents = {**summary, "logged": dataclasses.asdict(run)}
    text = as_text(run, summary)
    # Not "NaN", which is no JSON.
    files = {
        "summary.json": json.dumps(_plain(contents), indent=1, allow_nan=False) + "\n",
        "summary.txt": text,
    }
    for name, written in files.items():
        with atomic_files.replace_file(folder / name) as file:
            file.write(written.encode())
    return text


def as_text(run: LoggedRun, summary: Mapping[str, object]) -> str:
    """A table of first, best and last epoch beside the baseline, then the summary's entries."""
    lines = [
        f"{run.num_train} training samples, {run.num_val} validation samples; constant: the mean "
        "of the training labels as every answer",
        _line("", *(f"epoch {_number(row.get('epoch'))}" for row in _rows(run)), "constant"),
        _line("", "(first)", "(best)", "(last)", ""),
    ]
    for column, label in _LABELS.items():
        cells = [_number(row.get(column)) for row in (*_rows(run), run.baseline)]
        if any(cell != "-" for cell in cells):
            lines.append(_line(label, *cells))
    chance = run.baseline.get("nearest_item_chance", math.nan)
    if math.isfinite(chance):
        lines.append(f"(a blind choice among a picture's foods: {chance:.4g} nearest)")
    lines += [f"{name}: {_entry(value)}" for name, value in summary.items()]
    return "\n".join(lines) + "\n"


def _rows(run: LoggedRun) -> tuple[Mapping[str, float], ...]:
    return run.first, run.best, run.last


def _line(label: str, *cells: str) -> str:
    return f"{label:36}" + "".join(f"{cell:>12}" for cell in cells).rstrip()


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4g}"


def _entry(value: object) -> str:
    if isinstance(value, Mapping):
        # Of metrics those that the table has; summary.json has them all.
        names = [name for name in value if name in _LABELS] or value
        return ", ".join(f"{name} {_entry(value[name])}" for name in names)
    return _number(value) if isinstance(value, (float, np.floating)) else str(value)


def _plain(value: object) -> object:
    """What JSON can hold: no NaN, no NumPy, no path."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
