"""Takes docs/images/page.png and page_phone.png: the server's page with an answer on it.

    python api_batch_server.py --checkpoint_dir pretrained/lite --record_dir records --port 8080 &
    python tools/page_screenshots.py --api_url http://127.0.0.1:8080

The photo is a drawn plate. Needs Playwright and Chromium, as tests/browser does.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import shutil
import sys

import cv2
import numpy as np
from PIL import Image
from playwright import sync_api

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

from food_data import atomic_files  # noqa: E402
from food_data.synthetic import scenes as synthetic_scenes  # noqa: E402

OUTPUT_DIR = ROOT / "docs" / "images"
_SIDE_PX = 640
_FOODS = ("strawberry", "banana", "broccoli", "green_bean", "grape", "pineapple")
_SCREENS = {
    "page.png": {"viewport": {"width": 1180, "height": 780}, "color_scheme": "light"},
    "page_phone.png": {"viewport": {"width": 360, "height": 1290}, "color_scheme": "dark"},
}


def draw_plate(seed: int, foods: tuple[str, ...]) -> tuple[bytes, str, str]:
    """A JPEG of a plate with several foods, and the action and name of one of them."""
    rng = np.random.default_rng(seed)
    picture, placed = synthetic_scenes.render_plate(rng, _SIDE_PX, foods, 4, "any")
    # Without the camera's noise, which would be most of the file.
    picture = cv2.bilateralFilter(picture, 9, 40, 5)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=92)
    return buffer.getvalue(), placed[0].action, placed[0].food


def take(page: sync_api.Page, photo: bytes, action: str, food: str, seed: int = 7) -> bytes:
    """Asks about a photo and takes the picture.

    Args:
        page: shows the server's page.
        photo: the bytes of a JPEG.
        action: of a pair that the server has.
        food: as action.
        seed: of the samples.

    Returns:
        A PNG.
    """
    page.locator("#food option").first.wait_for(state="attached")
    file = {"name": "plate.jpg", "mimeType": "image/jpeg", "buffer": photo}
    page.locator("#file-input").set_input_files(file)
    page.locator("#photo").wait_for(state="visible")
    page.locator(f"input[name=action][value={action}]").check(force=True)
    page.locator("#food").select_option(food)
    # By value: the box of options stays shut.
    for name, value in (("seed", str(seed)), ("scope", "full")):
        page.locator(f"#{name}").evaluate("(field, value) => { field.value = value; }", value)
    page.locator("#predict").click()
    page.locator("#ellipse").wait_for(state="attached")
    page.mouse.click(1, 1)  # So that no button has the focus.
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    buffer = io.BytesIO()
    # 64 levels of each colour instead of 256: nobody sees it, and it saves a third of the bytes.
    Image.fromarray(pixels & 0xFC | 2).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main(argv: list[str] | None = None) -> int:
    """Writes the two pictures. Returns 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--api_url", required=True)
    parser.add_argument("--output_dir", type=pathlib.Path, default=OUTPUT_DIR)
    parser.add_argument("--plate_seed", type=int, default=17, help="of the drawn plate")
    parser.add_argument(
        "--chromium", default=shutil.which("chromium"), help="the browser's program"
    )
    arguments = parser.parse_args(argv)
    photo, action, food = draw_plate(arguments.plate_seed, _FOODS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.chromium, args=["--no-sandbox"]
        )
        for name, screen in _SCREENS.items():
            page = browser.new_context(**screen).new_page()
            page.goto(arguments.api_url)
            content = take(page, photo, action, food)
            with atomic_files.replace_file(arguments.output_dir / name) as target:
                target.write(content)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
