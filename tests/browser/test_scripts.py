"""The page's pure functions, with figures worked by hand."""

from __future__ import annotations

import math

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def call(chromium, server_url):
    """Calls a function of one of the page's scripts."""
    page = chromium.new_page()
    page.goto(server_url)

    def run(script, function, *arguments):
        return page.evaluate(
            """async ([script, name, given]) =>
                (await import(`./static/${script}.js`))[name](...given)""",
            [script, function, list(arguments)],
        )

    yield run
    page.close()


def point(x, y):
    return {"x": x, "y": y}


def test_ellipse(call):
    square = [point(0, 0), point(2, 0), point(0, 2), point(2, 2)]
    # Variance 4/3 both ways: a circle around (1, 1).
    radius = math.sqrt(5.991 * 4 / 3)
    round_one = call("geometry", "ellipse95", square)
    assert [round_one[name] for name in ("x", "y", "rx", "ry")] == pytest.approx(
        [1, 1, radius, radius]
    )
    # On the diagonal down to the right: variance 1 both ways and covariance 1, so 2 and 0.
    line = call("geometry", "ellipse95", [point(-1, -1), point(0, 0), point(1, 1)])
    expected = [0, 0, math.sqrt(5.991 * 2), 0, 45]
    assert [line[name] for name in ("x", "y", "rx", "ry", "angle")] == pytest.approx(expected)
    upright = call("geometry", "ellipse95", [point(5, -1), point(5, 0), point(5, 1)])
    assert abs(upright["angle"]) == pytest.approx(90)
    same = call("geometry", "ellipse95", [point(3, 4)] * 5)
    assert (same["rx"], same["ry"]) == (0, 0)
    assert call("geometry", "ellipse95", square[:2]) is None


@pytest.mark.parametrize(
    ("radius", "level", "title"),
    [
        (0, "good", "The samples agree"),
        (30, "good", "The samples agree"),
        (30.1, "fair", "The samples differ: look before moving"),
        (80, "fair", "The samples differ: look before moving"),
        (80.1, "poor", "The samples disagree: ask a person"),
    ],
)
def test_verdict_by_the_longer_half_axis(call, radius, level, title):
    found = call("verdict", "verdict", finding(radius))
    assert (found["level"], found["title"]) == (level, title)
    assert f"within {radius / 10:.1f}% of the photo's shorter side" in found["text"]
    assert found["text"].endswith("Not calibrated: samples that agree can be wrong together.")
    assert "Check the direction." not in found["text"]


def finding(radius, **changes):
    ellipse = {"x": 0, "y": 0, "rx": radius, "ry": 0, "angle": 0}
    size = {"width": 2000, "height": 1000}
    return {"ellipse": ellipse, "size": size, "samples": 16, "directionSpread": 15.0, **changes}
