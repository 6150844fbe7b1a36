"""The document of `study` as the text that evaluate.py prints, at most some 120 columns wide."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

_ERRORS = ("centroid_mae", "bbox_mae", "centroid_error_mm", "angle_mae_mod180_deg")
_ERRORS += ("hit_rate", "nearest_item_rate")
_GROUPS = ("centroid_mae", "angle_mae_mod180_deg", "hit_rate")
_FIGURES = ("auroc", "relative_ause", "gain_20", "spearman", "nll", "calibration_error")
_FIGURES += ("coverage_50", "coverage_90", "coverage_95")


def text(document: Mapping[str, typing.Any]) -> str:
    """All of it but the examples; parts that are empty are left out."""
    parts = [_estimates(["mean [95 % interval]"], document["errors"], _ERRORS)]
    for kind, rows in document["groups"].items():
        if len(rows) > 1:
            parts.append(_estimates([kind, "n"], rows, _GROUPS))
    compared = document["comparison"]
    if compared:
        lines = [["", "difference [95 % interval]", "p"]]
        for name in (name for name in _ERRORS if name in compared["columns"]):
            row = compared["columns"][name]
            difference = interval({"mean": row["difference"], **row})
            lines.append([name, difference, number(row["p_value"], 4)])
        parts.append(f"minus {compared['other']}, on the same samples:\n{table(lines)}")
    if document["uncertainty"]:
        lines = [["uncertainty", "score", *_FIGURES, "ms", "cost"]]
        for row in document["uncertainty"]:
            figures = [number(row["figures"].get(name), 3) for name in _FIGURES]
            cost = [number(row["ms_per_image"], 1), number(row["relative_cost"], 2)]
            label = row["label"] + " *" * row["is_default"]
            lines.append([label, row["score"], *figures, *cost])
        parts.append(table(lines))
    if document["calibration"]:
        parts.append(calibration_text(document["calibration"]))
    tried = document["coverage_splits"]
    if tried:
        lines = [
            f"{tried['nominal']:.0%} regions, fitted on {tried['fraction']:.0%} of these samples "
            f"and tested on the others, {tried['num_splits']} random splits:"
        ]
        for name, row in tried.items():
            if isinstance(row, dict):
                lines.append(f"  {name}: {row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})")
        parts.append("\n".join(lines))
    if document["shifts"]:
        lines = [["plates", "n", "auroc", "asked", "uncertainty"]]
        for row in document["shifts"]:
            figures = [number(row[name], 3) for name in ("auroc", "asked_share")]
            lines.append([row["name"], str(row["n"]), *figures, number(row["mean_uncertainty"], 4)])
        parts.append(table(lines))
    speed = document["throughput"]
    parts.append(
        f"{speed['num_images']} answers, {speed['images_per_s']:.1f} images/s, "
        f"{speed['peak_rss_mb']:.0f} MB"
    )
    return "\n\n".join(parts)


def calibration_text(found: Mapping[str, typing.Any]) -> str:
    """What uncertainty.json is worth on these samples, `study.calibration_figures`."""
    fitted_on, chance = found["fitted_on"], found["chance"]
    lines = [
        f"uncertainty.json ({fitted_on['source']}, {fitted_on['score']}, fitted on "
        f"{fitted_on['num_calibration_samples']} samples of {fitted_on['num_pictures']} pictures):"
    ]
    for kind, name in (("disc", "discs"), ("both", "discs with sectors"), ("box", "boxes")):
        if f"{kind}_coverage" in found:
            held = interval(found[f"{kind}_coverage"])
            lines.append(f"  {name} that promise {found['nominal']:.0%} hold {held} of the labels")
    lines += [
        f"  median radius {found['median_radius']:.4f} of the picture",
        f"  asked about {found['asked_share']:.1%} (target: {found['target']}); mean distance of "
        f"the midpoints {found['error_of_all']:.4f}, of the answered "
        f"{number(found['error_of_answered'], 4)}; gain {number(found['gain'], 3)}",
        f"  wrong {found['wrong_of_all']:.3f}, of the answered "
        f"{number(found['wrong_of_answered'], 3)}",
    ]
    if chance is not None:
        lines.append(
            f"  chance to be right {chance['mean']:.3f}, right {chance['right']:.3f}; calibration "
            f"error {interval(chance['ece'])}; AUROC of wrong answers {number(chance['auroc'], 3)}"
        )
    return "\n".join(lines)


def _estimates(
    heads: Sequence[str], rows: Mapping[str, Mapping[str, typing.Any]], names: Sequence[str]
) -> str:
    """A line for each row, a column for each metric that any of them has."""
    columns = [name for name in names if any(name in row for row in rows.values())]
    lines = [[*heads, *columns]]
    for name, row in rows.items():
        counts = [str(row["n"])] if "n" in heads else []
        lines.append([name, *counts, *(interval(row.get(column)) for column in columns)])
    return table(lines)


def interval(found: Mapping[str, float | None] | None) -> str:
    """'0.0165 [0.0158, 0.0173]'; '-' for what is not known, and no brackets without ends."""
    if found is None or found["mean"] is None:
        return "-"
    mean, low, high = (found[name] for name in ("mean", "low", "high"))
    digits = 1 if abs(mean) >= 10 else 4
    ends = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{mean:.{digits}f}{ends}"


def number(value: float | None, digits: int) -> str:
    """With so many decimals; '-' for what is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def table(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))]
        ).rstrip()
        for line in lines
    )
