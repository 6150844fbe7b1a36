"""Data sets of drawn plates, in memory or written straight to a file.

They ship with the project: tests and `make demo` need data of which the right answer is known. All
of it is drawn by this code; plate `i` of a seed is always the same, whatever the number of
processes. What is drawn is said in `scenes`, what foods look like in `food_looks`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np

import policy_specs
from food_data import embedding_store, npz_dataset, npz_files
from food_data.synthetic import samples as synthetic_samples
from food_data.synthetic import workers as synthetic_workers
from food_data.synthetic.scenes import MAX_FOODS, PlacedFood, render_plate

__all__ = [
    "MAX_FOODS",
    "PlacedFood",
    "build_synthetic_dataset",
    "render_plate",
    "write_synthetic_dataset",
]


def _drawer(
    num_plates: int,
    seed: int,
    store: embedding_store.EmbeddingStore,
    size: int,
    max_foods: int,
    samples_per_plate: int | None,
    view: str,
    mix: synthetic_samples.Mix,
) -> synthetic_samples.PlateDrawer:
    """Checks what there is to draw before anything is drawn."""
    foods = synthetic_samples.foods_of(store, mix.more_foods)
    drawer = synthetic_samples.PlateDrawer(
        seed, size, foods, max_foods, samples_per_plate, view, mix
    )
    if num_plates < 1 or not foods:
        raise ValueError(
            f"Expected at least 1 plate and 1 food, got {num_plates} plates and {len(foods)} foods "
            "that have an embedding."
        )
    return drawer


def _draw(
    drawer: synthetic_samples.PlateDrawer,
    num_plates: int,
    progress: Callable[[Iterable], Iterable],
    workers: int | None,
) -> Iterator[synthetic_samples.Plate]:
    drawn = synthetic_workers.ordered_map(drawer.draw, num_plates, workers)
    for _ in progress(range(num_plates)):
        yield next(drawn)


def build_synthetic_dataset(
    num_plates: int,
    seed: int,
    store: embedding_store.EmbeddingStore,
    size: int = policy_specs.IMAGE_SIZE,
    max_foods: int = MAX_FOODS,
    progress: Callable[[Iterable], Iterable] = iter,
    workers: int | None = None,
    samples_per_plate: int | None = None,
    view: str = "any",
    mix: synthetic_samples.Mix = synthetic_samples.DRAWINGS,
) -> npz_dataset.FoodDataset:
    """Draws plates; each food on one is a sample, so the instruction decides what is right.

    Args:
        num_plates: at least 1.
        seed: plate i is drawn from (seed, i).
        store: foods without an embedding for their action are not drawn.
        size: that plates are drawn at, pixels; the samples are the model's size.
        max_foods: on a plate, 1 to 6; with 1 the picture alone says what is right.
        progress: wraps the plate numbers, for a progress bar.
        workers: processes; None for one per core. It makes no difference to the plates.
        samples_per_plate: make samples of so many of a plate's foods, drawn by the seed; None for
            all of them.
        view: how pictures are taken, one of `views.NAMES`.
        mix: what else there is but drawings of different foods.

    Returns:
        One sample per food on a plate, plates in order; the samples of a plate have one source.

    Raises:
        ValueError: if there is no plate, no food to draw, or a number is out of range.
    """
    drawer = _drawer(num_plates, seed, store, size, max_foods, samples_per_plate, view, mix)
    number = sum(map(drawer.count, range(num_plates)))
    images = np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    samples, at = (
        synthetic_samples.Samples(store, np.empty((number, *npz_dataset.PACKED_SHAPE), np.uint8)),
        0,
    )
    for plate in _draw(drawer, num_plates, progress, workers):
        images[at : at + len(plate.names)] = plate.image
        at += len(plate.names)
        samples.add(plate)
    return npz_dataset.FoodDataset(images, **samples.arrays(), resize=synthetic_samples.RESIZE)


def write_synthetic_dataset(
    path: str | os.PathLike[str],
    num_plates: int,
    seed: int,
    store: embedding_store.EmbeddingStore,
    size: int = policy_specs.IMAGE_SIZE,
    max_foods: int = MAX_FOODS,
    progress: Callable[[Iterable], Iterable] = iter,
    workers: int | None = None,
    samples_per_plate: int | None = None,
    view: str = "any",
    mix: synthetic_samples.Mix = synthetic_samples.DRAWINGS,
) -> int:
    """As `build_synthetic_dataset`, but images go straight to a file and never fill the memory.

    Args:
        path: of the uncompressed .npz file; it is there whole or not at all.
        num_plates, seed, store, size, max_foods, progress, workers, samples_per_plate, view,
            mix: as there.

    Returns:
        The number of samples.

    Raises:
        FileNotFoundError: if the folder of `path` does not exist.
        ValueError: if there is no plate, no food to draw, or a number is out of range.
    """
    drawer = _drawer(num_plates, seed, store, size, max_foods, samples_per_plate, view, mix)
    # Two arrays of a zip file cannot be written at once, so the masks wait in a file of their own.
    with (
        npz_files.open_writer(path) as writer,
        tempfile.TemporaryFile(dir=os.path.dirname(os.path.abspath(path))) as waiting,
    ):
        number = sum(map(drawer.count, range(num_plates)))
        masks = np.memmap(waiting, np.uint8, "w+", shape=(number, *npz_dataset.PACKED_SHAPE))
        samples = synthetic_samples.Samples(store, masks)
        with writer.stream("images", (number, *npz_dataset.IMAGE_SHAPE), np.uint8) as images:
            for plate in _draw(drawer, num_plates, progress, workers):
                for _ in plate.names:
                    images.append(plate.image[np.newaxis])
                samples.add(plate)
        for name, array in samples.arrays().items():
            writer.write(name, array)
        writer.write("resize", np.array(synthetic_samples.RESIZE))
        writer.write("format_version", np.array(npz_dataset.FORMAT_VERSION))
    return number
