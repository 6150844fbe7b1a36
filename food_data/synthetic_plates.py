"""Drawings of plates with food on them, and where each food is to be taken.

They ship with the project: tests and `make demo` need data of which the right answer is known. All
of it is drawn by this code; plate `i` of a seed is always the same.

Ground truth is measured on the drawn food as it would be on a photograph's mask: its principal axis
through its centroid, from the 1st to the 99th percentile, pointing to the right. Skewering and
scooping go along all of it, twirling along its middle half.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

import policy_specs
from food_data import embedding_store, food_looks, image_placement, npz_dataset, synthetic_foods

MAX_FOODS = 4
_OVERSAMPLING = 2
_PLACING_ATTEMPTS = 40
_RESIZE = "letterbox"
_AXIS_PART = {"skewering": 1.0, "scooping": 1.0, "twirling": 0.5}
_PLATES = ((246, 245, 240), (238, 228, 208), (190, 205, 220), (58, 66, 84), (120, 126, 124))
_TABLES = ((150, 104, 66), (104, 72, 52), (196, 172, 140), (74, 80, 88), (206, 206, 200))


@dataclasses.dataclass(frozen=True)
class PlacedFood:
    """A food on a plate.

    Attributes:
        food, action: canonical names.
        parameters: execution parameters float32 [4], in 0..1.
    """

    food: str
    action: str
    parameters: np.ndarray


def render_plate(
    rng: np.random.Generator,
    size: int,
    foods: Sequence[str] = tuple(food_looks.FOOD_LOOKS),
    max_foods: int = MAX_FOODS,
) -> tuple[np.ndarray, list[PlacedFood]]:
    """Draws a plate with one to `max_foods` different foods that do not touch.

    Args:
        rng: everything is drawn from it.
        size: side of the picture, pixels.
        foods: to choose from.
        max_foods: at most so many, 1 to 4.

    Returns:
        The picture uint8 [size, size, 3], RGB, and its foods: at least one.
    """
    canvas = _table(rng, size)
    centre = size * (0.5 + rng.uniform(-0.04, 0.04, 2))
    radius = size * rng.uniform(0.41, 0.46)
    _draw_plate(canvas, centre, radius, rng)
    # Foods have finer detail than pixels; the table and the plate have none.
    side, centre, radius = (_OVERSAMPLING * length for length in (size, centre, radius))
    canvas = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_LINEAR)
    number = min(int(rng.integers(1, max_foods + 1)), len(foods))
    placed, taken = [], []
    for food in map(str, rng.choice(foods, number, replace=False)):
        look = food_looks.FOOD_LOOKS[food]
        length = side * look.length * rng.uniform(0.85, 1.15)
        spot = _free_spot(rng, centre, 0.74 * radius, length / 2, taken)
        if spot is None:
            continue
        taken.append((*spot, length / 2))
        points = synthetic_foods.outline(look, rng, length)
        turn = rng.uniform(0, 2 * np.pi)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        mask = synthetic_foods.paint(canvas, points @ rotation.T + spot, look, rng)
        axis = main_axis(mask, _AXIS_PART[look.action]) / side
        placed.append(PlacedFood(food, look.action, axis.astype(np.float32).ravel()))
    picture = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    noise = 2 * rng.standard_normal((size, size, 1), np.float32)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), placed


def main_axis(mask: np.ndarray, part: float = 1.0) -> np.ndarray:
    """The principal axis of a shape through its centroid, from the 1st to the 99th percentile.

    Args:
        mask: bool [H, W].
        part: how much of the axis is wanted, about its middle.

    Returns:
        float64 [2, 2]: start and end (x, y), continuous pixels, with x of the end the larger one.
    """
    points = cv2.findNonZero(mask.view(np.uint8))[:, 0] + 0.5
    centroid = points.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((points - centroid).T))
    direction = vectors[:, -1] if vectors[0, -1] >= 0 else -vectors[:, -1]
    low, high = np.percentile((points - centroid) @ direction, [1, 99])
    middle, half = (low + high) / 2, part * (high - low) / 2
    return centroid + np.outer([middle - half, middle + half], direction)


def build_synthetic_dataset(
    num_plates: int,
    seed: int,
    store: embedding_store.EmbeddingStore,
    size: int = policy_specs.IMAGE_SIZE,
    max_foods: int = MAX_FOODS,
    progress: Callable[[Iterable], Iterable] = iter,
) -> npz_dataset.FoodDataset:
    """Draws plates; each food on one is a sample, so the instruction decides what is right.

    Args:
        num_plates: at least 1.
        seed: plate i is drawn from (seed, i).
        store: foods without an embedding for their action are not drawn.
        size: that plates are drawn at, pixels; the samples are the model's size.
        max_foods: on a plate, 1 to 4; with 1 the picture alone says what is right.
        progress: wraps the plate numbers, for a progress bar.

    Returns:
        One sample per food on a plate, plates in order; the samples of a plate have one source.

    Raises:
        ValueError: if there is no plate, no food to draw, or max_foods is out of range.
    """
    looks = food_looks.FOOD_LOOKS
    known = set(store.combinations())
    foods = [food for food, look in looks.items() if (look.action, food) in known]
    if not 1 <= max_foods <= MAX_FOODS:
        raise ValueError(f"max_foods: expected 1 to {MAX_FOODS}, got {max_foods}.")
    if num_plates < 1 or not foods:
        raise ValueError(
            f"Expected at least 1 plate and 1 food, got {num_plates} plates and {len(foods)} foods "
            "that have an embedding."
        )
    images = np.empty((num_plates * max_foods, *npz_dataset.IMAGE_SHAPE), np.uint8)
    samples: list[tuple[PlacedFood, str]] = []
    for i in progress(range(num_plates)):
        picture, placed = render_plate(np.random.default_rng([seed, i]), size, foods, max_foods)
        image, _ = image_placement.place(picture, _RESIZE)
        for food in placed:
            images[len(samples)] = image
            samples.append((food, f"synthetic/seed_{seed}/plate_{i}"))
    return npz_dataset.FoodDataset(
        images[: len(samples)],
        np.stack([food.parameters for food, _ in samples]),
        np.stack([store.lookup(food.action, food.food) for food, _ in samples]),
        action_names=np.array([food.action for food, _ in samples]),
        food_types=np.array([food.food for food, _ in samples]),
        sources=np.array([source for _, source in samples]),
        resize=_RESIZE,
    )


def _table(rng: np.random.Generator, side: int) -> np.ndarray:
    """A table with streaks, lit from one side: uint8 [side, side, 3]."""
    colour = np.array(_TABLES[rng.integers(len(_TABLES))]) * rng.uniform(0.85, 1.1)
    coarse = max(1, side // 2)
    streaks = rng.standard_normal((coarse, coarse), np.float32)
    streaks = cv2.blur(cv2.blur(streaks, (29, 3)), (29, 1))
    streaks *= rng.uniform(3, 9) / streaks.std()
    if rng.uniform() < 0.5:
        streaks = streaks.T
    light = np.linspace(*rng.uniform(-12, 12, 2), coarse, dtype=np.float32)
    brightness = cv2.resize(streaks + light, (side, side), interpolation=cv2.INTER_LINEAR)
    colours = colour.astype(np.float32) + brightness[..., np.newaxis]
    return np.clip(colours, 0, 255).astype(np.uint8)


def _draw_plate(
    canvas: np.ndarray, centre: np.ndarray, radius: float, rng: np.random.Generator
) -> None:
    """A round plate with a shadow, a rim that catches the light and a flat middle."""
    colour = np.array(_PLATES[rng.integers(len(_PLATES))]) * rng.uniform(0.92, 1.0)
    shadow = np.zeros(canvas.shape[:2], np.uint8)
    _disc(shadow, centre + 0.04 * radius, 1.01 * radius, 255)
    shadow = synthetic_foods.soften(shadow, 0.06 * radius)[..., np.newaxis]
    canvas[:] = (canvas * (1 - shadow.astype(np.float32) * (0.45 / 255))).astype(np.uint8)
    step = 0.012 * radius
    for scale, shift, shade in (
        (1.0, 0, 0.80),  # edge
        (0.985, -0.6, 1.0),  # rim
        (0.80, -0.8, 0.86),  # slope on the side of the light
        (0.79, 0.8, 1.06),  # slope on the far side
        (0.775, 0, 0.965),  # middle
    ):
        ink = tuple(float(c) for c in np.clip(colour * shade, 0, 255))
        _disc(canvas, centre + shift * step, scale * radius, ink)


def _disc(canvas: np.ndarray, centre: np.ndarray, radius: float, ink: float | tuple) -> None:
    x, y, r = (int(round(float(v) * 16)) for v in (*centre, radius))
    cv2.circle(canvas, (x, y), r, ink, -1, cv2.LINE_AA, shift=4)


def _free_spot(
    rng: np.random.Generator,
    centre: np.ndarray,
    radius: float,
    reach: float,
    taken: Sequence[tuple[float, float, float]],
) -> np.ndarray | None:
    """Where in the plate's middle a food of this reach touches no other; None if nowhere."""
    for _ in range(_PLACING_ATTEMPTS):
        turn, distance = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform())
        step = max(0.0, radius - reach) * distance
        spot = centre + step * np.array([np.cos(turn), np.sin(turn)])
        if all(np.hypot(*(spot - other[:2])) > 1.1 * (reach + other[2]) for other in taken):
            return spot
    return None
