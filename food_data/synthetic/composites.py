"""Composites: foods cut out of photographs on drawn or photographed tables, and crops of photos.

Cut-outs become forms as the drawn foods have them (`foods.Form`), so scenes put them on plates,
light them, give them shadows and measure their axes as they do for drawings. What a piece of
236 x 236 pixels shows is then known to the pixel, except for crops of photographs: there the answer
comes from the photograph's masks, or from its boxes where the direction hardly matters.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np

from food_data import image_placement, mask_rules
from food_data.synthetic import bodies, photographs
from food_data.synthetic.bodies import Body, Rng
from food_data.synthetic.foods import FoodLook, Form, action_of

# Main axes of whole foods and of pieces, parts of the picture's side on a plate that fills it.
_LENGTHS = {
    "apple": (0.24, 0.18), "banana": (0.36, 0.13), "cantaloupe": (0.36, 0.15),
    "carrot": (0.26, 0.18), "cherry_tomato": (0.17, 0.13), "chicken": (0.28, 0.18),
    "cucumber": (0.36, 0.15), "egg": (0.18, 0.16), "garlic": (0.17, 0.1), "grape": (0.12, 0.1),
    "honeydew": (0.36, 0.15), "orange": (0.22, 0.16), "pineapple": (0.36, 0.18),
    "rice": (0.30, 0.28), "sausage": (0.32, 0.16), "spaghetti": (0.32, 0.28),
    "strawberry": (0.17, 0.14), "watermelon": (0.38, 0.17), "zucchini": (0.34, 0.15),
}  # fmt: skip
_USUAL_LENGTHS = (0.24, 0.16)
# (aspect from, to, exponent of the superellipse, lumps) of the pieces that are cut from a food.
_PIECES = {
    "carrot": ((0.18, 0.35, 3.0, 0.02), (0.85, 1.0, 2.0, 0.02)),
    "cantaloupe": ((0.6, 1.0, 6.0, 0.02), (0.4, 0.6, 4.0, 0.02)),
    "chicken": ((0.4, 0.9, 2.5, 0.10),),
    "rice": ((0.55, 0.9, 2.0, 0.10),),
}
_PIECE_SHARE = 0.45
# Their direction matters, and a box says nothing of it.
LONG_FOODS = ("banana", "carrot", "cucumber", "green_bean", "pineapple", "sausage", "zucchini")
_CROP_SHARE = (0.15, 0.8)  # of a crop's side that the object takes
_TRIES = 24


def _paint_whole(p: Body, picture: np.ndarray) -> None:
    """A cut-out [h, w, 4], mirrored at random, a little lighter or darker."""
    scale = p.length / picture.shape[1]
    size = (max(3, round(p.length)), max(3, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    layer = cv2.resize(bodies.mirrored(p.rng, picture), size, interpolation=method)
    layer = cv2.copyMakeBorder(layer, 3, 3, 3, 3, cv2.BORDER_REPLICATE)
    layer[:3, :, 3] = layer[-3:, :, 3] = layer[:, :3, 3] = layer[:, -3:, 3] = 0
    p.albedo, p.alpha = _toned(p.rng, layer[..., :3]), np.ascontiguousarray(layer[..., 3])
    # A photograph has its own light: only the rim is rounded, and all of it is thick.
    p.height = p.inflated(0.04) + np.float32(0.3 * min(size))
    p.gloss = 0.0


def _paint_piece(p: Body, picture: np.ndarray, shapes: Sequence[tuple[float, ...]]) -> None:
    """A bite in one of the shapes, cut from a square [h, w, 4] of a food."""
    thinnest, widest, exponent, lumps = shapes[int(p.rng.integers(len(shapes)))]
    aspect = p.uniform(thinnest, widest)
    points = p.outline(aspect, exponent, lumps=lumps)
    p.solid(points, (0, 0, 0), p.uniform(0.15, 0.4) * aspect, 0.1, 16, vary=0)
    height, width = p.alpha.shape
    side = max(height, width)
    stuff = bodies.mirrored(p.rng, picture[..., :3])
    stuff = np.ascontiguousarray(np.rot90(stuff, int(p.rng.integers(4))))
    method = cv2.INTER_AREA if side < stuff.shape[0] else cv2.INTER_LINEAR
    stuff = cv2.resize(stuff, (side, side), interpolation=method)
    top, left = (int(p.rng.integers(side - have + 1)) for have in (height, width))
    p.albedo = _toned(p.rng, stuff[top : top + height, left : left + width])


def _toned(rng: Rng, colours: np.ndarray) -> np.ndarray:
    gains = np.clip(rng.normal(1, 0.08), 0.8, 1.2) * rng.normal(1, 0.03, 3)
    return np.clip(colours * gains, 0, 255).astype(np.uint8)


@functools.cache
def looks_of(library_key: tuple, side: str) -> dict[str, FoodLook]:
    """Food -> look, of forms that paint cut-outs of one side of the split; `library_key` are the
    arguments of `photographs.load`."""
    pictures: dict[str, dict[str, list[np.ndarray]]] = {}
    for cutout in photographs.load(*library_key).cutouts:
        if cutout.side == side and cutout.food is not None:
            kinds = pictures.setdefault(cutout.food, {photographs.WHOLE: [], photographs.PIECE: []})
            kinds[cutout.kind].append(cutout.picture)
    looks = {}
    for food, kinds in pictures.items():
        whole, pieces = kinds[photographs.WHOLE], kinds[photographs.PIECE]
        lengths = _LENGTHS.get(food, _USUAL_LENGTHS)
        share = (_PIECE_SHARE if whole else 1.0) if pieces else 0.0
        forms = []
        for one in whole:
            paint = functools.partial(_paint_whole, picture=one)
            forms.append(Form(paint, lengths[0], (1 - share) / len(whole)))
        for one in pieces:
            paint = functools.partial(_paint_piece, picture=one, shapes=_PIECES[food])
            forms.append(Form(paint, lengths[1], share / len(pieces)))
        looks[food] = FoodLook(action_of(food), tuple(forms))
    return looks


def background(rng: Rng, choices: Sequence[photographs.Photograph]) -> np.ndarray | None:
    """A square of one of the photographs without any labelled food, or None if none is found."""
    for _ in range(_TRIES if choices else 0):
        photograph = choices[int(rng.integers(len(choices)))]
        height, width = photograph.image.shape[:2]
        side = round(rng.uniform(0.35, 1.0) * min(height, width))
        left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
        low = np.array([left, top])
        if not any(_sides_within(one.box, low, low + side).all() for one in photograph.things):
            part = photograph.image[top : top + side, left : left + side]
            return bodies.mirrored(rng, part).copy()
    return None


def _sides_within(box: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How much (x, y) of a box lies between two corners."""
    return np.maximum(np.minimum(box[1], high) - np.maximum(box[0], low), 0)


@dataclasses.dataclass(frozen=True)
class Crop:
    """A sample that is a part of a photograph."""

    image: np.ndarray  # uint8 [236, 236, 3]
    food: str  # that is asked for
    parameters: np.ndarray  # float32 [4]
    mask: np.ndarray  # bool [236, 236]; nothing is set where it is not known
    side: str  # of the photograph


@functools.cache
def _askable(library_key: tuple) -> dict[str, list[tuple[int, int]]]:
    """Food -> (photograph, object) of all objects whose answer is known."""
    found: dict[str, list[tuple[int, int]]] = {}
    for i, photograph in enumerate(photographs.load(*library_key).photographs):
        for j, thing in enumerate(photograph.things):
            if thing.food is not None and _is_askable(thing):
                found.setdefault(thing.food, []).append((i, j))
    return found


def _is_askable(thing: photographs.Thing) -> bool:
    return thing.mask is not None or thing.food not in LONG_FOODS


def crop(rng: Rng, library_key: tuple) -> Crop:
    """A square about an object that takes 0.15 to 0.8 of its side, somewhere in it.

    Of several objects of one food the one nearest to the crop's middle is the sample.
    """
    choices = _askable(library_key)
    foods = sorted(choices)
    weights = np.array([len(choices[food]) for food in foods]) ** 0.7
    food = foods[int(rng.choice(len(foods), p=weights / weights.sum()))]
    i, j = choices[food][int(rng.integers(len(choices[food])))]
    photograph = photographs.load(*library_key).photographs[i]
    thing = photograph.things[j]
    height, width = photograph.image.shape[:2]
    extent = (thing.box[1] - thing.box[0]).max()
    side = extent / np.exp(rng.uniform(*np.log(_CROP_SHARE)))
    side = int(np.clip(side, min(extent * 1.05, max(height, width)), max(height, width)))
    spare = np.maximum(side - (thing.box[1] - thing.box[0]), 0)
    low = np.rint(thing.box[0] - spare * rng.uniform(0.1, 0.9, 2)).astype(int)
    room = [width - side, height - side]
    low = np.clip(low, np.minimum(0, room), np.maximum(0, room))
    low, high = np.maximum(low, 0), np.minimum(low + side, [width, height])
    window = slice(low[1], high[1]), slice(low[0], high[0])
    image, placement = image_placement.place(photograph.image[window], "letterbox")
    same = [one for one in photograph.things if one.food == food]
    seen = [
        one
        for one in same
        if _is_askable(one)
        and np.prod(_sides_within(one.box, low, high)) / np.prod(one.box[1] - one.box[0]) > 0.9
    ]
    middle = (low + high) / 2
    nearest = min(seen or [thing], key=lambda one: np.linalg.norm(one.box.mean(axis=0) - middle))
    rule = mask_rules.rule_of(action_of(food))
    if nearest.mask is not None:
        axis = mask_rules.mask_axis(nearest.mask, rule)
    else:
        axis = mask_rules.box_axis(nearest.box, rule, photograph.image.shape[1::-1])
    parameters = np.clip(placement.to_model(axis - low), 0, 1).astype(np.float32).ravel()
    mask = np.zeros(image.shape[:2], bool)
    if all(one.mask is not None for one in same):
        union = np.logical_or.reduce([one.mask for one in same])
        mask = image_placement.place_mask(union[window], placement)
    return Crop(image, food, parameters, mask, photograph.side)
