from __future__ import annotations

from evaluation.report import uncertainty_tables
from tests.evaluation.report import documents


def column(table, text: str) -> list[str]:
    number = [head.text for head in table.heads].index(text)
    return [row.cells[number].text for row in table.rows]


def test_sources():
    ranks, gains, spreads = uncertainty_tables.sources(documents.plain_document())
    assert column(ranks, "Time") == ["21.5", "43.0", "64.5"]
    assert column(ranks, "AUROC of a wrong answer") == ["0.911", "0.912", "0.913"]
    assert [row.cells[2].best for row in ranks.rows] == [False, False, True]
    assert column(gains, "Error falls by, asking 20 %") == ["0.341", "0.342", "0.343"]
    assert column(spreads, "In the 50 % interval") == ["0.521", "0.522", "0.523"]
    # The best coverage is the one nearest to its level.
    number = [head.text for head in spreads.heads].index("In the 50 % interval")
    assert [row.cells[number].best for row in spreads.rows] == [True, False, False]
    # Not known of any source: no column.
    assert "ENCE" not in [head.text for head in spreads.heads]
    assert all(head.unit for table in (ranks, gains, spreads) for head in table.heads)


def test_the_default_is_marked():
    for table in uncertainty_tables.sources(documents.plain_document()):
        assert [row.marked for row in table.rows] == [True, False, False]
        assert [row.head.unit for row in table.rows] == ["default", "", ""]
        assert table.caption.endswith(" Ranked by credible_width.")


def test_scores_that_differ_are_named():
    document = documents.plain_document()
    document["uncertainty"][1]["score"] = "midpoint_spread"
    table = uncertainty_tables.sources(document)[0]
    expected = ["by credible_width", "by midpoint_spread", "by credible_width"]
    assert [row.head.hint for row in table.rows] == expected
    assert "Ranked" not in table.caption


def test_figures_that_are_not_known_by_name_are_shown_too():
    document = documents.plain_document()
    for row in document["uncertainty"]:
        row["figures"] = {"new_figure": 0.5}
    (table,) = uncertainty_tables.sources(document)
    assert [head.text for head in table.heads] == ["Time", "Cost", "new_figure"]
    for row in document["uncertainty"]:
        row["figures"] = {}
    (table,) = uncertainty_tables.sources(document)
    assert [head.text for head in table.heads] == ["Time", "Cost"]


def test_calibration():
    table = uncertainty_tables.calibration(documents.plain_document())
    found = {row.head.text: row.cells[0] for row in table.rows}
    assert found["Midpoint in its 90\N{NO-BREAK SPACE}% disc"].text == "0.903"
    assert found["Midpoint in its 90\N{NO-BREAK SPACE}% disc"].detail == "0.890–0.917"
    assert found["Error falls by"].text == "0.342"
    assert len(found) == 7
    assert table.caption.endswith("Target: query rate 20 %.")


def test_what_calibration_does_not_know_is_left_out():
    document = documents.plain_document()
    document["calibration"] |= {"box_coverage": None, "median_radius": None}
    assert len(uncertainty_tables.calibration(document).rows) == 5


def test_fitted_on():
    (source, number) = uncertainty_tables.fitted_on(documents.plain_document()).rows
    assert (source.head.text, source.cells[0].text) == ("source", "token_distribution")
    assert (number.head.text, number.cells[0].text) == ("num_samples", "1000")


def test_shifts():
    table = uncertainty_tables.shifts(documents.plain_document())
    assert [row.head.text for row in table.rows] == ["blank", documents.HOSTILE]
    assert column(table, "AUROC") == ["0.990", "0.600"]
    assert column(table, "Samples") == ["500", "500"]


def test_as_word():
    assert uncertainty_tables.as_word("val") == "val"
    assert uncertainty_tables.as_word(None) == "none"
    assert uncertainty_tables.as_word(["a", 1.5, True]) == '["a", 1.5, true]'
