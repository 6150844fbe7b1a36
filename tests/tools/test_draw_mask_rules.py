import pathlib
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends import backend_agg
from PIL import Image

from food_data import mask_rules
from tools import draw_mask_rules

PROJECT = pathlib.Path(draw_mask_rules.__file__).resolve().parents[1]
MAX_BYTES = 150_000


def test_a_panel_for_every_action_with_its_own_rule():
    panels = draw_mask_rules.panels()
    for action, rule in mask_rules.DEFAULT_RULES.items():
        (panel,) = [one for one in panels if one.title.startswith(action)]
        assert panel.rule == rule
    for panel in panels:
        assert panel.mask.dtype == bool
        assert 0.05 < panel.mask.mean() < 0.5, panel.title


def test_the_arrow_is_drawn_where_the_rule_says():
    """Red lies at the middle of the motion and not a quarter of the picture beside it."""
    drawn = draw_mask_rules.sheet()
    canvas = backend_agg.FigureCanvasAgg(drawn)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    on = drawn.axes[0]
    panel = draw_mask_rules.panels()[0]
    middle = mask_rules.mask_axis(panel.mask, panel.rule)
    for share, is_red in ((0.25, True), (0.75, True), (None, False)):
        point = [20, 20] if share is None else middle[0] + share * (middle[1] - middle[0])
        column, up = np.rint(on.transData.transform(point)).astype(int)
        red, green, blue = pixels[len(pixels) - 1 - up, column]
        assert (red > 150 and green < 60 and blue < 80) == is_red


@pytest.mark.slow
def test_the_program_writes_the_picture_that_the_project_has(tmp_path):
    program = PROJECT / "tools" / "draw_mask_rules.py"
    file = tmp_path / "rules.png"
    command = [sys.executable, str(program), "--output_file", str(file)]
    subprocess.run(command, check=True, cwd=tmp_path)
    shipped = PROJECT / "docs" / "images" / "mask_rules.png"
    for path in (file, shipped):
        assert path.stat().st_size <= MAX_BYTES
    ours, theirs = (np.asarray(Image.open(path).convert("L"), int) for path in (file, shipped))
    assert ours.shape == theirs.shape
    # Fonts differ from machine to machine.
    assert np.abs(ours - theirs).mean() < 3
