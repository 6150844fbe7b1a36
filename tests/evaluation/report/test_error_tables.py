from __future__ import annotations

import pytest

from evaluation.report import error_tables
from tests.evaluation.report import documents

MINUS = "\N{MINUS SIGN}"


def texts(table) -> dict[str, list[str]]:
    """{text and unit of a row's header: its cells}"""
    return {
        f"{row.head.text} {row.head.unit}".strip(): [cell.text for cell in row.cells]
        for row in table.rows
    }


def test_errors():
    table = error_tables.errors(documents.plain_document())
    assert [head.text for head in table.heads] == list(documents.KINDS)
    assert texts(table)["Midpoint off by px"] == [
        *("8.07", "16.14", "24.21", "32.28", "40.35", "48.42"),
    ]
    hits = table.rows[4]
    assert (hits.head.text, hits.head.unit) == ("Midpoint on the food", "share")
    assert [cell.best for cell in hits.cells] == [True] + [False] * 5
    assert (hits.cells[0].text, hits.cells[0].detail) == ("0.812", "0.731–0.894")


def test_a_metric_that_no_kind_has_is_left_out():
    document = documents.plain_document()
    for kind in documents.KINDS:
        document["errors"][kind]["hit_rate"] = None
    document["errors"]["colour"].pop("bbox_mae")
    table = error_tables.errors(document)
    assert len(table.rows) == 4
    assert texts(table)["Coordinates, mean absolute error share of the picture"][-1] == "–"


def test_comparison():
    table = error_tables.comparison(documents.plain_document())
    assert table.caption == "This checkpoint minus older checkpoint, on the same samples."
    assert texts(table) == {
        "Midpoint off by share of the picture": [f"{MINUS}0.0100", "0.0001", "better"],
        "Midpoint on the food share": ["0.0100", "0.5500", "not shown to differ"],
    }
    assert table.rows[0].cells[0].detail == f"{MINUS}0.0150 to {MINUS}0.0050"


@pytest.mark.parametrize(
    ("column", "low", "high", "expected"),
    [
        ("centroid_error", 0.01, 0.03, "worse"),
        ("hit_rate", 0.01, 0.03, "better"),
        ("hit_rate", -0.03, -0.01, "worse"),
        ("hit_rate", -0.03, 0.0, "not shown to differ"),
        ("hit_rate", None, None, "–"),
    ],
)
def test_verdict(column, low, high, expected):
    document = documents.plain_document()
    figure = {"difference": 0.0, "low": low, "high": high, "p_value": None}
    document["comparison"]["columns"] = {column: figure}
    (row,) = error_tables.comparison(document).rows
    assert [cell.text for cell in row.cells[1:]] == ["–", expected]


def test_group():
    table = error_tables.group(documents.plain_document(), "food")
    assert table.corner == "Food"
    assert [row.head.text for row in table.rows] == list(documents.FOODS)
    assert [cell.text for cell in table.rows[0].cells] == [
        "10",
        "0.0342",
        "8.07",
        "0.0412",
        "12.3",
        "0.812",
    ]
    assert table.heads[5].unit == "share"
    assert "worst" not in table.caption


def test_of_many_groups_the_worst_are_shown():
    document = documents.plain_document()
    document["groups"]["source"] = {
        f"plate {number}": {"n": 1, **documents.errors(1.0 + number)} for number in range(60)
    }
    document["groups"]["source"]["plate 59"]["centroid_error"]["mean"] = None
    table = error_tables.group(document, "source")
    shown = [row.head.text for row in table.rows]
    assert shown == [f"plate {number}" for number in range(58, 8, -1)]
    assert table.caption.endswith("The 50 worst of 60 by Midpoint off by; groups.csv has all.")
