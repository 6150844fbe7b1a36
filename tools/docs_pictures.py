"""Makes the pictures of docs/images again; look at them after a change.

    make docs-pictures                     # all of them
    make docs-pictures ARGS=photos.jpg     # this one

page.png needs Playwright and Chromium, as tests/browser does.
"""

from __future__ import annotations

import io
import json
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageOps  # noqa: E402

import folder_outputs  # noqa: E402
import policy  # noqa: E402
from benchmarks import serve_load  # noqa: E402
from food_data import drawing, vocabulary  # noqa: E402
from food_data.synthetic import plates as synthetic_plates  # noqa: E402

LITE, PHOTOS = ROOT / "pretrained" / "lite", ROOT / "examples" / "photos"


def photos() -> np.ndarray:
    """What the model that ships answers on the photographs of examples/photos."""
    model = policy.CheckpointPolicy.load(LITE)
    renamed = json.loads((ROOT / "configs" / "real_food_label_map.json").read_text())
    tiles = []
    for photo in json.loads((PHOTOS / "annotations.json").read_text())["images"]:
        axes: dict[str, list] = {}
        for one in photo["objects"]:
            food = renamed.get(one["label"], one["label"])
            axes.setdefault(food, []).append((*one["axis_start"], *one["axis_end"]))
        for food, lines in axes.items():
            picture = Image.open(PHOTOS / photo["file"]).convert("RGB")
            answer = model.predict(PHOTOS / photo["file"], "skewering", food)
            for line in lines:
                ImageDraw.Draw(picture).line(line, "white", max(1, picture.width // 150))
            drawn = ImageOps.pad(folder_outputs.draw_answer(picture, answer.content), (236, 236))
            ImageDraw.Draw(drawn).text((4, 2), food, "white")
            tiles.append(np.array(drawn))
    return drawing.grid(tiles, 6)


def plates() -> np.ndarray:
    """Samples of drawn plates."""
    store = vocabulary.EmbeddingStore.load(ROOT / "embeddings")
    drawn = synthetic_plates.build_synthetic_dataset(9, 0, store, workers=1)
    pairs = zip(drawn.images[:24], drawn.actions)
    return drawing.grid([drawing.draw_motion(*pair) for pair in pairs], columns=6)


def page() -> np.ndarray:
    """The server's page with an answer of the model that ships on it."""
    from playwright import sync_api

    with (
        serve_load.started_server(str(LITE)) as url,
        sync_api.sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        ) as browser,
    ):
        shown = browser.new_page(viewport={"width": 1180, "height": 780}, color_scheme="light")
        shown.goto(url)
        shown.locator("#food option").first.wait_for(state="attached")
        shown.locator("#file-input").set_input_files(PHOTOS / "images" / "det_image12.jpg")
        shown.locator("#photo").wait_for(state="visible")
        shown.locator("input[name=action][value=skewering]").check(force=True)
        shown.locator("#food").select_option("banana")
        shown.locator("#predict").click()
        shown.locator("#ellipse").wait_for(state="attached")
        shown.mouse.click(1, 1)  # So that no button has the focus.
        return np.asarray(Image.open(io.BytesIO(shown.screenshot())).convert("RGB"))


PICTURES = {"photos.jpg": photos, "plates.jpg": plates, "page.png": page}


if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        path = ROOT / "docs" / "images" / name
        Image.fromarray(PICTURES[name]()).save(path, quality=85, optimize=True)
        print(path)
