"""The picture of all augmentations; that it looks right is for a person to see."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from food_data import augmentation
from tools import draw_augmentations

LABEL = np.float32([0.3, 0.4, 0.7, 0.6])


def test_every_setting_has_a_panel_or_two():
    shown = set().union(*draw_augmentations.PANELS.values())
    assert shown == set(vars(augmentation.Augmentation()))


def test_draws_six_in_a_row():
    tile = np.full((20, 20, 3), 200, np.uint8)
    shown = [("a title", tile, LABEL)] * 7
    page = Image.open(io.BytesIO(draw_augmentations.draw(shown)))
    assert page.format == "JPEG"
    assert page.width == 1320 and page.height == 510
    pixels = np.asarray(page)
    assert (pixels[300:, :180] < 150).any()  # The seventh, below the first.
    assert (pixels[300:, 300:] > 240).all()


@pytest.mark.slow
@pytest.mark.long
def test_program_writes_the_picture(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    monkeypatch.setattr(draw_augmentations, "plate", lambda seed: (image, LABEL))
    file = tmp_path / "augmentations.jpg"
    monkeypatch.setattr(sys, "argv", ["draw_augmentations", "--output_file", str(file)])
    draw_augmentations.main()
    assert Image.open(file).size == (1320, 1020)

    panels = draw_augmentations.panels(image, LABEL, seed=103)
    assert len(panels) == len(draw_augmentations.PANELS) + draw_augmentations.NUM_TOGETHER
    np.testing.assert_array_equal(panels[0][1], image)
    assert all((picture != image).any() for _, picture, _ in panels[1:])


@pytest.mark.slow
def test_plate_is_a_sample_that_points_to_the_right():
    image, action = draw_augmentations.plate(5)
    assert image.shape == (236, 236, 3) and image.dtype == np.uint8
    assert action[2] >= action[0]
