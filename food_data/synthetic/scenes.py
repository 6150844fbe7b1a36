"""A scene: table, dish, foods, fork, camera; and where each food is to be taken.

Ground truth is measured on what is SEEN of a food (what lies under another food or the fork does
not count), as it would be on a photograph's mask, by the default rules of `mask_rules`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from food_data import food_looks, mask_rules
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import dishes as synthetic_dishes
from food_data.synthetic import distractors as synthetic_distractors
from food_data.synthetic import forks as synthetic_forks
from food_data.synthetic import light as synthetic_light
from food_data.synthetic import placing as synthetic_placing
from food_data.synthetic import tables as synthetic_tables
from food_data.synthetic import views as synthetic_views

MAX_FOODS = 6
_MARGIN = 0.025  # Foods keep this part of the side from the frame's border.


@dataclasses.dataclass(frozen=True)
class Staging:
    """What a plate has beyond drawings of different foods.

    Attributes:
        looks: food -> its look, instead of or beside `food_looks.ALL_FOOD_LOOKS`.
        first: foods of which at least one, and about `first_share` of all, are on the plate, and
            how often each is chosen; shares that add up to 1.
        first_share: see there.
        background: RGB uint8 [H, W, 3] that lies there instead of a drawn table, or None.
        bare: no dish on it.
        equal_pieces: further pieces of the plate's first food. The sample is the piece that lies
            nearest to the middle of the picture; its mask shows all of them, since any is right.
        heaped: those pieces lie close together.
        distractors: things that look like food and are never asked for.
    """

    looks: Mapping[str, food_looks.FoodLook] = dataclasses.field(default_factory=dict)
    first: Mapping[str, float] = dataclasses.field(default_factory=dict)
    first_share: float = 0.6
    background: np.ndarray | None = None
    bare: bool = False
    equal_pieces: int = 0
    heaped: bool = False
    distractors: int = 0


@dataclasses.dataclass(frozen=True)
class PlacedFood:
    """A food on a plate.

    Attributes:
        food, action: canonical names.
        parameters: execution parameters float32 [4], in 0..1.
        mask: bool [size, size], where it is seen; of several equal pieces, where any is.
    """

    food: str
    action: str
    parameters: np.ndarray
    mask: np.ndarray


def draw_number(rng: np.random.Generator, foods: Sequence[str], max_foods: int) -> int:
    """How many foods `render_plate` puts on a plate: the first thing it draws."""
    return min(int(rng.integers(1, max_foods + 1)), len(foods))


def render_plate(
    rng: np.random.Generator,
    size: int,
    foods: Sequence[str] = tuple(food_looks.FOOD_LOOKS),
    max_foods: int = MAX_FOODS,
    view: str = "any",
    staging: Staging = Staging(),
) -> tuple[np.ndarray, list[PlacedFood]]:
    """Draws a plate with one to `max_foods` different foods.

    Args:
        rng: everything is drawn from it.
        size: side of the picture, pixels.
        foods: to choose from.
        max_foods: at most so many, 1 to 6.
        view: how the picture is taken, one of `views.NAMES`.
        staging: equal pieces, distractors, foods and a background from photographs.

    Returns:
        The picture uint8 [size, size, 3], RGB, and its foods: `draw_number` of them.
    """
    number = draw_number(rng, foods, max_foods)
    names = _choose(rng, foods, number, staging)
    view = synthetic_views.draw_view(rng, view)
    zoom = rng.uniform(*view.zoom(number))
    camera = synthetic_camera.draw_camera(rng, size, view)
    light = synthetic_light.draw_light(rng)
    if staging.background is None:
        canvas = synthetic_tables.draw_table(rng, camera)
        synthetic_tables.strew_things(rng, canvas, camera, light.shadow_shift(1.0))
    else:
        canvas = cv2.resize(staging.background, (size, size), interpolation=cv2.INTER_AREA)
    reach = zoom**view.reach_power * rng.uniform(*view.dish_reach)
    allowed = _free_cells(camera)
    if rng.uniform() < view.bare_table_share(number) or staging.bare:
        zoom *= rng.uniform(1, 1.4)
    else:
        allowed &= _draw_dish(rng, canvas, camera, light, reach)
    looks = {**food_looks.ALL_FOOD_LOOKS, **staging.looks}
    pieces = [(name, looks[name].draw_form(rng)) for name in names]
    lengths = [form.length * zoom * rng.uniform(0.85, 1.15) for _, form in pieces]
    extra = _extra_pieces(rng, pieces, lengths, zoom, looks, staging)
    pieces, lengths = pieces + extra[0], lengths + extra[1]
    forms = [form for _, form in pieces]
    heap = [0, *range(number, number + staging.equal_pieces)] if staging.heaped else []
    masks = _lay_foods(rng, canvas, camera, light, forms, lengths, allowed, heap)
    if rng.uniform() < 0.35:
        fork = synthetic_forks.lay_fork(rng, canvas, camera, reach, masks)
        if fork is not None:
            masks = [mask & ~fork for mask in masks]
    picture = synthetic_camera.expose(rng, canvas, camera)
    placed = []
    for name in names:
        own = [mask for (food, _), mask in zip(pieces, masks) if food == name]
        placed.append(place_pieces(name, looks[name].action, own))
    return picture, placed


def _choose(
    rng: np.random.Generator, foods: Sequence[str], number: int, staging: Staging
) -> list[str]:
    """The names of the foods that are asked for."""
    if not staging.first:
        return [str(name) for name in rng.choice(foods, number, replace=False)]
    wanted = min(len(staging.first), max(1, round(staging.first_share * number)))
    shares = list(staging.first.values())
    names = [str(name) for name in rng.choice(list(staging.first), wanted, False, shares)]
    others = [name for name in foods if name not in names]
    return names + [str(name) for name in rng.choice(others, number - wanted, replace=False)]


def _extra_pieces(
    rng: np.random.Generator,
    pieces: Sequence[tuple[str, food_looks.Form]],
    lengths: Sequence[float],
    zoom: float,
    looks: Mapping[str, food_looks.FoodLook],
    staging: Staging,
) -> tuple[list[tuple[str | None, food_looks.Form]], list[float]]:
    """Further pieces of the first food, then distractors (named None), and their lengths."""
    extra: list[tuple[str | None, food_looks.Form]] = []
    sizes = []
    name, form = pieces[0]
    for _ in range(staging.equal_pieces):
        other = form if rng.uniform() < 0.7 else looks[name].draw_form(rng)
        extra.append((name, other))
        sizes.append(lengths[0] * other.length / form.length * rng.uniform(0.75, 1.25))
    for _ in range(staging.distractors):
        form = synthetic_distractors.draw_form(rng)
        extra.append((None, form))
        sizes.append(form.length * zoom * rng.uniform(0.85, 1.15))
    return extra, sizes


def _free_cells(camera: synthetic_camera.Camera) -> np.ndarray:
    """The frame without a margin: bool [96, 96]."""
    left, top, right, bottom = (edge / camera.size for edge in camera.frame)
    cells = (np.arange(synthetic_placing.MAP_SIDE) + 0.5) / synthetic_placing.MAP_SIDE
    columns = (cells > left + _MARGIN) & (cells < right - _MARGIN)
    rows = (cells > top + _MARGIN) & (cells < bottom - _MARGIN)
    return rows[:, np.newaxis] & columns


def _draw_dish(
    rng: np.random.Generator,
    canvas: np.ndarray,
    camera: synthetic_camera.Camera,
    light: synthetic_light.Light,
    reach: float,
) -> np.ndarray:
    """Paints a dish of about this radius; where it is flat: bool [96, 96]."""
    dish = synthetic_dishes.draw_dish(rng, reach)
    level = synthetic_dishes.paint_dish(canvas, camera, dish, light)
    synthetic_dishes.ornament(canvas, camera, dish)
    level = cv2.resize(
        level,
        (synthetic_placing.MAP_SIDE, synthetic_placing.MAP_SIDE),
        interpolation=cv2.INTER_LINEAR,
    )
    return level < dish.flat + 0.08


def _lay_foods(
    rng: np.random.Generator,
    canvas: np.ndarray,
    camera: synthetic_camera.Camera,
    light: synthetic_light.Light,
    forms: Sequence[food_looks.Form],
    lengths: Sequence[float],
    allowed: np.ndarray,
    heap: Sequence[int],
) -> list[np.ndarray]:
    """Puts forms on the canvas, the largest first, those of `heap` together; where each is seen."""
    placer = synthetic_placing.Placer(allowed, camera)
    touching = rng.uniform() < 0.4
    masks: list[np.ndarray] = [np.empty(0)] * len(forms)
    done: list[int] = []
    near = None
    for i in sorted(range(len(forms)), key=lambda i: -lengths[i]):
        sprite = _sprite(rng, forms[i], lengths[i], light, camera.size)
        if i in heap:
            middle = near = placer.place(rng, sprite, True, near)
        else:
            middle = placer.place(rng, sprite, touching)
        jacobian = placer.jacobian(middle)
        masks[i] = synthetic_placing.paste(canvas, sprite, jacobian, middle, light)
        for earlier in done:
            masks[earlier] &= ~masks[i]
        done.append(i)
    return masks


def _sprite(
    rng: np.random.Generator,
    form: food_looks.Form,
    length: float,
    light: synthetic_light.Light,
    size: int,
) -> synthetic_placing.Sprite:
    """Paints and lights one food; `length` in picture sides."""
    painted = synthetic_placing.painted_length(length * size)
    body = form.paint(rng, painted)
    turn = rng.uniform(0, 2 * np.pi)
    lit = np.clip(synthetic_light.shade(body, light.turned(turn)), 0, 255).astype(np.uint8)
    picture = cv2.merge([*cv2.split(lit), body.alpha])
    return synthetic_placing.Sprite(picture, length / painted, turn, float(body.height.max()))


def place_pieces(name: str, action: str, masks: Sequence[np.ndarray]) -> PlacedFood:
    """The food that is seen in one or several pieces.

    Args:
        name, action: canonical names.
        masks: bool [H, W] of each piece; at least one has a pixel set.

    Returns:
        The parameters of the piece whose centroid is nearest to the middle of the picture, with a
        mask of all of them.
    """
    middle = np.array(masks[0].shape[::-1]) / 2
    seen = [mask for mask in masks if mask.any()]
    piece = min(seen, key=lambda mask: np.linalg.norm(_centroid(mask) - middle))
    parameters = mask_rules.execution_parameters(piece, action).astype(np.float32)
    return PlacedFood(name, action, parameters, np.logical_or.reduce(masks))


def _centroid(mask: np.ndarray) -> np.ndarray:
    """(x, y), continuous pixels."""
    return np.argwhere(mask).mean(axis=0)[::-1] + 0.5
