from __future__ import annotations

import re

import pytest

from evaluation.report import page, plain_json
from tests.evaluation.report import documents, pages


def make(document) -> str:
    return page.html(plain_json.plain(document), document)


@pytest.fixture(scope="module")
def text() -> str:
    return make(documents.document())


@pytest.fixture(scope="module")
def tree(text) -> pages.Element:
    return pages.read(text)


def table_of(tree: pages.Element, caption: str) -> dict[str, list[str]]:
    """{header of a row: what is in bold or plain in its cells, intervals left out}"""
    (table,) = [t for t in tree.all("table") if next(t.all("caption")).text.startswith(caption)]
    rows = [row for body in table.all("tbody") for row in body.all("tr")]
    return {
        next(row.all("th")).text: [next(cell.all("span", "strong")).text for cell in row.all("td")]
        for row in rows
    }


def test_nothing_outside_the_file_is_asked_for(text, tree):
    without_pictures = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    assert re.findall(r"https?:|//|@import|url\((?!#)", without_pictures) == []
    for element in tree.all():
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            address = element.attributes.get(name)
            assert address is None or address.startswith(("#", "data:image/jpeg;base64,"))
    assert "default-src 'none'" in text


def test_no_name_becomes_markup(text, tree):
    assert "<script" not in text.lower()
    assert list(tree.all("script", "iframe", "object", "form")) == []
    assert not any(name.startswith("on") for e in tree.all() for name in e.attributes)
    # In title, heading, food, source, shift and example.
    assert text.count("&lt;script&gt;alert") >= 10
    assert next(tree.all("h1")).text == f"Evaluation of plates {documents.HOSTILE}"


def test_cells_are_the_numbers_of_the_document(tree):
    document, found = documents.document(), table_of(tree, "Mean of each metric; below")
    assert len(found) == 5
    for (column, metric), cells in zip(document["metrics"].items(), found.values()):
        decimals = len(cells[0].partition(".")[2])
        for kind, cell in zip(documents.KINDS, cells):
            mean = document["errors"][kind][column]["mean"]
            assert float(cell) == pytest.approx(mean, abs=0.5000001 * 10**-decimals), metric
    foods = table_of(tree, "Mean of each metric by food")
    assert list(foods) == list(documents.FOODS)
    assert foods["banana"] == ["10", "0.0342", "8.07", "0.0412", "12.3", "0.812"]


def test_units_are_in_the_headers(tree):
    headers = {" ".join(head.text.split()) for head in tree.all("th")}
    for expected in (
        "Midpoint off by px low is best",
        "Midpoint on the food share high is best",
        "Time ms per picture low is best",
        "Negative log-likelihood nats low is best",
    ):
        assert expected in headers


def test_the_best_is_bold_and_the_default_is_marked(tree):
    bold = [e.text for table in tree.all("table") for e in table.all("strong")]
    assert bold[:5] == ["0.0342", "8.07", "0.0412", "12.3", "0.812"]
    marked = [row for row in tree.all("tr") if row.attributes.get("class") == "marked"]
    assert len(marked) == 3
    assert all("default" in row.text for row in marked)


def test_it_can_be_read_out(tree):
    (root,) = tree.all("html")
    assert root.attributes["lang"] == "en"
    assert [e.text for e in tree.all("title")] == [f"Evaluation of plates {documents.HOSTILE}"]
    levels = [int(e.tag[1]) for e in tree.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    for table in tree.all("table"):
        assert next(table.all("caption")).text
        assert {head.attributes["scope"] for head in table.all("th")} == {"row", "col"}
    images = list(tree.all("img"))
    assert len(images) == 9
    assert all(image.attributes["alt"].startswith("Plate, asked for ") for image in images)
    ids = [e.attributes["id"] for e in tree.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "href"):
        wanted = {e.attributes[name].lstrip("#") for e in tree.all() if name in e.attributes}
        assert wanted <= set(ids)


def test_sections_are_in_order(tree):
    assert [e.attributes["id"] for e in tree.all("h2")] == [
        *("summary", "errors", "comparison", "uncertainty", "curves", "calibration", "shifts"),
        *("groups", "examples", "settings"),
    ]


def test_what_is_not_there_is_left_out_and_said():
    document = documents.document()
    document |= {"comparison": None, "calibration": None, "shifts": [], "curves": []}
    document |= {"uncertainty": [], "groups": {"food": {}}, "examples": {"best": []}}
    tree = pages.read(make(document))
    assert [e.attributes["id"] for e in tree.all("h2")] == ["summary", "errors", "settings"]
    (line,) = [e.text for e in tree.all("p") if e.text.startswith("Not in this evaluation")]
    assert line == (
        "Not in this evaluation: Comparison with another checkpoint; Sources of uncertainty and "
        "their cost; Risk, coverage and reliability; Calibration; Plates unlike training; Errors "
        "by action, food and source; Examples."
    )


def test_a_title_alone_makes_a_page():
    tree = pages.read(make({"format_version": 1, "title": "nothing"}))
    assert [e.text for e in tree.all("h2")] == ["Summary"]


def test_without_default_or_spread():
    document = documents.document()
    for row, curve in zip(document["uncertainty"], document["curves"]):
        row["is_default"] = False
        curve |= {"expected": [], "observed": [], "oracle": None, "random": None}
    tree = pages.read(make(document))
    assert "Reliability" not in [e.text for e in tree.all("h3")]
    assert len([e for e in tree.all("figure") if e.attributes.get("class") == "plot"]) == 1


@pytest.mark.parametrize(
    ("ink", "ground"), [("ink", "card"), ("quiet", "ground"), ("accent", "card")]
)
def test_contrast(text, ink, ground):
    """WCAG 2.1, 1.4.3: text at least 4.5 to 1, in light, dark and print."""
    for number in range(3):
        colours = re.findall(rf"--{ink}: (#\w+)", text), re.findall(rf"--{ground}: (#\w+)", text)
        light, dark = sorted((luminance(found[number]) for found in colours), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_contrast_of_curves(text):
    """WCAG 2.1, 1.4.11: graphics at least 3 to 1; print has the curves of light."""
    grounds = [luminance(colour) for colour in re.findall(r"--card: (#\w+)", text)]
    for curve in range(1, 7):
        for colour, ground in zip(re.findall(rf"--curve-{curve}: (#\w+)", text), grounds):
            light, dark = sorted((luminance(colour), ground), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
