"""The page of an evaluation: no wider than a phone, dark where the screen is, and it prints."""

import pytest

from evaluation import report
from tests.evaluation import agents

pytestmark = pytest.mark.slow

GROUND = "getComputedStyle(document.body).backgroundColor"


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
    light = page.evaluate(GROUND)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(GROUND) != light
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(GROUND) == "rgb(255, 255, 255)", "printers get white"
    context.close()
