"""Makes the pictures of docs/images again.

    make docs-pictures                               # all of them
    python tools/docs_pictures.py mask_rules.png augmentations.jpg --output_dir elsewhere

page.png needs Playwright and Chromium, as tests/browser does. Look at the pictures after a change:
the arrow has to lie on the same food in every panel of augmentations.jpg.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

import keras2  # noqa: E402, F401

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from food_data import drawing, embedding_store  # noqa: E402
from food_data import mask_rules as rules  # noqa: E402
from food_data.synthetic import bodies, foods  # noqa: E402
from food_data.synthetic import plates as synthetic_plates  # noqa: E402

LITE, PHOTOS = ROOT / "pretrained" / "lite", ROOT / "examples" / "photos"
# What is on in each panel of augmentations.jpg; stronger than in training, so that one sees it.
AUGMENTATIONS = {
    "rotate_90_probability": 1.0, "rotation_degrees": 30.0, "flip_horizontal_probability": 1.0,
    "canonical_direction": False, "flip_vertical_probability": 1.0, "shift": 0.2, "scale_min": 0.6,
    "scale_max": 1.6, "crop": 0.3, "brightness": 0.5, "contrast": 0.6, "saturation": 0.9,
    "hue_degrees": 40.0, "sharpness": 2.0, "noise": 0.15, "blur_px": 4.0, "cutout": 0.3,
}  # fmt: skip
_NUM_TOGETHER = 6


def photos() -> np.ndarray:
    """What the model that ships answers on the photographs of examples/photos."""
    import batch_api_inference

    with tempfile.TemporaryDirectory() as folder:
        flags = [f"--checkpoint_dir={LITE}", f"--input_dir={PHOTOS}/images", "--action=skewering"]
        flags += [f"--labels={PHOTOS}/annotations.json", "--num_samples=0"]
        flags += [f"--label_map={ROOT}/configs/real_food_label_map.json"]
        if batch_api_inference.main([*flags, f"--output_file={folder}/answers.json"]):
            raise SystemExit("docs_pictures: the folder run failed.")
        sheet = np.asarray(Image.open(f"{folder}/answers_sheet.png").convert("RGB"))
    size = (1100, round(1100 * sheet.shape[0] / sheet.shape[1]))
    return cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)


def plates() -> np.ndarray:
    """Samples of drawn plates."""
    store = embedding_store.EmbeddingStore.load(ROOT / "embeddings")
    drawn = synthetic_plates.build_synthetic_dataset(9, 0, store, workers=1)
    pairs = zip(drawn.images[:24], drawn.actions)
    return drawing.grid([drawing.draw_motion(*pair) for pair in pairs], columns=6)


def augmentations() -> np.ndarray:
    """Each augmentation on one drawn plate, then all of configs/augmentation.gin six times."""
    import gin

    from food_data import augmentation

    image, motions, *_ = synthetic_plates.PlateDrawer(18, tuple(foods.FOOD_FORMS)).draw(0)
    longest = motions[np.argmax(np.hypot(*(motions[:, 2:] - motions[:, :2]).T))]
    gin.parse_config_file(str(ROOT / "configs" / "augmentation.gin"))
    together = augmentation.Augmentation()
    gin.clear_config()
    chosen = {"as it is": augmentation.Augmentation()}
    for name, value in AUGMENTATIONS.items():
        # The direction is seen where the picture is mirrored.
        on = {"flip_horizontal_probability": 1.0} if name == "canonical_direction" else {}
        chosen[f"{name} {value:g}"] = augmentation.Augmentation(**on, **{name: value})
    chosen |= {f"augmentation.gin, {i + 1}": together for i in range(_NUM_TOGETHER)}
    # Of this seed draws are far from zero, so that each picture differs from the first one.
    moved = [
        augment(image[np.newaxis], longest[np.newaxis], np.array([[103, i]], np.int32))
        for i, augment in enumerate(chosen.values())
    ]
    return _sheet(list(chosen), *map(np.concatenate, zip(*moved)))


def mask_rules() -> np.ndarray:
    """The motions that the rules make of drawn foods, a line for the main axis, a cross where the
    centroid is."""
    side, default = 236, rules.DEFAULT_RULES

    def mask(food: str, degrees: float) -> np.ndarray:
        alpha = foods.FOOD_FORMS[food][0].paint(np.random.default_rng(2), 170.0).alpha
        turned = bodies.rotation(np.radians(degrees))
        middle = side / 2 - turned @ bodies.centre(alpha.shape)
        return cv2.warpAffine(alpha, np.column_stack([turned, middle]), (side, side)) > 127

    banana, rice, noodles = mask("banana", -30), mask("rice", 24), mask("spaghetti", -15)
    shown = {
        "skewering: all of the axis": (banana, default["skewering"]),
        "scooping: all of the axis": (rice, default["scooping"]),
        "twirling: its middle half": (noodles, default["twirling"]),
        "direction: down": (banana, rules.MaskRule(direction="down")),
        "through: box": (banana, rules.MaskRule(through="box")),
        "only a box is known": (banana, default["skewering"]),
    }
    pictures, motions = [], []
    for title, (food, rule) in shown.items():
        picture = np.where(food[..., np.newaxis], (242, 199, 89), (60, 60, 70)).astype(np.uint8)
        pixels = np.argwhere(food)[:, ::-1]
        motions.append(rules.mask_axis(food, rule))
        if title == "only a box is known":
            corners = np.stack([pixels.min(axis=0), pixels.max(axis=0) + 1])
            cv2.rectangle(picture, *corners.tolist(), (200, 200, 200))
            motions[-1] = rules.box_axis(corners.astype(float), rule, food.shape[::-1])
        axis = np.rint(rules.mask_axis(food, rules.MaskRule())).astype(int)
        cv2.line(picture, *axis.tolist(), (90, 90, 90), 1, cv2.LINE_AA)
        cv2.drawMarker(picture, pixels.mean(axis=0).astype(int).tolist(), (0, 0, 0))
        pictures.append(picture)
    return _sheet(list(shown), np.stack(pictures), np.array(motions).reshape(-1, 4) / side)


def _sheet(titles: list[str], images: np.ndarray, motions: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] with their motions [N, 4], six in a row."""
    tiles = list(map(drawing.draw_motion, images, motions))
    for tile, title in zip(tiles, titles):
        for ink, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(tile, title, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, width)
    return drawing.grid(tiles, 6)


def page() -> np.ndarray:
    """The server's page with an answer of the model that ships on it."""
    from playwright import sync_api

    from benchmarks import serve_load

    with (
        serve_load.started_server(str(LITE), "") as url,
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
        pixels = np.asarray(Image.open(io.BytesIO(shown.screenshot())).convert("RGB"))
    # 64 levels of each colour instead of 256: nobody sees it, and it saves a third of the bytes.
    return pixels & 0xFC | 2


PICTURES = {
    **{f"{make.__name__}.jpg": make for make in (photos, plates, augmentations)},
    **{f"{make.__name__}.png": make for make in (mask_rules, page)},
}


def main(argv: list[str] | None = None) -> int:
    """Writes the pictures that are named. Returns 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help=", ".join(PICTURES))
    parser.add_argument("--output_dir", type=pathlib.Path, default=ROOT / "docs" / "images")
    args = parser.parse_args(argv)
    for name in args.pictures or PICTURES:
        Image.fromarray(PICTURES[name]()).save(args.output_dir / name, quality=85, optimize=True)
        print(args.output_dir / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
