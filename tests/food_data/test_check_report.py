import numpy as np
import pytest

from food_data import check_report


def test_columns_of_numbers_are_right_aligned():
    text = check_report.table_text(("food", "samples"), [("grape", 7), ("fig", 1200)])
    assert text.splitlines() == ["food   samples", "grape        7", "fig       1200"]


@pytest.mark.parametrize(
    "number, text",
    [
        (1, "1 sample (0)"),
        (3, "3 samples (0, 1, 2)"),
        (6, "6 samples (0, 1, 2, 3, 4, ...)"),
    ],
)
def test_few_samples_are_listed_and_of_many_the_first(number, text):
    assert check_report.samples_text(np.arange(number)) == text


def test_the_report_has_tables_messages_and_counts():
    findings = check_report.Findings()
    findings.table("array", "shape").append(("images", "[3]"))
    findings.table("nothing")
    findings.errors.append("actions: bad.")
    findings.warnings += ["one.", "two."]
    report = findings.report()
    assert report.errors == ("actions: bad.",)
    assert report.warnings == ("one.", "two.")
    assert report.text.split("\n\n") == [
        "array   shape\nimages  [3]",
        "error: actions: bad.",
        "warning: one.\nwarning: two.",
        "1 errors, 2 warnings",
    ]
