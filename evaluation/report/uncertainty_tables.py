"""Tables of uncertainty: sources and their cost, calibration, shifts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evaluation.report import numbers, tables

_PICTURE = "share of the picture"
# Caption, {figure of evaluation.uncertainty_metrics: (label, unit, what is best)}.
_Figures = dict[str, tuple[str, str, "str | float | None"]]
_PARTS: tuple[tuple[str, _Figures], ...] = (
    (
        "How well each source ranks answers by their error",
        {
            "auroc": ("AUROC of a wrong answer", "share", "high"),
            "average_precision": ("Average precision", "share", "high"),
            "spearman": ("Rank correlation", "-1 to 1", "high"),
            "relative_ause": ("AUSE / AUSE of random", "ratio", "low"),
            "ause": ("AUSE", "ratio", "low"),
            "random_ause": ("AUSE of random", "ratio", None),
        },
    ),
    (
        "What asking a human about the most uncertain gains",
        {
            "mean_error": ("Mean error, nobody asked", _PICTURE, "low"),
            "wrong_share": ("Wrong answers", "share", "low"),
            "gain_10": ("Error falls by, asking 10 %", "share", "high"),
            "gain_20": ("Error falls by, asking 20 %", "share", "high"),
            "gain_50": ("Error falls by, asking 50 %", "share", "high"),
            "aurc": ("AURC", _PICTURE, "low"),
            "excess_aurc": ("AURC above the oracle's", _PICTURE, "low"),
        },
    ),
    (
        "Whether standard deviations mean what they say",
        {
            "nll": ("Negative log-likelihood", "nats", "low"),
            "calibration_error": ("Calibration error", "share", "low"),
            "calibration_error_squared": ("The same, squared", "share\N{SUPERSCRIPT TWO}", "low"),
            "ence": ("ENCE", "ratio", "low"),
            "coverage_50": ("In the 50 % interval", "share", 0.5),
            "coverage_80": ("In the 80 % interval", "share", 0.8),
            "coverage_90": ("In the 90 % interval", "share", 0.9),
            "coverage_95": ("In the 95 % interval", "share", 0.95),
            "mean_std": ("Mean std", _PICTURE, None),
        },
    ),
)


def sources(document: Mapping[str, Any]) -> list[tables.Table]:
    """Tables with a row for each source; the first one begins with the cost."""
    rows = document["uncertainty"]
    cost = [
        (
            tables.Head("Time", "ms per picture", _hint("low")),
            [row["ms_per_image"] for row in rows],
            "low",
        ),
        (
            tables.Head("Cost", "times one pass", _hint("low")),
            [row["relative_cost"] for row in rows],
            "low",
        ),
    ]
    known = {name for _, figures in _PARTS for name in figures}
    other = sorted({name for row in rows for name in row["figures"]} - known)
    parts = [*_PARTS, ("Other figures", {name: (name, "see docs", None) for name in other})]
    found = []
    for caption, figures in parts:
        columns = [] if found else list(cost)
        for name, (label, unit, better) in figures.items():
            values = [row["figures"].get(name) for row in rows]
            if any(value is not None for value in values):
                columns.append((tables.Head(label, unit, _hint(better)), values, better))
        if len(columns) > (0 if found else len(cost)):
            found.append(_by_source(caption, rows, columns))
    return found or [_by_source("What each source costs", rows, cost)]


def _by_source(
    caption: str, rows: list[Mapping[str, Any]], columns: list[tuple[tables.Head, list, Any]]
) -> tables.Table:
    scores = {row["score"] for row in rows}
    ranked = f" Ranked by {rows[0]['score']}." if len(scores) == 1 else ""
    cells = zip(*(tables.values(values, better) for _, values, better in columns))
    made = []
    for row, own in zip(rows, cells):
        unit = "default" if row["is_default"] else ""
        head = tables.Head(row["label"], unit, "" if ranked else f"by {row['score']}")
        made.append(tables.Row(head, own, marked=row["is_default"]))
    heads = tuple(head for head, _, _ in columns)
    return tables.Table(f"{caption}. The best is bold.{ranked}", "Source", heads, tuple(made))


def calibration(document: Mapping[str, Any]) -> tables.Table:
    """A row for each promise of uncertainty.json and what it came to on these samples."""
    found = document["calibration"]
    nominal = numbers.percent(found["nominal"])
    rows = []
    for name, label in (
        ("disc_coverage", f"Midpoint in its {nominal} disc"),
        ("both_coverage", f"Midpoint and direction in their {nominal} disc and sector"),
        ("box_coverage", f"All coordinates in their {nominal} boxes"),
    ):
        if found.get(name):
            cell = tables.estimates([found[name]], None)[0]
            rows.append(tables.Row(tables.Head(label, "share", f"{nominal} promised"), (cell,)))
    for name, label, unit in (
        ("median_radius", "Median radius of the disc", _PICTURE),
        ("asked_share", "Samples asked about", "share"),
        ("error_of_all", "Mean error, nobody asked", _PICTURE),
        ("error_of_answered", "Mean error of those not asked about", _PICTURE),
        ("gain", "Error falls by", "share"),
    ):
        if found.get(name) is not None:
            rows.append(tables.Row(tables.Head(label, unit), tuple(tables.values([found[name]]))))
    caption = f"Regions and asking the human on these samples. Target: {found['target']}."
    return tables.Table(caption, "What", (tables.Head("Value", "", "95 % interval"),), tuple(rows))


def fitted_on(document: Mapping[str, Any]) -> tables.Table:
    """What the calibration was fitted on."""
    found = {name: as_word(value) for name, value in document["calibration"]["fitted_on"].items()}
    return tables.facts("What the calibration was fitted on", "What", found)


def shifts(document: Mapping[str, Any]) -> tables.Table:
    """A row for each way in which plates were made unlike training."""
    rows = document["shifts"]
    columns = [
        (tables.Head("AUROC", "share", "0.5 knows nothing"), "auroc"),
        (tables.Head("Asked about", "share"), "asked_share"),
        (tables.Head("Mean uncertainty", "unit of the score"), "mean_uncertainty"),
    ]
    cells = [tables.values([row[name] for row in rows]) for _, name in columns]
    cells.append([tables.Cell(str(row["n"])) for row in rows])
    heads = (*(head for head, _ in columns), tables.Head("Samples", "number"))
    made = tuple(tables.Row(tables.Head(row["name"]), own) for row, own in zip(rows, zip(*cells)))
    caption = "How the uncertainty tells plates unlike training from ordinary ones."
    return tables.Table(caption, "Shift", heads, made)


def as_word(value: object) -> str:
    """A setting as text: text as it is, the rest as JSON, 'none' for nothing."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hint(better: str | float | None) -> str:
    if isinstance(better, float):
        return f"{better:g} is best"
    return f"{better} is best" if better else ""
