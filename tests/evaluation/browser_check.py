"""Opens a report in headless Chromium and says what it found: `browser_check.py CHROMIUM FILE`."""

from __future__ import annotations

import json
import pathlib
import re
import sys

from playwright import sync_api

_GROUND = "getComputedStyle(document.body).backgroundColor"
_SMALLEST = """Math.min(...[...document.querySelectorAll('body *')]
    .filter(e => !e.closest('svg') && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
    .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
_SCROLLING = """[...document.querySelectorAll('.scroll')]
    .filter(e => e.scrollWidth > e.clientWidth).length"""
_TOO_WIDE = """[...document.querySelectorAll('table, figure, p')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 200))"""


def main() -> None:
    chromium, path = sys.argv[1], pathlib.Path(sys.argv[2])
    faults = []
    with sync_api.sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, as continuous integration runs.
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 360, "height": 780}, color_scheme="light")
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: faults.extend(_strange(request.url, path)))
        page.goto(path.as_uri())
        found = {
            "faults": faults,
            "width": page.evaluate("document.documentElement.scrollWidth"),
            "smallest_text_px": page.evaluate(_SMALLEST),
            "scrolling_tables": page.evaluate(_SCROLLING),
            "light": page.evaluate(_GROUND),
        }
        page.emulate_media(color_scheme="dark")
        found["dark"] = page.evaluate(_GROUND)
        # As wide as what is left of a sheet of A4; printers get white even from a dark screen.
        page.set_viewport_size({"width": 688, "height": 1000})
        page.emulate_media(media="print", color_scheme="dark")
        found["printed_ground"] = page.evaluate(_GROUND)
        found["printed_overflow"] = page.evaluate(_TOO_WIDE)
        pdf = page.pdf(format="A4")
        found["pdf"] = pdf[:8].decode("latin-1")
        found["pages"] = len(re.findall(rb"/Type\s*/Page\b", pdf))
        browser.close()
    sys.stdout.write(json.dumps(found))


def _strange(url: str, path: pathlib.Path) -> list[str]:
    own = url == path.as_uri() or url.startswith("data:image/jpeg")
    return [] if own else [f"request of {url}"]


if __name__ == "__main__":
    main()
