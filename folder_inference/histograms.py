"""OUTPUT_variances.png: how far the samples of each picture lie apart, four histograms."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import figure, ticker
from matplotlib.backends import backend_agg

from folder_inference import variances
from food_data import atomic_files


def write_histograms(path: pathlib.Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Writes the picture.

    Args:
        path: of the PNG.
        records: answered, at least one, each with `statistics`.

    Raises:
        OSError: if it cannot be written.
    """
    drawn = figure.Figure(figsize=(11, 7))
    backend_agg.FigureCanvasAgg(drawn)
    for axes, (name, meaning) in zip(drawn.subplots(2, 2).flat, variances.MEANINGS.items()):
        values = np.array([record["statistics"][name] for record in records], float)
        bins = min(30, max(5, len(values) // 3))
        # From 0 on, so that a spread and none do not look alike.
        axes.hist(values, bins, range=(0.0, max(1.02 * values.max(), 1e-6)), color="tab:blue")
        median = float(np.median(values))
        axes.axvline(median, color="tab:red", label=f"median {median:.3g}")
        axes.set_title(f"{name.replace('_', ' ')}: {meaning}", fontsize=10)
        axes.set_xlabel("variance (coordinates in 0..1)")
        axes.set_ylabel("answers")
        axes.legend(loc="upper right")
        axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    # Fixed margins: working them out takes longer than drawing.
    drawn.subplots_adjust(left=0.07, right=0.97, bottom=0.08, top=0.9, hspace=0.35)
    drawn.suptitle(f"Spread of the samples of {len(records)} answers")
    with atomic_files.replace_file(path) as file:
        drawn.savefig(file, format="png", dpi=100)
