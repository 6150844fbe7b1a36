"""A scene: table, dish, foods, fork, camera; and where each food is to be taken.

Ground truth is measured on what is SEEN of a food (what lies under another food or the fork does
not count), as it would be on a photograph's mask, by the default rules of `mask_rules`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from food_data import food_looks, mask_rules
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import dishes as synthetic_dishes
from food_data.synthetic import forks as synthetic_forks
from food_data.synthetic import light as synthetic_light
from food_data.synthetic import placing as synthetic_placing
from food_data.synthetic import tables as synthetic_tables
from food_data.synthetic import views as synthetic_views

MAX_FOODS = 6
_MARGIN = 0.025  # Foods keep this part of the side from the frame's border.


@dataclasses.dataclass(frozen=True)
class PlacedFood:
    """A food on a plate.

    Attributes:
        food, action: canonical names.
        parameters: execution parameters float32 [4], in 0..1.
        mask: bool [size, size], where it is seen.
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
) -> tuple[np.ndarray, list[PlacedFood]]:
    """Draws a plate with one to `max_foods` different foods.

    Args:
        rng: everything is drawn from it.
        size: side of the picture, pixels.
        foods: to choose from.
        max_foods: at most so many, 1 to 6.
        view: how the picture is taken, one of `views.NAMES`.

    Returns:
        The picture uint8 [size, size, 3], RGB, and its foods: `draw_number` of them.
    """
    number = draw_number(rng, foods, max_foods)
    names = [str(name) for name in rng.choice(foods, number, replace=False)]
    view = synthetic_views.draw_view(rng, view)
    zoom = rng.uniform(*view.zoom(number))
    camera = synthetic_camera.draw_camera(rng, size, view)
    light = synthetic_light.draw_light(rng)
    canvas = synthetic_tables.draw_table(rng, camera)
    synthetic_tables.strew_things(rng, canvas, camera, light.shadow_shift(1.0))
    reach = zoom**view.reach_power * rng.uniform(*view.dish_reach)
    allowed = _free_cells(camera)
    if rng.uniform() < view.bare_table_share(number):
        zoom *= rng.uniform(1, 1.4)
    else:
        allowed &= _draw_dish(rng, canvas, camera, light, reach)
    masks = _lay_foods(rng, canvas, camera, light, names, zoom, allowed)
    if rng.uniform() < 0.35:
        fork = synthetic_forks.lay_fork(rng, canvas, camera, reach, masks)
        if fork is not None:
            masks = [mask & ~fork for mask in masks]
    picture = synthetic_camera.expose(rng, canvas, camera)
    return picture, [_placed(name, mask) for name, mask in zip(names, masks)]


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
    names: Sequence[str],
    zoom: float,
    allowed: np.ndarray,
) -> list[np.ndarray]:
    """Puts the foods on the canvas, the largest first; where each is seen, in order of `names`."""
    forms = [food_looks.FOOD_LOOKS[name].draw_form(rng) for name in names]
    lengths = [form.length * zoom * rng.uniform(0.85, 1.15) for form in forms]
    placer = synthetic_placing.Placer(allowed, camera)
    touching = rng.uniform() < 0.4
    masks: list[np.ndarray] = [np.empty(0)] * len(names)
    done: list[int] = []
    for i in sorted(range(len(names)), key=lambda i: -lengths[i]):
        sprite = _sprite(rng, forms[i], lengths[i], light, camera.size)
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


def _placed(name: str, mask: np.ndarray) -> PlacedFood:
    action = food_looks.FOOD_LOOKS[name].action
    parameters = mask_rules.execution_parameters(mask, action).astype(np.float32)
    return PlacedFood(name, action, parameters, mask)
