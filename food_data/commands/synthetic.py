"""The command synthetic of build_dataset.py: drawings of plates."""

from __future__ import annotations

import argparse
import functools

import tqdm

from food_data import embedding_store, npz_dataset
from food_data.synthetic import plates as synthetic_plates
from food_data.synthetic import views as synthetic_views


def add_parser(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the command; `arguments.build(arguments)` gives the data set, or writes it.

    Returns:
        Its parser, which lacks the flags of `output.add_flags`.
    """
    parser = subparsers.add_parser("synthetic", help="from drawings of plates")
    parser.set_defaults(build=_build)
    parser.add_argument("--num_plates", type=int, required=True)
    parser.add_argument(
        "--max_foods",
        type=int,
        default=synthetic_plates.MAX_FOODS,
        help="on a plate; with more than 1 the instruction decides which one counts",
    )
    parser.add_argument(
        "--samples_per_plate",
        type=int,
        help="so many of a plate's foods become samples; all of them if not given",
    )
    parser.add_argument(
        "--view",
        choices=synthetic_views.NAMES,
        default="any",
        help="how pictures are taken; 'arm': from above, a plate fills it; 'any': like photographs",
    )
    parser.add_argument("--workers", type=int, help="processes that draw; one per CPU if not given")
    return [parser]


def _build(arguments: argparse.Namespace) -> npz_dataset.FoodDataset | None:
    store = embedding_store.EmbeddingStore.load(arguments.embeddings_dir)
    synthetic_plates.write_synthetic_dataset(
        arguments.output_file,
        arguments.num_plates,
        arguments.seed,
        store,
        max_foods=arguments.max_foods,
        samples_per_plate=arguments.samples_per_plate,
        progress=functools.partial(tqdm.tqdm, unit="plate", disable=None),
        workers=arguments.workers,
        view=arguments.view,
    )
