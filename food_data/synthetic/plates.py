"""Data sets of drawn plates, of which the right answer is known. Plate `i` of a seed is always the
same. What is drawn is said in `scenes`, what foods look like in `foods`."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

import policy_specs
from food_data import image_placement, npz_dataset, npz_files, vocabulary
from food_data.synthetic import camera, foods, photographs, scenes
from food_data.synthetic.scenes import MAX_FOODS

_RESIZE = "letterbox"
_PLAN = 13  # Tells a plate's plan from the plate itself, which is drawn from (seed, i).
_PHOTO_BACKGROUND = 0.6  # of composites lie on a photograph, the others on a drawn table,
_BARE = 0.5  # and of those so many without a drawn dish.
_HEAPED = 0.4  # of plates with equal pieces have them close together
_CHUNK = 4  # Plates that a process draws before it hands them over.
_FEWEST_FOR_PROCESSES = 24


class Mix(NamedTuple):
    """How often plates are something else than drawings of different foods, each 0 to 1."""

    composites: float = 0.0  # plates on which foods are cut out of photographs
    crops: float = 0.0  # parts of photographs, one sample each
    long_foods: float = 0.0  # of the others, those with a single long food and nothing else
    equal_pieces: float = 0.0  # of the others, those with 1 to 5 further pieces of a food
    distractors: float = 0.0  # of the others, those with 1 to 4 things that are never asked for
    alike: float = 0.0  # of the others, those whose foods are taken for each other
    more_foods: bool = False  # draw all of `foods.ALL_FOOD_FORMS`
    photographs: tuple | None = None  # arguments of `photographs.load`, for composites and crops


_PLAIN = Mix()


class Plate(NamedTuple):
    """The samples of one plate; n of its foods count."""

    image: np.ndarray  # uint8 [236, 236, 3]
    actions: np.ndarray  # execution parameters float32 [n, 4]
    masks: np.ndarray  # packed, uint8 [n, 236, 30]
    names: Sequence[tuple[str, str]]  # action and food of each
    source: str  # which plate of which seed


@dataclasses.dataclass(frozen=True)
class PlateDrawer:
    """All that is needed to draw plate i; small, since it is sent to every worker."""

    seed: int
    foods: tuple[str, ...]  # to choose from
    size: int = policy_specs.IMAGE_SIZE  # of the picture that is drawn, pixels
    max_foods: int = MAX_FOODS  # on a plate; with 1 the picture alone says what is right
    samples_per_plate: int | None = None  # so many of a plate's foods, at random; None for all
    view: str = "any"  # one of `camera.VIEW_NAMES`
    mix: Mix = _PLAIN

    def __post_init__(self) -> None:
        most, least, mix = self.max_foods, self.samples_per_plate, self.mix
        photos = mix.composites + mix.crops
        for is_good, expected in (
            (self.view in camera.VIEW_NAMES, f"view in {camera.VIEW_NAMES}, got {self.view!r}"),
            (1 <= most <= MAX_FOODS, f"max_foods: 1 to {MAX_FOODS}, got {most}"),
            (least is None or least >= 1, f"samples_per_plate: at least 1, got {least}"),
            (all(0 <= share <= 1 for share in mix[:6]), f"shares from 0 to 1, got {mix}"),
            (photos <= 1, f"composites + crops of at most 1, got {photos}"),
            (not photos or mix.photographs, "--annotations for photographs, got none"),
        ):
            if not is_good:
                raise ValueError(f"Expected {expected}.")

    def count(self, i: int) -> int:
        """How many samples plate i gives, without drawing it."""
        kind, is_long, _ = self._kind(i)
        if kind == "crop" or is_long:
            return 1
        rng = np.random.default_rng([self.seed, i])
        number = scenes.draw_number(rng, self.foods, self.max_foods)
        return min(number, self.samples_per_plate or number)

    def draw(self, i: int) -> Plate:
        """Plate i."""
        rng = np.random.default_rng([self.seed, i])
        kind, is_long, plan = self._kind(i)
        number, staging = f"seed_{self.seed}/plate_{i}", scenes.Staging()
        source, chosen, max_foods = f"synthetic/{number}", self.foods, self.max_foods
        if kind == "crop":
            library = photographs.load(*self.mix.photographs)
            image, food, parameters, mask, side = library.crop(rng)
            names, masks = [(foods.action_of(food), food)], npz_dataset.pack_masks(mask[np.newaxis])
            # What is before "#" stays on one side of a split (`splits.picture_keys`).
            return Plate(image, parameters[np.newaxis], masks, names, f"photos/{side}#{number}")
        if kind == "composite":
            side = photographs.SIDES[plan.uniform() < photographs.HELD_OUT_SHARE]
            library, source = photographs.load(*self.mix.photographs), f"photos/{side}#{number}"
            forms, background = library.forms(side), None
            if plan.uniform() < _PHOTO_BACKGROUND:
                background = library.background(plan, side)
            bare = background is not None and plan.uniform() < _BARE
            # A food with many cut-outs is shown more often than one with few.
            first = _shares({food: len(own) ** 0.5 for food, own in forms.items()})
            staging = scenes.Staging(forms, first, background, bare)
        if is_long:
            there, max_foods = {*chosen, *staging.forms}, 1
            chosen = tuple(food for food in photographs.LONG_FOODS if food in there)
            first = {food: one for food, one in staging.first.items() if food in chosen}
            staging = staging._replace(first=_shares(first))
        else:
            equal, other = plan.uniform(size=2) < [self.mix.equal_pieces, self.mix.distractors]
            staging = staging._replace(
                equal_pieces=int(plan.integers(1, 6)) if equal else 0,
                heaped=bool(equal and plan.uniform() < _HEAPED),
                distractors=int(plan.integers(1, 5)) if other else 0,
                alike=bool(self.mix.alike and plan.uniform() < self.mix.alike),
            )
        picture, placed = scenes.render_plate(rng, self.size, chosen, max_foods, self.view, staging)
        image, placement = image_placement.place(picture, _RESIZE)
        order = rng.permutation(len(placed))
        if staging.equal_pieces:  # The first food is the one with several pieces.
            order = np.concatenate([[0], order[order != 0]])
        placed = [placed[k] for k in np.sort(order[: self.samples_per_plate])]
        actions = np.stack([food.parameters for food in placed])
        masks = np.stack([image_placement.place_mask(food.mask, placement) for food in placed])
        names = [(food.action, food.food) for food in placed]
        return Plate(image, actions, npz_dataset.pack_masks(masks), names, source)

    def _kind(self, i: int) -> tuple[str, bool, np.random.Generator]:
        """Of plate i: what it is, whether a single long food is on it, and what draws the rest."""
        plan, mix = np.random.default_rng([self.seed, i, _PLAN]), self.mix
        draw = plan.uniform()
        photographed = "composite" if draw < mix.composites else "crop"
        kind = photographed if draw < mix.composites + mix.crops else "drawn"
        return kind, bool(plan.uniform() < mix.long_foods), plan


def _shares(weights: dict[str, float]) -> dict[str, float]:
    """Adding up to 1."""
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def write_synthetic_dataset(
    path: str | os.PathLike[str],
    num_plates: int,
    seed: int,
    store: vocabulary.EmbeddingStore,
    progress: Callable[[Iterable], Iterable] = iter,
    workers: int | None = None,
    **options: object,
) -> int:
    """Draws plates into a file; each food on one is a sample, so the instruction decides. Returns
    the number of samples: plates in order; the samples of a plate have one source.

    Foods that have no embedding in `store` for their action are not drawn. `workers` are processes,
    None for one per core. `options` are `size`, `max_foods`, `samples_per_plate`, `view` and `mix`
    of `PlateDrawer`. Raises ValueError.
    """
    forms = foods.ALL_FOOD_FORMS if options.get("mix", _PLAIN).more_foods else foods.FOOD_FORMS
    known = set(store.combinations())
    drawn = tuple(food for food in forms if (foods.action_of(food), food) in known)
    if num_plates < 1 or not drawn:
        got = f"{num_plates} plates and {len(drawn)} foods"
        raise ValueError(f"Expected at least 1 plate and 1 food with an embedding, got {got}.")
    drawer, actions, names, sources = PlateDrawer(seed, drawn, **options), [], [], []
    plates = _draw_all(drawer, num_plates, workers)
    # Two arrays of a zip file cannot be written at once, so the masks wait in a file of their own.
    with (
        npz_files.open_writer(path) as writer,
        tempfile.TemporaryFile(dir=os.path.dirname(os.path.abspath(path))) as waiting,
    ):
        number = sum(map(drawer.count, range(num_plates)))
        masks = np.memmap(waiting, np.uint8, "w+", shape=(number, *npz_dataset.PACKED_SHAPE))

        def images() -> Iterator[np.ndarray]:
            for _, plate in zip(progress(range(num_plates)), plates):
                masks[len(names) : len(names) + len(plate.names)] = plate.masks
                actions.append(plate.actions)
                names.extend(plate.names)
                sources.extend([plate.source] * len(plate.names))
                yield np.repeat(plate.image[np.newaxis], len(plate.names), axis=0)

        writer.write_blocks("images", (number, *npz_dataset.IMAGE_SHAPE), np.uint8, images())
        for name, array in (
            ("actions", np.concatenate(actions)),
            ("embeddings", np.stack([store.lookup(*pair) for pair in names])),
            ("action_names", np.array([action for action, _ in names])),
            ("food_types", np.array([food for _, food in names])),
            ("sources", np.array(sources)),
            ("masks", masks),
            ("resize", np.array(_RESIZE)),
            ("format_version", np.array(npz_dataset.FORMAT_VERSION)),
        ):
            writer.write(name, array)
    return number


def build_synthetic_dataset(*arguments: object, **options: object) -> npz_dataset.FoodDataset:
    """As `write_synthetic_dataset` without its `path`: the data set itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "plates.npz")
        write_synthetic_dataset(path, *arguments, **options)
        return npz_dataset.read_npz(path)


def _draw_all(drawer: PlateDrawer, number: int, workers: int | None) -> Iterator[Plate]:
    """The plates in order, drawn by several forked processes. A forked process has none of its
    parent's other threads: OpenCV's are ended before, since a child would wait for them for ever,
    and it must not call TensorFlow."""
    if workers is None:
        has_affinity = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        workers = cores if number >= _FEWEST_FOR_PROCESSES else 1
    if workers == 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(drawer.draw, range(number))
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("fork"))
    try:
        yield from pool.map(drawer.draw, range(number), chunksize=_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)
