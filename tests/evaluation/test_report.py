"""The files of a report, of a document whose names are hostile, read as a browser would."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from evaluation import plain_json, report, study, uncertainty_sources
from evaluation.report import tables
from evaluation.samples import Samples
from tests.evaluation import agents, pages

HOSTILE = '<script>alert("x")</script>'
NAMES = ["report.html", "report.json", "errors.csv", "groups.csv", "uncertainty.csv"]
ABOUT = {
    "title": f"Evaluation of plates {HOSTILE}",
    "created": "2026-11-23T00:50:00Z",
    "settings": {"dataset_file": HOSTILE, "seed": 0, "compare": None},
    "versions": {"numpy": "1.26.4"},
    "data": {
        "name": os.fsdecode(b"p\xff.npz"),
        "split": "val",
        "num_samples": 9,
        "num_pictures": 5,
    },
    "checkpoint": {"name": "plates", "loss_type": "cross_entropy", "global_step": 12000},
}


def make_document() -> dict[str, object]:
    masks = np.zeros((12, 236, 236), bool)
    masks[:, 100:136, 60:200] = True
    foods = [HOSTILE, "rice", "grape"] * 4
    data = agents.dataset(range(12), foods=foods, per_picture=3, masks=np.packbits(masks, axis=-1))
    samples, agent = Samples(data, np.arange(12)), agents.OffsetAgent()
    sources = [
        uncertainty_sources.TokenDistribution(agent),
        uncertainty_sources.McDropout(agent, "head", 2),
    ]
    document = study.run(
        samples,
        agent,
        sources=sources,
        other=(HOSTILE, agents.OffsetAgent(extra=9), None),
        shift_samples=3,
        num_examples=2,
    )
    document["calibration"] = {
        "fitted_on": {"source": HOSTILE, "num_samples": 1000, "scope": None},
        "nominal": 0.9,
        "disc_coverage": {"mean": 0.9034, "low": 0.89, "high": 0.917, "n": 2008},
        "box_coverage": {"mean": 0.9101, "low": 0.9, "high": 0.92, "n": 2008},
        "median_radius": 0.081,
        "asked_share": 0.2,
        "error_of_all": 0.0342,
        "error_of_answered": None,
        "gain": None,
        "target": "query_rate 0.2",
    }
    for one in document["examples"]["best"]:
        one |= {"asked": True, "radius": 0.08}
    return ABOUT | document


@pytest.fixture(scope="module")
def document():
    return make_document()


@pytest.fixture(scope="module")
def paths(document, tmp_path_factory):
    return report.write(document, tmp_path_factory.mktemp("report") / "new" / "folder")


@pytest.fixture(scope="module")
def text(paths):
    return paths["report.html"].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(text):
    return pages.read(text)


def table_of(tree, caption):
    """{header of a row: what is in bold or plain in its cells, intervals left out}"""
    table, *_ = [t for t in tree.all("table") if next(t.all("caption")).text.startswith(caption)]
    rows = [row for body in table.all("tbody") for row in body.all("tr")]
    return {
        next(row.all("th")).text: [next(cell.all("span", "strong")).text for cell in row.all("td")]
        for row in rows
    }


def test_five_files_the_same_each_time(document, paths, tmp_path):
    assert list(paths) == NAMES
    assert sorted(os.listdir(paths["errors.csv"].parent)) == sorted(NAMES)
    again = report.write(document, tmp_path)
    for name, path in paths.items():
        assert path.read_bytes() == again[name].read_bytes()
    found = json.loads(paths["report.json"].read_text())
    assert found == json.loads(plain_json.text(plain_json.plain(document)))
    assert "image" not in found["examples"]["best"][0]


def test_csv_has_all_digits(document, paths):
    def read(name):
        with paths[name].open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    row = next(r for r in read("errors.csv") if (r["kind"], r["column"]) == ("model", "bbox_mae"))
    expected = document["errors"]["model"]["bbox_mae"]
    assert [float(row[name]) for name in ("mean", "low", "high", "n")] == list(expected.values())
    assert (row["label"], row["unit"]) == ("coordinates", "share of the picture")
    rows = [r for r in read("groups.csv") if (r["group"], r["name"]) == ("food", HOSTILE)]
    assert {r["samples"] for r in rows} == {"4"}
    first, *_ = read("uncertainty.csv")
    assert (first["label"], first["is_default"]) == ("token_distribution", "True")
    assert float(first["aurc"]) == document["uncertainty"][0]["figures"]["aurc"]
    dropout = next(r for r in read("uncertainty.csv") if r["source"] == "mc_dropout")
    assert json.loads(dropout["settings"]) == {"scope": "head", "num_samples": 2}


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
    # In title, heading, food, comparison, settings, calibration and example.
    assert text.count("&lt;script&gt;alert") >= 10
    assert next(tree.all("h1")).text == ABOUT["title"]
    assert "p?.npz" in text


def test_cells_are_the_numbers_of_the_document(document, tree):
    found = table_of(tree, "Mean of each metric; below")
    assert len(found) == len(document["metrics"])
    for (column, metric), cells in zip(document["metrics"].items(), found.values()):
        decimals = len(cells[0].partition(".")[2])
        for kind, cell in zip(document["errors"], cells):
            mean = document["errors"][kind][column]["mean"]
            assert float(cell) == pytest.approx(mean, abs=0.5000001 * 10**-decimals), metric
    assert list(table_of(tree, "Mean of each metric by food")) == [HOSTILE, "grape", "rice"]
    verdicts = {cells[-1] for cells in table_of(tree, "This checkpoint minus").values()}
    assert "better" in verdicts
    shifts = table_of(tree, "How the uncertainty tells")
    assert shifts["ordinary"][0] == tables.UNKNOWN


def test_units_the_best_and_the_default(tree):
    headers = {" ".join(head.text.split()) for head in tree.all("th")}
    assert "midpoint, distance px low is best" in headers
    assert "Time ms per picture low is best" in headers
    assert "Negative log-likelihood nats low is best" in headers
    errors = next(tree.all("table"))
    assert all(list(row.all("strong")) for body in errors.all("tbody") for row in body.all("tr"))
    marked = [row for row in tree.all("tr") if row.attributes.get("class") == "marked"]
    assert len(marked) == 3
    assert all("default" in row.text for row in marked)


def test_the_numbers_that_decide_are_said_first(document, tree):
    summary = next(e.text for e in tree.all("p") if e.attributes.get("class") == "summary")
    mean = document["errors"]["model"]["centroid_error"]["mean"]
    assert f"on average {mean:.4f} of the picture's side" in summary
    assert "The best answer without a model (centre of the picture)" in summary
    assert "It is on the instructed food in 100% of the samples" in summary
    assert "lowers the mean error of the rest by" in summary
    assert "in 90% of the samples holds it in 90.3%." in summary
    assert "Its midpoints are nearer than those of" in summary


def test_it_can_be_read_out(tree):
    assert [e.attributes["lang"] for e in tree.all("html")] == ["en"]
    levels = [int(e.tag[1]) for e in tree.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    for table in tree.all("table"):
        assert next(table.all("caption")).text
        assert {head.attributes["scope"] for head in table.all("th")} == {"row", "col"}
    plates = [e for e in tree.all("svg") if e.attributes.get("class") == "plate"]
    assert len(plates) == 6
    for plate in plates:
        assert plate.attributes["aria-label"].startswith("Plate, asked for skewering")
        assert len(list(plate.all("line"))) == 4
    assert sum(len(list(plate.all("circle"))) for plate in plates) == 4
    ids = [e.attributes["id"] for e in tree.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "href"):
        wanted = {e.attributes[name] for e in tree.all() if name in e.attributes}
        assert {one.lstrip("#") for one in wanted if not one.startswith("data:")} <= set(ids)


def test_sections_are_in_order_and_what_is_absent_is_said(document, tree, tmp_path):
    assert [e.attributes["id"] for e in tree.all("h2")] == [
        *("summary", "errors", "comparison", "uncertainty", "curves", "calibration", "shifts"),
        *("groups", "examples", "settings"),
    ]
    less = {"comparison": None, "calibration": None, "shifts": [], "curves": [], "uncertainty": []}
    less |= {"groups": {}, "examples": {"best": [], "worst": [], "most_uncertain": []}}
    path = report.write(document | less, tmp_path)["report.html"]
    tree = pages.read(path.read_text(encoding="utf-8"))
    assert [e.attributes["id"] for e in tree.all("h2")] == ["summary", "errors", "settings"]
    (line,) = [e.text for e in tree.all("p") if e.text.startswith("Not in this evaluation")]
    assert "Calibration; Plates unlike training" in line


def test_many_groups_and_columns_fit(document):
    member = document["groups"]["food"]["rice"]
    foods = {f"food {n}": member | {"centroid_mae": {"mean": n / 100}} for n in range(60)}
    many = document | {"groups": {"food": foods}}
    found = tables.group(many, "food")
    assert {len(table.rows) for table in found} == {50}
    assert found[0].rows[0][0].text == "food 59"  # The worst comes first.
    assert all(len(table.heads) <= 9 for table in found)
    assert "The 50 worst of 60" in found[0].caption


def test_digits():
    """Three of the smallest, at most four of the largest."""
    cells = tables._cells(
        [{"mean": 0.03421, "low": 0.03108, "high": 0.0379}, {"mean": 0.31234}], "low"
    )
    assert [cell.text for cell in cells] == ["0.0342", "0.3123"]
    assert [cell.best for cell in cells] == [True, False]
    assert cells[0].detail == "0.0311\N{EN DASH}0.0379"
    assert tables.rounded(None) == tables.UNKNOWN
    assert tables.rounded(-0.0001, 2) == "0.00"
    assert tables.interval({"mean": 0.1, "low": -0.1, "high": 0.2}, 1) == "-0.1 to 0.2"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "card", 4.5),
        ("quiet", "ground", 4.5),
        ("accent", "card", 4.5),
        *((f"curve-{number}", "card", 3) for number in range(1, 7)),
    ],
)
def test_contrast(text, ink, ground, least):
    """WCAG 2.1, 1.4.3 and 1.4.11, in light, dark and print (which has the curves of light)."""
    inks, grounds = (re.findall(rf"--{name}: (#\w+)", text) for name in (ink, ground))
    assert len(grounds) == 3
    for one, other in zip(inks, grounds):
        light, dark = sorted((luminance(one), luminance(other)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= least


@pytest.mark.slow
def test_in_a_browser(document, tmp_path):
    """No complaint on the console, nothing wider than a phone, and it prints."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    document = document | {"settings": {"fingerprint": "0123456789abcdef" * 40}}
    document["groups"]["food"]["w" * 300] = document["groups"]["food"]["rice"]
    written = report.write(document, tmp_path)["report.html"]
    # In a process of its own: Playwright runs once in each, and other tests may have it running.
    program = pathlib.Path(__file__).with_name("browser_check.py")
    output = subprocess.check_output(
        [sys.executable, str(program), path, str(written)], timeout=300
    )
    found = json.loads(output)
    assert found["faults"] == []
    assert found["width"] == 360
    assert found["smallest_text_px"] >= 16
    assert found["scrolling_tables"] > 0
    assert found["dark"] != found["light"]
    assert found["printed_ground"] == "rgb(255, 255, 255)"
    assert found["printed_curve"] == found["light_curve"]
    assert found["printed_overflow"] == []
    assert found["pdf"].startswith("%PDF")
    assert found["pages"] > 2
