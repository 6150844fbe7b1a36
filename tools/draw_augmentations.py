"""Draws every augmentation on a drawn plate, each in a panel of its own, the label as an arrow.

    python tools/draw_augmentations.py --output_file docs/images/augmentations.jpg

First the plate as it is and what moves it, then what changes light and detail, then everything
together as `configs/augmentation.gin` sets it, six times. In the panels of single settings these
are stronger than in training, so that one sees them. To be looked at after a change: the arrow
has to lie on the same food everywhere.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

import gin
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

from food_data import atomic_files, drawing, embedding_store  # noqa: E402
from food_data.synthetic import plates as synthetic_plates  # noqa: E402

_COLUMNS, _NUM_TOGETHER = 6, 6
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
    """Title, picture and label of each panel; `action` [4] points to the right."""
    import tensorflow as tf  # Here, because it is slow, and --help does without.

    from food_data import augmentation

    gin.parse_config_file(str(ROOT / "configs" / "augmentation.gin"))
    together = augmentation.Augmentation()
    gin.clear_config()
    chosen = [(title, augmentation.Augmentation(**on)) for title, on in PANELS.items()]
    chosen += [(f"augmentation.gin, {i + 1}", together) for i in range(_NUM_TOGETHER)]
    drawn = []
    for number, (title, augment) in enumerate(chosen):
        seeds = tf.constant([[seed, number]], tf.int32)
        images, actions = augment(tf.constant(image[np.newaxis]), action[np.newaxis], seeds)
        drawn.append((title, np.asarray(images)[0], np.asarray(actions)[0]))
    return drawn


def main(argv: list[str] | None = None) -> None:
    """Draws the longest food of a plate in every panel, six in a row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_file", required=True, help="a .jpg file")
    # The default draws are far from zero, so that each panel differs from the first one.
    parser.add_argument("--seed", type=int, default=103, help="of what is drawn at random")
    parser.add_argument("--plate_seed", type=int, default=18, help="of the plate")
    arguments = parser.parse_args(argv)
    from matplotlib import figure

    store = embedding_store.EmbeddingStore.load(ROOT / "embeddings")
    plate = synthetic_plates.build_synthetic_dataset(1, arguments.plate_seed, store)
    longest = np.argmax(np.hypot(*(plate.actions[:, 2:] - plate.actions[:, :2]).T))
    shown = panels(np.asarray(plate.images[longest]), plate.actions[longest], arguments.seed)
    rows = -(-len(shown) // _COLUMNS)
    page = figure.Figure(figsize=(2.2 * _COLUMNS, 2.55 * rows), dpi=100, layout="tight")
    for axes, (title, image, action) in zip(page.subplots(rows, _COLUMNS).flat, shown):
        axes.axis("off")
        axes.set_title(title, fontsize=9)
        axes.imshow(drawing.draw_motion(image, action), interpolation="none")
    with atomic_files.replace_file(os.path.abspath(arguments.output_file)) as file:
        page.savefig(file, format="jpeg", pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
