"""Tables of a report: what they say, apart from how they look.

Numbers have as many digits as mean something, the same for all of a metric: the means 0.03421
(0.03108 to 0.03790) and 0.31234 get four decimals, because the smallest needs them for three
digits: 0.0342, 0.0311–0.0379, 0.3123.
"""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence

UNKNOWN = "\N{EN DASH}"
_MOST_ROWS = 50
_PICTURE = "share of the picture"
# Caption, {figure of evaluation.uncertainty_metrics: (label, unit, what is best)}.
_SOURCES: tuple[tuple[str, dict[str, tuple[str, str, str | float | None]]], ...] = (
    (
        "How well each source ranks answers by their error",
        {
            "ms_per_image": ("Time", "ms per picture", "low"),
            "relative_cost": ("Cost", "times one pass", "low"),
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

Document = Mapping[str, typing.Any]
Figure = Mapping[str, float | None]


class Head(typing.NamedTuple):
    """Of a row or a column: its name, the unit of its numbers, and what else to know."""

    text: str
    unit: str = ""
    hint: str = ""


class Cell(typing.NamedTuple):
    """A value, its interval below it, and whether it is the best of its metric."""

    text: str
    detail: str = ""
    best: bool = False


class Table(typing.NamedTuple):
    """A table; `corner` is the header of its row headers, `marked` rows are set off."""

    caption: str
    corner: str
    heads: Sequence[Head]
    rows: Sequence[tuple[Head, Sequence[Cell]]]
    marked: Sequence[bool] = ()


def errors(document: Document) -> Iterator[Table]:
    """A row for each metric, a column for each kind of answer."""
    kinds, rows = document["errors"], []
    for column, metric in document["metrics"].items():
        cells = _cells([row.get(column) for row in kinds.values()], metric["better"])
        rows.append((_metric_head(metric), cells))
    caption = "Mean of each metric; below it the 95 % interval over pictures. The best is bold."
    yield from _parts(Table(caption, "Metric", [Head(kind) for kind in kinds], rows))


def comparison(document: Document) -> Iterator[Table]:
    """A row for each metric: this checkpoint minus the other one."""
    found, rows = document["comparison"], []
    if not found:
        return
    for column, figure in found["columns"].items():
        metric = document["metrics"][column]
        (difference,) = _cells([{"mean": figure["difference"], **figure}])
        p_value = UNKNOWN if figure["p_value"] is None else f"{figure['p_value']:.4f}"
        cells = [difference, Cell(p_value), Cell(verdict(figure, metric["better"]))]
        rows.append((_metric_head(metric), cells))
    heads = [Head("Difference", "in the metric's unit", "95 % interval"), Head("p value", "0 to 1")]
    caption = f"This checkpoint minus {found['other']}, on the same samples."
    yield Table(caption, "Metric", [*heads, Head("This checkpoint is")], rows)


def verdict(figure: Figure, better: str) -> str:
    """What an interval of differences says."""
    low, high = figure["low"], figure["high"]
    if low is None or high is None:
        return UNKNOWN
    if low <= 0 <= high:
        return "not shown to differ"
    return "better" if (high < 0) == (better == "low") else "worse"


def group(document: Document, name: str) -> list[Table]:
    """A row for each group, a column for each metric; of many groups the worst ones."""
    metrics, groups = document["metrics"], document["groups"][name]
    caption, members = f"Mean of each metric by {name}; below it the 95 % interval.", list(groups)
    if len(members) > _MOST_ROWS:
        first, metric = next(iter(metrics.items()))
        known = [one for one in members if groups[one][first]["mean"] is not None]
        sign = 1 if metric["better"] == "high" else -1
        members = sorted(known, key=lambda one: sign * groups[one][first]["mean"])[:_MOST_ROWS]
        caption += (
            f" The {len(members)} worst of {len(groups)} by {metric['label']}; groups.csv has all."
        )
    # No best one: some foods are harder than others.
    columns = [[Cell(str(groups[one]["n"])) for one in members]]
    columns += [_cells([groups[one].get(column) for one in members]) for column in metrics]
    heads = [Head("Samples", "number"), *map(_metric_head, metrics.values())]
    rows = list(zip(map(Head, members), zip(*columns)))
    return list(_parts(Table(caption, name.capitalize(), heads, rows)))


def sources(document: Document) -> Iterator[Table]:
    """Tables with a row for each source and score; the first one begins with the cost."""
    rows = document["uncertainty"]
    marked = [row["is_default"] for row in rows]
    heads = [
        Head(row["label"], "default" if row["is_default"] else "", f"by {row['score']}")
        for row in rows
    ]
    for caption, figures in _SOURCES if rows else ():
        columns = [
            _cells([{"mean": {**row, **row["figures"]}[name]} for row in rows], better)
            for name, (_, _, better) in figures.items()
        ]
        names = [
            Head(label, unit, f"{better} is best" if better else "")
            for label, unit, better in figures.values()
        ]
        made = list(zip(heads, zip(*columns)))
        yield from _parts(Table(f"{caption}. The best is bold.", "Source", names, made, marked))


def calibration(document: Document) -> Iterator[Table]:
    """What uncertainty.json promises and what came of it here; what it was fitted on."""
    found, rows = document["calibration"], []
    if not found:
        return
    nominal = f"{found['nominal']:.0%}"
    for name, label in (
        ("disc_coverage", f"Midpoint in its {nominal} disc"),
        ("both_coverage", f"Midpoint and direction in their {nominal} disc and sector"),
        ("box_coverage", f"All coordinates in their {nominal} boxes"),
    ):
        if name in found:
            rows.append((Head(label, "share", f"{nominal} promised"), _cells([found[name]])))
    for name, label, unit in (
        ("median_radius", "Median radius of the disc", _PICTURE),
        ("asked_share", "Samples asked about", "share"),
        ("error_of_all", "Mean error, nobody asked", _PICTURE),
        ("error_of_answered", "Mean error of those not asked about", _PICTURE),
        ("gain", "Error falls by", "share"),
    ):
        rows.append((Head(label, unit), _cells([{"mean": found[name]}])))
    caption = f"Regions and asking the human on these samples. Target: {found['target']}."
    yield Table(caption, "What", [Head("Value", "", "95 % interval")], rows)
    yield facts("What the calibration was fitted on", "What", found["fitted_on"])


def shifts(document: Document) -> Iterator[Table]:
    """A row for each way in which plates were made unlike training."""
    found = document["shifts"]
    heads = {
        "auroc": Head("AUROC", "share", "0.5 knows nothing"),
        "asked_share": Head("Asked about", "share"),
        "mean_uncertainty": Head("Mean uncertainty", "unit of the score"),
        "n": Head("Samples", "number"),
    }
    columns = [_cells([{"mean": row[name]} for row in found]) for name in heads]
    caption = "How the uncertainty tells plates unlike training from ordinary ones."
    rows = list(zip([Head(row["name"]) for row in found], zip(*columns)))
    if rows:
        yield Table(caption, "Shift", list(heads.values()), rows)


def facts(caption: str, corner: str, found: Mapping[str, object]) -> Table:
    """A table of names and what they are."""
    words = {
        name: "none" if value is None else value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }
    rows = [(Head(name), [Cell(word)]) for name, word in words.items()]
    return Table(caption, corner, [Head("Value")], rows)


def rounded(value: float | None, places: int | None = None) -> str:
    """With three digits or so many decimals; a dash if it is not known."""
    if value is None:
        return UNKNOWN
    text = f"{value:.{_decimals([value]) if places is None else places}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text  # Nothing is "-0.00".


def interval(figure: Figure, places: int | None = None) -> str:
    """Both ends, such as '0.10\N{EN DASH}0.20' or '-0.10 to 0.20'; nothing if one is not known."""
    low, high = figure.get("low"), figure.get("high")
    if low is None or high is None:
        return ""
    places = _decimals([figure["mean"]]) if places is None else places
    # Beside a minus a dash is hard to tell.
    joint = " to " if min(low, high) < 0 else "\N{EN DASH}"
    return f"{rounded(low, places)}{joint}{rounded(high, places)}"


def _decimals(values: Iterable[float | None]) -> int:
    """Decimals that show three digits of the smallest value, at most four of the largest."""
    known = [abs(value) for value in values if value and not isinstance(value, int)]
    if not known:
        return 0
    smallest, largest = (2 - math.floor(math.log10(value)) for value in (min(known), max(known)))
    return min(max(min(smallest, largest + 1), 0), 6)


def _cells(found: Sequence[Figure | None], better: str | float | None = None) -> list[Cell]:
    """Cells of one metric; the best are the lowest, the highest, or the nearest to a number."""
    figures = [figure or {} for figure in found]
    means = [figure.get("mean") for figure in figures]
    # A difference near 0 needs no more digits than the ends of its interval.
    largest = [
        max(
            (abs(figure[name]) for name in ("mean", "low", "high") if figure.get(name)),
            default=None,
        )
        for figure in figures
    ]
    places = _decimals(largest if better is None else means)
    rank = {None: lambda value: 0, "low": lambda value: value, "high": lambda value: -value}.get(
        better, lambda value: abs(value - better)
    )
    # What looks the same is equally good; of a single value nothing can be said.
    ranks = [None if mean is None else rank(round(mean, places)) for mean in means]
    known = [one for one in ranks if one is not None]
    least = min(known) if better is not None and len(known) > 1 else math.nan
    return [
        Cell(rounded(mean, places), interval(figure, places), one == least)
        for figure, mean, one in zip(figures, means, ranks)
    ]


def _metric_head(metric: Mapping[str, str]) -> Head:
    return Head(metric["label"], metric["unit"], f"{metric['better']} is best")


def _parts(table: Table) -> Iterator[Table]:
    """Tables of at most 9 columns (6 with intervals), as even as can be, to fit a printed page."""
    has_intervals = any(cell.detail for _, cells in table.rows for cell in cells)
    number = -(-len(table.heads) // (6 if has_intervals else 9))
    width = -(-len(table.heads) // number)
    for part in range(number):
        kept = slice(part * width, (part + 1) * width)
        caption = f"{table.caption} (part {part + 1} of {number})" if number > 1 else table.caption
        rows = [(head, cells[kept]) for head, cells in table.rows]
        yield table._replace(caption=caption, heads=table.heads[kept], rows=rows)
