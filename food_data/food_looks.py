"""How our drawings of the 22 foods look, in one table.

An outline is a superellipse that may be bent (banana), tapered (strawberry) or lumpy (lettuce);
what is painted on it are marks, from seeds over grains of rice to strands of spaghetti.
"""

from __future__ import annotations

import dataclasses

Colour = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class FoodLook:
    """A row of the table. Lengths are parts of the picture's side, or of the food's own length.

    Attributes:
        action: what one does to this food.
        colour, accent: RGB; marks lie between the two.
        length: of the main axis, part of the picture's side.
        aspect: width / length.
        exponent: of the superellipse: 2 an ellipse, 6 nearly a rectangle.
        bend: how far the middle is moved sideways, part of the length.
        taper: how much narrower the far end is than the middle.
        lumps: how uneven the outline is, part of the radius.
        marks: how many.
        mark_length, mark_width: part of the food's length; a length of 0 gives dots.
    """

    action: str
    colour: Colour
    accent: Colour
    length: float
    aspect: float
    exponent: float = 2.0
    bend: float = 0.0
    taper: float = 0.0
    lumps: float = 0.0
    marks: int = 0
    mark_length: float = 0.0
    mark_width: float = 0.0


def _solid(colour: Colour, accent: Colour, length: float, aspect: float, **look: float) -> FoodLook:
    return FoodLook("skewering", colour, accent, length, aspect, **look)


def _heap(
    colour: Colour, accent: Colour, marks: int, mark_length: float, mark_width: float
) -> FoodLook:
    shape = {"length": 0.27, "aspect": 0.68, "lumps": 0.07}
    marking = {"marks": marks, "mark_length": mark_length, "mark_width": mark_width}
    return FoodLook("scooping", colour, accent, **shape, **marking)


def _noodles(colour: Colour, accent: Colour, marks: int, mark_width: float) -> FoodLook:
    shape = {"length": 0.31, "aspect": 0.72, "lumps": 0.08}
    marking = {"marks": marks, "mark_length": 0.8, "mark_width": mark_width}
    return FoodLook("twirling", colour, accent, **shape, **marking)


FOOD_LOOKS = {
    "banana": _solid((240, 214, 110), (250, 236, 170), 0.24, 0.27, exponent=2.6, bend=0.16),
    "blueberry": _heap((62, 76, 134), (106, 122, 178), 34, 0.0, 0.17),
    "broccoli": _solid(
        (58, 118, 44), (112, 168, 74), 0.19, 0.72, taper=0.45, lumps=0.10,
        marks=70, mark_width=0.11,
    ),
    "brownie": _solid(
        (78, 46, 30), (112, 70, 46), 0.17, 0.68, exponent=7, lumps=0.02, marks=26, mark_width=0.05
    ),
    "cantaloupe": _solid((244, 158, 84), (250, 188, 122), 0.14, 0.70, exponent=6, lumps=0.02),
    "cherry_tomato": _solid((208, 40, 30), (236, 84, 56), 0.12, 0.84),
    "chicken": _solid(
        (214, 164, 104), (158, 98, 50), 0.21, 0.55, exponent=3, lumps=0.06,
        marks=12, mark_length=0.22, mark_width=0.04,
    ),
    "fettucine": _noodles((226, 196, 124), (252, 238, 190), 46, 0.05),
    "grape": _solid((120, 44, 84), (160, 84, 120), 0.11, 0.74),
    "green_bean": _solid((74, 138, 54), (120, 176, 88), 0.25, 0.13, exponent=3, bend=0.06),
    "honeydew": _solid((196, 222, 140), (222, 238, 180), 0.14, 0.72, exponent=6, lumps=0.02),
    "lettuce": _solid(
        (122, 178, 70), (196, 222, 140), 0.25, 0.64, lumps=0.13,
        marks=16, mark_length=0.32, mark_width=0.022,
    ),
    "mac_and_cheese": _heap((240, 176, 54), (252, 208, 104), 70, 0.10, 0.075),
    "mashed_potato": _heap((240, 226, 178), (248, 238, 204), 9, 0.3, 0.12),
    "meatball": _solid(
        (112, 66, 40), (148, 96, 62), 0.14, 0.86, lumps=0.04, marks=24, mark_width=0.09
    ),
    "oatmeal": _heap((214, 192, 152), (236, 220, 188), 110, 0.03, 0.06),
    "pineapple": _solid(
        (246, 212, 74), (252, 232, 132), 0.17, 0.68, exponent=4, taper=0.55,
        marks=12, mark_length=0.3, mark_width=0.018,
    ),
    "rice": _heap((240, 238, 228), (254, 254, 250), 190, 0.06, 0.026),
    "sausage": _solid(
        (156, 76, 48), (104, 44, 30), 0.26, 0.25, exponent=4, bend=0.05,
        marks=6, mark_length=0.12, mark_width=0.022,
    ),
    "spaghetti": _noodles((216, 160, 72), (250, 216, 140), 70, 0.026),
    "strawberry": _solid(
        (204, 34, 40), (244, 200, 120), 0.15, 0.78, taper=0.55, marks=26, mark_width=0.028
    ),
    "watermelon": _solid(
        (226, 66, 72), (60, 30, 30), 0.20, 0.66, exponent=3, taper=0.75, marks=8, mark_width=0.04
    ),
}  # fmt: skip
