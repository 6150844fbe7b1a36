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

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

import keras2  # noqa: E402, F401

LITE, PHOTOS = ROOT / "pretrained" / "lite", ROOT / "examples" / "photos"
# What is on in each panel of augmentations.jpg; stronger than in training, so that one sees it.
AUGMENTATIONS = {
    "rotate_90_probability": 1.0, "rotation_degrees": 30.0, "flip_horizontal_probability": 1.0,
    "canonical_direction": False, "flip_vertical_probability": 1.0, "shift": 0.2, "scale_min": 0.6,
    "scale_max": 1.6, "crop": 0.3, "brightness": 0.5, "contrast": 0.6, "saturation": 0.9,
    "hue_degrees": 40.0, "sharpness": 2.0, "noise": 0.15, "blur_px": 4.0, "cutout": 0.3,
}  # fmt: skip
_NUM_TOGETHER, _SIDE_PX = 6, 200


def _drawn_plates(num_plates: int, seed: int, **options: object):  # noqa: ANN202
    from food_data import embedding_store
    from food_data.synthetic import plates

    store = embedding_store.EmbeddingStore.load(ROOT / "embeddings")
    return plates.build_synthetic_dataset(num_plates, seed, store, **options)


def photos() -> np.ndarray:
    """What the model that ships answers on the photographs of examples/photos."""
    import cv2

    import batch_api_inference
    from food_data import image_placement

    with tempfile.TemporaryDirectory() as folder:
        given = {
            "checkpoint_dir": LITE,
            "input_dir": PHOTOS / "images",
            "labels": PHOTOS / "annotations.json",
            "label_map": ROOT / "configs" / "real_food_label_map.json",
            "action": "skewering",
            "num_samples": 0,
            "output_file": f"{folder}/answers.json",
        }
        flags = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        if batch_api_inference.main(flags):
            raise SystemExit("docs_pictures: the folder run failed.")
        sheet = pathlib.Path(folder, "answers_sheet.png").read_bytes()
        sheet = image_placement.decode_image(sheet)
    size = (1100, round(1100 * sheet.shape[0] / sheet.shape[1]))
    return cv2.resize(sheet, size, interpolation=cv2.INTER_AREA)


def plates() -> np.ndarray:
    """Samples of drawn plates."""
    from food_data import drawing

    return drawing.contact_sheet(_drawn_plates(9, 0, workers=1), 24)


def augmentations() -> np.ndarray:
    """Each augmentation on one drawn plate, then all of configs/augmentation.gin six times."""
    import gin
    import tensorflow as tf

    from food_data import augmentation, drawing

    plate = _drawn_plates(1, 18)
    longest = np.argmax(np.hypot(*(plate.actions[:, 2:] - plate.actions[:, :2]).T))
    gin.parse_config_file(str(ROOT / "configs" / "augmentation.gin"))
    together = augmentation.Augmentation()
    gin.clear_config()
    chosen = [("as it is", augmentation.Augmentation())]
    for name, value in AUGMENTATIONS.items():
        # The direction is seen where the picture is mirrored.
        on = {"flip_horizontal_probability": 1.0} if name == "canonical_direction" else {}
        title = f"{name.removesuffix('_probability')} {value:g}"
        chosen.append((title, augmentation.Augmentation(**on, **{name: value})))
    chosen += [(f"augmentation.gin, {i + 1}", together) for i in range(_NUM_TOGETHER)]
    panels = []
    for number, (title, augment) in enumerate(chosen):
        images = tf.constant(np.asarray(plate.images[longest])[np.newaxis])
        # Of this seed draws are far from zero, so that each panel differs from the first one.
        seeds = tf.constant([[103, number]], tf.int32)
        moved, actions = augment(images, plate.actions[longest][np.newaxis], seeds)
        panels.append((title, drawing.draw_motion(np.asarray(moved)[0], np.asarray(actions)[0])))
    return _sheet(panels, columns=6)


def mask_rules() -> np.ndarray:
    """The motions that the rules make of drawn foods: red, dashed the main axis, a cross where the
    centroid is."""
    import cv2

    from food_data import mask_rules as rules
    from food_data.synthetic import bodies, foods

    def mask(food: str, form: int, degrees: float) -> np.ndarray:
        alpha = foods.FOOD_FORMS[food][form].paint(np.random.default_rng(2), 150.0).alpha
        turned = bodies.rotation(np.radians(degrees))
        middle = _SIDE_PX / 2 - turned @ bodies.centre(alpha.shape)
        matrix = np.column_stack([turned, middle])
        return cv2.warpAffine(alpha, matrix, (_SIDE_PX, _SIDE_PX)) > 127

    def draw(axes, food: np.ndarray, rule: rules.MaskRule, is_box: bool) -> None:  # noqa: ANN001
        picture = np.where(food[..., np.newaxis], (0.95, 0.78, 0.35), (0.93, 0.93, 0.91))
        axes.imshow(picture, extent=(0, _SIDE_PX, _SIDE_PX, 0))
        rows, columns = np.nonzero(food)
        if is_box:
            (left, right), (top, bottom) = ((one.min(), one.max() + 1) for one in (columns, rows))
            corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
            axes.fill(*corners.T, fill=False, edgecolor="#555555")
            motion = rules.box_axis(corners.astype(np.float64), rule, food.shape[::-1])
        else:
            motion = rules.mask_axis(food, rule)
            axes.plot(*rules.mask_axis(food, rules.MaskRule()).T, "--", color="#555555")
            axes.plot(columns.mean() + 0.5, rows.mean() + 0.5, "+", color="black", markersize=9)
        arrow = {"arrowstyle": "-|>", "color": "#b2182b", "linewidth": 2, "shrinkA": 0}
        axes.annotate("", xy=motion[1], xytext=motion[0], arrowprops={**arrow, "shrinkB": 0})
        axes.plot(*motion[0], "o", color="#b2182b", markersize=5)

    banana, default = mask("banana", 0, -30), rules.DEFAULT_RULES
    box, down = rules.MaskRule(through="box"), rules.MaskRule(direction="down")
    panels = [
        ("skewering\nall of the axis", (banana, default["skewering"], False)),
        ("scooping\nall of the axis", (mask("rice", 0, 24), default["scooping"], False)),
        ("twirling\nits middle half", (mask("spaghetti", 0, -15), default["twirling"], False)),
        ('"direction": "down"', (banana, down, False)),
        ('"through": "box"\n(dashed: "centroid")', (banana, box, False)),
        ("only a box is known\nits longer side", (banana, default["skewering"], True)),
    ]
    return _sheet(panels, columns=3, draw=draw)


def page() -> np.ndarray:
    """The server's page with an answer of the model that ships on it."""
    from PIL import Image
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


def _sheet(panels: list, columns: int, draw=None) -> np.ndarray:  # noqa: ANN001
    """Titled panels in rows: pictures, or what `draw` draws on axes."""
    from matplotlib.backends import backend_agg
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.6 * rows), dpi=100, layout="constrained")
    canvas = backend_agg.FigureCanvasAgg(figure)
    for axes, (title, content) in zip(figure.subplots(rows, columns).flat, panels):
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
        if draw is None:
            axes.imshow(content, interpolation="none")
        else:
            draw(axes, *content)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


PICTURES = {
    "photos.jpg": photos,
    "plates.jpg": plates,
    "augmentations.jpg": augmentations,
    "mask_rules.png": mask_rules,
    "page.png": page,
}


def main(argv: list[str] | None = None) -> int:
    """Writes the pictures that are named. Returns 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help=", ".join(PICTURES))
    parser.add_argument("--output_dir", type=pathlib.Path, default=ROOT / "docs" / "images")
    args = parser.parse_args(argv)
    unknown = set(args.pictures) - set(PICTURES)
    if unknown:
        parser.error(f"expected some of {', '.join(PICTURES)}; got {', '.join(sorted(unknown))}")
    from PIL import Image

    for name in args.pictures or PICTURES:
        Image.fromarray(PICTURES[name]()).save(args.output_dir / name, quality=85, optimize=True)
        print(args.output_dir / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
