"""Takes docs/images/page.png and page_phone.png: the server's page with an answer on it.

    python api_batch_server.py --checkpoint_dir pretrained/lite --record_dir records --port 8080 &
    python tools/page_screenshots.py --api_url http://127.0.0.1:8080

Needs Playwright and Chromium, as tests/browser does.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import shutil
import sys

import numpy as np
from PIL import Image
from playwright import sync_api

ROOT = pathlib.Path(__file__).resolve().parents[1]
_SCREENS = {
    "page.png": {"viewport": {"width": 1180, "height": 780}, "color_scheme": "light"},
    "page_phone.png": {"viewport": {"width": 360, "height": 1290}, "color_scheme": "dark"},
}


def take(page: sync_api.Page, photo: pathlib.Path, action: str, food: str) -> Image.Image:
    """Asks the page about a photo and takes the picture."""
    page.locator("#food option").first.wait_for(state="attached")
    page.locator("#file-input").set_input_files(photo)
    page.locator("#photo").wait_for(state="visible")
    page.locator(f"input[name=action][value={action}]").check(force=True)
    page.locator("#food").select_option(food)
    # By value: the box of options stays shut.
    for name, value in (("seed", "7"), ("scope", "full")):
        page.locator(f"#{name}").evaluate("(field, value) => { field.value = value; }", value)
    page.locator("#predict").click()
    page.locator("#ellipse").wait_for(state="attached")
    page.mouse.click(1, 1)  # So that no button has the focus.
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    # 64 levels of each colour instead of 256: nobody sees it, and it saves a third of the bytes.
    return Image.fromarray(pixels & 0xFC | 2)


def main(arguments: list[str] | None = None) -> int:
    """Writes the two pictures. Returns 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--api_url", required=True)
    add("--output_dir", type=pathlib.Path, default=ROOT / "docs" / "images")
    photo = ROOT / "examples" / "photos" / "images" / "det_image12.jpg"
    add("--photo", type=pathlib.Path, default=photo, help="(%(default)s)")
    add("--action", default="skewering", help="(%(default)s)")
    add("--food_type", default="banana", help="(%(default)s)")
    add("--chromium", default=shutil.which("chromium"), help="the browser's program")
    args = parser.parse_args(arguments)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        for name, screen in _SCREENS.items():
            page = browser.new_context(**screen).new_page()
            page.goto(args.api_url)
            picture = take(page, args.photo, args.action, args.food_type)
            picture.save(args.output_dir / name, optimize=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
