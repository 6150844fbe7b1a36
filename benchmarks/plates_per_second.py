"""How many plates a second are drawn and made into a data set, by one process and by all cores.

    python -m benchmarks.plates_per_second

Measured on the function that users call: drawing, masks, ground truth, and the way back from the
worker processes into the data set's arrays. Starting the processes is part of it.
"""

from __future__ import annotations

import argparse
import pathlib
import time

from food_data import embedding_store
from food_data.synthetic import plates as synthetic_plates

EMBEDDINGS = pathlib.Path(__file__).resolve().parents[1] / "embeddings"


def plates_per_second(
    store: embedding_store.EmbeddingStore, plates: int, workers: int, max_foods: int
) -> float:
    """Builds a data set, one sample per plate, and throws it away.

    Args:
        store: of the embeddings.
        plates: how many.
        workers: processes.
        max_foods: on a plate.

    Returns:
        Plates drawn in a second of wall time.
    """
    start = time.perf_counter()
    synthetic_plates.build_synthetic_dataset(
        plates, 0, store, max_foods=max_foods, workers=workers, samples_per_plate=1
    )
    return plates / (time.perf_counter() - start)


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, default=600, help="drawn for each figure")
    plates = parser.parse_args().plates
    store = embedding_store.EmbeddingStore.load(EMBEDDINGS)
    plates_per_second(store, min(plates, 80), 1, 6)  # Textures are drawn once for each process.
    cores = synthetic_plates.available_cores()
    for max_foods in (1, synthetic_plates.MAX_FOODS):
        for workers in sorted({1, cores}):
            rate = plates_per_second(store, plates, workers, max_foods)
            print(  # noqa: T201
                f"1 to {max_foods} foods, {workers} of {cores} cores: {rate:.0f} plates/s"
            )


if __name__ == "__main__":
    main()
