"""Tables of a report: what they say, apart from how they look.

A cell may be the best of its metric. Tables with many columns are cut into several with the same
rows, so that each fits a printed page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from evaluation.report import numbers

MOST_COLUMNS = 9
MOST_INTERVALS = 8
MOST_ROWS = 50
_HINTS = {"low": "low is best", "high": "high is best"}
Figure = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Head:
    """Of a row or a column: its name, the unit of its numbers, and what else to know."""

    text: str
    unit: str = ""
    hint: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A value, its interval below it, and whether it is the best of its metric."""

    text: str
    detail: str = ""
    best: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """A row; `marked` ones are set off."""

    head: Head
    cells: tuple[Cell, ...]
    marked: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; `corner` is the header of its row headers."""

    caption: str
    corner: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]

    def parts(self) -> list[Table]:
        """Tables of at most `MOST_COLUMNS` columns (with intervals fewer), as even as can be."""
        has_intervals = any(cell.detail for row in self.rows for cell in row.cells)
        number = -(-len(self.heads) // (MOST_INTERVALS if has_intervals else MOST_COLUMNS))
        if number <= 1:
            return [self]
        width = -(-len(self.heads) // number)
        found = []
        for part in range(number):
            kept = slice(part * width, (part + 1) * width)
            rows = [dataclasses.replace(row, cells=row.cells[kept]) for row in self.rows]
            caption = f"{self.caption} (part {part + 1} of {number})"
            found.append(Table(caption, self.corner, self.heads[kept], tuple(rows)))
        return found


def metric_head(metrics: Mapping[str, Mapping[str, str]], column: str) -> Head:
    """Label, unit and direction of a column."""
    metric = metrics[column]
    return Head(metric["label"], metric["unit"], _HINTS.get(metric.get("better"), ""))


def estimates(found: Sequence[Figure | None], better: str | float | None) -> list[Cell]:
    """Cells of one metric.

    Args:
        found: {'mean', 'low', 'high'} each; None where it is not known.
        better: see `best_of`.

    Returns:
        As many cells.
    """
    known = [figure or {} for figure in found]
    means = [figure.get("mean") for figure in known]
    places = numbers.decimals(means)
    # What looks the same is equally good.
    best = best_of([None if mean is None else round(mean, places) for mean in means], better)
    return [
        Cell(
            numbers.number(mean, places),
            numbers.interval(figure.get("low"), figure.get("high"), places),
            is_best,
        )
        for figure, mean, is_best in zip(known, means, best)
    ]


def values(found: Sequence[float | None], better: str | float | None = None) -> list[Cell]:
    """As `estimates`, of plain numbers."""
    return estimates([{"mean": value} for value in found], better)


def best_of(found: Sequence[float | None], better: str | float | None) -> list[bool]:
    """Which are the best: the lowest, the highest, or the nearest to a number; none if None.

    Of a single known value nothing can be said.
    """
    if better is None or sum(value is not None for value in found) < 2:
        return [False] * len(found)
    rank = {"low": lambda value: value, "high": lambda value: -value}.get(
        better, lambda value: abs(value - better)
    )
    least = min(rank(value) for value in found if value is not None)
    return [value is not None and rank(value) == least for value in found]


def facts(caption: str, corner: str, found: Mapping[str, str]) -> Table:
    """A table of names and what they are."""
    rows = tuple(Row(Head(name), (Cell(text),)) for name, text in found.items())
    return Table(caption, corner, (Head("Value"),), rows)
