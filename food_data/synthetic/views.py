"""How pictures of plates are taken, in one table: from which distance and angle, in which shape.

With "any" anything goes that one finds on photographs: a phone held at a slant, a plate far away,
fruit on a bare table. With "arm" a camera on a robot's arm looks down on a plate that fills its
square picture, as feeding robots see it. "mixed" draws lots for each plate: arm for 3 of 4.
"""

from __future__ import annotations

import dataclasses

import numpy as np

Range = tuple[float, float]
MIXED = "mixed"
_ARM_SHARE = 0.75


@dataclasses.dataclass(frozen=True)
class View:
    """A row of the table.

    Attributes:
        frames: (height / width of the frame, how often) of each shape.
        largest_tilt: of the camera, degrees.
        zooms: how large foods are, by their number; the last one also for more of them.
        dish_reach: radius of the dish, parts of the picture's side.
        reach_power: how much a dish grows with its foods.
        bare_table: how often there is no dish, by the number of foods; the last also for more.
    """

    frames: tuple[Range, ...]
    largest_tilt: float
    zooms: tuple[Range, ...]
    dish_reach: Range
    reach_power: float
    bare_table: tuple[float, ...]

    def zoom(self, number: int) -> Range:
        """Of this number of foods."""
        return self.zooms[min(number, len(self.zooms)) - 1]

    def bare_table_share(self, number: int) -> float:
        """Of this number of foods."""
        return self.bare_table[min(number, len(self.bare_table)) - 1]


VIEWS = {
    "any": View(
        frames=((1.0, 0.6), (0.75, 0.28), (0.5625, 0.12)),
        largest_tilt=38.0,
        zooms=((0.7, 1.8), (0.7, 1.45), (0.7, 1.2), (0.75, 1.0)),
        dish_reach=(0.378, 0.483),
        reach_power=0.8,
        bare_table=(0.22, 0.15, 0.05),
    ),
    "arm": View(
        frames=((1.0, 1.0),),
        largest_tilt=15.0,
        zooms=((1.0, 1.8), (1.0, 1.5), (1.0, 1.3), (0.9, 1.15)),
        dish_reach=(0.44, 0.58),
        reach_power=0.0,
        bare_table=(0.05,),
    ),
}


NAMES = (*VIEWS, MIXED)


def check_name(name: str) -> None:
    """Raises ValueError for a name that is neither in the table nor "mixed"."""
    if name not in NAMES:
        raise ValueError(f"view: expected one of {', '.join(NAMES)}; got {name!r}.")


def draw_view(rng: np.random.Generator, name: str) -> View:
    """The view of the next plate.

    Args:
        rng: is used for "mixed" only, so that other views stay as they are.
        name: in the table, or "mixed".

    Returns:
        A row of the table.

    Raises:
        ValueError: for another name.
    """
    check_name(name)
    if name == MIXED:
        name = "arm" if rng.uniform() < _ARM_SHARE else "any"
    return VIEWS[name]
