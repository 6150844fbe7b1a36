"""How our drawings of foods look, in tables: what is done to a food, and its forms.

`FOOD_LOOKS` has the 22 foods that every vocabulary has, `MORE_FOOD_LOOKS` those that were named
later: plates without them stay as they were. `DISTRACTORS` look like food and are never asked for.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from food_data.synthetic import bodies, cooked_foods, fruits, vegetables
from food_data.synthetic.bodies import Body, Rng

Painter = Callable[[Body], None]
_DISTRACTOR_COLOURS = (
    (214, 170, 110), (236, 222, 190), (150, 96, 52), (120, 60, 40), (236, 196, 60), (240, 140, 50),
    (206, 40, 34), (150, 40, 90), (90, 150, 60), (170, 200, 90), (60, 90, 50), (244, 240, 230),
    (236, 150, 130), (80, 50, 40), (120, 60, 120),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Form:
    """One way a food may lie on a plate."""

    painter: Painter
    length: float  # of its main axis, part of the picture's side on a plate that fills most of it
    share: float = 1.0  # how often; those of a food add up to 1

    def paint(self, rng: Rng, length: float) -> Body:
        """One piece, `length` pixels long."""
        body = Body(rng, length)
        self.painter(body)
        return body


@dataclasses.dataclass(frozen=True)
class FoodLook:
    """What one does to a food, and at least one form of it."""

    action: str
    forms: tuple[Form, ...]

    def draw_form(self, rng: Rng) -> Form:
        """One of the forms, by their shares."""
        return self.forms[bodies.pick(rng, [form.share for form in self.forms])]


def _skewered(*forms: tuple) -> FoodLook:
    return FoodLook("skewering", tuple(Form(*form) for form in forms))


def _scooped(painter: Painter, length: float = 0.29) -> FoodLook:
    return FoodLook("scooping", (Form(painter, length),))


def _twirled(painter: Painter) -> FoodLook:
    return FoodLook("twirling", (Form(painter, 0.32),))


def _melon(melon: fruits.Melon, *forms: tuple[Callable, float, float]) -> FoodLook:
    return _skewered(*((functools.partial(paint, melon=melon), *rest) for paint, *rest in forms))


_MELON_FORMS = (
    (fruits.melon_wedge, 0.28, 0.5),
    (fruits.melon_cube, 0.15, 0.35),
    (fruits.melon_ball, 0.13, 0.15),
)

FOOD_LOOKS = {
    "banana": _skewered(
        (fruits.banana_in_peel, 0.36, 0.4),
        (fruits.banana_peeled, 0.27, 0.3),
        (fruits.banana_slice, 0.13, 0.2),
        (fruits.banana_bunch, 0.40, 0.1),
    ),
    "blueberry": _scooped(fruits.blueberries, 0.26),
    "broccoli": _skewered((vegetables.broccoli, 0.22)),
    "brownie": _skewered((cooked_foods.brownie, 0.20)),
    "cantaloupe": _melon(fruits.CANTALOUPE, *_MELON_FORMS),
    "cherry_tomato": _skewered(
        (vegetables.cherry_tomato, 0.13, 0.7), (vegetables.cherry_tomato_half, 0.13, 0.3)
    ),
    "chicken": _skewered(
        (cooked_foods.chicken_breast, 0.26, 0.4),
        (cooked_foods.drumstick, 0.28, 0.3),
        (cooked_foods.chicken_nugget, 0.16, 0.15),
        (cooked_foods.chicken_raw, 0.26, 0.15),
    ),
    "fettucine": _twirled(cooked_foods.fettucine),
    "grape": _skewered((fruits.grape, 0.12, 0.65), (fruits.grape_bunch, 0.26, 0.35)),
    "green_bean": _skewered(
        (vegetables.green_bean, 0.27, 0.6), (vegetables.green_beans, 0.31, 0.4)
    ),
    "honeydew": _melon(fruits.HONEYDEW, *_MELON_FORMS),
    "lettuce": _skewered((vegetables.lettuce, 0.28)),
    "mac_and_cheese": _scooped(cooked_foods.mac_and_cheese),
    "mashed_potato": _scooped(cooked_foods.mashed_potato),
    "meatball": _skewered((cooked_foods.meatball, 0.15)),
    "oatmeal": _scooped(cooked_foods.oatmeal),
    "pineapple": _skewered(
        (fruits.pineapple_chunk, 0.18, 0.6), (fruits.pineapple_spear, 0.26, 0.4)
    ),
    "rice": _scooped(cooked_foods.rice),
    "sausage": _skewered((cooked_foods.sausage, 0.29)),
    "spaghetti": _twirled(cooked_foods.spaghetti),
    "strawberry": _skewered((fruits.strawberry, 0.16, 0.75), (fruits.strawberry_half, 0.16, 0.25)),
    "watermelon": _melon(
        fruits.WATERMELON,
        (fruits.melon_triangle, 0.25, 0.5),
        (fruits.melon_wedge, 0.28, 0.3),
        (fruits.melon_cube, 0.15, 0.2),
    ),
}

MORE_FOOD_LOOKS = {
    "apple": _skewered((fruits.apple, 0.24, 0.6), (fruits.apple_slice, 0.20, 0.4)),
    "carrot": _skewered(
        (vegetables.carrot_whole, 0.32, 0.25),
        (vegetables.baby_carrot, 0.20, 0.4),
        (vegetables.carrot_stick, 0.22, 0.2),
        (vegetables.carrot_coin, 0.11, 0.15),
    ),
    "cucumber": _skewered(
        (vegetables.cucumber, 0.36, 0.35),
        (vegetables.cucumber_slice, 0.15, 0.45),
        (vegetables.cucumber_stick, 0.24, 0.2),
    ),
    "egg": _skewered(
        (cooked_foods.egg, 0.19, 0.5),
        (cooked_foods.egg_half, 0.18, 0.3),
        (cooked_foods.egg_fried, 0.28, 0.2),
    ),
    "garlic": _skewered((vegetables.garlic, 0.18, 0.6), (vegetables.garlic_clove, 0.11, 0.4)),
    "orange": _skewered(
        (fruits.orange, 0.24, 0.55),
        (fruits.orange_half, 0.22, 0.2),
        (fruits.orange_segment, 0.18, 0.25),
    ),
    "zucchini": _skewered(
        (vegetables.zucchini, 0.34, 0.45), (vegetables.zucchini_slice, 0.16, 0.55)
    ),
}
ALL_FOOD_LOOKS = {**FOOD_LOOKS, **MORE_FOOD_LOOKS}
# Foods that the colour of a photograph's light makes look like each other.
ALIKE = (
    ("cantaloupe", "carrot", "orange", "sausage", "mac_and_cheese"),
    ("cantaloupe", "honeydew", "banana", "pineapple", "carrot", "egg"),
    ("honeydew", "cucumber", "apple", "garlic", "lettuce", "zucchini"),
    ("strawberry", "cherry_tomato", "watermelon", "apple"),
    ("apple", "orange", "banana", "cherry_tomato"),
    ("grape", "blueberry", "green_bean", "broccoli", "cucumber"),
    ("chicken", "sausage", "meatball", "brownie", "banana"),
    ("rice", "mashed_potato", "oatmeal", "egg", "garlic"),
    ("spaghetti", "fettucine", "mac_and_cheese", "chicken"),
)


def action_of(food: str) -> str:
    """What is done to a food; those that we cannot draw are skewered."""
    look = ALL_FOOD_LOOKS.get(food)
    return "skewering" if look is None else look.action


def _colour(p: Body) -> np.ndarray:
    return p.vary(p.pick(_DISTRACTOR_COLOURS), 0.1)


def _lump(p: Body) -> None:
    """A potato, a roll, a piece of meat: round or long, of two colours."""
    aspect = p.uniform(0.35, 0.95)
    points = p.outline(aspect, p.uniform(1.9, 3), lumps=p.uniform(0, 0.08))
    radius = p.uniform(0.2, 0.5) * aspect
    p.solid(points, _colour(p), radius, p.uniform(0, 0.4), 20, vary=0)
    p.mottle(p.uniform(0.04, 0.3), _colour(p), -0.3)
    p.roughen(0.08, p.uniform(0, 0.02))


def _slab(p: Body) -> None:
    """A slice of bread, cheese, toast: flat, with a crust."""
    points = p.outline(p.uniform(0.6, 1.0), p.uniform(3, 8), lumps=0.02)
    p.solid(points, _colour(p), 0.05, vary=0)
    p.fill(p.uniform(0.8, 0.95) * points, _colour(p))
    p.mottle(0.05, _colour(p), -0.5)


def _ring(p: Body) -> None:
    """A ring of onion, pepper or dough."""
    points = p.outline(p.uniform(0.7, 1.0), lumps=0.05)
    p.solid(points, _colour(p), 0.12, 0.3, 20, vary=0)
    bodies.fill(p.alpha, p.uniform(0.35, 0.8) * points, 0)
    p.height = p.inflated(0.1)


def _pile(p: Body) -> None:
    """Peas, corn, beans: small balls in a heap."""
    number = int(p.rng.integers(8, 40))
    turn, distance = p.uniform(0, 2 * np.pi, number), np.sqrt(p.uniform(0, 1, number))
    places = bodies.circle(turn, p.uniform(0.5, 1)) * (0.4 * p.length * distance[:, np.newaxis])
    colour = _colour(p)
    colours = np.array([p.vary(colour) for _ in range(number)])
    radii = p.uniform(0.06, 0.1) * p.length * p.uniform(0.85, 1.1, number)
    p.balls(places, radii, colours, p.uniform(0, 0.06, number) * p.length, 0.25, 24)


DISTRACTORS = tuple(
    Form(paint, length)
    for paint, length in ((_lump, 0.2), (_lump, 0.14), (_slab, 0.25), (_ring, 0.15), (_pile, 0.24))
)
