"""From drawn plates to samples: which foods count, what is kept of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from food_data import embedding_store, food_looks, image_placement, mask_placement, npz_dataset
from food_data.synthetic import scenes as synthetic_scenes
from food_data.synthetic import views as synthetic_views

RESIZE = "letterbox"


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
class PlateDrawer:
    """All that is needed to draw plate i; small, since it is sent to every worker.

    Attributes:
        seed: plate i is drawn from (seed, i).
        size: of the drawing, pixels.
        foods: to choose from.
        max_foods: on a plate, 1 to 6.
        samples_per_plate: so many of a plate's foods become samples; None for all.
        view: how pictures are taken, one of `views.NAMES`.

    Raises:
        ValueError: if a number is out of range.
    """

    seed: int
    size: int
    foods: tuple[str, ...]
    max_foods: int
    samples_per_plate: int | None
    view: str = "any"

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
        rng = np.random.default_rng([self.seed, i])
        number = synthetic_scenes.draw_number(rng, self.foods, self.max_foods)
        return min(number, self.samples_per_plate or number)

    def draw(self, i: int) -> Plate:
        """Plate i."""
        rng = np.random.default_rng([self.seed, i])
        picture, placed = synthetic_scenes.render_plate(
            rng, self.size, self.foods, self.max_foods, self.view
        )
        image, placement = image_placement.place(picture, RESIZE)
        chosen = np.sort(rng.permutation(len(placed))[: self.samples_per_plate])
        placed = [placed[k] for k in chosen]
        masks = [mask_placement.place_mask(food.mask, placement) for food in placed]
        return Plate(
            image,
            np.stack([food.parameters for food in placed]),
            npz_dataset.pack_masks(np.stack(masks)),
            [(food.action, food.food) for food in placed],
            f"synthetic/seed_{self.seed}/plate_{i}",
        )


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


def foods_of(store: embedding_store.EmbeddingStore) -> tuple[str, ...]:
    """The foods that we can draw and that have an embedding for what is done to them."""
    known = set(store.combinations())
    looks = food_looks.FOOD_LOOKS.items()
    return tuple(food for food, look in looks if (look.action, food) in known)
