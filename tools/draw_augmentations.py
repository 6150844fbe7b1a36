"""Draws every augmentation on a drawn plate, each in a panel of its own, the label as an arrow.

    python tools/draw_augmentations.py --output_file docs/images/augmentations.jpg

First the plate as it is and what moves it, then what changes light and detail, then everything
together as `configs/augmentation.gin` sets it, six times. In the panels of single settings these
are stronger than in training, so that one sees them. To be looked at after a change: the arrow
has to lie on the same food everywhere.
"""

from __future__ import annotations

import argparse
import io
import os
import pathlib
import sys

import gin
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

from food_data import atomic_files, drawing, embedding_store  # noqa: E402
from food_data.synthetic import plates as synthetic_plates  # noqa: E402

CONFIG = ROOT / "configs" / "augmentation.gin"
COLUMNS = 6
NUM_TOGETHER = 6
# Title -> what is on.
PANELS: dict[str, dict[str, float | bool]] = {
    "as it is": {},
    "rotate_90": {"rotate_90_probability": 1.0},
    "rotation_degrees 30": {"rotation_degrees": 30.0},
    "flip_horizontal": {"flip_horizontal_probability": 1.0},
    "the same, start and\nend not swapped": {
        "flip_horizontal_probability": 1.0,
        "canonical_direction": False,
    },
    "flip_vertical": {"flip_vertical_probability": 1.0},
    "shift 0.2": {"shift": 0.2},
    "scale_min 0.6": {"scale_min": 0.6},
    "scale_max 1.6": {"scale_max": 1.6},
    "crop 0.3": {"crop": 0.3},
    "brightness 0.5": {"brightness": 0.5},
    "contrast 0.6": {"contrast": 0.6},
    "saturation 0.9": {"saturation": 0.9},
    "hue_degrees 40": {"hue_degrees": 40.0},
    "sharpness 2": {"sharpness": 2.0},
    "noise 0.15": {"noise": 0.15},
    "blur_px 4": {"blur_px": 4.0},
    "cutout 0.3": {"cutout": 0.3},
}


def panels(
    image: np.ndarray, action: np.ndarray, seed: int
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Title, picture and label of each panel.

    Args:
        image: uint8 [S, S, 3].
        action: execution parameters float32 [4], pointing to the right.
        seed: of all draws.

    Returns:
        One for each of `PANELS`, then some with everything that `configs/augmentation.gin` has on.
    """
    import tensorflow as tf  # Here, because it is slow, and --help does without.

    from food_data import augmentation

    gin.parse_config_file(str(CONFIG))
    together = augmentation.Augmentation()
    gin.clear_config()
    chosen = [(title, augmentation.Augmentation(**on)) for title, on in PANELS.items()]
    chosen += [(f"augmentation.gin, {i + 1}", together) for i in range(NUM_TOGETHER)]
    drawn = []
    for number, (title, augment) in enumerate(chosen):
        seeds = tf.constant([[seed, number]], tf.int32)
        images, actions = augment(tf.constant(image[np.newaxis]), action[np.newaxis], seeds)
        drawn.append((title, np.asarray(images)[0], np.asarray(actions)[0]))
    return drawn


def draw(shown: list[tuple[str, np.ndarray, np.ndarray]]) -> bytes:
    """Panels as one JPEG file, six in a row.

    Args:
        shown: title, picture uint8 [S, S, 3] and label [4] of each.

    Returns:
        The file's bytes.
    """
    from matplotlib import figure
    from matplotlib.backends import backend_agg

    rows = -(-len(shown) // COLUMNS)
    page = figure.Figure(figsize=(2.2 * COLUMNS, 2.55 * rows), dpi=100, layout="tight")
    backend_agg.FigureCanvasAgg(page)
    grid = page.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (title, image, action) in zip(grid.flat, shown):
        axes.set_title(title, fontsize=9)
        axes.imshow(drawing.draw_motion(image, action), interpolation="none")
    file = io.BytesIO()
    page.savefig(file, format="jpeg", pil_kwargs={"quality": 88})
    return file.getvalue()


def plate(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn plate and the label of the longest food on it.

    Returns:
        uint8 [236, 236, 3], float32 [4].
    """
    store = embedding_store.EmbeddingStore.load(ROOT / "embeddings")
    dataset = synthetic_plates.build_synthetic_dataset(1, seed, store)
    steps = dataset.actions[:, 2:] - dataset.actions[:, :2]
    longest = np.argmax(np.hypot(*steps.T))
    return np.asarray(dataset.images[longest]), dataset.actions[longest]


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_file", required=True, help="a .jpg file")
    # The default draws are far from zero, so that each panel differs from the first one.
    parser.add_argument("--seed", type=int, default=103, help="of what is drawn at random")
    parser.add_argument("--plate_seed", type=int, default=18, help="of the plate")
    arguments = parser.parse_args()
    shown = panels(*plate(arguments.plate_seed), arguments.seed)
    with atomic_files.replace_file(os.path.abspath(arguments.output_file)) as file:
        file.write(draw(shown))


if __name__ == "__main__":
    main()
