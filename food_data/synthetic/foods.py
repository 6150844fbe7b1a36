"""Which foods are drawn, in which forms; and what looks like food.

`FOOD_FORMS` has the 22 foods that every vocabulary has, `ALL_FOOD_FORMS` also those that were named
later: plates without them stay as they were. `DISTRACTORS` look like food and are never asked for.
"""

from __future__ import annotations

import numpy as np

from food_data.synthetic import bodies, cooked_foods, plants
from food_data.synthetic.bodies import Body, Form

_SCOOPED = ("blueberry", "mac_and_cheese", "mashed_potato", "oatmeal", "rice")
_TWIRLED = ("fettucine", "spaghetti")
_MORE = ("apple", "carrot", "cucumber", "egg", "garlic", "orange", "zucchini")
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
_DISTRACTOR_COLOURS = (
    (214, 170, 110), (236, 222, 190), (150, 96, 52), (120, 60, 40), (236, 196, 60), (240, 140, 50),
    (206, 40, 34), (150, 40, 90), (90, 150, 60), (170, 200, 90), (60, 90, 50), (244, 240, 230),
    (236, 150, 130), (80, 50, 40), (120, 60, 120),
)  # fmt: skip


ALL_FOOD_FORMS = {
    food: [Form(*row) for row in rows]
    for food, rows in sorted(
        (cooked_foods.FORMS | plants.FORMS).items(), key=lambda one: (one[0] in _MORE, one[0])
    )
}
FOOD_FORMS = {food: forms for food, forms in ALL_FOOD_FORMS.items() if food not in _MORE}


def action_of(food: str) -> str:
    """What is done to a food; those that we cannot draw are skewered."""
    return "scooping" if food in _SCOOPED else "twirling" if food in _TWIRLED else "skewering"


def _colour(p: Body) -> np.ndarray:
    return p.vary(p.one_of(_DISTRACTOR_COLOURS), 0.1)


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
    p.draw(p.uniform(0.8, 0.95) * points, _colour(p))
    p.mottle(0.05, _colour(p), -0.5)


def _ring(p: Body) -> None:
    """A ring of onion, pepper or dough."""
    points = p.outline(p.uniform(0.7, 1.0), lumps=0.05)
    p.solid(points, _colour(p), 0.12, 0.3, 20, vary=0)
    bodies.draw(p.alpha, p.uniform(0.35, 0.8) * points, 0)
    p.height = p.inflated(0.1)


def _pile(p: Body) -> None:
    """Peas, corn, beans: small balls in a heap."""
    number = int(p.rng.integers(8, 40))
    turn, distance = p.uniform(0, 2 * np.pi, number), np.sqrt(p.uniform(0, 1, number))
    places = bodies.circle(turn, p.uniform(0.5, 1)) * (0.4 * p.length * distance[:, np.newaxis])
    colour = _colour(p)
    colours = [p.vary(colour) for _ in range(number)]
    radii = p.uniform(0.06, 0.1) * p.length * p.uniform(0.85, 1.1, number)
    p.balls(places, radii, colours, p.uniform(0, 0.06, number) * p.length, 0.25, 24)


DISTRACTORS = tuple(map(Form, (_lump, _lump, _slab, _ring, _pile), (0.2, 0.14, 0.25, 0.15, 0.24)))
