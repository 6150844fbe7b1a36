"""errors.csv, groups.csv and uncertainty.csv: the tables with all digits, for programs.

A line of errors.csv: model,centroid_error,Centroid error,share of the picture,0.0342,0.031,0.038,90
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_ESTIMATE = ("mean", "low", "high", "n")
ERRORS = ("kind", "column", "label", "unit", *_ESTIMATE)
GROUPS = ("group", "name", "samples", "column", "label", "unit", *_ESTIMATE)
UNCERTAINTY = ("label", "source", "settings", "score", "is_default", "ms_per_image")
_COST = "relative_cost"


def files(document: Mapping[str, Any]) -> dict[str, str]:
    """{name of a file: its text}; a document without the data gives the header alone.

    Args:
        document: as `plain_json.plain` gives it. What is unknown becomes an empty cell.

    Returns:
        The three files.
    """
    figures: dict[str, None] = {}  # In the order in which they come up first.
    for row in document.get("uncertainty") or ():
        figures.update(dict.fromkeys(row["figures"]))
    return {
        "errors.csv": _text(ERRORS, _errors(document)),
        "groups.csv": _text(GROUPS, _groups(document)),
        "uncertainty.csv": _text((*UNCERTAINTY, _COST, *figures), _uncertainty(document, figures)),
    }


def _errors(document: Mapping[str, Any]) -> Iterator[list[object]]:
    for kind, columns in (document.get("errors") or {}).items():
        for column, figure in columns.items():
            if figure:
                yield [kind, *_metric(document, column), *_estimate(figure)]


def _groups(document: Mapping[str, Any]) -> Iterator[list[object]]:
    for group, members in (document.get("groups") or {}).items():
        for name, columns in members.items():
            for column, figure in columns.items():
                if isinstance(figure, Mapping):
                    samples = columns["n"]
                    yield [group, name, samples, *_metric(document, column), *_estimate(figure)]


def _uncertainty(document: Mapping[str, Any], figures: Iterable[str]) -> Iterator[list[object]]:
    for row in document.get("uncertainty") or ():
        settings = json.dumps(row["settings"], ensure_ascii=False)
        start = [row["label"], row["source"], settings, row["score"], row["is_default"]]
        values = [row["figures"].get(name) for name in figures]
        yield [*start, row["ms_per_image"], row[_COST], *values]


def _metric(document: Mapping[str, Any], column: str) -> tuple[str, str, str]:
    metric = (document.get("metrics") or {}).get(column, {})
    return column, metric.get("label", ""), metric.get("unit", "")


def _estimate(figure: Mapping[str, float]) -> list[object]:
    return [figure.get(name) for name in _ESTIMATE]


def _text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    # csv writes None as an empty cell, and floats so that they can be read back exactly.
    writer.writerows(rows)
    return text.getvalue()
