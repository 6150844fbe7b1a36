"""The document of `study` as the text that evaluate.py prints, at most some 120 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

_ERROR_COLUMNS = (
    "centroid_mae",
    "bbox_mae",
    "centroid_error_mm",
    "angle_mae_mod180_deg",
    "hit_rate",
    "nearest_item_rate",
)
_GROUP_COLUMNS = ("centroid_mae", "angle_mae_mod180_deg", "hit_rate")
_FIGURES = ("auroc", "relative_ause", "gain_20", "spearman", "nll", "calibration_error")
_LEVELS = ("coverage_50", "coverage_90", "coverage_95")


def text(document: Mapping[str, object]) -> str:
    """All of it but the examples; parts that the document lacks are left out."""
    parts = [
        errors_table(document["errors"]),
        *(groups_table(kind, rows) for kind, rows in document["groups"].items() if len(rows) > 1),
        *comparison_lines(document["comparison"]),
    ]
    if document["uncertainty"]:
        parts.append(uncertainty_table(document["uncertainty"]))
    for key, lines in (
        ("calibration", calibration_lines),
        ("coverage_splits", coverage_lines),
        ("shifts", shift_lines),
    ):
        if document[key]:
            parts.append("\n".join(lines(document[key])))
    speed = document["throughput"]
    parts.append(
        f"{speed['num_images']} answers, {speed['images_per_s']:.1f} images/s, "
        f"{speed['peak_rss_mb']:.0f} MB"
    )
    return "\n\n".join(parts)


def interval(found: Mapping[str, float | None] | None) -> str:
    """'0.0165 [0.0158, 0.0173]'; '-' for what is not known, and no brackets without ends."""
    if found is None or found["mean"] is None:
        return "-"
    digits = 1 if abs(found["mean"]) >= 10 else 4
    mean = f"{found['mean']:.{digits}f}"
    if found["low"] is None or found["high"] is None:
        return mean
    return f"{mean} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"


def errors_table(errors: Mapping[str, Mapping[str, Mapping]]) -> str:
    """A line for each kind of answer, a column for each metric that any of them has."""
    columns = _present(_ERROR_COLUMNS, errors.values())
    lines = [["mean [95 % interval]", *columns]]
    lines += [
        [kind, *(interval(row.get(name)) for name in columns)] for kind, row in errors.items()
    ]
    return table(lines)


def groups_table(kind: str, rows: Mapping[str, Mapping]) -> str:
    """The model's errors by action, food or folder."""
    columns = _present(_GROUP_COLUMNS, rows.values())
    lines = [[kind, "n", *columns]]
    for name, row in rows.items():
        lines.append([name, str(row["n"]), *(interval(row.get(column)) for column in columns)])
    return table(lines)


def comparison_lines(comparison: Mapping | None) -> Iterator[str]:
    """Differences to the other checkpoint."""
    if comparison is None:
        return
    columns = comparison["columns"]
    lines = [["", "difference [95 % interval]", "p"]]
    for name in _present(_ERROR_COLUMNS, [columns]):
        row = columns[name]
        p_value = "-" if row["p_value"] is None else f"{row['p_value']:.4f}"
        lines.append([name, interval({"mean": row["difference"], **row}), p_value])
    yield f"minus {comparison['other']}, on the same samples:\n{table(lines)}"


def uncertainty_table(rows: Sequence[Mapping]) -> str:
    """A line for each source and score; * marks what decisions are made with."""
    lines = [["uncertainty", "score", *_FIGURES, *_LEVELS, "ms", "cost"]]
    for row in rows:
        figures = [_number(row["figures"].get(name), 3) for name in (*_FIGURES, *_LEVELS)]
        cost = [_number(row["ms_per_image"], 1), _number(row["relative_cost"], 2)]
        label = f"{row['label']} *" if row["is_default"] else row["label"]
        lines.append([label, row["score"], *figures, *cost])
    return table(lines)


def calibration_lines(found: Mapping[str, object]) -> Iterator[str]:
    """What uncertainty.json is worth on these samples."""
    fitted_on = found["fitted_on"]
    yield (
        f"uncertainty.json ({fitted_on['source']}, {fitted_on['score']}, fitted on "
        f"{fitted_on['num_calibration_samples']} samples of {fitted_on['num_pictures']} pictures):"
    )
    for kind, name in (("disc", "discs"), ("both", "discs with sectors"), ("box", "boxes")):
        if f"{kind}_coverage" not in found:
            continue
        held = interval(found[f"{kind}_coverage"])
        yield f"  {name} that promise {found['nominal']:.0%} hold {held} of the labels"
    yield f"  median radius {found['median_radius']:.4f} of the picture"
    yield (
        f"  asked about {found['asked_share']:.1%} (target: {found['target']}); mean distance of "
        f"the midpoints {found['error_of_all']:.4f}, of the answered "
        f"{_number(found['error_of_answered'], 4)}; gain {_number(found['gain'], 3)}"
    )
    yield (
        f"  wrong {found['wrong_of_all']:.3f}, of the answered "
        f"{_number(found['wrong_of_answered'], 3)}"
    )
    chance = found["chance"]
    if chance is not None:
        yield (
            f"  chance to be right {chance['mean']:.3f}, right {chance['right']:.3f}; calibration "
            f"error {interval(chance['ece'])}; AUROC of wrong answers "
            f"{_number(chance['auroc'], 3)}"
        )


def coverage_lines(found: Mapping[str, object]) -> Iterator[str]:
    """Coverage over random splits."""
    yield (
        f"{found['nominal']:.0%} regions, fitted on {found['fraction']:.0%} of these samples and "
        f"tested on the others, {found['num_splits']} random splits:"
    )
    for name, row in found.items():
        if isinstance(row, dict):
            yield f"  {name}: {row['mean']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def shift_lines(rows: Sequence[Mapping]) -> Iterator[str]:
    """Plates unlike training."""
    lines = [["plates", "n", "auroc", "asked", "uncertainty"]]
    for row in rows:
        figures = [_number(row[name], 3) for name in ("auroc", "asked_share")]
        lines.append([row["name"], str(row["n"]), *figures, _number(row["mean_uncertainty"], 4)])
    yield table(lines)


def table(lines: Sequence[Sequence[str]]) -> str:
    """Cells in columns, the first to the left, the others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))]
        ).rstrip()
        for line in lines
    )


def _present(names: Sequence[str], rows: object) -> list[str]:
    rows = list(rows)
    return [name for name in names if any(name in row for row in rows)]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
