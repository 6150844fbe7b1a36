"""How our drawings of foods look, in tables: what is done to a food, and its forms.

`FOOD_LOOKS` has the 22 foods that every vocabulary has, `MORE_FOOD_LOOKS` those that were named
later: plates without them stay as they were.

A form has a painter, the length of its main axis as a part of the picture's side (on a plate that
fills most of the picture), and a share: how often it is drawn, of 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from food_data.synthetic import balls as synthetic_balls
from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import extra_foods as synthetic_extra
from food_data.synthetic import fruits as synthetic_fruits
from food_data.synthetic import heaps as synthetic_heaps
from food_data.synthetic import meats as synthetic_meats
from food_data.synthetic import melons as synthetic_melons
from food_data.synthetic import noodles as synthetic_noodles
from food_data.synthetic import vegetables as synthetic_vegetables

Painter = Callable[[np.random.Generator, float], synthetic_bodies.Body]


@dataclasses.dataclass(frozen=True)
class Form:
    """One way a food may lie on a plate.

    Attributes:
        paint: (rng, length in pixels) -> `synthetic.bodies.Body`.
        length: of its main axis, part of the picture's side.
        share: how often; those of a food add up to 1.
    """

    paint: Painter
    length: float
    share: float = 1.0


@dataclasses.dataclass(frozen=True)
class FoodLook:
    """A row of the table.

    Attributes:
        action: what one does to this food.
        forms: at least one.
    """

    action: str
    forms: tuple[Form, ...]

    def draw_form(self, rng: np.random.Generator) -> Form:
        """One of the forms, by their shares."""
        return self.forms[synthetic_bodies.pick(rng, [form.share for form in self.forms])]


def _skewered(*forms: Form) -> FoodLook:
    return FoodLook("skewering", forms)


def _scooped(paint: Painter, length: float = 0.29) -> FoodLook:
    return FoodLook("scooping", (Form(paint, length),))


def _twirled(paint: Painter) -> FoodLook:
    return FoodLook("twirling", (Form(paint, 0.32),))


def _melon(melon: synthetic_melons.Melon) -> FoodLook:
    paints = synthetic_melons.wedge, synthetic_melons.cube, synthetic_melons.ball
    wedge, cube, ball = (functools.partial(paint, melon=melon) for paint in paints)
    return _skewered(Form(wedge, 0.28, 0.5), Form(cube, 0.15, 0.35), Form(ball, 0.13, 0.15))


_watermelon = {"melon": synthetic_melons.WATERMELON}

FOOD_LOOKS = {
    "banana": _skewered(
        Form(synthetic_fruits.banana_in_peel, 0.36, 0.4),
        Form(synthetic_fruits.banana_peeled, 0.27, 0.3),
        Form(synthetic_fruits.banana_slice, 0.13, 0.2),
        Form(synthetic_fruits.banana_bunch, 0.40, 0.1),
    ),
    "blueberry": _scooped(synthetic_balls.blueberries, 0.26),
    "broccoli": _skewered(Form(synthetic_vegetables.broccoli, 0.22)),
    "brownie": _skewered(Form(synthetic_meats.brownie, 0.20)),
    "cantaloupe": _melon(synthetic_melons.CANTALOUPE),
    "cherry_tomato": _skewered(
        Form(synthetic_balls.cherry_tomato, 0.13, 0.7),
        Form(synthetic_balls.cherry_tomato_half, 0.13, 0.3),
    ),
    "chicken": _skewered(
        Form(synthetic_meats.chicken_breast, 0.26, 0.4),
        Form(synthetic_meats.drumstick, 0.28, 0.3),
        Form(synthetic_meats.chicken_nugget, 0.16, 0.15),
        Form(synthetic_meats.chicken_raw, 0.26, 0.15),
    ),
    "fettucine": _twirled(synthetic_noodles.fettucine),
    "grape": _skewered(
        Form(synthetic_balls.grape, 0.12, 0.65), Form(synthetic_balls.grape_bunch, 0.26, 0.35)
    ),
    "green_bean": _skewered(
        Form(synthetic_vegetables.green_bean, 0.27, 0.6),
        Form(synthetic_vegetables.green_beans, 0.31, 0.4),
    ),
    "honeydew": _melon(synthetic_melons.HONEYDEW),
    "lettuce": _skewered(Form(synthetic_vegetables.lettuce, 0.28)),
    "mac_and_cheese": _scooped(synthetic_heaps.mac_and_cheese),
    "mashed_potato": _scooped(synthetic_heaps.mashed_potato),
    "meatball": _skewered(Form(synthetic_balls.meatball, 0.15)),
    "oatmeal": _scooped(synthetic_heaps.oatmeal),
    "pineapple": _skewered(
        Form(synthetic_fruits.pineapple_chunk, 0.18, 0.6),
        Form(synthetic_fruits.pineapple_spear, 0.26, 0.4),
    ),
    "rice": _scooped(synthetic_heaps.rice),
    "sausage": _skewered(Form(synthetic_meats.sausage, 0.29)),
    "spaghetti": _twirled(synthetic_noodles.spaghetti),
    "strawberry": _skewered(
        Form(synthetic_fruits.strawberry, 0.16, 0.75),
        Form(synthetic_fruits.strawberry_half, 0.16, 0.25),
    ),
    "watermelon": _skewered(
        Form(functools.partial(synthetic_melons.triangle, **_watermelon), 0.25, 0.5),
        Form(functools.partial(synthetic_melons.wedge, **_watermelon), 0.28, 0.3),
        Form(functools.partial(synthetic_melons.cube, **_watermelon), 0.15, 0.2),
    ),
}

MORE_FOOD_LOOKS = {
    "apple": _skewered(
        Form(synthetic_extra.apple, 0.24, 0.6), Form(synthetic_extra.apple_slice, 0.20, 0.4)
    ),
    "carrot": _skewered(
        Form(synthetic_extra.carrot_whole, 0.32, 0.25),
        Form(synthetic_extra.baby_carrot, 0.20, 0.4),
        Form(synthetic_extra.carrot_stick, 0.22, 0.2),
        Form(synthetic_extra.carrot_coin, 0.11, 0.15),
    ),
    "cucumber": _skewered(
        Form(synthetic_extra.cucumber, 0.36, 0.35),
        Form(synthetic_extra.cucumber_slice, 0.15, 0.45),
        Form(synthetic_extra.cucumber_stick, 0.24, 0.2),
    ),
    "egg": _skewered(
        Form(synthetic_extra.egg, 0.19, 0.5),
        Form(synthetic_extra.egg_half, 0.18, 0.3),
        Form(synthetic_extra.egg_fried, 0.28, 0.2),
    ),
    "garlic": _skewered(
        Form(synthetic_extra.garlic, 0.18, 0.6), Form(synthetic_extra.garlic_clove, 0.11, 0.4)
    ),
    "orange": _skewered(
        Form(synthetic_extra.orange, 0.24, 0.55),
        Form(synthetic_extra.orange_half, 0.22, 0.2),
        Form(synthetic_extra.orange_segment, 0.18, 0.25),
    ),
    "zucchini": _skewered(
        Form(synthetic_extra.zucchini, 0.34, 0.45), Form(synthetic_extra.zucchini_slice, 0.16, 0.55)
    ),
}
ALL_FOOD_LOOKS = {**FOOD_LOOKS, **MORE_FOOD_LOOKS}
