from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from evaluation.report import plots
from tests.evaluation.report import documents

MAIN = "MC dropout, head, 16 samples"


def elements(svg: str) -> list[ElementTree.Element]:
    """Of the SVG as XML; a page of HTML needs no declaration of the prefix."""
    return list(ElementTree.fromstring(svg.replace("xlink:href", "href")).iter())


def test_risk_coverage_names_and_draws_each_curve_oracle_and_random():
    curves = documents.document()["curves"]
    plot = plots.risk_coverage(curves, MAIN)
    names = [curve["label"] for curve in curves]
    assert [name for name, *_ in plot.legend] == [
        *names,
        f"oracle of {MAIN}",
        f"random, for {MAIN}",
    ]
    # The one that was chosen is thick.
    assert [width for *_, width in plot.legend] == [1.4, 1.4, 2.6, 1.2, 1.2]
    styles = [e.get("style", "") for e in elements(plot.svg) if e.tag == "path"]
    for name, variable, dashes, width in plot.legend:
        wanted = {f"stroke: var({variable})", f"stroke-width: {width}"}
        drawn = [set(style.split("; ")) for style in styles]
        lines = [style for style in drawn if wanted <= style]
        assert lines, name
        if dashes:
            wanted = f"stroke-dasharray: {dashes.replace(' ', ',')}"
            assert any(wanted in style for style in lines), name


def test_points_are_where_they_belong():
    curve = {"label": "a", "coverage": [0.0, 0.5, 1.0], "error": [0.0, None, 0.04]}
    plot = plots.risk_coverage([curve], None)
    (path,) = re.findall(r'<path d="([^"]*)" clip-path[^>]*--curve-1', plot.svg)
    (x0, y0), (x1, y1) = [
        tuple(map(float, point)) for point in re.findall(r"([\d.]+) ([\d.]+)", path)
    ]
    # The axes take 78 % of 288 and 82 % of 244.8 units; y is down.
    assert x1 - x0 == pytest.approx(0.78 * 288)
    assert x0 == pytest.approx(0.19 * 288)
    assert y0 == pytest.approx(0.85 * 244.8)
    assert y1 < y0
    assert [name for name, *_ in plot.legend] == ["a"]


def test_reliability():
    plot = plots.reliability(documents.document()["curves"], None)
    assert [name for name, *_ in plot.legend][-1] == "perfect"
    assert [width for *_, width in plot.legend] == [2.6, 1.4, 1.4, 1.2]
    texts = [element.text for element in elements(plot.svg) if element.tag == "text"]
    assert {"expected share", "observed share of labels", "0.0", "1.0"} <= set(texts)


def test_many_curves_differ_in_colour_or_dashes():
    curves = [{**documents.curve(str(n), n), "label": f"curve {n}"} for n in range(1, 15)]
    legend = plots.risk_coverage(curves, None).legend
    assert len({(colour, dashes) for _, colour, dashes, _ in legend}) == 16


def test_without_points_there_is_no_plot():
    assert plots.risk_coverage([], None) is None
    assert plots.reliability([{"label": "a", "expected": None, "observed": []}], None) is None
    assert plots.risk_coverage([{"label": "a", "coverage": [], "error": []}], None) is None
    unknown = {"label": "a", "coverage": [0.5, 1.0], "error": [None, None]}
    assert plots.risk_coverage([unknown], None) is None


def test_svg_can_stand_in_a_page():
    curves = documents.document()["curves"]
    both = [plots.risk_coverage(curves, None).svg, plots.reliability(curves, None).svg]
    ids = []
    for svg in both:
        found = elements(svg)
        assert found[0].get("role") == "img"
        assert found[0].get("aria-label")
        ids += [element.get("id") for element in found if element.get("id")]
        wanted = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)
        assert wanted
        assert {a or b for a, b in wanted} <= {element.get("id") for element in found}
        assert not re.search(r"https?:|<style|<metadata|#0[123]0|font-family", svg)
    assert len(ids) == len(set(ids))
    assert plots.risk_coverage(curves, None).svg == both[0]
