"""Composites: foods cut out of photographs on drawn or photographed tables, and crops of photos.

Cut-outs become forms as the drawn foods have them (`food_looks.Form`), so scenes put them on
plates, light them, give them shadows and measure their axes as they do for drawings. What a piece
of 236 x 236 pixels shows is then known to the pixel, except for crops of photographs: there the
answer comes from the photograph's masks, or from its boxes where the direction hardly matters.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np

from food_data import food_looks, image_placement, mask_rules
from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise
from food_data.synthetic import photographs as synthetic_photographs

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


def paint_whole(rng: np.random.Generator, length: float, picture: np.ndarray) -> bodies.Body:
    """A cut-out [h, w, 4] of this length, mirrored at random, a little lighter or darker."""
    scale = length / picture.shape[1]
    size = (max(3, round(length)), max(3, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    layer = cv2.resize(synthetic_noise.mirrored(rng, picture), size, interpolation=method)
    layer = cv2.copyMakeBorder(layer, 3, 3, 3, 3, cv2.BORDER_REPLICATE)
    layer[:3, :, 3] = layer[-3:, :, 3] = layer[:, :3, 3] = layer[:, -3:, 3] = 0
    albedo = _toned(rng, layer[..., :3])
    alpha = np.ascontiguousarray(layer[..., 3])
    # A photograph has its own light: only the rim is rounded, and all of it is thick.
    height = bodies.inflate(alpha, 0.04 * length) + np.float32(0.3 * min(size))
    return bodies.Body(albedo, alpha, height, 0.0)


def paint_piece(
    rng: np.random.Generator,
    length: float,
    picture: np.ndarray,
    shapes: Sequence[tuple[float, float, float, float]],
) -> bodies.Body:
    """A bite of this length, in one of the shapes, cut from a square [h, w, 4] of a food."""
    thinnest, widest, exponent, lumps = shapes[int(rng.integers(len(shapes)))]
    aspect = rng.uniform(thinnest, widest)
    points = bodies.outline(rng, length, aspect, exponent, lumps=lumps)
    body = bodies.solid(points, (0, 0, 0), rng.uniform(0.15, 0.4) * aspect * length, 0.1, 16)
    height, width = body.alpha.shape
    side = max(height, width)
    stuff = synthetic_noise.mirrored(rng, picture[..., :3])
    stuff = np.rot90(stuff, int(rng.integers(4)))
    shrinks = side < stuff.shape[0]
    stuff = cv2.resize(
        np.ascontiguousarray(stuff),
        (side, side),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    top, left = (int(rng.integers(side - have + 1)) for have in (height, width))
    body.albedo = _toned(rng, stuff[top : top + height, left : left + width])
    return body


def _toned(rng: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    gains = np.clip(rng.normal(1, 0.08), 0.8, 1.2) * rng.normal(1, 0.03, 3)
    return np.clip(colours * gains, 0, 255).astype(np.uint8)


@functools.cache
def looks_of(library_key: tuple, side: str) -> dict[str, food_looks.FoodLook]:
    """The looks of the foods of one side.

    Args:
        library_key: the arguments of `photographs.load`.
        side: of the photographs.

    Returns:
        Food -> look, of forms that paint cut-outs.
    """
    library = synthetic_photographs.load(*library_key)
    by_food: dict[str, dict[str, list]] = {}
    for cutout in library.cutouts:
        if cutout.side == side and cutout.food is not None:
            kinds = by_food.setdefault(cutout.food, {})
            kinds.setdefault(cutout.kind, []).append(cutout.picture)
    looks = {}
    for food, kinds in by_food.items():
        whole = kinds.get(synthetic_photographs.WHOLE, [])
        pieces = kinds.get(synthetic_photographs.PIECE, [])
        lengths = _LENGTHS.get(food, _USUAL_LENGTHS)
        share = (_PIECE_SHARE if whole else 1.0) if pieces else 0.0
        forms = [
            food_looks.Form(
                functools.partial(paint_whole, picture=one), lengths[0], (1 - share) / len(whole)
            )
            for one in whole
        ] + [
            food_looks.Form(
                functools.partial(paint_piece, picture=one, shapes=_PIECES[food]),
                lengths[1],
                share / len(pieces),
            )
            for one in pieces
        ]
        looks[food] = food_looks.FoodLook(action_of(food), tuple(forms))
    return looks


def action_of(food: str) -> str:
    """What is done to a food; those that we cannot draw are skewered."""
    look = food_looks.ALL_FOOD_LOOKS.get(food)
    return "skewering" if look is None else look.action


def background(
    rng: np.random.Generator, photographs: Sequence[synthetic_photographs.Photograph]
) -> np.ndarray | None:
    """A square of one of the photographs without any labelled food, or None if none is found."""
    for _ in range(_TRIES if photographs else 0):
        photograph = photographs[int(rng.integers(len(photographs)))]
        height, width = photograph.image.shape[:2]
        side = round(rng.uniform(0.35, 1.0) * min(height, width))
        left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
        low, high = np.array([left, top]), np.array([left, top]) + side
        if any(
            (np.minimum(one.box[1], high) > np.maximum(one.box[0], low)).all()
            for one in photograph.things
        ):
            continue
        return synthetic_noise.mirrored(
            rng, photograph.image[top : top + side, left : left + side]
        ).copy()
    return None


@dataclasses.dataclass(frozen=True)
class Crop:
    """A sample that is a part of a photograph.

    Attributes:
        image: uint8 [236, 236, 3].
        food: that is asked for.
        parameters: float32 [4].
        mask: bool [236, 236]; nothing is set where it is not known.
        side: of the photograph.
    """

    image: np.ndarray
    food: str
    parameters: np.ndarray
    mask: np.ndarray
    side: str


@functools.cache
def askable(library_key: tuple) -> dict[str, list[tuple[int, int]]]:
    """Food -> (photograph, object) of all objects whose answer is known."""
    library = synthetic_photographs.load(*library_key)
    found: dict[str, list[tuple[int, int]]] = {}
    for i, photograph in enumerate(library.photographs):
        for j, thing in enumerate(photograph.things):
            if thing.food is not None and _is_askable(thing):
                found.setdefault(thing.food, []).append((i, j))
    return found


def _is_askable(thing: synthetic_photographs.Thing) -> bool:
    return thing.mask is not None or thing.food not in LONG_FOODS


def crop(rng: np.random.Generator, library_key: tuple) -> Crop:
    """A square about an object that takes 0.15 to 0.8 of its side, somewhere in it.

    Of several objects of one food the one nearest to the crop's middle is the sample.
    """
    library = synthetic_photographs.load(*library_key)
    choices = askable(library_key)
    foods = sorted(choices)
    weights = np.array([len(choices[food]) for food in foods]) ** 0.7
    food = foods[int(rng.choice(len(foods), p=weights / weights.sum()))]
    i, j = choices[food][int(rng.integers(len(choices[food])))]
    photograph = library.photographs[i]
    thing = photograph.things[j]
    height, width = photograph.image.shape[:2]
    extent = (thing.box[1] - thing.box[0]).max()
    side = extent / np.exp(rng.uniform(*np.log(_CROP_SHARE)))
    side = int(np.clip(side, min(extent * 1.05, max(height, width)), max(height, width)))
    spare = np.maximum(side - (thing.box[1] - thing.box[0]), 0)
    low = np.rint(thing.box[0] - spare * rng.uniform(0.1, 0.9, 2)).astype(int)
    low = np.clip(
        low,
        np.minimum(0, [width - side, height - side]),
        np.maximum(0, [width - side, height - side]),
    )
    high = low + side
    inner_low, inner_high = np.maximum(low, 0), np.minimum(high, [width, height])
    part = photograph.image[inner_low[1] : inner_high[1], inner_low[0] : inner_high[0]]
    image, placement = image_placement.place(part, "letterbox")
    seen = [
        one
        for one in photograph.things
        if one.food == food and _is_askable(one) and _inside(one.box, inner_low, inner_high) > 0.9
    ]
    if not seen:
        seen = [thing]
    middle = (inner_low + inner_high) / 2
    nearest = min(seen, key=lambda one: np.linalg.norm(one.box.mean(axis=0) - middle))
    rule = mask_rules.rule_of(action_of(food))
    if nearest.mask is not None:
        axis = mask_rules.mask_axis(nearest.mask, rule)
    else:
        axis = mask_rules.box_axis(nearest.box, rule)
    parameters = np.clip(placement.to_model(axis - inner_low), 0, 1).astype(np.float32).ravel()
    mask = np.zeros(image.shape[:2], bool)
    masks = [one.mask for one in photograph.things if one.food == food]
    if all(one is not None for one in masks):
        union = np.logical_or.reduce(masks)
        mask = image_placement.place_mask(
            union[inner_low[1] : inner_high[1], inner_low[0] : inner_high[0]], placement
        )
    return Crop(image, food, parameters, mask, photograph.side)


def _inside(box: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """How much of a box lies between two corners, 0 to 1."""
    sides = np.minimum(box[1], high) - np.maximum(box[0], low)
    return float(np.prod(np.maximum(sides, 0)) / np.prod(box[1] - box[0]))
