"""The page of an evaluation: no wider than a phone, dark where the screen is, and it prints."""

import pytest

from evaluation import report
from tests.evaluation import agents

pytestmark = pytest.mark.slow

GROUND = "getComputedStyle(document.body).backgroundColor"
SMALLEST = """Math.min(...[...document.querySelectorAll('body *')]
    .filter(e => !e.closest('svg') && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
SCROLLING = """[...document.querySelectorAll('.scroll')]
    .filter(e => e.scrollWidth > e.clientWidth).length"""
TOO_WIDE = """[...document.querySelectorAll('table, figure, p')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 200))"""


def test_on_a_phone_and_on_paper(chromium, tmp_path):
    document = agents.hostile_document()
    document["settings"] = {"fingerprint": "0123456789abcdef" * 40}
    document["groups"]["food"]["w" * 300] = document["groups"]["food"]["grape"]
    address = report.write(document, tmp_path).as_uri()
    context = chromium.new_context(viewport={"width": 360, "height": 780}, color_scheme="light")
    page, said, asked = context.new_page(), [], []
    for event in ("console", "pageerror", "dialog"):
        page.on(event, lambda message: said.append(str(message)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    assert said == []
    assert all(url == address or url.startswith("data:image/jpeg") for url in asked)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(SMALLEST) >= 16
    assert page.evaluate(SCROLLING) > 0
    light = page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(GROUND) != light
    # As wide as what is left of a sheet of A4; printers get white even from a dark screen.
    page.set_viewport_size({"width": 688, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(GROUND) == "rgb(255, 255, 255)"
    assert page.evaluate(TOO_WIDE) == []
    assert page.pdf(format="A4").startswith(b"%PDF")
    context.close()
