"""The files of a report, of a document whose names are hostile, read as a browser would."""

from __future__ import annotations

import json
import os
import re
from xml.etree import ElementTree

import pytest

from evaluation import report
from tests.evaluation import agents

NAMES = ["report.html", "report.json"]


def said(element):
    """All of its text, white space as a browser shows it."""
    return " ".join(" ".join(element.itertext()).split())


@pytest.fixture(scope="module")
def document():
    return agents.hostile_document()


@pytest.fixture(scope="module")
def paths(document, tmp_path_factory):
    return report.write(document, tmp_path_factory.mktemp("report") / "new" / "folder")


@pytest.fixture(scope="module")
def text(paths):
    return paths["report.html"].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(text):
    return ElementTree.fromstring(text)


def test_files_the_same_each_time(document, paths, tmp_path):
    assert list(paths) == NAMES
    assert sorted(os.listdir(paths["report.html"].parent)) == NAMES
    again = report.write(document, tmp_path)
    for name, path in paths.items():
        assert path.read_bytes() == again[name].read_bytes()
    found = json.loads(paths["report.json"].read_text())
    assert found == json.loads(report.json_text(document))
    assert "image" not in found["examples"]["best"][0]


def test_no_name_becomes_markup_and_nothing_outside_the_file_is_asked_for(text, tree):
    assert "<script" not in text.lower()
    assert not {e.tag for e in tree.iter()} & {"script", "iframe", "object", "form"}
    assert not any(name.startswith("on") for e in tree.iter() for name in e.attrib)
    # In title, food, comparison, settings, calibration and example.
    assert text.count("&lt;script&gt;alert") >= 8
    assert said(tree.find(".//h1")) == agents.ABOUT["title"]
    assert "p?.npz" in text
    without_pictures = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    assert re.findall(r"https?:|//|@import|url\((?!#)", without_pictures) == []
    for element in tree.iter():
        for name in ("src", "href", "srcset", "action", "data"):
            address = element.get(name)
            assert address is None or address.startswith(("#", "data:image/jpeg;base64,"))
    assert "default-src 'none'" in text


def test_it_can_be_read_out(tree):
    assert tree.get("lang") == "en"
    levels = [int(e.tag[1]) for e in tree.iter() if re.fullmatch(r"h\d", e.tag)]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    for table in tree.iter("table"):
        assert said(table.find("caption"))
        assert {head.get("scope") for head in table.iter("th")} == {"row", "col"}
    plates = list(tree.iter("img"))
    assert len(plates) == 6
    assert all(e.get("alt").startswith("Plate, asked for skewering") for e in plates)
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "href"):
        assert {e.get(name).lstrip("#") for e in tree.iter() if e.get(name)} <= set(ids)


def test_sections_are_in_order_and_what_is_absent_is_said(document, tree, tmp_path):
    assert [e.get("id") for e in tree.iter("h2")] == [
        *("summary", "errors", "comparison", "uncertainty", "curves", "calibration", "shifts"),
        *("groups", "examples", "settings"),
    ]
    less = {"comparison": None, "calibration": None, "shifts": [], "curves": [], "uncertainty": []}
    less |= {"groups": {}, "examples": {"best": [], "worst": [], "most_uncertain": []}}
    path = report.write(document | less, tmp_path)["report.html"]
    tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert [e.get("id") for e in tree.iter("h2")] == ["summary", "errors", "settings"]
    (line,) = [said(e) for e in tree.iter("p") if said(e).startswith("Not in this evaluation")]
    assert "Calibration; Plates unlike training" in line


def test_cells_are_the_numbers_of_the_document(document, tree):
    table = tree.find(".//table")
    heads, *rows = [[said(cell) for cell in row] for row in table.iter("tr")]
    assert heads[1:] == list(document["errors"])
    assert len(rows) == len(document["metrics"])
    for (column, metric), (head, *cells) in zip(document["metrics"].items(), rows):
        assert metric["label"] in head
        assert cells == [report.interval(row[column]) for row in document["errors"].values()]


def test_numbers_and_columns_as_text():
    def interval(mean, low=None, high=None):
        return report.interval({"mean": mean, "low": low, "high": high, "n": 4})

    assert interval(0.0165, 0.0158, 0.0173) == "0.0165 [0.0158, 0.0173]"
    assert interval(41.62, 33.9, 50.26) == "41.6 [33.9, 50.3]"
    assert interval(-0.01) == "-0.0100"
    assert interval(None) == report.interval(None) == report.number(None) == "-"
    assert (report.number(-0.0001, 2), report.number(12.34)) == ("0.00", "12.3")
    assert report.table([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"
