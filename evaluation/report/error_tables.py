"""Tables of errors: kinds of answers beside each other, another checkpoint, groups of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.report import numbers, tables

_P_DECIMALS = 4  # The least that 9,999 permutations can give is 0.0001.
GROUPS = ("action", "food", "source")


def errors(document: Mapping[str, Any]) -> tables.Table:
    """A row for each metric, a column for each kind of answer."""
    kinds, metrics = document["errors"], document["metrics"]
    rows = []
    for column, metric in metrics.items():
        found = [kinds[kind].get(column) for kind in kinds]
        if any(found):
            cells = tables.estimates(found, metric.get("better"))
            rows.append(tables.Row(tables.metric_head(metrics, column), tuple(cells)))
    caption = (
        "Mean of each metric; below it the 95 % interval over pictures. The best of each metric "
        "is bold."
    )
    return tables.Table(caption, "Metric", tuple(map(tables.Head, kinds)), tuple(rows))


def comparison(document: Mapping[str, Any]) -> tables.Table:
    """A row for each metric: this checkpoint minus the other one."""
    metrics, found = document["metrics"], document["comparison"]
    rows = []
    for column in (column for column in metrics if column in found["columns"]):
        figure = found["columns"][column]
        places = _places(figure)
        cells = (
            tables.Cell(
                numbers.number(figure["difference"], places),
                numbers.interval(figure["low"], figure["high"], places),
            ),
            tables.Cell(numbers.number(figure["p_value"], _P_DECIMALS)),
            tables.Cell(_verdict(figure, metrics[column].get("better"))),
        )
        rows.append(tables.Row(tables.metric_head(metrics, column), cells))
    heads = (
        tables.Head("Difference", "in the metric's unit", "95 % interval"),
        tables.Head("p value", "0 to 1"),
        tables.Head("This checkpoint is"),
    )
    caption = f"This checkpoint minus {found['other']}, on the same samples."
    return tables.Table(caption, "Metric", heads, tuple(rows))


def group(document: Mapping[str, Any], name: str) -> tables.Table:
    """A row for each group, a column for each metric; of many groups the worst ones."""
    metrics, groups = document["metrics"], document["groups"][name]
    columns = [c for c in metrics if any(c in found for found in groups.values())]
    chosen = _worst(groups, columns, metrics)
    cells = [[tables.Cell(str(groups[member]["n"])) for member in chosen]]
    for column in columns:
        found = [groups[member].get(column) for member in chosen]
        # No best one: some foods are harder than others.
        cells.append(tables.estimates(found, None))
    rows = tuple(
        tables.Row(tables.Head(member), tuple(row)) for member, row in zip(chosen, zip(*cells))
    )
    heads = [tables.Head("Samples", "number")]
    heads += [tables.metric_head(metrics, column) for column in columns]
    caption = f"Mean of each metric by {name}; below it the 95 % interval."
    if len(chosen) < len(groups):
        caption += (
            f" The {len(chosen)} worst of {len(groups)} by {metrics[columns[0]]['label']}; "
            "groups.csv has all."
        )
    return tables.Table(caption, name.capitalize(), tuple(heads), rows)


def _worst(groups: Mapping[str, Any], columns: list[str], metrics: Mapping[str, Any]) -> list[str]:
    if len(groups) <= tables.MOST_ROWS or not columns:
        return list(groups)
    sign = -1 if metrics[columns[0]].get("better") == "high" else 1

    def badness(member: str) -> float:
        mean = (groups[member].get(columns[0]) or {}).get("mean")
        return float("-inf") if mean is None else sign * mean

    return sorted(groups, key=badness, reverse=True)[: tables.MOST_ROWS]


def _places(figure: Mapping[str, float]) -> int:
    """Decimals by the end that is farther from 0: a difference near 0 needs no more digits."""
    ends = [abs(figure[name]) for name in ("difference", "low", "high") if figure[name] is not None]
    return numbers.decimals([max(ends, default=None)])


def _verdict(figure: Mapping[str, float], better: str | None) -> str:
    low, high = figure["low"], figure["high"]
    if low is None or high is None or better not in ("low", "high"):
        return numbers.UNKNOWN
    if low <= 0 <= high:
        return "not shown to differ"
    return "better" if (high < 0) == (better == "low") else "worse"
