"""The pictures of the augmentations and of the mask rules; that they look right, people see."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from food_data import mask_rules
from tools import draw_augmentations, draw_mask_rules

PROJECT = pathlib.Path(draw_mask_rules.__file__).resolve().parents[1]


@pytest.mark.slow
def test_augmentations(tmp_path):
    from food_data import augmentation

    shown = set().union(*draw_augmentations.PANELS.values())
    assert shown == set(vars(augmentation.Augmentation()))
    draw_augmentations.main(["--output_file", str(tmp_path / "a.jpg")])
    assert Image.open(tmp_path / "a.jpg").size == (1320, 1020)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    panels = draw_augmentations.panels(image, np.float32([0.3, 0.4, 0.7, 0.6]), seed=103)
    np.testing.assert_array_equal(panels[0][1], image)
    assert all((picture != image).any() for _, picture, _ in panels[1:])


def test_mask_rules(tmp_path):
    """As the project has it; fonts differ from machine to machine."""
    for action, rule in mask_rules.DEFAULT_RULES.items():
        assert [one[2] for one in draw_mask_rules.panels() if one[0].startswith(action)] == [rule]
    program = PROJECT / "tools" / "draw_mask_rules.py"
    command = [sys.executable, str(program), "--output_file", str(tmp_path / "rules.png")]
    subprocess.run(command, check=True, cwd=tmp_path)
    files = (tmp_path / "rules.png", PROJECT / "docs" / "images" / "mask_rules.png")
    ours, theirs = (np.asarray(Image.open(path).convert("L"), int) for path in files)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 3
