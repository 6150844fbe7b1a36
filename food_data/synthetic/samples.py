"""From drawn plates to samples: which foods count, what is kept of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from food_data import embedding_store, food_looks, image_placement, npz_dataset
from food_data.synthetic import composites as synthetic_composites
from food_data.synthetic import photographs as synthetic_photographs
from food_data.synthetic import scenes as synthetic_scenes
from food_data.synthetic import views as synthetic_views

RESIZE = "letterbox"
_DRAWN, _COMPOSITE, _CROP = "drawn", "composite", "crop"
_PLAN = 13  # Tells a plate's plan from the plate itself, which is drawn from (seed, i).
_PHOTO_BACKGROUND = 0.6  # of composites lie on a photograph, the others on a drawn table,
_BARE = 0.5  # and of those so many without a drawn dish.
_HEAPED = 0.4  # of plates with equal pieces have them close together


@dataclasses.dataclass(frozen=True)
class Plate:
    """The samples of one plate; n of its foods count.

    Attributes:
        image: uint8 [236, 236, 3].
        actions: execution parameters float32 [n, 4].
        masks: packed, uint8 [n, 236, 30].
        names: action and food of each.
        source: which plate of which seed.
    """

    image: np.ndarray
    actions: np.ndarray
    masks: np.ndarray
    names: Sequence[tuple[str, str]]
    source: str


@dataclasses.dataclass(frozen=True)
class Mix:
    """How often plates are something else than drawings of different foods, each 0 to 1.

    Attributes:
        composites: plates on which foods are cut out of photographs.
        crops: parts of photographs, one sample each.
        long_foods: of the others, those with a single long food and nothing else.
        equal_pieces: of the others, those with 1 to 5 further pieces of one of their foods.
        distractors: of the others, those with 1 to 4 things that are never asked for.
        more_foods: draw those of `food_looks.MORE_FOOD_LOOKS` too.
        photographs: arguments of `photographs.load`; needed for composites and crops.

    Raises:
        ValueError: if a share is out of range, or photographs are needed and absent.
    """

    composites: float = 0.0
    crops: float = 0.0
    long_foods: float = 0.0
    equal_pieces: float = 0.0
    distractors: float = 0.0
    more_foods: bool = False
    photographs: tuple | None = None

    def __post_init__(self) -> None:
        """Checks the shares."""
        for field in dataclasses.fields(self):
            share = getattr(self, field.name)
            if isinstance(share, float) and not 0 <= share <= 1:
                raise ValueError(f"{field.name}: expected a share from 0 to 1, got {share}.")
        photographed = self.composites + self.crops
        if photographed > 1:
            raise ValueError(f"Expected composites + crops of at most 1, got {photographed:g}.")
        if photographed and self.photographs is None:
            raise ValueError("Composites and crops need photographs: --annotations.")


DRAWINGS = Mix()


@dataclasses.dataclass(frozen=True)
class PlateDrawer:
    """All that is needed to draw plate i; small, since it is sent to every worker.

    Attributes:
        seed: plate i is drawn from (seed, i).
        size: of the drawing, pixels.
        foods: to choose from.
        max_foods: on a plate, 1 to 6.
        samples_per_plate: so many of a plate's foods become samples; None for all.
        view: how pictures are taken, one of `views.NAMES`.
        mix: what else there is but drawings of different foods.

    Raises:
        ValueError: if a number is out of range.
    """

    seed: int
    size: int
    foods: tuple[str, ...]
    max_foods: int
    samples_per_plate: int | None
    view: str = "any"
    mix: Mix = DRAWINGS

    def __post_init__(self) -> None:
        """Checks the numbers."""
        synthetic_views.check_name(self.view)
        if not 1 <= self.max_foods <= synthetic_scenes.MAX_FOODS:
            raise ValueError(
                f"max_foods: expected 1 to {synthetic_scenes.MAX_FOODS}, got {self.max_foods}."
            )
        if self.samples_per_plate is not None and self.samples_per_plate < 1:
            raise ValueError(
                f"samples_per_plate: expected at least 1, got {self.samples_per_plate}; None makes "
                "a sample of every food."
            )

    def count(self, i: int) -> int:
        """How many samples plate i gives, without drawing it."""
        kind, is_long, _ = self._kind(i)
        if kind == _CROP or is_long:
            return 1
        rng = np.random.default_rng([self.seed, i])
        number = synthetic_scenes.draw_number(rng, self.foods, self.max_foods)
        return min(number, self.samples_per_plate or number)

    def draw(self, i: int) -> Plate:
        """Plate i."""
        rng = np.random.default_rng([self.seed, i])
        kind, is_long, plan = self._kind(i)
        if kind == _CROP:
            return self._crop(rng, i)
        foods, max_foods = self.foods, self.max_foods
        source = f"synthetic/seed_{self.seed}/plate_{i}"
        if kind == _COMPOSITE:
            side, staging = self._composite(plan)
            source = _photo_source(side, self.seed, i)
        else:
            staging = synthetic_scenes.Staging()
        if is_long:
            there = {*self.foods, *staging.looks}
            known = [food for food in synthetic_composites.LONG_FOODS if food in there]
            foods, max_foods = tuple(known), 1
            own = _shares({food: one for food, one in staging.first.items() if food in known})
            staging = dataclasses.replace(staging, first=own)
        else:
            staging = self._crowded(plan, staging)
        picture, placed = synthetic_scenes.render_plate(
            rng, self.size, foods, max_foods, self.view, staging
        )
        image, placement = image_placement.place(picture, RESIZE)
        order = rng.permutation(len(placed))
        if staging.equal_pieces:  # The first food is the one with several pieces.
            order = np.concatenate([[0], order[order != 0]])
        chosen = np.sort(order[: self.samples_per_plate])
        placed = [placed[k] for k in chosen]
        masks = [image_placement.place_mask(food.mask, placement) for food in placed]
        return Plate(
            image,
            np.stack([food.parameters for food in placed]),
            npz_dataset.pack_masks(np.stack(masks)),
            [(food.action, food.food) for food in placed],
            source,
        )

    def _kind(self, i: int) -> tuple[str, bool, np.random.Generator]:
        """Of plate i: what it is, whether a single long food is on it, and what draws the rest."""
        plan = np.random.default_rng([self.seed, i, _PLAN])
        draw = plan.uniform()
        kind = _DRAWN
        if draw < self.mix.composites + self.mix.crops:
            kind = _COMPOSITE if draw < self.mix.composites else _CROP
        return kind, bool(plan.uniform() < self.mix.long_foods), plan

    def _crop(self, rng: np.random.Generator, i: int) -> Plate:
        crop = synthetic_composites.crop(rng, self.mix.photographs)
        return Plate(
            crop.image,
            crop.parameters[np.newaxis],
            npz_dataset.pack_masks(crop.mask[np.newaxis]),
            [(synthetic_composites.action_of(crop.food), crop.food)],
            _photo_source(crop.side, self.seed, i),
        )

    def _composite(self, plan: np.random.Generator) -> tuple[str, synthetic_scenes.Staging]:
        """A side of the split, and its foods on one of its backgrounds."""
        held_out = plan.uniform() < synthetic_photographs.HELD_OUT_SHARE
        side = synthetic_photographs.SIDES[held_out]
        looks = synthetic_composites.looks_of(self.mix.photographs, side)
        library = synthetic_photographs.load(*self.mix.photographs)
        photographs = [one for one in library.photographs if one.side == side and one.is_background]
        background = None
        if plan.uniform() < _PHOTO_BACKGROUND:
            background = synthetic_composites.background(plan, photographs)
        bare = background is not None and plan.uniform() < _BARE
        # A food with many cut-outs is shown more often than one with few.
        first = _shares({food: len(look.forms) ** 0.5 for food, look in looks.items()})
        staging = synthetic_scenes.Staging(looks, first, background=background)
        return side, dataclasses.replace(staging, bare=bare)

    def _crowded(
        self, plan: np.random.Generator, staging: synthetic_scenes.Staging
    ) -> synthetic_scenes.Staging:
        """With equal pieces and distractors, as often as the mix says."""
        equal, other = plan.uniform(size=2) < [self.mix.equal_pieces, self.mix.distractors]
        return dataclasses.replace(
            staging,
            equal_pieces=int(plan.integers(1, 6)) if equal else 0,
            heaped=bool(equal and plan.uniform() < _HEAPED),
            distractors=int(plan.integers(1, 5)) if other else 0,
        )


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Adding up to 1."""
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _photo_source(side: str, seed: int, i: int) -> str:
    """What is before "#" stays on one side of a split (`splits.picture_keys`)."""
    return f"photos/{side}#seed_{seed}/plate_{i}"


class Samples:
    """All of the samples but their images, filled plate by plate.

    Args:
        store: of the embeddings.
        masks: uint8 [N, 236, 30], filled too.
    """

    def __init__(self, store: embedding_store.EmbeddingStore, masks: np.ndarray) -> None:
        self._store = store
        self._masks = masks
        self._actions: list[np.ndarray] = []
        self._names: list[tuple[str, str]] = []
        self._sources: list[str] = []

    def add(self, plate: Plate) -> None:
        """Takes in the next plate."""
        start = len(self._names)
        self._masks[start : start + len(plate.names)] = plate.masks
        self._actions.append(plate.actions)
        self._names += plate.names
        self._sources += [plate.source] * len(plate.names)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of `npz_dataset.FoodDataset` but the images."""
        return {
            "actions": np.concatenate(self._actions),
            "embeddings": np.stack([self._store.lookup(*names) for names in self._names]),
            "action_names": np.array([action for action, _ in self._names]),
            "food_types": np.array([food for _, food in self._names]),
            "sources": np.array(self._sources),
            "masks": self._masks,
        }


def foods_of(store: embedding_store.EmbeddingStore, more_foods: bool = False) -> tuple[str, ...]:
    """The foods that we can draw and that have an embedding for what is done to them."""
    known = set(store.combinations())
    looks = food_looks.ALL_FOOD_LOOKS if more_foods else food_looks.FOOD_LOOKS
    return tuple(food for food, look in looks.items() if (look.action, food) in known)
