"""A scene: table, dish, foods, fork, camera; and where each food is to be taken.

Ground truth is measured on what is SEEN of a food (what lies under another food or the fork does
not count), as it would be on a photograph's mask, by the default rules of `mask_rules`.

Places are looked for on a coarse map. Foods may touch, and cover each other by at most 8% of the
smaller one as the coarse map sees it, which is at most 15% in the picture (a test looks).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from food_data import mask_rules
from food_data.synthetic import bodies, tableware
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import foods as synthetic_foods
from food_data.synthetic.bodies import Form, Light, Rng

MAX_FOODS = 6

def draw_form(rng, forms):
    return forms[bodies.pick(rng, [form.share for form in forms])]
_FIRST_SHARE = 0.6
_MARGIN = 0.025  # Foods keep this part of the side from the frame's border.
_MAP_SIDE = 96
_LARGEST_OVERLAP = 0.08
_ATTEMPTS = 48
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_FEWEST_CELLS = 4  # An overlap of fewer cannot be told from none on so coarse a map.
_SHRINK = 0.86
_SHRINKS = 14
_FINER = 1.4  # Foods are painted so much finer than they are seen.
_PAINTED_PX = (36, 176)  # At least and at most so long.


@dataclasses.dataclass(frozen=True)
class Staging:
    """What a plate has beyond drawings of different foods."""

    # Food -> its forms, instead of or beside `foods.ALL_FOOD_FORMS`.
    forms: Mapping[str, Sequence[Form]] = dataclasses.field(default_factory=dict)
    # Foods of which at least one, and about 0.6 of all, are on the plate, and how often each is
    # chosen; shares that add up to 1.
    first: Mapping[str, float] = dataclasses.field(default_factory=dict)
    background: np.ndarray | None = None  # RGB uint8 [H, W, 3] instead of a drawn table
    bare: bool = False  # no dish on it
    # Further pieces of the plate's first food. The sample is the piece that lies nearest to the
    # middle of the picture; its mask shows all of them, since any is right.
    equal_pieces: int = 0
    heaped: bool = False  # those pieces lie close together
    distractors: int = 0  # things that look like food and are never asked for
    alike: bool = False  # the foods beside the first one are taken from `foods.ALIKE`


@dataclasses.dataclass(frozen=True)
class PlacedFood:
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
    staging: Staging = Staging(),
) -> tuple[np.ndarray, list[PlacedFood]]:
    """Draws a plate with one to `max_foods` different ones of the foods, `draw_number` of them.

    Returns:
        The picture uint8 [size, size, 3], RGB, and its foods.
    """
    number = draw_number(rng, foods, max_foods)
    names = _choose(rng, foods, number, staging)
    if view == "mixed":
        view = "arm" if rng.uniform() < synthetic_camera.ARM_SHARE else "any"
    view = synthetic_camera.VIEWS[view]
    zoom = rng.uniform(*view.zooms[min(number, len(view.zooms)) - 1])
    camera = synthetic_camera.Camera(rng, size, view)
    light = Light(rng)
    if staging.background is None:
        canvas = tableware.draw_table(rng, camera)
        tableware.strew_things(rng, canvas, camera, light)
    else:
        canvas = cv2.resize(staging.background, (size, size), interpolation=cv2.INTER_AREA)
    reach = zoom**view.reach_power * rng.uniform(*view.dish_reach)
    # Where food may lie: in the frame, but for a margin, and on the dish.
    left, top, right, bottom = (edge / camera.size for edge in camera.frame)
    cells = (np.arange(_MAP_SIDE) + 0.5) / _MAP_SIDE
    rows = (cells > top + _MARGIN) & (cells < bottom - _MARGIN)
    allowed = rows[:, np.newaxis] & (cells > left + _MARGIN) & (cells < right - _MARGIN)
    bare_share = view.bare_table[min(number, len(view.bare_table)) - 1]
    if rng.uniform() < bare_share or staging.bare:
        zoom *= rng.uniform(1, 1.4)
    else:
        dish = tableware.Dish(rng, reach)
        level = dish.paint(canvas, camera, light)
        allowed &= cv2.resize(level, (_MAP_SIDE, _MAP_SIDE)) < dish.flat + 0.08
    forms = {**synthetic_foods.ALL_FOOD_FORMS, **staging.forms}
    pieces = [(name, draw_form(rng, forms[name])) for name in names]
    lengths = [form.length * zoom * rng.uniform(0.85, 1.15) for _, form in pieces]
    first, first_form = pieces[0]
    for _ in range(staging.equal_pieces):
        form = first_form if rng.uniform() < 0.7 else draw_form(rng, forms[first])
        pieces.append((first, form))
        lengths.append(lengths[0] * form.length / first_form.length * rng.uniform(0.75, 1.25))
    for _ in range(staging.distractors):
        form = bodies.one_of(rng, synthetic_foods.DISTRACTORS)
        pieces.append((None, form))
        lengths.append(form.length * zoom * rng.uniform(0.85, 1.15))
    heap = [0, *range(number, number + staging.equal_pieces)] if staging.heaped else []
    placer = Placer(allowed, camera)
    touching = rng.uniform() < 0.4
    masks: dict[int, np.ndarray] = {}
    near = None
    for i in sorted(range(len(pieces)), key=lambda i: -lengths[i]):
        # Painted finer than it is seen, and lit where it will lie.
        painted = float(np.clip(_FINER * lengths[i] * size, *_PAINTED_PX))
        body, turn = pieces[i][1].paint(rng, painted), rng.uniform(0, 2 * np.pi)
        lit = np.clip(light.shade(body, turn), 0, 255).astype(np.uint8)
        colours = cv2.merge([*cv2.split(lit), body.alpha])
        sprite = Sprite(colours, lengths[i] / painted, turn, float(body.height.max()))
        if i in heap:
            middle = near = placer.place(rng, sprite, True, near)
        else:
            middle = placer.place(rng, sprite, touching)
        mask = paste(canvas, sprite, placer.jacobian(middle), middle, light)
        for earlier in masks.values():
            earlier &= ~mask
        masks[i] = mask
    if rng.uniform() < 0.35:
        fork = tableware.lay_fork(rng, canvas, camera, reach, list(masks.values()))
        if fork is not None:
            masks = {i: mask & ~fork for i, mask in masks.items()}
    picture = camera.expose(rng, canvas)

    def distance(mask: np.ndarray) -> float:
        """Of its centroid from the middle of the picture."""
        return np.linalg.norm(np.argwhere(mask).mean(axis=0)[::-1] + 0.5 - size / 2)

    placed = []
    for name in names:
        own = [masks[i] for i, (food, _) in enumerate(pieces) if food == name]
        piece, action = min(filter(np.any, own), key=distance), synthetic_foods.action_of(name)
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


@dataclasses.dataclass
class Sprite:
    """A lit food that waits for its place."""

    picture: np.ndarray  # RGB and alpha, uint8 [h, w, 4], along the food's main axis
    scale: float  # pixels of the scene's plane per pixel of `picture` where the plane is not tilted
    turn: float  # of the main axis in the plane, radians
    height: float  # of its highest point, pixels of `picture`

    def matrix(self, jacobian: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Affine map [2, 3] of `picture` onto continuous pixels, its middle onto `middle`."""
        linear = self.scale * jacobian @ bodies.rotation(self.turn)
        own = bodies.centre(self.picture.shape)
        return np.concatenate([linear, (middle - linear @ own)[:, np.newaxis]], axis=1)

    def extent(self, matrix: np.ndarray) -> np.ndarray:
        """(width, height) of its box, in the matrix' pixels."""
        return np.abs(matrix[:, :2]) @ self.picture.shape[1::-1]

    def alpha(self) -> np.ndarray:
        """Where it is, uint8 [h, w]."""
        return np.ascontiguousarray(self.picture[..., 3])


def _warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """cv2.warpAffine for a matrix of continuous pixels (OpenCV counts from pixels' centres)."""
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return cv2.warpAffine(image, matrix, size)


class Placer:
    """The coarse map of where foods may lie (bool [96, 96]), and of where some lie already."""

    def __init__(self, allowed: np.ndarray, camera: synthetic_camera.Camera) -> None:
        self._allowed = allowed
        self._taken = np.zeros_like(allowed)
        self._camera = camera
        self._cells = np.argwhere(allowed)[:, ::-1] + 0.5
        self._smallest = np.inf
        self._to_plane = cv2.invert(camera.homography)[1]

    def place(
        self, rng: Rng, sprite: Sprite, touching: bool, near: np.ndarray | None = None
    ) -> np.ndarray:
        """Finds a place for a sprite's middle (x, y), pixels; makes it smaller until there is one.
        `touching`: it may lie against or slightly over others; `near`: next to this place."""
        cell = self._camera.size / _MAP_SIDE
        for _ in range(_SHRINKS):
            spots = self._cells[rng.integers(len(self._cells), size=_ATTEMPTS)]
            spots = spots + rng.uniform(-0.5, 0.5, (_ATTEMPTS, 2))
            if near is not None:
                spots = spots[np.argsort(np.linalg.norm(spots - near / cell, axis=1))]
            # Where the sprite is, on the coarse map, about its middle: bool [h, w].
            jacobian = self.jacobian(spots[0] * cell) * (_MAP_SIDE / self._camera.size)
            extent = sprite.extent(sprite.matrix(jacobian, np.zeros(2)))
            size = tuple(int(n) for n in np.ceil(extent) + 2)
            shape = _warp(sprite.alpha(), sprite.matrix(jacobian, np.array(size) / 2), size) > 80
            area = np.count_nonzero(shape)
            limit, reach = _LARGEST_OVERLAP * min(area, self._smallest), shape
            if not touching or limit < _FEWEST_CELLS:  # A cell's distance, since the map is coarse.
                limit, reach = 0, cv2.dilate(shape.view(np.uint8), _NEIGHBOURS).view(bool)
            for middle in spots:
                left, top = (round(float(n)) for n in middle - np.array(size) / 2)
                right, bottom = left + size[0], top + size[1]
                if left < 0 or top < 0 or right > _MAP_SIDE or bottom > _MAP_SIDE:
                    continue
                window = slice(top, bottom), slice(left, right)
                if np.count_nonzero(shape & ~self._allowed[window]) > 0.01 * area:
                    continue
                if np.count_nonzero(reach & self._taken[window]) <= limit:
                    self._taken[window] |= shape
                    self._smallest = min(self._smallest, area)
                    return middle * cell
            sprite.scale *= _SHRINK
        return self._cells.mean(axis=0) * cell

    def jacobian(self, middle: np.ndarray) -> np.ndarray:
        """The perspective at a place of the picture (x, y), pixels: float64 [2, 2]."""
        x, y, w = self._to_plane @ [*middle, 1]
        return self._camera.jacobian(np.array([x / w, y / w]))


def paste(
    canvas: np.ndarray, sprite: Sprite, jacobian: np.ndarray, middle: np.ndarray, light: Light
) -> np.ndarray:
    """Puts a sprite and its shadow on the canvas uint8 [H, W, 3], its middle at (x, y) pixels, with
    the perspective [2, 2] of that place; where the food is, bool [H, W]."""
    matrix = sprite.matrix(jacobian, middle)
    grown = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    shift = light.shadow_shift(0.55 * sprite.height * grown)
    blur = max(1, round(0.35 * light.softness * sprite.height * grown))
    half = sprite.extent(matrix) / 2 + np.abs(shift) + 2 * blur + 2
    limits = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(middle - half), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(middle + half), low + 1, limits).astype(int)
    matrix[:, 2] -= low
    size = tuple((high - low).tolist())
    layer = _warp(sprite.picture, matrix, size)
    alpha = np.ascontiguousarray(layer[..., 3])
    matrix[:, 2] += shift
    shadow = cv2.blur(_warp(sprite.alpha(), matrix, size), (2 * blur + 1, 2 * blur + 1))
    contact = cv2.blur(alpha, (5, 5))
    window = slice(low[1], high[1]), slice(low[0], high[0])
    darker = shadow * np.float32(0.75 * (1 - light.ambient)) + contact * np.float32(0.25)
    under = canvas[window] * bodies.rgb(1 - darker * np.float32(1 / 255))
    over = layer[..., :3] - under
    over *= bodies.rgb(alpha * np.float32(1 / 255))
    under += over
    canvas[window] = under
    mask = np.zeros(canvas.shape[:2], bool)
    mask[window] = alpha > 127
    return mask
