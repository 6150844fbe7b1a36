"""A calibrated server's own verdict is what the page says, and its region is drawn."""

from __future__ import annotations

import pytest

from tests import uncertainty_stubs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[0.05, 0.2, None], ids=["asks", "acts", "never asks"])
def calibrated(request, serve):
    """(threshold, address) of a server; the stub's doubt is 0.99 * 26 / 256 = 0.101."""
    known = uncertainty_stubs.calibration(threshold=request.param)
    with serve(uncertainty_stubs.TokenModel, calibration=known) as url:
        yield request.param, url


def test_the_server_s_verdict_and_region(calibrated, open_page, choose):
    threshold, url = calibrated
    samples = "16" if threshold == 0.2 else "none"
    page = open_page(url)
    page.get_by_text("Options").click()
    page.get_by_label("Samples").select_option(samples)
    choose(page)
    with page.expect_response("**/predict_batch") as response:
        page.get_by_role("button", name="Predict").click()
    page.locator("#region").wait_for(state="attached")

    asks = threshold == 0.05
    said = "The server says: " + ("ask a person" if asks else "go ahead")
    assert page.locator("#verdict").inner_text() == said
    level = page.locator("#uncertainty").get_attribute("data-level")
    assert level == ("poor" if asks else "good")
    text = page.locator("#verdict-text").inner_text()
    limit = "it never asks" if threshold is None else f"it asks above {threshold:.3f}"
    assert f"Its doubt is 0.101; {limit}." in text
    assert "1% were off by more than 5% of the picture" in text
    assert "holds the true midpoint in 90% of cases" in text
    assert ("midpoints of 16 samples" in text) is (samples == "16")
    assert "Not calibrated" not in text

    region = response.value.json()["uncertainty"]["region_pixels"]
    drawn = page.locator("#region")
    names = {"cx": "center_x", "cy": "center_y", "rx": "radius_x", "ry": "radius_y"}
    assert {name: float(drawn.get_attribute(name)) for name in names} == {
        name: region[field] for name, field in names.items()
    }
    assert page.get_by_text("where the server expects the midpoint").is_visible()
    assert page.locator(".sample").count() == (16 if samples == "16" else 0)
