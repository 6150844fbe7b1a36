"""What was found in a data set that is checked, and its table for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

_LISTED_SAMPLES = 5


@dataclasses.dataclass(frozen=True)
class CheckReport:
    """The outcome of a check.

    Attributes:
        errors: what makes the data set unusable, each with the way out.
        warnings: what a person should look at.
        text: tables of what was found, with the errors and warnings at the end.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    text: str


@dataclasses.dataclass
class Findings:
    """Collects what single checks find.

    Attributes:
        errors, warnings: as in `CheckReport`.
        tables: each a heading, column names and rows.
    """

    errors: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    tables: list[tuple[Sequence[str], list[Sequence[object]]]] = dataclasses.field(
        default_factory=list
    )

    def table(self, *columns: str) -> list[Sequence[object]]:
        """Begins a table; its rows are appended to what is returned."""
        rows: list[Sequence[object]] = []
        self.tables.append((columns, rows))
        return rows

    def report(self) -> CheckReport:
        """Everything, as text too."""
        parts = [table_text(columns, rows) for columns, rows in self.tables if rows]
        for kind, messages in (("error", self.errors), ("warning", self.warnings)):
            parts += ["\n".join(f"{kind}: {message}" for message in messages)] if messages else []
        parts.append(f"{len(self.errors)} errors, {len(self.warnings)} warnings")
        return CheckReport(tuple(self.errors), tuple(self.warnings), "\n\n".join(parts))


def table_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under their column names; numbers to the right, all else to the left."""
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    right = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def samples_text(samples: np.ndarray) -> str:
    """ "3 samples (7, 9, 21)"; of many the first five."""
    listed = ", ".join(str(int(sample)) for sample in samples[:_LISTED_SAMPLES])
    more = ", ..." if len(samples) > _LISTED_SAMPLES else ""
    return f"{len(samples)} sample{'s' * (len(samples) != 1)} ({listed}{more})"
