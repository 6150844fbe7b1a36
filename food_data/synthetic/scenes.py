"""A scene: table, dish, foods, fork, camera; and where each food is to be taken.

The right answer is measured on what is SEEN of a food, as it would be on a photograph's mask, by
the default rules of `mask_rules`. Places are looked for on a coarse map. Foods may touch, and cover
each other by at most 8% of the smaller one there, which is at most 15% in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from food_data import mask_rules
from food_data.synthetic import bodies, tableware
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import foods as synthetic_foods
from food_data.synthetic.bodies import Body, Form, Light, Rng

MAX_FOODS = 6
_FIRST_SHARE = 0.6
_MARGIN = 0.025  # Foods keep this part of the side from the frame's border.
_MAP_SIDE = 96
_LARGEST_OVERLAP = 0.08
_ATTEMPTS = 48
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_FEWEST_CELLS = 4  # An overlap of fewer cannot be told from none on so coarse a map.
_SHRINK, _SHRINKS = 0.86, 14
_FINER = 1.4  # Foods are painted so much finer than they are seen.
_PAINTED_PX = (36, 176)  # At least and at most so long.


class Staging(NamedTuple):
    """What a plate has beyond drawings of different foods."""

    forms: Mapping[str, Sequence[Form]] = {}  # instead of or beside `foods.ALL_FOOD_FORMS`
    # About 0.6 of the foods on the plate are of these, chosen as often as said; adds up to 1.
    first: Mapping[str, float] = {}
    background: np.ndarray | None = None  # RGB uint8 [H, W, 3] instead of a drawn table
    bare: bool = False  # no dish on it
    # Further pieces of the plate's first food. The sample is the one nearest to the middle of the
    # picture; its mask shows all of them, since any is right.
    equal_pieces: int = 0
    heaped: bool = False  # those pieces lie close together
    distractors: int = 0  # things that look like food and are never asked for
    alike: bool = False  # the foods beside the first one are taken from `foods.ALIKE`


_PLAIN = Staging()


class PlacedFood(NamedTuple):
    """A food on a plate."""

    food: str  # canonical names
    action: str
    parameters: np.ndarray  # execution parameters float32 [4], in 0..1
    mask: np.ndarray  # bool [size, size], where it is seen; of several equal pieces, where any is


def draw_number(rng: Rng, foods: Sequence[str], max_foods: int) -> int:
    """How many foods `render_plate` puts on a plate: the first thing it draws."""
    return min(int(rng.integers(1, max_foods + 1)), len(foods))


def render_plate(
    rng: Rng,
    size: int,
    foods: Sequence[str] = tuple(synthetic_foods.FOOD_FORMS),
    max_foods: int = MAX_FOODS,
    view: str = "any",
    staging: Staging = _PLAIN,
) -> tuple[np.ndarray, list[PlacedFood]]:
    """Draws a plate with `draw_number` different ones of the foods: the picture uint8
    [size, size, 3], RGB, and its foods."""
    number = draw_number(rng, foods, max_foods)
    names = _choose(rng, foods, number, staging)
    if view == "mixed":
        view = "arm" if rng.uniform() < synthetic_camera.ARM_SHARE else "any"
    scene = Scene(rng, size, synthetic_camera.VIEWS[view], number, staging)
    forms = {**synthetic_foods.ALL_FOOD_FORMS, **staging.forms}

    def draw_form(name: str) -> Form:
        return forms[name][bodies.pick(rng, [form.share for form in forms[name]])]

    def draw_length(form: Form) -> float:
        return form.length * scene.zoom * rng.uniform(0.85, 1.15)

    chosen = list(map(draw_form, names))
    pieces = list(zip(names, chosen, map(draw_length, chosen)))
    first, first_form, first_length = pieces[0]
    for _ in range(staging.equal_pieces):
        form = first_form if rng.uniform() < 0.7 else draw_form(first)
        length = first_length * form.length / first_form.length * rng.uniform(0.75, 1.25)
        pieces.append((first, form, length))
    for _ in range(staging.distractors):
        form = bodies.one_of(rng, synthetic_foods.DISTRACTORS)
        pieces.append((None, form, draw_length(form)))
    heap = [0, *range(number, number + staging.equal_pieces)] if staging.heaped else []
    touching, near = rng.uniform() < 0.4, None
    masks: dict[int, np.ndarray] = {}
    for i in sorted(range(len(pieces)), key=lambda i: -pieces[i][2]):
        mask, middle = scene.put(*pieces[i][1:], i in heap or touching, near if i in heap else None)
        near = middle if i in heap else near
        for earlier in masks.values():
            earlier &= ~mask
        masks[i] = mask
    if rng.uniform() < 0.35:
        seen = list(masks.values())
        fork = tableware.lay_fork(rng, scene.canvas, scene.camera, scene.reach, seen)
        masks = {i: mask & ~fork for i, mask in masks.items()}
    picture = scene.camera.expose(rng, scene.canvas)

    def off_centre(mask: np.ndarray) -> float:
        return np.linalg.norm(np.argwhere(mask).mean(axis=0)[::-1] + 0.5 - size / 2)

    placed = []
    for name in names:
        own = [masks[i] for i, (food, *_) in enumerate(pieces) if food == name]
        piece, action = min(filter(np.any, own), key=off_centre), synthetic_foods.action_of(name)
        parameters = mask_rules.execution_parameters(piece, action).astype(np.float32)
        placed.append(PlacedFood(name, action, parameters, np.logical_or.reduce(own)))
    return picture, placed


def _choose(rng: Rng, foods: Sequence[str], number: int, staging: Staging) -> list[str]:
    """The names of the foods that are asked for."""
    names: list[str] = []
    if staging.first:
        wanted = min(len(staging.first), max(1, round(_FIRST_SHARE * number)))
        first, shares = list(staging.first), list(staging.first.values())
        names = rng.choice(first, wanted, replace=False, p=shares).tolist()
    others = [name for name in foods if name not in names]
    names += rng.choice(others, number - len(names), replace=False).tolist()
    groups = [group for group in synthetic_foods.ALIKE if names[0] in group]
    if staging.alike and groups:  # Foods of a group that the first one is in follow it.
        group = bodies.one_of(rng, groups)
        others = [name for name in foods if name in group and name != names[0]]
        alike = rng.permutation(others).tolist()
        names = [names[0], *alike, *(name for name in names[1:] if name not in alike)][:number]
    return names


class Scene:
    """A table with or without a dish, on which food is put, as a camera sees it: `canvas` is RGB
    uint8 [size, size, 3], `zoom` how large foods are, `reach` the dish's radius."""

    def __init__(
        self, rng: Rng, size: int, view: synthetic_camera.View, number: int, staging: Staging
    ) -> None:
        self._rng, self.zoom = rng, rng.uniform(*view.zooms[min(number, len(view.zooms)) - 1])
        self.camera, self._light = synthetic_camera.Camera(rng, size, view), Light(rng)
        if staging.background is None:
            self.canvas = tableware.draw_table(rng, self.camera)
            tableware.strew_things(rng, self.canvas, self.camera, self._light)
        else:
            self.canvas = cv2.resize(staging.background, (size, size), interpolation=cv2.INTER_AREA)
        self.reach = self.zoom**view.reach_power * rng.uniform(*view.dish_reach)
        # The coarse map of where food may lie: in the frame, but for a margin, and on the dish.
        left, top, right, bottom = (edge / size for edge in self.camera.frame)
        cells = (np.arange(_MAP_SIDE) + 0.5) / _MAP_SIDE
        rows = (cells > top + _MARGIN) & (cells < bottom - _MARGIN)
        allowed = rows[:, np.newaxis] & (cells > left + _MARGIN) & (cells < right - _MARGIN)
        bare_share = view.bare_table[min(number, len(view.bare_table)) - 1]
        if rng.uniform() < bare_share or staging.bare:
            self.zoom *= rng.uniform(1, 1.4)
        else:
            dish = tableware.Dish(rng, self.reach)
            level = dish.paint(self.canvas, self.camera, self._light)
            allowed &= cv2.resize(level, (_MAP_SIDE, _MAP_SIDE)) < dish.flat + 0.08
        self._allowed, self._taken = allowed, np.zeros_like(allowed)
        self._cells, self._smallest = np.argwhere(allowed)[:, ::-1] + 0.5, np.inf

    def put(
        self, form: Form, length: float, touching: bool, near: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Puts a food, `length` picture sides long, where there is room, perhaps next to `near` and
        slightly over others: where it is, bool [size, size], and its middle (x, y), pixels."""
        # Painted finer than it is seen, and lit where it will lie.
        painted = float(np.clip(_FINER * length * self.camera.size, *_PAINTED_PX))
        body, turn = form.paint(self._rng, painted), self._rng.uniform(0, 2 * np.pi)
        middle, linear = self._place(body.alpha, turn, length / painted, touching, near)
        return self._paste(body, turn, linear, middle), middle

    def _linear(self, middle: np.ndarray, turn: float, scale: float) -> np.ndarray:
        """How a food that lies about there is stretched and turned: float64 [2, 2]."""
        x, y, w = cv2.invert(self.camera.homography)[1] @ [*middle, 1]
        return scale * self.camera.jacobian(np.array([x / w, y / w])) @ bodies.rotation(turn)

    def _place(
        self, alpha: np.ndarray, turn: float, scale: float, touching: bool, near: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """A place for a food's middle and its stretch there; makes it smaller until it fits."""
        cell = self.camera.size / _MAP_SIDE
        for _ in range(_SHRINKS):
            spots = self._cells[self._rng.integers(len(self._cells), size=_ATTEMPTS)]
            spots = spots + self._rng.uniform(-0.5, 0.5, (_ATTEMPTS, 2))
            if near is not None:
                spots = spots[np.argsort(np.linalg.norm(spots - near / cell, axis=1))]
            # Where the food is, on the coarse map, about its middle: bool [h, w].
            linear = self._linear(spots[0] * cell, turn, scale) / cell
            size = (np.ceil(np.abs(linear) @ alpha.shape[::-1]) + 2).astype(int)
            shape = _warp(alpha, linear, size / 2, size) > 80
            area = np.count_nonzero(shape)
            limit, reach = _LARGEST_OVERLAP * min(area, self._smallest), shape
            if not touching or limit < _FEWEST_CELLS:  # A cell's distance, since the map is coarse.
                limit, reach = 0, cv2.dilate(shape.view(np.uint8), _NEIGHBOURS).view(bool)
            for middle in spots:
                low = np.rint(middle - size / 2).astype(int)
                if (low < 0).any() or (low + size > _MAP_SIDE).any():
                    continue
                window = bodies.window(low, low + size)
                if np.count_nonzero(shape & ~self._allowed[window]) > 0.01 * area:
                    continue
                if np.count_nonzero(reach & self._taken[window]) <= limit:
                    self._taken[window] |= shape
                    self._smallest = min(self._smallest, area)
                    return middle * cell, self._linear(middle * cell, turn, scale)
            scale *= _SHRINK
        middle = self._cells.mean(axis=0) * cell
        return middle, self._linear(middle, turn, scale)

    def _paste(self, body: Body, turn: float, linear: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Paints a food and its shadow; where it is, bool [size, size]."""
        light = self._light
        lit = np.clip(light.shade(body, turn), 0, 255).astype(np.uint8)
        height = float(body.height.max()) * np.sqrt(abs(np.linalg.det(linear)))
        shift = light.shadow_shift(0.55 * height)
        blur = max(1, round(0.35 * light.softness * height))
        half = np.abs(linear) @ body.alpha.shape[::-1] / 2 + np.abs(shift) + 2 * blur + 2
        limits = np.array(self.canvas.shape[1::-1])
        low = np.clip(np.floor(middle - half), 0, limits - 1).astype(int)
        high = np.clip(np.ceil(middle + half), low + 1, limits).astype(int)
        layer = _warp(np.dstack([lit, body.alpha]), linear, middle - low, high - low)
        alpha = np.ascontiguousarray(layer[..., 3])
        shadow = _warp(body.alpha, linear, middle - low + shift, high - low)
        shadow = cv2.blur(shadow, (2 * blur + 1, 2 * blur + 1))
        darker = shadow * np.float32(0.75 * (1 - light.ambient))
        darker += cv2.blur(alpha, (5, 5)) * np.float32(0.25)
        window = bodies.window(low, high)
        under = self.canvas[window] * bodies.rgb(1 - darker * np.float32(1 / 255))
        opacity = bodies.rgb(alpha * np.float32(1 / 255))
        self.canvas[window] = under + (layer[..., :3] - under) * opacity
        mask = np.zeros(self.canvas.shape[:2], bool)
        mask[window] = alpha > 127
        return mask


def _warp(
    image: np.ndarray, linear: np.ndarray, middle: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """An image stretched by [2, 2], its middle at (x, y), in one of the size (width, height)."""
    # OpenCV counts from pixels' centres.
    offset = middle - linear @ (bodies.centre(image.shape) - 0.5) - 0.5
    return cv2.warpAffine(image, np.column_stack([linear, offset]), size.tolist())
