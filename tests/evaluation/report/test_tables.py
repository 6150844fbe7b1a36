from __future__ import annotations

import pytest

from evaluation.report import tables


@pytest.mark.parametrize(
    ("found", "better", "expected"),
    [
        ([0.3, 0.1, None, 0.1], "low", [False, True, False, True]),
        ([0.3, 0.1, None], "high", [True, False, False]),
        ([0.85, 0.93, 0.5], 0.9, [False, True, False]),
        ([0.3, 0.1], None, [False, False]),
        # One alone is not the best of anything.
        ([0.3, None], "low", [False, False]),
    ],
)
def test_best_of(found, better, expected):
    assert tables.best_of(found, better) == expected


def test_estimates():
    found = [{"mean": 0.03421, "low": 0.031, "high": 0.0379}, None, {"mean": 0.034212}]
    assert tables.estimates(found, "low") == [
        tables.Cell("0.0342", "0.0310–0.0379", best=True),
        tables.Cell("\N{EN DASH}"),
        # Looks the same as the best.
        tables.Cell("0.0342", best=True),
    ]


def test_values():
    assert tables.values([21.5, 43.0]) == [tables.Cell("21.5"), tables.Cell("43.0")]


def test_metric_head():
    metrics = {"hit": {"label": "Hits", "unit": "share", "better": "high"}}
    assert tables.metric_head(metrics, "hit") == tables.Head("Hits", "share", "high is best")


def table(number: int) -> tables.Table:
    heads = tuple(tables.Head(str(column)) for column in range(number))
    row = tables.Row(tables.Head("row"), tuple(tables.Cell(head.text) for head in heads), True)
    return tables.Table("Errors", "Metric", heads, (row,))


def test_a_table_of_many_columns_is_cut_into_even_parts():
    assert table(9).parts() == [table(9)]
    first, second = table(11).parts()
    assert first.caption == "Errors (part 1 of 2)"
    assert [head.text for head in second.heads] == ["6", "7", "8", "9", "10"]
    assert [cell.text for cell in second.rows[0].cells] == ["6", "7", "8", "9", "10"]
    assert second.rows[0].marked
    assert len(first.heads) == 6


def test_intervals_need_more_room():
    wide = table(9)
    row = tables.Row(tables.Head("row"), (tables.Cell("0.1", "0.0–0.2"),) * 9)
    first, second = tables.Table("Errors", "Metric", wide.heads, (row,)).parts()
    assert (len(first.heads), len(second.heads)) == (5, 4)


def test_facts():
    found = tables.facts("Data", "Name", {"split": "val"})
    assert found.rows == (tables.Row(tables.Head("split"), (tables.Cell("val"),)),)
