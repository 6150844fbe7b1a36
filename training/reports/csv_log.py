"""A CSV file that grows during a run, and goes on after an interruption as if there was none.

Rows begin with their epoch. A run that goes on with epoch 7 keeps the rows of epochs 1 to 6; what
the interrupted run wrote of epoch 7, perhaps half a line, is dropped.
"""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

from food_data import atomic_files


class CsvLog:
    """Appends rows; each is on disk, for all who read the file, when `append` returns."""

    def __init__(self, path: str | os.PathLike[str], columns: Sequence[str], first_epoch: int = 1):
        """Starts a new file, or keeps what one of the same columns says of earlier epochs.

        Args:
            path: of the file; its folder exists.
            columns: the header; the first one is 'epoch'.
            first_epoch: the first one to come; rows from it on are dropped.

        Raises:
            ValueError: if the file has other columns or a row that is none; it stays as it is.
        """
        self._path = pathlib.Path(path)
        self._columns = tuple(columns)
        kept = [row for row in self._stored_rows() if float(row[0]) < first_epoch]
        with atomic_files.replace_file(self._path) as file:
            file.write(_lines([self._columns, *kept]).encode())

    def append(self, *rows: Mapping[str, object]) -> None:
        """Writes rows, all in one go; NaN and None become empty cells.

        Raises:
            KeyError: for a column that a row lacks; nothing is written.
        """
        cells = [[_cell(row[column]) for column in self._columns] for row in rows]
        with self._path.open("a", newline="") as file:
            file.write(_lines(cells))

    def rows(self) -> list[dict[str, str]]:
        """What the file holds, as text: {column: cell} of each row."""
        return [dict(zip(self._columns, row)) for row in self._stored_rows()]

    def _stored_rows(self) -> list[list[str]]:
        if not self._path.is_file():
            return []
        text = self._path.read_text()
        # A killed run may leave half a line; whole ones end in a line break.
        whole, _, _ = text.rpartition("\n")
        header, *rows = list(csv.reader(whole.splitlines())) or [[]]
        if tuple(header) != self._columns:
            raise ValueError(
                f"{self._path}: expected the columns {', '.join(self._columns)}; got {header}. "
                "Move it away or use another --checkpoint_dir."
            )
        for number, row in enumerate(rows, 2):
            if len(row) != len(header) or not _is_number(row[0]):
                raise ValueError(
                    f"{self._path}: line {number}: expected {len(header)} cells, the first one an "
                    f"epoch; got {row}. Mend the line or move the file away."
                )
        return rows


def number(cell: str) -> float:
    """The value of a cell; NaN for an empty one."""
    return float(cell) if cell else math.nan


def _cell(value: object) -> object:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lines(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
