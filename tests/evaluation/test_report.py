"""The page, of a document whose names are hostile, read as a browser would."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from evaluation import report
from tests.evaluation import agents


def said(element):
    """All of its text, white space as a browser shows it."""
    return " ".join("".join(element.itertext()).split())


@pytest.fixture(scope="module")
def document():
    return agents.hostile_document()


@pytest.fixture(scope="module")
def text(document, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "folder"
    return report.write(document, folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(text):
    return ElementTree.fromstring(text)


def test_no_name_becomes_markup_and_nothing_outside_the_file_is_asked_for(document, text, tree):
    assert "<script" not in text.lower()
    assert not {e.tag for e in tree.iter()} & {"script", "iframe", "object", "form"}
    assert not any(name.startswith("on") for e in tree.iter() for name in e.attrib)
    # In title, food, comparison, settings, calibration and example.
    assert text.count("&lt;script&gt;alert") >= 7
    assert said(tree.find(".//h1")) == document["title"]
    assert "p?.npz" in text
    plates = list(tree.iter("img"))
    assert len(plates) == 4
    assert all(e.get("src").startswith("data:image/jpeg;base64,") for e in plates)
    without_pictures = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    assert re.findall(r"https?:|//|@import|url\(", without_pictures) == []
    assert "default-src 'none'" in text


def test_the_tables_are_those_of_the_text(document, tree):
    parts = [part for section in report.tables(document).values() for part in section]
    shown = list(tree.iter("table"))
    assert len(parts) == 7 and len(shown) == len(parts) + 4
    for (caption, cells), table in zip(parts, shown):
        assert said(table.find("caption")) == " ".join(caption.split())
        assert [[said(one) for one in row] for row in table.iter("tr")] == cells


def test_cells_and_columns_as_text():
    def interval(mean, low=None, high=None):
        return report.cell({"mean": mean, "low": low, "high": high, "n": 4})

    assert interval(0.0165, 0.0158, 0.0173) == "0.0165 [0.0158, 0.0173]"
    assert interval(41.62, 33.9, 50.26) == "41.6 [33.9, 50.3]"
    assert interval(-0.01) == "-0.0100"
    assert interval(None) == report.cell(None) == "-"
    assert (report.cell(12.34), report.cell(12), report.cell("a")) == ("12.3", "12", "a")
    assert report.table([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"
