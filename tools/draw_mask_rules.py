"""Draws docs/images/mask_rules.png: what the mask rules make of drawn foods.

python tools/draw_mask_rules.py
python tools/draw_mask_rules.py --output_file elsewhere.png
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from matplotlib import axes, figure

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # The file is run as a script.

from food_data import annotations, atomic_files, mask_rules  # noqa: E402
from food_data.mask_rules import MaskRule  # noqa: E402

_SIDE_PX = 200
_FOOD, _PLATE = (0.95, 0.78, 0.35), (0.93, 0.93, 0.91)
_AXIS, _MOTION = "#555555", "#b2182b"


def panels() -> list[tuple[str, np.ndarray, MaskRule, bool]]:
    """Title, mask bool [200, 200], rule, and whether only the mask's box is known."""
    rules, food = mask_rules.DEFAULT_RULES, banana()
    return [
        ("skewering\nall of the axis", food, rules["skewering"], False),
        ("scooping\nall of the axis", heap(), rules["scooping"], False),
        ("twirling\nits middle half", nest(), rules["twirling"], False),
        ('"direction": "down"', food, MaskRule(direction="down"), False),
        ('"through": "box"\n(dashed: "centroid")', drumstick(), MaskRule(through="box"), False),
        ("only a box is known\nits longer side", food, rules["skewering"], True),
    ]


def banana() -> np.ndarray:
    """A bent, tapered food that rises to the right."""
    along = np.linspace(-1, 1, 40)
    middle = np.stack([66 * along, 26 * along**2 - 12], axis=1)
    return _turned(_band(middle, 19 * np.sqrt(1 - 0.93 * along**2)), -32)


def heap() -> np.ndarray:
    """A lumpy heap."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = 48 * (1 + 0.10 * np.cos(3 * angle + 1) + 0.05 * np.sin(7 * angle))
    return _turned(np.stack([1.3 * np.cos(angle), 0.85 * np.sin(angle)] * radius, axis=1), 24)


def nest() -> np.ndarray:
    """Noodles, nearly round, with loose ends."""
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    radius = 55 * (1 + 0.06 * np.sin(11 * angle) + 0.04 * np.sin(17 * angle + 2))
    ring = np.stack([1.15 * np.cos(angle), 0.9 * np.sin(angle)] * radius, axis=1)
    tail = _band(np.stack([np.linspace(40, 84, 20), np.full(20, 14.0)], axis=1), np.full(20, 3.5))
    return _turned(ring, -15) | _turned(tail, -15)


def drumstick() -> np.ndarray:
    """A straight food with a lump on one side."""
    bar = np.array([(-72, -10), (72, -10), (72, 10), (-72, 10)], np.float64)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    lump = np.stack([30 * np.cos(angle), 26 + 38 * np.sin(angle)], axis=1)
    return _turned(bar, -12) | _turned(lump, -12)


def _band(middle: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The outline of a line [M, 2] drawn with a pen of changing half-width [M]."""
    steps = np.gradient(middle, axis=0)
    normals = np.stack([-steps[:, 1], steps[:, 0]], axis=1)
    normals *= (width / np.linalg.norm(steps, axis=1))[:, np.newaxis]
    return np.concatenate([middle + normals, (middle - normals)[::-1]])


def _turned(ring: np.ndarray, degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = ring @ np.array([[cos, sin], [-sin, cos]]) + _SIDE_PX / 2
    return annotations.polygon_mask([turned], _SIDE_PX, _SIDE_PX)


def draw(on: axes.Axes, title: str, mask: np.ndarray, rule: MaskRule, box_only: bool) -> None:
    """Draws mask, centroid, main axis (grey) and motion (red arrow, dot at its start)."""
    picture = np.where(mask[..., np.newaxis], _FOOD, _PLATE)
    on.imshow(picture, extent=(0, _SIDE_PX, _SIDE_PX, 0), interpolation="bilinear")
    on.set_title(title, fontsize=9)
    on.set_axis_off()
    rows, columns = np.nonzero(mask)
    if box_only:
        (left, right), (top, bottom) = ((one.min(), one.max() + 1) for one in (columns, rows))
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        on.fill(*corners.T, fill=False, edgecolor=_AXIS, linewidth=1)
        motion = mask_rules.box_axis(corners.astype(np.float64), rule, (_SIDE_PX, _SIDE_PX))
    else:
        motion = mask_rules.mask_axis(mask, rule)
        whole = mask_rules.mask_axis(mask, MaskRule())
        on.plot(*whole.T, color=_AXIS, linewidth=1, linestyle="--")
        on.plot(columns.mean() + 0.5, rows.mean() + 0.5, "+", color="black", markersize=9)
    arrow = {"arrowstyle": "-|>", "color": _MOTION, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    on.annotate("", xy=motion[1], xytext=motion[0], arrowprops=arrow)
    on.plot(*motion[0], "o", color=_MOTION, markersize=5)


def sheet() -> figure.Figure:
    """All panels, three in a row."""
    from matplotlib import figure  # Slow, and --help does without.

    drawn = figure.Figure(figsize=(7.2, 5.2), layout="constrained")
    for panel, on in zip(panels(), drawn.subplots(2, 3).flat):
        draw(on, *panel)
    return drawn


def main(argv: list[str] | None = None) -> int:
    """Writes the picture. Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output_file", type=pathlib.Path, default=ROOT / "docs" / "images" / "mask_rules.png"
    )
    arguments = parser.parse_args(argv)
    with atomic_files.replace_file(arguments.output_file) as file:
        # Without the version of Matplotlib, so that the same picture is the same file.
        sheet().savefig(file, format="png", dpi=110, metadata={"Software": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())
