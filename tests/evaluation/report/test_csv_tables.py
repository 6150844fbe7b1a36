from __future__ import annotations

import csv
import io
import json

from evaluation.report import csv_tables, plain_json
from tests.evaluation.report import documents


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def files() -> dict[str, list[dict[str, str]]]:
    made = csv_tables.files(plain_json.plain(documents.document()))
    return {name: read(text) for name, text in made.items()}


def test_errors_come_back_exactly():
    rows, document = files()["errors.csv"], documents.document()
    assert len(rows) == 6 * 5
    assert list(rows[0].values()) == [
        *("model", "centroid_error", "Midpoint off by", "share of the picture"),
        *("0.0342", str(0.9 * 0.0342), str(1.1 * 0.0342), "90"),
    ]
    for row in rows:
        figure = document["errors"][row["kind"]][row["column"]]
        assert {name: float(row[name]) for name in figure} == figure


def test_groups_come_back_exactly():
    rows, document = files()["groups.csv"], documents.document()
    assert len(rows) == (3 + 4 + 2) * 5
    assert {row["name"] for row in rows if row["group"] == "food"} == set(documents.FOODS)
    for row in rows:
        members = document["groups"][row["group"]][row["name"]]
        assert int(row["samples"]) == members["n"]
        assert float(row["mean"]) == members[row["column"]]["mean"]


def test_uncertainty_has_a_line_for_each_source():
    rows = files()["uncertainty.csv"]
    document = documents.document()["uncertainty"]
    assert [row["label"] for row in rows] == [row["label"] for row in document]
    assert rows[0]["is_default"] == "True"
    assert json.loads(rows[1]["settings"]) == {"scope": "head", "num_samples": 2}
    assert float(rows[2]["gain_20"]) == document[2]["figures"]["gain_20"]
    # Not a number: an empty cell.
    assert rows[0]["ence"] == ""


def test_sources_may_have_different_figures():
    document = documents.document()
    document["uncertainty"][0]["figures"] = {"auroc": 0.75}
    document["uncertainty"][1]["figures"] = {"nll": -2.0}
    rows = read(csv_tables.files(plain_json.plain(document))["uncertainty.csv"])
    assert [(row["auroc"], row["nll"]) for row in rows[:2]] == [("0.75", ""), ("", "-2.0")]


def test_without_data_there_is_the_header():
    made = csv_tables.files({"errors": None, "groups": {}})
    assert made["errors.csv"] == "kind,column,label,unit,mean,low,high,n\n"
    assert made["groups.csv"] == "group,name,samples,column,label,unit,mean,low,high,n\n"
    expected = "label,source,settings,score,is_default,ms_per_image,relative_cost\n"
    assert made["uncertainty.csv"] == expected
